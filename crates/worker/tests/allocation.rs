//! A frame's way to a Rust worker and back allocates nothing once it is warm.
//!
//! Counts every allocation of this process, in which both ends run: the worker on a thread of its own, and this test as its
//! media. Heartbeats allocate; over this many frames they are the few that are allowed.

use std::{os::fd::AsFd, thread, time::Duration};

use framerill_frames::{Descriptor, Geometry, Link, MessageType, Pool};
use framerill_media::{Caps, PixelFormat, Pts, Size, TimeBase};
use framerill_worker::{
    Channel,
    message::{FromChild, ToChild},
    runtime::run_on,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const WITHIN: Duration = Duration::from_secs(10);
const FRAMES: u64 = 5000;
/// Heartbeats come once a second and this takes less than a few.
const ALLOWED: u64 = 200;

fn round_trip(link: &Link, pool: &Pool, caps: Caps, id: u64) {
    let lease = pool.loan().expect("every slot comes back").publish();
    let pts = Pts(i64::try_from(id).expect("small"));
    let frame = Descriptor::frame(lease.slot(), caps, id, pts, TimeBase::MPEG);
    link.send(&frame, WITHIN).expect("the worker reads");
    let (mut answered, mut released) = (false, false);
    while !(answered && released) {
        let (message, _) = link.recv(None).expect("the worker answers");
        match message.message {
            MessageType::Frame => {
                answered = true;
                let back = Descriptor::release(message.slot);
                link.send(&back, WITHIN).expect("the worker reads");
            }
            _ => released = true,
        }
    }
}

fn wait_for(control: &Channel, fits: impl Fn(&FromChild) -> bool) {
    while !fits(
        &control
            .recv::<FromChild>(Some(WITHIN))
            .expect("the worker speaks")
            .0,
    ) {}
}

#[test]
fn a_frame_allocates_nothing_in_steady_state() {
    let (ours, theirs) = Channel::pair().expect("a socket pair");
    let worker = thread::spawn(move || run_on(theirs));
    let control = Channel::new(ours);
    let load = ToChild::Load {
        id: 1,
        pipeline: Some("invert".into()),
        params: serde_json::Map::new(),
        base: None,
        media: None,
        fds: 0,
    };
    control.send(&load, &[], WITHIN).expect("the worker reads");
    wait_for(&control, |message| {
        matches!(message, FromChild::Ready { .. })
    });

    let (near, far) = Link::pair().expect("a socket pair");
    let attach = ToChild::attach(2, "s", 1, 1);
    control
        .send(&attach, &[far.as_fd()], WITHIN)
        .expect("the worker reads");
    let link = Link::new(near);
    let caps = Caps::new(PixelFormat::Rgb24, Size::new(64, 64).expect("in range")).expect("fits");
    let pool = Pool::create(Geometry::for_pictures(4, caps.picture_bytes()).expect("in range"))
        .expect("memory");
    let geometry = pool.geometry();
    let offer = Descriptor::pool(geometry.slots, geometry.slot_bytes, caps);
    link.send_with(&offer, pool.fd()).expect("the worker reads");
    link.recv(Some(WITHIN)).expect("the worker lends its pool");
    wait_for(&control, |message| {
        matches!(message, FromChild::Attached { .. })
    });

    (0..500).for_each(|id| round_trip(&link, &pool, caps, id));
    let _profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get().total_blocks;
    (500..500 + FRAMES).for_each(|id| round_trip(&link, &pool, caps, id));
    let allocated = dhat::HeapStats::get().total_blocks - before;
    assert!(
        allocated < ALLOWED,
        "{allocated} allocations for {FRAMES} frames"
    );

    control
        .send(&ToChild::Bye, &[], WITHIN)
        .expect("the worker reads");
    assert_eq!(worker.join().expect("it ends"), 0);
}
