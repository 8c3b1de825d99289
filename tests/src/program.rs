//! The repository and the programs built from it.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The root of the repository.
///
/// # Panics
///
/// If this package does not lie in one.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lie in the repository")
}

/// A program of the build that the running test belongs to, or of `FRAMERILL_BIN_DIR`.
///
/// # Panics
///
/// If it is not built; the message says how to build it.
#[must_use]
pub fn bin(name: &str) -> PathBuf {
    let folder = env::var_os("FRAMERILL_BIN_DIR").map_or_else(profile_folder, PathBuf::from);
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "`{}` is not built: cargo build --workspace --bins",
        program.display()
    );
    program
}

/// The Python of the development environment, or `FRAMERILL_PYTHON`.
#[must_use]
pub fn python() -> PathBuf {
    env::var_os("FRAMERILL_PYTHON")
        .map_or_else(|| repository().join(".venv/bin/python"), PathBuf::from)
}

/// Where clips that were made once stay for all tests of this build.
pub(crate) fn clips() -> PathBuf {
    profile_folder().join("live-clips")
}

/// `target/PROFILE`, from `target/PROFILE/deps/TEST` or `target/PROFILE/PROGRAM`.
fn profile_folder() -> PathBuf {
    let running = env::current_exe().expect("a running program has a path");
    let folder = running.parent().expect("a program lies in a folder");
    let inner = folder.ends_with("deps") || folder.ends_with("examples");
    let profile = if inner { folder.parent() } else { Some(folder) };
    profile
        .expect("deps lies in the profile's folder")
        .to_owned()
}
