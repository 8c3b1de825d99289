//! All models that are known.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::entry::{Entry, Role};

/// What the project knows of.
const OWN: &str = include_str!("../../models.toml");
/// A user's own registry, in the folder of models.
pub(super) const FILE: &str = "models.toml";
/// The most bytes of a registry.
const MOST_BYTES: u64 = 1 << 20;

/// Why there is no registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The registry.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no TOML, or says what no registry says.
    #[error("{} is no registry of models: {reason}", path.display())]
    Form {
        /// The registry.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// Models by name. The first one of a role is the one that is used unless another is asked for.
#[derive(Clone, Debug)]
pub struct Registry {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    /// The project's models are not to be used.
    #[serde(default)]
    replaces: bool,
    #[serde(default)]
    model: Vec<Entry>,
}

fn parsed(text: &str, path: &Path) -> Result<Form, RegistryError> {
    let form = |reason: String| RegistryError::Form {
        path: path.to_owned(),
        reason,
    };
    let it: Form = toml::from_str(text).map_err(|it| form(it.to_string().trim_end().to_owned()))?;
    for (index, entry) in it.model.iter().enumerate() {
        if let Some(problem) = entry.problem() {
            return Err(form(format!("model `{}`: {problem}", entry.name)));
        }
        if it.model[..index]
            .iter()
            .any(|other| other.name == entry.name)
        {
            return Err(form(format!("model `{}` is there twice", entry.name)));
        }
    }
    Ok(it)
}

impl Registry {
    /// The project's models, and those of `models.toml` in `dir`, if there is one: they come first and hide those of the
    /// same name, or all with `replaces = true`.
    pub fn of(dir: &Path) -> Result<Self, RegistryError> {
        let own = parsed(OWN, Path::new("crates/plates/models.toml"))?;
        let path = dir.join(FILE);
        let read = |source| RegistryError::Read {
            path: path.clone(),
            source,
        };
        let text = match fs::metadata(&path) {
            Err(it) if it.kind() == io::ErrorKind::NotFound => String::new(),
            Err(it) => return Err(read(it)),
            Ok(it) if it.len() > MOST_BYTES => {
                return Err(read(io::Error::other("it has more than 1 MiB")));
            }
            Ok(_) => fs::read_to_string(&path).map_err(read)?,
        };
        let mut users = parsed(&text, &path)?;
        if !users.replaces {
            let is_new = |it: &Entry| users.model.iter().all(|other| other.name != it.name);
            let rest: Vec<_> = own.model.into_iter().filter(is_new).collect();
            users.model.extend(rest);
        }
        Ok(Self {
            entries: users.model,
        })
    }

    /// All of them, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Those for something, in order.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |it| it.role == role)
    }

    /// The one with a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|it| it.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_knows_a_model_for_each_role_with_hash_licence_and_url() {
        let it = Registry::of(Path::new("/nowhere")).unwrap();
        for role in Role::ALL {
            assert!(it.of_role(role).next().is_some(), "{role}");
        }
        for entry in it.entries() {
            assert!(entry.sha256.is_some(), "{}", entry.name);
            assert!(!entry.licence.is_empty() && !entry.urls.is_empty());
        }
    }

    const MINE: &str = r#"
        [[model]]
        name = "y5fu_320x"
        role = "plate"
        file = "mine.onnx"
        licence = "MIT"
        [model.input]
        width = 256
        height = 128
        layout = "nchw"
        element = "f32"
        colour = "rgb"
        divide_by = 255
        fit = "centred"
        [model.output]
        layout = "ultralytics-v8"
        corners = "xyc"
    "#;

    #[test]
    fn a_users_registry_comes_first_hides_equal_names_and_may_replace_all() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), MINE).unwrap();
        let both = Registry::of(dir.path()).unwrap();
        assert_eq!(both.of_role(Role::Plate).next().unwrap().file, "mine.onnx");
        let of_name = both.entries().iter().filter(|it| it.name == "y5fu_320x");
        assert_eq!(of_name.count(), 1);
        assert!(both.of_role(Role::Ocr).next().is_some());

        fs::write(dir.path().join(FILE), format!("replaces = true\n{MINE}")).unwrap();
        assert_eq!(Registry::of(dir.path()).unwrap().entries().len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_the_file_and_the_model() {
        let dir = tempfile::tempdir().unwrap();
        let told = |text: &str| {
            fs::write(dir.path().join(FILE), text).unwrap();
            Registry::of(dir.path()).unwrap_err().to_string()
        };
        for (from, to, words) in [
            ("width = 256", "width = 0", "8 to 4096"),
            ("divide_by = 255", "divide_by = 0", "other than 0"),
            (
                "role = \"plate\"",
                "role = \"ocr\"",
                "cannot have the output",
            ),
            (
                "file = \"mine.onnx\"",
                "file = \"../mine.onnx\"",
                "without folders",
            ),
            (
                "colour = \"rgb\"",
                "color = \"rgb\"",
                "unknown field `color`",
            ),
            (
                "licence = \"MIT\"",
                "sha256 = \"00\"\nlicence = \"MIT\"",
                "64 hex",
            ),
        ] {
            let told = told(&MINE.replace(from, to));
            assert!(told.contains(words), "{told}");
            assert!(told.contains(FILE), "{told}");
        }
        let twice = told(&MINE.repeat(2));
        assert!(twice.contains("`y5fu_320x` is there twice"), "{twice}");
    }
}
