//! The output file: written under a partial name, complete under its own, or not there at all.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use framerill_worker::message::Container;
use rustix::{
    fs::{FlockOperation, flock},
    stdio::dup2_stdout,
};

use crate::failure::Failure;

/// Within so many bytes the header of a container ends, and pictures begin.
const HEADER_MAX: u64 = 64 << 10;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    container: Container,
    /// What media writes while the stream runs; playable at any time.
    written: PathBuf,
    /// mp4: what media remuxes into at the end.
    remuxed: Option<PathBuf>,
}

/// The container of a path's extension.
fn container_of(path: &Path) -> Result<Container, Failure> {
    let extension = path
        .extension()
        .map(|it| it.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("mp4" | "m4v" | "mov") => Ok(Container::Mp4),
        Some("mkv") => Ok(Container::Matroska),
        Some("ts" | "m2ts") => Ok(Container::Mpegts),
        Some("webm") => Ok(Container::Webm),
        _ => Err(Failure::usage(
            "output_extension",
            format!(
                "`{}` does not end in a container that can be written",
                path.display()
            ),
        )
        .hint("use .mp4, .mkv, .ts or .webm, or `-` for MPEG-TS to stdout")),
    }
}

/// Stdout as the sink. Whatever else is printed goes to stderr from now on.
pub(crate) fn stdout() -> Result<OwnedFd, Failure> {
    let broken = |error: rustix::io::Errno| {
        Failure::cannot_start("output_open", format!("cannot write to stdout: {error}"))
    };
    let sink = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).map_err(broken)?;
    dup2_stdout(rustix::stdio::stderr()).map_err(broken)?;
    Ok(sink)
}

impl Partial {
    /// Checks that `path` can be written and is not the input, and creates the partial files. Returns them open: the one
    /// that is written, and the one that is remuxed into.
    pub(crate) fn create(
        path: &Path,
        input: Option<&Path>,
    ) -> Result<(Self, File, Option<File>), Failure> {
        let container = container_of(path)?;
        let shown = path.display();
        if path.is_dir() {
            return Err(Failure::cannot_start(
                "output_directory",
                format!("`{shown}` is a directory"),
            )
            .hint("name a file with -o"));
        }
        let written = beside(path, "partial");
        let remuxed = (container == Container::Mp4).then(|| beside(path, "remux"));
        for ours in [path, &written].into_iter().chain(remuxed.as_deref()) {
            not_the_input(ours, input)?;
        }
        let mut partial = Self {
            path: path.to_owned(),
            container,
            written,
            remuxed: None,
        };
        let file = create(&partial.written, path)?;
        let final_file = match &remuxed {
            Some(remuxed) => match create(remuxed, path) {
                Ok(file) => Some(file),
                Err(failure) => {
                    partial.discard();
                    return Err(failure);
                }
            },
            None => None,
        };
        partial.remuxed = remuxed;
        Ok((partial, file, final_file))
    }

    /// How it is packed.
    #[must_use]
    pub(crate) fn container(&self) -> Container {
        self.container
    }

    /// Puts the complete file under its own name.
    pub(crate) fn complete(self) -> Result<PathBuf, Failure> {
        let complete = self.remuxed.as_ref().unwrap_or(&self.written);
        named(complete, &self.path)?;
        if self.remuxed.is_some() {
            remove(&self.written);
        }
        Ok(self.path)
    }

    /// Keeps what was written under the partial name, if there is a picture in it. Nothing appears under the final name.
    pub(crate) fn keep(self) -> Option<PathBuf> {
        if let Some(remuxed) = &self.remuxed {
            remove(remuxed);
        }
        if !self.has_pictures() {
            remove(&self.written);
            return None;
        }
        Some(self.written)
    }

    /// Whether more than a header was written.
    fn has_pictures(&self) -> bool {
        let mut begin = Vec::new();
        let read = File::open(&self.written)
            .and_then(|file| file.take(HEADER_MAX).read_to_end(&mut begin));
        let holds = |mark: &[u8]| begin.windows(mark.len()).any(|bytes| bytes == mark);
        read.is_ok()
            && match self.container {
                Container::Mp4 => holds(b"moof"),
                // The first cluster.
                Container::Matroska | Container::Webm => holds(&[0x1F, 0x43, 0xB6, 0x75]),
                Container::Mpegts | Container::Segments => !begin.is_empty(),
            }
    }

    /// Removes all that was written.
    pub(crate) fn discard(self) {
        remove(&self.written);
        if let Some(remuxed) = &self.remuxed {
            remove(remuxed);
        }
    }
}

/// Gives a complete file its name.
pub(super) fn named(written: &Path, path: &Path) -> Result<(), Failure> {
    fs::rename(written, path).map_err(|error| {
        let (written, shown) = (written.display(), path.display());
        Failure::failed(
            "output_rename",
            format!("cannot name the output `{shown}`: {}", plain(&error)),
        )
        .hint(format!("it is complete under `{written}`"))
    })
}

