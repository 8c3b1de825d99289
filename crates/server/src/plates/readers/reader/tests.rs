//! A reader as a process of this build.

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
};

use framerill_frames::SharedPool;
use framerill_worker::message::ReaderStatus;

use super::*;

const SOON: Duration = Duration::from_secs(30);
const ID: ChildId = ChildId(7);

#[derive(Debug)]
enum Incoming {
    Child(Notice),
    Link(LinkNotice),
}

impl From<Notice> for Incoming {
    fn from(notice: Notice) -> Self {
        Self::Child(notice)
    }
}

impl From<LinkNotice> for Incoming {
    fn from(notice: LinkNotice) -> Self {
        Self::Link(notice)
    }
}

/// A reader and its owner's channel.
struct Owner {
    reader: ReaderProcess<Incoming>,
    incoming: Receiver<Incoming>,
}

/// Both programs of this build; says so and returns none where they are not built.
pub(in crate::plates) fn programs() -> Option<[PathBuf; 2]> {
    let running = env::current_exe().unwrap();
    let folder = running.parent().and_then(Path::parent).unwrap();
    let programs = ["framerill", "framerill-media"].map(|name| folder.join(name));
    if programs.iter().all(|it| it.is_file()) {
        return Some(programs);
    }
    eprintln!("skipped: the programs are not built (cargo build --workspace --bins)");
    None
}

pub(in crate::plates) fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("a:b ünï.MP4");
    let graph = "testsrc2=size=160x96:rate=10:duration=2";
    let made = process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", graph])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    path
}

impl Owner {
    fn start(programs: &[PathBuf; 2], path: &Path, plan: ReaderPlan) -> Self {
        let [launcher, media] = programs;
        let (owner, incoming) = sync_channel(64);
        let file: OwnedFd = File::open(path).unwrap().into();
        let command = media_command(media).launcher(launcher);
        let name = path.file_name().unwrap().to_str().unwrap();
        let reader = ReaderProcess::start_command(ID, command, name, file.into(), plan, owner);
        Self { reader, incoming }
    }

    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn next(&mut self) -> ReaderEvent {
        let until = Instant::now() + SOON;
        loop {
            if let Some(event) = self.reader.next_event() {
                if let ReaderEvent::Alive(_) | ReaderEvent::Log(..) = event {
                    continue;
                }
                return event;
            }
            assert!(Instant::now() < until, "nothing comes");
            match self.incoming.recv_timeout(Duration::from_millis(500)) {
                Ok(Incoming::Child(notice)) => self.reader.handle(notice),
                Ok(Incoming::Link(notice)) => self.reader.handle_link(notice),
                Err(RecvTimeoutError::Timeout) => self.reader.on_deadline(),
                Err(RecvTimeoutError::Disconnected) => panic!("the reader has an end of it"),
            }
        }
    }

    fn pool(&mut self) -> (SharedPool, Caps) {
        let ReaderEvent::Opened(info) = self.next() else {
            panic!("it is opened first");
        };
        assert_eq!((info.width, info.height, info.fps), (160, 96, [10, 1]));
        let ReaderEvent::Pool {
            memory,
            geometry,
            caps,
        } = self.next()
        else {
            panic!("then comes its pool");
        };
        let Geometry { slots, slot_bytes } = geometry;
        (SharedPool::map(&memory, slots, slot_bytes).unwrap(), caps)
    }
}

#[test]
fn a_process_delivers_a_video_and_leaves() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path());
    assert_eq!(look(&path).unwrap().content_sha256.len(), 64);
    let plan = ReaderPlan {
        every: 4,
        slots: 2,
        ..ReaderPlan::default()
    };
    let mut owner = Owner::start(&programs, &path, plan);
    let (pool, caps) = owner.pool();
    let mut pixels = Vec::new();
    for index in [0, 4, 8, 12, 16] {
        let ReaderEvent::Frame(frame) = owner.next() else {
            panic!("frame {index}");
        };
        assert_eq!(frame.index, index);
        pool.picture(frame.slot, caps.size)
            .unwrap()
            .copy(&mut pixels);
        assert!(pixels.iter().any(|byte| *byte > 100));
        owner.reader.release(frame.slot);
    }
    let ReaderEvent::Ended(stats) = owner.next() else {
        panic!("its end");
    };
    assert_eq!(stats.status, ReaderStatus::Complete);
    assert_eq!((stats.decoded, stats.delivered), (20, 5));
    assert!(matches!(owner.next(), ReaderEvent::Gone(_)));
    assert_eq!(owner.reader.pid(), None);
}

#[test]
fn a_process_that_is_killed_is_gone_and_its_last_frame_can_still_be_looked_at() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let plan = ReaderPlan {
        slots: 1,
        ..ReaderPlan::default()
    };
    let mut owner = Owner::start(&programs, &clip(folder.path()), plan);
    let (pool, caps) = owner.pool();
    let ReaderEvent::Frame(frame) = owner.next() else {
        panic!("a frame");
    };
    owner.reader.kill("somebody wants it gone");
    assert!(matches!(owner.next(), ReaderEvent::Gone(_)));
    let mut pixels = Vec::new();
    pool.picture(frame.slot, caps.size)
        .unwrap()
        .copy(&mut pixels);
    assert!(pixels.iter().any(|byte| *byte > 100));
}

#[test]
fn a_process_that_waits_stops_when_it_is_asked_to() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let plan = ReaderPlan {
        slots: 1,
        ..ReaderPlan::default()
    };
    let mut owner = Owner::start(&programs, &clip(folder.path()), plan);
    owner.pool();
    assert!(matches!(owner.next(), ReaderEvent::Frame(_)));
    owner.reader.stop();
    let ReaderEvent::Ended(stats) = owner.next() else {
        panic!("its end");
    };
    assert_eq!(stats.status, ReaderStatus::Stopped);
    assert!(matches!(owner.next(), ReaderEvent::Gone(_)));
}

#[test]
fn a_file_that_is_no_video_has_ended_with_one_sentence() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.mp4");
    std::fs::write(&path, [0x5a; 9000]).unwrap();
    let mut owner = Owner::start(&programs, &path, ReaderPlan::default());
    let ReaderEvent::Ended(stats) = owner.next() else {
        panic!("its end");
    };
    assert_eq!(stats.status, ReaderStatus::Failed);
    assert!(stats.reason.unwrap().contains("`noise.mp4` is not a video"));
    assert!(matches!(owner.next(), ReaderEvent::Gone(_)));
}
