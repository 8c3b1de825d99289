//! What the threads of a live stream share under its lock.

use std::{collections::VecDeque, sync::mpsc::SyncSender};

use framerill_media::{Caps, Size};
use framerill_worker::message::{ErrorReport, MediaStats, SourceAudio};

use super::presenter::{Presenter, Rules};
use crate::{
    live_source::LiveCounts,
    source::{AudioPacket, AudioParams, Traits},
    stream::Picture,
    usual::Usual,
};

/// Things of the source that wait for the encoder; the oldest sound goes beyond that.
const MOST_HEARD: usize = 1024;

/// An input's own picture, kept as a filler.
pub(crate) struct Input {
    pub(crate) caps: Caps,
    pub(crate) bytes: Vec<u8>,
}

/// What goes past the worker.
pub(crate) enum Heard {
    /// The source is, from here on, like this.
    Format {
        traits: Option<Traits>,
        /// Declared, perhaps before any was heard.
        declared: Option<SourceAudio>,
        sound: Option<AudioParams>,
    },
    /// Sound.
    Sound(AudioPacket),
    /// The pictures that go out have this size from here on.
    Size(Size),
}

/// The state.
pub(crate) struct LiveState {
    pub(crate) presenter: Presenter<Picture, Option<Input>>,
    pub(crate) heard: VecDeque<Heard>,
    /// No frame goes to the worker.
    pub(crate) is_reloading: bool,
    /// The pipeline failed with the last frame that came back.
    pub(crate) is_failing: bool,
    /// A reload is, or was, shown, and nothing was finished since.
    pub(crate) shows_reload: bool,
    counts: LiveCounts,
    /// Frames for which worker and encoder left no slot.
    pub(crate) no_slot: u64,
    /// When the source ended, in ns.
    pub(crate) source_ended: Option<u64>,
    /// Why the source was given up.
    pub(crate) fault: Option<ErrorReport>,
    pub(crate) written: Written,
    tell: SyncSender<()>,
}

/// What was written.
#[derive(Default)]
pub(crate) struct Written {
    /// Newest picture, in ticks of 1/90000 s.
    pub(crate) picture: Option<i64>,
    /// Newest sound, in ticks of 1/90000 s.
    pub(crate) sound: Option<i64>,
    /// When the newest finished picture was, in ns.
    pub(crate) finished_at: Option<u64>,
    /// The newest picture was a filler.
    pub(crate) is_filler: bool,
    pub(crate) fillers: u64,
    /// Sound that the encoder did not come to take.
    pub(crate) sound_missed: u64,
    /// Sound that the sink left out.
    pub(crate) sound_left_out: u64,
    gaps: u64,
    distances: Usual,
    /// The newest picture of the media process before this one, until one of this is written.
    before: Option<i64>,
}

/// What may lie between two pictures where nothing is known of the source's rate, in ticks of 1/90000 s: ten a second.
const UNKNOWN_DISTANCE: u64 = 9000;

impl Written {
    /// By the media process that takes up a stream after that pts, in ticks of 1/90000 s.
    fn from(before: Option<i64>) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// A picture at `pts` went out. True when fillers begin or end with it, or it is the first.
    pub(crate) fn picture(&mut self, pts: i64, finished: Option<u64>) -> bool {
        let is_filler = finished.is_none();
        let handed_over = self.before.take();
        let is_change = self.picture.is_none() || self.is_filler != is_filler;
        self.is_filler = is_filler;
        self.fillers += u64::from(is_filler);
        self.finished_at = finished.or(self.finished_at);
        let distance = |before: i64| u64::try_from(pts.saturating_sub(before)).unwrap_or(0);
        let is_gap = |distance: u64, usual: u64| distance > usual + usual * 7 / 8;
        if let Some(distance) = self.picture.replace(pts).map(distance) {
            let usual = self.distances.mean();
            self.gaps += u64::from(usual.is_some_and(|usual| is_gap(distance, usual)));
            self.distances.add(distance);
        } else if let Some(distance) = handed_over.map(distance) {
            self.gaps += u64::from(is_gap(distance, UNKNOWN_DISTANCE));
        }
        is_change
    }
}

impl LiveState {
    /// A stream that begins, or is taken up after a pts. `tell` is told when there is something to say to the parent.
    pub(crate) fn new(rules: Rules, after: Option<i64>, tell: SyncSender<()>) -> Self {
        Self {
            presenter: Presenter::new(rules),
            heard: VecDeque::new(),
            is_reloading: false,
            is_failing: false,
            shows_reload: false,
            counts: LiveCounts::default(),
            no_slot: 0,
            source_ended: None,
            fault: None,
            written: Written::from(after),
            tell,
        }
    }

