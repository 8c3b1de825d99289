use super::*;
use crate::for_each_seed;

const SECOND: Duration = Duration::from_secs(1);
const CLIENT: Node = Node(0);
const SERVER: Node = Node(1);

/// A network and the notices that came of it.
struct Rig {
    network: Network<u32>,
    agenda: Agenda<Passing>,
    notices: Vec<(Duration, Notice)>,
}

impl Rig {
    fn new(weather: Weather, seed: u64) -> Self {
        Self {
            network: Network::new(weather, Random::new(seed)),
            agenda: Agenda::new(),
            notices: Vec::new(),
        }
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.agenda.now() + span;
        while self.agenda.next_at().is_some_and(|at| at <= end) {
            let Some(passing) = self.agenda.pop() else {
                break;
            };
            let notice = self.network.pass(passing, &mut self.agenda);
            self.notices
                .extend(notice.map(|notice| (self.agenda.now(), notice)));
        }
        self.agenda.advance(end);
    }

    fn connect(&mut self) -> Socket {
        self.network.connect(CLIENT, SERVER, &mut self.agenda)
    }

    /// A connection that is there, and its two ends.
    fn connected(&mut self) -> (Socket, Socket) {
        let socket = self.connect();
        self.run_for(SECOND);
        assert!(self.has(Notice::Connected(socket)));
        assert!(self.has(Notice::Incoming(SERVER, socket.peer())));
        (socket, socket.peer())
    }

    fn send(&mut self, from: Socket, value: u32) {
        self.network.send(from, value, 1, &mut self.agenda);
    }

    fn take(&mut self, to: Socket) -> Taken<u32> {
        self.network.take(to, &mut self.agenda)
    }

    fn has(&self, notice: Notice) -> bool {
        self.at(notice).is_some()
    }

    fn at(&self, notice: Notice) -> Option<Duration> {
        let found = self.notices.iter().find(|(_, it)| *it == notice);
        found.map(|(at, _)| *at)
    }
}

#[test]
fn values_of_one_connection_keep_their_order_and_those_of_others_overtake_them() {
    let mut rig = Rig::new(Weather::fair(1000), 1);
    let pairs: Vec<_> = (0..8).map(|_| rig.connected()).collect();
    rig.notices.clear();
    for value in 0..50 {
        for (caller, _) in &pairs {
            rig.send(*caller, value);
        }
    }
    rig.run_for(SECOND);
    for (_, listener) in &pairs {
        let taken: Vec<_> = (0..50).map(|_| rig.take(*listener)).collect();
        let sent: Vec<_> = (0..50).map(Taken::Value).collect();
        assert_eq!(taken, sent);
    }
    let first: Vec<_> = pairs
        .iter()
        .map(|(_, listener)| rig.at(Notice::Readable(*listener)))
        .collect();
    assert!(!first.is_sorted(), "the first values overtake each other");
}

#[test]
fn who_sends_feels_a_peer_that_does_not_take() {
    let mut rig = Rig::new(Weather::fair(3), 2);
    let (caller, listener) = rig.connected();
    (0..3).for_each(|value| rig.send(caller, value));
    rig.run_for(SECOND * 100);
    assert_eq!(rig.network.room(caller, 1), 0);
    assert_eq!(rig.take(listener), Taken::Value(0));
    rig.run_for(SECOND);
    assert!(rig.has(Notice::Writable(caller)));
    assert_eq!(rig.network.room(caller, 1), 1);
}

#[test]
fn the_end_comes_behind_what_was_sent() {
    let mut rig = Rig::new(Weather::fair(10), 3);
    let (caller, listener) = rig.connected();
    rig.send(caller, 7);
    rig.network.close(caller, &mut rig.agenda);
    rig.run_for(SECOND);
    assert_eq!(rig.take(listener), Taken::Value(7));
    assert_eq!(rig.take(listener), Taken::End);
    rig.network.close(listener, &mut rig.agenda);
    assert_eq!(rig.network.open_count(), 0);
}

#[test]
fn who_sends_to_a_closed_end_is_told() {
    let mut rig = Rig::new(Weather::fair(2), 9);
    let (caller, listener) = rig.connected();
    rig.send(listener, 1);
    rig.send(caller, 7);
    rig.run_for(SECOND);
    rig.network.close(caller, &mut rig.agenda);
    rig.run_for(SECOND);
    assert_eq!(rig.take(listener), Taken::Value(7));
    assert_eq!(rig.take(listener), Taken::Broken);
    assert!(rig.has(Notice::Broken(listener)));
}

