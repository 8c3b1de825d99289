//! What a worker owes to pictures, with the test as its media.

use std::{os::fd::AsFd, time::Duration};

use framerill_frames::{Descriptor, Geometry, Link, LinkError, MessageType, PeerPool, Pool};
use framerill_media::{Caps, PixelFormat, Pts, Size, TimeBase};
use framerill_tests::repository;
use framerill_worker::message::FromChild;
use serde_json::{Value, json};

use crate::child::{Kind, Running, SOON};

const WITHIN: Duration = Duration::from_secs(5);
const SLOTS: u32 = 6;

fn caps() -> Caps {
    Caps::new(PixelFormat::Rgb24, Size::new(32, 16).expect("in range")).expect("they fit")
}

/// The test's end of a frame link.
struct Media {
    link: Link,
    pool: Pool,
    peer: PeerPool,
}

impl Media {
    fn attach(running: &Running, id: u64, incarnation: u32) -> Self {
        let (near, far) = Link::pair().expect("a socket pair");
        let fields = json!({"stream": "s", "incarnation": incarnation});
        running.request_with("attach", id, fields, &[far.as_fd()]);
        drop(far);
        let link = Link::new(near);
        let geometry = Geometry::for_pictures(SLOTS, caps().picture_bytes()).expect("in range");
        let pool = Pool::create(geometry).expect("memory");
        let offer = Descriptor::pool(geometry.slots, geometry.slot_bytes, caps());
        link.send_with(&offer, pool.fd()).expect("the worker reads");
        let (answer, memory) = link.recv(Some(SOON)).expect("the worker lends its pool");
        assert_eq!(answer.message, MessageType::Pool);
        assert_eq!(answer.caps().expect("caps"), caps());
        let geometry = Geometry {
            slots: answer.slot,
            slot_bytes: answer.bytes,
        };
        let peer = PeerPool::open(&memory.expect("a memfd"), geometry).expect("sealed");
        running.wait_for(|it| matches!(it, FromChild::Attached { id: got, .. } if *got == id));
        Self { link, pool, peer }
    }

    /// Sends a picture whose samples are all `level`; the slot stays lent until its release.
    fn send(&self, id: u64, level: u8) -> framerill_frames::Lease {
        let mut loan = self.pool.loan_within(WITHIN).expect("a free slot");
        loan.fill(level);
        let lease = loan.publish();
        let pts = Pts(i64::try_from(id).expect("small") * 3000);
        let frame = Descriptor::frame(lease.slot(), caps(), id, pts, TimeBase::MPEG);
        self.link.send(&frame, WITHIN).expect("the worker reads");
        lease
    }

    /// Sends a black picture whose first pixel is white.
    fn send_spot(&self, id: u64) -> framerill_frames::Lease {
        let mut loan = self.pool.loan_within(WITHIN).expect("a free slot");
        loan.fill(0);
        loan[..3].fill(255);
        let lease = loan.publish();
        let pts = Pts(i64::try_from(id).expect("small") * 3000);
        let frame = Descriptor::frame(lease.slot(), caps(), id, pts, TimeBase::MPEG);
        self.link.send(&frame, WITHIN).expect("the worker reads");
        lease
    }

    fn recv(&self) -> Descriptor {
        self.link.recv(Some(SOON)).expect("the worker answers").0
    }

    /// The answer to one frame, and its release, in either order.
    fn answer(&self) -> Descriptor {
        let (mut answer, mut released) = (None, false);
        while answer.is_none() || !released {
            let message = self.recv();
            match message.message {
                MessageType::Frame | MessageType::Skip => answer = Some(message),
                MessageType::Release => released = true,
                other => panic!("an answer was due, not {other:?}"),
            }
        }
        answer.expect("seen above")
    }

    fn first_sample(&self, answer: &Descriptor) -> u8 {
        let mut sample = [0];
        self.peer
            .slot(answer.slot, 1)
            .expect("a slot of the pool")
            .copy_to(0, &mut sample);
        sample[0]
    }
}

fn inverting(kind: &Kind) -> (Running, Media) {
    let running = kind.loaded_with(json!({"pipeline": kind.invert}));
    let media = Media::attach(&running, 2, 1);
    (running, media)
}

pub(crate) fn describe_loads_nothing(kind: &Kind) {
    let running = kind.greeted();
    running.request("describe", 4, json!({"pipeline": kind.tunable.0}));
    match running.answer() {
        FromChild::Description { id: 4, description } => {
            assert!(!description.summary.is_empty());
            assert!(description.params_schema["properties"][kind.tunable.3].is_object());
        }
        other => panic!("a description was due, not {other:?}"),
    }
    running.request("update", 5, json!({"params": {}}));
    assert!(matches!(running.answer(), FromChild::Error(report) if report.code == "not_loaded"));
}