    /// Has the counters told now instead of later.
    pub(crate) fn tell(&self) {
        // What waits to be told already will hold this, too.
        let _told = self.tell.try_send(());
    }

    /// What the source counts now. A jump is told at once: a successor places the source's times by the offset that was
    /// told last.
    pub(crate) fn count(&mut self, counts: LiveCounts) {
        let before = std::mem::replace(&mut self.counts, counts);
        if (before.jumps, before.offset) != (counts.jumps, counts.offset) {
            self.tell();
        }
    }

    /// Sound, or what the source is, for the encoder.
    pub(crate) fn hear(&mut self, heard: Heard) {
        if self.heard.len() >= MOST_HEARD {
            let sound = self
                .heard
                .iter()
                .position(|it| matches!(it, Heard::Sound(_)));
            if let Some(oldest) = sound {
                self.heard.remove(oldest);
                self.written.sound_missed += 1;
            }
        }
        self.heard.push_back(heard);
    }

    /// The counters that only live streams have, over what all streams count.
    pub(crate) fn stats(&self, common: MediaStats, now: u64) -> MediaStats {
        let shown = self.presenter.counts();
        let (counts, written) = (self.counts, &self.written);
        let busy = self.no_slot + shown.crowded;
        let order = shown.misplaced + counts.misordered;
        #[expect(clippy::cast_precision_loss, reason = "below 2^53 ticks")]
        let av_offset = written
            .sound
            .zip(written.picture)
            .map_or(0.0, |(sound, picture)| {
                sound.saturating_sub(picture) as f64 / 90.0
            });
        #[expect(clippy::cast_precision_loss, reason = "some seconds")]
        let held = written
            .finished_at
            .map_or(0.0, |at| now.saturating_sub(at) as f64 / 1e9);
        MediaStats {
            // A pipeline that fails with every frame has frames to answer and answers none.
            waiting: common.waiting.max(u64::from(self.is_failing)),
            dropped: common.dropped + busy + order,
            late: shown.late,
            filler: written.fillers,
            dropped_latest: common.dropped_latest + busy,
            dropped_order: common.dropped_order + order,
            capped: counts.capped,
            damaged: counts.damaged,
            jumps: counts.jumps,
            offset: counts.offset,
            written_pts: written.picture,
            picture_gaps: written.gaps,
            sound_gaps: counts.sound_gaps,
            sound_dropped: written.sound_missed + written.sound_left_out,
            av_offset_ms: av_offset,
            held_seconds: held,
            ..common
        }
    }
}

#[cfg(test)]
mod tests {
    use framerill_worker::message::EgressMode;

    use super::*;

    #[test]
    fn one_missing_picture_is_a_gap_and_the_frame_caps_pattern_is_none() {
        let mut written = Written::default();
        for pts in [0, 3750, 7500, 11250, 15000, 22500] {
            written.picture(pts, Some(1));
        }
        assert_eq!(written.gaps, 1);
        // 30 frames a second of which every fifth is left out.
        let mut written = Written::default();
        for n in (0..100).filter(|n| n % 5 != 4) {
            written.picture(n * 3000, Some(1));
        }
        assert_eq!(written.gaps, 0);
    }

    #[test]
    fn what_is_lost_between_two_media_processes_is_a_gap() {
        for (first, gaps) in [(13_750, 0), (400_000, 1)] {
            let mut written = Written::from(Some(10_000));
            for step in 0..5 {
                written.picture(first + step * 3750, Some(1));
            }
            assert_eq!(written.gaps, gaps);
        }
    }

    #[test]
    fn a_jump_of_the_source_is_told_at_once_and_other_counts_are_not() {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let mut live = LiveState::new(Rules::of(EgressMode::Live), None, tell);
        let capped = LiveCounts {
            capped: 1,
            ..LiveCounts::default()
        };
        live.count(capped);
        assert!(told.try_recv().is_err());
        let jumped = LiveCounts {
            jumps: 1,
            offset: -90_000,
            ..capped
        };
        live.count(jumped);
        assert!(told.try_recv().is_ok());
        assert_eq!(live.stats(MediaStats::default(), 0).offset, -90_000);
        live.count(jumped);
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn the_first_picture_and_the_ends_of_fillers_are_changes() {
        let mut written = Written::default();
        let changes = [Some(1), Some(2), None, None, Some(3)].map(|it| written.picture(1, it));
        assert_eq!(changes, [true, false, true, false, true]);
        assert_eq!((written.fillers, written.finished_at), (2, Some(3)));
    }
}
