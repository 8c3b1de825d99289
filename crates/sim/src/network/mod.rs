//! A network in virtual time: nodes, connections between two of them, and everything that goes wrong with these.
//!
//! A connection carries values of any kind in both directions. Each direction keeps its order, holds so much and no more
//! (a peer that does not take is felt by the one who sends), and can break at any point; an end learns of that at once,
//! late, or only when its patience is over. Different connections overtake each other.
//!
//! What is under way lies on the agenda of the world as a [`Passing`]; the world hands it back to [`Network::pass`] when
//! its time comes, and tells the node of the [`Notice`] that comes of it.

mod link;
mod weather;

use std::{collections::BTreeMap, time::Duration};

use link::{Link, Sent, Standing};
pub use weather::{Break, Door, Weather};

use crate::{Agenda, Random};

/// Names a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub usize);

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    link: u64,
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Side {
    Caller,
    Listener,
}

/// What a node is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody connected to this node.
    Incoming(Node, Socket),
    /// The connection that was asked for is there.
    Connected(Socket),
    /// It will not be there. The socket is gone.
    Refused(Socket),
    /// There is something to take, the end included.
    Readable(Socket),
    /// There is room again, after there was too little.
    Writable(Socket),
    /// The connection broke: nothing more can be sent, what has arrived can be taken.
    Broken(Socket),
}

/// What there is to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// A value.
    Value(T),
    /// Nothing yet.
    Nothing,
    /// Nothing more: the peer closed its end, and everything before that was taken.
    End,
    /// Nothing more: the connection broke.
    Broken,
}

/// Something under way in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passing(Way);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A request for a connection reaches the listener.
    Knocks(u64),
    /// Its answer reaches the caller.
    Answers(u64, bool),
    /// The next value reaches this end.
    Arrives(Socket),
    /// The end of what is sent does.
    Ends(Socket),
    /// Room for so much gets back to the sender, which is this end.
    Room(Socket, usize),
    /// It breaks by itself.
    Breaks(u64),
    /// This end learns of the break.
    Learns(Socket),
}

/// Connections between nodes.
#[derive(Debug)]
pub struct Network<T> {
    /// What it does from now on. A change holds for what is sent and connected after it.
    pub weather: Weather,
    random: Random,
    links: BTreeMap<u64, Link<T>>,
    doors: BTreeMap<Node, Door>,
    count: u64,
}

impl<T> Network<T> {
    /// Without connections; every door is open.
    #[must_use]
    pub fn new(weather: Weather, random: Random) -> Self {
        Self {
            weather,
            random,
            links: BTreeMap::new(),
            doors: BTreeMap::new(),
            count: 0,
        }
    }

    /// What `node` does with those who connect from now on.
    pub fn set_door(&mut self, node: Node, door: Door) {
        self.doors.insert(node, door);
    }

    /// Asks for a connection. It answers with `Connected` or `Refused`, or not at all.
    pub fn connect<E: From<Passing>>(
        &mut self,
        from: Node,
        to: Node,
        agenda: &mut Agenda<E>,
    ) -> Socket {
        self.count += 1;
        let link = self.count;
        self.links.insert(link, Link::new(from, to));
        let is_heard = !self.happens(self.weather.unheard);
        if is_heard && self.happens(self.weather.refused) {
            let at = self.delay() + self.delay();
            agenda.after(at, Passing(Way::Answers(link, false)).into());
        } else if is_heard {
            let at = self.delay();
            agenda.after(at, Passing(Way::Knocks(link)).into());
        }
        if self.happens(self.weather.mortal) {
            let at = self.random.duration(Duration::ZERO..self.weather.life);
            agenda.after(at, Passing(Way::Breaks(link)).into());
        }
        Socket {
            link,
            side: Side::Caller,
        }
    }

    /// How much may be sent now. If it is less than `wanted`, `Writable` tells when there is more.
    pub fn room(&mut self, from: Socket, wanted: usize) -> usize {
        let window = self.weather.window;
        let Some(link) = self.links.get_mut(&from.link) else {
            return 0;
        };
        if link.at(from.side).standing != Standing::Open {
            return 0;
        }
        let pipe = link.to(from.side.other());
        let room = window.saturating_sub(pipe.held);
        pipe.wants_room |= room < wanted;
        room
    }

