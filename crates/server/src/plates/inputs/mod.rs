//! Which videos a run reads, in which order, and what they are called (contract §3).
//!
//! [`address`] is a video that a server has, `download` gets it, and `prepare` looks at each video before it is read.

pub(super) mod address;
pub(super) mod download;
pub(super) mod prepare;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::Failure;
use address::Address;

/// Names of videos in a folder end so, in any case.
const EXTENSIONS: [&str; 7] = ["mp4", "mov", "avi", "mkv", "ts", "webm", "m4v"];
/// Folders are looked into so deep.
const DEEPEST: usize = 32;

/// A video of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Video {
    /// As it was found; of an address what may be shown of it.
    pub(crate) path: PathBuf,
    /// The last part of it.
    pub(crate) filename: String,
    /// Unique in a run.
    pub(crate) video_id: String,
    /// Where it is downloaded from, unless it is a file of this machine.
    pub(crate) url: Option<Address>,
}

/// A path for people: one that is an address without its secrets.
pub(super) fn shown(path: &Path) -> String {
    match Address::of(&path.to_string_lossy()) {
        Some(Ok(url)) => url.shown().to_owned(),
        _ => path.display().to_string(),
    }
}

/// The videos of a run, and what whoever starts it should know.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    pub(crate) videos: Vec<Video>,
    pub(crate) notes: Vec<String>,
}

/// Looks for the videos at `paths`: files, folders, patterns such as `trips/2025*.mp4`, addresses.
pub(crate) fn find(
    paths: &[PathBuf],
    recursive: bool,
    limit: Option<usize>,
) -> Result<Inputs, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if let Some(url) = Address::of(&path.to_string_lossy()) {
            let url = url?;
            found.push((url.key().into(), url.shown().into(), Some(url)));
            continue;
        }
        let same = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let named = named(std::slice::from_ref(path), recursive, &EXTENSIONS)?;
        found.extend(named.into_iter().map(|path| (same(&path), path, None)));
    }
    Ok(name(found, limit))
}

/// Files that paths name, with one of these ends where a folder is named; each once, in the order of the paths, those of a
/// folder or a pattern by name.
pub(super) fn files(
    paths: &[PathBuf],
    recursive: bool,
    extensions: &[&str],
) -> Result<Vec<PathBuf>, Failure> {
    let mut all: Vec<PathBuf> = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let mut found = named(std::slice::from_ref(path), recursive, extensions)?;
        found.sort();
        all.extend(found.into_iter().filter(|it| seen.insert(it.clone())));
    }
    Ok(all)
}

fn named(paths: &[PathBuf], recursive: bool, extensions: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.to_string_lossy().contains("://") {
            let text = format!("`{}` is no file: pictures are read off files", shown(path));
            return Err(Failure::usage("input", text).hint("download it first"));
        }
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => folder(path, recursive, 0, extensions, &mut found)?,
            Ok(_) => found.push(path.clone()),
            Err(error) => match matches(path)? {
                Some(more) => found.extend(more),
                None => return Err(not_there(path, &error)),
            },
        }
    }
    Ok(found)
}

fn not_there(path: &Path, error: &io::Error) -> Failure {
    let text = format!("`{}`: {error}", path.display());
    Failure::usage("input", text).hint("name a video, or a folder with videos")
}

fn folder(
    path: &Path,
    recursive: bool,
    depth: usize,
    extensions: &[&str],
    found: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let broken = |error: io::Error| {
        let text = format!("cannot look into `{}`: {error}", path.display());
        Failure::usage("input", text).hint("mend its permissions")
    };
    for entry in fs::read_dir(path).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        let Ok(kind) = fs::metadata(&path) else {
            // What is gone by now is no video; a link that leads nowhere is one that cannot be read.
            if fs::symlink_metadata(&path).is_ok() && ends_with(&path, extensions) {
                found.push(path);
            }
            continue;
        };
        if kind.is_dir() {
            if recursive && depth < DEEPEST {
                folder(&path, recursive, depth + 1, extensions, found)?;
            }
        } else if ends_with(&path, extensions) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a file is called as videos are.
pub(super) fn is_video(path: &Path) -> bool {
    ends_with(path, &EXTENSIONS)
}

fn ends_with(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|it| extensions.contains(&it.to_ascii_lowercase().as_str()))
}

