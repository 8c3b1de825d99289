//! A node with a publisher and its caller. It does what the machine says, as `http::client` does.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use framerill_sim::{Clock, network::Node};
use framerill_trickle::publisher::{
    Backpressure, Config, End, Event, ExchangeId, Input, Output, Publisher, Request,
};

use crate::{
    client::{Client, Outcome},
    content,
    frame::Ask,
    ledger::{Ledger, Record},
    net::{Happening, Net},
    trace,
};

/// Posts that have a body to send, deletes of segments, one more question, and segments that wait for their answers.
const EXCHANGES: usize = 2 + 4 + 1 + 5;
/// Bytes that a connection is given beyond what it takes: one write more than this.
const HAND_OVER: usize = 256 * 1024;

pub(crate) struct Source {
    node: Node,
    server: Node,
    pub(crate) clock: Clock,
    pub(crate) machine: Publisher,
    config: Config,
    client: Client<ExchangeId>,
    wake: Option<Duration>,
    caller: Caller,
    /// POSTs: their number, the segment that they carry, and how much of it.
    posts: BTreeMap<ExchangeId, Posted>,
    pub(crate) told: Told,
    /// Of this machine.
    written: u64,
    closed_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Posted {
    index: Option<u64>,
    sent: u64,
}

/// What the machine told its caller.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) end: Option<End>,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) troubles: u64,
    /// The caller's segments that were sent whole, and their numbers.
    pub(crate) whole: BTreeMap<u64, u64>,
}

struct Caller {
    /// Segments that are to come.
    left: u32,
    present: Option<Present>,
    /// It waits for room.
    is_blocked: bool,
    largest: u64,
    largest_write: u64,
    abandons: u64,
    /// Between two segments, in milliseconds.
    pause: std::ops::Range<u64>,
    /// Segments that this machine's caller began.
    begun: u64,
    is_closing: bool,
}

struct Present {
    index: u64,
    size: u64,
    /// Where it is given up.
    until: u64,
}

impl Source {
    pub(crate) fn new(
        nodes: (Node, Node),
        clock: Clock,
        plan: &crate::faults::Plan,
        net: &mut Net,
    ) -> Self {
        let (node, server) = nodes;
        let config = plan.publisher.clone();
        let storm = u64::try_from(plan.storm.as_millis()).unwrap();
        let seed = net.random.number();
        let mut source = Self {
            node,
            server,
            machine: Publisher::new(config.clone(), clock.now(net.now()), seed),
            clock,
            config,
            client: Client::new(node, server),
            wake: None,
            caller: Caller {
                left: plan.segments,
                present: None,
                is_blocked: false,
                largest: plan.largest,
                largest_write: plan.largest_write,
                abandons: plan.abandons,
                pause: 0..1 + 2 * storm / u64::from(plan.segments + 1),
                begun: 0,
                is_closing: false,
            },
            posts: BTreeMap::new(),
            told: Told::default(),
            written: 0,
            closed_at: None,
        };
        source.call_later(net);
        source
    }

    pub(crate) fn client(&mut self) -> &mut Client<ExchangeId> {
        &mut self.client
    }

    pub(crate) fn node(&self) -> Node {
        self.node
    }

    /// Another publisher in the place of this one, which is gone.
    pub(crate) fn replace(&mut self, config: Config, net: &mut Net) {
        net.say("publisher", || {
            format!("dies; the next one starts {:?}", config.start)
        });
        self.client.drop_all(net);
        self.client = Client::new(self.node, self.server);
        let seed = net.random.number();
        self.machine = Publisher::new(config.clone(), self.clock.now(net.now()), seed);
        self.config = config;
        self.wake = None;
        self.posts.clear();
        let whole = std::mem::take(&mut self.told.whole);
        self.told = Told {
            whole,
            ..Told::default()
        };
        self.caller.begun = 0;
        self.written = 0;
        if self.caller.present.take().is_some() || self.caller.is_blocked {
            self.caller.is_blocked = false;
        }
        self.call_later(net);
    }

    /// More segments, and then the close.
    pub(crate) fn finale(&mut self, segments: u32, net: &mut Net) {
        assert!(self.has_finished(), "the caller waits for ever");
        if self.machine.is_over() {
            self.closed_at = Some(net.now());
        }
        self.caller.left = segments;
        self.caller.abandons = 0;
        self.caller.pause = 1500..4000;
        self.caller.is_closing = true;
        self.call_later(net);
    }

    /// Whether the caller has done all that it was to do.
    pub(crate) fn has_finished(&self) -> bool {
        self.machine.is_over() || (self.caller.left == 0 && self.caller.present.is_none())
    }

