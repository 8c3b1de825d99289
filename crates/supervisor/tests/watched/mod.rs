//! The guardian and a worker's lifecycle, joined as a driver joins them, in a world that goes wrong as its plan says; and
//! what is true in that world, kept without asking either machine.

use std::time::Duration;

use framerill_sim::{Agenda, Clock, Random};
use framerill_supervisor::{
    Config, ExitReason, Guardian, KillReason, Lifecycle,
    guardian::{Event, Health, Input, Moment, Output, Restarts, State, StopReason},
    lifecycle,
};

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How bad it may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Workers die, hang, reload and do not load; the driver sleeps; streams come and go.
    Any,
    /// Input stops, streams come and go, clocks jump; workers are perfect.
    Silence,
}

/// What happens by itself.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Start(Restarts),
    /// The gateway ends the stream; it is torn down later.
    End,
    TornDown(u64),
    /// Frames a second.
    Flow(u64),
    /// One answer for so many frames; 0: none.
    Answer(u64),
    Error,
    /// A peer is in trouble, of which the state knows nothing.
    PeerTrouble,
    Update,
    Applied,
    Reload,
    Hang {
        beats: bool,
    },
    Jump(Duration),
    WallForward(Duration),
    WallBack(Duration),
    /// What is over is still heard of.
    Stale,
    Hello(u32),
    Loaded(u32),
    Exited(u32, Option<KillReason>),
}

/// What is true, in monotonic time.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The last real output, start or end of a load: what makes ONLINE honest.
    pub(crate) proof: Duration,
    pub(crate) started: Option<Duration>,
    pub(crate) ended: Option<Duration>,
    pub(crate) last_input: Option<Duration>,
    /// Whether the last report had no input.
    pub(crate) is_dry: bool,
    /// When a report had input after one that had none.
    pub(crate) fed: Duration,
    pub(crate) last_jump: Option<Duration>,
    /// Ready, or not, since.
    pub(crate) is_ready: bool,
    pub(crate) ready_changed: Duration,
    /// There is no worker any more, since.
    pub(crate) failed: Option<Duration>,
    /// When it should be ONLINE, if nothing else goes wrong.
    pub(crate) well_from: Duration,
    restart_counts_until: Duration,
    /// Losses since the budget was full.
    pub(crate) used: u32,
    pub(crate) losses: u64,
    incarnation_ready: Option<Duration>,
    restarts: Restarts,
    stops: u32,
    resets: u32,
    /// Errors, as they were told.
    pub(crate) told: Vec<String>,
}

pub(crate) struct World {
    pub(crate) guardian: Guardian,
    pub(crate) worker: Lifecycle,
    pub(crate) truth: Truth,
    random: Random,
    weather: Weather,
    agenda: Agenda<Happening>,
    clock: Clock,
    wake: Duration,
    worker_wake: Option<Duration>,
    next_stats: Duration,
    stats_every: Duration,
    next_beat: Duration,
    process: Option<Process>,
    stream: u64,
    is_running: bool,
    fps: u64,
    one_in: u64,
    /// Frames, in thousandths, that are not yet whole.
    rest: u64,
    decoded: u64,
    answered: u64,
    answered_before: u64,
    end: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    incarnation: u32,
    says_hello: bool,
    beats: bool,
    hangs: bool,
}

const SOON: Duration = millis(1);
const WALL_MS: u64 = 1_767_100_000_000;
/// Until no rate remembers.
const TWO_WINDOWS: Duration = secs(23);
const DAY: Duration = secs(86_400);

impl World {
    pub(crate) fn new(weather: Weather, mut random: Random) -> Self {
        let end = match random.below(100) {
            0..70 => random.duration(secs(15)..secs(80)),
            70..95 => random.duration(secs(80)..secs(200)),
            95..99 => random.duration(secs(200)..secs(450)),
            _ => random.duration(secs(700)..secs(2500)),
        };
        let stats_every = if end > secs(450) {
            secs(1)
        } else {
            *random.pick(&[millis(250), millis(500), millis(1000)])
        };
        let zero = random.duration(Duration::ZERO..DAY);
        let clock = Clock::new(Duration::ZERO, zero);
        let seed = random.number();
        let mut this = Self {
            guardian: Guardian::new(Moment {
                at: zero,
                wall_ms: WALL_MS,
            }),
            worker: Lifecycle::new(Config::default(), zero, seed),
            truth: Truth {
                proof: zero,
                ready_changed: zero,
                ..Truth::default()
            },
            weather,
            agenda: Agenda::new(),
            clock,
            wake: zero,
            worker_wake: None,
            next_stats: random.duration(Duration::ZERO..stats_every),
            stats_every,
            next_beat: random.duration(Duration::ZERO..secs(1)),
            process: None,
            stream: 0,
            is_running: false,
            fps: 30,
            one_in: 1,
            rest: 0,
            decoded: 0,
            answered: 0,
            answered_before: 0,
            end,
            random,
        };
        this.plan();
        this.settle();
        this
    }

