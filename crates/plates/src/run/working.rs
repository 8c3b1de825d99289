//! What workers say, and what they are given.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    crew::Lease,
    dead_letter::{DeadLetter, LetterKind},
    event::Event,
    ids::{LeaseId, ReaderId, WorkerId},
    input::{Outcome, WorkerSaid, WorkerState},
    machine::Machine,
    output::Output,
};
use crate::{
    category::Class,
    detection::Reading,
    flow::VideoFlow,
    task::{self, Failure, Payload, Task, TaskId},
};

/// A task that so many workers died with is poison.
const POISON: u32 = 2;
/// Pauses before a task that failed for the moment is tried again; after as many failures more it is set aside.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

impl<F: VideoFlow> Machine<F> {
    pub(super) fn worker_said(&mut self, now: Duration, id: WorkerId, said: WorkerSaid) {
        let Some(worker) = self.crew.workers.get_mut(&id) else {
            return self.odd(format!("there is no seat for {id}: it is left alone"));
        };
        worker.heard = now;
        worker.is_stale = false;
        match said {
            WorkerSaid::Joined { pid } => self.joined(now, id, pid),
            WorkerSaid::Gone(reason) => self.worker_gone(now, id, &reason),
            WorkerSaid::Lost(reason) => self.worker_lost(now, id, &reason),
            // What a process said before its end may come after it.
            _ if !worker.has_joined() => {}
            WorkerSaid::Alive { is_loading } => self.worker_lives(now, id, is_loading),
            WorkerSaid::Takes { max } => {
                let lease = worker.lease;
                if let Some(lease) = lease {
                    self.did(now, id, lease, Vec::new(), 0);
                }
                self.crew.asks(id, max);
            }
            WorkerSaid::Did {
                lease,
                outcomes,
                stage_us,
            } => self.did(now, id, lease, outcomes, stage_us),
            WorkerSaid::LoadFailed { lease, reason } => self.load_failed(now, id, lease, reason),
        }
    }

    fn joined(&mut self, now: Duration, id: WorkerId, pid: u32) {
        let has_joined = self.crew.workers.get(&id).is_some_and(|it| it.has_joined());
        if has_joined {
            self.worker_gone(now, id, "another process has its seat");
        }
        let is_ending = self.phase.is_ending();
        let Some(worker) = self.crew.workers.get_mut(&id) else {
            return;
        };
        let restarts = worker.joins;
        worker.pid = Some(pid);
        worker.is_lost = false;
        worker.joins += 1;
        worker.state = if is_ending {
            WorkerState::Stopping
        } else {
            WorkerState::Idle
        };
        self.log(Event::WorkerJoined {
            worker: id,
            pid,
            restarts,
        });
        if is_ending {
            self.say(Output::Terminate { worker: id });
        }
    }

    fn worker_lives(&mut self, now: Duration, id: WorkerId, is_loading: bool) {
        let Some(worker) = self.crew.workers.get_mut(&id) else {
            return;
        };
        let was_loading = worker.state == WorkerState::Loading;
        worker.state = match (worker.state, worker.lease) {
            (WorkerState::Stopping, _) => WorkerState::Stopping,
            _ if is_loading => WorkerState::Loading,
            (_, Some(_)) => WorkerState::Busy,
            (WorkerState::Waiting, None) => WorkerState::Waiting,
            (_, None) => WorkerState::Idle,
        };
        let is_loading = worker.state == WorkerState::Loading;
        if let Some(lease) = worker.lease.filter(|_| was_loading || is_loading)
            && let Some(lease) = self.crew.leases.get_mut(&lease)
        {
            lease.since = now;
        }
    }

    /// Hands out what waits. Whether it handed out anything.
    pub(super) fn give(&mut self, now: Duration) -> bool {
        if self.phase.is_ending() {
            return false;
        }
        let workers = [Class::Gpu, Class::Cpu].map(|class| self.crew.of_class(class));
        let mut has_given = false;
        for id in self.crew.asking() {
            let Some(worker) = self.crew.workers.get(&id) else {
                continue;
            };
            let max = worker.wants.unwrap_or(1) as usize;
            let Some((category, ids)) = self.tasks.take(now, worker.categories(), max, workers)
            else {
                continue;
            };
            let tasks: Vec<Arc<Task>> = ids.iter().filter_map(|it| self.tasks.begun(*it)).collect();
            self.send_pools(id, &tasks);
            let lease = self.crew.lease(now, id, category, ids);
            self.say(Output::Give {
                worker: id,
                lease,
                category,
                tasks,
            });
            has_given = true;
        }
        has_given
    }

