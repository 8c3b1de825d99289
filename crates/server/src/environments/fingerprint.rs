//! Whether anything has changed that an answer about a Python was read from: packages that come and go, their metadata, the
//! modules that were imported. No process is started for it.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// More entries of a folder than these are not told apart.
const MAX_ENTRIES: usize = 20_000;

/// What an answer depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    /// The interpreter, before and after links.
    pub(super) interpreter: PathBuf,
    /// Folders that packages lie in.
    pub(super) paths: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
}

impl Watched {
    /// All of it as it is now.
    pub(super) fn fingerprint(&self) -> String {
        let mut text = String::new();
        look_at(&self.interpreter, &mut text);
        if let Some(prefix) = self.interpreter.parent().and_then(Path::parent) {
            look_at(&prefix.join("pyvenv.cfg"), &mut text);
        }
        for path in &self.paths {
            look_into(path, &mut text);
        }
        for file in &self.files {
            look_at(file, &mut text);
        }
        digest(&text)
    }
}

/// A short name for any text.
pub(super) fn digest(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|it| format!("{it:02x}")).collect()
}

fn look_at(path: &Path, text: &mut String) {
    let seen = match fs::metadata(path) {
        Ok(it) => format!(
            "{} {} {}.{}",
            it.ino(),
            it.len(),
            it.mtime(),
            it.mtime_nsec()
        ),
        Err(_) => "none".to_owned(),
    };
    // A string takes all.
    writeln!(text, "{} {seen}", path.display()).ok();
}

/// The names of all entries, for a module that appears; how packages' metadata and search paths are.
fn look_into(folder: &Path, text: &mut String) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names: BTreeSet<_> = entries.take(MAX_ENTRIES).map(|it| it.file_name()).collect();
    writeln!(text, "{}", folder.display()).ok();
    for name in names {
        let Some(name) = name.to_str().filter(|it| *it != "__pycache__") else {
            continue;
        };
        let tells = [".dist-info", ".egg-info", ".egg-link", ".pth"];
        if tells.iter().any(|it| name.ends_with(it)) {
            look_at(&folder.join(name), text);
        } else {
            writeln!(text, "{name}").ok();
        }
    }
}

/// How a file, or a folder of sources, is, to see whether it changed since. Bounded: what lies deeper or later does not count.
pub(super) fn of_sources(folder: &Path) -> String {
    let mut text = String::new();
    if folder.is_file() {
        look_at(folder, &mut text);
    }
    let mut left = 5000;
    look_below(folder, 8, &mut left, &mut text);
    digest(&text)
}

fn look_below(folder: &Path, depth: u32, left: &mut usize, text: &mut String) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths: BTreeSet<_> = entries.map(|it| it.path()).collect();
    // Files go before folders: should there be too many, what lies deepest is left out.
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|it| it.is_dir());
    for path in files.into_iter().chain(folders) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_made = name.starts_with('.')
            || name.ends_with(".egg-info")
            || matches!(
                name.as_ref(),
                "__pycache__" | "build" | "dist" | "node_modules"
            );
        if is_made || path.join("pyvenv.cfg").exists() || *left == 0 {
            continue;
        }
        *left -= 1;
        if !path.is_dir() {
            look_at(&path, text);
        } else if depth > 0 {
            look_below(&path, depth - 1, left, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: &Path) -> Watched {
        Watched {
            interpreter: folder.join("bin/python"),
            paths: vec![folder.join("site")],
            files: vec![folder.join("mine.py")],
        }
    }

    #[test]
    fn what_comes_goes_or_changes_shows_and_compiled_modules_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("site/a-1.dist-info")).unwrap();
        let watched = at(folder.path());
        let mut last = watched.fingerprint();
        assert_eq!(last, watched.fingerprint());
        let mut changes = |what: &str, shows: bool| {
            let now = watched.fingerprint();
            assert_eq!(now != last, shows, "{what}");
            last = now;
        };
        fs::create_dir(path("site/__pycache__")).unwrap();
        changes("compiled modules", false);
        fs::create_dir(path("site/b-1.dist-info")).unwrap();
        changes("a package", true);
        fs::write(path("site/a-1.dist-info/entry_points.txt"), "[x]").unwrap();
        changes("metadata", true);
        fs::write(path("site/link.pth"), "/src").unwrap();
        changes("a search path", true);
        fs::write(path("site/module.py"), "").unwrap();
        changes("a module beside", true);
        fs::write(path("mine.py"), "1").unwrap();
        changes("the pipeline's module", true);
        fs::remove_file(path("mine.py")).unwrap();
        changes("its end", true);
        fs::write(path("pyvenv.cfg"), "").unwrap();
        changes("the environment itself", true);
    }

    #[test]
    fn sources_that_change_are_others_and_what_is_built_from_them_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("src/mine")).unwrap();
        fs::write(path("src/mine/a.py"), "1").unwrap();
        let before = of_sources(folder.path());
        fs::create_dir_all(path("build/lib")).unwrap();
        fs::write(path("build/lib/a.py"), "1").unwrap();
        assert_eq!(of_sources(folder.path()), before);
        fs::write(path("src/mine/a.py"), "22").unwrap();
        assert_ne!(of_sources(folder.path()), before);
    }
}
