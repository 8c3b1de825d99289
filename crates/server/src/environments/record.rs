//! What is known of an environment. The record is what counts: a folder without one is none.

use std::{
    fs,
    io::Read,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    home::{self, Home},
    name::Name,
};
use crate::failure::Failure;

/// The longest record that is read.
const MAX_RECORD_BYTES: u64 = 1 << 20;
/// More environments than these are not looked at.
const MAX_RECORDS: usize = 1000;

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: Name,
    /// The folder's name, beside the record: each installation makes its own.
    pub(super) folder: String,
    /// What was installed, fit to be shown.
    pub(crate) spec: String,
    /// Of all of it: what was asked for, and of sources how they were.
    pub(super) spec_digest: String,
    pub(crate) distribution: String,
    pub(crate) version: String,
    pub(crate) editable: bool,
    /// The Python's version.
    pub(crate) python: String,
    /// The Python that it was made with.
    pub(super) base: PathBuf,
    /// `uv` or `pip`.
    pub(crate) installer: String,
    /// Of the runtime's own packages in it.
    pub(super) runtime: String,
    /// The names that it has registered.
    pub(crate) pipelines: Vec<String>,
}

impl Record {
    /// Where a Python starts that has it.
    pub(crate) fn interpreter(&self, home: &Home) -> PathBuf {
        self.path(home).join("bin/python")
    }

    /// Its own folder.
    pub(super) fn path(&self, home: &Home) -> PathBuf {
        home.environments().join(&self.folder)
    }

    /// Makes it count, in one step.
    pub(super) fn write(&self, home: &Home) -> Result<(), Failure> {
        let path = file(home, &self.name);
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Failure::failed("internal", format!("a record cannot be written: {error}"))
        })?;
        home::write(&path, text.as_bytes()).map_err(|error| Home::cannot_write(&error, &path))
    }

    /// Gives its folder a name for people: the record is what counts.
    pub(super) fn link(&self, home: &Home) {
        let place = home.environments().join(self.name.as_str());
        let new = home.environments().join(format!("{}.link", self.folder));
        if symlink(&self.folder, &new).is_ok() && fs::rename(&new, &place).is_err() {
            fs::remove_file(&new).ok();
        }
    }
}

/// The record of one environment; none that cannot be read.
pub(crate) fn of(home: &Home, name: &Name) -> Option<Record> {
    let record = read(&file(home, name))?;
    // A record that was copied under another name is nobody's.
    (record.name == *name).then_some(record)
}

/// All of them, by name.
pub(crate) fn all(home: &Home) -> Vec<Record> {
    let entries = fs::read_dir(home.environments())
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| {
        let file = entry.file_name();
        Name::parse(file.to_str()?.strip_suffix(".json")?).ok()
    });
    let mut names: Vec<_> = names.take(MAX_RECORDS).collect();
    names.sort();
    names.iter().filter_map(|name| of(home, name)).collect()
}

/// Makes it count no more. Whether it did.
pub(super) fn remove(home: &Home, name: &Name) -> Result<bool, Failure> {
    let path = file(home, name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Home::cannot_write(&error, &path)),
    }
}

fn file(home: &Home, name: &Name) -> PathBuf {
    home.environments().join(format!("{name}.json"))
}

fn read(path: &Path) -> Option<Record> {
    let mut text = String::new();
    fs::File::open(path)
        .ok()?
        .take(MAX_RECORD_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    let record: Record = serde_json::from_str(&text).ok()?;
    // It leads nowhere else.
    let is_inside =
        !record.folder.contains('/') && !matches!(record.folder.as_str(), "" | "." | "..");
    is_inside.then_some(record)
}

#[cfg(test)]
pub(super) fn example(name: &str, pipelines: &[&str]) -> Record {
    Record {
        name: Name::parse(name).unwrap(),
        folder: format!(".{name}-1"),
        spec: name.to_owned(),
        spec_digest: String::new(),
        distribution: name.to_owned(),
        version: "1.0".to_owned(),
        editable: false,
        python: "3.11.2".to_owned(),
        base: PathBuf::from("python3"),
        installer: "pip".to_owned(),
        runtime: String::new(),
        pipelines: pipelines.iter().map(|it| (*it).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_name_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        assert!(all(&home).is_empty());
        for name in ["two", "one"] {
            example(name, &[name]).write(&home).unwrap();
        }
        let names: Vec<_> = all(&home)
            .into_iter()
            .map(|it| it.name.to_string())
            .collect();
        assert_eq!(names, ["one", "two"]);
        let one = Name::parse("one").unwrap();
        assert_eq!(of(&home, &one), Some(example("one", &["one"])));
        assert!(remove(&home, &one).unwrap());
        assert!(!remove(&home, &one).unwrap());
        assert_eq!(of(&home, &one), None);
    }

    #[test]
    fn a_record_that_is_broken_lies_or_leads_out_of_its_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let place = home.environments();
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("broken.json"), "{").unwrap();
        fs::write(place.join("..json"), "{}").unwrap();
        let mut out = example("out", &[]);
        out.folder = "../../elsewhere".to_owned();
        out.write(&home).unwrap();
        let copied = serde_json::to_string(&example("original", &[])).unwrap();
        fs::write(place.join("copied.json"), copied).unwrap();
        assert!(all(&home).is_empty());
    }
}
