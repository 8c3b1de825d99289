//! A home of its own, a folder of wheels, and the commands between them.

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use framerill_tests::{packer, python, serving};
use serde_json::{Value, json};

pub(crate) struct Rig {
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: Value,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output
                .status
                .code()
                .or(output.status.signal().map(|it| 128 + it)),
            said: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// The names of all that work.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.rows()
            .filter(|it| it["error"].is_null())
            .filter_map(|it| it["name"].as_str())
            .collect()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Value> {
        self.said["pipelines"].as_array().into_iter().flatten()
    }

    /// The one that a package brings.
    pub(crate) fn row_of(&self, package: &str) -> &Value {
        let mut rows = self.rows();
        rows.find(|it| it["distribution"] == package)
            .unwrap_or_else(|| panic!("nothing of `{package}`: {self:#?}"))
    }

    /// The one of a name that is in an environment.
    pub(crate) fn row(&self, name: &str) -> &Value {
        let mut rows = self.rows();
        rows.find(|it| it["name"] == name)
            .unwrap_or_else(|| panic!("no `{name}`: {self:#?}"))
    }
}

/// A pipeline that passes pictures on; `more` goes into its class.
pub(crate) fn code(more: &str) -> String {
    format!(
        "import framerill\n\n\nclass Mine(framerill.Pipeline):\n    \"\"\"Passes on.\"\"\"\n\n    \
         def process(self, frame):\n        return frame\n{more}"
    )
}

/// A package of one module, `CODE`, that registers the names.
pub(crate) fn package(name: &str, version: &str, points: &[&str], code: &str) -> Value {
    let module = name.replace('-', "_");
    let target = format!("{module}:Mine");
    let points: serde_json::Map<_, _> = points
        .iter()
        .map(|point| ((*point).to_owned(), json!(target)))
        .collect();
    json!({
        "name": name, "version": version, "requires": ["framerill"],
        "files": {format!("{module}.py"): code},
        "entry_points": {"ai_runner.pipelines": points},
    })
}

impl Rig {
    /// With wheels of what framerill's own needs.
    pub(crate) fn new() -> Self {
        let rig = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        rig.make(&json!({"repack": ["numpy", "pydantic"]}));
        rig
    }

    /// Without any wheels, for what installs nothing.
    pub(crate) fn bare() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn wheels(&self, wheels: &[Value]) {
        self.make(&json!({"wheels": wheels}));
    }

    /// A folder of sources, which has its name.
    pub(crate) fn sources(&self, package: &Value) -> PathBuf {
        self.make_in(&self.path("sources"), &json!({"sources": [package]}));
        let name = package["name"].as_str().expect("a name");
        self.path("sources").join(name)
    }

    fn make(&self, asked: &Value) {
        self.make_in(&self.path("wheels"), asked);
    }

    fn make_in(&self, out: &Path, asked: &Value) {
        let mut asked = asked.clone();
        asked["out"] = json!(out);
        packer::make(&asked);
    }

    /// Told by nobody, with a home of its own, and without an index.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = serving::framerill();
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PIP_") || text.starts_with("UV_") || text == "VIRTUAL_ENV" {
                command.env_remove(&name);
            }
        }
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("FRAMERILL_HOME", self.path("home"))
            .env("FRAMERILL_PYTHON", python())
            .env("PATH", path_without_uv())
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", self.path("wheels"))
            .env("UV_FIND_LINKS", self.path("wheels"))
            .env("UV_NO_CONFIG", "1")
            .env("UV_OFFLINE", "1")
            .stdin(Stdio::null());
        command
    }

    /// A command with `--json`, to its end.
    pub(crate) fn json(&self, args: &[&str]) -> Ended {
        let args = [args, &["--json"]].concat();
        Ended::from(self.command(&args).output().expect("framerill runs"))
    }

    pub(crate) fn install(&self, args: &[&str]) -> Ended {
        let wheels = self.path("wheels");
        let wheels = wheels.to_str().expect("a name");
        let links = ["--no-index", "--find-links", wheels];
        self.json(&[&["pipelines", "install"], args, &links].concat())
    }

    pub(crate) fn list(&self) -> Ended {
        self.json(&["pipelines", "list"])
    }

    /// What lies among the environments, hidden folders too.
    pub(crate) fn environments(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("home/environments"))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<_> = entries
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// So that `pip` does the work; what tests with `uv` puts it back.
fn path_without_uv() -> std::ffi::OsString {
    let all = env::var_os("PATH").unwrap_or_default();
    let without = env::split_paths(&all).filter(|it| !it.join("uv").exists());
    env::join_paths(without).expect("they came from a PATH")
}
