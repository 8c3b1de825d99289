//! A file that output goes to. It is made with its first byte: a stream that fails before that leaves nothing behind.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rustix::fs::{Access, access};
use tokio::{
    fs::File,
    io::{AsyncWrite, AsyncWriteExt},
    task::spawn_blocking,
};

/// The file.
pub(super) enum Disk {
    /// Not there yet.
    Wanted(PathBuf),
    /// It has bytes.
    Begun(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Disk {
    /// A file that can be made, as far as that is known before it is.
    pub(super) async fn wanted(path: PathBuf) -> io::Result<Self> {
        let looked = blocking(move || may_be_made(&path).map(|()| path));
        looked.await.map(Self::Wanted)
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        match self {
            Self::Wanted(_) if bytes.is_empty() => Ok(()),
            Self::Wanted(path) => {
                let path = path.clone();
                let begun = blocking(move || begin(&path, &bytes)).await?;
                *self = Self::Begun(Box::new(File::from_std(begun)));
                Ok(())
            }
            Self::Begun(file) => file.write_all(&bytes).await,
        }
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Wanted(_) => Ok(()),
            Self::Begun(file) => file.flush().await,
        }
    }
}

/// Whether it can be made, as far as that is known before it is. It blocks.
fn may_be_made(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        // What is there is not written over: it may be the source.
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Makes it with its first bytes. It blocks.
fn begin(path: &Path, bytes: &[u8]) -> io::Result<fs::File> {
    let mut file = fs::File::create_new(path)?;
    let written = file.write_all(bytes);
    if written.is_err() && file.metadata().is_ok_and(|it| it.len() == 0) {
        // A full disk has room for a name.
        fs::remove_file(path).ok();
    }
    written.map(|()| file)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn kind(path: &Path) -> Option<io::ErrorKind> {
        let wanted = Disk::wanted(path.to_owned()).await;
        wanted.err().map(|it| it.kind())
    }

    #[tokio::test]
    async fn a_file_is_there_from_its_first_byte_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ts");
        let mut failed = Disk::wanted(path.clone()).await.unwrap();
        failed.flush().await.unwrap();
        drop(failed);
        assert!(!path.exists());
        // The same again: nothing is in its way.
        let mut disk = Disk::wanted(path.clone()).await.unwrap();
        disk.write(Bytes::from_static(b"one")).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        disk.write(Bytes::from_static(b" two")).await.unwrap();
        disk.flush().await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one two");
    }

    #[tokio::test]
    async fn what_is_there_is_refused_at_once_and_again_at_the_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ts");
        let mut disk = Disk::wanted(path.clone()).await.unwrap();
        fs::write(&path, "of another").unwrap();
        assert_eq!(kind(&path).await, Some(io::ErrorKind::AlreadyExists));
        let late = disk.write(Bytes::from_static(b"bytes")).await;
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"of another");
        let dangling = folder.path().join("link.ts");
        symlink(folder.path().join("none"), &dangling).unwrap();
        assert_eq!(kind(&dangling).await, Some(io::ErrorKind::AlreadyExists));
    }

    #[tokio::test]
    async fn a_folder_that_takes_no_file_is_told_before_the_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none").join("out.ts");
        assert_eq!(kind(&none).await, Some(io::ErrorKind::NotFound));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let below = file.join("out.ts");
        assert_eq!(kind(&below).await, Some(io::ErrorKind::NotADirectory));
    }
}
