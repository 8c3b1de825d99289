//! Whether a child that is ready does its work: heartbeats, long work, frames that wait, lateness.

use std::{collections::VecDeque, time::Duration};

use super::config::Config;
use crate::exit::KillReason;

const INTERVALS: usize = 31;
/// Fewer intervals than this say nothing about what is usual.
const USUAL_FROM: usize = 5;

#[derive(Debug)]
pub(super) struct Liveness {
    max_frame_time: Duration,
    last_beat: Duration,
    busy_since: Option<Duration>,
    answered: u64,
    /// The count when this load began its work.
    answered_before: u64,
    failed: u64,
    waiting_since: Option<Duration>,
    last_output: Option<Duration>,
    first_frame: bool,
    late: bool,
    intervals: VecDeque<Duration>,
}

/// What is wrong, and since when it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    Late,
    Kill(KillReason),
}

impl Liveness {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            max_frame_time: config.max_frame_time,
            last_beat: Duration::ZERO,
            busy_since: None,
            answered: 0,
            answered_before: 0,
            failed: 0,
            waiting_since: None,
            last_output: None,
            first_frame: true,
            late: false,
            intervals: VecDeque::with_capacity(INTERVALS),
        }
    }

    /// A new process: nothing of the last one counts but its frames so far.
    pub(super) fn restart(&mut self, config: &Config) {
        let (answered, failed) = (self.answered, self.failed);
        *self = Self {
            answered,
            failed,
            ..Self::new(config)
        };
    }

    /// Loaded, or reloaded: the watch begins, the next frame is a first one.
    pub(super) fn begin(&mut self, now: Duration, max_frame_time: Option<Duration>) {
        self.max_frame_time = max_frame_time.unwrap_or(self.max_frame_time);
        self.last_beat = now;
        self.busy_since = None;
        self.waiting_since = None;
        self.last_output = None;
        self.first_frame = true;
        self.answered_before = self.answered;
        self.late = false;
        self.intervals.clear();
    }

    /// Frames answered since the last load.
    pub(super) fn answered_since_load(&self) -> u64 {
        self.answered.saturating_sub(self.answered_before)
    }

    pub(super) fn beat(&mut self, now: Duration, busy: bool) {
        self.last_beat = now;
        if busy {
            self.busy_since.get_or_insert(now);
        } else if self.busy_since.take().is_some() && self.waiting_since.is_some() {
            self.waiting_since = Some(now);
        }
    }

    /// Frames answered, and failed with, while nobody watches: the counts go on from here.
    pub(super) fn note(&mut self, answered: u64, failed: u64) {
        self.answered = answered;
        self.failed = failed;
    }

    /// A first frame that it failed with is over as one that it answered: from then on the next one has the usual time.
    pub(super) fn failures(&mut self, now: Duration, failed: u64) {
        let is_more = failed > self.failed;
        self.failed = failed;
        if is_more && std::mem::replace(&mut self.first_frame, false) {
            self.waiting_since = self.waiting_since.map(|_| now);
        }
    }

    /// Returns for how long no output had come if that was late and one came now.
    pub(super) fn progress(
        &mut self,
        now: Duration,
        answered: u64,
        waiting: u64,
    ) -> Option<Duration> {
        let is_output = answered > self.answered;
        let is_new_count = answered < self.answered;
        self.answered = answered;
        let waited = self
            .waiting_since
            .map(|since| now.saturating_sub(since))
            .filter(|_| self.late && is_output);
        if is_output {
            self.output(now);
        }
        if waiting == 0 {
            self.waiting_since = None;
        } else if is_output || is_new_count {
            self.waiting_since = Some(now);
        } else {
            self.waiting_since.get_or_insert(now);
        }
        waited
    }

    fn output(&mut self, now: Duration) {
        self.first_frame = false;
        self.late = false;
        if let Some(last) = self.last_output.replace(now) {
            if self.intervals.len() == INTERVALS {
                self.intervals.pop_front();
            }
            self.intervals.push_back(now.saturating_sub(last));
        }
    }

    /// The earliest symptom and when it appears.
    pub(super) fn due(&self, config: &Config) -> (Duration, Symptom) {
        let kill = match self.busy_since {
            Some(since) => (since + config.long_work_time, KillReason::LongWork),
            None => (
                self.last_beat + config.heartbeat_time,
                KillReason::NoHeartbeat,
            ),
        };
        let mut first = (kill.0, Symptom::Kill(kill.1));
        for other in [self.frame_due(config), self.late_due(config)]
            .into_iter()
            .flatten()
        {
            if other.0 < first.0 {
                first = other;
            }
        }
        first
    }

    fn frame_due(&self, config: &Config) -> Option<(Duration, Symptom)> {
        let since = self.waiting_since.filter(|_| self.busy_since.is_none())?;
        let (limit, why) = if self.first_frame {
            let limit = config.first_frame_time.max(self.max_frame_time);
            (limit, KillReason::FirstFrame)
        } else {
            (self.max_frame_time, KillReason::Hung)
        };
        Some((since + limit, Symptom::Kill(why)))
    }

    fn late_due(&self, config: &Config) -> Option<(Duration, Symptom)> {
        if self.late || self.first_frame {
            return None;
        }
        let usual = self.median_interval()?;
        let after = (usual * 2).max(config.late_floor);
        Some((self.waiting_since? + after, Symptom::Late))
    }

    /// Says once that it is late; returns for how long.
    pub(super) fn mark_late(&mut self, now: Duration) -> Duration {
        self.late = true;
        now.saturating_sub(self.waiting_since.unwrap_or(now))
    }

    fn median_interval(&self) -> Option<Duration> {
        if self.intervals.len() < USUAL_FROM {
            return None;
        }
        let mut sorted: Vec<_> = self.intervals.iter().copied().collect();
        let middle = sorted.len() / 2;
        Some(*sorted.select_nth_unstable(middle).1)
    }

    /// Time that the supervisor itself slept does not count against the child.
    pub(super) fn forgive(&mut self, slept: Duration) {
        self.last_beat += slept;
        for since in [&mut self.busy_since, &mut self.waiting_since]
            .into_iter()
            .flatten()
        {
            *since += slept;
        }
    }
}
