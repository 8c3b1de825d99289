//! A media process with a live source, driven over its control socket; the test is parent, publisher, worker and viewer.

use std::{
    collections::HashMap,
    io::{PipeWriter, Read as _, Write as _},
    os::fd::AsFd,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use framerill_av::Media;
use framerill_frames::{Descriptor, Geometry, Lease, Link, MessageType, PeerPool, Pool};
use framerill_media::{Caps, Piece, Pts, Records, Size};
use framerill_worker::{
    Channel,
    child::run,
    message::{FromChild, MediaStats, Role},
};
use serde_json::{Value, json};

pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const SIZE: u32 = 64;
/// What the worker's pictures are filled with.
pub(crate) const FINISHED: u8 = 200;
/// Pictures that are under way at once: what a worker and the queue before it hold.
const UNDER_WAY: usize = 2;

/// A transport stream cut so that each piece ends with a whole picture.
pub(crate) struct Clip {
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) pts: Vec<i64>,
}

/// Whether a transport packet begins a picture, and its pts.
fn picture_begins(packet: &[u8]) -> Option<i64> {
    let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
    if pid != 0x100 || packet[1] & 0x40 == 0 {
        return None;
    }
    let skip = if packet[3] & 0x20 == 0 {
        4
    } else {
        5 + usize::from(packet[4])
    };
    let pes = &packet[skip..];
    assert_eq!(pes[..3], [0, 0, 1]);
    Some(stamp(&pes[9..14]))
}

fn stamp(at: &[u8]) -> i64 {
    let bits = |n: usize, mask: u8| i64::from(at[n] & mask);
    (bits(0, 0x0E) << 29)
        | (bits(1, 0xFF) << 22)
        | (bits(2, 0xFE) << 14)
        | (bits(3, 0xFF) << 7)
        | (bits(4, 0xFE) >> 1)
}

impl Clip {
    pub(crate) fn of(stream: &[u8]) -> Self {
        let (mut pieces, mut pts) = (vec![Vec::new()], Vec::new());
        for packet in stream.chunks_exact(188) {
            if let Some(at) = picture_begins(packet) {
                if !pts.is_empty() {
                    pieces.push(Vec::new());
                }
                pts.push(at);
            }
            pieces.last_mut().unwrap().extend_from_slice(packet);
        }
        Self { pieces, pts }
    }
}

/// What a viewer sees: the pts of pictures as they come, whole segments when they have ended.
pub(crate) struct Viewer {
    pub(crate) pictures: Receiver<i64>,
    segments: Arc<Mutex<Vec<Vec<u8>>>>,
    leaves: Arc<AtomicBool>,
    reading: Option<thread::JoinHandle<()>>,
}

impl Viewer {
    fn of(pipe: std::io::PipeReader) -> Self {
        let (seen, pictures) = channel();
        let segments = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&segments);
        let leaves = Arc::new(AtomicBool::new(false));
        let has_left = Arc::clone(&leaves);
        let reading = thread::spawn(move || view(pipe, &seen, &kept, &has_left));
        Self {
            pictures,
            segments,
            leaves,
            reading: Some(reading),
        }
    }

    pub(crate) fn next(&self) -> i64 {
        self.pictures
            .recv_timeout(SOON)
            .expect("a picture comes out")
    }

    /// Reads no further.
    pub(crate) fn leave(&self) {
        self.leaves.store(true, Ordering::SeqCst);
    }

    /// The segments of a stream that has ended.
    pub(crate) fn segments(&mut self) -> Vec<Vec<u8>> {
        let reading = self.reading.take().expect("asked once");
        reading.join().expect("whole records");
        std::mem::take(&mut self.segments.lock().unwrap())
    }
}