    fn send_pools(&mut self, id: WorkerId, tasks: &[Arc<Task>]) {
        for slot in tasks.iter().filter_map(|it| it.frame) {
            let reader = ReaderId(slot.pool);
            let worker = self.crew.workers.get_mut(&id);
            if worker.is_some_and(|it| it.pools.insert(reader)) {
                self.say(Output::Pool { worker: id, reader });
            }
        }
    }

    fn did(
        &mut self,
        now: Duration,
        id: WorkerId,
        lease: LeaseId,
        outcomes: Vec<Outcome>,
        stage_us: u64,
    ) {
        let Some(lease) = self.crew.end_lease(id, lease) else {
            return self.odd(format!("{id} told of lease {}, which it has not", lease.0));
        };
        self.crew.has_loaded(id, lease.category);
        self.spent(&lease, stage_us);
        let mut outcomes: HashMap<_, _> = outcomes
            .into_iter()
            .map(|it| (it.task, it.result))
            .collect();
        for task in lease.tasks {
            let result = outcomes.remove(&task).unwrap_or_else(|| {
                Err(Failure {
                    reason: format!("{id} did not say what came of it"),
                    is_transient: true,
                })
            });
            self.outcome(now, id, task, result);
        }
    }

    /// What a batch took is shared out evenly.
    fn spent(&mut self, lease: &Lease, stage_us: u64) {
        let each = stage_us / (lease.tasks.len() as u64).max(1);
        for task in &lease.tasks {
            let video = self.tasks.get_mut(*task).map(|it| it.video);
            if let Some(open) = video.and_then(|it| self.videos.open_mut(it)) {
                open.flow.spent(lease.category, each);
            }
        }
    }

    fn outcome(
        &mut self,
        now: Duration,
        worker: WorkerId,
        id: TaskId,
        result: Result<task::Output, Failure>,
    ) {
        let Some(open) = self.tasks.get_mut(id) else {
            return;
        };
        let result = result.and_then(|output| fitting(&open.task.payload, output));
        let task = Arc::clone(&open.task);
        let failures = open.failures as usize;
        if let Err(failure) = &result
            && failure.is_transient
            && let Some(pause) = PAUSES.get(failures).copied()
        {
            open.failures += 1;
            self.tasks.delay(id, now + pause);
            self.counters.failed += 1;
            self.counters.retried += 1;
            self.count_error(worker);
            return self.log(Event::TaskRetried {
                task: id,
                category: task.category,
                video: task.video_id.clone(),
                frame_idx: task.frame_idx,
                reason: failure.reason.clone(),
                pause,
            });
        }
        if let Some(worker) = self.crew.workers.get_mut(&worker) {
            worker.done += 1;
        }
        match &result {
            Ok(output) => {
                *self.counters.done.entry(task.category).or_default() += 1;
                self.log_reading(worker, &task, output);
                self.set_refused_rows_aside(id, output);
            }
            Err(failure) => {
                self.counters.failed += 1;
                self.count_error(worker);
                self.set_aside(id, LetterKind::Failed, failure.reason.clone(), None);
            }
        }
        self.close_task(now, id, result);
    }

    /// Logs what OCR said, where that is asked for: the first ones of each worker and video.
    fn log_reading(&mut self, worker: WorkerId, task: &Task, output: &task::Output) {
        let task::Output::Ocr(reading) = output else {
            return;
        };
        let most = self.settings.ocr_debug;
        let video = self.tasks.get_mut(task.id).map(|it| it.video);
        let Some(open) = video.and_then(|it| self.videos.open_mut(it)) else {
            return;
        };
        if most == 0 {
            return;
        }
        let logged = open.readings_logged.entry(worker).or_default();
        if *logged < most {
            *logged += 1;
            let crop = None;
            self.log(Event::Read {
                worker,
                video: task.video_id.clone(),
                frame_idx: task.frame_idx,
                reading: Reading {
                    crop,
                    ..reading.clone()
                },
            });
        }
    }

