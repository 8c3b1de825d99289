//! A server, a publisher and subscribers on one network, from the first request to the last.

use std::time::Duration;

use framerill_sim::{
    Clock, Random,
    network::{Door, Node, Notice, Weather},
};
use framerill_trickle::publisher::Start;

use crate::{
    faults::{Chaos, Mix, Plan, Who},
    judge::{self, Finale},
    ledger::Ledger,
    net::{Happening, Net},
    reader::Reader,
    server::Server,
    source::Source,
    trace::Trace,
};

const SERVER: Node = Node(0);
const PUBLISHER: Node = Node(1);
/// The first subscriber; the others follow.
const SUBSCRIBER: usize = 2;

/// From the last fault until everybody knows which connections are gone and has tried anew.
const RECOVERY: Duration = Duration::from_secs(120);
/// Segments after the recovery.
const FINALE: u32 = 6;
/// Within this time of the close the publisher is over: to send what is left, and to delete.
const CLOSING: Duration = Duration::from_secs(40);
/// Within this time of the publisher's end everybody is: a channel that could not be deleted is swept away when it has
/// been idle for 5 minutes.
const ENDING: Duration = Duration::from_secs(480);
/// More events than this, and something goes in a circle.
const EVENTS: usize = 2_000_000;

pub(crate) struct World {
    plan: Plan,
    net: Net,
    ledger: Ledger,
    server: Server,
    source: Source,
    readers: Vec<Option<Reader>>,
    finale: Option<Finale>,
}

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Turn {
    Agenda,
    Server,
    Publisher,
    Subscriber(usize),
}

impl World {
    pub(crate) fn new(mix: Mix, seed: u64, trace: Trace) -> Self {
        let random = Random::new(seed ^ (mix as u64) << 56);
        let mut net = Net::new(Weather::fair(1), random, trace);
        let plan = Plan::new(mix, &mut net.random);
        net.network.weather = plan.weather.clone();
        let mut clock = || Clock::new(Duration::ZERO, net.random.millis(0..1_000_000));
        let server = Server::new(SERVER, plan.relay.clone(), clock());
        let clock = clock();
        let source = Source::new((PUBLISHER, SERVER), clock, &plan, &mut net);
        for (number, guest) in plan.guests.iter().enumerate() {
            net.agenda.at(guest.joins, Happening::Joins(number));
            if let Some(leaves) = guest.leaves {
                net.agenda.at(leaves, Happening::Leaves(number));
            }
        }
        for (at, chaos) in &plan.chaos {
            net.agenda.at(*at, Happening::Chaos(*chaos));
        }
        net.agenda.at(plan.storm, Happening::Calm);
        Self {
            readers: plan.guests.iter().map(|_| None).collect(),
            plan,
            net,
            ledger: Ledger::default(),
            server,
            source,
            finale: None,
        }
    }

    /// Runs to the end of everybody.
    pub(crate) fn run(mut self) {
        let plan = &self.plan;
        self.net
            .trace
            .say(Duration::ZERO, "plan", || format!("{plan:#?}"));
        self.settle();
        for _ in 0..EVENTS {
            if self.is_over() {
                return self.judge();
            }
            self.step();
        }
        panic!("it goes in a circle");
    }

    fn is_over(&self) -> bool {
        let is_live = |reader: &Option<Reader>| reader.as_ref().is_some_and(Reader::is_live);
        self.finale.is_some() && self.source.machine.is_over() && !self.readers.iter().any(is_live)
    }

    /// The next thing happens.
    fn step(&mut self) {
        let now = self.net.now();
        let agenda = self.net.agenda.next_at().map(|at| (at, Turn::Agenda));
        let server = self.server.wake(now).map(|at| (at, Turn::Server));
        let source = self.source.wake(now).map(|at| (at, Turn::Publisher));
        let readers = self.readers.iter().enumerate().filter_map(|(number, it)| {
            let wake = it.as_ref()?.wake(now)?;
            Some((wake, Turn::Subscriber(number)))
        });
        let all = agenda
            .into_iter()
            .chain(server)
            .chain(source)
            .chain(readers);
        let (at, turn) = all
            .min_by_key(|(at, _)| *at)
            .expect("somebody waits for ever");
        self.check_deadlines(at);
        match turn {
            Turn::Agenda => {
                let happening = self.net.agenda.pop().expect("its time was just read");
                self.happen(happening);
            }
            turn => {
                self.net.agenda.advance(at);
                self.wake(turn);
            }
        }
        self.settle();
    }

