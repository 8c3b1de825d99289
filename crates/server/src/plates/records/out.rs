//! A file that a command writes, whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// How a database of SQLite begins.
const DATABASE: &[u8] = b"SQLite format 3\0";

/// Takes what is written; the file that was there stays as it is until [`Out::finish`].
pub(in crate::plates) struct Out(Kind);

enum Kind {
    /// Beside the file, which it becomes.
    Beside(BufWriter<NamedTempFile>, PathBuf),
    /// A pipe or a device takes it as it comes.
    Straight(BufWriter<File>),
}

impl Out {
    /// # Errors
    /// The folder cannot be written, or the file is a database.
    pub(in crate::plates) fn new(path: &Path) -> io::Result<Self> {
        // What a link names is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(it) if it.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(it) if !it.is_file() => {
                let file = OpenOptions::new().write(true).open(&path)?;
                return Ok(Self(Kind::Straight(BufWriter::new(file))));
            }
            Ok(_) if is_database(&path)? => {
                let text = "it is a database, which an export does not replace";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            _ => {}
        }
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".framerill-")
            .permissions(usual())
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self(Kind::Beside(BufWriter::new(file), path)))
    }

    /// All of it is there.
    pub(in crate::plates) fn finish(self) -> io::Result<()> {
        match self.0 {
            Kind::Straight(mut file) => file.flush(),
            Kind::Beside(file, path) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.persist(path).map(drop).map_err(|it| it.error)
            }
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Beside(file, _) => file.write(bytes),
            Kind::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Beside(file, _) => file.flush(),
            Kind::Straight(file) => file.flush(),
        }
    }
}

/// What `open` gives a new file, of which the umask takes its part.
fn usual() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// A database, or what SQLite keeps beside one.
fn is_database(path: &Path) -> io::Result<bool> {
    let name = path.to_string_lossy();
    let beside = ["-wal", "-shm", "-journal"];
    if let Some(base) = beside.iter().find_map(|it| name.strip_suffix(it))
        && Path::new(base).exists()
    {
        return Ok(true);
    }
    let mut head = Vec::new();
    let most = DATABASE.len() as u64;
    File::open(path)?.take(most).read_to_end(&mut head)?;
    Ok(head == DATABASE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) -> io::Result<()> {
        let mut out = Out::new(path)?;
        out.write_all(text.as_bytes())?;
        out.finish()
    }

    #[test]
    fn a_file_is_replaced_when_all_is_written_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write(&path, "old").unwrap();
        let mut out = Out::new(&path).unwrap();
        out.write_all(b"half").unwrap();
        out.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(out);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn databases_and_what_belongs_to_them_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plates.db");
        fs::write(&path, [DATABASE, b"..."].concat()).unwrap();
        let journal = folder.path().join("plates.db-wal");
        fs::write(&journal, "...").unwrap();
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for it in [&path, &journal, &link] {
            assert!(write(it, "new").is_err(), "{}", it.display());
        }
        assert!(fs::read(&path).unwrap().starts_with(DATABASE));
    }

    #[test]
    fn devices_take_it_as_it_comes_and_folders_do_not() {
        write(Path::new("/dev/null"), "text").unwrap();
        let full = write(Path::new("/dev/full"), "text").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let folder = tempfile::tempdir().unwrap();
        assert!(write(folder.path(), "text").is_err());
    }
}
