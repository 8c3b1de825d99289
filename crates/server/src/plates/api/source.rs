//! Where the video of a record lies (contract §17): its path, its name, its name below the video root, its id below the video
//! root.
//!
//! Rows may have been written by anybody, and so may the names of files. What lies in the video root once every link is
//! followed may be shown. Anything else is shown only if it is, byte by byte, the file that the record was made from: a row
//! that names another file of this machine shows nothing of it.

use std::{
    collections::VecDeque,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use framerill_plates::store::Record;

use crate::plates::{
    inputs::{address::Address, is_video},
    readers::reader,
};

/// Files whose hash is known.
const MOST_KNOWN: usize = 256;
/// Entries of the video root that are looked at for an id.
const MOST_ENTRIES: usize = 1_000_000;

/// A file of a moment: it is another one when any of this differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// The video of a record.
#[derive(Debug)]
pub(super) struct Video {
    pub(super) file: OwnedFd,
    /// The last part of its path.
    pub(super) name: String,
    pub(super) identity: Identity,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is nowhere.
    Nowhere,
    /// What is there may not be shown.
    Outside,
}

/// Where videos may lie.
#[derive(Debug)]
pub(super) struct Sources {
    video_root: PathBuf,
    /// The newest last.
    known: Mutex<VecDeque<(Identity, String)>>,
}

impl Sources {
    pub(super) fn new(video_root: PathBuf) -> Self {
        Self {
            video_root,
            known: Mutex::default(),
        }
    }

    /// The video that a record was made from. It blocks.
    pub(super) fn find(&self, record: &Record) -> Result<Video, Missing> {
        let text = |name: &str| record.get(name)?.as_str().filter(|it| !it.is_empty());
        let root = self.video_root.canonicalize().ok();
        let mut missing = Missing::Nowhere;
        let content = text("content_sha256");
        let named = candidates(text("video_path"), text("video_filename"), &self.video_root);
        // Looked for when nothing else is there.
        let of_id = text("video_id").into_iter();
        let of_id = of_id.flat_map(|it| self.of_id(it));
        for path in named.into_iter().chain(of_id) {
            let Ok(file) = reader::open(&path) else {
                continue;
            };
            // What is open now is what is judged: a link that changes meanwhile changes nothing.
            let Ok((real, identity)) = looked(&file) else {
                continue;
            };
            let is_inside = root.as_deref().is_some_and(|root| real.starts_with(root));
            let is_its_own =
                || content.is_some_and(|it| self.has_content(&file, &real, identity, it));
            if is_inside || is_its_own() {
                let name = real.file_name().unwrap_or_default();
                let name = name.to_string_lossy().into_owned();
                return Ok(Video {
                    file,
                    name,
                    identity,
                });
            }
            missing = Missing::Outside;
        }
        Err(missing)
    }

    /// Files of the video root that are called as an id, with any end of a video's name.
    fn of_id(&self, video_id: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.video_root).into_iter().flatten();
        let paths = entries
            .take(MOST_ENTRIES)
            .filter_map(|it| Some(it.ok()?.path()));
        let is_called_so = |it: &PathBuf| {
            let stem = it.file_stem().map(|it| it.to_string_lossy());
            stem.is_some_and(|it| it == video_id) && is_video(it)
        };
        let mut found: Vec<_> = paths.filter(is_called_so).collect();
        found.sort();
        found
    }

    /// Whether a file has the content of this hash. Reads all of it, once.
    fn has_content(&self, file: &OwnedFd, path: &Path, identity: Identity, hash: &str) -> bool {
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let found = known.iter().find(|(it, _)| *it == identity);
            found.map(|(_, hash)| hash.clone())
        };
        if let Some(known) = known {
            return known == hash;
        }
        // A path without such an end was not found as a video, and what is no hash is no content's.
        if hash.len() != 64 {
            return false;
        }
        let Some(looked) = file
            .try_clone()
            .ok()
            .and_then(|it| reader::hashed(it, path).ok())
        else {
            return false;
        };
        let is_same = looked.content_sha256 == hash;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.pop_front();
        }
        known.push_back((identity, looked.content_sha256));
        is_same
    }
}

/// Where a video is looked for, in the contract's order; its id comes after them.
fn candidates(path: Option<&str>, filename: Option<&str>, root: &Path) -> Vec<PathBuf> {
    let below = filename.map(|it| root.join(it));
    // One of an address lies where it was downloaded to.
    let address = path.and_then(Address::of).and_then(Result::ok);
    let stored = address.map(|it| root.join(it.stored()));
    let named = [path, filename].into_iter().flatten().map(PathBuf::from);
    named.chain(stored).chain(below).collect()
}

