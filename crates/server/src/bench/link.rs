//! `framerill bench link`: how long a picture takes to a worker and back.

use std::path::Path;

use framerill_media::{Caps, PixelFormat, Size};
use serde::Serialize;

use super::{host::Host, pingpong};
use crate::{exit::Exit, failure::Failure, program};

/// Round trips before the count begins: page faults and caches settle.
const WARM_UP: u32 = 500;

#[derive(Serialize)]
struct Report {
    picture: &'static str,
    frames: u32,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_ms: Option<f64>,
    p99_to_pingpong: f64,
}

/// Measures and prints.
pub(crate) fn link(frames: u32, python: Option<&Path>, json: bool) -> Result<Exit, Failure> {
    let frames = frames.max(100);
    let size = Size::new(512, 512).map_err(|error| Failure::failed("bench", error.to_string()))?;
    let caps = Caps::new(PixelFormat::Rgb24, size)
        .map_err(|error| Failure::failed("bench", error.to_string()))?;
    let this = program::this()?;
    let python = program::python(python);
    let script = Script::write()?;

    let bare = row(
        "bare socket ping-pong",
        pingpong::measure(frames)?,
        None,
        None,
    );
    let bare_p99 = bare.p99_us;
    let mut rows = vec![bare];
    for (name, program, args, pipeline) in [
        (
            "rust worker, noop",
            this.as_path(),
            ["worker", "noop"].as_slice(),
            "noop",
        ),
        (
            "rust worker, invert",
            this.as_path(),
            ["worker", "invert"].as_slice(),
            "invert",
        ),
        (
            "python worker, noop",
            &python,
            ["-m", "framerill.worker"].as_slice(),
            &script.noop(),
        ),
        (
            "python worker, invert",
            &python,
            ["-m", "framerill.worker"].as_slice(),
            &script.invert(),
        ),
    ] {
        let mut host = Host::start(program, args, pipeline, caps)?;
        for _ in 0..WARM_UP {
            host.round_trip()?;
        }
        let times = (0..frames)
            .map(|_| host.round_trip())
            .collect::<Result<Vec<_>, _>>()?;
        rows.push(row(
            name,
            times,
            Some(host.ready_after.as_secs_f64() * 1e3),
            Some(bare_p99),
        ));
    }
    let report = Report {
        picture: "512x512 rgb24",
        frames,
        rows,
    };
    print(&report, json);
    Ok(Exit::Done)
}

fn row(name: &'static str, mut ns: Vec<u64>, ready_ms: Option<f64>, bare: Option<f64>) -> Row {
    ns.sort_unstable();
    let at = |share: usize| {
        let index = (ns.len() * share / 100).min(ns.len().saturating_sub(1));
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of one round trip")]
        let us = ns.get(index).copied().unwrap_or(0) as f64 / 1e3;
        us
    };
    let p99_us = at(99);
    let p99_to_pingpong = bare.map_or(1.0, |bare| p99_us / bare);
    Row {
        name,
        p50_us: at(50),
        p90_us: at(90),
        p99_us,
        ready_ms,
        p99_to_pingpong,
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn print(report: &Report, json: bool) {
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(report).unwrap_or_default()
        );
        return;
    }
    println!(
        "{} round trips of one {} picture",
        report.frames, report.picture
    );
    println!(
        "{:<24} {:>9} {:>9} {:>9} {:>14} {:>10}",
        "", "p50 µs", "p90 µs", "p99 µs", "p99/ping-pong", "ready ms"
    );
    for it in &report.rows {
        let ready = it.ready_ms.map_or(String::new(), |ms| format!("{ms:.0}"));
        println!(
            "{:<24} {:>9.1} {:>9.1} {:>9.1} {:>14.2} {:>10}",
            it.name, it.p50_us, it.p90_us, it.p99_us, it.p99_to_pingpong, ready
        );
    }
}

/// The Python pipelines of the bench, in a file of their own.
struct Script(tempfile::NamedTempFile);

const PIPELINES: &str = r#""""Pipelines of `framerill bench link`."""
import numpy as np
from framerill import Pipeline


class Noop(Pipeline):
    """Passes every picture through."""

    def process(self, frame):
        return frame


class Invert(Pipeline):
    """Inverts every picture, straight into the output slot."""

    def process(self, frame):
        out = frame.output()
        np.subtract(255, frame.pixels, out=out)
        return frame.with_pixels(out)
"#;

impl Script {
    fn write() -> Result<Self, Failure> {
        let broken = |error: std::io::Error| {
            Failure::failed("bench", format!("cannot write a file: {error}"))
        };
        let file = tempfile::Builder::new()
            .suffix(".py")
            .tempfile()
            .map_err(broken)?;
        std::fs::write(file.path(), PIPELINES).map_err(broken)?;
        Ok(Self(file))
    }

    fn noop(&self) -> String {
        format!("{}:Noop", self.0.path().display())
    }

    fn invert(&self) -> String {
        format!("{}:Invert", self.0.path().display())
    }
}