    pub(crate) fn closed_at(&self) -> Option<Duration> {
        self.closed_at
    }

    pub(crate) fn wake(&self, at: Duration) -> Option<Duration> {
        self.clock.when(self.wake?, at)
    }

    pub(crate) fn deadline(&mut self, net: &mut Net, ledger: &mut Ledger) {
        net.say("publisher", || "deadline".into());
        self.give(Input::Deadline, net, ledger);
        self.settle(net, ledger);
    }

    fn give(&mut self, input: Input, net: &mut Net, ledger: &mut Ledger) {
        let now = self.clock.now(net.now());
        self.machine.handle(now, input);
        self.obey(net, ledger);
        assert!(
            self.wake.is_none_or(|wake| wake > now),
            "it wakes in the past"
        );
    }

    /// Does what the machine says and tells it what comes, until nothing happens any more.
    pub(crate) fn settle(&mut self, net: &mut Net, ledger: &mut Ledger) {
        self.obey(net, ledger);
        loop {
            while let Some((id, outcome)) = self.client.poll(None, net) {
                let input = match outcome {
                    Outcome::Sent => Input::Opened(id),
                    Outcome::Wrote(bytes) => Input::Wrote(id, bytes),
                    Outcome::Finished => Input::Finished(id),
                    Outcome::Head(head) => {
                        self.client.part_from(id, net);
                        net.say("publisher", || {
                            format!("{id:?} gets {}", trace::answer(&head.answer))
                        });
                        Input::Answered(id, head.answer)
                    }
                    Outcome::Failed(failure) => {
                        net.say("publisher", || format!("{id:?} failed: {failure}"));
                        Input::Failed(id, failure)
                    }
                    Outcome::Bytes(_) | Outcome::End => unreachable!("no body is read"),
                };
                self.give(input, net, ledger);
            }
            if !std::mem::take(&mut self.caller.is_blocked) || !self.call(net, ledger) {
                break;
            }
        }
        self.check();
    }

    fn obey(&mut self, net: &mut Net, ledger: &mut Ledger) {
        for _ in 0..10_000 {
            match self.machine.poll() {
                Output::WakeAt(at) => return self.wake = Some(at),
                Output::Idle => {
                    let is_closing = self.closed_at.is_some() && !self.machine.is_over();
                    assert!(!is_closing, "it closes without a deadline");
                    return self.wake = None;
                }
                Output::Event(event) => {
                    net.say("publisher", || trace::published(&event));
                    self.told.event(&event, ledger);
                }
                Output::Open(id, request) => {
                    let is_post = matches!(request, Request::Post { .. });
                    let link = self.client.open(id, Ask::Do(request), !is_post, net);
                    net.say("publisher", || format!("{id:?} on #{link}: {request:?}"));
                    if is_post {
                        let posted = Posted {
                            index: None,
                            sent: 0,
                        };
                        self.posts.insert(id, posted);
                    }
                }
                Output::Write(id, bytes) => self.write(id, bytes, ledger),
                Output::Finish(id) => self.client.finish(id),
                Output::Abort(id) => {
                    net.say("publisher", || format!("{id:?} aborted"));
                    self.client.abort(id, net);
                }
            }
        }
        panic!("the publisher does not settle");
    }

    /// Bytes leave as the caller wrote them, each POST with those of one segment.
    fn write(&mut self, id: ExchangeId, bytes: Bytes, ledger: &mut Ledger) {
        let posted = self.posts.get_mut(&id).expect("only POSTs have bodies");
        let index = *posted
            .index
            .get_or_insert_with(|| content::index_of(&bytes).expect("a whole piece comes first"));
        let wrong = content::difference(index, posted.sent, &bytes);
        assert_eq!(wrong, None, "segment {index} leaves wrong");
        posted.sent += bytes.len() as u64;
        let connection = self.client.write(id, bytes);
        ledger.carried.insert(connection, index);
    }

