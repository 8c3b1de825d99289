//! One picture or a short clip out of a file, written to a descriptor.
//!
//! [`find`] looks for a frame, [`still`] makes a picture of it, [`copied`] cuts a clip without decoding it, [`drawn`] encodes
//! one anew where boxes are drawn or the pictures are stored lying; [`paint`] draws. [`pictures`] decodes many picture files,
//! most of them by [`photo`].

mod copied;
mod drawn;
mod find;
mod jpeg;
mod paint;
mod photo;
mod pictures;
mod still;

use std::os::fd::OwnedFd;

use framerill_media::Size;
use framerill_worker::{
    child::{Handled, Parent},
    message::{ExcerptPlan, ExcerptStats, FromChild, MediaPlan, MediaStats, Source, SourceInfo},
};

use crate::{
    control::start,
    demux::{FileSource, Opening},
    error::AvError,
    ffi::Interrupt,
    ingress::report,
    reader_session::facts,
    source::{Traits, take_fd},
};
use pictures::Album;

/// An excerpt under way.
pub(crate) struct ExcerptSession {
    interrupt: Interrupt,
}

/// What an excerpt is made of.
struct Job {
    name: String,
    source: FileSource,
    traits: Traits,
    fds: Vec<Option<OwnedFd>>,
}

impl ExcerptSession {
    /// Opens the plan's file. What is returned beside the session begins with [`begin`](Self::begin).
    pub(crate) fn open(
        plan: &MediaPlan,
        excerpt: &ExcerptPlan,
        fds: Vec<OwnedFd>,
    ) -> Result<(Self, Ready, SourceInfo), AvError> {
        let Source::File { name, fd } = &plan.source else {
            return Err(AvError::Plan("an excerpt is of a file".to_owned()));
        };
        let mut fds: Vec<Option<OwnedFd>> = fds.into_iter().map(Some).collect();
        let fd = take_fd(&mut fds, *fd, name)?;
        let interrupt = Interrupt::default();
        if let ExcerptPlan::Pictures(pictures) = excerpt {
            let into = take_fd(&mut fds, pictures.fd, "the pool")?;
            let album = Album::new(pictures, fd, into, &interrupt)?;
            return Ok((Self { interrupt }, Ready::Album(album), album_info()));
        }
        let opening = Opening {
            seek: begins(excerpt)?,
            ..Opening::of_reader(1)
        };
        let source = FileSource::open(fd, name, opening, &interrupt)?;
        let traits = Traits::of_stream(source.video()).map_err(AvError::too_large(name))?;
        let (info, _) = facts(&source, traits);
        let job = Job {
            name: name.clone(),
            source,
            traits,
            fds,
        };
        let ready = Ready::One(Box::new(One {
            job,
            excerpt: excerpt.clone(),
            plan: plan.clone(),
        }));
        Ok((Self { interrupt }, ready, info))
    }

    /// Nobody wants it any more.
    pub(crate) fn drain(&self, id: u64, parent: &Parent) -> Handled {
        self.interrupt.trigger();
        parent.say(&FromChild::Drained { id, stats: None });
        parent.leave(0);
        Handled::Done
    }
}

/// An excerpt whose file is open.
pub(crate) enum Ready {
    /// Out of one video.
    One(Box<One>),
    /// Many picture files.
    Album(Album),
}

/// An excerpt out of one video.
pub(crate) struct One {
    job: Job,
    excerpt: ExcerptPlan,
    plan: MediaPlan,
}

impl Ready {
    /// Makes it in a thread of its own, and says `done`.
    pub(crate) fn begin(self, parent: &Parent) {
        let to_parent = parent.clone();
        let work = move || {
            let so_far = |excerpt: &ExcerptStats| {
                let stats = serde_json::to_value(stats(excerpt.clone(), false));
                to_parent.say(&FromChild::Stats {
                    stats: stats.unwrap_or_default(),
                });
            };
            match self.make(&so_far) {
                Ok(done) => to_parent.say(&FromChild::Done {
                    stats: Box::new(stats(done, true)),
                }),
                Err(error) => to_parent.fail(report(&error)),
            }
        };
        start("excerpt", work, parent);
    }

    fn make(self, so_far: &dyn Fn(&ExcerptStats)) -> Result<ExcerptStats, AvError> {
        let One { job, excerpt, plan } = match self {
            Self::Album(album) => return album.make(so_far),
            Self::One(one) => *one,
        };
        match &excerpt {
            ExcerptPlan::Still(still) => still::make(job, still),
            ExcerptPlan::Clip(clip) if copied::is_possible(&job, clip) => copied::make(job, clip),
            ExcerptPlan::Clip(clip) => drawn::make(job, clip, &plan),
            ExcerptPlan::Pictures(_) => Err(AvError::Plan("pictures are no video".to_owned())),
        }
    }
}

/// What media says of an excerpt.
fn stats(excerpt: ExcerptStats, finished: bool) -> MediaStats {
    MediaStats {
        finished,
        excerpt: Some(Box::new(excerpt)),
        ..MediaStats::default()
    }
}

/// Of many files nothing is known before they are read.
fn album_info() -> SourceInfo {
    SourceInfo {
        container: "pictures".to_owned(),
        width: 0,
        height: 0,
        source_width: 0,
        source_height: 0,
        fps: [0, 0],
        duration: None,
        frames: None,
        audio: None,
        rotation: 0,
        video: None,
        taken: None,
    }
}

/// Where in the file reading begins, if not at its beginning.
fn begins(excerpt: &ExcerptPlan) -> Result<Option<f64>, AvError> {
    let (at, before) = match excerpt {
        ExcerptPlan::Pictures(_) => (None, 0.0),
        ExcerptPlan::Still(still) => (still.at.seconds, 0.0),
        ExcerptPlan::Clip(clip) => {
            let is_long = |seconds: f64| (0.0..=MOST_SECONDS).contains(&seconds);
            if clip.at.seconds.is_none() || !is_long(clip.before) || !is_long(clip.after) {
                return Err(AvError::Plan(format!(
                    "a clip is around a time in seconds, with up to {MOST_SECONDS} s before and after it"
                )));
            }
            (clip.at.seconds, clip.before)
        }
    };
    if at.is_some_and(|at| !at.is_finite()) {
        return Err(AvError::Plan("a time is a number of seconds".to_owned()));
    }
    Ok(at.map(|at| (at - before).max(0.0)))
}

/// The most of a clip on each side of its frame.
const MOST_SECONDS: f64 = 120.0;

/// Of what was written, and of where it comes from.
fn described(job: &Job, size: Size) -> ExcerptStats {
    let video = job.source.video();
    let rate = video.average_rate.or(video.base_rate).unwrap_or((0, 0));
    ExcerptStats {
        width: size.width(),
        height: size.height(),
        fps: [rate.0, rate.1],
        ..ExcerptStats::default()
    }
}