/// The files that a pattern in a path's last part names; none if it is no pattern.
fn matches(path: &Path) -> Result<Option<Vec<PathBuf>>, Failure> {
    let Some(pattern) = path.file_name().and_then(OsStr::to_str) else {
        return Ok(None);
    };
    if !pattern.contains(['*', '?']) {
        return Ok(None);
    }
    let parent = match path.parent() {
        Some(it) if it != Path::new("") => it,
        _ => Path::new("."),
    };
    let entries = fs::read_dir(parent).map_err(|error| not_there(path, &error))?;
    let names = entries.filter_map(|it| it.ok()?.file_name().into_string().ok());
    let found = names.filter(|name| fits(pattern, name));
    Ok(Some(found.map(|name| parent.join(name)).collect()))
}

/// Whether a name fits a pattern: `*` is any number of characters, `?` is one.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&it) if it == '?' || it == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|it| *it == '*')
}

/// Where a video really is, as it was found, and its address if it has one.
type Found = (PathBuf, PathBuf, Option<Address>);

/// Sorts videos by their names and gives each an id of its own. A file that was named twice is one video.
fn name(found: Vec<Found>, limit: Option<usize>) -> Inputs {
    let mut inputs = Inputs::default();
    // Where it really is, and as it was first found.
    let mut first: BTreeMap<PathBuf, (PathBuf, Option<Address>)> = BTreeMap::new();
    for (real, path, url) in found {
        if let Some((other, _)) = first.get(&real) {
            inputs.notes.push(format!(
                "`{}` is `{}` once more: it is read once",
                path.display(),
                other.display()
            ));
        } else {
            first.insert(real, (path, url));
        }
    }
    let last = |path: &Path, url: Option<&Address>| match url {
        Some(url) => url.filename().to_owned(),
        None => {
            let last = path.file_name().unwrap_or_default();
            last.to_string_lossy().into_owned()
        }
    };
    let all = first.into_values();
    let named = all.map(|(path, url)| (last(&path, url.as_ref()), path, url));
    let mut sorted: Vec<_> = named.collect();
    sorted.sort_by(|(a, b, _), (c, d, _)| (a, b).cmp(&(c, d)));
    sorted.truncate(limit.unwrap_or(usize::MAX));
    let stem = |filename: &str| {
        let stem = Path::new(filename).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    // An id with a number never takes another video's own name.
    let stems: BTreeSet<String> = sorted.iter().map(|(it, ..)| stem(it)).collect();
    let mut taken = BTreeSet::new();
    for (filename, path, url) in sorted {
        let own = stem(&filename);
        let numbered = (2_u32..).map(|n| format!("{own}~{n}"));
        let free = |it: &String| !taken.contains(it);
        let video_id = if free(&own) {
            own.clone()
        } else {
            let mut numbered = numbered.filter(|it| free(it) && !stems.contains(it));
            numbered.next().unwrap_or_default()
        };
        if video_id != own {
            inputs
                .notes
                .push(format!("`{}` is called `{video_id}`", path.display()));
        }
        taken.insert(video_id.clone());
        inputs.videos.push(Video {
            path,
            filename,
            video_id,
            url,
        });
    }
    inputs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exit::Exit;

    fn inputs(paths: &[&str]) -> Inputs {
        let paths = paths.iter().map(PathBuf::from);
        name(paths.map(|it| (it.clone(), it, None)).collect(), None)
    }

    fn ids(inputs: &Inputs) -> Vec<&str> {
        inputs
            .videos
            .iter()
            .map(|it| it.video_id.as_str())
            .collect()
    }

    #[test]
    fn videos_of_one_stem_have_ids_of_their_own_in_sorted_order() {
        let it = inputs(&["b/a.mp4", "a/a.mkv", "a/a.mp4", "z/0.mp4"]);
        assert_eq!(ids(&it), ["0", "a", "a~2", "a~3"]);
        let paths: Vec<_> = it
            .videos
            .iter()
            .map(|it| it.path.to_str().unwrap())
            .collect();
        assert_eq!(paths, ["z/0.mp4", "a/a.mkv", "a/a.mp4", "b/a.mp4"]);
        assert_eq!(it.notes.len(), 2);
    }

    #[test]
    fn a_number_never_takes_another_videos_own_name() {
        assert_eq!(
            ids(&inputs(&["a/a.mp4", "b/a.mp4", "a/a~2.mp4"])),
            ["a", "a~3", "a~2"]
        );
    }

    #[test]
    fn names_are_kept_exactly() {
        let it = inputs(&["x/name with spaces & ünïcode: 1.MP4"]);
        assert_eq!(ids(&it), ["name with spaces & ünïcode: 1"]);
        assert_eq!(it.videos[0].filename, "name with spaces & ünïcode: 1.MP4");
    }

    #[test]
    fn a_folder_is_one_level_deep_unless_more_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        for name in ["b.MP4", "a.mkv", "notes.txt", "sub/c.mov"] {
            fs::write(at(name), "").unwrap();
        }
        let paths = [folder.path().to_owned()];
        let flat = find(&paths, false, None).unwrap();
        assert_eq!(ids(&flat), ["a", "b"]);
        let deep = find(&paths, true, None).unwrap();
        assert_eq!(ids(&deep), ["a", "b", "c"]);
        assert_eq!(ids(&find(&paths, true, Some(1)).unwrap()), ["a"]);
        let glob = find(&[at("?.M*")], false, None).unwrap();
        assert_eq!(ids(&glob), ["b"]);
        let twice = find(&[at("a.mkv"), folder.path().to_owned()], false, None).unwrap();
        assert_eq!(ids(&twice), ["a", "b"]);
        assert_eq!(twice.notes.len(), 1);
    }

    #[test]
    fn what_is_not_there_is_a_usage_error_that_names_it() {
        let failure = find(&["no/such/folder".into()], false, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("no/such/folder"));
        assert!(find(&["rtsp://camera/1".into()], false, None).is_err());
        assert!(files(&["https://host/a.jpg".into()], false, &["jpg"]).is_err());
    }

    #[test]
    fn an_address_is_a_video_like_any_other_and_its_login_stays_with_it() {
        let paths = [
            "http://me:secret@h/trip/b.mp4?x=1",
            "https://h/a.mp4",
            "http://h/trip/b.mp4?x=1",
        ];
        let it = find(&paths.map(PathBuf::from), false, None).unwrap();
        assert_eq!(ids(&it), ["a", "b"]);
        assert_eq!(it.videos[1].path, Path::new("http://h/trip/b.mp4"));
        assert_eq!(it.videos[1].filename, "b.mp4");
        assert_eq!(it.notes.len(), 1);
        assert!(!format!("{it:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn ids_are_unique_whatever_the_names(names in proptest::collection::vec("[ab~23]{1,4}/[ab]{1,2}(~[234])?[.]mp4", 0..12)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let it = inputs(&names);
            let unique: BTreeSet<_> = ids(&it).into_iter().collect();
            prop_assert_eq!(unique.len(), it.videos.len());
        }

        #[test]
        fn a_pattern_of_stars_fits_whatever_lies_between(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}") {
            let (pattern, name) = (format!("{a}*{c}"), format!("{a}{b}{c}"));
            prop_assert!(fits(&pattern, &name));
            let (pattern, name) = (format!("{a}?"), format!("{a}xy"));
            prop_assert!(!fits(&pattern, &name));
        }
    }
}
