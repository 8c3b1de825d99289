//! The inputs that the fuzzer found and those that were written for it, through the same code. See `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::{env, fs};

#[expect(unreachable_pub, reason = "the fuzz targets are a crate of their own")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

/// Runs every kept input.
#[expect(
    clippy::print_stdout,
    reason = "the name of the one that fails is the last one printed"
)]
fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus `{target}` is empty");
    for file in files {
        println!("{}", file.display());
        run(&fs::read(&file).unwrap());
    }
}

#[test]
fn every_kept_request_keeps_the_promises() {
    replay("request", fuzz::request);
}

#[test]
fn every_kept_row_of_operations_keeps_the_promises() {
    replay("machines", fuzz::machines);
}

/// `FRAMERILL_INPUT=FILE cargo nextest run -p framerill-trickle --test corpus --run-ignored only request`
#[test]
#[ignore = "replays the file that FRAMERILL_INPUT names"]
fn one_request() {
    fuzz::request(&fs::read(env::var("FRAMERILL_INPUT").unwrap()).unwrap());
}

/// As [`one_request`], for the machines.
#[test]
#[ignore = "replays the file that FRAMERILL_INPUT names"]
fn one_row_of_operations() {
    fuzz::machines(&fs::read(env::var("FRAMERILL_INPUT").unwrap()).unwrap());
}