/// `out.mp4` → `out.partial.mp4`, in the same folder, so that it keeps its kind and can be renamed.
pub(super) fn beside(path: &Path, word: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}.{word}.{extension}"))
}

/// Refuses to write where the input lies, by whatever name.
pub(super) fn not_the_input(ours: &Path, input: Option<&Path>) -> Result<(), Failure> {
    match input {
        Some(input) if same_file(ours, input) => {
            let shown = ours.display();
            Err(
                Failure::usage("output_is_input", format!("`{shown}` is the input, too"))
                    .hint("name another output with -o"),
            )
        }
        _ => Ok(()),
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => {
            use std::os::unix::fs::MetadataExt;
            let id = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
            a == b || (id(&a).is_some() && id(&a) == id(&b))
        }
        _ => a == b,
    }
}

/// Opens a file of ours for writing, empty, and locks it for this run. Failures name the file that was `wanted`.
pub(super) fn create(path: &Path, wanted: &Path) -> Result<File, Failure> {
    let shown = wanted.display();
    let opened = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = opened.map_err(|error| {
        let folder = wanted.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let hint = match error.kind() {
            ErrorKind::NotFound if !folder.is_dir() => {
                format!("make the folder first: mkdir -p {}", folder.display())
            }
            ErrorKind::StorageFull => "free some space, or name another place with -o".into(),
            _ => {
                let folder = folder.display();
                format!("`{folder}` has to be a folder that you may write, or name another with -o")
            }
        };
        Failure::cannot_start(
            "output_open",
            format!("cannot write `{shown}`: {}", plain(&error)),
        )
        .hint(hint)
    })?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(Failure::cannot_start(
            "output_busy",
            format!("another run is writing `{shown}` at this moment"),
        )
        .hint("wait for it, or name another output with -o"));
    }
    file.set_len(0).map_err(|error| {
        Failure::cannot_start(
            "output_open",
            format!("cannot write `{shown}`: {}", plain(&error)),
        )
        .hint("name another place with -o")
    })?;
    Ok(file)
}

/// The system's words without the number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}

/// Removes a file of ours.
pub(super) fn remove(path: &Path) {
    // What is not there need not be removed.
    drop(fs::remove_file(path));
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_complete_output_appears_at_once_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mp4");
        let (partial, _, final_file) = Partial::create(&path, None).unwrap();
        final_file.unwrap().write_all(b"remuxed").unwrap();
        assert!(!path.exists());
        partial.complete().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"remuxed");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_written_before_a_failure_stays_under_the_partial_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mkv");
        let (partial, mut file, _) = Partial::create(&path, None).unwrap();
        file.write_all(b"header, \x1f\x43\xb6\x75 frames").unwrap();
        assert_eq!(partial.keep(), Some(folder.path().join("out.partial.mkv")));
        assert!(!path.exists());
    }

    #[test]
    fn a_failure_before_the_first_byte_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for header in [&b""[..], b"ftyp and moov"] {
            let path = folder.path().join("out.mp4");
            let (partial, mut file, _) = Partial::create(&path, None).unwrap();
            file.write_all(header).unwrap();
            assert_eq!(partial.keep(), None);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_input_is_never_the_output_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        fs::write(&path, b"video").unwrap();
        let link = folder.path().join("b.mp4");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let hard = folder.path().join("c.mp4");
        fs::hard_link(&path, &hard).unwrap();
        for other in [&path, &link, &hard, &folder.path().join("./a.mp4")] {
            let failure = Partial::create(other, Some(&path)).unwrap_err();
            assert_eq!(
                (failure.code.as_str(), failure.exit),
                ("output_is_input", Exit::Usage)
            );
        }
        assert_eq!(fs::read(&path).unwrap(), b"video");
    }

    #[test]
    fn what_is_written_on_the_way_is_never_the_input() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("x.mp4");
        for name in ["x.partial.mp4", "x.remux.mp4"] {
            let input = folder.path().join(name);
            fs::write(&input, b"video").unwrap();
            let failure = Partial::create(&output, Some(&input)).unwrap_err();
            assert_eq!(failure.code, "output_is_input");
            assert_eq!(fs::read(&input).unwrap(), b"video");
        }
    }

    #[test]
    fn a_second_run_does_not_write_into_the_first_ones_output() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mkv");
        let (_first, _file, _) = Partial::create(&path, None).unwrap();
        assert_eq!(
            Partial::create(&path, None).unwrap_err().code,
            "output_busy"
        );
    }

    #[test]
    fn an_output_that_cannot_be_written_cannot_start() {
        let folder = tempfile::tempdir().unwrap();
        for (path, exit) in [
            (folder.path().join("no/such/out.mp4"), Exit::CannotStart),
            (folder.path().join("out.txt"), Exit::Usage),
            (folder.path().join("out"), Exit::Usage),
        ] {
            let failure = Partial::create(&path, None).unwrap_err();
            assert_eq!(failure.exit, exit);
            assert!(failure.hint.is_some());
        }
    }
}
