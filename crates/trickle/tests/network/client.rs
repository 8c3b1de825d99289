//! Exchanges of a client with the server, each on a connection, in the place of `http::client`.

use bytes::Bytes;
use framerill_sim::network::{Node, Notice, Socket, Taken};
use framerill_trickle::failure::Failure;

use crate::{
    frame::{Ask, Frame, Head, Outgoing},
    net::Net,
};

/// Connections that are kept for further exchanges.
const KEPT: usize = 4;

pub(crate) struct Client<Id> {
    node: Node,
    server: Node,
    exchanges: Vec<Exchange<Id>>,
    kept: Vec<Socket>,
}

struct Exchange<Id> {
    id: Id,
    socket: Socket,
    link: Link,
    /// The connection was kept, and has said nothing since.
    is_reused: bool,
    outgoing: Outgoing,
    /// All of the request was put.
    is_whole: bool,
    has_taken: bool,
    /// Bytes of the body that the connection took, and that were not told.
    taken: usize,
    is_sent_told: bool,
    is_finish_told: bool,
    incoming: Incoming,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Connecting,
    Open,
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Head,
    Body { is_empty: bool, closes: bool },
    Ended { closes: bool },
}

/// What came of an exchange.
pub(crate) enum Outcome {
    Sent,
    Wrote(usize),
    Finished,
    Head(Head),
    Bytes(Bytes),
    End,
    Failed(Failure),
}