    fn plan(&mut self) {
        let first = self.random.duration(Duration::ZERO..secs(12));
        self.agenda.at(first, Happening::Start(Restarts::Allowed));
        for _ in 0..self.random.below(14) {
            let at = self.random.duration(Duration::ZERO..self.end);
            let what = self.any_happening();
            self.agenda.at(at, what);
            if let Happening::Update = what {
                // A slider that is dragged.
                let every = self.random.duration(millis(50)..millis(900));
                for nth in 0..u32::try_from(self.random.below(40)).unwrap() {
                    self.agenda.at(at + every * nth, Happening::Update);
                }
            }
        }
    }

    fn any_happening(&mut self) -> Happening {
        let random = &mut self.random;
        let is_calm = self.weather == Weather::Silence;
        match random.below(if is_calm { 9 } else { 14 }) {
            0 if random.one_in(4) && !is_calm => Happening::Start(Restarts::Forbidden),
            0 => Happening::Start(Restarts::Allowed),
            1 => Happening::End,
            2 => Happening::Flow(*random.pick(&[0, 0, 8, 24, 30, 60])),
            3 => Happening::Flow(0),
            4 => Happening::Jump(
                random.duration(millis(1)..secs(*random.clone().pick(&[1, 10, 200]))),
            ),
            5 => Happening::WallForward(random.duration(millis(1)..DAY)),
            6 => Happening::WallBack(random.duration(millis(1)..DAY)),
            7 => Happening::Stale,
            8 => Happening::PeerTrouble,
            9 => Happening::Error,
            10 => Happening::Update,
            11 => Happening::Reload,
            12 => Happening::Answer(*random.pick(&[0, 1, 1, 3])),
            _ => Happening::Hang {
                beats: !random.one_in(3),
            },
        }
    }

