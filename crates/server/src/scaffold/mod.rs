//! A new pipeline's package, as `framerill pipelines new` writes it.
//!
//! The template is `examples/external-pipeline-example` itself, with its name replaced: what is tested there is what is written.

mod name;
mod template;

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::failure::Failure;
pub(crate) use name::Name;

/// A package that was written.
#[derive(Debug, Serialize)]
pub(crate) struct Package {
    /// The distribution's and the entry point's.
    pub(crate) name: String,
    /// The Python package's.
    pub(crate) module: String,
    /// The pipeline's class.
    pub(crate) class: String,
    /// The folder that was made.
    pub(crate) path: PathBuf,
    /// The files in it.
    pub(crate) files: Vec<String>,
}

/// Writes the package into a folder of its own below `parent`. Nothing that is there is touched.
pub(crate) fn write(name: &Name, parent: &Path) -> Result<Package, Failure> {
    let path = parent.join(&name.distribution);
    let path = path.strip_prefix(".").unwrap_or(&path).to_owned();
    let shown = path.display();
    let failed = |error: &io::Error| {
        let text = format!("cannot write `{shown}`: {error}");
        Failure::cannot_start("new_write", text).hint("name another folder with --path")
    };
    fs::create_dir_all(parent).map_err(|error| failed(&error))?;
    fs::create_dir(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let text = format!("`{shown}` is there already, and nothing is overwritten");
            Failure::usage("new_exists", text).hint("take another name, or another --path")
        }
        _ => failed(&error),
    })?;
    let files = match fill(name, &path) {
        Ok(files) => files,
        Err(error) => {
            // Half a package is of no use, and would be in the way of the next try.
            fs::remove_dir_all(&path).ok();
            return Err(failed(&error));
        }
    };
    Ok(Package {
        name: name.distribution.clone(),
        module: name.module.clone(),
        class: name.class.clone(),
        path,
        files,
    })
}

fn fill(name: &Name, folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for (file, text) in template::FILES {
        let file = template::renamed(file, name);
        let path = folder.join(&file);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        fs::write(&path, template::renamed(text, name))?;
        files.push(file);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_its_name_everywhere_and_the_templates_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let name = Name::parse("Warm.glow").unwrap();
        let package = write(&name, &folder.path().join("not/there/yet")).unwrap();
        assert!(package.path.ends_with("not/there/yet/warm-glow"));
        assert!(
            package
                .files
                .contains(&"src/warm_glow/pipeline.py".to_owned())
        );
        for file in &package.files {
            let text = fs::read_to_string(package.path.join(file)).unwrap();
            for word in ["external-", "external_", "External"] {
                assert!(!text.contains(word) && !file.contains(word), "{file}");
            }
        }
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let name = Name::parse("warm-glow").unwrap();
        fs::create_dir(folder.path().join("warm-glow")).unwrap();
        let failure = write(&name, folder.path()).unwrap_err();
        assert_eq!(failure.code, "new_exists");
        let left = fs::read_dir(folder.path().join("warm-glow")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn a_package_that_cannot_be_completed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let name = Name::parse("warm-glow").unwrap();
        assert_eq!(write(&name, &file).unwrap_err().code, "new_write");
        assert_eq!(fs::read(&file).unwrap(), b"");
    }

    #[test]
    fn the_example_is_the_template() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let folder = tempfile::tempdir().unwrap();
        let name = Name::parse(template::DISTRIBUTION).unwrap();
        let package = write(&name, folder.path()).unwrap();
        for file in &package.files {
            let committed = fs::read(example.join(template::DISTRIBUTION).join(file)).unwrap();
            assert_eq!(fs::read(package.path.join(file)).unwrap(), committed);
        }
    }
}
