//! How the run machine stands, in the words of [`Standing`].

use std::collections::VecDeque;

use framerill_plates::run;
use serde::Serialize;
use serde_json::Value;

use super::standing::{CategoryLine, EventsLine, ReaderLine, Standing, VideoLine, WorkerLine};

/// Seconds over which frames a second are told.
const WINDOW: usize = 10;

/// Frames a second over the last looks.
#[derive(Debug, Default)]
pub(in crate::plates) struct Speed(VecDeque<(f64, u64)>);

impl Speed {
    pub(in crate::plates) fn look(&mut self, seconds: f64, frames: u64) -> f64 {
        self.0.push_back((seconds, frames));
        while self.0.len() > WINDOW {
            self.0.pop_front();
        }
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return 0.0;
        };
        let took = last.0 - first.0;
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 frames")]
        let frames = last.1.saturating_sub(first.1) as f64;
        if took > 0.0 { frames / took } else { 0.0 }
    }
}

/// The same in the words that people and the scheduler see, with the events that were written and lost.
pub(in crate::plates) fn shown(
    it: &run::Snapshot,
    speed: &mut Speed,
    unix_now: f64,
    said: Vec<String>,
    told: [u64; 2],
) -> Standing {
    let counter = |name: &str| it.counters.get(name).copied().unwrap_or(0);
    let frames = counter("frames_settled");
    Standing {
        state: it.phase.to_owned(),
        seconds: it.uptime_secs,
        queued: it.queued_total as u64,
        backed_up: it.backed_up.iter().map(|it| it.name().into()).collect(),
        categories: it
            .categories
            .iter()
            .map(|it| CategoryLine {
                name: it.category.name().into(),
                queued: it.queued as u64,
                in_flight: it.in_flight as u64,
                workers: it.workers as u64,
                done: it.done,
            })
            .collect(),
        workers: it.workers.iter().map(|it| worker(it, unix_now)).collect(),
        readers: it
            .readers
            .iter()
            .map(|it| ReaderLine {
                id: it.id.0,
                video_id: it.video_id.clone(),
                is_paused: it.is_paused,
                paused_s: it.paused_secs,
            })
            .collect(),
        videos: it
            .videos
            .open
            .iter()
            .map(|it| VideoLine {
                video_id: it.video_id.clone(),
                frames: it.frames,
                of: it.frames_expected,
                eta_s: it.eta_secs,
            })
            .collect(),
        videos_done: it.videos.ended.values().sum::<usize>() as u64,
        videos_total: it.videos.total as u64,
        frames_settled: frames,
        fps: speed.look(it.uptime_secs, frames),
        plates: counter("plates"),
        store_frames: it.store.frames as u64,
        store_bytes: it.store.bytes,
        dead_letters: counter("dead_letters"),
        skipped: it.skipped.values().sum(),
        events: EventsLine {
            new: counter("events_new"),
            update: counter("events_update"),
            end: counter("events_end"),
            written: told[0],
            lost: told[1],
        },
        said,
    }
}

fn worker(it: &run::WorkerRow, unix_now: f64) -> WorkerLine {
    WorkerLine {
        id: it.id.0,
        kind: word(&it.kind),
        pid: it.pid,
        state: word(&it.state),
        category: it.category.map(|it| it.name().into()),
        task_id: it.task_id.map(|it| it.0),
        age_s: it.heartbeat_age_secs,
        is_stale: it.is_stale,
        last_heartbeat: unix_now - it.heartbeat_age_secs,
        done: it.done,
        errors: it.errors,
        restarts: it.restarts,
    }
}

/// As it is spelled on the wire.
fn word(it: &impl Serialize) -> String {
    match serde_json::to_value(it) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
