//! The Python files of a place, and what tells their versions apart.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Entries of folders that one look takes in.
const MAX_ENTRIES: usize = 4000;
const MAX_DEPTH: usize = 6;

/// What tells one version of a file from another.
type Stamp = (i64, i64, u64, u64);

/// The Python files of a place, and their stamps.
pub(super) type Snapshot = BTreeMap<PathBuf, Stamp>;

/// The Python files in `place`: the file itself and those of its folder, or those of the folder. Environments, caches and
/// hidden folders are left out; a place that is very large is looked at in part.
pub(super) fn snapshot(place: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut left = MAX_ENTRIES;
    let folder = match fs::metadata(place) {
        Ok(it) if it.is_dir() => place,
        Ok(it) => {
            found.insert(place.to_owned(), stamp(&it));
            folder_of(place)
        }
        Err(_) => folder_of(place),
    };
    walk(folder, MAX_DEPTH, &mut left, &mut found);
    found
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    }
}

fn walk(folder: &Path, deeper: usize, left: &mut usize, found: &mut Snapshot) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "__pycache__" || name == "node_modules" {
            continue;
        }
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            folders.push(path);
        } else if name.ends_with(".py")
            && let Ok(about) = fs::metadata(&path)
        {
            found.insert(path, stamp(&about));
        }
    }
    // Those beside the pipeline go first, should there be too many.
    for folder in folders {
        if deeper > 0 && !folder.join("pyvenv.cfg").exists() {
            walk(&folder, deeper - 1, left, found);
        }
    }
}

fn stamp(about: &Metadata) -> Stamp {
    (about.mtime(), about.mtime_nsec(), about.len(), about.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_files_of_the_folder_count_and_environments_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let mine = file("mine.py");
        let beside = file("helpers/deep/beside.py");
        for other in [
            "clip.mp4",
            ".hidden/x.py",
            "__pycache__/x.py",
            "venv/lib/x.py",
        ] {
            file(other);
        }
        file("venv/pyvenv.cfg");
        let expected = vec![beside, mine.clone()];
        for place in [
            mine.as_path(),
            folder.path(),
            &folder.path().join("not there.py"),
        ] {
            let mut found: Vec<_> = snapshot(place).into_keys().collect();
            found.sort();
            assert_eq!(found, expected);
        }
    }
}
