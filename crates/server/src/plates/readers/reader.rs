//! A media process that reads one video for its frames, as its owner's loop sees it.
//!
//! [`look`] opens the file and reads all of it for its hash, in a thread of its own; [`ReaderProcess`] starts the process,
//! hands it the open file and passes on what comes of it. No pixel is touched: the memory of frames is a descriptor that
//! goes on to workers.
//!
//! The owner has one channel: the process's notices come through it, and what its frame link says ([`LinkNotice`]), from a
//! thread of the link's. It hands them in, then takes every [`ReaderEvent`]; their order is [`Said`]'s to keep.

mod content;
mod said;

use std::{
    iter,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use framerill_frames::{DeliveredFrame, FromReader, Geometry, Link, LinkError, ReaderLink};
use framerill_media::Caps;
use framerill_supervisor::{ChildId, Command, Config, Limits, Notice, Supervised, Update};
use framerill_worker::message::{
    Beside, EgressMode, FromChild, Level, LinkPolicy, MediaPlan, ReaderPlan, ReaderStats,
    SoundPlan, Source, SourceInfo, ToChild, VideoPlan,
};

use crate::{failure::Failure, program, run::media_command};

pub use content::{Looked, look};
pub(in crate::plates) use content::{hashed, open};
use said::Said;

/// The one stream of a reader.
const STREAM: &str = "reader";
/// What a decoder may take beside the pool. It holds up to twenty pictures.
const DECODER_BYTES: u64 = 1 << 30;
/// How long a reader may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// What comes of a reader, in this order: `Opened`, `Pool`, any number of `Frame`, `Lost` and `Alive`, `Ended`, `Gone`. A
/// file that cannot be opened has only `Ended` and `Gone`. `Gone` may come at any moment, and nothing after it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReaderEvent {
    /// The file is open, and this is what its header says.
    Opened(Box<SourceInfo>),
    /// The memory of its frames.
    Pool {
        /// For workers, which map it with [`framerill_frames::SharedPool`].
        memory: OwnedFd,
        /// How it is divided.
        geometry: Geometry,
        /// What every slot holds.
        caps: Caps,
    },
    /// A frame lies in a slot until [`ReaderProcess::release`].
    Frame(DeliveredFrame),
    /// A frame that was due and will never come.
    Lost {
        /// Its index.
        index: u64,
    },
    /// It lives; a few times a second.
    Alive(Box<ReaderStats>),
    /// No frame comes any more. Slots may be released after this.
    Ended(Box<ReaderStats>),
    /// The process is gone, and everything that it said was handed on: one sentence.
    Gone(String),
    /// A line for the log.
    Log(Level, String),
}

/// What a frame link says, from its thread.
#[derive(Debug)]
pub struct LinkNotice {
    /// Whose.
    pub reader: ChildId,
    said: LinkSaid,
}

#[derive(Debug)]
enum LinkSaid {
    Frames(FromReader),
    /// It ended; with the rule that was broken, if one was.
    Closed(Option<String>),
}

/// What a reader is given.
#[derive(Debug)]
pub struct Files {
    /// The video.
    pub video: OwnedFd,
    /// A text that says where it was taken: subtitles (SRT), if the second is true, else NMEA 0183.
    pub beside: Option<(OwnedFd, bool)>,
}

impl From<OwnedFd> for Files {
    fn from(video: OwnedFd) -> Self {
        Self {
            video,
            beside: None,
        }
    }
}

/// One reader at work. Dropping it kills the process; its frames' memory lives on in whoever has it.
#[derive(Debug)]
pub struct ReaderProcess<M> {
    id: ChildId,
    media: Supervised<M>,
    owner: SyncSender<M>,
    load: Option<(MediaPlan, Files)>,
    link: Option<Arc<ReaderLink>>,
    said: Said,
}

