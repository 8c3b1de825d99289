//! What people and dashboards see of a run.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    dead_letter::DeadLetter,
    ids::{ReaderId, VideoNo, WorkerId},
    input::{Takes, WorkerState},
    machine::Machine,
};
use crate::{
    category::Category,
    flow::{Count, EventKind, VideoFlow, VideoStatus},
    task::TaskId,
};

/// A run at one moment. All durations are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// `running`, `stopping`, `draining`, `terminating`, `finished`.
    pub phase: &'static str,
    /// Since the run began.
    pub uptime_secs: f64,
    /// Tasks in the queue, of all categories.
    pub queued_total: usize,
    /// Categories at their soft limit that have not recovered, sorted by name.
    pub backed_up: Vec<Category>,
    /// Every category that the run has, in the order of the enum.
    pub categories: Vec<CategoryRow>,
    /// Every seat, by id.
    pub workers: Vec<WorkerRow>,
    /// Every process that reads, by id.
    pub readers: Vec<ReaderRow>,
    /// All videos.
    pub videos: Videos,
    /// Frames in shared memory.
    pub store: Store,
    /// Why the run cannot go on as it should, where that is so: a pause of all readers for want of memory.
    pub trouble: Option<String>,
    /// The last ones; `counters.dead_letters` counts all.
    pub dead_letters: Vec<DeadLetter>,
    /// What happened so far, by name; each only grows.
    pub counters: BTreeMap<&'static str, u64>,
    /// Tasks that were left out because they could not change a record, by category and reason.
    pub skipped: BTreeMap<String, u64>,
    /// Branches that ended without a result, by category and reason.
    pub nothing: BTreeMap<String, u64>,
}

/// What is open of one category.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CategoryRow {
    /// Which.
    pub category: Category,
    /// In the queue.
    pub queued: usize,
    /// Refused by a full queue.
    pub outside: usize,
    /// They failed for the moment, and pause.
    pub delayed: usize,
    /// In the hands of workers.
    pub in_flight: usize,
    /// Workers that have some in hand.
    pub workers: usize,
    /// Done so far.
    pub done: u64,
    /// At its soft limit, and not recovered since.
    pub is_backed_up: bool,
}

/// One seat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerRow {
    /// Which.
    pub id: WorkerId,
    /// What it does.
    pub kind: Takes,
    /// Its process.
    pub pid: Option<u32>,
    /// What it does now.
    pub state: WorkerState,
    /// Of what it has in hand; null is idle.
    pub category: Option<Category>,
    /// The first task that it has in hand.
    pub task_id: Option<TaskId>,
    /// Since it was last heard of.
    pub heartbeat_age_secs: f64,
    /// Silent for longer than it should be.
    pub is_stale: bool,
    /// Tasks that it did.
    pub done: u64,
    /// Tasks that failed.
    pub errors: u64,
    /// How often its process was replaced.
    pub restarts: u64,
}

/// One process that reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReaderRow {
    /// Which.
    pub id: ReaderId,
    /// What it reads, as shown to people.
    pub video_id: String,
    /// Its frames wait until workers have caught up.
    pub is_paused: bool,
    /// How long they waited so far.
    pub paused_secs: f64,
    /// Frames that it delivered.
    pub delivered: u64,
    /// Frames that it decoded, sampled or not.
    pub decoded: u64,
}

/// All videos.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Videos {
    /// In the list.
    pub total: usize,
    /// Over, by how.
    pub ended: BTreeMap<VideoStatus, usize>,
    /// At work, in the order of the list.
    pub open: Vec<VideoRow>,
}

/// One video at work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoRow {
    /// Its place in the list.
    pub no: VideoNo,
    /// As shown to people.
    pub video_id: String,
    /// Frames up to which it was delivered.
    pub frames: u64,
    /// Frames of it, as its container says.
    pub frames_expected: Option<u64>,
    /// Part that was delivered, 0 to 1.
    pub progress: Option<f64>,
    /// At the speed since the run began to read it.
    pub eta_secs: Option<f64>,
    /// Open tasks.
    pub tasks: usize,
}

/// Frames in shared memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Store {
    /// Frames that somebody needs.
    pub frames: usize,
    /// Their pixels.
    pub bytes: u64,
    /// Pools.
    pub pools: usize,
    /// Memory of all pools, if every slot was written to.
    pub pool_bytes: u64,
}

impl<F: VideoFlow> Machine<F> {
    /// The run at `now`.
    #[must_use]
    pub fn snapshot(&self, now: Duration) -> Snapshot {
        let mut backed_up = self.tasks.queue.backed_up_categories();
        backed_up.sort_unstable_by_key(|it| it.name());
        Snapshot {
            phase: self.phase.name(),
            uptime_secs: now.saturating_sub(self.started).as_secs_f64(),
            queued_total: self.tasks.queue.total_backlog(),
            backed_up,
            categories: (self.settings.categories())
                .map(|it| self.category_row(it))
                .collect(),
            workers: self.worker_rows(now),
            readers: self.reader_rows(now),
            videos: self.videos_part(now),
            store: self.store_part(),
            trouble: self
                .no_store
                .map(|_| "no memory for frames: readers wait".to_owned()),
            dead_letters: self.recent_letters.iter().cloned().collect(),
            counters: self.counters_part(),
            skipped: self.reasons(|it| match it {
                Count::Skipped(category, reason) => Some((category, reason)),
                _ => None,
            }),
            nothing: self.reasons(|it| match it {
                Count::Nothing(category, reason) => Some((category, reason)),
                _ => None,
            }),
        }
    }