    /// The caller's next step, if it is due. True if there may be another one at once.
    pub(crate) fn call(&mut self, net: &mut Net, ledger: &mut Ledger) -> bool {
        if self.machine.is_over() || self.closed_at.is_some() {
            return false;
        }
        let waits = self.config.backpressure == Backpressure::Block;
        let Some(present) = &self.caller.present else {
            if self.caller.left == 0 {
                if self.caller.is_closing {
                    net.say("caller", || "closes".into());
                    self.closed_at = Some(net.now());
                    self.give(Input::Close, net, ledger);
                }
                return false;
            }
            self.caller.is_blocked = waits && !self.machine.has_place();
            if self.caller.is_blocked {
                return false;
            }
            self.begin(net, ledger);
            return true;
        };
        let written = ledger.written[usize::try_from(present.index).unwrap()];
        let index = present.index;
        if written >= present.until {
            let input = match present.until < present.size {
                true => Input::Abandon,
                false => Input::Finish,
            };
            net.say("caller", || format!("{input:?} of {index}"));
            self.caller.present = None;
            self.give(input, net, ledger);
        } else {
            let left = present.until - written;
            let most = self.caller.largest_write.min(left);
            let size = (content::LEAST + net.random.below(most)).min(left);
            let size = usize::try_from(size).unwrap();
            self.caller.is_blocked = waits && !self.machine.has_room(size);
            if self.caller.is_blocked {
                return false;
            }
            let bytes = content::piece(index, written, size);
            ledger.written[usize::try_from(index).unwrap()] += size as u64;
            self.written += size as u64;
            net.say("caller", || format!("writes {size} bytes of {index}"));
            self.give(Input::Write(bytes), net, ledger);
        }
        self.call_later(net);
        true
    }

    fn begin(&mut self, net: &mut Net, ledger: &mut Ledger) {
        let index = ledger.written.len() as u64;
        ledger.written.push(0);
        let caller = &mut self.caller;
        let size = match net.random.one_in(12) {
            true => 0,
            false => content::LEAST + net.random.below(caller.largest),
        };
        let until = match net.random.happens(caller.abandons) {
            true => (size / 2).max(content::LEAST).min(size),
            false => size,
        };
        caller.left -= 1;
        caller.begun += 1;
        caller.present = Some(Present { index, size, until });
        net.say("caller", || format!("begins {index}, {size} bytes"));
        self.give(Input::Begin, net, ledger);
        self.call_later(net);
    }

    fn call_later(&mut self, net: &mut Net) {
        let pause = match &self.caller.present {
            Some(_) => 0..300,
            None => self.caller.pause.clone(),
        };
        let is_at_once = pause.start == 0 && net.random.one_in(3);
        let pause = match is_at_once {
            true => Duration::ZERO,
            false => net.random.millis(pause),
        };
        net.agenda.after(pause, Happening::Caller);
    }

    fn check(&self) {
        let counters = self.machine.counters();
        let held = self.written - counters.bytes_sent - counters.bytes_dropped;
        let largest = self.caller.largest_write + content::LEAST;
        let may = largest.max(self.config.buffer_bytes as u64);
        assert!(
            held <= may,
            "the publisher holds {held} bytes and may hold {may}"
        );
        assert!(self.client.open_count() <= EXCHANGES, "too many exchanges");
        let has_deadline = self.wake.is_some() || !self.client.waits();
        assert!(has_deadline, "an answer is waited for without a deadline");
        let may = HAND_OVER + usize::try_from(largest).unwrap();
        assert!(self.client.held() <= may, "connections were given too much");
    }

    /// Every segment that the caller began has one fate.
    pub(crate) fn check_fates(&self) {
        let fates = self.told.sent + self.told.lost;
        let end = self.told.end.clone().expect("it has ended");
        // A segment that was begun when the end came has none.
        let is_each = fates == self.caller.begun;
        assert!(
            is_each || (end != End::Finished && fates <= self.caller.begun),
            "{fates} fates of {} segments",
            self.caller.begun
        );
    }
}

impl Told {
    fn event(&mut self, event: &Event, ledger: &Ledger) {
        assert_eq!(self.end, None, "something comes behind the end");
        match event {
            Event::Sent { seq, bytes } => {
                self.sent += 1;
                if *bytes == 0 {
                    return;
                }
                // Whole, or cut short by the server, which no publisher is told.
                let records = || ledger.records_of(seq.get());
                let whole = |it: &Record| it.carries(*bytes).filter(|_| it.is_whole && !it.is_cut);
                if let Some(index) = records().rev().find_map(whole) {
                    self.whole.insert(index, seq.get());
                } else {
                    let is_cut =
                        records().any(|it| it.is_cut) || ledger.dropped.contains(&seq.get());
                    assert!(is_cut, "segment {seq} is not whole on the server");
                }
            }
            Event::Lost { .. } => self.lost += 1,
            Event::Trouble(_) => self.troubles += 1,
            Event::Ended(end) => self.end = Some(end.clone()),
            Event::Skipped { .. } | Event::Created => {}
            other => panic!("{other:?} is unknown here"),
        }
    }
}
