//! Pictures and clips that were made once, in a folder of at most so many bytes: the oldest go first.
//!
//! Only files of our own naming are counted and removed: the folder may hold others.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use sha2::{Digest, Sha256};

const PREFIX: &str = "framerill-";
/// Hexadecimal digits of a key.
const KEY: usize = 64;

/// What a clip is of; zeros for a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first frame of it.
    pub(super) start: u64,
    /// The last.
    pub(super) end: u64,
    /// Frames a second as a fraction.
    pub(super) fps: [u32; 2],
}

/// A file that was made, open at its beginning.
#[derive(Debug)]
pub(super) struct Snippet {
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) extent: Extent,
}

/// Files that were made.
#[derive(Debug)]
pub(super) struct Snippets {
    folder: PathBuf,
    most_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<String, Kept>,
    /// Keys by age.
    order: BTreeMap<u64, String>,
    bytes: u64,
    turns: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    bytes: u64,
    turn: u64,
    extent: Extent,
}

/// The name under which something is found again: of everything that it depends on.
pub(super) fn key(of: &impl std::fmt::Debug) -> String {
    let digest = Sha256::digest(format!("1 {of:?}"));
    digest.iter().map(|it| format!("{it:02x}")).collect()
}

impl Snippets {
    /// Makes the folder unless it is there, and finds what lies in it. It blocks.
    pub(super) fn open(folder: &Path, most_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        // Whether it can be written is known now rather than at the first request.
        drop(tempfile::NamedTempFile::new_in(&folder)?);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let (Some((key, extent)), Ok(stat)) = (parse(&name), entry.metadata()) else {
                continue;
            };
            if stat.is_file() {
                let made = stat.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((made, name, key, extent, stat.len()));
            }
        }
        found.sort_by(|one, two| (one.0, &one.1).cmp(&(two.0, &two.1)));
        let it = Self {
            folder,
            most_bytes,
            state: Mutex::default(),
        };
        let mut state = it.lock();
        for (_, name, key, extent, bytes) in found {
            state.add(key, name, bytes, extent);
        }
        it.make_room(&mut state);
        drop(state);
        Ok(it)
    }

    /// What was made under this key. It blocks.
    pub(super) fn get(&self, key: &str) -> Option<Snippet> {
        let kept = self.lock().kept.get(key)?.clone();
        let file = File::open(self.folder.join(&kept.name));
        let opened = file.and_then(|it| Ok((it.metadata()?.len(), it)));
        match opened {
            Ok((bytes, file)) if bytes > 0 => Some(Snippet {
                file,
                bytes,
                extent: kept.extent,
            }),
            // Somebody else removed it.
            _ => {
                self.lock().remove(key);
                None
            }
        }
    }

    /// Keeps what was made, if there is room for it at all. A disk that is full costs only the next making. It blocks.
    pub(super) fn put(
        &self,
        key: &str,
        end: &str,
        extent: Extent,
        mut file: File,
    ) -> io::Result<Snippet> {
        let bytes = file.metadata()?.len();
        if bytes <= self.most_bytes {
            // What cannot be kept is shown all the same.
            drop(self.keep(key, end, extent, &mut file));
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(Snippet {
            file,
            bytes,
            extent,
        })
    }

    fn keep(&self, key: &str, end: &str, extent: Extent, file: &mut File) -> io::Result<()> {
        let name = name(key, end, extent);
        let mut copy = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.seek(SeekFrom::Start(0))?;
        let bytes = io::copy(file, copy.as_file_mut())?;
        let path = self.folder.join(&name);
        copy.persist(path).map_err(|it| it.error)?;
        let mut state = self.lock();
        state.add(key.to_owned(), name, bytes, extent);
        self.make_room(&mut state);
        Ok(())
    }

    fn make_room(&self, state: &mut State) {
        while state.bytes > self.most_bytes {
            let Some((_, key)) = state.order.first_key_value() else {
                return;
            };
            if let Some(kept) = state.remove(&key.clone()) {
                // Whoever reads it has it open.
                drop(fs::remove_file(self.folder.join(kept.name)));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, key: String, name: String, bytes: u64, extent: Extent) {
        self.remove(&key);
        self.turns += 1;
        self.order.insert(self.turns, key.clone());
        self.bytes += bytes;
        let kept = Kept {
            name,
            bytes,
            turn: self.turns,
            extent,
        };
        self.kept.insert(key, kept);
    }

    fn remove(&mut self, key: &str) -> Option<Kept> {
        let kept = self.kept.remove(key)?;
        self.order.remove(&kept.turn);
        self.bytes -= kept.bytes;
        Some(kept)
    }
}

/// What a clip is of is in its file's name: both are there, or none.
fn name(key: &str, end: &str, extent: Extent) -> String {
    let Extent {
        start,
        end: last,
        fps: [num, den],
    } = extent;
    format!("{PREFIX}{key}_{start}_{last}_{num}_{den}.{end}")
}

fn parse(name: &str) -> Option<(String, Extent)> {
    let (stem, end) = name.strip_prefix(PREFIX)?.rsplit_once('.')?;
    let parts: Vec<&str> = stem.split('_').collect();
    let [key, start, last, num, den] = parts[..] else {
        return None;
    };
    let is_key = key.len() == KEY && key.bytes().all(|it| it.is_ascii_hexdigit());
    let extent = Extent {
        start: start.parse().ok()?,
        end: last.parse().ok()?,
        fps: [num.parse().ok()?, den.parse().ok()?],
    };
    (is_key && ["jpg", "mp4"].contains(&end)).then(|| (key.to_owned(), extent))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use proptest::prelude::*;

    use super::*;

    fn file(bytes: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
        file
    }

    fn extent(start: u64) -> Extent {
        Extent {
            start,
            end: start + 9,
            fps: [30000, 1001],
        }
    }

    fn put(it: &Snippets, of: u64, bytes: usize) -> Snippet {
        it.put(&key(&of), "mp4", extent(of), file(bytes)).unwrap()
    }

    fn length(snippet: Snippet) -> usize {
        let mut all = Vec::new();
        let Snippet { mut file, .. } = snippet;
        file.read_to_end(&mut all).unwrap()
    }

    fn bytes_in(folder: &Path) -> u64 {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|it| it.unwrap().metadata().unwrap().len())
            .sum()
    }

    #[test]
    fn what_was_made_is_found_again_and_the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("own.mp4"), [0; 50]).unwrap();
        let it = Snippets::open(folder.path(), 100).unwrap();
        for of in 1..=3 {
            assert_eq!(length(put(&it, of, 40)), 40);
        }
        assert!(it.get(&key(&1)).is_none());
        let second = it.get(&key(&2)).unwrap();
        assert_eq!(second.extent, extent(2));
        assert_eq!(length(second), 40);
        // Somebody else's file is neither counted nor removed.
        assert_eq!(bytes_in(folder.path()), 50 + 80);
        drop(it);
        let smaller = Snippets::open(folder.path(), 50).unwrap();
        assert!(smaller.get(&key(&2)).is_none());
        assert_eq!(smaller.get(&key(&3)).unwrap().extent, extent(3));
        assert_eq!(bytes_in(folder.path()), 50 + 40);
    }

    #[test]
    fn what_is_larger_than_the_room_is_shown_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let it = Snippets::open(folder.path(), 10).unwrap();
        put(&it, 1, 10);
        assert_eq!(length(put(&it, 2, 11)), 11);
        assert!(it.get(&key(&2)).is_none());
        assert!(it.get(&key(&1)).is_some());
    }

    #[test]
    fn a_file_that_somebody_removed_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let it = Snippets::open(folder.path(), 100).unwrap();
        put(&it, 1, 60);
        for entry in fs::read_dir(folder.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert!(it.get(&key(&1)).is_none());
        put(&it, 2, 100);
        assert!(it.get(&key(&2)).is_some());
    }

    proptest! {
        #[test]
        fn the_folder_never_holds_more_than_it_may(sizes in prop::collection::vec((0_u64..8, 1_usize..60), 1..30)) {
            let folder = tempfile::tempdir().unwrap();
            let it = Snippets::open(folder.path(), 100).unwrap();
            for (of, bytes) in sizes {
                put(&it, of, bytes);
                prop_assert!(bytes_in(folder.path()) <= 100);
                prop_assert_eq!(it.lock().bytes, bytes_in(folder.path()));
            }
        }

        #[test]
        fn names_come_back_as_they_went(start in any::<u64>(), fps in any::<[u32; 2]>(), noise in "[a-f0-9_.-]{0,90}") {
            let extent = Extent { start, end: start, fps };
            let key = key(&start);
            prop_assert_eq!(parse(&name(&key, "jpg", extent)), Some((key, extent)));
            parse(&noise);
            parse(&format!("{PREFIX}{noise}"));
        }
    }
}
