//! The lifecycle with simulated processes around it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use framerill_sim::{Act, Agenda, End, Machine, Process, Scenario, Script, Step, World};
use framerill_supervisor::{
    Config, ExitReason, KillReason, Lifecycle,
    lifecycle::{Event, Input, Output},
};

pub(crate) const HORIZON: Duration = Duration::from_secs(2000);
const SPAWN: Duration = Duration::from_millis(1);

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An input, and which process it comes from; 0 is the owner.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) incarnation: u32,
    pub(crate) input: Input,
}

/// The lifecycle behind the driver's rule: what a former process says does not count.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) lifecycle: Lifecycle,
    gone: u32,
}

impl Machine for Driven {
    type Input = Said;
    type Action = Output;

    fn handle(&mut self, now: Duration, said: Said) {
        let current =
            said.incarnation == self.lifecycle.incarnation() && said.incarnation > self.gone;
        if current || said.incarnation == 0 {
            if let Input::Exited(_) = said.input {
                self.gone = said.incarnation;
            }
            self.lifecycle.handle(now, said.input);
        }
    }

    fn poll(&mut self) -> Step<Output> {
        match self.lifecycle.poll() {
            Output::WakeAt(at) => Step::WakeAt(at),
            Output::Idle => Step::Idle,
            output => Step::Do(output),
        }
    }

    fn deadline() -> Said {
        owner(Input::Deadline)
    }
}

pub(crate) fn owner(input: Input) -> Said {
    Said {
        incarnation: 0,
        input,
    }
}

/// One script a process; the last one goes on.
#[derive(Debug)]
pub(crate) struct Scripted {
    scripts: Vec<Script>,
    incarnation: u32,
    running: Option<Process>,
    killed: Option<KillReason>,
    asked: bool,
}

impl Scripted {
    fn said(&self) -> impl Fn(Act) -> Said + use<> {
        let (incarnation, killed, asked) = (self.incarnation, self.killed, self.asked);
        move |act| Said {
            incarnation,
            input: match act {
                Act::Hello => Input::Hello,
                Act::Ready => Input::Ready {
                    max_frame_time: None,
                },
                Act::Beat { busy } => Input::Heartbeat { busy },
                Act::Answered(answered) | Act::Waits(answered) => Input::Progress {
                    answered,
                    failed: 0,
                    waiting: 1,
                },
                Act::Drained => Input::Drained,
                Act::Gone(None) => Input::Exited(ExitReason::Killed {
                    why: killed.unwrap_or(KillReason::Dropped),
                }),
                Act::Gone(Some(End::Signal(signal))) => Input::Exited(ExitReason::Signal {
                    signal,
                    core: false,
                }),
                Act::Gone(Some(End::Code(0))) if asked => Input::Exited(ExitReason::Asked),
                Act::Gone(Some(End::Code(0))) => Input::Exited(ExitReason::Left),
                Act::Gone(Some(End::Code(code))) => Input::Exited(ExitReason::Failed { code }),
            },
        }
    }
}

impl World<Driven> for Scripted {
    fn act(&mut self, action: Output, agenda: &mut Agenda<Said>) {
        match (action, self.running.clone()) {
            (Output::Spawn { incarnation }, _) => {
                self.incarnation = incarnation;
                self.killed = None;
                self.asked = false;
                let at = (incarnation as usize - 1).min(self.scripts.len() - 1);
                let input = Input::Spawned { pid: incarnation };
                agenda.after(SPAWN, Said { incarnation, input });
                let script = self.scripts[at].clone();
                self.running = Some(Process::spawn(script, HORIZON, agenda, self.said()));
            }
            (Output::Load, Some(process)) => {
                // Media's stats go on while there is no worker.
                let answered = u64::from(self.incarnation) * 1_000_000;
                let waiting = 0;
                agenda.after(
                    Duration::ZERO,
                    owner(Input::Progress {
                        answered,
                        failed: 0,
                        waiting,
                    }),
                );
                process.load(answered, agenda, self.said());
            }
            (Output::SendDrain, Some(process)) => {
                self.asked = true;
                process.drain(agenda, self.said());
            }
            (Output::SendBye, Some(process)) => {
                self.asked = true;
                process.leave(agenda, self.said());
            }
            (Output::Kill { why }, Some(process)) => {
                self.killed = Some(why);
                let incarnation = self.incarnation;
                agenda.cancel(|said| said.incarnation == incarnation);
                process.kill(agenda, self.said());
            }
            _ => {}
        }
    }
}

pub(crate) type Life = Scenario<Driven, Scripted>;

/// A child whose processes play these scripts.
pub(crate) fn life(config: Config, scripts: Vec<Script>) -> Life {
    let lifecycle = Lifecycle::new(config, Duration::ZERO, 1);
    let driven = Driven { lifecycle, gone: 0 };
    let world = Scripted {
        scripts,
        incarnation: 0,
        running: None,
        killed: None,
        asked: false,
    };
    Scenario::new(driven, world)
}

/// The kills, with their times.
pub(crate) fn kills(life: &Life) -> Vec<(Duration, KillReason)> {
    let kill = |(at, output): &(Duration, Output)| match output {
        Output::Kill { why } => Some((*at, *why)),
        _ => None,
    };
    life.trace.iter().filter_map(kill).collect()
}

pub(crate) fn spawns(life: &Life) -> Vec<Duration> {
    let spawn =
        |(at, output): &(Duration, Output)| matches!(output, Output::Spawn { .. }).then_some(*at);
    life.trace.iter().filter_map(spawn).collect()
}

/// What the owner was told, with its times.
pub(crate) fn events(life: &Life) -> impl Iterator<Item = (Duration, &Event)> {
    life.trace.iter().filter_map(|(at, output)| match output {
        Output::Event(event) => Some((*at, event)),
        _ => None,
    })
}
