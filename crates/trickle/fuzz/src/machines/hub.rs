//! A hub and its outsiders: what it counts is what there is, its bounds hold, and nothing stays behind.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framerill_trickle::relay::gate::{Begins, Get, Post, PostRequest};
use framerill_trickle::relay::{Append, Caller, Config, Hub, ReadStep, Reader, Writer};
use framerill_trickle::wire::{Headers, Wanted};

use super::STEPS;
use super::choices::Choices;

const NAMES: [&str; 8] = ["a", "b", "c", "_d", "ü/\"", "_changes", "", "far too long"];
const WORDS: [&str; 10] = [
    "-1",
    "-2",
    "0",
    "+3",
    "007",
    "next",
    "",
    "-5",
    "9223372036854775807",
    "9223372036854775808",
];
const LATER: [u64; 4] = [1, 900, 4_000, 70_000];

struct World {
    hub: Hub,
    now: Instant,
    headers: Headers,
    readers: BTreeMap<u64, Reader>,
    writers: BTreeMap<u64, Writer>,
    keys: u64,
    /// Names that were answered as created and not as deleted, swept ones included.
    names: BTreeSet<&'static str>,
}

pub(super) fn run(choices: &mut Choices<'_>) {
    let mut world = World::new(choices.flag(), choices.flag());
    for _ in 0..STEPS {
        if choices.is_empty() {
            break;
        }
        world.step(choices);
        world.check();
    }
    world.end();
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "driver: any instant will do to begin at"
    )]
    fn new(autocreate: bool, changefeed: bool) -> Self {
        let mut config = Config {
            autocreate,
            changefeed,
            ..Config::default()
        };
        config.limits.channels = 4;
        config.limits.name_bytes = 8;
        config.limits.readers = 3;
        config.limits.writers = 3;
        config.limits.segment_bytes = 300;
        config.limits.held_bytes = 900;
        let now = Instant::now();
        Self {
            hub: Hub::new(now, config),
            now,
            headers: Headers::default(),
            readers: BTreeMap::new(),
            writers: BTreeMap::new(),
            keys: 0,
            names: BTreeSet::new(),
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let name = choices.pick(&NAMES);
        let headers = self.headers.clone();
        let caller = Caller {
            channel: name,
            headers: &headers,
            peer: None,
        };
        match choices.below(16) {
            0 => self.create(name),
            1 => {
                if self
                    .hub
                    .post_channel(self.now, &caller, Some("x/y"))
                    .is_ok()
                {
                    assert!(self.hub.has(name));
                    self.names.insert(name);
                }
            }
            2 => {
                let had = self.hub.has(name);
                if self.hub.delete_channel(self.now, &caller).is_ok() {
                    assert!(had && !self.hub.has(name));
                    self.names.remove(name);
                }
            }
            3 => {
                let next = self.hub.get_next(&caller);
                assert_eq!(next.is_ok(), self.hub.has(name));
            }
            4 => {
                let closed = self.hub.delete_segment(&caller, &number(choices));
                assert!(closed.is_err() || self.hub.has(name));
            }
            5..=6 => self.get(choices, &caller),
            7..=8 => self.post(choices, &caller, name),
            9..=10 => self.append(choices),
            11 => self.finish(choices),
            12..=13 => self.read(choices),
            14 => {
                if let Some(key) = choices.one(self.readers.keys().copied()) {
                    self.readers.remove(&key);
                }
            }
            _ => self.pass(choices),
        }
    }

    fn create(&mut self, name: &'static str) {
        if self.hub.create(self.now, name, None).is_ok() {
            assert!(self.hub.has(name));
            self.names.insert(name);
        } else {
            assert!(!self.hub.has(name));
        }
    }

    fn get(&mut self, choices: &mut Choices<'_>, caller: &Caller<'_>) {
        let text = number(choices);
        match self.hub.get(self.now, caller, &text) {
            Get::Reading(reader) => {
                self.keys += 1;
                self.readers.insert(self.keys, reader);
            }
            Get::Missing { latest, .. } => {
                // Who goes where the answer says can wait there, if there is room.
                match self.hub.get(self.now, caller, &latest.to_string()) {
                    Get::Reading(_) => {}
                    Get::No(no) => assert_eq!(no.status, 503),
                    Get::Missing { .. } | Get::Over { .. } => panic!("a hint into nothing"),
                }
            }
            Get::Over { .. } => panic!("channels that are over are not found"),
            Get::No(no) => {
                assert!(matches!(no.status, 400 | 404 | 503));
                assert!(no.status != 503 || self.readers.len() >= 3);
                assert!(no.status != 404 || !self.hub.has(caller.channel));
                assert!(no.status != 400 || Wanted::parse_read(&text).is_none());
            }
        }
    }

    fn post(&mut self, choices: &mut Choices<'_>, caller: &Caller<'_>, name: &'static str) {
        let had = self.hub.has(name);
        let seq = number(choices);
        let request = PostRequest {
            seq: &seq,
            mime: None,
            reset: choices.below(8) == 7,
            begins: choices.pick(&[Begins::Now, Begins::Later, Begins::Never]),
        };
        match self.hub.post(self.now, caller, &request) {
            Post::Writing(writer) => {
                assert!(had || request.begins != Begins::Never);
                self.keys += 1;
                self.writers.insert(self.keys, writer);
                self.names.insert(name);
            }
            Post::Dropped(_) => assert!(had),
            Post::Over(_) => panic!("channels that are over are not found"),
            Post::AskAgain => assert!(!had && request.begins == Begins::Later),
            Post::No(no) => {
                assert!(matches!(no.status, 400 | 403 | 404 | 414 | 503));
                if !had && self.hub.has(name) {
                    self.names.insert(name);
                }
            }
        }
    }

    fn append(&mut self, choices: &mut Choices<'_>) {
        let Some(key) = choices.one(self.writers.keys().copied()) else {
            return;
        };
        let size = usize::from(choices.byte());
        let Some(writer) = self.writers.get_mut(&key) else {
            return;
        };
        let before = self.hub.stats();
        let append = writer.append(self.now, Bytes::from(vec![7; size]));
        let after = self.hub.stats();
        let stored = after.held_bytes - before.held_bytes;
        match append {
            Append::Stored => assert_eq!(stored, size as u64),
            Append::Dropped | Append::Over | Append::TooLarge | Append::Full => {
                assert_eq!(stored, 0);
            }
        }
    }

    fn finish(&mut self, choices: &mut Choices<'_>) {
        let key = choices.one(self.writers.keys().copied());
        let Some(writer) = key.and_then(|key| self.writers.remove(&key)) else {
            return;
        };
        match choices.below(4) {
            0 | 1 => {
                writer.finish(self.now);
            }
            2 => writer.abandon(self.now),
            _ => drop(writer),
        }
    }

    fn read(&mut self, choices: &mut Choices<'_>) {
        let Some(key) = choices.one(self.readers.keys().copied()) else {
            return;
        };
        let most = usize::from(choices.byte());
        let Some(reader) = self.readers.get_mut(&key) else {
            return;
        };
        let mut out = Vec::new();
        let step = reader.read(self.now, Waker::noop(), most, &mut out);
        let size: usize = out.iter().map(Bytes::len).sum();
        assert!(size <= most);
        if step == ReadStep::End || step == ReadStep::Wait {
            assert_eq!(size, 0);
        }
        let head = reader.head();
        assert!(head.mime.is_none_or(|mime| !mime.is_empty()));
        if step == ReadStep::End {
            self.readers.remove(&key);
        }
    }

    fn pass(&mut self, choices: &mut Choices<'_>) {
        self.now += Duration::from_millis(choices.pick(&LATER));
        self.hub.tick(self.now);
        let due = self.hub.due(Waker::noop());
        assert!(
            due.is_none_or(|due| due > self.now),
            "something is still due"
        );
        if choices.flag() {
            self.hub.sweep(self.now);
            self.names.retain(|name| self.hub.has(name));
        }
    }

    fn check(&self) {
        let (stats, limits) = (self.hub.stats(), &self.hub.config().limits);
        assert_eq!(stats.readers, self.readers.len() as u64);
        assert_eq!(stats.writers, self.writers.len() as u64);
        assert!(stats.held_bytes <= limits.held_bytes);
        assert!(stats.channels <= limits.channels as u64);
        let own = usize::from(self.hub.config().changefeed && !self.names.contains("_changes"));
        assert_eq!(stats.channels, (self.names.len() + own) as u64);
        for name in &self.names {
            assert!(self.hub.has(name), "{name} is gone");
        }
    }

    /// Whoever holds on to something outlives the hub, and what they held is given back.
    fn end(mut self) {
        self.hub.stop();
        assert_eq!(self.hub.stats().channels, 0);
        self.create("a");
        assert!(!self.hub.has("a"));
        for (_, mut writer) in std::mem::take(&mut self.writers) {
            let appended = writer.append(self.now, Bytes::from_static(b"late"));
            assert_eq!(appended, Append::Over);
            writer.finish(self.now);
        }
        for (_, mut reader) in std::mem::take(&mut self.readers) {
            for _ in 0..400 {
                let step = reader.read(self.now, Waker::noop(), 64, &mut Vec::new());
                assert_ne!(step, ReadStep::Wait, "a reader waits for ever");
            }
            assert_eq!(
                reader.read(self.now, Waker::noop(), 64, &mut Vec::new()),
                ReadStep::End
            );
        }
        let stats = self.hub.stats();
        assert_eq!((stats.readers, stats.writers, stats.held_bytes), (0, 0, 0));
    }
}

/// What stands in the place of a number.
fn number(choices: &mut Choices<'_>) -> String {
    match choices.below(3) {
        0 => choices.pick(&WORDS).to_owned(),
        _ => choices.seq().to_string(),
    }
}
