//! Where test material lies, and how a test says that it was skipped.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf, thread};

use crate::program::repository;

/// The folder of models, pictures and videos: `FRAMERILL_MATERIAL`, or `../shared/material` beside the repository.
/// Without either the running test is told to be skipped, loudly.
#[must_use]
pub fn material() -> Option<PathBuf> {
    let folder = env::var_os("FRAMERILL_MATERIAL")
        .map_or_else(|| repository().join("../shared/material"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    skip("no test material; FRAMERILL_MATERIAL names its folder");
    None
}

/// Says on stderr, and in the file that `FRAMERILL_SKIPS` names, that the running test checks nothing.
#[expect(clippy::print_stderr, reason = "whoever runs the tests reads this")]
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    let line = format!("SKIPPED {test}: {reason}");
    eprintln!("{line}");
    let Some(list) = env::var_os("FRAMERILL_SKIPS") else {
        return;
    };
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(list)
        .and_then(|mut list| writeln!(list, "{line}"));
    if let Err(error) = written {
        eprintln!("cannot note the skipped test: {error}");
    }
}
