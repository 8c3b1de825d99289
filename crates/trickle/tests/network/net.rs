//! The network with its agenda: what nodes get to use of the world.

use std::time::Duration;

use framerill_sim::{
    Agenda, Random,
    network::{Network, Node, Passing, Socket, Taken, Weather},
};

use crate::{
    faults::Chaos,
    frame::Frame,
    trace::{self, Trace},
};

/// What is to happen.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Network(Passing),
    /// The publisher's caller goes on.
    Caller,
    /// A subscriber comes.
    Joins(usize),
    /// A subscriber goes without a word.
    Leaves(usize),
    /// A slow caller of a subscriber is back.
    Resumes(usize),
    Chaos(Chaos),
    /// Nothing goes wrong any more.
    Calm,
    /// The time for what comes after everybody has recovered.
    Finale,
}

impl From<Passing> for Happening {
    fn from(passing: Passing) -> Self {
        Self::Network(passing)
    }
}

pub(crate) struct Net {
    pub(crate) network: Network<Frame>,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) random: Dice,
    pub(crate) trace: Trace,
}

/// Randomness with a few more ways to use it.
pub(crate) struct Dice(Random);

impl Net {
    pub(crate) fn new(weather: Weather, mut random: Random, trace: Trace) -> Self {
        let network = Network::new(weather, Random::new(random.number()));
        Self {
            network,
            agenda: Agenda::new(),
            random: Dice(random),
            trace,
        }
    }

    /// Virtual time.
    pub(crate) fn now(&self) -> Duration {
        self.agenda.now()
    }

    pub(crate) fn say(&mut self, who: &str, what: impl FnOnce() -> String) {
        self.trace.say(self.agenda.now(), who, what);
    }

    pub(crate) fn connect(&mut self, from: Node, to: Node) -> Socket {
        self.network.connect(from, to, &mut self.agenda)
    }

    /// What a node is called in traces.
    fn name(&self, end: Socket) -> &'static str {
        match self.network.node_of(end) {
            Some(Node(0)) => "server",
            Some(Node(1)) => "publisher",
            _ => "reader",
        }
    }

    pub(crate) fn send(&mut self, from: Socket, it: Frame, size: usize) {
        let number = from.number();
        let who = self.name(from);
        self.trace.say(self.agenda.now(), who, || {
            format!("#{number} <- {}", trace::frame(&it))
        });
        self.network.send(from, it, size, &mut self.agenda);
    }

    pub(crate) fn take(&mut self, to: Socket) -> Taken<Frame> {
        self.network.take(to, &mut self.agenda)
    }

    pub(crate) fn close(&mut self, end: Socket) {
        let who = self.name(end);
        self.say(who, || format!("#{} closed", end.number()));
        self.network.close(end, &mut self.agenda);
    }
}

impl Dice {
    /// A number below `end`, which is not 0.
    pub(crate) fn up_to(&mut self, end: usize) -> usize {
        usize::try_from(self.0.below(end as u64)).unwrap_or_default()
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    /// True once in `odds` times; never for 0.
    pub(crate) fn happens(&mut self, odds: u64) -> bool {
        odds > 0 && self.0.one_in(odds)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.0.one_in(n)
    }

    pub(crate) fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        self.0
            .duration(Duration::from_millis(range.start)..Duration::from_millis(range.end))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.number()
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        *self.0.pick(choices)
    }
}
