//! Picture files in memory that a worker can be lent: many for one start of a media process, whose pixels this one never maps.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use framerill_frames::{Geometry, MAX_SLOTS};
use framerill_supervisor::Command;
use framerill_worker::message::{ExcerptPlan, PictureFile, PictureStats, PicturesPlan};
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create},
    io::Errno,
};

use super::excerpt::{lost, made, media_plan};
use crate::{failure::Failure, plates::readers::reader::open, program, run::media_command};

/// Room for a picture of 8192 × 5461; memory is taken for what is there.
const PICTURE_BYTES: usize = 128 << 20;
/// The most pictures at once.
const MOST: usize = MAX_SLOTS as usize;
/// Bytes of files that are copied for one process; a longer one is alone, and is not copied.
const MOST_FILES: u64 = 64 << 20;
/// Bytes of decoded pictures after which the next album begins.
const MOST_PIXELS: u64 = 128 << 20;
/// A picture that is not decoded by then is given up, and its process with it.
const WITHIN: Duration = Duration::from_secs(30);

/// Counts all pools of albums, so that no worker takes one for another.
static POOLS: AtomicU32 = AtomicU32::new(1);

/// Decoded pictures.
#[derive(Debug)]
pub(crate) struct Album {
    /// Never used again for another one.
    pub(crate) pool: u32,
    /// A pool's.
    pub(crate) memory: OwnedFd,
    pub(crate) geometry: Geometry,
    /// One a file, in their order.
    pub(crate) pictures: Vec<Result<Picture, Failure>>,
}

/// A decoded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Where in the memory it lies.
    pub(crate) slot: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Has the first of these picture files decoded: as many as have room, at least one. One that cannot be decoded says so in its
/// place. Where the decoder dies, it is the fault of the picture that it was at: the album ends with that one, and the next
/// begins after it.
pub(crate) fn decode(paths: &[&Path]) -> Result<Album, Failure> {
    decode_with(&media_command(&program::media()?), paths)
}

fn decode_with(command: &Command, paths: &[&Path]) -> Result<Album, Failure> {
    let Files { source, all } = Files::gather(paths)?;
    let broken = |error: &dyn std::fmt::Display| lost(&error.to_string());
    let files: Vec<_> = all.iter().filter_map(|it| it.as_ref().ok()).collect();
    let slots = u32::try_from(files.len().max(1)).unwrap_or(u32::MAX);
    let geometry = Geometry::for_pictures(slots, PICTURE_BYTES).map_err(|error| broken(&error))?;
    let memory = memory(geometry).map_err(|error| broken(&error))?;
    let mut seen: Vec<PictureStats> = Vec::new();
    let mut died = None;
    if !files.is_empty() {
        let plan = ExcerptPlan::Pictures(PicturesPlan {
            files: files.into_iter().cloned().collect(),
            fd: 1,
            slot_bytes: geometry.slot_bytes,
            most_bytes: MOST_PIXELS,
        });
        let fds = [source.as_fd(), memory.as_fd()];
        let plan = media_plan("pictures", plan);
        let done = made(command.clone(), plan, &fds, WITHIN, |it| seen = it.pictures);
        match done {
            Ok(stats) => seen = stats.pictures,
            Err(failure) => died = Some(failure),
        }
    }
    // From now on it is what a reader's pool is: nobody writes it.
    let seals = SealFlags::FUTURE_WRITE | SealFlags::SHRINK | SealFlags::GROW;
    fcntl_add_seals(&memory, seals).map_err(|error| broken(&error))?;
    Ok(Album {
        pool: POOLS.fetch_add(1, Ordering::Relaxed),
        memory,
        geometry,
        pictures: outcomes(all, seen, died),
    })
}

/// What came of each file, as far as there is a word of it: those that could not be opened, those that media looked at, and
/// the one with which it died.
fn outcomes(
    files: Vec<Result<PictureFile, Failure>>,
    seen: Vec<PictureStats>,
    mut died: Option<Failure>,
) -> Vec<Result<Picture, Failure>> {
    let mut outcomes = Vec::with_capacity(files.len());
    let mut seen = (0..).zip(seen);
    for file in files {
        // One that could not be opened has no slot.
        let next = file.is_ok().then(|| seen.next()).flatten();
        outcomes.push(match (file, next) {
            (Err(failure), _) => Err(failure),
            (Ok(_), Some((slot, it))) => match it.error {
                Some(report) => Err(Failure::of_child(&report)),
                None => Ok(Picture {
                    slot,
                    width: it.width,
                    height: it.height,
                }),
            },
            (Ok(_), None) => match died.take() {
                Some(failure) => Err(failure),
                // Whoever goes on after it goes on somewhere.
                None if outcomes.is_empty() => Err(lost("it said nothing of it")),
                None => break,
            },
        });
    }
    outcomes
}

/// The memory of a pool, not sealed yet.
fn memory(geometry: Geometry) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create("framerill-pool", flags)?;
    ftruncate(&memory, geometry.total_bytes() as u64)?;
    Ok(memory)
}

/// Picture files, as media takes them.
struct Files {
    /// All of them, one after the other.
    source: OwnedFd,
    /// One a path, until there is no more room.
    all: Vec<Result<PictureFile, Failure>>,
}