fn view(
    mut pipe: std::io::PipeReader,
    seen: &Sender<i64>,
    kept: &Mutex<Vec<Vec<u8>>>,
    leaves: &AtomicBool,
) {
    let (mut records, mut open, mut looked) = (Records::default(), Vec::new(), 0);
    let mut buffer = vec![0; 65536];
    loop {
        let got = pipe.read(&mut buffer).unwrap();
        if got == 0 {
            return records.finish().unwrap();
        }
        if leaves.load(Ordering::SeqCst) {
            return;
        }
        for piece in records
            .push(Bytes::copy_from_slice(&buffer[..got]))
            .unwrap()
        {
            match piece {
                Piece::Bytes(bytes) => open.extend_from_slice(&bytes),
                Piece::Cut => {
                    kept.lock().unwrap().push(std::mem::take(&mut open));
                    looked = 0;
                }
            }
            while let Some(packet) = open.get(looked..looked + 188) {
                looked += 188;
                if let Some(pts) = picture_begins(packet) {
                    // Nobody counts the last ones.
                    let _counted = seen.send(pts);
                }
            }
        }
    }
}

/// The stream under test.
pub(crate) struct Stage {
    channel: Arc<Channel>,
    said: Receiver<FromChild>,
    source: Option<PipeWriter>,
    pub(crate) viewer: Viewer,
    next_id: u64,
    fed: usize,
}

