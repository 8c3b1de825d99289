//! A node with a hub. It treats its connections as `http::server` does.

mod turn;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use framerill_sim::{
    Clock,
    network::{Break, Door, Node, Socket},
};
use framerill_trickle::{
    relay::{Caller, Config, Hub, ReadStep, Reader, Standing, Writer},
    wire::{Headers, Seq},
};

use crate::{
    frame::{Frame, Outgoing},
    ledger::Ledger,
    net::Net,
};

pub(crate) const CHANNEL: &str = "live";

pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) clock: Clock,
    /// None while it is down.
    hub: Option<Hub>,
    config: Config,
    base: Instant,
    seats: Vec<Seat>,
    /// Rings when the hub has something to do earlier.
    bell: Arc<Bell>,
    sweep_at: Duration,
    headers: Headers,
    /// Something happened to the hub since it was looked at.
    is_touched: bool,
    /// The channel was lost in a way that nobody asked for, or may have been.
    pub(crate) lost_channel: bool,
}

/// One connection.
struct Seat {
    socket: Socket,
    stage: Stage,
    /// What came together with the head of a POST.
    inbox: Option<Frame>,
    out: Outgoing,
    closes: bool,
    bell: Arc<Bell>,
}

enum Stage {
    /// Between requests.
    Idle,
    /// A POST that is asked for again when its body begins.
    Beginning {
        seq: Seq,
        reset: bool,
    },
    Posting(Posting),
    Getting(Getting),
}

struct Posting {
    writer: Writer,
    record: usize,
    /// Bytes of the body so far.
    came: u64,
    has_stored: bool,
}

struct Getting {
    reader: Reader,
    record: usize,
    read: u64,
    has_head: bool,
}

/// Remembers that it was rung.
#[derive(Debug, Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

impl Bell {
    fn has_rung(&self) -> bool {
        self.0.load(Relaxed) && self.0.swap(false, Relaxed)
    }
}

impl Server {
    pub(crate) fn new(node: Node, config: Config, clock: Clock) -> Self {
        let base = any_instant();
        let mut server = Self {
            node,
            clock,
            hub: None,
            config,
            base,
            seats: Vec::new(),
            bell: Arc::default(),
            sweep_at: Duration::ZERO,
            headers: Headers::default(),
            is_touched: false,
            lost_channel: false,
        };
        server.start(Duration::ZERO);
        server
    }

    fn start(&mut self, at: Duration) {
        let now = self.clock.now(at);
        self.sweep_at = now + self.config.sweep_interval;
        self.hub = Some(Hub::new(self.base + now, self.config.clone()));
    }

    pub(crate) fn hub(&self) -> Option<&Hub> {
        self.hub.as_ref()
    }

    /// Numbers of the connections that it has.
    pub(crate) fn connections(&self) -> Vec<u64> {
        self.seats.iter().map(|it| it.socket.number()).collect()
    }

    /// When the hub has something to do, in virtual time.
    pub(crate) fn wake(&self, at: Duration) -> Option<Duration> {
        let due = self.hub.as_ref()?.due(&Waker::from(self.bell.clone()));
        let due = due.map_or(self.sweep_at, |due| {
            self.sweep_at.min(due.saturating_duration_since(self.base))
        });
        self.clock.when(due, at)
    }

    /// Does what is due.
    pub(crate) fn keep_house(&mut self, net: &mut Net, ledger: &mut Ledger) {
        let now = self.clock.now(net.now());
        let Some(hub) = &self.hub else { return };
        self.is_touched = true;
        net.say("server", || "keeps house".into());
        hub.tick(self.base + now);
        if now >= self.sweep_at {
            self.sweep_at = now + self.config.sweep_interval;
            let had = hub.has(CHANNEL);
            hub.sweep(self.base + now);
            if had && !hub.has(CHANNEL) {
                net.say("server", || "sweeps the channel away".into());
                ledger.forget_channel();
                self.lost_channel = true;
            }
        }
    }

    /// It is gone at once; its peers learn of that as `how` says.
    pub(crate) fn crash(&mut self, how: Break, net: &mut Net, ledger: &mut Ledger) {
        net.say("server", || format!("crashes, {how:?}"));
        net.network.break_all(self.node, how, &mut net.agenda);
        net.network.set_door(self.node, Door::Shut);
        self.seats.clear();
        self.hub = None;
        ledger.forget_channel();
        self.lost_channel = true;
    }

    /// It is back, and knows nothing.
    pub(crate) fn restart(&mut self, net: &mut Net) {
        net.say("server", || "is back".into());
        net.network.set_door(self.node, Door::Open);
        self.start(net.now());
    }

