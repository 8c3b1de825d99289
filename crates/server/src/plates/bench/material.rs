//! Pictures and clips with truths, as they lie in a folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::score::{Truth, cars, truths};

/// A picture and the plate that is known of it.
pub(super) struct Still {
    pub(super) path: PathBuf,
    pub(super) truth: Truth,
}

/// A clip and the plates of its cars.
pub(super) struct Clip {
    pub(super) path: PathBuf,
    /// The name without extension.
    pub(super) stem: String,
    pub(super) cars: Vec<String>,
}

/// The folder: the one that is named, `FRAMERILL_MATERIAL`, or `../shared/material` where that is there.
pub(super) fn folder(named: Option<&Path>) -> Option<PathBuf> {
    let set = || env::var_os("FRAMERILL_MATERIAL").map(PathBuf::from);
    let near = || Some(PathBuf::from("../shared/material"));
    let found = named.map(Path::to_owned).or_else(set).or_else(near)?;
    found
        .is_dir()
        .then(|| found.canonicalize().unwrap_or(found))
}

/// `images/openalpr_*/NAME.txt`, of which the first line counts, and the pictures beside them.
pub(super) fn stills(material: &Path) -> Vec<Still> {
    let folders = sorted(&material.join("images"));
    let is_scored = |it: &PathBuf| name(it).starts_with("openalpr_");
    let texts = folders
        .iter()
        .filter(|it| is_scored(it))
        .flat_map(|it| sorted(it))
        .filter(|it| it.extension().is_some_and(|it| it == "txt"));
    let still = |text: PathBuf| {
        let truth = truths(&fs::read_to_string(&text).ok()?)
            .into_iter()
            .next()?;
        let path = text.with_file_name(&truth.file);
        path.is_file().then_some(Still { path, truth })
    };
    texts.filter_map(still).collect()
}

/// `video/NAME.mp4` and `NAME.csv`; without it no plate is readable there.
pub(super) fn clips(material: &Path) -> Vec<Clip> {
    let all = sorted(&material.join("video")).into_iter();
    let clips = all.filter(|it| it.extension().is_some_and(|it| it == "mp4"));
    let clip = |path: PathBuf| Clip {
        stem: path
            .file_stem()
            .map_or_else(String::new, |it| it.to_string_lossy().into_owned()),
        cars: cars(&fs::read_to_string(path.with_extension("csv")).unwrap_or_default()),
        path,
    };
    clips.map(clip).collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |it| it.to_string_lossy().into_owned())
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stills_have_their_pictures_and_clips_may_have_no_cars() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("images/openalpr_us/a.txt", "a.jpg\t1\t2\t3\t4\tAB1\n");
        write("images/openalpr_us/a.jpg", "");
        write("images/openalpr_us/b.txt", "b.jpg\t1\t2\t3\t4\tAB2\n");
        write("images/extra/c.txt", "c.jpg\t1\t2\t3\t4\tAB3\n");
        write("images/extra/c.jpg", "");
        write("video/one.mp4", "");
        write("video/one.csv", "car,text\n0,AB1\n");
        write("video/two.mp4", "");
        write("video/edge/three.mp4", "");
        let found = stills(folder.path());
        let plates: Vec<_> = found.iter().map(|it| &*it.truth.plate).collect();
        assert_eq!(plates, ["AB1"]);
        let clips = clips(folder.path());
        let clips: Vec<_> = clips.iter().map(|it| (&*it.stem, it.cars.len())).collect();
        assert_eq!(clips, [("one", 1), ("two", 0)]);
    }
}
