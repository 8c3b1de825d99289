//! Many picture files, each decoded into a slot of a pool. One that cannot be decoded is said, and the others go on. After
//! each one it is said how far it is.

use std::{fs::File, io::Write, os::fd::OwnedFd};

use framerill_media::Size;
use framerill_worker::message::{ExcerptStats, PictureFile, PictureStats, PicturesPlan, Place};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::{Errno, pread, pwrite, retry_on_intr},
};

use super::{
    Job,
    find::find,
    photo::{self, Upright},
    still::upright,
};
use crate::{
    demux::{FileSource, Opening},
    error::AvError,
    ffi::Interrupt,
    ingress::report,
    source::Traits,
};

/// No picture file among others is longer.
const LONGEST: u64 = 256 << 20;
/// Pictures of one plan at most; a pool has no more slots.
const MOST: usize = 64;

/// Picture files that are to be decoded.
pub(crate) struct Album {
    plan: PicturesPlan,
    /// All files, one after the other.
    source: OwnedFd,
    /// The memory of the pool.
    into: OwnedFd,
    interrupt: Interrupt,
    upright: Upright,
}

impl Album {
    pub(super) fn new(
        plan: &PicturesPlan,
        source: OwnedFd,
        into: OwnedFd,
        interrupt: &Interrupt,
    ) -> Result<Self, AvError> {
        let is_possible = plan.files.len() <= 1 || plan.files.iter().all(|it| it.length <= LONGEST);
        if !is_possible || plan.files.len() > MOST {
            let what = format!("up to {MOST} pictures of up to {} MiB", LONGEST >> 20);
            return Err(AvError::Plan(what));
        }
        Ok(Self {
            plan: plan.clone(),
            source,
            into,
            interrupt: interrupt.clone(),
            upright: Upright::default(),
        })
    }

    /// Decodes all of them, or those that have room.
    pub(super) fn make(mut self, so_far: &dyn Fn(&ExcerptStats)) -> Result<ExcerptStats, AvError> {
        let mut stats = ExcerptStats::default();
        let (mut from, mut bytes) = (0_u64, 0);
        let files = std::mem::take(&mut self.plan.files);
        for (slot, file) in files.iter().enumerate() {
            if self.interrupt.is_triggered() {
                return Err(AvError::Interrupted);
            }
            if bytes >= self.plan.most_bytes {
                break;
            }
            let made = self.picture(slot, from, file);
            from = from.saturating_add(file.length);
            stats.pictures.push(match made {
                Ok(size) => {
                    stats.frames += 1;
                    bytes += u64::from(size.width()) * u64::from(size.height()) * 3;
                    PictureStats {
                        width: size.width(),
                        height: size.height(),
                        error: None,
                    }
                }
                Err(error) => PictureStats {
                    error: Some(Box::new(report(&error))),
                    ..PictureStats::default()
                },
            });
            so_far(&stats);
        }
        Ok(stats)
    }

    fn picture(&mut self, slot: usize, from: u64, file: &PictureFile) -> Result<Size, AvError> {
        let name = &*file.name;
        let read = |errno: Errno| AvError::SourceRead {
            name: name.to_owned(),
            fault: crate::sink::errno(&errno.into()),
        };
        if file.length > LONGEST {
            // It is alone, and no photo.
            let whole = self
                .source
                .try_clone()
                .map_err(|error| AvError::SourceRead {
                    name: name.to_owned(),
                    fault: crate::sink::errno(&error),
                })?;
            let (size, pixels) = self.of_file(whole, name)?;
            return self.put(slot, size, &pixels);
        }
        let bytes = self.part(from, file.length).map_err(read)?;
        let Some(frame) = photo::frame_of(&bytes, name) else {
            let (size, pixels) = self.of_file(file_of(&bytes).map_err(read)?, name)?;
            return self.put(slot, size, &pixels);
        };
        let mut upright = std::mem::take(&mut self.upright);
        let put = upright
            .of(&frame?, name)
            .and_then(|(size, pixels)| self.put(slot, size, pixels));
        self.upright = upright;
        put
    }

    /// The first picture of what is opened as a video.
    fn of_file(&self, file: OwnedFd, name: &str) -> Result<(Size, Vec<u8>), AvError> {
        let source = FileSource::open(file, name, Opening::of_reader(1), &self.interrupt)?;
        let traits = Traits::of_stream(source.video()).map_err(|(width, height)| {
            AvError::SourceTooLarge {
                name: name.to_owned(),
                width,
                height,
            }
        })?;
        let mut job = Job {
            name: name.to_owned(),
            source,
            traits,
            fds: Vec::new(),
        };
        let found = find(&mut job, Place::default())?;
        upright(&mut job, &found.frame)
    }

    /// The bytes of one file.
    fn part(&self, mut from: u64, length: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let got = retry_on_intr(|| pread(&self.source, &mut *rest, from))?;
            if got == 0 {
                return Err(Errno::IO);
            }
            from += got as u64;
            rest = &mut rest[got..];
        }
        Ok(bytes)
    }

    /// Writes a picture into its slot.
    fn put(&self, slot: usize, size: Size, mut pixels: &[u8]) -> Result<Size, AvError> {
        if pixels.len() > self.plan.slot_bytes as usize {
            return Err(AvError::Plan(format!(
                "a picture of {}×{} pixels does not fit into its slot",
                size.width(),
                size.height()
            )));
        }
        let failed = |errno: Errno| AvError::SinkWrite {
            name: "the pool".to_owned(),
            fault: crate::sink::errno(&errno.into()),
        };
        let mut at = slot as u64 * u64::from(self.plan.slot_bytes);
        while !pixels.is_empty() {
            let put = retry_on_intr(|| pwrite(&self.into, pixels, at)).map_err(failed)?;
            if put == 0 {
                return Err(failed(Errno::IO));
            }
            at += put as u64;
            pixels = &pixels[put..];
        }
        Ok(size)
    }
}

/// Bytes as a file of their own.
fn file_of(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let mut file = File::from(memfd_create("framerill-picture", MemfdFlags::CLOEXEC)?);
    let written = file.write_all(bytes);
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(file.into())
}