/// Where an open file really lies, and which one it is.
fn looked(file: &OwnedFd) -> io::Result<(PathBuf, Identity)> {
    let stat = fs::File::from(file.as_fd().try_clone_to_owned()?).metadata()?;
    let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let identity = Identity {
        device: stat.dev(),
        inode: stat.ino(),
        bytes: stat.len(),
        changed: (stat.mtime(), stat.mtime_nsec()),
    };
    Ok((real, identity))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use sha2::{Digest, Sha256};
    use tempfile::TempDir;

    use super::{super::record, *};

    fn hash(bytes: &[u8]) -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|it| format!("{it:02x}")).collect()
    }

    /// `root/` is the video root, `outside/` is not.
    fn scene() -> (TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root/sub", "outside"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let sources = Sources::new(folder.path().join("root"));
        (folder, sources)
    }

    fn put(folder: &TempDir, name: &str) -> String {
        let path = folder.path().join(name);
        fs::write(&path, name).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn name_of(found: Result<Video, Missing>) -> Result<String, Missing> {
        found.map(|it| it.name)
    }

    #[test]
    fn a_video_is_looked_for_by_path_then_name_then_below_the_root_then_by_id() {
        let (folder, sources) = scene();
        let all = json!({
            "video_path": put(&folder, "root/sub/path.mp4"),
            "video_filename": put(&folder, "root/name.mp4"),
            "video_id": "id",
        });
        put(&folder, "root/id.MKV");
        put(&folder, "root/id.txt");
        put(&folder, "root/id.extra.mp4");
        let mut it = record(all);
        assert_eq!(name_of(sources.find(&it)), Ok("path.mp4".into()));
        it.insert("video_path".into(), json!("no/such.mp4"));
        assert_eq!(name_of(sources.find(&it)), Ok("name.mp4".into()));
        it.insert("video_filename".into(), json!("sub/path.mp4"));
        assert_eq!(name_of(sources.find(&it)), Ok("path.mp4".into()));
        it.insert("video_filename".into(), Value::Null);
        assert_eq!(name_of(sources.find(&it)), Ok("id.MKV".into()));
        it.insert("video_id".into(), json!("nobody"));
        assert_eq!(name_of(sources.find(&it)), Err(Missing::Nowhere));
    }

    #[test]
    fn a_download_that_was_kept_is_the_video_of_its_address() {
        let (folder, sources) = scene();
        let url = "https://host/trip/a.mp4";
        let stored = Address::of(url).unwrap().unwrap().stored();
        put(&folder, &format!("root/{stored}"));
        put(&folder, "root/a.mp4");
        let it = record(json!({"video_path": url}));
        assert_eq!(name_of(sources.find(&it)), Ok(stored));
        let it = record(json!({"video_path": "https://other/trip/a.mp4"}));
        assert_eq!(name_of(sources.find(&it)), Err(Missing::Nowhere));
    }

    #[test]
    fn what_lies_outside_is_shown_only_if_it_is_the_very_file_that_was_read() {
        let (folder, sources) = scene();
        let path = put(&folder, "outside/secret.mp4");
        let own = hash(b"outside/secret.mp4");
        for (content, found) in [
            (json!(own), Ok("secret.mp4".to_owned())),
            (json!(hash(b"another")), Err(Missing::Outside)),
            (json!("video_id:secret"), Err(Missing::Outside)),
            (Value::Null, Err(Missing::Outside)),
        ] {
            let it = record(json!({"video_path": path, "content_sha256": content}));
            assert_eq!(name_of(sources.find(&it)), found, "{content}");
        }
        // It is another file now, though it is called the same.
        fs::write(&path, "something else").unwrap();
        let it = record(json!({"video_path": path, "content_sha256": own}));
        assert_eq!(name_of(sources.find(&it)), Err(Missing::Outside));
    }

    #[test]
    fn neither_dots_nor_links_nor_absolute_names_lead_out_of_the_root() {
        let (folder, sources) = scene();
        let path = put(&folder, "outside/secret.mp4");
        symlink(&path, folder.path().join("root/link.mp4")).unwrap();
        symlink(
            folder.path().join("outside"),
            folder.path().join("root/dir"),
        )
        .unwrap();
        for name in ["../outside/secret.mp4", "link.mp4", "dir/secret.mp4", &path] {
            let it = record(json!({"video_filename": name}));
            assert_eq!(name_of(sources.find(&it)), Err(Missing::Outside), "{name}");
        }
        let it = record(json!({"video_id": "link"}));
        assert_eq!(name_of(sources.find(&it)), Err(Missing::Outside));
        let ids = ["../outside/secret", "*", "", "dir/secret", "secret\0"];
        for id in ids {
            let it = record(json!({"video_id": id}));
            assert_eq!(name_of(sources.find(&it)), Err(Missing::Nowhere), "{id}");
        }
    }

    #[test]
    fn devices_folders_and_pipes_are_no_videos() {
        let (folder, sources) = scene();
        let at = folder.path().join("root");
        let pipe = at.join("pipe.mp4");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        for path in [at.as_path(), &pipe, Path::new("/dev/zero"), Path::new("")] {
            let it = record(json!({"video_path": path}));
            assert_eq!(
                name_of(sources.find(&it)),
                Err(Missing::Nowhere),
                "{path:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_root(parts in prop::collection::vec(0_usize..4, 0..4), id in "(\\.\\./|outside/|secret|\\*){0,4}") {
            let parts = parts.into_iter().map(|it| ["..", ".", "root", "sub"][it]);
            let name = parts.chain(["outside", "secret.mp4"]).collect::<Vec<_>>().join("/");
            let (folder, sources) = scene();
            put(&folder, "outside/secret.mp4");
            let it = record(json!({"video_path": name, "video_filename": name, "video_id": id}));
            if let Ok(found) = sources.find(&it) {
                let (real, _) = looked(&found.file).unwrap();
                prop_assert!(real.starts_with(folder.path().canonicalize().unwrap().join("root")));
            }
        }
    }
}
