//! The input as the user names it: a file that can be opened, or a generator.

use std::{
    fs::File,
    io::ErrorKind,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use framerill_worker::message::Source;
use rustix::fs::{Mode, OFlags, open};

use crate::failure::Failure;

/// Where pictures come from.
#[derive(Debug)]
pub(crate) enum Input {
    /// A file.
    File {
        /// As the user wrote it.
        path: PathBuf,
        /// Open for reading.
        file: OwnedFd,
    },
    /// `lavfi:GRAPH`.
    Lavfi(String),
}

impl Input {
    /// Opens what the user names.
    pub(crate) fn open(named: &str) -> Result<Self, Failure> {
        if let Some(graph) = named.strip_prefix("lavfi:") {
            return Ok(Self::Lavfi(graph.to_owned()));
        }
        if let Some((scheme, _)) = named.split_once("://") {
            return Err(Failure::usage(
                "input_scheme",
                format!("`{named}` is a network address, and `run` does not read {scheme} sources"),
            )
            .hint("save it to a file first, or use a `lavfi:` generator"));
        }
        let path = PathBuf::from(named);
        let file = open_file(&path)?;
        Ok(Self::File { path, file })
    }

    /// The plan's source, and the descriptor that goes with it as the first.
    #[must_use]
    pub(crate) fn source(self) -> (Source, Option<OwnedFd>) {
        match self {
            Self::File { path, file } => {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                (
                    Source::File {
                        name: name.unwrap_or_default(),
                        fd: 0,
                    },
                    Some(file),
                )
            }
            Self::Lavfi(graph) => (Source::Lavfi { graph }, None),
        }
    }
}

fn open_file(path: &Path) -> Result<OwnedFd, Failure> {
    let shown = path.display();
    // O_NONBLOCK: opening a pipe that nobody writes does not wait.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| {
            let error = std::io::Error::from(errno);
            match error.kind() {
                ErrorKind::NotFound => {
                    Failure::usage("input_missing", format!("there is no file `{shown}`"))
                        .hint("check the path")
                }
                ErrorKind::PermissionDenied => {
                    Failure::failed("input_permission", format!("`{shown}` may not be read"))
                        .hint("change its permissions (`chmod +r`)")
                }
                _ => Failure::failed("input_open", format!("cannot open `{shown}`: {error}")),
            }
        })?;
    let kind = file.metadata().map_err(|error| {
        Failure::failed("input_open", format!("cannot look at `{shown}`: {error}"))
    })?;
    if kind.is_dir() {
        return Err(
            Failure::failed("input_directory", format!("`{shown}` is a directory"))
                .hint("name one video file in it"),
        );
    }
    if !kind.is_file() {
        return Err(
            Failure::failed("input_kind", format!("`{shown}` is not a regular file"))
                .hint("save it to a file first"),
        );
    }
    if kind.len() == 0 {
        return Err(
            Failure::failed("input_empty", format!("`{shown}` is empty (0 bytes)"))
                .hint("copy the file again"),
        );
    }
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn what_is_no_file_to_read_is_one_clear_failure() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.mp4");
        File::create(&empty).unwrap();
        let cases = [
            (folder.path().join("none.mp4"), "input_missing", Exit::Usage),
            (folder.path().to_path_buf(), "input_directory", Exit::Failed),
            (empty, "input_empty", Exit::Failed),
            ("/dev/null".into(), "input_kind", Exit::Failed),
        ];
        for (path, code, exit) in cases {
            let failure = Input::open(&path.display().to_string()).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit), (code, exit));
            assert!(failure.hint.is_some());
        }
    }
}
