//! A still or a clip out of a video, made by a media process of its own.

use std::{
    fs::File,
    io::{Seek, SeekFrom},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::mpsc::{RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

use framerill_supervisor::{
    ChildId, Command, Config, Limits, Notice, Supervised, Update, lifecycle::Event,
};
use framerill_worker::message::{
    ExcerptPlan, ExcerptStats, FromChild, MediaPlan, MediaStats, ToChild,
};

use crate::{
    failure::Failure,
    plates::readers::reader::{open, plan_of_file},
    program,
    run::media_command,
};

const ID: ChildId = ChildId(0);
/// What the process may take.
const MEMORY: u64 = 2 << 30;
/// Its messages wait here.
const WAITING: usize = 64;
/// The longest wait before deadlines are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What was made.
#[derive(Debug)]
pub struct Excerpt {
    /// JPEG, PNG or mp4, to be read from its beginning. It has no name and goes with its descriptor.
    pub file: File,
    /// Which frame it shows, and how large it is.
    pub stats: ExcerptStats,
}

/// Has `plan` made of the file at `path`; the plan's own descriptors are filled in here. Waits for it, `within` at most: no
/// event loop calls it.
pub fn take(path: &Path, plan: ExcerptPlan, within: Duration) -> Result<Excerpt, Failure> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    take_of(open(path)?, &name.to_string_lossy(), plan, within)
}

/// The same of a file that is open, and is read by place; its name is for messages, and a hint of the format. It blocks.
pub(in crate::plates) fn take_of(
    source: OwnedFd,
    name: &str,
    plan: ExcerptPlan,
    within: Duration,
) -> Result<Excerpt, Failure> {
    let command = media_command(&program::media()?);
    take_with(command, source, name, plan, within)
}

fn take_with(
    command: Command,
    source: OwnedFd,
    name: &str,
    plan: ExcerptPlan,
    within: Duration,
) -> Result<Excerpt, Failure> {
    let files = Files::new(source)?;
    let fds = [&files.source, &files.into, &files.part].map(AsFd::as_fd);
    let stats = made(command, media_plan(name, plan), &fds, within, |_| {})?;
    let mut file = File::from(files.into);
    file.seek(SeekFrom::Start(0))
        .map_err(|error| lost(&error.to_string()))?;
    Ok(Excerpt { file, stats })
}

/// Has a process do what a plan with an excerpt says with these descriptors. What it says on the way goes to `so_far`, and
/// gives it time anew.
#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
pub(in crate::plates) fn made(
    command: Command,
    plan: MediaPlan,
    fds: &[BorrowedFd<'_>],
    within: Duration,
    mut so_far: impl FnMut(ExcerptStats),
) -> Result<ExcerptStats, Failure> {
    let mut until = Instant::now() + within;
    let mut load = Some(plan);
    let config = Config {
        max_restarts: 0,
        ..Config::default()
    };
    let limits = Limits {
        memory: Some(MEMORY),
        processes: None,
    };
    let (owner, incoming) = sync_channel::<Notice>(WAITING);
    let mut media = Supervised::start(config, command.limits(limits), ID, owner);
    loop {
        while let Some(update) = media.next_update() {
            match update {
                Update::Load { id } => {
                    if let Some(plan) = load.take() {
                        let count = u32::try_from(fds.len()).unwrap_or(u32::MAX);
                        media.post(&ToChild::load_media(id, plan, count), fds);
                    }
                }
                Update::Message(FromChild::Done { stats }, _) => {
                    let done = stats.excerpt.map(|it| *it);
                    return done.ok_or_else(|| lost("it said nothing of it"));
                }
                Update::Message(FromChild::Stats { stats }, _) => {
                    let stats = serde_json::from_value::<MediaStats>(stats).ok();
                    if let Some(excerpt) = stats.and_then(|it| it.excerpt) {
                        until = Instant::now() + within;
                        so_far(*excerpt);
                    }
                }
                Update::Message(FromChild::Error(report), _) => {
                    return Err(Failure::of_child(&report));
                }
                Update::Lifecycle(Event::Failed { reason }) => {
                    return Err(lost(&reason.to_string()));
                }
                _ => {}
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let text = format!("it took longer than {} s", within.as_secs());
            return Err(lost(&text));
        }
        match incoming.recv_timeout(left.min(LOOK_AGAIN)) {
            Ok(notice) => media.handle(notice),
            Err(RecvTimeoutError::Timeout) => media.on_deadline(),
            Err(RecvTimeoutError::Disconnected) => return Err(lost("its channel closed")),
        }
    }
}

/// The source, what is written, and what is written on the way.
struct Files {
    source: OwnedFd,
    into: OwnedFd,
    part: OwnedFd,
}

impl Files {
    fn new(source: OwnedFd) -> Result<Self, Failure> {
        let file = || {
            tempfile::tempfile().map(OwnedFd::from).map_err(|error| {
                Failure::failed("no_room", format!("cannot make a temporary file: {error}"))
            })
        };
        Ok(Self {
            source,
            into: file()?,
            part: file()?,
        })
    }
}

pub(in crate::plates) fn media_plan(name: &str, mut excerpt: ExcerptPlan) -> MediaPlan {
    match &mut excerpt {
        ExcerptPlan::Pictures(pictures) => pictures.fd = 1,
        ExcerptPlan::Still(still) => still.fd = 1,
        ExcerptPlan::Clip(clip) => (clip.fd, clip.part_fd) = (1, Some(2)),
    }
    MediaPlan {
        excerpt: Some(Box::new(excerpt)),
        ..plan_of_file(name)
    }
}

pub(in crate::plates) fn lost(why: &str) -> Failure {
    Failure::failed("media_lost", format!("the excerpt was not made: {why}"))
}

#[cfg(test)]
mod tests {
    use framerill_worker::message::{Place, StillFormat, StillPlan};

    use super::*;
    use crate::plates::readers::reader::tests::{clip, programs};

    #[test]
    fn a_still_is_made_by_a_process() {
        use std::io::Read as _;

        let Some([launcher, media]) = programs() else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = clip(folder.path());
        let still = |path: &Path| {
            let plan = ExcerptPlan::Still(StillPlan {
                at: Place {
                    frame: Some(5),
                    seconds: Some(0.5),
                },
                fd: 9,
                format: StillFormat::Jpeg,
                boxes: Vec::new(),
                crop: None,
                max_side: None,
            });
            let command = media_command(&media).launcher(&launcher);
            take_with(command, open(path)?, "a.mp4", plan, Duration::from_secs(30))
        };
        let mut made = still(&path).unwrap();
        assert_eq!((made.stats.width, made.stats.height), (160, 96));
        assert_eq!((made.stats.frame, made.stats.seconds), (Some(5), Some(0.5)));
        let mut bytes = Vec::new();
        made.file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes[..3], [0xff, 0xd8, 0xff]);
        let noise = folder.path().join("noise.mp4");
        std::fs::write(&noise, [0x5a; 9000]).unwrap();
        assert_eq!(still(&noise).unwrap_err().code, "source_open");
        assert_eq!(
            still(&folder.path().join("none.mp4")).unwrap_err().code,
            "input_missing"
        );
    }
}
