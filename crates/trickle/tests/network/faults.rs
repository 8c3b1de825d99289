//! What goes wrong in a run: a plan that its seed makes, of one of four kinds.

use std::{ops::Range, time::Duration};

use framerill_sim::network::{Break, Door, Weather};
use framerill_trickle::{
    publisher::{self, Backpressure, Start},
    relay,
    subscriber::{self, Join},
    wire::Seq,
};

use crate::net::Dice;

/// Which faults a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Nothing is lost: long delays, requests that overtake each other, slow readers, little room.
    Rough,
    /// Connections are refused, not heard, break and hang.
    Losses,
    /// The server and the publisher die and begin anew.
    Restarts,
    /// Clocks jump and stand still, and the server is out of reach for a while.
    Clocks,
}

/// Something that goes wrong at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chaos {
    /// The server is gone; it is back after this time.
    Crash(Break, Duration),
    Restart,
    /// The server lets nobody in, or lets them in again. Connections that it has go on.
    Doors(Door),
    /// Every connection of the server breaks.
    Cut(Break),
    /// A clock goes forward at once.
    Jump(Who, Duration),
    /// A clock stands still.
    Halt(Who),
    /// It runs again.
    Run(Who),
    /// The publisher is gone, and another one takes its place.
    PublisherDies(Break),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Server,
    Publisher,
    Subscriber(usize),
}

/// One subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) config: subscriber::Config,
    pub(crate) joins: Duration,
    /// It goes without a word.
    pub(crate) leaves: Option<Duration>,
    /// How often its caller does not come back at once after an event; 0 is never.
    pub(crate) slow: u64,
    /// For how long, in milliseconds.
    pub(crate) pause: Range<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mix: Mix,
    pub(crate) weather: Weather,
    /// How long the faults last.
    pub(crate) storm: Duration,
    pub(crate) chaos: Vec<(Duration, Chaos)>,
    pub(crate) guests: Vec<Guest>,
    pub(crate) publisher: publisher::Config,
    pub(crate) relay: relay::Config,
    /// Segments of the caller while the faults last.
    pub(crate) segments: u32,
    /// Bytes of its largest segment, and of its largest write.
    pub(crate) largest: u64,
    pub(crate) largest_write: u64,
    /// How often it gives a segment up; 0 is never.
    pub(crate) abandons: u64,
}

impl Plan {
    pub(crate) fn new(mix: Mix, dice: &mut Dice) -> Self {
        let storm = dice.millis(10_000..40_000);
        let largest = dice.pick(&[100, 1500, 4000]);
        let mut plan = Self {
            mix,
            weather: weather(mix, largest, dice),
            storm,
            chaos: Vec::new(),
            guests: Vec::new(),
            publisher: publisher_config(mix, dice),
            relay: relay::Config {
                autocreate: true,
                ..relay::Config::default()
            },
            segments: 4 + u32::try_from(dice.below(12)).unwrap(),
            largest,
            largest_write: largest / dice.pick(&[2, 6, 12]),
            abandons: if mix == Mix::Rough {
                0
            } else {
                dice.pick(&[0, 15])
            },
        };
        plan.guests = (0..1 + dice.below(4)).map(|_| guest(storm, dice)).collect();
        match mix {
            Mix::Rough => {}
            Mix::Losses => plan.add(dice, 2, |dice| Chaos::Cut(any_break(dice))),
            Mix::Restarts => {
                plan.add(dice, 2, |dice| {
                    Chaos::Crash(any_break(dice), dice.millis(0..9_000))
                });
                plan.add(dice, 2, |dice| Chaos::PublisherDies(any_break(dice)));
            }
            Mix::Clocks => plan.clocks(dice),
        }
        plan
    }

    /// Up to `most` faults at any times.
    fn add(&mut self, dice: &mut Dice, most: u64, fault: impl Fn(&mut Dice) -> Chaos) {
        for _ in 0..=dice.below(most) {
            let at = self.any_time(dice);
            let fault = fault(dice);
            self.chaos.push((at, fault));
        }
    }