    /// Sends a value of this size. A value that is larger than the whole window goes when nothing else is held.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn send<E: From<Passing>>(
        &mut self,
        from: Socket,
        value: T,
        size: usize,
        agenda: &mut Agenda<E>,
    ) {
        let breaks = self.happens(self.weather.broken);
        let at = agenda.now() + self.delay();
        let window = self.weather.window;
        let Some(link) = self.links.get_mut(&from.link) else {
            return;
        };
        if link.at(from.side).standing != Standing::Open {
            return;
        }
        let is_broken = link.is_broken;
        let pipe = link.to(from.side.other());
        assert!(pipe.held == 0 || pipe.held + size <= window, "no room");
        pipe.held += size;
        if is_broken {
            return;
        }
        pipe.last_at = pipe.last_at.max(at);
        let at = pipe.last_at;
        pipe.flight.push_back(Sent { value, size });
        agenda.at(at, Passing(Way::Arrives(from.peer())).into());
        if breaks {
            // A part of what is under way may still get there.
            let now = agenda.now();
            let later = self.random.duration(Duration::ZERO..(at - now) * 2);
            agenda.after(later, Passing(Way::Breaks(from.link)).into());
        }
    }

    /// Takes the next value that has arrived.
    pub fn take<E: From<Passing>>(&mut self, to: Socket, agenda: &mut Agenda<E>) -> Taken<T> {
        let Some(link) = self.links.get_mut(&to.link) else {
            return Taken::Broken;
        };
        let is_broken = link.is_broken;
        let pipe = link.to(to.side);
        match (pipe.arrived.pop_front(), pipe.standing) {
            (Some(Sent { value, size }), _) => {
                if !is_broken {
                    let room = Passing(Way::Room(to.peer(), size));
                    agenda.after(self.delay(), room.into());
                }
                Taken::Value(value)
            }
            (None, Standing::Told | Standing::Closed) => Taken::Broken,
            (None, _) if pipe.is_ended => Taken::End,
            (None, _) => Taken::Nothing,
        }
    }

    /// This end sends and takes no more. What it sent before still arrives, and then the end; a peer whose values are not
    /// taken any more learns after that, that the connection broke.
    pub fn close<E: From<Passing>>(&mut self, end: Socket, agenda: &mut Agenda<E>) {
        let (delay, later) = (self.delay(), self.delay());
        let Some(link) = self.links.get_mut(&end.link) else {
            return;
        };
        let own = link.to(end.side);
        own.standing = Standing::Closed;
        let is_refusing = !own.arrived.is_empty() || !own.flight.is_empty();
        own.arrived.clear();
        own.flight.clear();
        if !link.is_broken {
            let pipe = link.to(end.side.other());
            pipe.last_at = pipe.last_at.max(agenda.now() + delay);
            let at = pipe.last_at;
            agenda.at(at, Passing(Way::Ends(end.peer())).into());
            if is_refusing {
                agenda.at(at + later, Passing(Way::Learns(end.peer())).into());
            }
        }
        if link.is_over() {
            self.links.remove(&end.link);
        }
    }

    /// Breaks the connection of this end.
    pub fn break_off<E: From<Passing>>(&mut self, end: Socket, how: Break, agenda: &mut Agenda<E>) {
        self.break_link(end.link, how, agenda);
    }

    /// Breaks every connection of a node.
    pub fn break_all<E: From<Passing>>(&mut self, node: Node, how: Break, agenda: &mut Agenda<E>) {
        let is_its = |link: &Link<T>| link.caller == node || link.listener == node;
        let links = self.links.iter().filter(|(_, link)| is_its(link));
        let links: Vec<u64> = links.map(|(link, _)| *link).collect();
        for link in links {
            self.break_link(link, how, agenda);
        }
    }

    /// The node that has this end of a connection; none when the connection is gone.
    #[must_use]
    pub fn node_of(&self, end: Socket) -> Option<Node> {
        let link = self.links.get(&end.link)?;
        Some(match end.side {
            Side::Caller => link.caller,
            Side::Listener => link.listener,
        })
    }

    /// Connections that are not closed by both ends.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.links.len()
    }

    /// The time of something under way has come.
    pub fn pass<E: From<Passing>>(
        &mut self,
        passing: Passing,
        agenda: &mut Agenda<E>,
    ) -> Option<Notice> {
        match passing.0 {
            Way::Knocks(link) => self.knock(link, agenda),
            Way::Answers(link, is_open) => self.answer(link, is_open),
            Way::Arrives(to) => {
                let pipe = self.links.get_mut(&to.link)?.to(to.side);
                let sent = pipe.flight.pop_front()?;
                if pipe.standing == Standing::Closed {
                    agenda.after(self.delay(), Passing(Way::Learns(to.peer())).into());
                    return None;
                }
                pipe.arrived.push_back(sent);
                Some(Notice::Readable(to))
            }
            Way::Ends(to) => {
                let link = self.links.get_mut(&to.link)?;
                if link.is_broken {
                    return None;
                }
                let pipe = link.to(to.side);
                pipe.is_ended = true;
                let is_open = pipe.standing == Standing::Open;
                is_open.then_some(Notice::Readable(to))
            }
            Way::Room(from, size) => {
                let link = self.links.get_mut(&from.link)?;
                let is_open = link.at(from.side).standing == Standing::Open;
                let pipe = link.to(from.side.other());
                pipe.held -= size;
                let is_wanted = std::mem::take(&mut pipe.wants_room);
                (is_wanted && is_open).then_some(Notice::Writable(from))
            }
            Way::Breaks(link) => {
                let how = *self
                    .random
                    .pick(&[Break::Seen, Break::HalfSeen, Break::Unseen]);
                self.break_link(link, how, agenda);
                None
            }
            Way::Learns(end) => {
                let pipe = self.links.get_mut(&end.link)?.to(end.side);
                match pipe.standing {
                    Standing::Asking => Some(self.refuse(end)),
                    Standing::Open => {
                        pipe.standing = Standing::Told;
                        Some(Notice::Broken(end))
                    }
                    Standing::Unaware | Standing::Told | Standing::Closed => None,
                }
            }
        }
    }

    /// The caller is told that there is no connection. The listener may have it.
    fn refuse(&mut self, caller: Socket) -> Notice {
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.to(Side::Caller).standing = Standing::Closed;
            if link.is_over() {
                self.links.remove(&caller.link);
            }
        }
        Notice::Refused(caller)
    }

    fn knock<E: From<Passing>>(&mut self, id: u64, agenda: &mut Agenda<E>) -> Option<Notice> {
        let back = self.delay();
        let link = self.links.get_mut(&id)?;
        if link.is_broken {
            return None;
        }
        let node = link.listener;
        let door = self.doors.get(&node).copied().unwrap_or(Door::Open);
        if door != Door::Mute {
            let answer = Way::Answers(id, door == Door::Open);
            agenda.after(back, Passing(answer).into());
        }
        if door != Door::Open {
            return None;
        }
        link.to(Side::Listener).standing = Standing::Open;
        // What the listener says at once comes behind the connection itself.
        link.to(Side::Caller).last_at = agenda.now() + back;
        let socket = Socket {
            link: id,
            side: Side::Listener,
        };
        Some(Notice::Incoming(node, socket))
    }

    fn answer(&mut self, id: u64, is_open: bool) -> Option<Notice> {
        let socket = Socket {
            link: id,
            side: Side::Caller,
        };
        let link = self.links.get_mut(&id)?;
        let pipe = link.to(Side::Caller);
        if pipe.standing != Standing::Asking {
            return None;
        }
        if !is_open {
            return Some(self.refuse(socket));
        }
        if link.is_broken {
            return None;
        }
        link.to(Side::Caller).standing = Standing::Open;
        Some(Notice::Connected(socket))
    }

    fn break_link<E: From<Passing>>(&mut self, id: u64, how: Break, agenda: &mut Agenda<E>) {
        let patience = self.weather.patience;
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.is_broken) else {
            return;
        };
        link.lose_flight();
        if link.is_over() {
            self.links.remove(&id);
            return;
        }
        let later = self.random.duration(Duration::ZERO..patience);
        let (caller, listener) = match (how, self.random.one_in(2)) {
            (Break::Seen, _) => (Duration::ZERO, Duration::ZERO),
            (Break::HalfSeen, true) => (Duration::ZERO, later),
            (Break::HalfSeen, false) => (later, Duration::ZERO),
            (Break::Unseen, _) => (patience, patience),
        };
        for (side, after) in [(Side::Caller, caller), (Side::Listener, listener)] {
            let learns = Way::Learns(Socket { link: id, side });
            agenda.after(after, Passing(learns).into());
        }
    }

    fn happens(&mut self, odds: u64) -> bool {
        odds > 0 && self.random.one_in(odds)
    }

    fn delay(&mut self) -> Duration {
        let delay = self.random.duration(self.weather.delay.clone());
        if self.happens(self.weather.late) {
            return delay + self.random.duration(self.weather.lateness.clone());
        }
        delay
    }
}

impl Socket {
    fn peer(self) -> Self {
        Self {
            link: self.link,
            side: self.side.other(),
        }
    }

    /// A number that both ends of a connection share, for traces.
    #[must_use]
    pub fn number(self) -> u64 {
        self.link
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Caller => Self::Listener,
            Self::Listener => Self::Caller,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Listener => 1,
        }
    }
}

#[cfg(test)]
mod tests;