impl<Id: Copy + PartialEq> Client<Id> {
    pub(crate) fn new(node: Node, server: Node) -> Self {
        Self {
            node,
            server,
            exchanges: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Exchanges that are not over.
    pub(crate) fn open_count(&self) -> usize {
        self.exchanges.len()
    }

    /// Whether it waits for a connection or for an answer.
    pub(crate) fn waits(&self) -> bool {
        let waits = |it: &Exchange<Id>| it.is_whole || it.link == Link::Connecting;
        self.exchanges.iter().any(waits)
    }

    /// Bytes that wait for room in connections.
    pub(crate) fn held(&self) -> usize {
        self.exchanges.iter().map(|it| it.outgoing.held()).sum()
    }

    /// Starts an exchange; the number of its connection.
    pub(crate) fn open(&mut self, id: Id, ask: Ask, is_whole: bool, net: &mut Net) -> u64 {
        assert!(self.find(id).is_none(), "an exchange begins once");
        let kept = self.reusable(net);
        let socket = kept.unwrap_or_else(|| net.connect(self.node, self.server));
        let mut outgoing = Outgoing::default();
        outgoing.put(Frame::Ask(ask));
        self.exchanges.push(Exchange {
            id,
            socket,
            link: if kept.is_some() {
                Link::Open
            } else {
                Link::Connecting
            },
            is_reused: kept.is_some(),
            outgoing,
            is_whole,
            has_taken: false,
            taken: 0,
            is_sent_told: false,
            is_finish_told: false,
            incoming: Incoming::Head,
        });
        socket.number()
    }

    pub(crate) fn write(&mut self, id: Id, bytes: Bytes) -> u64 {
        let exchange = self.find(id).expect("only open exchanges write");
        assert!(!exchange.is_whole, "it wrote behind the end");
        exchange.outgoing.put(Frame::Bytes(bytes));
        exchange.socket.number()
    }

    pub(crate) fn finish(&mut self, id: Id) {
        let exchange = self.find(id).expect("only open exchanges finish");
        assert!(!exchange.is_whole, "a body ends once");
        exchange.is_whole = true;
        exchange.outgoing.put(Frame::End);
    }

    /// Drops an exchange with its connection.
    pub(crate) fn abort(&mut self, id: Id, net: &mut Net) {
        if let Some(at) = self.exchanges.iter().position(|it| it.id == id) {
            let exchange = self.exchanges.swap_remove(at);
            net.close(exchange.socket);
        }
    }

    /// Drops an exchange; its connection is kept if nothing is left to come on it.
    pub(crate) fn part_from(&mut self, id: Id, net: &mut Net) {
        if let Some(at) = self.exchanges.iter().position(|it| it.id == id) {
            self.salvage(at, net);
        }
    }

    /// Drops all exchanges and all connections.
    pub(crate) fn drop_all(&mut self, net: &mut Net) {
        let sockets = self.exchanges.drain(..).map(|it| it.socket);
        sockets
            .chain(self.kept.drain(..))
            .for_each(|socket| net.close(socket));
    }

    /// What became of a connection that was asked for. All else is found by who polls.
    pub(crate) fn told(&mut self, notice: Notice) {
        let (socket, link) = match notice {
            Notice::Connected(socket) => (socket, Link::Open),
            Notice::Refused(socket) => (socket, Link::Refused),
            _ => return,
        };
        if let Some(exchange) = self.exchanges.iter_mut().find(|it| it.socket == socket) {
            exchange.link = link;
        }
    }

    /// What comes next of any exchange. Only the body of `wanted` is read.
    pub(crate) fn poll(&mut self, wanted: Option<Id>, net: &mut Net) -> Option<(Id, Outcome)> {
        for at in 0..self.exchanges.len() {
            let exchange = &mut self.exchanges[at];
            let id = exchange.id;
            let Some(outcome) = exchange.poll(Some(id) == wanted, net) else {
                continue;
            };
            match outcome {
                Outcome::Failed(_) => {
                    let exchange = self.exchanges.swap_remove(at);
                    net.close(exchange.socket);
                }
                Outcome::End => self.salvage(at, net),
                _ => {}
            }
            return Some((id, outcome));
        }
        None
    }

    fn find(&mut self, id: Id) -> Option<&mut Exchange<Id>> {
        self.exchanges.iter_mut().find(|it| it.id == id)
    }

    fn salvage(&mut self, at: usize, net: &mut Net) {
        let exchange = self.exchanges.swap_remove(at);
        let is_sent = exchange.is_whole && exchange.outgoing.is_empty();
        let is_read = match exchange.incoming {
            Incoming::Ended { closes } => !closes,
            Incoming::Body { is_empty, closes } => is_empty && !closes,
            Incoming::Head => false,
        };
        if is_sent && is_read && self.kept.len() < KEPT {
            self.kept.push(exchange.socket);
        } else {
            net.close(exchange.socket);
        }
    }

    /// A kept connection of which it is not known that it is gone.
    fn reusable(&mut self, net: &mut Net) -> Option<Socket> {
        while let Some(socket) = self.kept.pop() {
            match net.take(socket) {
                Taken::Nothing => return Some(socket),
                Taken::Value(frame) => panic!("{frame:?} comes on a connection that waits"),
                Taken::End | Taken::Broken => net.close(socket),
            }
        }
        None
    }
}

impl<Id> Exchange<Id> {
    fn poll(&mut self, wants_body: bool, net: &mut Net) -> Option<Outcome> {
        match self.link {
            Link::Connecting => return None,
            Link::Refused => return Some(Outcome::Failed(Failure::Unreachable("refused".into()))),
            Link::Open => {}
        }
        let is_head_left = !self.is_sent_told;
        let had = self.outgoing.len();
        let taken = self.outgoing.flush(self.socket, net);
        self.has_taken |= taken > 0;
        self.taken += taken;
        if is_head_left && self.outgoing.len() < had {
            self.is_sent_told = true;
            return Some(Outcome::Sent);
        }
        if self.taken > 0 {
            return Some(Outcome::Wrote(std::mem::take(&mut self.taken)));
        }
        if self.is_whole && self.outgoing.is_empty() && !self.is_finish_told {
            self.is_finish_told = true;
            return Some(Outcome::Finished);
        }
        match self.incoming {
            Incoming::Head => match net.take(self.socket) {
                Taken::Value(Frame::Answer(head)) => {
                    self.incoming = Incoming::Body {
                        is_empty: !head.has_body,
                        closes: head.closes,
                    };
                    Some(Outcome::Head(head))
                }
                Taken::Value(frame) => panic!("{frame:?} before an answer"),
                Taken::Nothing => None,
                Taken::End | Taken::Broken if self.is_reused && !self.has_taken => {
                    Some(Outcome::Failed(Failure::Stale))
                }
                Taken::End | Taken::Broken => {
                    Some(Outcome::Failed(Failure::Broken("before its answer".into())))
                }
            },
            Incoming::Body { is_empty, closes } if wants_body => {
                if is_empty {
                    self.incoming = Incoming::Ended { closes };
                    return Some(Outcome::End);
                }
                match net.take(self.socket) {
                    Taken::Value(Frame::Bytes(bytes)) => Some(Outcome::Bytes(bytes)),
                    Taken::Value(Frame::End) => {
                        self.incoming = Incoming::Ended { closes };
                        Some(Outcome::End)
                    }
                    Taken::Value(frame) => panic!("{frame:?} in a body"),
                    Taken::Nothing => None,
                    Taken::End | Taken::Broken => {
                        Some(Outcome::Failed(Failure::Broken("in its body".into())))
                    }
                }
            }
            Incoming::Body { .. } | Incoming::Ended { .. } => None,
        }
    }
}