    fn count_error(&mut self, id: WorkerId) {
        if let Some(worker) = self.crew.workers.get_mut(&id) {
            worker.errors += 1;
        }
    }

    fn set_refused_rows_aside(&mut self, id: TaskId, output: &task::Output) {
        let task::Output::FinalWrite { refused, .. } = output else {
            return;
        };
        for it in refused {
            let row = Some((it.table.clone(), it.record.clone()));
            self.set_aside(id, LetterKind::RefusedRow, it.reason.clone(), row);
        }
    }

    fn set_aside(
        &mut self,
        id: TaskId,
        kind: LetterKind,
        reason: String,
        row: Option<(String, serde_json::Map<String, serde_json::Value>)>,
    ) {
        let Some(open) = self.tasks.get_mut(id) else {
            return;
        };
        let task = Arc::clone(&open.task);
        self.log(Event::SetAside {
            task: id,
            category: task.category,
            video: task.video_id.clone(),
            frame_idx: task.frame_idx,
            reason: reason.clone(),
        });
        self.letter(DeadLetter {
            kind,
            reason,
            task: id,
            category: task.category,
            video_id: task.video_id.clone(),
            frame_idx: task.frame_idx,
            track_id: task.track_id,
            attempts: task.attempt + 1,
            row,
        });
    }

    fn load_failed(&mut self, now: Duration, id: WorkerId, lease: LeaseId, reason: String) {
        let Some(lease) = self.crew.end_lease(id, lease) else {
            return self.odd(format!("{id} told of lease {}, which it has not", lease.0));
        };
        self.could_not_load(now, id, &lease, reason);
    }

    /// A lease whose model, or store, could not be loaded: its tasks go back as they were.
    fn could_not_load(&mut self, now: Duration, id: WorkerId, lease: &Lease, reason: String) {
        for task in &lease.tasks {
            self.tasks.give_back(now, *task, false);
        }
        self.counters.load_failures += 1;
        let category = lease.category;
        let pause = match self.crew.workers.get_mut(&id) {
            Some(worker) if worker.has_joined() => worker.load_failed(now, category),
            _ => Duration::ZERO,
        };
        let too_long = self.settings.timing.cannot_load;
        if self.crew.cannot_load(now, category, too_long) {
            self.cannot_go_on(now, format!("{category} cannot be loaded: {reason}"));
        }
        self.log(Event::LoadFailed {
            worker: id,
            category,
            reason,
            pause,
        });
    }

    fn worker_gone(&mut self, now: Duration, id: WorkerId, reason: &str) {
        let Some(worker) = self.crew.workers.get(&id) else {
            return;
        };
        let had_joined = worker.has_joined();
        let was_loading = worker.state == WorkerState::Loading;
        let lease = self.crew.leaves(id);
        if self.phase.is_ending() {
            let tasks = lease.map(|it| it.tasks).unwrap_or_default();
            for task in tasks {
                self.tasks.give_back(now, task, true);
            }
            return;
        }
        if had_joined {
            self.counters.worker_deaths += 1;
            self.log(Event::WorkerDied {
                worker: id,
                reason: reason.to_owned(),
                tasks: lease.as_ref().map_or(0, |it| it.tasks.len()),
            });
        }
        match lease {
            None => {}
            Some(lease) if was_loading => {
                self.could_not_load(now, id, &lease, format!("it died while loading: {reason}"));
            }
            Some(lease) => {
                for task in lease.tasks {
                    self.died_with(now, task, reason);
                }
            }
        }
    }

    fn died_with(&mut self, now: Duration, id: TaskId, reason: &str) {
        let Some(open) = self.tasks.get_mut(id) else {
            return;
        };
        open.deaths += 1;
        if open.deaths < POISON {
            self.counters.returned += 1;
            return self.tasks.give_back(now, id, true);
        }
        let reason = format!("{POISON} workers died with it in hand, the last one: {reason}");
        self.set_aside(id, LetterKind::Poison, reason.clone(), None);
        let failure = Failure {
            reason,
            is_transient: false,
        };
        self.close_task(now, id, Err(failure));
    }

