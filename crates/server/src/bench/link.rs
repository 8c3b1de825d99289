//! `framerill bench link`: how long a picture takes to a worker and back.

use std::path::Path;

use framerill_media::{Caps, PixelFormat, Size};
use serde::Serialize;

use super::{broken, host::Host, pingpong::PingPong};
use crate::{exit::Exit, failure::Failure, program};

/// Turns that each peer has.
const SLICES: u32 = 20;
/// Round trips before the count begins: page faults and caches settle.
const WARM_UP: u32 = 500;

#[derive(Serialize)]
struct Report {
    picture: &'static str,
    frames: u32,
    /// Whether both ends of every row share one core.
    one_core: bool,
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
    /// p99 in that of the ping-pong with the same program at the other end: the median of the slices' ratios. None for
    /// rows that work on pixels, which a ping-pong does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_to_pingpong: Option<f64>,
    /// The same in that of the ping-pong with no interpreter, for rows in Python.
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_to_rust_pingpong: Option<f64>,
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
    /// Its ping-pong's place in the list.
    bare: Option<usize>,
    slices: Vec<Vec<u64>>,
}

/// Places of the ping-pongs in the list.
const BARE: usize = 0;
const BARE_PYTHON: usize = 1;

impl Contender {
    fn new(name: &'static str, peer: Peer, bare: Option<usize>) -> Self {
        let slices = Vec::new();
        Self {
            name,
            peer,
            bare,
            slices,
        }
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
/// pace changes it for all. On one core a row says what the link costs; on `any_core` also what waking another one costs,
/// which on a virtual machine is more.
pub(crate) fn link(
    frames: u32,
    python: Option<&Path>,
    any_core: bool,
    json: bool,
) -> Result<Exit, Failure> {
    let a_slice = (frames / SLICES).max(100);
    let size = Size::new(512, 512).map_err(broken)?;
    let caps = Caps::new(PixelFormat::Rgb24, size).map_err(broken)?;
    let script = Script::write()?;
    let one_core = !any_core && stay_on_one_core();
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
    let rows = contenders.iter().map(|it| row(it, &contenders));
    let report = Report {
        picture: "512x512 rgb24",
        frames: a_slice * SLICES,
        one_core,
        rows: rows.collect(),
    };
    print(&report, json);
    Ok(Exit::Done)
}

/// Keeps this process, and what it starts from now on, on the last core that it may use. False where that is not allowed.
fn stay_on_one_core() -> bool {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return false;
    };
    let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|&cpu| allowed.is_set(cpu)) else {
        return false;
    };
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one).is_ok()
}

fn start(caps: Caps, python: &Path, script: &Script) -> Result<Vec<Contender>, Failure> {
    let this = program::this()?;
    let rust = |pipeline: &str| Host::start(&this, &["worker", pipeline], pipeline, caps);
    let in_python =
        |pipeline: &str| Host::start(python, &["-m", "framerill.worker"], pipeline, caps);
    let worker = |host| Peer::Worker(Box::new(host));
    let bare = Peer::Bare(PingPong::start()?);
    let bare_python = Peer::Bare(PingPong::start_in_python(python)?);
    Ok(vec![
        Contender::new("bare ping-pong", bare, None),
        Contender::new("bare ping-pong, python", bare_python, None),
        Contender::new("rust worker, noop", worker(rust("noop")?), Some(BARE)),
        Contender::new("rust worker, invert", worker(rust("invert")?), None),
        Contender::new(
            "python worker, noop",
            worker(in_python(&script.noop())?),
            Some(BARE_PYTHON),
        ),
        Contender::new(
            "python worker, invert",
            worker(in_python(&script.invert())?),
            None,
        ),
    ])
}

/// The value below which a share of sorted times lies, in µs.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of one round trip")]
fn quantile(sorted: &[u64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(0) as f64 / 1e3
}

fn row(of: &Contender, all: &[Contender]) -> Row {
    let mut times = of.slices.concat();
    times.sort_unstable();
    let ready_ms = match &of.peer {
        Peer::Bare(_) => None,
        Peer::Worker(host) => Some(host.ready_after.as_secs_f64() * 1e3),
    };
    let python = of.bare.filter(|&bare| bare == BARE_PYTHON);
    Row {
        name: of.name,
        p50_us: quantile(&times, 50),
        p90_us: quantile(&times, 90),
        p99_us: quantile(&times, 99),
        ready_ms,
        p99_to_pingpong: of.bare.and_then(|bare| p99_ratio(of, &all[bare])),
        p99_to_rust_pingpong: python.and_then(|_| p99_ratio(of, &all[BARE])),
    }
}

fn p99_ratio(of: &Contender, bare: &Contender) -> Option<f64> {
    let pairs = of.slices.iter().zip(&bare.slices);
    let mut ratios: Vec<f64> = pairs
        .map(|(ours, bare)| quantile(ours, 99) / quantile(bare, 99))
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
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
        "{} round trips of one {} picture, {}",
        report.frames,
        report.picture,
        if report.one_core {
            "both ends on one core"
        } else {
            "on any core"
        }
    ));
    crate::terminal::answer(format_args!(
        "{:<24} {:>9} {:>9} {:>9} {:>14} {:>10}",
        "", "p50 µs", "p90 µs", "p99 µs", "p99/ping-pong", "ready ms"
    ));
    for it in &report.rows {
        let ready = it.ready_ms.map_or(String::new(), |ms| format!("{ms:.0}"));
        let ratio = it
            .p99_to_pingpong
            .map_or(String::new(), |it| format!("{it:.2}"));
        crate::terminal::answer(format_args!(
            "{:<24} {:>9.1} {:>9.1} {:>9.1} {:>14} {:>10}",
            it.name, it.p50_us, it.p90_us, it.p99_us, ratio, ready
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
        let unwritten = |error: std::io::Error| broken(format!("cannot write a file: {error}"));
        let file = tempfile::Builder::new()
            .suffix(".py")
            .tempfile()
            .map_err(unwritten)?;
        std::fs::write(file.path(), PIPELINES).map_err(unwritten)?;
        Ok(Self(file))
    }

    fn noop(&self) -> String {
        format!("{}:Noop", self.0.path().display())
    }

    fn invert(&self) -> String {
        format!("{}:Invert", self.0.path().display())
    }
}
