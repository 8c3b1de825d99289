//! How fast `/health` and `/api/status` answer while workers load, die and load again, names are never resolved and a
//! model's file stalls.

use std::{cell::RefCell, io, process::Command, rc::Rc, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    Row, at,
    clip::{Clip, Wanted},
    count,
    film::{Viewer, shoot},
    http, millis,
    script::Script,
    stalls::Stalls,
    system::{System, this},
};

/// Between two requests of one asker.
const ASK_EVERY: Duration = Duration::from_millis(4);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOK_FOR: Duration = Duration::from_secs(10);
/// How long it takes until the next worker dies: it loads for a second, and works for one.
const DEATH_EVERY: Duration = Duration::from_secs(3);
const DEATHS: u32 = 20;
/// What the clip lasts: as long as they die, and the first one's load.
const SECONDS: u32 = 70;
const ASK_AT_MOST: Duration = Duration::from_secs(90);

pub(super) async fn measure(rows: &mut Vec<Row>, skipped: &mut Vec<String>) -> io::Result<()> {
    let script = Script::write()?;
    let clip = Rc::new(Clip::make(Wanted {
        size: (640, 360),
        rate: 24,
        seconds: SECONDS,
    })?);
    let stalls = Stalls::make()?;
    let without_names = stalls.without_names()?;
    let names_hang = without_names.is_some();
    let serve = match without_names {
        Some(serve) => serve,
        None => {
            skipped.push("answers while DNS hangs: this kernel lends no namespaces".to_owned());
            Command::new(this()?)
        }
    };
    let deaths = (10 * DEATHS).to_string();
    let more = ["--capacity", "3", "--max-restarts", &deaths];
    let system = System::start_as(serve, &script.pipeline("Slow"), &more).await?;
    system.create("bench").await?;
    let out = Viewer::start(&system.channel("bench-out"))?;
    system.begin("bench").await?;
    let inner = system
        .inner()
        .ok_or_else(|| io::Error::other("infer is not there"))?;
    let done = RefCell::new(false);
    let input = system.channel("bench");
    let disturb = async {
        let disturbed = async {
            out.first().await?;
            let own = system.workers();
            let stalled = stalls.streams(&system).await?;
            // A worker that is killed twice waits for nothing: its stream has other parameters then.
            let spared = newcomers(&system, &own, stalled).await?;
            for _ in 0..DEATHS {
                kill_worker(&system, &spared).await?;
                sleep(DEATH_EVERY).await;
            }
            stalls.release(names_hang)
        };
        let disturbed = disturbed.await;
        *done.borrow_mut() = true;
        disturbed
    };
    let (disturbed, health, status, shot) = tokio::join!(
        disturb,
        ask(&system.address, "/health", &done),
        ask(&inner, "/api/status", &done),
        shoot(&input, &clip),
    );
    disturbed?;
    shot?;
    for (what, (mut times, unanswered)) in [
        ("/health p99.9 in trouble", health),
        ("/api/status p99.9 in trouble", status),
    ] {
        times.sort_by(f64::total_cmp);
        if unanswered > 0 {
            return Err(io::Error::other(format!(
                "{what}: {unanswered} without an answer"
            )));
        }
        rows.push(Row::judged(what, at(&times, 999), "ms", 50.0));
        rows.push(Row::told("  answers", count(times.len()), ""));
    }
    Ok(())
}

/// Asks until it is done: how long the answers took in ms, and how many were none.
async fn ask(address: &str, path: &str, done: &RefCell<bool>) -> (Vec<f64>, usize) {
    let mut beat = interval(ASK_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut times, mut unanswered) = (Vec::new(), 0);
    let deadline = Instant::now() + ASK_AT_MOST;
    while !*done.borrow() && Instant::now() < deadline {
        beat.tick().await;
        match http::get(address, path).await {
            Ok(answer) if answer.status == 200 => times.push(millis(answer.took)),
            _ => unanswered += 1,
        }
    }
    (times, unanswered)
}

/// The workers beside `known`, once there are so many of them.
async fn newcomers(system: &System, known: &[u32], wanted: usize) -> io::Result<Vec<u32>> {
    let deadline = Instant::now() + LOOK_FOR;
    while Instant::now() < deadline {
        let mut workers = system.workers();
        workers.retain(|it| !known.contains(it));
        if workers.len() >= wanted {
            return Ok(workers);
        }
        sleep(LOOK_EVERY).await;
    }
    Err(io::Error::other("no worker comes"))
}

async fn kill_worker(system: &System, spared: &[u32]) -> io::Result<()> {
    let worker = newcomers(system, spared, 1).await?[0];
    let pid = i32::try_from(worker).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("no process number"))?;
    Ok(kill_process(pid, Signal::KILL)?)
}