    /// The monotonic time.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now(self.agenda.now())
    }

    /// Whether nothing is due that the guardian has not been told.
    pub(crate) fn is_awake(&self) -> bool {
        self.wake > self.now()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Goes to what happens next, which [`Self::happen`] then lets happen; false when it is over.
    pub(crate) fn advance(&mut self) -> bool {
        let at = self.agenda.now();
        let due = |shows| self.clock.when(shows, at);
        let next = [
            self.agenda.next_at(),
            Some(self.next_stats),
            Some(self.next_beat),
            due(self.wake),
            self.worker_wake.and_then(due),
        ];
        let next = next.into_iter().flatten().min().unwrap();
        self.agenda.advance(next.max(at));
        next <= self.end
    }

    /// Inputs before deadlines.
    pub(crate) fn happen(&mut self) {
        let at = self.agenda.now();
        if self.agenda.next_at().is_some_and(|next| next <= at) {
            let what = self.agenda.pop().unwrap();
            self.let_happen(what);
        } else if self.next_stats <= at {
            self.next_stats += self.stats_every;
            self.report();
        } else if self.next_beat <= at {
            self.next_beat += secs(1);
            if self.process.is_some_and(|it| it.says_hello && it.beats) {
                self.tell_worker(lifecycle::Input::Heartbeat { busy: false });
            }
        } else if self.worker_wake.is_some_and(|wake| wake <= self.now()) {
            self.tell_worker(lifecycle::Input::Deadline);
        } else {
            self.tell(Input::Deadline);
            assert!(self.wake > self.now(), "its deadline came and stays");
        }
        assert!(
            self.wake <= self.now() + secs(1),
            "it sleeps for more than a tick"
        );
    }

    fn let_happen(&mut self, what: Happening) {
        match what {
            Happening::Start(restarts) => self.start(restarts),
            Happening::End if self.is_running => {
                let after = self.random.duration(Duration::ZERO..secs(6));
                self.agenda.after(after, Happening::TornDown(self.stream));
            }
            Happening::End => {}
            Happening::TornDown(stream) => {
                if self.is_running && stream == self.stream {
                    self.is_running = false;
                    self.truth.ended = Some(self.now());
                }
                self.tell(Input::StreamEnded { stream });
            }
            Happening::Flow(fps) => self.fps = fps,
            Happening::Answer(one_in) => self.one_in = one_in,
            Happening::Error => {
                self.trouble(secs(15));
                let message = "Error processing input frame: no".into();
                let traceback = None;
                self.tell(Input::ErrorReported { message, traceback });
            }
            Happening::PeerTrouble => {
                let message = "Error writing output: no".into();
                self.tell(Input::TroubleReported { message });
            }
            Happening::Update => {
                self.tell(Input::ParamsQueued);
                let after = self.random.duration(SOON..millis(200));
                match self.random.below(8) {
                    0 => self.agenda.after(after, Happening::Error),
                    1 => self.agenda.after(after, Happening::Reload),
                    _ => self.agenda.after(after, Happening::Applied),
                }
            }
            Happening::Applied => self.tell(Input::ParamsApplied),
            Happening::Reload => {
                if let Some(process) = self.process.filter(|_| self.truth.is_ready) {
                    let lasts = self.random.duration(SOON..secs(9));
                    self.agenda
                        .after(lasts, Happening::Loaded(process.incarnation));
                    self.tell_worker(lifecycle::Input::Reloading);
                }
            }
            Happening::Hang { beats } => {
                if let Some(process) = &mut self.process {
                    process.hangs = true;
                    process.beats = beats;
                }
            }
            Happening::Jump(by) => {
                self.clock.jump(by);
                self.truth.last_jump = Some(self.now());
                self.trouble(TWO_WINDOWS);
                // The worker's timers are due, too; what it says is heard first.
                self.next_beat = self.agenda.now();
            }
            Happening::WallForward(by) => self.clock.set_wall_forward(by),
            Happening::WallBack(by) => self.clock.set_wall_back(by),
            Happening::Stale => {
                if self.truth.failed.is_some() {
                    let reason = ExitReason::Left.into();
                    self.tell(Input::WorkerRestarting { reason });
                }
                let stream = self.stream + 1000;
                let (decoded, answered) = (1 << 40, 1 << 40);
                self.tell(Input::Progress {
                    stream,
                    decoded,
                    answered,
                });
            }
            Happening::Hello(it) if self.is_current(it) => {
                self.process.as_mut().unwrap().says_hello = true;
                self.tell_worker(lifecycle::Input::Hello);
            }
            Happening::Loaded(it) if self.is_current(it) => {
                let max_frame_time = None;
                self.tell_worker(lifecycle::Input::Ready { max_frame_time });
            }
            Happening::Exited(it, killed) if self.is_current(it) => self.exited(killed),
            Happening::Hello(_) | Happening::Loaded(_) | Happening::Exited(..) => {}
        }
    }

    fn is_current(&self, incarnation: u32) -> bool {
        self.process.is_some_and(|it| it.incarnation == incarnation)
    }

    fn start(&mut self, restarts: Restarts) {
        if self.guardian.refusal().is_some() {
            // Now and then a driver forgets to ask.
            if self.random.one_in(4) {
                let stream = self.stream + 1000;
                self.tell(Input::StreamStarted { stream, restarts });
            }
            return;
        }
        let now = self.now();
        self.stream += 1;
        self.is_running = true;
        (self.decoded, self.answered) = (0, 0);
        self.truth = Truth {
            proof: now,
            started: Some(now),
            ended: None,
            last_input: None,
            is_dry: true,
            restarts,
            stops: 0,
            resets: 0,
            // Rates and errors of the former stream count no more.
            well_from: self.truth.restart_counts_until.max(now),
            ..std::mem::take(&mut self.truth)
        };
        let stream = self.stream;
        self.tell(Input::StreamStarted { stream, restarts });
    }

    /// Media's stats of the running stream, to both machines.
    fn report(&mut self) {
        if !self.is_running {
            return;
        }
        let now = self.now();
        self.rest += self.fps * u64::try_from(self.stats_every.as_millis()).unwrap();
        let frames = self.rest / 1000;
        self.rest %= 1000;
        let answers = self.truth.is_ready && !self.process.is_some_and(|it| it.hangs);
        let outputs = if answers {
            frames.checked_div(self.one_in).unwrap_or(0)
        } else {
            0
        };
        self.decoded += frames;
        self.answered += outputs;
        self.answered_before += outputs;
        let was_dry = std::mem::replace(&mut self.truth.is_dry, frames == 0);
        if frames > 0 {
            self.truth.last_input = Some(now);
            self.truth.fed = if was_dry { now } else { self.truth.fed };
        }
        if outputs > 0 {
            self.truth.proof = now;
        }
        if self.fps < 24 || (self.truth.is_ready && outputs < frames) {
            self.trouble(TWO_WINDOWS);
        }
        let (stream, decoded, answered) = (self.stream, self.decoded, self.answered);
        self.tell(Input::Progress {
            stream,
            decoded,
            answered,
        });
        let waiting = u64::from(frames > outputs);
        let answered = self.answered_before;
        self.tell_worker(lifecycle::Input::Progress {
            answered,
            failed: 0,
            waiting,
        });
    }

    fn trouble(&mut self, counts: Duration) {
        let until = self.now() + counts;
        self.truth.well_from = self.truth.well_from.max(until);
    }

    fn exited(&mut self, killed: Option<KillReason>) {
        self.process = None;
        let reason = killed.map_or(ExitReason::Left, |why| ExitReason::Killed { why });
        self.tell_worker(lifecycle::Input::Exited(reason));
    }

    /// The budget as DESIGN tells it, not as the machine keeps it.
    fn lost(&mut self) {
        if self.truth.failed.is_some() {
            return;
        }
        let now = self.now();
        let ready = self.truth.incarnation_ready.take();
        if ready.is_some_and(|since| now - since >= secs(600)) {
            self.truth.used = 0;
        }
        self.truth.used += 1;
        self.truth.losses += 1;
        let is_forbidden = self.is_running && self.truth.restarts == Restarts::Forbidden;
        if self.truth.used > 3 || is_forbidden {
            self.truth.failed = Some(now);
        }
        self.truth.restart_counts_until = now + secs(60);
        self.trouble(secs(60));
    }

    fn moment(&self) -> Moment {
        let wall = self.clock.wall(self.agenda.now());
        Moment {
            at: self.now(),
            wall_ms: WALL_MS + u64::try_from(wall.as_millis()).unwrap(),
        }
    }

    fn tell(&mut self, input: Input) {
        self.guardian.handle(self.moment(), input);
        self.settle();
    }

    fn tell_worker(&mut self, input: lifecycle::Input) {
        self.worker.handle(self.now(), input);
        self.settle();
    }

    /// As a driver does: the worker's events, its state, then what the guardian wants, until both wait.
    fn settle(&mut self) {
        for _ in 0..1000 {
            match self.worker.poll() {
                lifecycle::Output::WakeAt(at) => self.worker_wake = Some(at),
                lifecycle::Output::Idle => self.worker_wake = None,
                output => {
                    self.serve_worker(output);
                    continue;
                }
            }
            self.note_ready();
            let state = Input::WorkerState(self.worker.state());
            self.guardian.handle(self.moment(), state);
            match self.guardian.poll() {
                Output::WakeAt(at) => return self.wake = at,
                output => self.serve(output),
            }
        }
        panic!("they do not settle");
    }

    fn note_ready(&mut self) {
        let is_ready = self.worker.state() == lifecycle::State::Ready;
        if is_ready != self.truth.is_ready {
            let now = self.now();
            self.truth.is_ready = is_ready;
            self.truth.ready_changed = now;
            self.trouble(Duration::ZERO);
            if is_ready {
                self.truth.proof = now;
                self.truth.incarnation_ready.get_or_insert(now);
            }
        }
    }

    fn serve_worker(&mut self, output: lifecycle::Output) {
        let is_calm = self.weather == Weather::Silence;
        match output {
            lifecycle::Output::Spawn { incarnation } => {
                self.process = Some(Process {
                    incarnation,
                    says_hello: false,
                    beats: true,
                    hangs: false,
                });
                let hello = self.random.duration(SOON..millis(300));
                self.agenda.after(hello, Happening::Hello(incarnation));
                let life = match self.random.below(8) {
                    _ if is_calm => None,
                    0..2 => Some(self.random.duration(SOON..secs(5))),
                    2 => Some(self.random.duration(SOON..secs(100))),
                    3 => Some(self.random.duration(secs(580)..secs(640))),
                    _ => None,
                };
                if let Some(life) = life {
                    self.agenda
                        .after(life, Happening::Exited(incarnation, None));
                }
                self.worker
                    .handle(self.now(), lifecycle::Input::Spawned { pid: incarnation });
            }
            lifecycle::Output::Load => {
                let incarnation = self.worker.incarnation();
                let lasts = match self.random.below(30) {
                    0 if !is_calm => return,
                    1 if !is_calm => self.random.duration(secs(30)..secs(300)),
                    2..10 => self.random.duration(secs(1)..secs(20)),
                    _ => self.random.duration(millis(50)..secs(2)),
                };
                self.agenda.after(lasts, Happening::Loaded(incarnation));
            }
            lifecycle::Output::Kill { why } => {
                let dies = self.random.duration(SOON..millis(500));
                let gone = Happening::Exited(self.worker.incarnation(), Some(why));
                self.agenda.after(dies, gone);
            }
            lifecycle::Output::SendDrain | lifecycle::Output::SendBye => {
                let gone = Happening::Exited(self.worker.incarnation(), None);
                self.agenda.after(SOON, gone);
            }
            lifecycle::Output::Event(event) => {
                if let Some(input) = Input::from_lifecycle(&event) {
                    self.lost();
                    self.guardian.handle(self.moment(), input);
                }
            }
            lifecycle::Output::WakeAt(_) | lifecycle::Output::Idle => {}
        }
    }

    fn serve(&mut self, output: Output) {
        match output {
            Output::StopStream { stream, reason } => {
                self.truth.stops += 1;
                assert_eq!(self.truth.stops, 1, "a stream is stopped once");
                assert_eq!((stream, true), (self.stream, self.is_running));
                let since = self.truth.last_input.max(self.truth.started).unwrap();
                let is_fair = match reason {
                    StopReason::Silence => self.now() - since > secs(60),
                    StopReason::Error => self.truth.failed.is_some(),
                };
                assert!(is_fair, "stopped for {reason:?}");
                // Now and then a driver is stuck.
                if !self.random.one_in(10) {
                    let after = self.random.duration(Duration::ZERO..secs(6));
                    self.agenda.after(after, Happening::TornDown(stream));
                }
            }
            Output::ResetWorker => {
                self.truth.resets += 1;
                assert_eq!(self.truth.resets, 1, "a worker is reset once a stream");
                assert_eq!(self.guardian.state(), State::Offline);
                if self.weather == Weather::Any && self.random.one_in(4) {
                    self.agenda.after(SOON, Happening::Reload);
                }
            }
            Output::RestartWorker => {
                let loads_for = self.now() - self.truth.ready_changed;
                assert!(!self.truth.is_ready && loads_for > secs(182));
                let what = "it does not finish loading".into();
                self.worker
                    .handle(self.now(), lifecycle::Input::ProtocolViolation(what));
            }
            Output::StopWorker => {
                assert!(self.truth.failed.is_some());
                let drain = Duration::ZERO;
                self.worker
                    .handle(self.now(), lifecycle::Input::StopRequested { drain });
            }
            Output::Event(Event::Error { message, .. }) => self.truth.told.push(message),
            Output::Event(Event::Restart { restart_count, .. }) => {
                assert_eq!(restart_count, self.truth.losses, "each loss is one restart");
            }
            Output::Event(Event::Status { stream, .. }) => assert_eq!(stream, self.stream),
            Output::Rates { input, output } => {
                assert!(self.is_running && (input > 0.0 || output > 0.0));
            }
            Output::State { .. } | Output::WakeAt(_) => {}
        }
    }

    /// What `/health` should say, and since when; none where a jump leaves that open.
    pub(crate) fn health(&self) -> Option<(Health, Duration)> {
        let truth = &self.truth;
        let now = self.now();
        let started = truth.started.unwrap_or_default();
        let heard = truth.last_input.unwrap_or(started).max(started);
        if let Some(failed) = truth.failed {
            return Some((Health::Error, failed));
        }
        if !truth.is_ready {
            return Some((Health::Loading, truth.ready_changed.max(started)));
        }
        let since = truth.ready_changed.max(started);
        if self.is_running {
            let silent = now - heard;
            if silent < secs(90) {
                return Some((Health::Ok, since.max(truth.fed)));
            }
            let jumped = truth.last_jump.is_some_and(|jump| jump >= heard);
            return (!jumped).then_some((Health::Idle, since.max(heard + secs(90))));
        }
        let idle = since.max(truth.ended.unwrap_or_default());
        Some(match truth.last_input {
            Some(last) if now - last <= secs(3) => (Health::Ok, since),
            Some(last) => (Health::Idle, idle.max(last + secs(3))),
            None => (Health::Idle, idle),
        })
    }
}
