//! Every interleaving of a slot's writer and readers, by loom: no reader sees a picture half written,
//! no writer gets a slot that is read, and every slot is free in the end.

use std::sync::atomic::Ordering;

use framerill_frames::{AtomicCount, LeaseCount};
use loom::{cell::UnsafeCell, sync::Arc, sync::atomic::AtomicU32, thread};

struct Modelled(AtomicU32);

impl AtomicCount for Modelled {
    fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }
    fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order);
    }
    fn compare_exchange(&self, from: u32, to: u32, ok: Ordering, no: Ordering) -> Result<u32, u32> {
        self.0.compare_exchange(from, to, ok, no)
    }
    fn fetch_sub(&self, value: u32, order: Ordering) -> u32 {
        self.0.fetch_sub(value, order)
    }
}

struct Slot {
    count: LeaseCount<Modelled>,
    picture: UnsafeCell<u32>,
}

impl Slot {
    fn read(&self) -> u32 {
        // loom reports a race when a write is under way.
        self.picture.with(read)
    }

    fn write(&self, value: u32) {
        self.picture.with_mut(|picture| write(picture, value));
    }
}

#[expect(
    unsafe_code,
    reason = "loom's cell hands out pointers and checks each access"
)]
fn read(picture: *const u32) -> u32 {
    // SAFETY: loom gives a valid pointer and fails the test when this access races.
    unsafe { *picture }
}

#[expect(
    unsafe_code,
    reason = "loom's cell hands out pointers and checks each access"
)]
fn write(picture: *mut u32, value: u32) {
    // SAFETY: loom gives a valid pointer and fails the test when this access races.
    unsafe { *picture = value }
}

fn slot() -> Arc<Slot> {
    Arc::new(Slot {
        count: LeaseCount::default(),
        picture: UnsafeCell::new(0),
    })
}

#[test]
fn a_writer_never_gets_a_slot_that_is_read() {
    loom::model(|| {
        let slot = slot();
        assert!(slot.count.loan());
        slot.write(1);
        slot.count.publish();
        assert!(slot.count.acquire());
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || {
                    assert_eq!(slot.read(), 1);
                    slot.count.release();
                })
            })
            .collect();
        if slot.count.loan() {
            slot.write(2);
            slot.count.abandon();
        }
        for reader in readers {
            reader.join().unwrap();
        }
        assert!(slot.count.is_free());
    });
}

#[test]
fn a_reader_that_comes_by_itself_sees_a_whole_picture_or_nothing() {
    loom::model(|| {
        let slot = slot();
        let reader = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                if slot.count.acquire() {
                    assert_eq!(slot.read(), 7);
                    slot.count.release();
                }
            })
        };
        assert!(slot.count.loan());
        slot.write(7);
        slot.count.publish();
        slot.count.release();
        reader.join().unwrap();
        assert!(slot.count.is_free());
    });
}

#[test]
fn of_two_writers_one_gets_the_slot() {
    loom::model(|| {
        let slot = slot();
        let other = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                let got = slot.count.loan();
                if got {
                    slot.write(1);
                    slot.count.abandon();
                }
                got
            })
        };
        let got = slot.count.loan();
        if got {
            slot.write(2);
            slot.count.abandon();
        }
        assert!(got | other.join().unwrap());
    });
}
