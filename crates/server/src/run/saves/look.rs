use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Entries of folders that one look takes in.
const MOST_ENTRIES: usize = 4000;
const DEEPEST: usize = 6;

/// What tells one version of a file from another.
type Stamp = (i64, i64, u64, u64);

/// The Python files of a place, and their stamps.
pub(super) type Snapshot = BTreeMap<PathBuf, Stamp>;

/// Which look shows something new that is complete.
#[derive(Debug)]
pub(super) struct Changes {
    told: Snapshot,
    last: Snapshot,
}

impl Changes {
    /// What is there now is known.
    pub(super) fn since(now: Snapshot) -> Self {
        Self {
            told: now.clone(),
            last: now,
        }
    }

    /// Whether there is something new, and nothing is being written any more: this look is the same as the one before.
    pub(super) fn look(&mut self, now: Snapshot) -> bool {
        let is_settled = now == self.last;
        self.last = now;
        let is_new = is_settled && self.last != self.told;
        if is_new {
            self.told.clone_from(&self.last);
        }
        is_new
    }
}

/// The Python files in `place`: the file itself and those of its folder, or those of the folder. Environments, caches and
/// hidden folders are left out; a place that is very large is looked at in part.
pub(super) fn snapshot(place: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut left = MOST_ENTRIES;
    let folder = match fs::metadata(place) {
        Ok(it) if it.is_dir() => place,
        Ok(it) => {
            found.insert(place.to_owned(), stamp(&it));
            folder_of(place)
        }
        Err(_) => folder_of(place),
    };
    walk(folder, DEEPEST, &mut left, &mut found);
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

    fn of(versions: &[u64]) -> Snapshot {
        let files = versions.iter().enumerate();
        files
            .map(|(index, it)| (PathBuf::from(index.to_string()), (0, 0, *it, 0)))
            .collect()
    }

    #[test]
    fn a_save_is_told_once_and_not_while_it_is_written() {
        let mut changes = Changes::since(of(&[1, 1]));
        let looks = [
            (&[1, 1][..], false),
            (&[2, 1], false),
            (&[3, 1], false),
            (&[3, 1], true),
            (&[3, 1], false),
            (&[3, 2], false),
            (&[3, 2], true),
        ];
        for (now, is_told) in looks {
            assert_eq!(changes.look(of(now)), is_told, "{now:?}");
        }
    }

    #[test]
    fn what_is_back_as_it_was_is_no_save() {
        let mut changes = Changes::since(of(&[1]));
        for now in [&[][..], &[1], &[1]] {
            assert!(!changes.look(of(now)));
        }
    }

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
