//! The output file: written under a partial name, complete under its own, or not there at all.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use framerill_worker::message::Container;
use rustix::{
    fs::{FlockOperation, OFlags, flock},
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
    written: Ours,
    /// mp4: what media remuxes into at the end.
    remuxed: Option<Ours>,
}

/// A file that is being written by this run and no other: it stays locked until it has its name or is gone.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) path: PathBuf,
    _locked: File,
    /// What an earlier run left under this name, aside until this run has something better.
    earlier: Option<PathBuf>,
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
        is_a_file(path)?;
        let written = beside(path, "partial");
        let remuxed = (container == Container::Mp4).then(|| beside(path, "remux"));
        for ours in [path, &written].into_iter().chain(remuxed.as_deref()) {
            not_the_input(ours, input)?;
            not_the_input(&beside(ours, "earlier"), input)?;
        }
        let (written, file) = Ours::create(&written, path)?;
        let mut partial = Self {
            path: path.to_owned(),
            container,
            written,
            remuxed: None,
        };
        let mut final_file = None;
        if let Some(remuxed) = remuxed {
            match Ours::create(&remuxed, path) {
                Ok((ours, file)) => (partial.remuxed, final_file) = (Some(ours), Some(file)),
                Err(failure) => {
                    partial.discard();
                    return Err(failure);
                }
            }
        }
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
        named(&complete.path, &self.path)?;
        if self.remuxed.is_some() {
            remove(&self.written.path);
        }
        self.forget_earlier();
        Ok(self.path)
    }

    /// Keeps what was written under the partial name, if there is a picture in it. Nothing appears under the final name.
    pub(crate) fn keep(self) -> Option<PathBuf> {
        if !self.has_pictures() {
            self.discard();
            return None;
        }
        if let Some(remuxed) = &self.remuxed {
            remove(&remuxed.path);
        }
        self.forget_earlier();
        Some(self.written.path)
    }

    fn forget_earlier(&self) {
        for ours in [&self.written].into_iter().chain(&self.remuxed) {
            if let Some(earlier) = &ours.earlier {
                remove(earlier);
            }
        }
    }

    /// Whether more than a header was written.
    fn has_pictures(&self) -> bool {
        let mut begin = Vec::new();
        let read = File::open(&self.written.path)
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

    /// Removes all that was written; what an earlier run left is there again.
    pub(crate) fn discard(self) {
        self.written.discard();
        if let Some(remuxed) = self.remuxed {
            remuxed.discard();
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
            let id = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
            a == b || (id(&a).is_some() && id(&a) == id(&b))
        }
        _ => a == b,
    }
}

/// Refuses what can be no output file.
pub(super) fn is_a_file(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(
            Failure::cannot_start("output_directory", format!("`{shown}` is a directory"))
                .hint("name a file with -o"),
        );
    }
    if path.exists() && !path.is_file() {
        return Err(Failure::cannot_start(
            "output_kind",
            format!("`{shown}` is there and is no file"),
        )
        .hint("name a file with -o, or write to a pipe: -o - > PIPE"));
    }
    Ok(())
}

impl Ours {
    /// Opens a file for writing, empty, and locks it for this run. Failures name the file that was `wanted`.
    pub(super) fn create(path: &Path, wanted: &Path) -> Result<(Self, File), Failure> {
        let failed = |error: io::Error| cannot_write(wanted, &error);
        let mut file = open(path, false).map_err(failed)?;
        lock(&file, path, wanted)?;
        let mut earlier = None;
        if file.metadata().map_err(failed)?.len() > 0 {
            let aside = beside(path, "earlier");
            fs::rename(path, &aside).map_err(failed)?;
            earlier = Some(aside);
            file = open(path, true).map_err(failed)?;
            lock(&file, path, wanted)?;
        }
        let ours = Self {
            path: path.to_owned(),
            _locked: file.try_clone().map_err(failed)?,
            earlier,
        };
        Ok((ours, file))
    }

    /// Removes it; what an earlier run left is there again.
    pub(super) fn discard(self) {
        match &self.earlier {
            // Where that fails the earlier one keeps its other name.
            Some(earlier) => drop(fs::rename(earlier, &self.path)),
            None => remove(&self.path),
        }
    }
}

/// Follows no link: a file of ours is nobody else's.
fn open(path: &Path, new: bool) -> io::Result<File> {
    let no_link = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .create_new(new)
        .truncate(false)
        .custom_flags(no_link)
        .open(path)
}

/// Locks the file that has this name now: a run that ends renames its own.
fn lock(file: &File, path: &Path, wanted: &Path) -> Result<(), Failure> {
    let id = |it: fs::Metadata| (it.dev(), it.ino());
    let locked = flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
    let named = fs::symlink_metadata(path).map(id).ok();
    if locked && named.is_some() && named == file.metadata().map(id).ok() {
        return Ok(());
    }
    let shown = wanted.display();
    Err(Failure::cannot_start(
        "output_busy",
        format!("another run is writing `{shown}` at this moment"),
    )
    .hint("wait for it, or name another output with -o"))
}

fn cannot_write(wanted: &Path, error: &io::Error) -> Failure {
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
    let shown = wanted.display();
    Failure::cannot_start(
        "output_open",
        format!("cannot write `{shown}`: {}", plain(error)),
    )
    .hint(hint)
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
        let (first, file, _) = Partial::create(&path, None).unwrap();
        // Media has ended, and the output has no name yet.
        drop(file);
        let second = || Partial::create(&path, None).map(drop).unwrap_err().code;
        assert_eq!(second(), "output_busy");
        first.complete().unwrap();
        assert!(Partial::create(&path, None).is_ok());
    }

    #[test]
    fn what_an_earlier_run_left_is_there_again_when_this_one_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("out.partial.mkv");
        fs::write(&left, "an hour").unwrap();
        let path = folder.path().join("out.mkv");
        let (partial, _, _) = Partial::create(&path, None).unwrap();
        assert_eq!(fs::read(&left).unwrap(), b"");
        assert_eq!(partial.keep(), None);
        assert_eq!(fs::read(&left).unwrap(), b"an hour");
        let (partial, _, _) = Partial::create(&path, None).unwrap();
        partial.complete().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_link_is_followed_and_nothing_but_a_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious.txt");
        fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, folder.path().join("out.partial.mkv")).unwrap();
        let codes = [
            ("out.mkv", "output_open"),
            ("folder.mp4/", "output_directory"),
            ("socket.ts", "output_kind"),
        ];
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket.ts"));
        for (name, code) in codes {
            let failure = Partial::create(&folder.path().join(name), None).unwrap_err();
            assert_eq!(
                (failure.code.as_str(), failure.exit),
                (code, Exit::CannotStart)
            );
        }
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
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
