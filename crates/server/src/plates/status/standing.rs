//! How a run stands, as it is shown: to the scheduler, in `status.json`, in `--status-json`.

use serde::{Deserialize, Serialize};

/// One consistent look at a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    /// `running`, `stopping`, `draining`, `terminating`, `finished`; `starting` before the first look.
    pub(crate) state: String,
    /// Seconds since it began.
    pub(crate) seconds: f64,
    /// Tasks that are queued.
    pub(crate) queued: u64,
    /// Names of categories at their soft limit, sorted.
    pub(crate) backed_up: Vec<String>,
    /// In the order of the enum.
    pub(crate) categories: Vec<CategoryLine>,
    pub(crate) workers: Vec<WorkerLine>,
    pub(crate) readers: Vec<ReaderLine>,
    /// Videos that are being read or settled.
    pub(crate) videos: Vec<VideoLine>,
    pub(crate) videos_done: u64,
    pub(crate) videos_total: u64,
    /// Frames that were looked at and are settled, of all videos: with `--every 3` a third of their frames.
    pub(crate) frames_settled: u64,
    /// Of these a second, over the last seconds.
    pub(crate) fps: f64,
    /// Vehicles with a final plate.
    pub(crate) plates: u64,
    /// Frames in the store.
    pub(crate) store_frames: u64,
    /// Bytes of them.
    pub(crate) store_bytes: u64,
    pub(crate) dead_letters: u64,
    pub(crate) skipped: u64,
    /// What happened to vehicles.
    pub(crate) events: EventsLine,
    /// The newest lines of the log.
    pub(crate) said: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EventsLine {
    pub(crate) new: u64,
    pub(crate) update: u64,
    pub(crate) end: u64,
    /// Of these, those that were written to `--events`.
    pub(crate) written: u64,
    /// And those that could not be.
    pub(crate) lost: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CategoryLine {
    pub(crate) name: String,
    pub(crate) queued: u64,
    pub(crate) in_flight: u64,
    /// Workers that do it.
    pub(crate) workers: u64,
    /// Tasks that were done.
    pub(crate) done: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WorkerLine {
    pub(crate) id: u32,
    /// `gpu` or `cpu`.
    pub(crate) kind: String,
    pub(crate) pid: Option<u32>,
    /// `starting`, `loading`, `idle`, `busy`, `waiting`, `stopping`, `dead`.
    pub(crate) state: String,
    pub(crate) category: Option<String>,
    pub(crate) task_id: Option<u64>,
    /// Since it was heard of.
    pub(crate) age_s: f64,
    /// Silent for longer than it should be.
    pub(crate) is_stale: bool,
    /// Unix seconds.
    pub(crate) last_heartbeat: f64,
    pub(crate) done: u64,
    pub(crate) errors: u64,
    pub(crate) restarts: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReaderLine {
    pub(crate) id: u32,
    pub(crate) video_id: String,
    pub(crate) is_paused: bool,
    pub(crate) paused_s: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VideoLine {
    pub(crate) video_id: String,
    /// How far it is, in frames of the video.
    pub(crate) frames: u64,
    /// As the container says it.
    pub(crate) of: Option<u64>,
    pub(crate) eta_s: Option<f64>,
}
