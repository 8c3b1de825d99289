//! Videos in the object bucket.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use async_nats::jetstream::object_store::{GetError, GetErrorKind, ObjectMetadata};
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, BufReader},
    time::timeout,
};

use super::{
    fault::{QueueError, away},
    queue::Queue,
    streams::bucket,
};
use crate::machines::Key;

/// A server that sends nothing for so long is away.
const STALL: Duration = Duration::from_secs(30);
/// Chunks of that size are published one after the other.
const CHUNK: usize = 128 << 10;
/// Of an upload, before it is given up.
const TRIES: u32 = 3;
/// Stays free on the disk of a worker.
const RESERVE: u64 = 64 << 20;

/// Why a video did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The bucket has no such object.
    #[error("the uploaded video is gone from the queue's bucket: submit it again with `--upload`")]
    Gone,
    /// It is not what was submitted.
    #[error("the uploaded video is not the one that was submitted ({0})")]
    Other(&'static str),
    /// There is no room.
    #[error("no room for a video of {0} bytes: free some in the work directory")]
    Room(u64),
    /// It cannot be written.
    #[error("cannot write the video: {0}")]
    Write(#[from] io::Error),
    /// It did not come.
    #[error("the uploaded video did not come: {0}")]
    Away(String),
}

impl Queue {
    /// Puts a file into the bucket, unless one of its size is there. It blocks.
    ///
    /// # Errors
    /// The file cannot be read, or the server is away for too long.
    pub fn upload(&self, key: &Key, file: &Path, bytes: u64) -> Result<(), QueueError> {
        let broken = |error: io::Error| QueueError::File(format!("{}: {error}", file.display()));
        self.runtime().block_on(async {
            let bucket = bucket(&self.link).await?;
            if let Ok(info) = bucket.info(key.as_str()).await
                && info.size as u64 == bytes
            {
                return Ok(());
            }
            let metadata = || ObjectMetadata {
                name: key.to_string(),
                chunk_size: Some(CHUNK),
                ..ObjectMetadata::default()
            };
            // An upload may take longer than a call: it has no deadline of its own as long as it moves, and each of its
            // chunks has one.
            let mut last = String::new();
            for _ in 0..TRIES {
                let opened = File::open(file).await.map_err(broken)?;
                match bucket.put(metadata(), &mut BufReader::new(opened)).await {
                    Ok(_) => return Ok(()),
                    Err(error) => last = error.to_string(),
                }
                self.link
                    .patient("reach its bucket", || async {
                        bucket.list().await.map(drop).map_err(away)
                    })
                    .await?;
            }
            Err(QueueError::Upload {
                address: self.link.address().to_owned(),
                tries: TRIES,
                reason: last,
            })
        })
    }

    /// Gets a file out of the bucket: exactly `bytes` of them with the hash `sha256`, or none. It blocks.
    ///
    /// # Errors
    /// It is not there, not the one, or there is no room for it.
    pub fn fetch(&self, key: &Key, bytes: u64, sha256: &str, to: &Path) -> Result<(), FetchError> {
        let fetched = self.fetched(key, bytes, sha256, to);
        if fetched.is_err() {
            // What is there of it is worth nothing.
            drop(fs::remove_file(to));
        }
        fetched
    }

    fn fetched(&self, key: &Key, bytes: u64, sha256: &str, to: &Path) -> Result<(), FetchError> {
        let folder = to.parent().unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(folder).map_err(io::Error::from)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes.saturating_add(RESERVE) {
            return Err(FetchError::Room(bytes));
        }
        self.runtime().block_on(async {
            let gone = |error: GetError| match error.kind() {
                GetErrorKind::NotFound => FetchError::Gone,
                _ => FetchError::Away(error.to_string()),
            };
            let bucket = bucket(&self.link).await;
            let bucket = bucket.map_err(|it| FetchError::Away(it.to_string()))?;
            let object = timeout(STALL, bucket.get(key.as_str())).await;
            let object = object.map_err(|_| FetchError::Away("no answer".into()))?;
            let mut object = object.map_err(gone)?;
            let (mut file, mut hash) = (fs::File::create(to)?, Sha256::new());
            let (mut buffer, mut got) = (vec![0; CHUNK], 0_u64);
            loop {
                let read = timeout(STALL, object.read(&mut buffer)).await;
                let read = read.map_err(|_| FetchError::Away("it stopped".into()))?;
                let read = read.map_err(|it| FetchError::Away(it.to_string()))?;
                if read == 0 {
                    break;
                }
                got += read as u64;
                if got > bytes {
                    return Err(FetchError::Other("it is larger"));
                }
                hash.update(&buffer[..read]);
                file.write_all(&buffer[..read])?;
            }
            let digest: String = hash
                .finalize()
                .iter()
                .map(|it| format!("{it:02x}"))
                .collect();
            if got != bytes || digest != sha256 {
                return Err(FetchError::Other("its bytes differ"));
            }
            Ok(())
        })
    }

    /// Takes a video out of the bucket: nobody needs it any more. One short try; the bucket forgets it by itself in the end.
    pub fn drop_object(&self, key: &Key) {
        let dropped = async {
            let bucket = bucket(&self.link).await.ok()?;
            bucket.delete(key.as_str()).await.ok()
        };
        // A deadline is made on the runtime, or nowhere.
        let dropped = async { timeout(STALL, dropped).await };
        drop(self.runtime().block_on(dropped));
    }
}
