//! The lifecycle itself: what happened in, spawns, kills and events out.

use std::{collections::VecDeque, time::Duration};

use super::{
    budget::Budget,
    config::Config,
    input::Input,
    liveness::{Liveness, Symptom},
    output::{Event, Fault, Output, Reason, State},
};
use crate::exit::{ExitReason, KillReason};

/// A deadline that comes later than this was missed by the supervisor, not by the child.
const OVERSLEPT: Duration = Duration::from_secs(1);
/// What a child gets after the supervisor overslept, to be heard.
const GRACE: Duration = Duration::from_millis(250);

/// The life of one child.
#[derive(Debug)]
pub struct Lifecycle {
    config: Config,
    phase: Phase,
    budget: Budget,
    liveness: Liveness,
    incarnation: u32,
    /// When the running incarnation became ready for the first time.
    ready_since: Option<Duration>,
    was_ever_ready: bool,
    fault: Option<Fault>,
    forgiven: bool,
    ignored: u64,
    out: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Spawning {
        until: Duration,
    },
    Starting {
        until: Duration,
    },
    Loading {
        until: Duration,
    },
    Ready,
    Reloading {
        until: Duration,
    },
    Draining {
        until: Duration,
    },
    Leaving {
        until: Duration,
        then: Then,
    },
    Killing {
        until: Duration,
        why: KillReason,
        then: Then,
    },
    Backoff {
        until: Duration,
    },
    Stopped,
    Failed,
}

/// What follows the exit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Stop,
    Lost,
}