impl Stage {
    /// Loads a live plan; `more` is merged into it and into its `live` part.
    pub(crate) fn load(more: &Value, live: Value) -> Self {
        framerill_av::quieten();
        let (near, far) = Channel::pair().unwrap();
        thread::spawn(move || run(far, Role::Media, "media", |_| Media::default()));
        let channel_ = Arc::new(Channel::new(near));
        let (tell, said) = channel();
        let reader = Arc::clone(&channel_);
        thread::spawn(move || {
            while let Ok((message, _)) = reader.recv::<FromChild>(None) {
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let (source_end, source) = std::io::pipe().unwrap();
        let (viewed, sink_end) = std::io::pipe().unwrap();
        let mut plan = json!({
            "source": {"kind": "pipe", "name": "in", "fd": 0},
            "sink": {"container": "segments", "fd": 1, "name": "out"},
            "size": [SIZE, SIZE], "egress": "live", "policy": "latest",
            "sound": {"codec": "libopus", "bitrate": 64000, "channels": 1},
            "video": {"crf": 23}, "live": live,
        });
        for (key, value) in more.as_object().unwrap() {
            plan[key] = value.clone();
        }
        let mut stage = Self {
            channel: channel_,
            said,
            source: Some(source),
            viewer: Viewer::of(viewed),
            next_id: 0,
            fed: 0,
        };
        let load = json!({"type": "load", "media": plan, "fds": 2});
        stage.send(load, &[source_end.as_fd(), sink_end.as_fd()]);
        drop((source_end, sink_end));
        stage.wait(|it| match it {
            FromChild::Ready { source, .. } => source.as_ref().map(|it| it.width),
            _ => None,
        });
        stage
    }

    pub(crate) fn send(&mut self, mut message: Value, fds: &[std::os::fd::BorrowedFd<'_>]) -> u64 {
        self.next_id += 1;
        message["id"] = json!(self.next_id);
        self.channel.send(&message, fds, SOON).unwrap();
        self.next_id
    }

    /// The first message that is wanted; others are passed over.
    pub(crate) fn wait<T>(&self, mut wanted: impl FnMut(&FromChild) -> Option<T>) -> T {
        loop {
            let message = self.said.recv_timeout(SOON).expect("media says it");
            if let FromChild::Error(report) = &message {
                panic!("{report:?}");
            }
            if let Some(it) = wanted(&message) {
                return it;
            }
        }
    }

    /// The code of an error, if there was one; waits for the next message.
    pub(crate) fn error(&self) -> Option<String> {
        match self.said.recv_timeout(SOON).expect("media says it") {
            FromChild::Error(report) => Some(report.code),
            _ => None,
        }
    }

    pub(crate) fn attach(&mut self, incarnation: u32) -> Worker {
        let (near, far) = Link::pair().unwrap();
        let attach = json!({"type": "attach", "stream": "s", "incarnation": incarnation, "fds": 1});
        self.send(attach, &[far.as_fd()]);
        drop(far);
        let worker = Worker::begin(Link::new(near));
        self.wait(|it| matches!(it, FromChild::Attached { .. }).then_some(()));
        worker
    }

    pub(crate) fn update(&mut self, params: &Value) {
        self.send(json!({"type": "update", "params": params}), &[]);
        self.wait(|it| matches!(it, FromChild::Applied { .. }).then_some(()));
    }

    /// Publishes the next `count` pictures, each when those before it have come out; returns the pts that came.
    pub(crate) fn publish(&mut self, clip: &Clip, count: usize) -> Vec<i64> {
        let mut seen = Vec::new();
        for done in 0..count {
            self.feed(clip);
            if done >= UNDER_WAY {
                seen.push(self.viewer.next());
            }
        }
        while seen.len() < count {
            seen.push(self.viewer.next());
        }
        seen
    }

    /// Publishes one picture.
    pub(crate) fn feed(&mut self, clip: &Clip) {
        let source = self.source.as_mut().expect("open");
        source.write_all(&clip.pieces[self.fed]).unwrap();
        self.fed += 1;
    }

    /// Ends the source; what was counted in the end.
    pub(crate) fn end(&mut self) -> MediaStats {
        self.source = None;
        let stats = self.wait(|it| match it {
            FromChild::Done { stats } => Some(stats.clone()),
            _ => None,
        });
        // Media is gone with its parent, and its sink with it.
        self.channel.shutdown();
        *stats
    }
}

/// A worker that answers each frame with a picture of one colour.
pub(crate) struct Worker {
    pub(crate) frames: Receiver<Pts>,
    link: Arc<Link>,
    held: Arc<(Mutex<bool>, Condvar)>,
}

impl Worker {
    fn begin(link: Link) -> Self {
        let caps = Caps::new(
            framerill_media::PixelFormat::Rgb24,
            Size::new(SIZE, SIZE).unwrap(),
        )
        .unwrap();
        let geometry = Geometry::for_pictures(6, caps.picture_bytes()).unwrap();
        let pool = Pool::create(geometry).unwrap();
        let (offer, memory) = link.recv(Some(SOON)).unwrap();
        assert_eq!(offer.message, MessageType::Pool);
        let lent = Geometry {
            slots: offer.slot,
            slot_bytes: offer.bytes,
        };
        let _peer = PeerPool::open(&memory.unwrap(), lent).unwrap();
        let own = Descriptor::pool(geometry.slots, geometry.slot_bytes, caps);
        link.send_with(&own, pool.fd()).unwrap();
        let link = Arc::new(link);
        let (tell, frames) = channel();
        let working = Arc::clone(&link);
        let held = Arc::new((Mutex::new(false), Condvar::new()));
        let waiting = Arc::clone(&held);
        thread::spawn(move || work(&working, &pool, caps, &tell, &waiting));
        Self { frames, link, held }
    }

    /// Answers nothing for as long as it is held.
    pub(crate) fn hold(&self, held: bool) {
        *self.held.0.lock().unwrap() = held;
        self.held.1.notify_all();
    }

    /// Dies.
    pub(crate) fn kill(self) {
        self.link.shutdown();
    }
}

fn work(link: &Link, pool: &Pool, caps: Caps, tell: &Sender<Pts>, held: &(Mutex<bool>, Condvar)) {
    let mut lent: HashMap<u32, Lease> = HashMap::new();
    while let Ok((message, _)) = link.recv(None) {
        match message.message {
            MessageType::Release => drop(lent.remove(&message.slot)),
            MessageType::Frame => {
                let guard = held.0.lock().unwrap();
                drop(held.1.wait_while(guard, |held| *held).unwrap());
                let mut loan = pool.loan().expect("media gives slots back");
                loan.fill(FINISHED);
                let lease = loan.publish();
                let base = message.time_base().unwrap();
                let answer =
                    Descriptor::frame(lease.slot(), caps, message.frame, message.pts, base)
                        .answering(&[message.frame], 0, 1);
                lent.insert(lease.slot(), lease);
                let released = Descriptor::release(message.slot);
                if link.send(&answer, SOON).is_err() || link.send(&released, SOON).is_err() {
                    return;
                }
                let _nobody_asks = tell.send(message.pts);
            }
            _ => {}
        }
    }
}