pub(crate) fn wrong_parameters_name_field_rule_and_value(kind: &Kind) {
    let running = kind.greeted();
    let (pipeline, _, wrong, field) = &kind.tunable;
    running.request("load", 1, json!({"pipeline": pipeline, "params": wrong}));
    match running.answer() {
        FromChild::Error(report) => {
            assert_eq!(
                (report.id, report.code.as_str(), report.fatal),
                (Some(1), "params", false)
            );
            let problem = report.problems.first().expect("a problem");
            assert_eq!(problem.field, *field);
            assert_eq!(problem.value, json!(1e9));
            assert!(!problem.rule.is_empty() && !problem.message.is_empty());
        }
        other => panic!("an error was due, not {other:?}"),
    }
}

pub(crate) fn an_unknown_pipeline_is_named(kind: &Kind) {
    let running = kind.greeted();
    running.request("load", 1, json!({"pipeline": "no-such-pipeline"}));
    match running.answer() {
        FromChild::Error(report) => {
            assert_eq!(report.code, "unknown_pipeline");
            assert!(report.message.contains("no-such-pipeline"));
        }
        other => panic!("an error was due, not {other:?}"),
    }
}

pub(crate) fn an_update_is_applied_or_rejected(kind: &Kind) {
    let (pipeline, right, wrong, field) = &kind.tunable;
    let running = kind.loaded_with(json!({"pipeline": pipeline}));
    running.request("update", 2, json!({"params": right}));
    assert!(matches!(running.answer(), FromChild::Applied { id: 2, .. }));
    running.request("update", 3, json!({"params": wrong}));
    match running.answer() {
        FromChild::Rejected { id: 3, problems } => assert_eq!(problems[0].field, *field),
        other => panic!("a rejection was due, not {other:?}"),
    }
}

pub(crate) fn a_set_that_replaces_leaves_nothing_of_the_one_before(kind: &Kind) {
    let (pipeline, right, ..) = &kind.tunable;
    let running = kind.loaded_with(json!({"pipeline": pipeline}));
    let media = Media::attach(&running, 2, 1);
    let sample = |id: u64| {
        let _lease = media.send_spot(id);
        let answer = media.answer();
        let sample = media.first_sample(&answer);
        let release = Descriptor::release(answer.slot);
        media.link.send(&release, WITHIN).expect("it reads");
        sample
    };
    let update = |id: u64, fields: Value| {
        running.request("update", id, fields);
        assert!(matches!(running.answer(), FromChild::Applied { id: got, .. } if got == id));
    };
    let first = sample(0);
    update(3, json!({"params": right}));
    let tuned = sample(1);
    assert_ne!(tuned, first);
    update(4, json!({"params": {}}));
    assert_eq!(sample(2), tuned);
    update(5, json!({"params": {}, "replace": true}));
    assert_eq!(sample(3), first);
}

pub(crate) fn a_decoupled_pipeline_takes_frames_in_and_answers_on_its_own_time(kind: &Kind) {
    let path = repository().join("tests/pipelines/decoupled.py");
    let running = kind.loaded_with(json!({"pipeline": format!("{}:Queued", path.display())}));
    let media = Media::attach(&running, 2, 1);
    // Three are kept inside: what answers the first comes after the fourth was taken in.
    let (mut taken, mut leases) = (Vec::new(), Vec::new());
    let mut answers = Vec::new();
    for id in 0..5 {
        leases.push(media.send(id, 10));
        while taken.len() as u64 <= id {
            let message = media.recv();
            match message.message {
                MessageType::Taken => taken.push(message.frame),
                MessageType::Frame => answers.push(message),
                _ => {}
            }
        }
    }
    while answers.len() < 2 {
        let message = media.recv();
        if message.message == MessageType::Frame {
            answers.push(message);
        }
    }
    assert_eq!(taken, [0, 1, 2, 3, 4]);
    for (id, answer) in (0_u64..).zip(&answers) {
        assert_eq!(answer.parents(), [id]);
        assert_eq!((answer.index, answer.of), (0, 0), "nobody knows how many");
        assert_eq!(answer.pts, Pts(i64::try_from(id).expect("small") * 3000));
        assert_eq!(media.first_sample(answer), 245);
    }
    // What is inside at the end leaves in order, without a picture.
    media
        .link
        .send(&Descriptor::eos(), WITHIN)
        .expect("it reads");
    let mut left = Vec::new();
    loop {
        let message = media.recv();
        match message.message {
            MessageType::Skip => left.push(message.frame),
            MessageType::Eos => break,
            _ => {}
        }
    }
    assert!(left.is_sorted() && left.ends_with(&[2, 3, 4]), "{left:?}");
}