impl Lifecycle {
    /// A child that starts at `now`. `seed` spreads the pauses before restarts.
    #[must_use]
    pub fn new(config: Config, now: Duration, seed: u64) -> Self {
        let mut machine = Self {
            phase: Phase::Stopped,
            budget: Budget::new(seed),
            liveness: Liveness::new(&config),
            config,
            incarnation: 0,
            ready_since: None,
            was_ever_ready: false,
            fault: None,
            forgiven: false,
            ignored: 0,
            out: VecDeque::new(),
        };
        machine.spawn(now);
        machine
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Deadline => self.deadline(now),
            Input::Slept(slept) => self.forgive(slept + GRACE),
            Input::StopRequested { drain } => self.stop(now, drain),
            Input::Exited(exit) => self.exited(now, exit),
            input => {
                self.forgiven = false;
                self.child_did(now, input);
            }
        }
    }

    /// What to do next; call until `WakeAt` or `Idle`.
    pub fn poll(&mut self) -> Output {
        match (self.out.pop_front(), self.due()) {
            (Some(output), _) => output,
            (None, Some(at)) => Output::WakeAt(at),
            (None, None) => Output::Idle,
        }
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Spawning { .. } | Phase::Starting { .. } | Phase::Backoff { .. } => {
                State::Starting
            }
            Phase::Loading { .. } | Phase::Reloading { .. } => State::Loading,
            Phase::Ready => State::Ready,
            Phase::Draining { .. }
            | Phase::Leaving {
                then: Then::Stop, ..
            }
            | Phase::Killing {
                then: Then::Stop, ..
            } => State::Draining,
            Phase::Leaving { .. } | Phase::Killing { .. } => State::Starting,
            Phase::Stopped => State::Stopped,
            Phase::Failed => State::Failed,
        }
    }

    /// Counts the processes from 1.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Restarts so far; it only grows.
    #[must_use]
    pub fn restart_count(&self) -> u64 {
        self.budget.total()
    }

    /// Restarts that remain.
    #[must_use]
    pub fn restarts_left(&self) -> u32 {
        self.budget.left(&self.config)
    }

    /// Inputs that had no meaning in the state they came in.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn child_did(&mut self, now: Duration, input: Input) {
        match (&self.phase, input) {
            (Phase::Spawning { until }, Input::Spawned { pid }) => {
                self.phase = Phase::Starting { until: *until };
                self.event(Event::Started {
                    incarnation: self.incarnation,
                    pid,
                });
            }
            (Phase::Spawning { .. }, Input::SpawnFailed(what)) => {
                self.lost(now, ExitReason::SpawnFailed { what });
            }
            (Phase::Killing { .. }, Input::SpawnFailed(what)) => {
                self.exited(now, ExitReason::SpawnFailed { what });
            }
            (Phase::Starting { .. }, Input::Hello) => {
                self.out.push_back(Output::Load);
                let until = now + self.config.load_time;
                self.phase = Phase::Loading { until };
            }
            (Phase::Loading { .. } | Phase::Reloading { .. }, Input::Ready { max_frame_time }) => {
                self.ready(now, max_frame_time);
            }
            (Phase::Ready, Input::Reloading) => {
                let until = now + self.config.load_time;
                self.phase = Phase::Reloading { until };
            }
            (Phase::Loading { .. } | Phase::Reloading { .. }, Input::LoadFailed(fault)) => {
                self.fault = Some(fault);
                self.out.push_back(Output::SendBye);
                self.leave(now, Then::Lost);
            }
            (Phase::Draining { .. }, Input::Drained) => self.leave(now, Then::Stop),
            (phase, Input::FatalError(fault)) if phase.is_watched() => {
                self.fault.get_or_insert(fault);
                self.leave(now, Then::Lost);
            }
            (Phase::Draining { .. }, Input::FatalError(_)) => self.leave(now, Then::Stop),
            (phase, Input::ProtocolViolation(what)) if phase.is_watched() => {
                self.fault.get_or_insert(Fault {
                    code: "protocol".into(),
                    message: what,
                });
                self.kill_and_restart(now, KillReason::Protocol);
            }
            (Phase::Draining { .. }, Input::ProtocolViolation(_)) => {
                self.kill(now, KillReason::Protocol, Then::Stop);
            }
            (phase, Input::Overused(what)) if phase.is_watched() => {
                self.fault = Some(Fault {
                    code: what.code().into(),
                    message: what.to_string(),
                });
                self.kill_and_restart(now, what.kill_reason());
            }
            (Phase::Draining { .. }, Input::Overused(what)) => {
                self.kill(now, what.kill_reason(), Then::Stop);
            }
            (Phase::Leaving { then, .. }, Input::Overused(what)) => {
                self.kill(now, what.kill_reason(), *then);
            }
            (phase, Input::ChannelClosed) if phase.is_watched() => self.leave(now, Then::Lost),
            (Phase::Draining { .. }, Input::ChannelClosed) => self.leave(now, Then::Stop),
            (
                Phase::Ready,
                Input::Progress {
                    answered,
                    failed,
                    waiting,
                },
            ) => {
                self.liveness.failures(now, failed);
                if let Some(after) = self.liveness.progress(now, answered, waiting) {
                    self.event(Event::Recovered { after });
                }
            }
            (
                _,
                Input::Progress {
                    answered, failed, ..
                },
            ) => self.liveness.note(answered, failed),
            (_, Input::Heartbeat { busy }) => self.liveness.beat(now, busy),
            // What was under way when the end began.
            (
                Phase::Draining { .. } | Phase::Leaving { .. } | Phase::Killing { .. },
                Input::Spawned { .. }
                | Input::Hello
                | Input::Ready { .. }
                | Input::Reloading
                | Input::LoadFailed(_)
                | Input::FatalError(_)
                | Input::ProtocolViolation(_)
                | Input::Overused(_)
                | Input::ChannelClosed
                | Input::Drained,
            ) => {}
            _ => self.ignored += 1,
        }
    }

    fn exited(&mut self, now: Duration, exit: ExitReason) {
        match self.phase {
            Phase::Draining { .. }
            | Phase::Leaving {
                then: Then::Stop, ..
            }
            | Phase::Killing {
                then: Then::Stop, ..
            } => self.stopped(exit),
            Phase::Leaving {
                then: Then::Lost, ..
            }
            | Phase::Killing {
                then: Then::Lost, ..
            } => self.lost(now, exit),
            phase if phase.is_watched() => self.lost(now, exit),
            _ => self.ignored += 1,
        }
    }

    fn stop(&mut self, now: Duration, drain: Duration) {
        let wanted = now + drain;
        match &mut self.phase {
            Phase::Ready | Phase::Reloading { .. } => {
                self.out.push_back(Output::SendDrain);
                self.phase = Phase::Draining { until: wanted };
            }
            Phase::Starting { .. } | Phase::Loading { .. } => {
                self.out.push_back(Output::SendBye);
                self.leave(now, Then::Stop);
            }
            Phase::Spawning { .. } => self.kill(now, KillReason::StopTime, Then::Stop),
            Phase::Leaving {
                then: Then::Lost, ..
            } => self.kill(now, KillReason::StopTime, Then::Stop),
            Phase::Killing { then, .. } => *then = Then::Stop,
            Phase::Draining { until } => *until = wanted.min(*until),
            Phase::Backoff { .. } => self.stopped(ExitReason::Asked),
            Phase::Leaving { .. } | Phase::Stopped | Phase::Failed => {}
        }
    }

    fn deadline(&mut self, now: Duration) {
        if self.forgives(now) {
            return;
        }
        // A refill and a late event may precede what is due; each makes the next one later.
        while self.due().is_some_and(|due| due <= now) {
            self.expire(now);
        }
    }

    fn expire(&mut self, now: Duration) {
        match self.phase {
            Phase::Spawning { .. } | Phase::Starting { .. } => {
                self.kill_and_restart(now, KillReason::NoHello);
            }
            Phase::Loading { .. } | Phase::Reloading { .. } => {
                self.kill_and_restart(now, KillReason::LoadTime);
            }
            Phase::Ready => match (self.refill_due(), self.liveness.due(&self.config)) {
                (Some(refill), _) if refill <= now => self.budget.refill(),
                (_, (_, Symptom::Late)) => {
                    let after = self.liveness.mark_late(now);
                    self.event(Event::Late { after });
                }
                (_, (_, Symptom::Kill(why))) => self.kill_and_restart(now, why),
            },
            Phase::Draining { .. } => {
                self.out.push_back(Output::SendBye);
                self.leave(now, Then::Stop);
            }
            Phase::Leaving { then, .. } => {
                let why = match then {
                    Then::Stop => KillReason::StopTime,
                    Then::Lost => KillReason::DidNotExit,
                };
                self.kill(now, why, then);
            }
            Phase::Killing { why, .. } => self.exited(now, ExitReason::Killed { why }),
            Phase::Backoff { .. } => self.spawn(now),
            Phase::Stopped | Phase::Failed => {}
        }
    }

    fn due(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Spawning { until }
            | Phase::Starting { until }
            | Phase::Loading { until }
            | Phase::Reloading { until }
            | Phase::Draining { until }
            | Phase::Leaving { until, .. }
            | Phase::Killing { until, .. }
            | Phase::Backoff { until } => Some(*until),
            Phase::Ready => {
                let (symptom, _) = self.liveness.due(&self.config);
                Some(self.refill_due().map_or(symptom, |at| at.min(symptom)))
            }
            Phase::Stopped | Phase::Failed => None,
        }
    }

    fn refill_due(&self) -> Option<Duration> {
        let since = self.ready_since.filter(|_| self.budget.is_touched())?;
        Some(since + self.config.healthy_time)
    }

    fn forgives(&mut self, now: Duration) -> bool {
        let slept = self
            .due()
            .map_or(Duration::ZERO, |due| now.saturating_sub(due));
        if slept <= OVERSLEPT || self.forgiven || !self.phase.is_watched() {
            return false;
        }
        self.forgiven = true;
        self.forgive(slept + GRACE);
        true
    }

    /// Time that the supervisor slept does not count against a child that slept with it.
    fn forgive(&mut self, by: Duration) {
        if !self.phase.is_watched() {
            return;
        }
        self.liveness.forgive(by);
        if let Phase::Spawning { until }
        | Phase::Starting { until }
        | Phase::Loading { until }
        | Phase::Reloading { until } = &mut self.phase
        {
            *until += by;
        }
    }

    fn spawn(&mut self, now: Duration) {
        self.incarnation += 1;
        self.fault = None;
        self.ready_since = None;
        self.liveness.restart(&self.config);
        let until = now + self.config.hello_time;
        self.phase = Phase::Spawning { until };
        self.out.push_back(Output::Spawn {
            incarnation: self.incarnation,
        });
    }

    fn ready(&mut self, now: Duration, max_frame_time: Option<Duration>) {
        let reloaded = matches!(self.phase, Phase::Reloading { .. });
        let max_frame_time = self.config.max_frame_time_override.or(max_frame_time);
        self.liveness.begin(now, max_frame_time);
        self.ready_since.get_or_insert(now);
        self.was_ever_ready = true;
        self.phase = Phase::Ready;
        self.event(Event::Ready {
            incarnation: self.incarnation,
            reloaded,
        });
    }

    fn leave(&mut self, now: Duration, then: Then) {
        let until = now + self.config.exit_time;
        self.phase = Phase::Leaving { until, then };
    }

    fn kill(&mut self, now: Duration, why: KillReason, then: Then) {
        self.out.push_back(Output::Kill { why });
        let until = now + self.config.kill_time;
        self.phase = Phase::Killing { until, why, then };
    }

    fn kill_and_restart(&mut self, now: Duration, why: KillReason) {
        self.kill(now, why, Then::Lost);
    }

    /// The process is gone and nobody wanted that: another one if the budget allows it.
    fn lost(&mut self, now: Duration, exit: ExitReason) {
        if let Some(since) = self.ready_since {
            let ready = now.saturating_sub(since);
            if ready >= self.config.healthy_time {
                self.budget.refill();
            } else if ready >= self.config.settled_time
                || self.liveness.answered_since_load() >= self.config.settled_frames
            {
                self.budget.settle();
            }
        }
        let reason = Reason {
            exit,
            fault: self.fault.take(),
        };
        if self.is_hopeless(&reason) {
            return self.failed(reason);
        }
        let Some(after) = self.budget.take(&self.config) else {
            return self.failed(reason);
        };
        self.event(Event::Restarting {
            incarnation: self.incarnation + 1,
            reason,
            restarts_left: self.restarts_left(),
            after,
        });
        if after.is_zero() {
            self.spawn(now);
        } else {
            let until = now + after;
            self.phase = Phase::Backoff { until };
        }
    }

    fn is_hopeless(&self, reason: &Reason) -> bool {
        let never_began =
            self.incarnation == 1 && matches!(reason.exit, ExitReason::SpawnFailed { .. });
        let is_final = |fault: &Fault| {
            fault.is_permanent() || (!self.config.retries_first_load && fault.is_of_load())
        };
        let is_refused = reason.fault.as_ref().is_some_and(is_final);
        never_began || (is_refused && !self.was_ever_ready)
    }

    fn failed(&mut self, reason: Reason) {
        self.phase = Phase::Failed;
        self.event(Event::Failed { reason });
    }

    fn stopped(&mut self, exit: ExitReason) {
        self.phase = Phase::Stopped;
        self.event(Event::Stopped { exit });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

impl Phase {
    /// A process is there, or about to be, and nobody wants it to end.
    fn is_watched(&self) -> bool {
        matches!(
            self,
            Self::Spawning { .. }
                | Self::Starting { .. }
                | Self::Loading { .. }
                | Self::Ready
                | Self::Reloading { .. }
        )
    }
}
