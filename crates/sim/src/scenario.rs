use std::{fmt::Debug, time::Duration};

use crate::Agenda;

/// More actions than this at one moment, and the machine does not settle.
const SETTLES_WITHIN: usize = 10_000;

/// A state machine of the house's shape: takes input and time, returns actions and its next deadline.
pub trait Machine {
    /// What happens to it.
    type Input: Debug;
    /// What it wants done.
    type Action: Debug + Clone;

    /// Takes in what happened at `now`.
    fn handle(&mut self, now: Duration, input: Self::Input);

    /// What to do next; called until it waits.
    fn poll(&mut self) -> Step<Self::Action>;

    /// What says that the time it waits for has come.
    fn deadline() -> Self::Input;
}

/// What a machine answers to `poll`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// Do this, and poll again.
    Do(A),
    /// Nothing until an input, or this time.
    WakeAt(Duration),
    /// Nothing until an input.
    Idle,
}

/// What surrounds a machine: answers its actions with inputs, now or later.
pub trait World<M: Machine> {
    /// Does `action`; what comes of it goes on the agenda.
    fn act(&mut self, action: M::Action, agenda: &mut Agenda<M::Input>);
}

/// A machine in its world, in virtual time.
#[derive(Debug)]
pub struct Scenario<M: Machine, W> {
    /// The machine.
    pub machine: M,
    /// What surrounds it.
    pub world: W,
    /// Virtual time, and the inputs to come.
    pub agenda: Agenda<M::Input>,
    /// Every action with its time.
    pub trace: Vec<(Duration, M::Action)>,
    wake: Option<Duration>,
}

impl<M: Machine, W: World<M>> Scenario<M, W> {
    /// The machine at time zero; its first actions are done.
    pub fn new(machine: M, world: W) -> Self {
        let mut this = Self {
            machine,
            world,
            agenda: Agenda::new(),
            trace: Vec::new(),
            wake: None,
        };
        this.settle();
        this
    }

    /// What happens next happens: an input of the agenda, or the machine's deadline; inputs first. False when nothing ever
    /// will, or not before `end`.
    pub fn step(&mut self, end: Duration) -> bool {
        let next = self.agenda.next_at();
        let is_deadline = match (next, self.wake) {
            (Some(input), Some(wake)) => wake < input,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let at = if is_deadline { self.wake } else { next };
        if at.is_none_or(|at| at > end) {
            self.agenda.advance(end);
            return false;
        }
        let input = if is_deadline {
            self.agenda.advance(at.unwrap_or(end));
            M::deadline()
        } else {
            self.agenda.pop().expect("its time was just read")
        };
        self.machine.handle(self.agenda.now(), input);
        self.settle();
        true
    }

    /// Runs until this time, and is there then.
    pub fn run_until(&mut self, end: Duration) {
        while self.step(end) {}
    }

    /// Gives the machine an input now.
    pub fn give(&mut self, input: M::Input) {
        self.machine.handle(self.agenda.now(), input);
        self.settle();
    }

    /// The deadline that the machine waits for.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        self.wake
    }

    /// The first action that `is_it`, and its time.
    pub fn first(&self, is_it: impl Fn(&M::Action) -> bool) -> Option<Duration> {
        let found = self.trace.iter().find(|(_, action)| is_it(action));
        found.map(|(at, _)| *at)
    }

    /// How many actions `are_it`.
    pub fn count(&self, are_it: impl Fn(&M::Action) -> bool) -> usize {
        self.trace.iter().filter(|(_, it)| are_it(it)).count()
    }

    fn settle(&mut self) {
        for _ in 0..SETTLES_WITHIN {
            match self.machine.poll() {
                Step::Do(action) => {
                    self.trace.push((self.agenda.now(), action.clone()));
                    self.world.act(action, &mut self.agenda);
                }
                Step::WakeAt(at) => return self.wake = Some(at),
                Step::Idle => return self.wake = None,
            }
        }
        let last = self.trace.last();
        panic!("the machine does not settle; its last action is {last:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wakes every second; each wake is answered half a second later.
    struct Metronome {
        next: Duration,
        is_due: bool,
        heard: Vec<Duration>,
    }

    impl Machine for Metronome {
        type Input = &'static str;
        type Action = &'static str;

        fn handle(&mut self, now: Duration, input: &'static str) {
            match input {
                "deadline" => self.is_due = true,
                _ => self.heard.push(now),
            }
        }

        fn poll(&mut self) -> Step<&'static str> {
            if std::mem::take(&mut self.is_due) {
                self.next += Duration::from_secs(1);
                return Step::Do("tick");
            }
            Step::WakeAt(self.next)
        }

        fn deadline() -> &'static str {
            "deadline"
        }
    }

    struct Echo;

    impl World<Metronome> for Echo {
        fn act(&mut self, _: &'static str, agenda: &mut Agenda<&'static str>) {
            agenda.after(Duration::from_millis(500), "tock");
        }
    }

    #[test]
    fn deadlines_and_answers_come_at_their_virtual_times() {
        let machine = Metronome {
            next: Duration::from_secs(1),
            is_due: false,
            heard: Vec::new(),
        };
        let mut scenario = Scenario::new(machine, Echo);
        scenario.run_until(Duration::from_secs(3600));
        assert_eq!(scenario.count(|_| true), 3600);
        assert_eq!(scenario.machine.heard[0], Duration::from_millis(1500));
        assert_eq!(scenario.machine.heard.len(), 3599);
        assert_eq!(scenario.agenda.now(), Duration::from_secs(3600));
    }
}
