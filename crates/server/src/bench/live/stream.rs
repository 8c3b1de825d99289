//! One stream of 1280×720 at 30 pictures a second through a pipeline that does nothing: CPU, delay, memory, first
//! picture.

use std::{io, process, rc::Rc, time::Duration};

use framerill_worker::runtime::monotonic_ns;
use tokio::time::sleep;

use super::{
    Row, at,
    clip::{Clip, Wanted},
    count,
    film::{Times, Viewer, shoot},
    megabytes, millis, peer,
    script::Script,
    system::System,
    usage,
};

/// Nothing is measured before; streams and caches warm up.
const WARM_UP: Duration = Duration::from_secs(2);
/// Of a core, in percent: a harness that uses more is late itself, and says nothing about the delay.
const HARNESS_AT_MOST: f64 = 20.0;

/// What one stream gave.
struct Seen {
    answered: Duration,
    first: Duration,
    written: Times,
    bare: Times,
    out: Times,
    /// Below `serve`, of `serve`, and of how many pictures.
    cpu: (Duration, Duration, usize),
    /// What camera and viewers, which are this process, used of a core meanwhile, in percent.
    harness: f64,
    pss: u64,
}

/// The Rust worker's rows.
pub(super) async fn noop(
    seconds: u32,
    rows: &mut Vec<Row>,
    skipped: &mut Vec<String>,
) -> io::Result<()> {
    let clip = Rc::new(Clip::make(hd(seconds))?);
    let before = peer::cpu(&clip)?;
    let seen = film("noop", &clip).await?;
    // Twice, so that a machine that changes its pace changes it for both.
    let peer = (before + peer::cpu(&clip)?) / 2;
    let a_frame = |cpu: Duration, frames: usize| cpu.as_secs_f64() * 1e3 / count(frames);
    let (tree, serve, frames) = seen.cpu;
    let own = a_frame(tree, frames);
    let peers = a_frame(peer, clip.pictures);
    rows.push(Row::judged("CPU to FFmpeg's own", own / peers, "×", 1.2));
    rows.push(Row::told(
        "  infer, media and worker, a source frame",
        own,
        "ms",
    ));
    rows.push(Row::told("  FFmpeg, a source frame", peers, "ms"));
    rows.push(Row::told(
        "  serve, a source frame",
        a_frame(serve, frames),
        "ms",
    ));
    let (delays, bare) = delays(&seen);
    rows.extend(of_delay(&delays, seen.harness, skipped));
    rows.push(Row::told(
        "  the bare channel, median",
        at(&bare, 500),
        "ms",
    ));
    rows.push(Row::told("  the bare channel, p99", at(&bare, 990), "ms"));
    rows.push(Row::told(
        "  pictures that were compared",
        count(delays.len()),
        "",
    ));
    rows.push(Row::judged(
        "first output after the start request",
        millis(seen.first),
        "ms",
        700.0,
    ));
    rows.push(Row::judged(
        "start answered",
        millis(seen.answered),
        "ms",
        300.0,
    ));
    rows.push(Row::judged(
        "memory, Rust worker",
        megabytes(seen.pss),
        "MB",
        90.0,
    ));
    Ok(())
}

/// The Python worker's rows.
pub(super) async fn python(seconds: u32, rows: &mut Vec<Row>) -> io::Result<()> {
    let script = Script::write()?;
    let clip = Rc::new(Clip::make(hd(seconds))?);
    let seen = film(&script.pipeline("Noop"), &clip).await?;
    let (delays, _) = delays(&seen);
    rows.push(Row::told(
        "delay, Python worker, median",
        at(&delays, 500),
        "ms",
    ));
    rows.push(Row::told(
        "delay, Python worker, p99",
        at(&delays, 990),
        "ms",
    ));
    rows.push(Row::judged(
        "memory, Python worker",
        megabytes(seen.pss),
        "MB",
        150.0,
    ));
    Ok(())
}

/// What `noop` costs in Python, beside Rust: turn by turn, so that a machine that changes its pace changes it for both.
pub(super) async fn python_to_rust(seconds: u32) -> io::Result<Vec<Row>> {
    let script = Script::write()?;
    let clip = Rc::new(Clip::make(hd(seconds))?);
    let pipelines = ["noop".to_owned(), script.pipeline("Noop")];
    let mut used = [(Duration::ZERO, 0); 2];
    for _ in 0..2 {
        for (pipeline, (cpu, frames)) in pipelines.iter().zip(&mut used) {
            let seen = film(pipeline, &clip).await?;
            *cpu += seen.cpu.0;
            *frames += seen.cpu.2;
        }
    }
    let [rust, python] = used.map(|(cpu, frames)| cpu.as_secs_f64() * 1e3 / count(frames));
    Ok(vec![
        Row::judged("live noop, CPU in Python to Rust", python / rust, "×", 1.3),
        Row::told("  in Python, a source frame", python, "ms"),
        Row::told("  in Rust, a source frame", rust, "ms"),
    ])
}