impl Files {
    fn gather(paths: &[&Path]) -> Result<Self, Failure> {
        let mut source = tempfile::tempfile().map_err(|error| {
            Failure::failed("no_room", format!("cannot make a temporary file: {error}"))
        })?;
        let (mut all, mut end) = (Vec::new(), 0);
        for path in paths.iter().take(MOST) {
            let mut file = match open(path) {
                Ok(file) => File::from(file),
                Err(failure) => {
                    all.push(Err(failure));
                    continue;
                }
            };
            let name = path.file_name().unwrap_or(path.as_os_str());
            let name = name.to_string_lossy().into_owned();
            let length = file.metadata().map_or(0, |it| it.len());
            if length > MOST_FILES && all.iter().all(Result::is_err) {
                all.push(Ok(PictureFile { name, length }));
                source = file;
                break;
            }
            if length > MOST_FILES - end {
                break;
            }
            // A file that grows meanwhile is what it was.
            let copied = source
                .seek(SeekFrom::Start(end))
                .and_then(|_| io::copy(&mut (&mut file).take(length), &mut source));
            all.push(match copied {
                Ok(length) => {
                    end += length;
                    Ok(PictureFile { name, length })
                }
                Err(error) => {
                    let text = format!("cannot copy `{}`: {error}", path.display());
                    Err(Failure::failed("no_room", text))
                }
            });
        }
        Ok(Self {
            source: source.into(),
            all,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::FileExt as _};

    use framerill_worker::message::ErrorReport;

    use super::*;

    fn file(name: &str) -> Result<PictureFile, Failure> {
        let name = name.to_owned();
        Ok(PictureFile { name, length: 1 })
    }

    fn seen(width: u32) -> PictureStats {
        PictureStats {
            width,
            height: 1,
            error: None,
        }
    }

    /// Widths of those that were decoded, codes of the others.
    fn told(outcomes: &[Result<Picture, Failure>]) -> Vec<String> {
        let one = |it: &Result<Picture, Failure>| match it {
            Ok(it) => format!("{}@{}", it.width, it.slot),
            Err(failure) => failure.code.clone(),
        };
        outcomes.iter().map(one).collect()
    }

    #[test]
    fn files_lie_one_after_the_other_and_one_that_is_missing_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "none", "c"].map(|it| folder.path().join(it));
        for (path, bytes) in [(0, "one"), (1, ""), (3, "three")] {
            fs::write(&paths[path], bytes).unwrap();
        }
        let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
        let Files { source, all } = Files::gather(&paths).unwrap();
        let lengths: Vec<_> = all.iter().flatten().map(|it| it.length).collect();
        assert_eq!(lengths, [3, 0, 5]);
        assert_eq!(all[2].as_ref().unwrap_err().code, "input_missing");
        let mut bytes = [0; 8];
        let file = File::from(source);
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"onethree");
        assert_eq!(file.metadata().unwrap().len(), 8);
    }

    #[test]
    fn an_album_has_room_for_so_many_files_and_bytes_and_a_long_file_is_alone_and_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let sized = |name: &str, bytes: u64| {
            let path = folder.path().join(name);
            File::create(&path).unwrap().set_len(bytes).unwrap();
            path
        };
        let made = [
            sized("s", 1),
            sized("h", MOST_FILES / 2 + 1),
            sized("l", MOST_FILES + 1),
        ];
        let [small, half, long] = made.each_ref().map(|it| it.as_path());
        let lengths = |paths: &[&Path]| {
            let files = Files::gather(paths).unwrap();
            let lengths = files.all.iter().flatten().map(|it| it.length);
            lengths.collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[small; 99]).len(), MOST);
        assert_eq!(lengths(&[half, half]), [MOST_FILES / 2 + 1]);
        assert_eq!(lengths(&[small, long]), [1]);
        assert_eq!(lengths(&[long, small]), [MOST_FILES + 1]);
    }

    #[test]
    fn a_decoder_that_dies_costs_the_picture_that_it_was_at_and_what_comes_after_is_left_to_the_next_one()
     {
        let died = || Some(lost("it died"));
        let files = || vec![file("a"), Err(lost("gone")), file("b"), file("c")];
        let of = |seen: &[PictureStats], died| told(&outcomes(files(), seen.to_vec(), died));
        assert_eq!(
            of(&[seen(1), seen(2), seen(3)], None),
            ["1@0", "media_lost", "2@1", "3@2"]
        );
        assert_eq!(of(&[seen(1)], died()), ["1@0", "media_lost", "media_lost"]);
        assert_eq!(of(&[], died()), ["media_lost", "media_lost"]);
        assert_eq!(of(&[], None), ["media_lost", "media_lost"]);
        // Full: the rest is the next album's.
        assert_eq!(of(&[seen(1)], None), ["1@0", "media_lost"]);
        let broken = PictureStats {
            error: Some(Box::new(ErrorReport::fatal("source_open", "no picture"))),
            ..PictureStats::default()
        };
        assert_eq!(
            of(&[broken, seen(2)], None),
            ["source_open", "media_lost", "2@1"]
        );
    }
}
