//! A node with a hub. It treats its connections as `http::server` does.

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
    network::{Break, Door, Node, Socket, Taken},
};
use framerill_trickle::{
    failure::Answer,
    publisher::Request,
    relay::{
        Append, Caller, Config, Finish, Hub, ReadStep, Reader, Standing, Writer,
        gate::{Begins, Get, No, Post, PostRequest},
    },
    wire::{Headers, Seq, names},
};

use crate::{
    frame::{Ask, Frame, Head, Outgoing},
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

const DROPPED: Finish = Finish {
    empty: true,
    over: false,
};
const OVER: Finish = Finish {
    empty: true,
    over: true,
};

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

impl Turn<'_> {
    fn serve(&mut self, seat: &mut Seat) -> Then {
        loop {
            seat.out.flush(seat.socket, self.net);
            if !seat.out.is_empty() {
                return Then::Waits;
            }
            if seat.closes {
                return Then::Gone;
            }
            let goes_on = match std::mem::replace(&mut seat.stage, Stage::Idle) {
                Stage::Idle => self.request(seat),
                Stage::Beginning { seq, reset } => self.begin(seat, seq, reset),
                Stage::Posting(posting) => self.post(seat, posting),
                Stage::Getting(getting) => self.get(seat, getting),
            };
            if let Some(then) = goes_on {
                return then;
            }
        }
    }

    /// The next request. `None`: go on.
    fn request(&mut self, seat: &mut Seat) -> Option<Then> {
        let ask = match self.net.take(seat.socket) {
            Taken::Value(Frame::Ask(ask)) => ask,
            Taken::Value(frame) => panic!("{frame:?} where a request was due"),
            Taken::Nothing => return Some(Then::Waits),
            Taken::End | Taken::Broken => return Some(Then::Gone),
        };
        let caller = caller(self.headers);
        match ask {
            Ask::Get(wanted) => match self.hub.get(self.now, &caller, &wanted.to_string()) {
                Get::Reading(mut reader) => {
                    let seq = reader.head().seq.get();
                    let has_bytes = match reader.read(self.now, Waker::noop(), 0, &mut Vec::new()) {
                        ReadStep::Bytes { .. } => Some(true),
                        ReadStep::End => Some(false),
                        ReadStep::Wait => None,
                    };
                    let record = self.ledger.attach_reader(seq, has_bytes);
                    seat.stage = Stage::Getting(Getting {
                        reader,
                        record,
                        read: 0,
                        has_head: false,
                    });
                }
                Get::Missing { seq, latest } => {
                    let missing = plain(names::NO_SUCH_SEGMENT);
                    seat.answer(Answer {
                        seq: Some(seq),
                        latest: Some(latest),
                        ..missing
                    });
                }
                Get::Over { seq, latest } => {
                    let over = plain(names::OK);
                    seat.answer(Answer {
                        seq: Some(seq),
                        latest: Some(latest),
                        closed: true,
                        ..over
                    });
                }
                Get::No(no) => seat.answer(plain(no.status)),
            },
            Ask::Do(Request::Post { seq, reset }) => {
                let (begins, came) = match self.net.take(seat.socket) {
                    Taken::Nothing => (Begins::Later, None),
                    Taken::Value(Frame::End) => (Begins::Never, Some(Frame::End)),
                    Taken::Value(frame) => (Begins::Now, Some(frame)),
                    Taken::End | Taken::Broken => return Some(Then::Gone),
                };
                seat.inbox = came;
                self.open(seat, seq, reset, begins);
            }
            Ask::Do(Request::Latest) => match self.hub.get_next(&caller) {
                Ok((next, closed)) => {
                    let next = Answer {
                        latest: Some(next),
                        closed,
                        ..plain(names::OK)
                    };
                    seat.answer(next);
                }
                Err(no) => seat.answer(plain(no.status)),
            },
            Ask::Do(Request::Create) => {
                let result = self.hub.post_channel(self.now, &caller, Some("video/mp2t"));
                seat.answer(done(result));
            }
            Ask::Do(Request::Delete) => {
                let result = self.hub.delete_channel(self.now, &caller);
                if result.is_ok() {
                    self.ledger.forget_channel();
                }
                seat.answer(done(result));
            }
            Ask::Do(Request::CloseSegment { seq }) => {
                let result = self.hub.delete_segment(&caller, &seq.to_string());
                seat.answer(done(result));
            }
        }
        None
    }

    /// A POST whose name was deleted a moment ago: its body decides.
    fn begin(&mut self, seat: &mut Seat, seq: Seq, reset: bool) -> Option<Then> {
        let (begins, came) = match self.net.take(seat.socket) {
            Taken::Nothing => {
                seat.stage = Stage::Beginning { seq, reset };
                return Some(Then::Waits);
            }
            Taken::Value(Frame::End) => (Begins::Never, Frame::End),
            Taken::Value(frame) => (Begins::Now, frame),
            Taken::End | Taken::Broken => return Some(Then::Gone),
        };
        seat.inbox = Some(came);
        self.open(seat, seq, reset, begins);
        None
    }

    fn open(&mut self, seat: &mut Seat, seq: Seq, reset: bool, begins: Begins) {
        let number = seq.to_string();
        let request = PostRequest {
            seq: &number,
            mime: Some("video/mp2t"),
            reset,
            begins,
        };
        let has_bytes = self.ledger.has_bytes(seq.get());
        match self.hub.post(self.now, &caller(self.headers), &request) {
            Post::Writing(writer) => {
                let is_fresh = has_bytes && !self.has_bytes(&number);
                let record = self.ledger.attach_writer(seq.get(), is_fresh);
                seat.stage = Stage::Posting(Posting {
                    writer,
                    record,
                    came: 0,
                    has_stored: false,
                });
            }
            Post::Dropped(seq) => {
                self.ledger.dropped.insert(seq.get());
                seat.posted(seq, DROPPED);
            }
            Post::Over(seq) => seat.posted(seq, OVER),
            Post::AskAgain => seat.stage = Stage::Beginning { seq, reset },
            Post::No(no) => {
                seat.refuse(no.status);
            }
        }
    }

    /// Whether the segment under this number has a byte.
    fn has_bytes(&self, number: &str) -> bool {
        match self.hub.get(self.now, &caller(self.headers), number) {
            Get::Reading(mut reader) => {
                reader.read(self.now, Waker::noop(), 0, &mut Vec::new()) != ReadStep::Wait
            }
            _ => false,
        }
    }

    fn post(&mut self, seat: &mut Seat, mut posting: Posting) -> Option<Then> {
        let taken = match seat.inbox.take() {
            Some(frame) => Taken::Value(frame),
            None => self.net.take(seat.socket),
        };
        let seq = posting.writer.seq();
        match taken {
            Taken::Value(Frame::Bytes(bytes)) => {
                let from = posting.came;
                posting.came += bytes.len() as u64;
                match posting.writer.append(self.now, bytes.clone()) {
                    Append::Stored => {
                        posting.has_stored = true;
                        let connection = seat.socket.number();
                        self.ledger.store(posting.record, connection, from, &bytes);
                    }
                    Append::Dropped if posting.has_stored => self.ledger.cut(posting.record),
                    Append::Dropped => {
                        self.ledger.dropped.insert(seq.get());
                        seat.posted(seq, DROPPED);
                        return None;
                    }
                    Append::Over => {
                        seat.posted(seq, OVER);
                        return None;
                    }
                    Append::TooLarge | Append::Full => {
                        seat.refuse(names::CONTENT_TOO_LARGE);
                        return None;
                    }
                }
            }
            Taken::Value(_) => {
                let finish = posting.writer.finish(self.now);
                if !finish.over {
                    self.ledger.complete(posting.record);
                }
                seat.posted(seq, finish);
                return None;
            }
            Taken::End | Taken::Broken => {
                posting.writer.abandon(self.now);
                seat.refuse(names::SERVER_ERROR);
                return None;
            }
            Taken::Nothing => {
                match posting.writer.standing(&Waker::from(seat.bell.clone())) {
                    Standing::Over => {
                        seat.posted(seq, OVER);
                        return None;
                    }
                    Standing::Closed if !posting.has_stored => {
                        self.ledger.dropped.insert(seq.get());
                        seat.posted(seq, DROPPED);
                        return None;
                    }
                    Standing::Closed | Standing::Open => {}
                }
                seat.stage = Stage::Posting(posting);
                return Some(Then::Waits);
            }
        }
        seat.stage = Stage::Posting(posting);
        None
    }

    fn get(&mut self, seat: &mut Seat, mut getting: Getting) -> Option<Then> {
        let waker = Waker::from(seat.bell.clone());
        let most = 1 + self.net.random.up_to(8192);
        let mut chunks = Vec::new();
        let step = getting.reader.read(self.now, &waker, most, &mut chunks);
        let head = getting.reader.head();
        let answer = Answer {
            status: names::OK,
            closed: head.over,
            seq: Some(head.seq),
            latest: head.latest,
            mime: head.mime.map(|mime| mime.to_string()),
        };
        let is_end = match step {
            ReadStep::Wait => {
                let then = match self.net.take(seat.socket) {
                    Taken::Nothing => Then::Waits,
                    Taken::Value(frame) => panic!("{frame:?} while an answer was due"),
                    Taken::End | Taken::Broken => Then::Gone,
                };
                seat.stage = Stage::Getting(getting);
                return Some(then);
            }
            ReadStep::Bytes { end } => end,
            ReadStep::End => true,
        };
        if !std::mem::replace(&mut getting.has_head, true) {
            seat.out.put(Frame::Answer(Head {
                answer,
                has_body: step != ReadStep::End,
                closes: false,
                record: Some(getting.record),
            }));
            if step == ReadStep::End {
                self.ledger.end(getting.record, 0);
                return None;
            }
        }
        for bytes in chunks {
            getting.read += bytes.len() as u64;
            seat.out.put(Frame::Bytes(bytes));
        }
        if is_end {
            self.ledger.end(getting.record, getting.read);
            seat.out.put(Frame::End);
        } else {
            seat.stage = Stage::Getting(getting);
        }
        None
    }
}

impl Seat {
    fn answer(&mut self, answer: Answer) {
        self.out.put(Frame::Answer(Head {
            answer,
            has_body: false,
            closes: self.closes,
            record: None,
        }));
    }

    /// The answer to a POST. One that stored nothing ends its connection.
    fn posted(&mut self, seq: Seq, finish: Finish) {
        self.closes = finish.empty;
        self.answer(Answer {
            seq: Some(seq),
            closed: finish.over,
            ..plain(names::OK)
        });
    }

    /// An answer behind which the connection ends.
    fn refuse(&mut self, status: u16) {
        self.closes = true;
        self.answer(plain(status));
    }
}

fn done(result: Result<(), No>) -> Answer {
    plain(result.map_or_else(|no| no.status, |()| names::OK))
}

fn plain(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
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