    fn worker_lost(&mut self, now: Duration, id: WorkerId, reason: &str) {
        self.worker_gone(now, id, reason);
        if let Some(worker) = self.crew.workers.get_mut(&id) {
            worker.is_lost = true;
        }
        if let Some(class) = self.crew.lost_class()
            && !self.phase.is_ending()
        {
            let class = match class {
                Class::Gpu => "GPU",
                Class::Cpu => "CPU",
            };
            self.cannot_go_on(now, format!("no {class} worker is left: {reason}"));
        }
    }

    /// Warns of workers that say nothing, and kills those that hang.
    pub(super) fn look_at_workers(&mut self, now: Duration) {
        let timing = self.settings.timing;
        let mut stale = Vec::new();
        let mut hung = Vec::new();
        for (id, worker) in &mut self.crew.workers {
            worker.look(now);
            if !worker.has_joined() {
                continue;
            }
            let silent = now.saturating_sub(worker.heard);
            if silent >= timing.stale && !worker.is_stale {
                worker.is_stale = true;
                stale.push((*id, silent));
            }
            let lease = worker.lease.and_then(|it| self.crew.leases.get(&it));
            let overtime = lease.filter(|it| {
                worker.state != WorkerState::Loading && it.deadline(timing.task) <= now
            });
            let reason = match overtime {
                _ if worker.is_killed => continue,
                _ if silent >= timing.silent => {
                    format!("it has said nothing for {} s", silent.as_secs())
                }
                Some(lease) => format!(
                    "it has had {} for {} s",
                    lease.category,
                    now.saturating_sub(lease.since).as_secs()
                ),
                None => continue,
            };
            worker.is_killed = true;
            hung.push((*id, reason));
        }
        for (worker, silent) in stale {
            self.log(Event::WorkerStale { worker, silent });
        }
        for (worker, reason) in hung {
            self.log(Event::WorkerKilled { worker, reason });
            self.say(Output::KillWorker { worker });
        }
    }

    pub(super) fn workers_due(&self) -> Option<Duration> {
        let timing = &self.settings.timing;
        let due = |worker: &super::crew::Worker| {
            let heard = worker.has_joined().then_some(worker.heard);
            let lease = worker.lease.and_then(|it| self.crew.leases.get(&it));
            let may_be_killed = !worker.is_killed;
            [
                heard
                    .filter(|_| !worker.is_stale)
                    .map(|it| it + timing.stale),
                heard.filter(|_| may_be_killed).map(|it| it + timing.silent),
                lease
                    .filter(|_| may_be_killed && worker.state != WorkerState::Loading)
                    .map(|it| it.deadline(timing.task)),
                worker.cannot.values().filter_map(|it| it.until).min(),
            ]
            .into_iter()
            .flatten()
            .min()
        };
        self.crew.workers.values().filter_map(due).min()
    }
}

/// The output, if it is of the stage that the payload is for, and says something of each vehicle that a tracker was given.
fn fitting(payload: &Payload, output: task::Output) -> Result<task::Output, Failure> {
    use task::Output as O;
    let fits = match (payload, &output) {
        // A last task without frames has one step, in which tracks are closed.
        (
            Payload::VehicleTrack {
                frames,
                is_last: true,
                ..
            },
            O::VehicleTrack { steps, .. },
        ) if frames.is_empty() => steps.len() <= 1 && steps.iter().all(|it| it.tracks.is_empty()),
        (Payload::VehicleTrack { frames, .. }, O::VehicleTrack { steps, .. }) => {
            let counts = frames.iter().map(|it| it.items.len());
            counts.eq(steps.iter().map(|it| it.tracks.len()))
        }
        (Payload::VehicleDetect | Payload::Look, O::VehicleDetect(_))
        | (Payload::PlateDetect { .. }, O::PlateDetect { .. })
        | (Payload::PlateDenoise { .. }, O::PlateDenoise { .. })
        | (Payload::Ocr { .. }, O::Ocr(_))
        | (Payload::PlateSmooth { .. }, O::PlateSmooth { .. })
        | (Payload::Summary { .. }, O::Summary { .. })
        | (Payload::FinalWrite { .. }, O::FinalWrite { .. })
        | (Payload::Custom { .. }, O::Custom { .. }) => true,
        _ => false,
    };
    fits.then_some(output).ok_or_else(|| Failure {
        reason: "the worker answered with an output that is not for this task".into(),
        is_transient: false,
    })
}