    fn clocks(&mut self, dice: &mut Dice) {
        for _ in 0..1 + dice.below(4) {
            let guest = dice.up_to(self.guests.len());
            let who = dice.pick(&[Who::Server, Who::Publisher, Who::Subscriber(guest)]);
            let at = self.any_time(dice);
            if dice.one_in(3) {
                let until = at + dice.millis(100..15_000);
                self.chaos.push((at, Chaos::Halt(who)));
                self.chaos.push((until, Chaos::Run(who)));
            } else {
                let by = dice.pick(&[100, 1_000, 10_000, 25_000, 61_000]);
                let by = dice.millis(1..by * 3 / 2);
                self.chaos.push((at, Chaos::Jump(who, by)));
            }
        }
        if dice.one_in(2) {
            let at = self.any_time(dice);
            let door = dice.pick(&[Door::Shut, Door::Mute]);
            self.chaos.push((at, Chaos::Doors(door)));
            let until = at + dice.millis(100..12_000);
            self.chaos.push((until, Chaos::Doors(Door::Open)));
        }
    }

    fn any_time(&self, dice: &mut Dice) -> Duration {
        self.storm / 1000 * u32::try_from(dice.below(1000)).unwrap()
    }
}

pub(crate) fn any_break(dice: &mut Dice) -> Break {
    dice.pick(&[Break::Seen, Break::HalfSeen, Break::Unseen])
}

fn weather(mix: Mix, largest: u64, dice: &mut Dice) -> Weather {
    let largest = usize::try_from(largest).unwrap();
    let fair = Weather::fair(dice.pick(&[80 + largest / 12, largest, 60_000]));
    let slowest = dice.pick(&[1, 10, 200]);
    let fair = Weather {
        delay: Duration::from_micros(50)..Duration::from_millis(slowest * 2),
        late: dice.pick(&[0, 10, 50]),
        lateness: Duration::from_millis(20)..Duration::from_millis(3_000),
        patience: dice.millis(20_000..60_000),
        ..fair
    };
    let odds = |dice: &mut Dice| dice.pick(&[0, 5, 40]);
    match mix {
        Mix::Rough => fair,
        Mix::Losses => Weather {
            refused: odds(dice),
            unheard: odds(dice),
            broken: dice.pick(&[0, 20, 100, 400]),
            mortal: dice.pick(&[0, 2, 10]),
            life: dice.millis(100..8_000),
            ..fair
        },
        Mix::Restarts | Mix::Clocks => Weather {
            refused: dice.pick(&[0, 40]),
            unheard: dice.pick(&[0, 40]),
            mortal: dice.pick(&[0, 20]),
            life: Duration::from_secs(5),
            ..fair
        },
    }
}

fn publisher_config(mix: Mix, dice: &mut Dice) -> publisher::Config {
    let policies = [
        Backpressure::Block,
        Backpressure::DropOldest,
        Backpressure::DropNewest,
        Backpressure::LatestOnly,
    ];
    let is_rough = mix == Mix::Rough;
    publisher::Config {
        start: match dice.one_in(3) {
            true => Start::Upcoming,
            false => Start::At(Seq::ZERO),
        },
        create: is_rough || mix == Mix::Restarts || dice.one_in(2),
        reset: dice.one_in(2),
        backpressure: match is_rough {
            true => Backpressure::Block,
            false => dice.pick(&policies),
        },
        buffer_bytes: dice.pick(&[1_000, 8_000, 100_000]),
        buffer_segments: dice.pick(&[2, 4, 16]),
        ..publisher::Config::default()
    }
}

fn guest(storm: Duration, dice: &mut Dice) -> Guest {
    let join = match dice.below(4) {
        0 => Join::Live,
        1 => Join::Newest,
        _ => Join::At(Seq::ZERO),
    };
    let late = dice.millis(0..u64::try_from(storm.as_millis()).unwrap());
    let joins = match dice.one_in(2) {
        true => dice.millis(0..500),
        false => late,
    };
    Guest {
        config: subscriber::Config {
            join,
            absence: Duration::from_secs(60),
            ..subscriber::Config::default()
        },
        joins,
        leaves: dice.one_in(6).then(|| joins + dice.millis(0..10_000)),
        slow: dice.pick(&[0, 0, 5, 30]),
        pause: 1..dice.pick(&[50, 1_000, 15_000]),
    }
}
