//! Picture files in memory that a worker can be lent: many for one start of a media process, whose pixels this one never maps.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use framerill_frames::{Geometry, MAX_SLOTS};
use framerill_worker::message::{ExcerptPlan, PictureStats, PicturesPlan};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::{
    excerpt::{lost, made, media_plan},
    reader::open,
};
use crate::{failure::Failure, program, run::media_command};

/// Room for a picture of 8192 × 5461; memory is taken for what is there.
const PICTURE_BYTES: usize = 128 << 20;
/// The most pictures at once.
pub(crate) const MOST: usize = MAX_SLOTS as usize;

/// Decoded pictures.
#[derive(Debug)]
pub(crate) struct Album {
    /// A pool's; picture n lies in slot n.
    pub(crate) memory: OwnedFd,
    pub(crate) geometry: Geometry,
    /// One a file, in their order.
    pub(crate) pictures: Vec<PictureStats>,
}

/// Has the picture files decoded, [`MOST`] at most. One that cannot be decoded says so in its place.
pub(crate) fn decode(paths: &[&Path], within: Duration) -> Result<Album, Failure> {
    let slots = u32::try_from(paths.len().max(1)).unwrap_or(u32::MAX);
    let broken = |error: &dyn std::fmt::Display| lost(&error.to_string());
    let geometry = Geometry::for_pictures(slots, PICTURE_BYTES).map_err(|error| broken(&error))?;
    let (files, lengths) = one_after_the_other(paths)?;
    let memory = (|| {
        let memory = memfd_create(
            "framerill-pool",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        ftruncate(&memory, geometry.total_bytes() as u64)?;
        Ok::<_, rustix::io::Errno>(memory)
    })()
    .map_err(|error| broken(&error))?;
    let plan = ExcerptPlan::Pictures(PicturesPlan {
        lengths,
        fd: 1,
        slot_bytes: geometry.slot_bytes,
    });
    let command = media_command(&program::media()?);
    let fds = [files.as_fd(), memory.as_fd()];
    let stats = made(command, media_plan("pictures", plan), &fds, within)?;
    // From now on it is what a reader's pool is: nobody writes it.
    let seals = SealFlags::FUTURE_WRITE | SealFlags::SHRINK | SealFlags::GROW;
    fcntl_add_seals(&memory, seals).map_err(|error| broken(&error))?;
    Ok(Album {
        memory,
        geometry,
        pictures: stats.pictures,
    })
}

/// All files in one without a name, and how long each is.
fn one_after_the_other(paths: &[&Path]) -> Result<(OwnedFd, Vec<u64>), Failure> {
    let mut all = tempfile::tempfile().map_err(|error| {
        Failure::failed("no_room", format!("cannot make a temporary file: {error}"))
    })?;
    let mut lengths = Vec::with_capacity(paths.len());
    for path in paths {
        let mut file = File::from(open(path)?);
        let copied = io::copy(&mut file, &mut all).map_err(|error| {
            Failure::failed(
                "no_room",
                format!("cannot copy `{}`: {error}", path.display()),
            )
        })?;
        lengths.push(copied);
    }
    let flushed = all.flush();
    flushed.map_err(|error| lost(&error.to_string()))?;
    Ok((all.into(), lengths))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::FileExt as _};

    use super::*;

    #[test]
    fn files_lie_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "c"].map(|it| folder.path().join(it));
        for (path, bytes) in paths.iter().zip(["one", "", "three"]) {
            fs::write(path, bytes).unwrap();
        }
        let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
        let (file, lengths) = one_after_the_other(&paths).unwrap();
        assert_eq!(lengths, [3, 0, 5]);
        let mut bytes = [0; 8];
        let file = File::from(file);
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"onethree");
        assert_eq!(file.metadata().unwrap().len(), 8);
        let missing = folder.path().join("none");
        assert_eq!(
            one_after_the_other(&[&missing]).unwrap_err().code,
            "input_missing"
        );
    }
}
