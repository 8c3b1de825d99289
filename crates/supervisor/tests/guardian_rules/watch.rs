//! A guardian with a driver that is never late, as the tests watch it.

use framerill_supervisor::{
    ExitReason, Guardian,
    guardian::{Input, Moment, Output, Restarts, Rule, State},
    lifecycle::{self, Reason},
};
use std::time::Duration;

pub(crate) const WALL: u64 = 1_767_100_000_000;

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The guardian with a driver that is never late, and media that reports every 250 ms.
pub(crate) struct Watch {
    pub(crate) guardian: Guardian,
    pub(crate) at: Duration,
    /// The wall clock at the monotonic time 0.
    pub(crate) wall: u64,
    pub(crate) wake: Duration,
    pub(crate) out: Vec<(Duration, Output)>,
    pub(crate) stream: u64,
    pub(crate) decoded: u64,
    pub(crate) answered: u64,
}

impl Watch {
    /// At time 0, with a worker that loads.
    pub(crate) fn loading() -> Self {
        let mut this = Self {
            guardian: Guardian::new(Moment {
                at: Duration::ZERO,
                wall_ms: WALL,
            }),
            at: Duration::ZERO,
            wall: WALL,
            wake: Duration::ZERO,
            out: Vec::new(),
            stream: 0,
            decoded: 0,
            answered: 0,
        };
        this.poll();
        this.worker(lifecycle::State::Loading);
        this
    }

    /// At 10 s, without a stream.
    pub(crate) fn offline() -> Self {
        let mut this = Self::loading();
        this.worker(lifecycle::State::Ready);
        this.run(secs(10));
        this.out.clear();
        this
    }

    /// At 10 s, with a stream that has just been accepted.
    pub(crate) fn started() -> Self {
        let mut this = Self::offline();
        this.start(Restarts::Allowed);
        this
    }

    /// At 40 s, with a stream that has been well for 30 s.
    pub(crate) fn well() -> Self {
        let mut this = Self::started();
        this.flow(secs(30), 24, 24);
        assert_eq!(this.state(), State::Online);
        this.out.clear();
        this
    }

    pub(crate) fn moment(&self) -> Moment {
        let at = self.at;
        let wall_ms = self.wall + u64::try_from(at.as_millis()).unwrap();
        Moment { at, wall_ms }
    }

    pub(crate) fn poll(&mut self) {
        for _ in 0..100 {
            match self.guardian.poll() {
                Output::WakeAt(at) => return self.wake = at,
                output => self.out.push((self.at, output)),
            }
        }
        panic!("it does not settle");
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.guardian.handle(self.moment(), input);
        self.poll();
    }

    pub(crate) fn worker(&mut self, state: lifecycle::State) {
        self.give(Input::WorkerState(state));
    }

    pub(crate) fn start(&mut self, restarts: Restarts) {
        self.stream += 1;
        (self.decoded, self.answered) = (0, 0);
        let stream = self.stream;
        self.give(Input::StreamStarted { stream, restarts });
    }

    pub(crate) fn end(&mut self) {
        let stream = self.stream;
        self.give(Input::StreamEnded { stream });
    }

    pub(crate) fn frames(&mut self, decoded: u64, answered: u64) {
        self.decoded += decoded;
        self.answered += answered;
        let (stream, decoded, answered) = (self.stream, self.decoded, self.answered);
        self.give(Input::Progress {
            stream,
            decoded,
            answered,
        });
    }

    /// Nothing happens for so long.
    pub(crate) fn run(&mut self, lasts: Duration) {
        let end = self.at + lasts;
        while self.wake <= end {
            self.at = self.at.max(self.wake);
            self.give(Input::Deadline);
            assert!(self.wake > self.at, "its deadline came and stays");
        }
        self.at = end;
    }

    /// Frames come in and go out at these rates a second for so long.
    pub(crate) fn flow(&mut self, lasts: Duration, fps_in: u64, fps_out: u64) {
        let frames = |fps: u64, quarter: u64| fps * (quarter + 1) / 4 - fps * quarter / 4;
        for quarter in 0..u64::try_from(lasts.as_millis()).unwrap() / 250 {
            self.run(millis(250));
            self.frames(frames(fps_in, quarter), frames(fps_out, quarter));
        }
    }

    /// The driver was stopped for so long, and looks at its queue first.
    pub(crate) fn sleep(&mut self, lasts: Duration) {
        self.at += lasts;
        self.poll();
    }

    pub(crate) fn lose(&mut self) {
        self.give(Input::WorkerRestarting { reason: killed() });
    }

    pub(crate) fn state(&self) -> State {
        self.guardian.state()
    }

    pub(crate) fn rule(&self) -> Rule {
        let rule = |(_, output): &(Duration, Output)| match output {
            Output::State { rule, .. } => Some(*rule),
            _ => None,
        };
        self.out.iter().rev().find_map(rule).unwrap()
    }

    pub(crate) fn count(&self, is_it: impl Fn(&Output) -> bool) -> usize {
        self.out.iter().filter(|(_, output)| is_it(output)).count()
    }

    pub(crate) fn first(&self, is_it: impl Fn(&Output) -> bool) -> Duration {
        let found = self.out.iter().find(|(_, output)| is_it(output));
        found.expect("it is said").0
    }

    /// The states it came to, with their times.
    pub(crate) fn states(&self) -> Vec<(Duration, State)> {
        let state = |(at, output): &(Duration, Output)| match output {
            Output::State { state, .. } => Some((*at, *state)),
            _ => None,
        };
        self.out.iter().filter_map(state).collect()
    }
}

pub(crate) fn killed() -> Reason {
    Reason::from(ExitReason::Signal {
        signal: 9,
        core: false,
    })
}

pub(crate) fn error(message: &str) -> Input {
    let message: String = message.into();
    let traceback = Some(format!("the traceback of {message}"));
    Input::ErrorReported { message, traceback }
}

pub(crate) fn trouble(message: &str) -> Input {
    let message = message.into();
    Input::TroubleReported { message }
}

pub(crate) fn is_stop(output: &Output) -> bool {
    matches!(output, Output::StopStream { .. })
}

pub(crate) fn is_reset(output: &Output) -> bool {
    *output == Output::ResetWorker
}

pub(crate) fn is_restart(output: &Output) -> bool {
    *output == Output::RestartWorker
}