    fn wake(&mut self, turn: Turn) {
        let Self {
            net,
            ledger,
            server,
            source,
            readers,
            ..
        } = self;
        match turn {
            Turn::Agenda => {}
            Turn::Server => server.keep_house(net, ledger),
            Turn::Publisher => source.deadline(net, ledger),
            Turn::Subscriber(number) => {
                if let Some(reader) = &mut readers[number] {
                    reader.deadline(net, ledger);
                }
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Network(passing) => {
                let notice = self.net.network.pass(passing, &mut self.net.agenda);
                if let Some(notice) = notice {
                    self.notice(notice);
                }
            }
            Happening::Caller => {
                self.source.call(&mut self.net, &mut self.ledger);
                self.source.settle(&mut self.net, &mut self.ledger);
            }
            Happening::Joins(number) => self.join(number),
            Happening::Leaves(number) => {
                if let Some(reader) = &mut self.readers[number] {
                    reader.leave(&mut self.net);
                }
            }
            Happening::Resumes(number) => {
                if let Some(reader) = &mut self.readers[number] {
                    reader.resume(&mut self.net, &self.ledger);
                }
            }
            Happening::Chaos(chaos) => self.chaos(chaos),
            Happening::Calm => self.calm(),
            Happening::Finale => {
                let finale = Finale::new(&self.source, &self.readers, &self.ledger);
                let lasting = finale.readers.len();
                self.net
                    .say("", || format!("the finale begins with {lasting} readers"));
                self.finale = Some(finale);
                self.source.finale(FINALE, &mut self.net);
            }
        }
    }

    fn join(&mut self, number: usize) {
        let clock = Clock::new(Duration::ZERO, self.net.random.millis(0..1_000_000));
        let nodes = (Node(SUBSCRIBER + number), SERVER);
        let guest = &self.plan.guests[number];
        let mut reader = Reader::new(number, nodes, clock, guest, &mut self.net);
        reader.settle(&mut self.net, &self.ledger);
        self.readers[number] = Some(reader);
    }

    /// A node learns of what happened on its connections.
    fn notice(&mut self, notice: Notice) {
        let net = &mut self.net;
        let socket = match notice {
            Notice::Incoming(_, socket) => {
                self.server.incoming(socket);
                return self.server.settle(Some(socket), net, &mut self.ledger);
            }
            Notice::Connected(socket)
            | Notice::Refused(socket)
            | Notice::Readable(socket)
            | Notice::Writable(socket)
            | Notice::Broken(socket) => socket,
        };
        if net.network.node_of(socket) == Some(SERVER) {
            if let Notice::Broken(socket) = notice {
                net.say("server", || format!("#{} broke", socket.number()));
                self.server.broken(socket, net);
            }
            return self.server.settle(Some(socket), net, &mut self.ledger);
        }
        self.source.client().told(notice);
        self.source.settle(net, &mut self.ledger);
        for reader in self.readers.iter_mut().flatten() {
            reader.client().told(notice);
            reader.settle(net, &self.ledger);
        }
    }

    fn chaos(&mut self, chaos: Chaos) {
        let net = &mut self.net;
        net.say("", || format!("{chaos:?}"));
        match chaos {
            Chaos::Crash(how, down) => {
                self.server.crash(how, net, &mut self.ledger);
                net.agenda.after(down, Happening::Chaos(Chaos::Restart));
            }
            Chaos::Restart if self.server.hub().is_none() => self.server.restart(net),
            Chaos::Restart => {}
            Chaos::Doors(door) => net.network.set_door(SERVER, door),
            Chaos::Cut(how) => net.network.break_all(SERVER, how, &mut net.agenda),
            Chaos::Jump(who, by) => self.with_clock(who, |clock, _| clock.jump(by)),
            Chaos::Halt(who) => self.with_clock(who, Clock::stop),
            Chaos::Run(who) => self.with_clock(who, Clock::run),
            Chaos::PublisherDies(how) => {
                if self.source.machine.is_over() || self.finale.is_some() {
                    return;
                }
                let node = self.source.node();
                net.network.break_all(node, how, &mut net.agenda);
                let mut config = self.plan.publisher.clone();
                if net.random.one_in(2) {
                    config.start = Start::Upcoming;
                    config.reset = true;
                }
                self.source.replace(config, net);
            }
        }
    }

    fn with_clock(&mut self, who: Who, act: impl FnOnce(&mut Clock, Duration)) {
        let now = self.net.now();
        match who {
            Who::Server => act(&mut self.server.clock, now),
            Who::Publisher => act(&mut self.source.clock, now),
            Who::Subscriber(number) => {
                if let Some(reader) = &mut self.readers[number] {
                    act(&mut reader.clock, now);
                }
            }
        }
    }

    /// Nothing goes wrong from here on; what has gone wrong is still to be found out.
    fn calm(&mut self) {
        let patience = self.net.network.weather.patience;
        self.net.say("", || "nothing goes wrong any more".into());
        self.net.network.weather = Weather {
            patience,
            ..Weather::fair(self.plan.weather.window)
        };
        self.net
            .agenda
            .cancel(|it| matches!(it, Happening::Chaos(chaos) if *chaos != Chaos::Restart));
        if self.server.hub().is_some() {
            self.net.network.set_door(SERVER, Door::Open);
        }
        let everybody = (0..self.readers.len()).map(Who::Subscriber);
        for who in everybody.chain([Who::Server, Who::Publisher]) {
            self.with_clock(who, Clock::run);
        }
        self.readers.iter_mut().flatten().for_each(Reader::hurry);
        self.net.agenda.after(RECOVERY, Happening::Finale);
    }

    /// Everybody does what can be done, and what holds at any time is looked at.
    fn settle(&mut self) {
        let Self {
            net,
            ledger,
            server,
            source,
            ..
        } = self;
        server.settle(None, net, ledger);
        source.settle(net, ledger);
        server.check(net, ledger);
    }

    /// Nobody waits for longer than it may.
    fn check_deadlines(&self, at: Duration) {
        let Some(closed_at) = self.source.closed_at() else {
            return;
        };
        let is_over = self.source.machine.is_over();
        assert!(
            is_over || at <= closed_at + CLOSING,
            "the publisher closes for ever"
        );
        assert!(
            at <= closed_at + CLOSING + ENDING,
            "a subscriber waits for ever"
        );
    }

    /// Lets what is under way come to its end, and looks at what everybody got.
    fn judge(mut self) {
        let end = self.net.now() + judge::REST;
        self.source.client().drop_all(&mut self.net);
        while self.net.agenda.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        let Self {
            plan,
            net,
            server,
            source,
            readers,
            finale,
            ..
        } = &self;
        source.check_fates();
        judge::judge_rest(server, net);
        judge::judge_rough(plan, source, readers);
        let is_over = source.closed_at().is_some();
        judge::judge_ends(server, source, readers, is_over);
        if let Some(finale) = finale {
            finale.judge(plan, &source.told, readers);
        }
    }
}