    fn category_row(&self, category: Category) -> CategoryRow {
        let (tasks, queue) = (&self.tasks, &self.tasks.queue);
        let leases = self.crew.leases.values();
        CategoryRow {
            category,
            queued: queue.backlog(category),
            outside: tasks.outside(category),
            delayed: tasks.delayed_of(category),
            in_flight: queue.in_flight(category),
            workers: leases.filter(|it| it.category == category).count(),
            done: self.counters.done.get(&category).copied().unwrap_or(0),
            is_backed_up: queue.is_backed_up(category),
        }
    }

    fn worker_rows(&self, now: Duration) -> Vec<WorkerRow> {
        let row = |(id, it): (&WorkerId, &super::crew::Worker)| {
            let lease = it.lease.and_then(|lease| self.crew.leases.get(&lease));
            WorkerRow {
                id: *id,
                kind: it.takes,
                pid: it.pid,
                state: it.state,
                category: lease.map(|it| it.category),
                task_id: lease.and_then(|it| it.tasks.first().copied()),
                heartbeat_age_secs: now.saturating_sub(it.heard).as_secs_f64(),
                is_stale: it.is_stale,
                done: it.done,
                errors: it.errors,
                restarts: it.joins.saturating_sub(1),
            }
        };
        self.crew.workers.iter().map(row).collect()
    }

    fn reader_rows(&self, now: Duration) -> Vec<ReaderRow> {
        let shut_for = self.gate.shut_since().map(|it| now.saturating_sub(it));
        let row = |(id, it): (&ReaderId, &super::readers::Reader)| ReaderRow {
            id: *id,
            video_id: self.videos.id(it.video).to_owned(),
            is_paused: shut_for.is_some(),
            paused_secs: (it.paused + shut_for.unwrap_or_default()).as_secs_f64(),
            delivered: it.delivered,
            decoded: it.decoded,
        };
        self.readers.live.iter().map(row).collect()
    }

    fn videos_part(&self, now: Duration) -> Videos {
        let mut ended = BTreeMap::new();
        for (_, end) in self.videos.ends() {
            *ended.entry(end.status).or_default() += 1;
        }
        let open = self.videos.all_open().into_iter();
        let row = |no: VideoNo| {
            let open = self.videos.open(no)?;
            #[expect(clippy::cast_precision_loss, reason = "no video has 2^52 frames")]
            let part = |frame: u64| match open.frames_expected {
                Some(all) if all > 0 => Some((frame as f64 / all as f64).min(1.0)),
                _ => None,
            };
            let progress = part(open.next_frame);
            let read = part(open.next_frame - open.first_frame).filter(|it| *it > 0.0);
            let took = now.saturating_sub(open.begun).as_secs_f64();
            Some(VideoRow {
                no,
                video_id: self.videos.id(no).to_owned(),
                frames: open.next_frame,
                frames_expected: open.frames_expected,
                progress,
                eta_secs: progress
                    .zip(read)
                    .map(|(progress, read)| took / read * (1.0 - progress)),
                tasks: open.open_tasks,
            })
        };
        Videos {
            total: self.videos.len(),
            ended,
            open: open.filter_map(row).collect(),
        }
    }

    fn store_part(&self) -> Store {
        let pools = &self.readers.pools;
        let bytes = |it: &super::readers::Pool| u64::from(it.slots).saturating_mul(it.slot_bytes);
        Store {
            frames: self.tasks.ledger.len(),
            bytes: self.tasks.ledger.bytes(),
            pools: pools.len(),
            pool_bytes: pools.values().flatten().map(bytes).sum(),
        }
    }

    fn counters_part(&self) -> BTreeMap<&'static str, u64> {
        let it = &self.counters;
        let flow = |what| it.flows.get(&what).copied().unwrap_or(0);
        let told = |what| it.vehicles.get(&what).copied().unwrap_or(0);
        BTreeMap::from([
            ("events_new", told(EventKind::New)),
            ("events_update", told(EventKind::Update)),
            ("events_end", told(EventKind::End)),
            ("frames_delivered", it.delivered),
            ("frames_begun", it.begun),
            ("frames_settled", flow(Count::Settled)),
            ("frames_lost", flow(Count::Lost)),
            ("frames_freed", self.tasks.ledger.freed()),
            ("tasks_spawned", it.spawned),
            ("tasks_done", it.done.values().sum()),
            ("tasks_failed", it.failed),
            ("tasks_retried", it.retried),
            ("tasks_returned", it.returned),
            ("pushes_refused", self.tasks.refused),
            ("backpressure_episodes", self.gate.episodes),
            ("dead_letters", it.dead_letters),
            ("worker_deaths", it.worker_deaths),
            ("reader_deaths", it.reader_deaths),
            ("load_failures", it.load_failures),
            ("checkpoints", it.checkpoints),
            ("tracks", flow(Count::Tracks)),
            ("plates", flow(Count::Plates)),
            ("unreadable", flow(Count::Unreadable)),
        ])
    }

    fn reasons(
        &self,
        reason: impl Fn(Count) -> Option<(Category, &'static str)>,
    ) -> BTreeMap<String, u64> {
        let all = self.counters.flows.iter();
        all.filter_map(|(what, count)| {
            let (category, reason) = reason(*what)?;
            Some((format!("{category}.{reason}"), *count))
        })
        .collect()
    }
}