#[test]
fn a_half_open_connection_swallows_what_is_sent_until_patience_is_over() {
    let mut rig = Rig::new(Weather::fair(10), 4);
    let (caller, listener) = rig.connected();
    let broke = rig.agenda.now();
    rig.network
        .break_off(caller, Break::Unseen, &mut rig.agenda);
    rig.send(caller, 1);
    rig.run_for(SECOND * 59);
    assert_eq!(rig.take(listener), Taken::Nothing);
    assert!(!rig.has(Notice::Broken(caller)) && !rig.has(Notice::Broken(listener)));
    rig.run_for(SECOND * 2);
    for end in [caller, listener] {
        assert_eq!(rig.at(Notice::Broken(end)), Some(broke + SECOND * 60));
        assert_eq!(rig.take(end), Taken::Broken);
    }
}

#[test]
fn a_break_is_seen_by_both_ends_at_once_or_by_one_of_them_later() {
    for (how, seed) in [(Break::Seen, 5), (Break::HalfSeen, 6), (Break::HalfSeen, 7)] {
        let mut rig = Rig::new(Weather::fair(10), seed);
        let (caller, listener) = rig.connected();
        let broke = rig.agenda.now();
        rig.network.break_off(caller, how, &mut rig.agenda);
        rig.run_for(SECOND * 61);
        let mut seen = [caller, listener].map(|end| rig.at(Notice::Broken(end)).unwrap() - broke);
        seen.sort();
        assert_eq!(seen[0], Duration::ZERO);
        assert_eq!(seen[1].is_zero(), how == Break::Seen, "{seen:?}");
    }
}

#[test]
fn a_door_lets_in_or_refuses_or_does_not_hear() {
    let mut rig = Rig::new(Weather::fair(10), 8);
    rig.network.set_door(SERVER, Door::Shut);
    let refused = rig.connect();
    rig.network.set_door(SERVER, Door::Mute);
    rig.run_for(SECOND);
    assert!(!rig.has(Notice::Refused(refused)), "nobody heard it");
    rig.network.close(refused, &mut rig.agenda);
    rig.network.set_door(SERVER, Door::Shut);
    let refused = rig.connect();
    rig.run_for(SECOND);
    assert!(rig.has(Notice::Refused(refused)));
    rig.network.set_door(SERVER, Door::Open);
    rig.connected();
    assert_eq!(rig.network.open_count(), 1);
}

#[test]
fn whatever_breaks_what_arrives_is_a_beginning_of_what_was_sent_and_everyone_is_told() {
    for_each_seed(300, |seed, mut random| {
        let weather = Weather {
            late: 5,
            lateness: SECOND..SECOND * 3,
            refused: 10,
            unheard: 10,
            broken: 40,
            mortal: 3,
            life: SECOND * 4,
            ..Weather::fair(8)
        };
        let mut rig = Rig::new(weather, seed);
        let caller = rig.connect();
        let listener = caller.peer();
        let (mut sent, mut taken) = (0, 0);
        for turn in 0..200 {
            let is_last = turn == 199;
            rig.run_for(match is_last {
                true => SECOND * 100,
                false => random.duration(Duration::ZERO..SECOND / 4),
            });
            if !is_last && rig.network.room(caller, 1) > 0 {
                rig.send(caller, sent);
                sent += 1;
            }
            while let Taken::Value(value) = rig.take(listener) {
                assert_eq!(value, taken);
                taken += 1;
            }
        }
        let ends = [caller, listener];
        assert!(taken == sent || ends.map(|end| rig.has(Notice::Broken(end))) == [true; 2]);
    });
}

#[test]
fn a_seed_makes_the_same_weather_again() {
    let story = |seed| {
        let weather = Weather {
            refused: 3,
            mortal: 2,
            life: SECOND,
            ..Weather::fair(8)
        };
        let mut rig = Rig::new(weather, seed);
        for _ in 0..20 {
            rig.connect();
        }
        rig.run_for(SECOND * 100);
        rig.notices
    };
    assert_eq!(story(1), story(1));
    assert_ne!(story(1), story(2));
}
