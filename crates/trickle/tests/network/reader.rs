//! A node with a subscriber and its caller, who may be slow. It does what the machine says, as `http::client` does.

use std::{collections::BTreeMap, time::Duration};

use framerill_sim::{Clock, network::Node};
use framerill_trickle::{
    subscriber::{GetId, Input, Output, Subscriber},
    wire::Wanted,
};

use crate::{
    client::{Client, Outcome},
    faults::Guest,
    frame::Ask,
    ledger::Ledger,
    net::{Happening, Net},
    trace,
    witness::Witness,
};

/// The present segment and the next.
const GETS: usize = 2;

pub(crate) struct Reader {
    number: usize,
    name: String,
    pub(crate) clock: Clock,
    machine: Subscriber,
    client: Client<GetId>,
    wake: Option<Duration>,
    /// Its caller is elsewhere.
    is_busy: bool,
    slow: u64,
    pause: std::ops::Range<u64>,
    /// What the reference knows as the segment of each GET.
    records: BTreeMap<GetId, usize>,
    /// The GET whose body is read.
    reading: Option<GetId>,
    pub(crate) witness: Witness,
    /// The number that it asked for last.
    pub(crate) asked: u64,
    has_left: bool,
}

impl Reader {
    pub(crate) fn new(
        number: usize,
        nodes: (Node, Node),
        clock: Clock,
        guest: &Guest,
        net: &mut Net,
    ) -> Self {
        let (node, server) = nodes;
        let seed = net.random.number();
        Self {
            number,
            name: format!("reader {number}"),
            machine: Subscriber::new(guest.config.clone(), clock.now(net.now()), seed),
            clock,
            client: Client::new(node, server),
            wake: None,
            is_busy: false,
            slow: guest.slow,
            pause: guest.pause.clone(),
            records: BTreeMap::new(),
            reading: None,
            witness: Witness::new(guest.config.join),
            asked: 0,
            has_left: false,
        }
    }

    pub(crate) fn client(&mut self) -> &mut Client<GetId> {
        &mut self.client
    }

    /// Whether it is there, and its channel is not over.
    pub(crate) fn is_live(&self) -> bool {
        !self.has_left && !self.machine.is_over()
    }

    /// It went without a word.
    pub(crate) fn has_left(&self) -> bool {
        self.has_left
    }

    pub(crate) fn leave(&mut self, net: &mut Net) {
        net.say(&self.name, || "leaves".into());
        self.has_left = true;
        self.client.drop_all(net);
    }

    /// Its caller is always back at once from now on.
    pub(crate) fn hurry(&mut self) {
        self.slow = 0;
    }

    pub(crate) fn resume(&mut self, net: &mut Net, ledger: &Ledger) {
        if self.has_left {
            return;
        }
        self.is_busy = false;
        self.settle(net, ledger);
        let now = self.clock.now(net.now());
        if !self.is_busy && self.wake.is_some_and(|wake| wake <= now) {
            self.deadline(net, ledger);
        }
    }

    pub(crate) fn wake(&self, at: Duration) -> Option<Duration> {
        if self.is_busy || self.has_left {
            return None;
        }
        self.clock.when(self.wake?, at)
    }

    pub(crate) fn deadline(&mut self, net: &mut Net, ledger: &Ledger) {
        net.say(&self.name, || "deadline".into());
        self.give(Input::Deadline, net, ledger);
        let now = self.clock.now(net.now());
        let is_past = self.wake.is_some_and(|wake| wake <= now);
        assert!(!is_past, "it wakes in the past");
        self.settle(net, ledger);
    }

    /// Does what the machine says and tells it what comes, until nothing happens any more or the caller goes off.
    pub(crate) fn settle(&mut self, net: &mut Net, ledger: &Ledger) {
        if self.has_left || self.is_busy {
            return;
        }
        self.obey(net, ledger);
        while !self.is_busy
            && let Some((id, outcome)) = self.client.poll(self.reading, net)
        {
            let input = match outcome {
                Outcome::Sent => Input::Sent(id),
                Outcome::Head(head) => {
                    net.say(&self.name, || {
                        format!("{id:?} gets {}", trace::answer(&head.answer))
                    });
                    self.records.extend(head.record.map(|record| (id, record)));
                    Input::Head(id, head.answer)
                }
                Outcome::Bytes(bytes) => Input::Bytes(id, bytes),
                Outcome::End => Input::End(id),
                Outcome::Failed(failure) => {
                    net.say(&self.name, || format!("{id:?} failed: {failure}"));
                    Input::Failed(id, failure)
                }
                Outcome::Wrote(_) | Outcome::Finished => continue,
            };
            self.give(input, net, ledger);
        }
        assert!(self.client.open_count() <= GETS, "too many GETs");
    }

    fn give(&mut self, input: Input, net: &mut Net, ledger: &Ledger) {
        let now = self.clock.now(net.now());
        self.machine.handle(now, input);
        self.obey(net, ledger);
    }

    fn obey(&mut self, net: &mut Net, ledger: &Ledger) {
        for _ in 0..10_000 {
            match self.machine.poll() {
                Output::WakeAt(at) => return self.wake = Some(at),
                Output::Idle => {
                    assert!(self.machine.is_over(), "it waits without a deadline");
                    self.client.drop_all(net);
                    return self.wake = None;
                }
                Output::Event(event) => {
                    net.say(&self.name, || trace::subscribed(&event));
                    let record = self.reading.and_then(|id| self.records.get(&id));
                    self.witness
                        .event(event, record.copied(), net.now(), ledger);
                    if !self.is_busy && net.random.happens(self.slow) {
                        self.is_busy = true;
                        let pause = net.random.millis(self.pause.clone());
                        net.say(&self.name, || format!("is slow for {pause:?}"));
                        net.agenda.after(pause, Happening::Resumes(self.number));
                    }
                }
                Output::Get(id, wanted) => {
                    if let Wanted::Exact(seq) = wanted {
                        self.asked = seq.get();
                    }
                    let link = self.client.open(id, Ask::Get(wanted), true, net);
                    net.say(&self.name, || format!("{id:?} on #{link}: GET {wanted}"));
                }
                Output::Read(id) => self.reading = Some(id),
                Output::Drop(id) => {
                    net.say(&self.name, || format!("{id:?} dropped"));
                    self.client.part_from(id, net);
                }
            }
        }
        panic!("the subscriber does not settle");
    }
}
