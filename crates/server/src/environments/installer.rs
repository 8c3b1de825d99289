//! The programs that make environments and fill them: `uv` where there is one, else `venv` and `pip`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::{scan::alone, subprocess::Subprocesses, wheels::Shelf};
use crate::{contained, failure::Failure, program};

/// Variables of uv that a flag takes the place of, what parts their values, and the flag. pip adds the two together.
const FLAGS_OF_UV: [(&str, char, &str); 3] = [
    ("UV_OVERRIDE", ' ', "--override"),
    ("UV_CONSTRAINT", ' ', "--constraint"),
    ("UV_FIND_LINKS", ',', "--find-links"),
];

/// Which of them.
pub(super) enum Installer {
    Uv(PathBuf),
    Pip,
}

/// What is to come into an environment.
pub(super) struct Order<'a> {
    pub(super) spec: &'a str,
    pub(super) editable: bool,
    pub(super) index: bool,
    pub(super) find_links: &'a [String],
    pub(super) shelf: &'a Shelf,
    pub(super) upgrade: bool,
}

impl Installer {
    pub(super) fn find() -> Self {
        program::on_path("uv").map_or(Self::Pip, Self::Uv)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Uv(_) => "uv",
            Self::Pip => "pip",
        }
    }

    /// Makes an empty environment.
    pub(super) fn make(
        &self,
        subprocesses: &mut Subprocesses,
        base: &Path,
        folder: &Path,
        say: impl FnMut(&str),
    ) -> Result<(), Failure> {
        let mut command = match self {
            Self::Uv(uv) => {
                let mut command = bare(uv, folder);
                command.args([
                    "venv",
                    "--quiet",
                    "--allow-existing",
                    "--no-project",
                    "--python",
                ]);
                command.arg(base);
                command
            }
            Self::Pip => {
                let mut command = bare(base, folder);
                command.args(["-m", "venv"]);
                command
            }
        };
        let done = subprocesses.run(command.arg(folder), say)?;
        if done.status.success() {
            return Ok(());
        }
        let what = format!("no environment can be made with `{}`", base.display());
        Err(done.failure("install", &what).hint(
            "install `uv`, or what Python's `venv` needs (Debian: apt install python3-venv), or name another Python \
             with --python",
        ))
    }

    /// Fills it.
    pub(super) fn install(
        &self,
        subprocesses: &mut Subprocesses,
        folder: &Path,
        order: &Order<'_>,
        say: impl FnMut(&str),
    ) -> Result<(), Failure> {
        let mut command = self.filling(folder, order);
        let done = subprocesses.run(&mut command, say)?;
        match done.status.success() {
            true => Ok(()),
            false => Err(done
                .failure("install", &format!("{} could not install it", self.name()))
                .hint("its own lines above say more")),
        }
    }

    /// Puts our own packages into it once more, those that it has; nothing else is touched and no index asked.
    pub(super) fn refresh(
        &self,
        subprocesses: &mut Subprocesses,
        folder: &Path,
        requirements: &[&str],
        say: impl FnMut(&str),
    ) -> Result<(), Failure> {
        let mut command = self.filler(folder);
        command.arg(match self {
            Self::Uv(_) => "--reinstall",
            Self::Pip => "--force-reinstall",
        });
        command.args(["--no-index", "--no-deps"]).args(requirements);
        let done = subprocesses.run(&mut command, say)?;
        match done.status.success() {
            true => Ok(()),
            false => Err(done.failure(
                "install",
                "this program's own packages could not be renewed",
            )),
        }
    }

    /// The one that made an environment, if it is there: `uv` leaves no `pip` behind.
    pub(super) fn called(name: &str) -> Self {
        match (name, Self::find()) {
            ("uv", Self::Uv(uv)) => Self::Uv(uv),
            _ => Self::Pip,
        }
    }

    /// What installs into it, up to what is installed.
    fn filler(&self, folder: &Path) -> Command {
        let python = folder.join("bin/python");
        match self {
            Self::Uv(uv) => {
                let mut command = bare(uv, folder);
                command
                    .args(["pip", "install", "--no-progress", "--python"])
                    .arg(python);
                command
            }
            Self::Pip => {
                let mut command = bare(&python, folder);
                command.args(["-m", "pip", "install", "--no-input"]);
                command.arg("--disable-pip-version-check");
                command
            }
        }
    }

    fn filling(&self, folder: &Path, order: &Order<'_>) -> Command {
        let mut command = self.filler(folder);
        match self {
            // Also where a package names another place for what we bring.
            Self::Uv(_) => command.arg("--override").arg(&order.shelf.constraints),
            Self::Pip => command.args(["--progress-bar", "off", "--no-warn-script-location"]),
        };
        command.arg("--constraint").arg(&order.shelf.constraints);
        command.arg("--find-links").arg(&order.shelf.folder);
        for place in order.find_links {
            command.arg("--find-links").arg(place);
        }
        if !order.index {
            command.arg("--no-index");
        }
        if order.upgrade {
            command.arg("--upgrade");
        }
        if matches!(self, Self::Uv(_)) {
            for (variable, separator, flag) in FLAGS_OF_UV {
                let values = env::var(variable).unwrap_or_default();
                for value in values.split(separator).filter(|it| !it.is_empty()) {
                    command.arg(flag).arg(value);
                }
            }
        }
        command.arg(&order.shelf.runtime);
        if order.editable {
            command.arg("--editable");
        }
        command.arg(order.spec);
        command
    }
}

/// A program in a folder where nothing of the user's lies, asking nobody for anything.
fn bare(program: &Path, folder: &Path) -> Command {
    let mut command = contained::command(program);
    command.current_dir(folder);
    alone(&mut command);
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("PYTHONSAFEPATH", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_bring_is_named_before_what_is_asked_for_and_an_index_is_asked_only_where_it_may() {
        let shelf = Shelf {
            all: Vec::new(),
            folder: "shelf".into(),
            constraints: "shelf/constraints.txt".into(),
            runtime: "framerill @ file:///f.whl".to_owned(),
        };
        let links = ["wheels".to_owned()];
        let mut order = Order {
            spec: "mine",
            editable: true,
            index: false,
            find_links: &links,
            shelf: &shelf,
            upgrade: false,
        };
        for installer in [Installer::Pip, Installer::Uv("uv".into())] {
            let words = |order: &Order<'_>| {
                let command = installer.filling(Path::new("env"), order);
                let args = command
                    .get_args()
                    .map(|it| it.to_string_lossy().into_owned());
                args.collect::<Vec<_>>().join(" ")
            };
            order.index = false;
            let line = words(&order);
            assert!(line.contains("--constraint shelf/constraints.txt --find-links shelf --find-links wheels --no-index"));
            assert!(
                line.ends_with("framerill @ file:///f.whl --editable mine"),
                "{line}"
            );
            order.index = true;
            assert!(!words(&order).contains("--no-index"));
        }
    }
}
