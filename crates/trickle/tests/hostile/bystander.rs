//! A publisher and a subscriber who go on while others misbehave, and whether they noticed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::wire::{Raw, chunked, get, now};

const PIECES: usize = 4;
const PIECE_BYTES: usize = 8 * 1024;
/// A short pause between segments, so that they take the machine no time.
const PACE: Duration = Duration::from_millis(2);
/// From the last byte of a segment to its reader. Generous, because tests share the machine.
const LATE: Duration = Duration::from_secs(5);

/// A pair that goes on until it is asked how it was.
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

struct Seen {
    /// Segments, or pieces of the one there is.
    pieces: usize,
    slowest: Duration,
}

impl Bystander {
    /// Both on connections of their own, each with the next segment prepared while the present one is on its way.
    pub(crate) fn start(addr: SocketAddr) -> Self {
        Self::go(addr, segments)
    }

    /// Both in one segment that goes on and on, so that no connection of theirs is ever idle: one that is may be closed
    /// for another.
    pub(crate) fn in_one_segment(addr: SocketAddr) -> Self {
        Self::go(addr, one_segment)
    }

    fn go(addr: SocketAddr, live: fn(SocketAddr, &AtomicBool, &AtomicBool) -> Seen) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(AtomicBool::new(false));
        let (asked, ready) = (stop.clone(), seen.clone());
        let thread = thread::spawn(move || live(addr, &asked, &ready));
        let bystander = Self {
            stop,
            seen,
            thread: Some(thread),
        };
        crate::wire::eventually("a first segment", || bystander.seen.load(Relaxed));
        bystander
    }

    /// Nothing was lost, refused or late.
    pub(crate) fn ends_well(mut self) {
        self.stop.store(true, Relaxed);
        let seen = self.thread.take().unwrap().join().unwrap();
        println!(
            "bystander: {} times, the slowest took {:?}",
            seen.pieces, seen.slowest
        );
        assert!(seen.pieces > 1);
        assert!(seen.slowest < LATE, "{:?}", seen.slowest);
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn segments(addr: SocketAddr, stop: &AtomicBool, ready: &AtomicBool) -> Seen {
    let mut publishers = [Raw::connect(addr), Raw::connect(addr)];
    let mut readers = [Raw::connect(addr), Raw::connect(addr)];
    let prepare = |publisher: &mut Raw, reader: &mut Raw, number: usize| {
        let path = format!("/bystander/{number}");
        publisher.send(&chunked(&path, "Expect: 100-continue\r\n"));
        // The channel is there, so the reader has something to wait for.
        assert_eq!(publisher.head().status, 100);
        reader.send(&get(&path));
    };
    prepare(&mut publishers[0], &mut readers[0], 0);
    let mut seen = Seen {
        pieces: 0,
        slowest: Duration::ZERO,
    };
    while !stop.load(Relaxed) {
        let number = seen.pieces;
        let (present, next) = (number % 2, (number + 1) % 2);
        let began = now();
        let mut all = String::new();
        for piece in 0..PIECES {
            let text = format!("{number}:{piece}:").repeat(PIECE_BYTES / 8);
            publishers[present].chunk(&text);
            all.push_str(&text);
        }
        prepare(&mut publishers[next], &mut readers[next], number + 1);
        publishers[present].last_chunk();
        let read = readers[present].answer();
        assert_eq!((read.status, read.seq()), (200, Some(&*number.to_string())));
        assert!(read.body == all, "segment {number} is another one");
        assert_eq!(publishers[present].answer().status, 200);
        seen.slowest = seen.slowest.max(now() - began);
        seen.pieces += 1;
        ready.store(true, Relaxed);
        thread::park_timeout(PACE);
    }
    seen
}

fn one_segment(addr: SocketAddr, stop: &AtomicBool, ready: &AtomicBool) -> Seen {
    let (mut publisher, mut reader) = (Raw::connect(addr), Raw::connect(addr));
    publisher.send(&chunked("/bystander/0", "Expect: 100-continue\r\n"));
    assert_eq!(publisher.head().status, 100);
    reader.send(&get("/bystander/0"));
    let mut seen = Seen {
        pieces: 0,
        slowest: Duration::ZERO,
    };
    while !stop.load(Relaxed) {
        let began = now();
        let text = format!("{}:", seen.pieces).repeat(100);
        publisher.chunk(&text);
        if seen.pieces == 0 {
            assert_eq!(reader.final_head().status, 200);
        }
        assert_eq!(reader.read_bytes(text.len()), text);
        seen.slowest = seen.slowest.max(now() - began);
        seen.pieces += 1;
        ready.store(true, Relaxed);
        thread::park_timeout(PACE);
    }
    publisher.last_chunk();
    assert_eq!(publisher.answer().status, 200);
    assert_eq!(reader.rest(), "");
    seen
}
