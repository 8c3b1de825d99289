//! `framerill bench link`: how long a picture takes to a worker and back.

use std::path::Path;

use framerill_media::{Caps, PixelFormat, Size};
use serde::Serialize;

use super::{host::Host, pingpong::PingPong};
use crate::{exit::Exit, failure::Failure, program};

/// Turns that each peer has.
const SLICES: u32 = 20;
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
    /// p99 in that of the bare ping-pong, which is the first row: the median of the slices' ratios.
    p99_to_pingpong: f64,
}

/// What makes round trips.
enum Peer {
    Bare(PingPong),
    Worker(Box<Host>),
}

/// A peer and its times, a list for each slice.
struct Contender {
    name: &'static str,
    peer: Peer,
    slices: Vec<Vec<u64>>,
}

impl Contender {
    fn new(name: &'static str, peer: Peer) -> Self {
        let slices = Vec::new();
        Self { name, peer, slices }
    }

    fn round_trips(&mut self, count: u32) -> Result<Vec<u64>, Failure> {
        let one = |_| match &mut self.peer {
            Peer::Bare(peer) => peer.round_trip(),
            Peer::Worker(host) => host.round_trip(),
        };
        let mut times = (0..count).map(one).collect::<Result<Vec<_>, _>>()?;
        times.sort_unstable();
        Ok(times)
    }
}

/// Measures and prints. All peers live at the same time and take turns in slices, so that a machine that changes its
/// pace changes it for all.
pub(crate) fn link(frames: u32, python: Option<&Path>, json: bool) -> Result<Exit, Failure> {
    let a_slice = (frames / SLICES).max(100);
    let size = Size::new(512, 512).map_err(|error| Failure::failed("bench", error.to_string()))?;
    let caps = Caps::new(PixelFormat::Rgb24, size)
        .map_err(|error| Failure::failed("bench", error.to_string()))?;
    let script = Script::write()?;
    let mut contenders = start(caps, &program::python(python), &script)?;
    for contender in &mut contenders {
        contender.round_trips(WARM_UP)?;
    }
    for _ in 0..SLICES {
        for contender in &mut contenders {
            let times = contender.round_trips(a_slice)?;
            contender.slices.push(times);
        }
    }
    let rows = contenders.iter().map(|it| row(it, &contenders[0]));
    let report = Report {
        picture: "512x512 rgb24",
        frames: a_slice * SLICES,
        rows: rows.collect(),
    };
    print(&report, json);
    Ok(Exit::Done)
}

fn start(caps: Caps, python: &Path, script: &Script) -> Result<Vec<Contender>, Failure> {
    let this = program::this()?;
    let rust = |pipeline: &str| Host::start(&this, &["worker", pipeline], pipeline, caps);
    let in_python =
        |pipeline: &str| Host::start(python, &["-m", "framerill.worker"], pipeline, caps);
    let worker = |host| Peer::Worker(Box::new(host));
    Ok(vec![
        Contender::new("bare socket ping-pong", Peer::Bare(PingPong::start()?)),
        Contender::new("rust worker, noop", worker(rust("noop")?)),
        Contender::new("rust worker, invert", worker(rust("invert")?)),
        Contender::new("python worker, noop", worker(in_python(&script.noop())?)),
        Contender::new(
            "python worker, invert",
            worker(in_python(&script.invert())?),
        ),
    ])
}

/// The value below which a share of sorted times lies, in µs.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of one round trip")]
fn quantile(sorted: &[u64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(0) as f64 / 1e3
}

fn row(of: &Contender, bare: &Contender) -> Row {
    let mut all = of.slices.concat();
    all.sort_unstable();
    let pairs = of.slices.iter().zip(&bare.slices);
    let mut ratios: Vec<f64> = pairs
        .map(|(ours, bare)| quantile(ours, 99) / quantile(bare, 99))
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let ready_ms = match &of.peer {
        Peer::Bare(_) => None,
        Peer::Worker(host) => Some(host.ready_after.as_secs_f64() * 1e3),
    };
    Row {
        name: of.name,
        p50_us: quantile(&all, 50),
        p90_us: quantile(&all, 90),
        p99_us: quantile(&all, 99),
        ready_ms,
        p99_to_pingpong: ratios.get(ratios.len() / 2).copied().unwrap_or(1.0),
    }
}

fn print(report: &Report, json: bool) {
    if json {
        crate::terminal::answer(format_args!(
            "{}",
            serde_json::to_string_pretty(report).unwrap_or_default()
        ));
        return;
    }
    crate::terminal::answer(format_args!(
        "{} round trips of one {} picture",
        report.frames, report.picture
    ));
    crate::terminal::answer(format_args!(
        "{:<24} {:>9} {:>9} {:>9} {:>14} {:>10}",
        "", "p50 µs", "p90 µs", "p99 µs", "p99/ping-pong", "ready ms"
    ));
    for it in &report.rows {
        let ready = it.ready_ms.map_or(String::new(), |ms| format!("{ms:.0}"));
        crate::terminal::answer(format_args!(
            "{:<24} {:>9.1} {:>9.1} {:>9.1} {:>14.2} {:>10}",
            it.name, it.p50_us, it.p90_us, it.p99_us, it.p99_to_pingpong, ready
        ));
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
