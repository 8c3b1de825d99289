//! The peer: a plain loop in Python with ONNX Runtime and OpenCV over the same models and the same material.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{report::Row, within::output_within};
use crate::{bench::broken, failure::Failure};

/// It takes minutes; one that takes longer hangs.
const MOST: Duration = Duration::from_secs(3600);

const REFERENCE: &str = include_str!("../../../../../benches/plates_reference.py");

/// The peer, and what it runs on.
pub(super) struct Peer<'a> {
    pub(super) python: &'a Path,
    pub(super) models: &'a Path,
    pub(super) material: &'a Path,
}

/// What came of a peer.
pub(super) enum Ran {
    /// Its numbers.
    Numbers(Value),
    /// It cannot run here: one sentence.
    Cannot(String),
}

impl Peer<'_> {
    /// Runs `part`, which is `stills` or `clips`.
    pub(super) fn run(&self, part: &str) -> Result<Ran, Failure> {
        let folder = tempfile::tempdir().map_err(broken)?;
        let script = folder.path().join("plates_reference.py");
        fs::write(&script, REFERENCE).map_err(broken)?;
        let of = if part == "stills" { "images" } else { "video" };
        let done = Command::new(self.python)
            .arg(&script)
            .arg("--models")
            .arg(self.models)
            .arg(format!("--{part}"))
            .arg(self.material.join(of))
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|child| output_within(child, MOST, || {}));
        let done = match done {
            Ok(Some(done)) => done,
            Ok(None) => {
                let why = format!("it was not done after {} s", MOST.as_secs());
                return Ok(Ran::Cannot(why));
            }
            Err(error) => {
                let python = self.python.display();
                return Ok(Ran::Cannot(format!("`{python}` does not start: {error}")));
            }
        };
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            let why = said.lines().last().unwrap_or("it says nothing").to_owned();
            return Ok(Ran::Cannot(why));
        }
        let numbers: Value = serde_json::from_slice(&done.stdout).map_err(broken)?;
        Ok(Ran::Numbers(numbers[part].clone()))
    }
}

/// What the peer reaches on stills, and how many times as fast the product is.
pub(super) fn stills(peer: &Value, rate: f64) -> Vec<Row> {
    let number = |name: &str| peer[name].as_f64().unwrap_or(f64::NAN);
    vec![
        Row::told("  the plain loop: exact", 100.0 * number("exact"), "%"),
        Row::told(
            "  the plain loop: characters",
            100.0 * number("characters"),
            "%",
        ),
        Row::told("  the plain loop: located", 100.0 * number("located"), "%"),
        Row::told(
            "  the plain loop: images a CPU second",
            number("images_per_second"),
            "/s",
        ),
        Row::told(
            "stills, to the plain loop's rate",
            rate / number("images_per_second"),
            "×",
        ),
    ]
}

/// The same on clips.
pub(super) fn clips(peer: &Value, rate: f64) -> Vec<Row> {
    let number = |name: &str| peer[name].as_f64().unwrap_or(f64::NAN);
    vec![
        Row::told("  the plain loop: cars exact", number("cars_exact"), ""),
        Row::told(
            "  the plain loop: rows that are wrong or extra",
            number("rows_wrong_or_extra"),
            "",
        ),
        Row::told(
            "  the plain loop: frames a CPU second",
            number("frames_per_second"),
            "/s",
        ),
        Row::at_least(
            "clips, to the plain loop's rate",
            rate / number("frames_per_second"),
            "×",
            3.0,
        ),
    ]
}
