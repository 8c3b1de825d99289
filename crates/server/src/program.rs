//! Where the programs are that `framerill` starts: media beside it, a Python with the package.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// This very program.
pub fn this() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|error| {
        Failure::cannot_start("no_program", format!("cannot find this program: {error}"))
    })
}

/// `framerill-media`: `FRAMERILL_MEDIA`, or beside this program, or on the PATH.
pub fn media() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("FRAMERILL_MEDIA").map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        let text = format!(
            "FRAMERILL_MEDIA names `{}`, which is no file",
            path.display()
        );
        return Err(Failure::cannot_start("no_media", text)
            .hint("set it to the program `framerill-media`, or unset it"));
    }
    let beside = this()?.with_file_name("framerill-media");
    if beside.is_file() {
        return Ok(beside);
    }
    on_path("framerill-media").ok_or_else(|| {
        Failure::cannot_start(
            "no_media",
            "`framerill-media` is not beside `framerill` and not on the PATH",
        )
        .hint("build both with `make build`, or set FRAMERILL_MEDIA")
    })
}

/// A Python: `--python`, `FRAMERILL_PYTHON`, the active virtual environment, the one that this program is installed in, a `.venv`
/// near by, `python3`.
#[must_use]
pub fn python(asked: Option<&Path>) -> PathBuf {
    let from_env = |name| env::var_os(name).map(PathBuf::from);
    asked
        .map(Path::to_path_buf)
        .or_else(|| from_env("FRAMERILL_PYTHON"))
        .or_else(|| from_env("VIRTUAL_ENV").map(|venv| venv.join("bin/python")))
        .or_else(beside_this)
        .or_else(venv_near_by)
        .or_else(|| on_path("python3"))
        .unwrap_or_else(|| "python3".into())
}

/// The Python of the virtual environment that this program was installed into.
fn beside_this() -> Option<PathBuf> {
    let programs = this().ok()?.parent()?.to_owned();
    let is_environment = programs.parent()?.join("pyvenv.cfg").is_file();
    let python = programs.join("python");
    (is_environment && python.is_file()).then_some(python)
}

/// `.venv` in this folder or one above it, or above this program.
fn venv_near_by() -> Option<PathBuf> {
    let here = env::current_dir().ok();
    let program = this().ok();
    let starts = here.iter().chain(program.iter());
    starts
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join(".venv/bin/python"))
        .find(|python| python.is_file())
}

/// A program on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|it| it.is_file())
}
