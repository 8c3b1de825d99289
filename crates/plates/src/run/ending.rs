//! How a run ends, step by step.

use std::time::Duration;

use super::{
    end::{RunEnd, Unfinished, Why},
    event::Event,
    flowing::source_end,
    input::{Signal, WorkerState},
    machine::Machine,
    output::Output,
};
use crate::flow::{SourceStatus, VideoEnd, VideoFlow, VideoStatus};

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Readers leave, or are killed (see [`Machine::look_at_readers`]); what is begun goes on.
    Stopping {
        drain_until: Duration,
    },
    /// What is begun is done.
    Draining {
        until: Duration,
    },
    /// Workers leave.
    Terminating {
        until: Duration,
        are_killed: bool,
    },
    /// The scheduler leaves.
    Closing {
        until: Duration,
    },
    Finished,
}

impl Phase {
    pub(super) fn is_running(self) -> bool {
        self == Self::Running
    }

    /// Nothing is handed out any more.
    pub(super) fn is_ending(self) -> bool {
        matches!(
            self,
            Self::Terminating { .. } | Self::Closing { .. } | Self::Finished
        )
    }

    pub(super) fn until(self) -> Option<Duration> {
        match self {
            Self::Running | Self::Finished | Self::Stopping { .. } => None,
            Self::Draining { until }
            | Self::Terminating { until, .. }
            | Self::Closing { until } => Some(until),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopping { .. } => "stopping",
            Self::Draining { .. } => "draining",
            Self::Terminating { .. } | Self::Closing { .. } => "terminating",
            Self::Finished => "finished",
        }
    }
}

impl<F: VideoFlow> Machine<F> {
    pub(super) fn asked_to_stop(&mut self, now: Duration, signal: Signal) {
        self.stops += 1;
        match self.stops {
            1 => {
                if self.phase.is_running() {
                    self.why = Why::Stopped(signal);
                    self.stop(now, Some(signal));
                }
            }
            2 if !self.phase.is_ending() => {
                self.cut_drain(now, "someone asked a second time".into());
            }
            2 => {}
            _ => self.finish(now),
        }
    }

    /// Ends the run without doing what is left: nobody could do it.
    pub(super) fn cannot_go_on(&mut self, now: Duration, reason: String) {
        if self.phase.is_ending() {
            return;
        }
        self.why = Why::CannotGoOn(reason.clone());
        if self.phase.is_running() {
            self.stop(now, None);
        }
        self.cut_drain(now, reason);
    }

    /// No frame is begun any more.
    fn stop(&mut self, now: Duration, signal: Option<Signal>) {
        self.phase = Phase::Stopping {
            drain_until: now + self.settings.timing.drain,
        };
        let all = self.settings.categories();
        let backlog = all.map(|it| (it, self.tasks.waiting(it))).collect();
        self.log(Event::Stopping { signal, backlog });
        for reader in self.readers.live.keys().copied().collect::<Vec<_>>() {
            self.dismiss(now, reader);
        }
        let held = std::mem::take(&mut self.readers.held);
        for slot in held.into_iter().filter_map(|it| it.slot) {
            self.tasks.release(slot);
        }
        for video in self.videos.all_open() {
            let Some(open) = self.videos.open_mut(video) else {
                continue;
            };
            // One whose frames are all begun comes to its proper end.
            let is_read = open.end.is_some() && open.held == 0;
            open.held = 0;
            if !is_read {
                let end = source_end(
                    SourceStatus::Stopped,
                    "the run was stopped".into(),
                    open.decoded,
                );
                self.tell_end(now, video, end);
            }
        }
    }

    /// Goes on to the next phase, if its time has come. Whether it did.
    pub(super) fn advance(&mut self, now: Duration) -> bool {
        let timing = self.settings.timing;
        let is_due = self.phase.until().is_some_and(|until| until <= now);
        match self.phase {
            Phase::Running if self.videos.are_all_ended() => self.stop(now, None),
            Phase::Stopping { drain_until } if self.readers.live.is_empty() => {
                self.phase = Phase::Draining { until: drain_until };
            }
            Phase::Draining { .. } if self.is_drained() => self.terminate(now),
            Phase::Draining { .. } if is_due => {
                let secs = timing.drain.as_secs();
                self.cut_drain(now, format!("the drain took more than {secs} s"));
            }
            Phase::Terminating { are_killed, .. } => {
                let are_gone = !self
                    .crew
                    .workers
                    .values()
                    .any(super::crew::Worker::is_alive);
                if are_gone || (is_due && are_killed) {
                    self.phase = Phase::Closing {
                        until: now + timing.killed,
                    };
                    self.say(Output::StopScheduler);
                } else if is_due {
                    self.kill_workers();
                    self.phase = Phase::Terminating {
                        until: now + timing.killed,
                        are_killed: true,
                    };
                } else {
                    return false;
                }
            }
            Phase::Closing { .. } if is_due => self.finish(now),
            _ => return false,
        }
        true
    }

    fn is_drained(&self) -> bool {
        self.tasks.is_empty() && self.videos.open_count() == 0
    }

    fn cut_drain(&mut self, now: Duration, reason: String) {
        let unfinished = self.tasks.len();
        self.log(Event::DrainCut { reason, unfinished });
        for reader in self.readers.live.keys().copied().collect::<Vec<_>>() {
            self.kill_reader(now, reader, "the run ends".into());
            self.reader_gone(reader, "the run ends");
        }
        self.terminate(now);
    }

    fn terminate(&mut self, now: Duration) {
        self.phase = Phase::Terminating {
            until: now + self.settings.timing.workers_leave,
            are_killed: false,
        };
        for id in self.crew.workers.keys().copied().collect::<Vec<_>>() {
            self.say(Output::Terminate { worker: id });
            if let Some(worker) = self.crew.workers.get_mut(&id)
                && worker.is_alive()
            {
                worker.state = WorkerState::Stopping;
            }
        }
    }

    fn kill_workers(&mut self) {
        let alive = self.crew.workers.iter().filter(|(_, it)| it.is_alive());
        for worker in alive.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.log(Event::WorkerKilled {
                worker,
                reason: "it was told to leave and stays".into(),
            });
            self.say(Output::KillWorker { worker });
        }
    }

    pub(super) fn scheduler_gone(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Closing { .. }) {
            self.finish(now);
        }
    }

    fn finish(&mut self, now: Duration) {
        if self.phase == Phase::Finished {
            return;
        }
        self.phase = Phase::Finished;
        self.crew.leases.clear();
        let unfinished = self.tasks.abandon().into_iter().map(|it| Unfinished {
            task: it.id,
            category: it.category,
            video_id: it.video_id.clone(),
            frame_idx: it.frame_idx,
        });
        let unfinished: Vec<_> = unfinished.collect();
        for video in self.videos.all_open() {
            let end = VideoEnd {
                status: VideoStatus::Stopped,
                reason: Some("the run ended before it was done".into()),
                frames: 0,
                tracks: 0,
                plates: 0,
            };
            self.end_video(now, video, end);
        }
        for reader in self.readers.pools.keys().copied().collect::<Vec<_>>() {
            self.drop_pool(reader);
        }
        self.readers.pools.clear();
        let videos: Vec<_> = self
            .videos
            .ends()
            .map(|(no, end)| (no, end.clone()))
            .collect();
        let not_begun = (self.videos.len() - videos.len()) as u64;
        self.log(Event::ShutdownComplete);
        self.say(Output::Finished(RunEnd {
            why: self.why.clone(),
            videos,
            not_begun,
            dead_letters: self.counters.dead_letters,
            unfinished,
        }));
    }
}