pub(crate) fn every_frame_is_answered_in_order(kind: &Kind) {
    let (_running, media) = inverting(kind);
    for id in 0..200 {
        let _lease = media.send(id, 10);
        let answer = media.answer();
        assert_eq!(answer.message, MessageType::Frame);
        assert_eq!(answer.parents(), [id]);
        assert_eq!((answer.index, answer.of), (0, 1));
        if !answer.flags.passthrough {
            media
                .link
                .send(&Descriptor::release(answer.slot), WITHIN)
                .expect("it reads");
        }
    }
}

pub(crate) fn an_output_holds_the_changed_picture(kind: &Kind) {
    let (_running, media) = inverting(kind);
    for level in [0u8, 1, 100, 255] {
        let _lease = media.send(u64::from(level), level);
        let answer = media.answer();
        assert_eq!(media.first_sample(&answer), 255 - level);
        media
            .link
            .send(&Descriptor::release(answer.slot), WITHIN)
            .expect("it reads");
    }
}

pub(crate) fn slots_come_back(kind: &Kind) {
    let (_running, media) = inverting(kind);
    let mut slots = std::collections::BTreeSet::new();
    for id in 0..40 {
        let _lease = media.send(id, 1);
        let answer = media.answer();
        slots.insert(answer.slot);
        media
            .link
            .send(&Descriptor::release(answer.slot), WITHIN)
            .expect("it reads");
    }
    assert!(slots.len() <= media.peer.geometry().slots as usize);
    assert_eq!(media.pool.free_slots(), SLOTS as usize);
}

pub(crate) fn flush_is_answered_with_its_serial(kind: &Kind) {
    let (_running, media) = inverting(kind);
    media
        .link
        .send(&Descriptor::flush(77), WITHIN)
        .expect("it reads");
    let answer = media.recv();
    assert_eq!((answer.message, answer.frame), (MessageType::Flush, 77));
}

pub(crate) fn eos_is_answered_after_the_last_frame(kind: &Kind) {
    let (_running, media) = inverting(kind);
    let _first = media.send(0, 1);
    let _second = media.send(1, 1);
    media
        .link
        .send(&Descriptor::eos(), WITHIN)
        .expect("it reads");
    let mut answered: Vec<u64> = Vec::new();
    loop {
        let message = media.recv();
        match message.message {
            MessageType::Frame => answered.extend(message.parents()),
            MessageType::Eos => break,
            _ => {}
        }
    }
    assert_eq!(answered, [0, 1]);
}

pub(crate) fn a_closed_link_detaches_and_the_worker_takes_another(kind: &Kind) {
    let (running, media) = inverting(kind);
    drop(media);
    running.wait_for(|it| {
        matches!(
            it,
            FromChild::Detached {
                id: None,
                incarnation: 1,
                ..
            }
        )
    });
    let media = Media::attach(&running, 3, 2);
    let _lease = media.send(0, 1);
    assert_eq!(media.answer().parents(), [0]);
}

pub(crate) fn a_pool_that_is_not_sealed_is_refused(kind: &Kind) {
    let running = kind.loaded_with(json!({"pipeline": kind.invert}));
    let (near, far) = Link::pair().expect("a socket pair");
    running.request_with(
        "attach",
        2,
        json!({"stream": "s", "incarnation": 1}),
        &[far.as_fd()],
    );
    let link = Link::new(near);
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create("open", flags).expect("memory");
    rustix::fs::ftruncate(&memory, 4096).expect("a length");
    link.send_with(&Descriptor::pool(1, 4096, caps()), memory.as_fd())
        .expect("it reads");
    match running.answer() {
        FromChild::Error(report) => {
            assert_eq!((report.id, report.code.as_str()), (Some(2), "link"))
        }
        other => panic!("an error was due, not {other:?}"),
    }
}

pub(crate) fn a_slot_that_does_not_exist_ends_the_link(kind: &Kind) {
    let (_running, media) = inverting(kind);
    let frame = Descriptor::frame(SLOTS + 1, caps(), 0, Pts(0), TimeBase::MPEG);
    media.link.send(&frame, WITHIN).expect("it reads");
    loop {
        match media.link.recv(Some(SOON)) {
            Err(LinkError::Closed) => break,
            Ok((message, _)) => assert_ne!(message.message, MessageType::Frame),
            Err(error) => panic!("the link was to close, not {error}"),
        }
    }
}
