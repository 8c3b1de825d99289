//! Videos, from the list to their end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use super::ids::{ReaderId, VideoNo, WorkerId};
use crate::{
    flow::{SourceEnd, VideoEnd},
    task::FrameSlot,
};

/// Where a video is.
#[derive(Debug)]
pub(super) enum Video<F> {
    /// In the list.
    Waiting,
    /// The driver looks at it.
    Preparing,
    /// To be read as soon as there is a seat.
    Ready { flow: F, from: u64 },
    /// It is read, or what was read is worked on.
    Open(Box<OpenVideo<F>>),
    /// It is over.
    Ended(VideoEnd),
}

/// A video that has a flow at work.
#[derive(Debug)]
pub(super) struct OpenVideo<F> {
    pub(super) flow: F,
    /// Frames that the flow holds.
    pub(super) frames: HashMap<u64, FrameSlot>,
    pub(super) open_tasks: usize,
    /// Frames that arrived, and that the flow was not told of yet.
    pub(super) held: usize,
    /// How reading ended; the flow is told after all frames.
    pub(super) end: Option<SourceEnd>,
    pub(super) is_told_end: bool,
    pub(super) reader: Option<ReaderId>,
    /// The first frame that was wanted, and since when.
    pub(super) first_frame: u64,
    pub(super) begun: Duration,
    /// The first frame that the next reader is to deliver.
    pub(super) next_frame: u64,
    /// Readers in a row that died with it, all but the first one without a new frame.
    pub(super) deaths: u32,
    /// No reader is started before.
    pub(super) read_after: Duration,
    pub(super) fps: Option<f64>,
    /// As the container says it.
    pub(super) frames_expected: Option<u64>,
    pub(super) decoded: u64,
    /// Frames that were settled since the last checkpoint.
    pub(super) unsaved: u64,
    /// When the last checkpoint came, or was asked for.
    pub(super) asked: Duration,
    /// Raw readings that were logged, by worker.
    pub(super) readings_logged: BTreeMap<WorkerId, u32>,
}

impl<F> OpenVideo<F> {
    pub(super) fn new(now: Duration, flow: F, from: u64) -> Self {
        Self {
            flow,
            frames: HashMap::new(),
            open_tasks: 0,
            held: 0,
            end: None,
            is_told_end: false,
            reader: None,
            first_frame: from,
            begun: now,
            next_frame: from,
            deaths: 0,
            read_after: now,
            fps: None,
            frames_expected: None,
            decoded: 0,
            unsaved: 0,
            asked: now,
            readings_logged: BTreeMap::new(),
        }
    }

    /// Frames are still to be read.
    pub(super) fn is_to_be_read(&self) -> bool {
        self.end.is_none() && !self.is_told_end
    }
}

/// All videos of a run.
#[derive(Debug)]
pub(super) struct Videos<F> {
    ids: Vec<String>,
    all: Vec<Video<F>>,
    /// Those that are [`Video::Open`].
    open: BTreeSet<VideoNo>,
    /// Those that are [`Video::Preparing`] or [`Video::Ready`].
    pub(super) ahead: BTreeSet<VideoNo>,
    ended: usize,
    next: usize,
}

impl<F> Videos<F> {
    pub(super) fn new(ids: Vec<String>) -> Self {
        Self {
            all: ids.iter().map(|_| Video::Waiting).collect(),
            ids,
            open: BTreeSet::new(),
            ahead: BTreeSet::new(),
            ended: 0,
            next: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn id(&self, no: VideoNo) -> &str {
        self.ids.get(no.0 as usize).map_or("", String::as_str)
    }

    pub(super) fn get(&self, no: VideoNo) -> Option<&Video<F>> {
        self.all.get(no.0 as usize)
    }

    /// Puts a video where it is now.
    pub(super) fn put(&mut self, no: VideoNo, video: Video<F>) -> Option<Video<F>> {
        let place = self.all.get_mut(no.0 as usize)?;
        self.open.remove(&no);
        self.ahead.remove(&no);
        match &video {
            Video::Waiting => {}
            Video::Preparing | Video::Ready { .. } => drop(self.ahead.insert(no)),
            Video::Open(_) => drop(self.open.insert(no)),
            Video::Ended(_) => self.ended += 1,
        }
        Some(std::mem::replace(place, video))
    }

    /// The next one of the list that nobody has looked at.
    pub(super) fn next_waiting(&mut self) -> Option<VideoNo> {
        let no = VideoNo(u32::try_from(self.next).ok()?);
        matches!(self.get(no), Some(Video::Waiting)).then(|| {
            self.next += 1;
            no
        })
    }

    /// The first one that is ready.
    pub(super) fn first_ready(&self) -> Option<VideoNo> {
        let mut ahead = self.ahead.iter().copied();
        ahead.find(|it| matches!(self.get(*it), Some(Video::Ready { .. })))
    }

    pub(super) fn open_mut(&mut self, no: VideoNo) -> Option<&mut OpenVideo<F>> {
        match self.all.get_mut(no.0 as usize) {
            Some(Video::Open(open)) => Some(open),
            _ => None,
        }
    }

    pub(super) fn open(&self, no: VideoNo) -> Option<&OpenVideo<F>> {
        match self.get(no) {
            Some(Video::Open(open)) => Some(open),
            _ => None,
        }
    }

    /// Those that are open, in the order of the list.
    pub(super) fn all_open(&self) -> Vec<VideoNo> {
        self.open.iter().copied().collect()
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn are_all_ended(&self) -> bool {
        self.ended == self.all.len()
    }

    /// Those that came to an end, in the order of the list.
    pub(super) fn ends(&self) -> impl Iterator<Item = (VideoNo, &VideoEnd)> {
        (0u32..).zip(&self.all).filter_map(|(no, it)| match it {
            Video::Ended(end) => Some((VideoNo(no), end)),
            _ => None,
        })
    }
}
