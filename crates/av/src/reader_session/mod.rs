//! A file that is read for its frames: every n-th decoded one goes over the frame link, and nothing is written.
//!
//! [`ReaderSession`] answers the parent; [`read`] is the thread that decodes; [`link`] the one that takes slots back;
//! [`state`] is what they share; [`outcome`] says what an end is called; [`taken`] finds when and where it was taken.
//!
//! * A frame's id is its index in the order in which the decoder hands frames out, counted over all of them from 0, those
//!   before a resume and those between two delivered ones included. These are decoded and never converted.
//! * The pool is made with the first frame, in its size, upright. A later frame of another size is cropped and scaled to
//!   it and counted as `resized`: boxes of one video have one coordinate system.
//! * A frame that is due and cannot be converted is told by `skip`.
//! * Without a free slot the decoder waits. That is the whole of the backpressure.

mod link;
mod outcome;
mod read;
mod state;
mod taken;

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use framerill_frames::Link;
use framerill_media::PixelFormat;
use framerill_worker::{
    child::{Handled, Parent},
    message::{FromChild, MediaPlan, ReaderPlan, ReaderStats, Source, SourceInfo, Taken},
};

use crate::{
    control::start,
    demux::{FileSource, Opening},
    egress::say_stats,
    error::AvError,
    ffi::Interrupt,
    source::{Traits, take_fd},
};
use read::Reading;
use state::Shared;

/// An open file, and the threads that read it once somebody is at the link.
pub(crate) struct ReaderSession {
    shared: Arc<Shared>,
    waiting: Option<Reading>,
}

impl ReaderSession {
    /// Opens the plan's file.
    pub(crate) fn open(
        plan: &MediaPlan,
        reader: &ReaderPlan,
        fds: Vec<OwnedFd>,
    ) -> Result<(Self, SourceInfo), AvError> {
        let Source::File { name, fd } = &plan.source else {
            return Err(AvError::Plan("a reader reads a file".to_owned()));
        };
        let mut fds: Vec<Option<OwnedFd>> = fds.into_iter().map(Some).collect();
        let fd = take_fd(&mut fds, *fd, name)?;
        let beside = match &reader.beside {
            Some(it) => Some((take_fd(&mut fds, it.fd, name)?, it.is_subtitles)),
            None => None,
        };
        // FFmpeg reads at places of its own; so does this.
        let places = if reader.taken {
            taken::places(&fd, beside)
        } else {
            Vec::new()
        };
        let interrupt = Interrupt::default();
        let opening = Opening::of_reader(reader.threads as usize);
        let source = FileSource::open(fd, name, opening, &interrupt)?;
        let traits = Traits::of_stream(source.video()).map_err(AvError::too_large(name))?;
        let (mut info, stats) = facts(&source, traits);
        if reader.taken {
            let created = source.created();
            info.taken = Some(Box::new(Taken { created, places }));
        }
        let shared = Arc::new(Shared::new(stats, interrupt));
        let waiting = Reading::new(name, source, traits, reader.clone(), Arc::clone(&shared));
        let session = Self {
            shared,
            waiting: Some(waiting),
        };
        Ok((session, info))
    }

    /// Begins to deliver over the link that came with the request.
    pub(crate) fn attach(
        &mut self,
        format: Option<PixelFormat>,
        socket: OwnedFd,
        parent: &Parent,
    ) -> Result<(), String> {
        if format.is_some_and(|it| it != PixelFormat::Rgb24) {
            return Err("a reader delivers rgb24".to_owned());
        }
        let reading = self.waiting.take();
        let reading = reading.ok_or("a reader delivers once, and over one link")?;
        let link = Arc::new(Link::new(socket));
        let (shared, end) = (Arc::clone(&self.shared), Arc::clone(&link));
        let to_parent = parent.clone();
        start("link", move || link::run(&shared, &end, &to_parent), parent);
        let (stop, stopped) = sync_channel::<()>(1);
        let to_parent = parent.clone();
        start(
            "decode",
            move || {
                // Dropped with the thread: then nothing changes any more.
                let _stop = stop;
                read::run(reading, &link, &to_parent);
            },
            parent,
        );
        let (shared, to_parent) = (Arc::clone(&self.shared), parent.clone());
        let tell = move || {
            while stopped.recv_timeout(STATS_EVERY) == Err(RecvTimeoutError::Timeout) {
                say_stats(&shared.stats(), &to_parent);
            }
        };
        start("stats", tell, parent);
        Ok(())
    }

    /// Stops as soon as can be; what was delivered stays so.
    pub(crate) fn stop(&self) {
        self.shared.stop();
    }

    /// Stops, and says `drained` once nothing more comes.
    pub(crate) fn drain(&mut self, id: u64, parent: &Parent) -> Handled {
        self.shared.stop();
        // Without a link nobody else is there to answer.
        let is_over = self.waiting.take().is_some() || !self.shared.drain_later(id);
        if is_over {
            self.shared.drained(id, parent);
        }
        Handled::Done
    }
}

const STATS_EVERY: Duration = Duration::from_millis(250);

/// What `ready` says of a file, and what its counters begin with.
pub(crate) fn facts(source: &FileSource, traits: Traits) -> (SourceInfo, ReaderStats) {
    let video = source.video();
    let rate = video.average_rate.or(video.base_rate).unwrap_or((0, 0));
    let upright = traits.upright();
    let info = SourceInfo {
        container: source.container(),
        width: upright.width(),
        height: upright.height(),
        source_width: upright.width(),
        source_height: upright.height(),
        fps: [rate.0, rate.1],
        duration: source.duration(),
        frames: video.packets,
        audio: None,
        rotation: traits.turn.degrees(),
        video: Some(video.parameters.codec_name()),
        taken: None,
    };
    let (videos, data_streams) = source.other_streams();
    let stats = ReaderStats {
        fps: info.fps,
        duration: info.duration,
        codec: video.parameters.codec_name(),
        rotation: info.rotation,
        video_streams: u32::try_from(videos).unwrap_or(u32::MAX),
        data_streams,
        ..ReaderStats::default()
    };
    (info, stats)
}

/// Answers a `detach`.
pub(crate) fn detached(id: u64, stream: String) -> FromChild {
    FromChild::Detached {
        id: Some(id),
        stream,
        incarnation: 1,
        held: Vec::new(),
        requeued: 0,
    }
}