    pub(crate) fn incoming(&mut self, socket: Socket) {
        self.seats.push(Seat {
            socket,
            stage: Stage::Idle,
            inbox: None,
            out: Outgoing::default(),
            closes: false,
            bell: Arc::default(),
        });
    }

    /// The connection broke.
    pub(crate) fn broken(&mut self, socket: Socket, net: &mut Net) {
        let Some(at) = self.seats.iter().position(|it| it.socket == socket) else {
            return net.close(socket);
        };
        self.is_touched = true;
        let seat = self.seats.swap_remove(at);
        if let Stage::Posting(posting) = seat.stage {
            posting
                .writer
                .abandon(self.base + self.clock.now(net.now()));
        }
        net.close(socket);
    }

    /// Goes on with the connections that something happened to, until nothing happens any more.
    pub(crate) fn settle(&mut self, told: Option<Socket>, net: &mut Net, ledger: &mut Ledger) {
        let Some(hub) = self.hub.clone() else { return };
        if let Some(seat) = self.seats.iter().find(|it| Some(it.socket) == told) {
            seat.bell.0.store(true, Relaxed);
        }
        while let Some(at) = self.seats.iter().position(|it| it.bell.has_rung()) {
            self.is_touched = true;
            let mut turn = Turn {
                hub: &hub,
                now: self.base + self.clock.now(net.now()),
                headers: &self.headers,
                net,
                ledger,
            };
            let seat = &mut self.seats[at];
            if turn.serve(seat) == Then::Gone {
                let seat = self.seats.swap_remove(at);
                net.close(seat.socket);
            }
        }
    }

    /// Nobody waits for what is there, and the hub holds what it may.
    pub(crate) fn check(&mut self, net: &Net, ledger: &Ledger) {
        let Some(hub) = self.hub.as_ref().filter(|_| self.is_touched) else {
            return;
        };
        self.is_touched = false;
        let now = self.base + self.clock.now(net.now());
        let mut stranded = None;
        let next = hub
            .get_next(&caller(&self.headers))
            .map_or(0, |it| it.0.get());
        let writes = |seat: &Seat| match &seat.stage {
            Stage::Posting(it) => {
                let record = ledger.record(it.record);
                Some((record.seq, record.len > 0))
            }
            _ => None,
        };
        let writers: Vec<_> = self.seats.iter().filter_map(writes).collect();
        for seat in self.seats.iter_mut().filter(|it| it.out.is_empty()) {
            let waker = Waker::from(seat.bell.clone());
            match &mut seat.stage {
                Stage::Getting(it) => {
                    let step = it.reader.read(now, &waker, 0, &mut Vec::new());
                    assert_eq!(step, ReadStep::Wait, "a reader was not woken");
                    let seq = ledger.record(it.record).seq;
                    let comes = |(number, has_bytes): &(u64, bool)| {
                        *number == seq || (*number > seq && *has_bytes)
                    };
                    if seq < next && !writers.iter().any(comes) {
                        stranded = Some(seq);
                    }
                }
                Stage::Posting(it) => {
                    let standing = it.writer.standing(&waker);
                    let goes_on = it.has_stored && standing == Standing::Closed;
                    assert!(
                        standing == Standing::Open || goes_on,
                        "a writer was not woken: {standing:?}"
                    );
                }
                Stage::Idle | Stage::Beginning { .. } => {}
            }
        }
        let due = hub.due(&Waker::from(self.bell.clone()));
        assert!(
            stranded.is_none() || due.is_some(),
            "a reader waits for {stranded:?}, which nobody writes, without a deadline; next {next}"
        );
        let pinned = self.seats.iter().filter_map(|seat| match &seat.stage {
            Stage::Posting(it) => Some(it.record),
            Stage::Getting(it) => Some(it.record),
            Stage::Idle | Stage::Beginning { .. } => None,
        });
        let (held, may) = (hub.stats().held_bytes, ledger.held(pinned));
        assert!(
            held <= may,
            "the hub holds {held} bytes where the window has {may}"
        );
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Waits,
    Gone,
}

/// What is at hand while a connection is served.
struct Turn<'a> {
    hub: &'a Hub,
    now: Instant,
    headers: &'a Headers,
    net: &'a mut Net,
    ledger: &'a mut Ledger,
}

fn caller(headers: &Headers) -> Caller<'_> {
    Caller {
        channel: CHANNEL,
        headers,
        peer: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant will do to begin at")]
fn any_instant() -> Instant {
    Instant::now()
}