impl<M: From<Notice> + From<LinkNotice> + Send + 'static> ReaderProcess<M> {
    /// Starts a process that reads `files`; `name` is for its messages, and a hint of the format.
    pub fn start(
        id: ChildId,
        name: &str,
        files: impl Into<Files>,
        plan: ReaderPlan,
        owner: SyncSender<M>,
    ) -> Result<Self, Failure> {
        let command = media_command(&program::media()?);
        Ok(Self::start_command(
            id,
            command,
            name,
            files.into(),
            plan,
            owner,
        ))
    }

    fn start_command(
        id: ChildId,
        command: Command,
        name: &str,
        files: Files,
        mut plan: ReaderPlan,
        owner: SyncSender<M>,
    ) -> Self {
        // Whoever reads a video knows where to go on after a death; a process that begins anew would not.
        let config = Config {
            max_restarts: 0,
            ..Config::default()
        };
        let limits = Limits {
            memory: Some(plan.max_bytes.saturating_add(DECODER_BYTES)),
            processes: None,
        };
        let command = command.limits(limits);
        plan.beside = files.beside.as_ref().map(|(_, is_subtitles)| Beside {
            fd: 1,
            is_subtitles: *is_subtitles,
        });
        let media_plan = MediaPlan {
            reader: Some(Box::new(plan)),
            ..plan_of_file(name)
        };
        Self {
            id,
            media: Supervised::start(config, command, id, owner.clone()),
            owner,
            load: Some((media_plan, files)),
            link: None,
            said: Said::default(),
        }
    }

    /// Takes in a notice of the process's.
    pub fn handle(&mut self, notice: Notice) {
        self.media.handle(notice);
        self.updates();
    }

    /// Takes in what the link's thread said.
    pub fn handle_link(&mut self, notice: LinkNotice) {
        match notice.said {
            LinkSaid::Frames(said) => self.said.frames(said),
            LinkSaid::Closed(broken) => {
                if let Some(what) = &broken {
                    self.media.violated(what.clone());
                }
                self.said.link_closed(broken);
            }
        }
        self.updates();
    }

    /// When [`Self::on_deadline`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.media.next_deadline()
    }

    /// Does what is due by now.
    pub fn on_deadline(&mut self) {
        self.media.on_deadline();
        self.updates();
    }

    /// What came of it; called until none.
    pub fn next_event(&mut self) -> Option<ReaderEvent> {
        self.said.next()
    }

    /// Nobody needs the frame in this slot any more. A reader that does not take it back is gone or about to be.
    pub fn release(&mut self, slot: u32) {
        let released = self.link.as_ref().map(|link| link.release(slot));
        if let Some(Err(error)) = released {
            self.said.log(Level::Debug, format!("slot {slot}: {error}"));
        }
    }

    /// Asks it to stop. What it delivered stays; `Ended` and `Gone` follow.
    pub fn stop(&mut self) {
        self.media.stop(LEAVE_WITHIN);
        self.updates();
    }

    /// Kills it; `Gone` follows.
    pub fn kill(&mut self, why: &str) {
        self.media.violated(why.to_owned());
        self.updates();
    }

    /// Of the process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.media.pid()
    }

    fn updates(&mut self) {
        while let Some(update) = self.media.next_update() {
            match update {
                Update::Load { id } => {
                    if let Some((plan, files)) = self.load.take() {
                        let beside = files.beside.as_ref().map(|(file, _)| file.as_fd());
                        let all: Vec<_> = iter::once(files.video.as_fd()).chain(beside).collect();
                        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
                        let load = ToChild::load_media(id, plan, count);
                        self.media.post(&load, &all);
                    }
                }
                Update::LogLine(line) => self.said.log(Level::Info, line),
                Update::LogLeftOut(left_out) => self.said.log(Level::Warn, left_out.to_string()),
                Update::Lifecycle(event) => self.said.lifecycle(&event),
                Update::Message(message, _) => {
                    let is_ready = matches!(message, FromChild::Ready { .. });
                    self.said.message(message);
                    if is_ready && let Err(why) = self.attach() {
                        self.media.violated(why);
                    }
                }
            }
        }
        if self.said.is_to_leave() {
            self.media.stop(LEAVE_WITHIN);
        }
    }

    /// Makes the frame link, gives its other end away, and starts the thread that hears this one.
    fn attach(&mut self) -> Result<(), String> {
        let (ours, its) = Link::pair().map_err(|error| error.to_string())?;
        let link = Arc::new(ReaderLink::new(ours));
        let id = self.media.request_id();
        let attach = ToChild::attach(id, STREAM, 1, 1);
        self.media.post(&attach, &[its.as_fd()]);
        let (hears, owner, reader) = (Arc::clone(&link), self.owner.clone(), self.id);
        thread::Builder::new()
            .name("reader-link".into())
            .spawn(move || hear(&hears, reader, &owner))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        self.said.link_begun();
        self.link = Some(link);
        Ok(())
    }
}

impl<M> Drop for ReaderProcess<M> {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            link.shutdown();
        }
    }
}

/// Passes on what the link says until it ends. An owner that is gone ends it, too.
fn hear<M: From<LinkNotice>>(link: &ReaderLink, reader: ChildId, owner: &SyncSender<M>) {
    loop {
        let said = match link.recv(None) {
            Ok(said) => LinkSaid::Frames(said),
            Err(framerill_frames::ReaderLinkError::Link(LinkError::Closed)) => {
                LinkSaid::Closed(None)
            }
            Err(error) => LinkSaid::Closed(Some(error.to_string())),
        };
        let is_over = matches!(said, LinkSaid::Closed(_));
        let told = owner.send(M::from(LinkNotice { reader, said }));
        if is_over || told.is_err() {
            return;
        }
    }
}

/// A plan of which only the source counts.
pub(in crate::plates) fn plan_of_file(name: &str) -> MediaPlan {
    MediaPlan {
        source: Source::File {
            name: name.to_owned(),
            fd: 0,
        },
        sink: None,
        size: None,
        output_size: None,
        fps: None,
        start: 0.0,
        duration: None,
        realtime: false,
        egress: EgressMode::Strict,
        policy: LinkPolicy::Block,
        audio: false,
        video: VideoPlan::default(),
        sound: SoundPlan::default(),
        live: None,
        preview_fd: None,
        reader: None,
        excerpt: None,
    }
}

#[cfg(test)]
pub(in crate::plates) mod tests;
