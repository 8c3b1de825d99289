//! One child under the lifecycle's rules: the driver that owns its process and its clock.

use std::{
    collections::VecDeque,
    error::Error,
    hash::{BuildHasher, Hasher, RandomState},
    iter,
    os::fd::{BorrowedFd, OwnedFd},
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

use framerill_worker::{
    ChannelError,
    message::{FromChild, ToChild},
};

use crate::{
    child::{Child, ChildId, Event, Notice},
    command::Command,
    flood::LeftOut,
    lifecycle::{self, Config, Input, Lifecycle, Output, State},
};

/// An owner that is awake looks at its children at least this often (see [`Supervised::next_deadline`]).
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// One that looks later than this was asleep, and its children with it.
const ASLEEP: Duration = Duration::from_secs(2);

/// What an owner does something with; see [`Supervised::next_update`].
#[derive(Debug)]
pub enum Update {
    /// Send `load` (`ToChild::Load`) with this id.
    Load {
        /// The request's.
        id: u64,
    },
    /// The child's state changed, or it is late.
    Lifecycle(lifecycle::Event),
    /// The running process said something. The lifecycle has seen it already.
    Message(FromChild, Vec<OwnedFd>),
    /// A line of its stderr.
    LogLine(String),
    /// It says more for the log than anybody reads: so much was left out.
    LogLeftOut(LeftOut),
}

/// One child under the lifecycle's rules. A driver: it owns the clock and the process, and decides nothing.
///
/// An owner holds several of them and one receiver. Its loop: take a notice, or wait until the earliest
/// [`next_deadline`](Self::next_deadline), for a second at most; hand it to [`handle`](Self::handle), or call
/// [`on_deadline`](Self::on_deadline) of each; then take every [`next_update`](Self::next_update). Queued notices go first:
/// a deadline that has come is for an empty queue, or for after a few dozen notices. Dropping it kills the process.
#[derive(Debug)]
pub struct Supervised<M> {
    id: ChildId,
    command: Command,
    owner: SyncSender<M>,
    machine: Lifecycle,
    child: Option<Child>,
    epoch: Instant,
    wake: Option<Duration>,
    /// When the owner last looked.
    looked: Duration,
    updates: VecDeque<Update>,
    last_request: u64,
    long_request: Option<u64>,
}

impl<M: From<Notice> + Send + 'static> Supervised<M> {
    /// Starts `command`; its notices come to `owner` under `id`.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub fn start(config: Config, command: Command, id: ChildId, owner: SyncSender<M>) -> Self {
        let seed = RandomState::new().build_hasher().finish();
        let mut this = Self {
            id,
            command,
            owner,
            machine: Lifecycle::new(config, Duration::ZERO, seed),
            child: None,
            epoch: Instant::now(),
            wake: None,
            looked: Duration::ZERO,
            updates: VecDeque::new(),
            last_request: 0,
            long_request: None,
        };
        this.run();
        this
    }

    /// Takes in a notice that came under this child's id.
    pub fn handle(&mut self, notice: Notice) {
        self.look();
        let is_current = notice.incarnation == self.machine.incarnation() && self.child.is_some();
        match notice.event {
            Event::LogLine(line) => self.updates.push_back(Update::LogLine(line)),
            Event::LogLeftOut(it) => self.updates.push_back(Update::LogLeftOut(it)),
            _ if !is_current => {}
            Event::Message(message, fds) => {
                if let FromChild::Reloading { id } = &message {
                    self.long_request = Some(*id);
                }
                let input = Input::from_message(&message, self.long_request);
                self.updates.push_back(Update::Message(message, fds));
                input.into_iter().for_each(|input| self.input(input));
            }
            Event::Overused(overuse) => self.input(Input::Overused(overuse)),
            Event::ChannelClosed(None) => self.input(Input::ChannelClosed),
            Event::ChannelClosed(Some(what)) => self.input(Input::ProtocolViolation(what)),
            Event::Exited(reason) => {
                self.child = None;
                self.input(Input::Exited(reason));
            }
        }
    }

    /// How the child's frames fare, as media's stats say (sums, if it serves several streams): answered and failed with so
    /// far, and waiting now.
    pub fn progress(&mut self, answered: u64, failed: u64, waiting: u64) {
        self.input(Input::Progress {
            answered,
            failed,
            waiting,
        });
    }

    /// It broke a rule that the owner watches, such as the frame link's: it is killed, and restarted within its budget.
    pub fn violated(&mut self, what: String) {
        self.input(Input::ProtocolViolation(what));
    }

    /// Asks it to finish what it accepted within `drain`, and to leave; kills it if it does not.
    pub fn stop(&mut self, drain: Duration) {
        self.input(Input::StopRequested { drain });
    }

    /// When [`on_deadline`](Self::on_deadline) is due; none when the child's life is over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wake.map(|at| self.epoch + at)
    }

    /// Does what is due by now; nothing if nothing is.
    pub fn on_deadline(&mut self) {
        self.look();
        if self.wake.is_some_and(|at| at <= self.now()) {
            self.input(Input::Deadline);
        }
    }

    /// What the owner has to look at; call until none.
    pub fn next_update(&mut self) -> Option<Update> {
        self.updates.pop_front()
    }

    /// An id for a request of the owner's.
    pub fn request_id(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// Sends a request to the running process. An error is an input of the lifecycle, too: the process is killed then.
    pub fn send(&mut self, message: &ToChild, fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        let child = self.child.as_ref().ok_or(ChannelError::Closed)?;
        let sent = child.send(message, fds);
        match &sent {
            Ok(()) => {}
            Err(ChannelError::Closed) => self.input(Input::ChannelClosed),
            Err(error) => self.input(Input::ProtocolViolation(chain(error))),
        }
        sent
    }

    /// Sends a request whose failure needs nothing done: a child that does not take it meets the lifecycle's rules.
    pub fn post(&mut self, message: &ToChild, fds: &[BorrowedFd<'_>]) {
        drop(self.send(message, fds));
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        self.machine.state()
    }

    /// Restarts so far, restarts left, incarnation and inputs without a meaning.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.machine
    }

    /// The process that is waited for, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::pid)
    }

    /// Notices whether the owner was asleep.
    fn look(&mut self) {
        let now = self.now();
        let away = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        if away > ASLEEP {
            self.input(Input::Slept(away - LOOKS_EVERY));
        }
    }

    fn input(&mut self, input: Input) {
        self.machine.handle(self.now(), input);
        self.run();
    }

    fn run(&mut self) {
        loop {
            match self.machine.poll() {
                Output::Spawn { incarnation } => self.spawn(incarnation),
                Output::Load => {
                    let id = self.request_id();
                    self.long_request = Some(id);
                    self.updates.push_back(Update::Load { id });
                }
                Output::SendDrain => {
                    let id = self.request_id();
                    self.tell(&ToChild::Drain { id });
                }
                Output::SendBye => self.tell(&ToChild::Bye),
                Output::Kill { why } => self.child.iter().for_each(|child| child.kill(why)),
                Output::Event(event) => self.updates.push_back(Update::Lifecycle(event)),
                Output::WakeAt(at) => return self.wake = Some(at),
                Output::Idle => return self.wake = None,
            }
        }
    }

    fn spawn(&mut self, incarnation: u32) {
        let spawned = Child::spawn(&self.command, self.id, incarnation, &self.owner);
        let input = match spawned {
            Ok(child) => Input::Spawned {
                pid: self.child.insert(child).pid(),
            },
            Err(error) => Input::SpawnFailed(chain(&error)),
        };
        self.machine.handle(self.now(), input);
    }

    /// A child that does not take its last request meets its deadline instead.
    fn tell(&mut self, message: &ToChild) {
        if let Some(child) = &self.child {
            drop(child.send(message, &[]));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn now(&self) -> Duration {
        Instant::now().duration_since(self.epoch)
    }
}

fn chain(error: &dyn Error) -> String {
    iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
