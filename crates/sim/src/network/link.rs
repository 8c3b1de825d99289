use std::{collections::VecDeque, time::Duration};

use super::{Node, Side};

/// One connection.
#[derive(Debug)]
pub(super) struct Link<T> {
    pub(super) caller: Node,
    pub(super) listener: Node,
    /// It can lose what is sent, and does.
    pub(super) is_broken: bool,
    /// What goes to the caller, and to the listener.
    pipes: [Pipe<T>; 2],
}

/// What goes to one end, and what that end knows.
#[derive(Debug)]
pub(super) struct Pipe<T> {
    /// Sent and not arrived.
    pub(super) flight: VecDeque<Sent<T>>,
    /// Arrived and not taken.
    pub(super) arrived: VecDeque<Sent<T>>,
    /// Units that were sent and for which the sender has no room again.
    pub(super) held: usize,
    /// When the last value arrives; nothing arrives before it.
    pub(super) last_at: Duration,
    /// The sender sends no more, and everything arrived.
    pub(super) is_ended: bool,
    /// What this end does and knows.
    pub(super) standing: Standing,
    /// The sender asked for more room than there is.
    pub(super) wants_room: bool,
}

#[derive(Debug)]
pub(super) struct Sent<T> {
    pub(super) value: T,
    pub(super) size: usize,
}

/// How an end stands to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It asked for it and has no answer.
    Asking,
    /// It does not know of it yet.
    Unaware,
    Open,
    /// It was told that the connection broke.
    Told,
    /// It closed it.
    Closed,
}

impl<T> Link<T> {
    pub(super) fn new(caller: Node, listener: Node) -> Self {
        Self {
            caller,
            listener,
            is_broken: false,
            pipes: [Pipe::new(Standing::Asking), Pipe::new(Standing::Unaware)],
        }
    }

    /// What goes to this end.
    pub(super) fn to(&mut self, side: Side) -> &mut Pipe<T> {
        &mut self.pipes[side.index()]
    }

    pub(super) fn at(&self, side: Side) -> &Pipe<T> {
        &self.pipes[side.index()]
    }

    /// Whether no end will ask for it again.
    pub(super) fn is_over(&self) -> bool {
        let [caller, listener] = [&self.pipes[0], &self.pipes[1]].map(|pipe| pipe.standing);
        caller == Standing::Closed && matches!(listener, Standing::Closed | Standing::Unaware)
    }

    /// What is on its way is lost.
    pub(super) fn lose_flight(&mut self) {
        self.is_broken = true;
        self.pipes.iter_mut().for_each(|pipe| pipe.flight.clear());
    }
}

impl<T> Pipe<T> {
    fn new(standing: Standing) -> Self {
        Self {
            flight: VecDeque::new(),
            arrived: VecDeque::new(),
            held: 0,
            last_at: Duration::ZERO,
            is_ended: false,
            standing,
            wants_room: false,
        }
    }
}
