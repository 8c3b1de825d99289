//! Which pipelines a Python has: asked in a short-lived child, and remembered until something there changes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    fingerprint::{Watched, digest},
    home::{self, Home},
    wheels,
};
use crate::{contained, failure::Failure, python};

/// Its own deadline for all imports is 50 s.
const SCAN_WITHIN: Duration = Duration::from_secs(65);
/// Metadata alone.
const LIST_WITHIN: Duration = Duration::from_secs(20);
/// The longest answer that is remembered.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// So many Pythons are remembered.
const MAX_ANSWERS: usize = 256;

/// A pipeline that a package brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryPoint {
    /// Entry point's name.
    pub(crate) name: String,
    /// `module:Class`.
    pub(crate) target: String,
    pub(crate) distribution: String,
    pub(crate) version: String,
    /// Entry points' group.
    pub(crate) group: String,
    #[serde(default)]
    pub(crate) editable: bool,
    /// One line about it.
    #[serde(default)]
    pub(crate) summary: Option<String>,
    /// Why it cannot be used.
    pub(crate) error: Option<String>,
}

#[cfg(test)]
impl EntryPoint {
    /// One that works.
    pub(super) fn example(name: &str, distribution: &str) -> Self {
        Self {
            name: name.to_owned(),
            target: "m:C".to_owned(),
            distribution: distribution.to_owned(),
            version: "1.0".to_owned(),
            group: "ai_runner.pipelines".to_owned(),
            editable: false,
            summary: None,
            error: None,
        }
    }
}

/// A distribution that someone asked for by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Requested {
    pub(super) name: String,
    pub(super) version: String,
    /// What it was installed from, where that is no index.
    #[serde(default)]
    pub(super) url: Option<String>,
}

/// What a Python says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scan {
    /// Its version.
    pub(super) python: String,
    paths: Vec<PathBuf>,
    files: Vec<PathBuf>,
    #[serde(default)]
    pub(super) requested: Vec<Requested>,
    pub(crate) pipelines: Vec<EntryPoint>,
}

impl Scan {
    #[cfg(test)]
    pub(super) fn of(pipelines: &[EntryPoint]) -> Self {
        Self {
            python: "3.11.2".to_owned(),
            paths: Vec::new(),
            files: Vec::new(),
            requested: Vec::new(),
            pipelines: pipelines.to_vec(),
        }
    }
}

/// A scan, and how everything was then.
#[derive(Serialize, Deserialize)]
struct Remembered {
    interpreter: PathBuf,
    /// Of this program's own packages.
    runtime: String,
    watched: Watched,
    fingerprint: String,
    scan: Scan,
}

/// Which Python is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that is used where nothing else is said.
    Usual(PathBuf),
    /// An environment's, which sees nothing but the environment.
    Own(PathBuf),
}

impl Place {
    pub(crate) fn interpreter(&self) -> &Path {
        match self {
            Self::Usual(path) | Self::Own(path) => path,
        }
    }

    /// Fails where the Python of an environment is gone: whoever removes the one that it was made with breaks it.
    pub(super) fn is_there(&self) -> Result<(), Failure> {
        match self {
            Self::Own(path) if !path.exists() => {
                let text = format!("the environment's Python `{}` is gone", path.display());
                Err(Failure::cannot_start("no_environment", text).hint(
                    "`framerill pipelines install --upgrade PACKAGE` makes the environment anew",
                ))
            }
            _ => Ok(()),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = contained::command(self.interpreter());
        command.args(["-m", "framerill.pipelines"]).args(args);
        if matches!(self, Self::Own(_)) {
            alone(&mut command);
        }
        command
    }

    fn memory(&self, home: &Home) -> PathBuf {
        let mut key = format!("{self:?}");
        if matches!(self, Self::Usual(_)) {
            for name in ["PYTHONPATH", "PYTHONHOME", "PYENV_VERSION"] {
                key.push_str(&format!("\n{name}={:?}", env::var_os(name)));
            }
        }
        home.found().join(format!("{}.json", digest(&key)))
    }

    /// What it had when it was looked at last, if nothing has changed since. Starts nothing.
    pub(super) fn remembered(&self, home: &Home) -> Option<Scan> {
        let path = self.memory(home);
        let is_short = fs::metadata(&path).ok()?.len() <= MAX_ANSWER_BYTES;
        let text = is_short.then(|| fs::read(&path).ok())??;
        let it: Remembered = serde_json::from_slice(&text).ok()?;
        let is_so = it.interpreter == self.interpreter()
            && it.runtime == wheels::DIGEST
            && it.watched.fingerprint() == it.fingerprint;
        is_so.then_some(it.scan)
    }

    /// What it has, after an import of each pipeline in a process of its own.
    pub(super) fn scan(&self, home: &Home) -> Result<Scan, Failure> {
        self.is_there()?;
        let said =
            python::ask_command_of(self.interpreter(), self.command(&["scan"]), SCAN_WITHIN)?;
        let scan: Scan = serde_json::from_value(said).map_err(|error| self.wrong(&error))?;
        self.remember(home, &scan);
        Ok(scan)
    }

    /// What was remembered, else a scan.
    pub(super) fn look(&self, home: &Home) -> Result<Scan, Failure> {
        self.remembered(home).map_or_else(|| self.scan(home), Ok)
    }

    /// The pipelines' names and metadata alone; nothing is imported.
    pub(super) fn names(&self, home: &Home) -> Result<Vec<EntryPoint>, Failure> {
        if let Some(scan) = self.remembered(home) {
            return Ok(scan.pipelines);
        }
        self.is_there()?;
        let said =
            python::ask_command_of(self.interpreter(), self.command(&["list"]), LIST_WITHIN)?;
        serde_json::from_value(said).map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &serde_json::Error) -> Failure {
        let shown = self.interpreter().display();
        let text = format!("`{shown}` says of its pipelines what makes no sense: {error}");
        Failure::cannot_start("no_python_package", text)
            .hint("bring the Python package and framerill to the same version")
    }

    /// Where it cannot be written, the next look takes as long as this one.
    fn remember(&self, home: &Home, scan: &Scan) {
        let watched = Watched {
            interpreter: self.interpreter().to_owned(),
            paths: scan.paths.clone(),
            files: scan.files.clone(),
        };
        let it = Remembered {
            interpreter: self.interpreter().to_owned(),
            runtime: wheels::DIGEST.to_owned(),
            fingerprint: watched.fingerprint(),
            watched,
            scan: scan.clone(),
        };
        let path = self.memory(home);
        if let Ok(text) = serde_json::to_vec(&it) {
            home::write(&path, &text).ok();
        }
        forget_the_oldest(&home.found());
    }
}

/// What says where Python looks beside its own environment.
pub(crate) const PYTHON_VARIABLES: [&str; 3] = ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"];

/// Has a Python see its own environment and nothing else.
pub(crate) fn alone(command: &mut Command) {
    for name in PYTHON_VARIABLES {
        command.env_remove(name);
    }
}

fn forget_the_oldest(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .filter_map(|it| Some((it.metadata().ok()?.modified().ok()?, it.path())))
        .collect();
    all.sort();
    let surplus = all.len().saturating_sub(MAX_ANSWERS);
    for (_, path) in &all[..surplus] {
        fs::remove_file(path).ok();
    }
}
