//! A channel and everybody at it: whatever they do, in whatever order, the window stays small, `next` follows its rule,
//! readers see every byte once and in order, and nobody who waits is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framerill_trickle::relay::Config;
use framerill_trickle::relay::channel::{Append, Attach, Channel, Open, ReadStep, Standing};
use framerill_trickle::wire::{Seq, Wanted};

/// One thing that somebody does. Who does it is picked by a number among those who are there.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Attach(Wanted),
    Read(usize, usize),
    Detach(usize),
    Open(Wanted, bool),
    Append(usize, u16),
    Finish(usize),
    Abandon(usize),
    CloseSegment(u64),
    Pass(u64),
    End,
}

#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

#[derive(Default)]
struct Reader {
    seq: u64,
    bytes: Vec<u8>,
    parked: Option<Arc<Bell>>,
    ended: bool,
}

struct Writer {
    seq: u64,
    wrote: bool,
    parked: Option<Arc<Bell>>,
}

pub(crate) struct World {
    channel: Channel,
    now: Instant,
    grace: Duration,
    next: u64,
    readers: BTreeMap<usize, Reader>,
    writers: BTreeMap<usize, Writer>,
    /// Records that were stored under each number.
    stored: HashMap<u64, u16>,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "driver: any instant will do to begin at"
    )]
    pub(crate) fn new() -> Self {
        let (now, config) = (Instant::now(), Config::default());
        Self {
            channel: Channel::new(now, None, &config),
            now,
            grace: config.grace,
            next: 0,
            readers: BTreeMap::new(),
            writers: BTreeMap::new(),
            stored: HashMap::new(),
        }
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        let pick = |keys: Vec<usize>, at: &usize| keys.get(at % keys.len().max(1)).copied();
        let reader = |world: &Self, at| pick(world.readers.keys().copied().collect(), at);
        let writer = |world: &Self, at| pick(world.writers.keys().copied().collect(), at);
        let may_lower = match step {
            Step::Attach(wanted) => self.attach(*wanted),
            Step::Read(at, bytes) => reader(self, at).is_some_and(|key| self.read(key, *bytes)),
            Step::Detach(at) => reader(self, at).is_some_and(|key| self.detach(key)),
            Step::Open(wanted, reset) => self.open(*wanted, *reset),
            Step::Append(at, records) => {
                writer(self, at).is_some_and(|key| self.append(key, *records))
            }
            Step::Finish(at) => writer(self, at).is_some_and(|key| self.finish(key)),
            Step::Abandon(at) => writer(self, at).is_some_and(|key| self.abandon(key)),
            Step::CloseSegment(seq) => {
                let seq = Seq::new(*seq).unwrap();
                assert_eq!(
                    self.channel.close_segment(seq),
                    self.channel.window().contains(&seq)
                );
                true
            }
            Step::Pass(seconds) => self.pass(*seconds),
            Step::End => {
                self.channel.end();
                assert!(self.channel.window().is_empty());
                false
            }
        };
        self.channel.take_woken().into_iter().for_each(Waker::wake);
        self.check(may_lower);
    }

    fn attach(&mut self, wanted: Wanted) -> bool {
        let over = self.channel.is_closed();
        match self.channel.attach(self.now, wanted) {
            Attach::Reading(key) => {
                let seq = self.channel.read_head(key).seq.get();
                self.readers.insert(
                    key,
                    Reader {
                        seq,
                        ..Reader::default()
                    },
                );
                assert!(!over);
            }
            Attach::Missing { latest, .. } => {
                // Who goes where the answer says can wait there.
                let attached = self.channel.attach(self.now, Wanted::Exact(latest));
                let Attach::Reading(key) = attached else {
                    panic!("{latest} cannot be waited for")
                };
                self.readers.insert(
                    key,
                    Reader {
                        seq: latest.get(),
                        ..Reader::default()
                    },
                );
            }
            Attach::Over { .. } => assert!(over),
            Attach::TooMany => panic!("too many"),
        }
        false
    }

    fn read(&mut self, key: usize, max_bytes: usize) -> bool {
        let reader = self.readers.get_mut(&key).unwrap();
        let bell = Arc::new(Bell::default());
        let mut out = Vec::new();
        let step = self.channel.read(
            self.now,
            key,
            &Waker::from(bell.clone()),
            max_bytes,
            &mut out,
        );
        reader.bytes.extend(out.concat());
        reader.parked = (step == ReadStep::Wait).then_some(bell);
        assert!(!reader.ended || step == ReadStep::End);
        reader.ended |= matches!(step, ReadStep::End | ReadStep::Bytes { end: true });
        let numbers: Vec<(u16, u16)> = reader.bytes.chunks_exact(4).map(record).collect();
        let tag = u16::try_from(reader.seq % 1000).unwrap();
        assert!(
            numbers.iter().all(|(seq, _)| *seq == tag),
            "bytes of another segment"
        );
        assert!(
            numbers.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1),
            "a gap or a repetition"
        );
        false
    }

    fn detach(&mut self, key: usize) -> bool {
        self.channel.detach(key);
        self.readers.remove(&key);
        false
    }

    fn open(&mut self, wanted: Wanted, reset: bool) -> bool {
        match self.channel.open(self.now, wanted, reset) {
            Open::Writing { writer, seq } => {
                self.writers.insert(
                    writer,
                    Writer {
                        seq: seq.get(),
                        wrote: false,
                        parked: None,
                    },
                );
            }
            Open::Over(_) => assert!(self.channel.is_closed()),
            Open::NoNumber | Open::Dropped(_) | Open::TooMany => {}
        }
        false
    }

    fn append(&mut self, key: usize, records: u16) -> bool {
        let writer = self.writers.get_mut(&key).unwrap();
        let count = self.stored.entry(writer.seq).or_default();
        let tag = u16::try_from(writer.seq % 1000).unwrap();
        let bytes: Vec<u8> = (0..records)
            .flat_map(|at| [tag.to_be_bytes(), (*count + at).to_be_bytes()].concat())
            .collect();
        match self.channel.append(self.now, key, Bytes::from(bytes)) {
            Append::Stored => {
                *count += records;
                writer.wrote |= records > 0;
            }
            Append::Over => assert!(self.channel.is_closed()),
            Append::Dropped => {}
            Append::TooLarge | Append::Full => panic!("no limit is near"),
        }
        true
    }

    fn finish(&mut self, key: usize) -> bool {
        let finish = self.channel.finish(self.now, key);
        let writer = self.writers.remove(&key).unwrap();
        assert_eq!(finish.empty, !writer.wrote);
        assert_eq!(finish.over, self.channel.is_closed());
        true
    }

    fn abandon(&mut self, key: usize) -> bool {
        self.channel.abandon(self.now, key);
        self.writers.remove(&key);
        false
    }

    fn pass(&mut self, seconds: u64) -> bool {
        self.now += Duration::from_secs(seconds);
        let due = self.channel.due();
        assert!(due.is_none_or(|due| due <= self.now + self.grace));
        self.channel.tick(self.now);
        assert!(self.channel.due().is_none_or(|due| due > self.now));
        false
    }

    fn check(&mut self, may_lower: bool) {
        let window = self.channel.window();
        assert!(window.len() <= 5);
        let places: std::collections::BTreeSet<_> =
            window.iter().map(|seq| seq.get() % 5).collect();
        assert_eq!(places.len(), window.len());

        let next = self.channel.next().get();
        if next < self.next {
            // Only a write so far below that it is a restart lowers it, to the number after the one written.
            assert!(
                may_lower && next - 1 + 5 < self.next,
                "next went from {} to {next}",
                self.next
            );
        }
        self.next = next;

        // Who was told to wait and was not called has nothing to do.
        let parked =
            |bell: &Option<Arc<Bell>>| bell.as_ref().is_some_and(|bell| !bell.0.load(Relaxed));
        for (key, reader) in &self.readers {
            if parked(&reader.parked) {
                let waker = Waker::from(reader.parked.clone().unwrap());
                let step = self
                    .channel
                    .read(self.now, *key, &waker, 0, &mut Vec::new());
                assert_eq!(step, ReadStep::Wait, "a reader was forgotten");
            }
        }
        for (key, writer) in &mut self.writers {
            if parked(&writer.parked) {
                let waker = Waker::from(writer.parked.clone().unwrap());
                assert_eq!(
                    self.channel.standing(*key, &waker),
                    Standing::Open,
                    "a writer was forgotten"
                );
            } else {
                let bell = Arc::new(Bell::default());
                if self.channel.standing(*key, &Waker::from(bell.clone())) == Standing::Open {
                    writer.parked = Some(bell);
                }
            }
        }
    }

    /// At the end of the channel nobody waits, and everybody has what there was.
    pub(crate) fn end(&mut self) {
        self.apply(&Step::End);
        for key in self.readers.keys().copied().collect::<Vec<_>>() {
            for _ in 0..1000 {
                self.read(key, 64);
            }
            assert!(self.readers[&key].ended);
            self.detach(key);
        }
        for key in self.writers.keys().copied().collect::<Vec<_>>() {
            assert_eq!(self.channel.standing(key, Waker::noop()), Standing::Over);
            self.finish(key);
        }
    }
}

fn record(bytes: &[u8]) -> (u16, u16) {
    (
        u16::from_be_bytes([bytes[0], bytes[1]]),
        u16::from_be_bytes([bytes[2], bytes[3]]),
    )
}
