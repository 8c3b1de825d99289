//! Wheels that tests install without an index: `tests/packages/packer.py`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{python, repository};

/// Makes what is asked for, in the words of that file.
///
/// # Panics
///
/// If it cannot be made.
pub fn make(asked: &Value) {
    let mut child = Command::new(python())
        .arg(repository().join("tests/packages/packer.py"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut stdin = child.stdin.take().expect("piped above");
    let text = asked.to_string();
    stdin.write_all(text.as_bytes()).expect("it listens");
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
}