fn hd(seconds: u32) -> Wanted {
    Wanted {
        size: (1280, 720),
        rate: 30,
        seconds,
    }
}

async fn film(pipeline: &str, clip: &Rc<Clip>) -> io::Result<Seen> {
    let system = System::start(pipeline, &[]).await?;
    system.create("bench").await?;
    let bare = Viewer::start(&system.channel("bench"))?;
    let out = Viewer::start(&system.channel("bench-out"))?;
    let input = system.channel("bench");
    let asked = monotonic_ns();
    let watch = async {
        let answered = system.begin("bench").await?;
        let first = Duration::from_nanos(out.first().await?.saturating_sub(asked));
        sleep(WARM_UP).await;
        let ((tree, serve), frames) = (system.cpu(), bare.times().len());
        let (harness, began) = (usage::cpu(process::id()), monotonic_ns());
        let end = clip.pieces.last().map_or(0, |it| it.due_ns);
        let mut pss = 0;
        // To shortly before the end.
        while monotonic_ns() + 500_000_000 < asked + end {
            pss = pss.max(usage::pss_of_tree(system.pid()));
            sleep(Duration::from_secs(1)).await;
        }
        let (later, serve_later) = system.cpu();
        let cpu = (
            later.saturating_sub(tree),
            serve_later.saturating_sub(serve),
            bare.times().len() - frames,
        );
        let harness = usage::cpu(process::id()).saturating_sub(harness);
        let wall = Duration::from_nanos(monotonic_ns() - began);
        let harness = 100.0 * harness.as_secs_f64() / wall.as_secs_f64();
        Ok::<_, io::Error>((answered, first, cpu, pss, harness))
    };
    let (written, watched) = tokio::join!(shoot(&input, clip), watch);
    let (answered, first, cpu, pss, harness) = watched?;
    // What is on its way comes out.
    sleep(Duration::from_secs(1)).await;
    Ok(Seen {
        answered,
        first,
        written: written?,
        bare: bare.times(),
        out: out.times(),
        cpu,
        harness,
        pss,
    })
}

/// The delay's rows. It is judged when the harness left the machine alone.
fn of_delay(delays: &[f64], harness: f64, skipped: &mut Vec<String>) -> [Row; 3] {
    let is_light = harness <= HARNESS_AT_MOST;
    if !is_light {
        skipped.push(format!(
            "judging the delay: the harness itself uses {harness:.0} % of a core, more than {HARNESS_AT_MOST} %"
        ));
    }
    let row = |what, share, budget| match is_light {
        true => Row::judged(what, at(delays, share), "ms", budget),
        false => Row::told(what, at(delays, share), "ms"),
    };
    [
        row("delay, median", 500, 25.0),
        row("delay, p99", 990, 45.0),
        Row::told("  the harness itself, of a core", harness, "%"),
    ]
}

/// From write to read through the runner less the bare channel's median, and through the bare channel, in ms, sorted.
fn delays(seen: &Seen) -> (Vec<f64>, Vec<f64>) {
    let from = seen
        .written
        .first_key_value()
        .map_or(0, |(pts, _)| pts + 90_000 * WARM_UP.as_secs());
    let late = |read: &Times| {
        let pairs = read.range(from..);
        let pairs = pairs.filter_map(|(pts, &at)| Some(at.saturating_sub(*seen.written.get(pts)?)));
        let mut late: Vec<f64> = pairs.map(|ns| millis(Duration::from_nanos(ns))).collect();
        late.sort_by(f64::total_cmp);
        late
    };
    let bare = late(&seen.bare);
    let usual = at(&bare, 500);
    (
        late(&seen.out).into_iter().map(|it| it - usual).collect(),
        bare,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_not_judged_and_that_is_told_when_the_harness_is_busy() {
        let late = [90.0; 10];
        let mut skipped = Vec::new();
        let rows = of_delay(&late, 19.9, &mut skipped);
        assert_eq!(rows.each_ref().map(|it| it.ok), [false, false, true]);
        assert!(skipped.is_empty(), "{skipped:?}");
        let rows = of_delay(&late, 20.1, &mut skipped);
        assert!(rows.iter().all(|it| it.ok && it.budget.is_none()));
        assert!(skipped[0].contains("20 % of a core"), "{skipped:?}");
    }
}
