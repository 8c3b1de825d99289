//! Frames in order: to the tracker, and to their end.

use super::{
    Count, FlowOutput,
    event::Spoken,
    frame::Stage,
    machine::{DEFAULT_FPS, Flow, Job},
    rows::{self, Stamp},
    spawn,
    view::Moment,
    voting::{Voting, sighting},
};
use crate::{category::Category, task::Payload, track::TrackStep};

/// Frames that the tracker gets at once at most.
const TRACKED_AT_ONCE: usize = 8;
/// Writes that no store has taken yet, from which on no frame is planned.
const MAX_UNWRITTEN: usize = 32;

impl Flow {
    /// The store does not keep up.
    pub(super) fn is_flooded(&self) -> bool {
        self.unwritten().nth(MAX_UNWRITTEN).is_some()
    }

    /// Gives the tracker the next frames, if it waits for any.
    pub(super) fn track_next(&mut self) -> bool {
        if self.is_tracking {
            return false;
        }
        let is_behind = |it: &Stage| matches!(it, Stage::Stepped(_) | Stage::Voting);
        let begin = self.window.partition_point(|it| is_behind(&it.stage));
        let ready = self.window.iter().skip(begin).take(TRACKED_AT_ONCE);
        let count = ready.take_while(|it| it.stage == Stage::Ready).count();
        if count == 0 {
            return false;
        }
        let settings = std::sync::Arc::clone(&self.settings);
        let frames = self.window.range_mut(begin..begin + count);
        let frames: Vec<_> = frames.map(|it| it.for_tracker(&settings)).collect();
        let at = self.window[begin].at;
        let payload = Payload::VehicleTrack {
            tracker: self.tracker.clone(),
            frames,
            is_last: false,
        };
        let task = spawn::task(
            &self.video,
            Some(&at),
            None,
            Category::VehicleTrack,
            payload,
        );
        let (first, frames) = (at.frame_idx, count);
        self.spawn(Job::Track { first, frames }, task);
        self.is_tracking = true;
        true
    }

    /// Takes the tracker's word; none where it failed: then nothing is known of these frames, and tracks go on after them.
    pub(super) fn tracked(
        &mut self,
        first: u64,
        frames: usize,
        word: Option<(serde_json::Value, Vec<TrackStep>)>,
    ) {
        self.is_tracking = false;
        let word = word.filter(|(_, steps)| steps.len() == frames);
        let steps = match word {
            Some((tracker, steps)) => {
                self.tracker = tracker;
                steps
            }
            None => vec![TrackStep::default(); frames],
        };
        let begin = (self.window).partition_point(|it| it.at.frame_idx < first);
        let of_task = self.window.iter_mut().skip(begin).take(frames);
        for (frame, step) in of_task.zip(steps) {
            frame.stage = Stage::Stepped(step);
        }
        if let Some(last) = self.window.get_mut(begin + frames - 1) {
            last.tracker = Some(self.tracker.clone());
        }
    }

    /// Begins to settle the next frame, if its turn has come.
    pub(super) fn settle_next(&mut self) -> bool {
        if self.voting.is_some() {
            return false;
        }
        let Some(frame) = self.window.front_mut() else {
            return false;
        };
        if !matches!(frame.stage, Stage::Stepped(_)) {
            return false;
        }
        let Stage::Stepped(step) = std::mem::replace(&mut frame.stage, Stage::Voting) else {
            return false;
        };
        let (at, seen) = (frame.at, std::mem::take(&mut frame.seen));
        self.apply(at, seen, &step);
        self.vote();
        true
    }

    /// The frame before which rows are written.
    fn margin(&self, at: &Moment) -> Option<u64> {
        let hold = u64::from(self.settings.hold) * u64::from(self.settings.every.max(1));
        at.frame_idx.checked_sub(hold)
    }

    /// Takes a step; begins the votes that it asks for.
    pub(super) fn apply(&mut self, at: Moment, seen: Vec<super::lineage::Seen>, step: &TrackStep) {
        let forget_before = self.margin(&at).unwrap_or(0);
        let applied = (self.settled.lineages).apply(at, seen, step, forget_before);
        for (lineage, row) in applied.rows {
            self.settled.ledger.hold(lineage, row);
        }
        let counts = &mut self.settled.counts;
        counts.cuts += u64::from(step.is_cut);
        counts.readings += applied.readings;
        counts.unattributed += applied.unattributed;
        let voting = self.voting.get_or_insert_with(Voting::default);
        for (id, lineage) in applied.closed {
            voting.close(id, lineage);
        }
    }

    /// All votes of the next frame are held: it is settled.
    pub(super) fn settle(&mut self) {
        let Some(frame) = self.window.pop_front() else {
            return;
        };
        let at = frame.at;
        self.is_exact = frame.tracker.is_some();
        if let Some(tracker) = frame.tracker {
            self.settled.tracker = tracker;
        }
        self.release_resting(Some(&at));
        self.settled.planner = frame.planner;
        self.settled.last = Some(at);
        self.settled.seq += 1;
        let lag = usize::try_from(self.settings.lag.max(1)).unwrap_or(usize::MAX);
        self.settled.look(lag);
        let mut tally = frame.counts;
        tally.add(Count::Settled, 1);
        self.settled.counts.take(&tally);
        for (what, by) in tally.counted {
            self.say(FlowOutput::Counted { what, by });
        }
        if let Some(margin) = self.margin(&at) {
            self.let_go(Some(margin));
        }
        self.checkpoint();
    }

    /// Writes what is of frames up to `margin`, or all there is.
    pub(super) fn let_go(&mut self, margin: Option<u64>) {
        let advanced = self.settled.ledger.advance(&self.video, margin);
        self.settled.counts.vehicles += advanced.vehicles;
        for (what, by) in [
            (Count::Tracks, advanced.tracks),
            (Count::Plates, advanced.plates),
            (Count::Unreadable, advanced.unreadable),
        ] {
            if by > 0 {
                self.settled.counts.add(what, by);
                self.say(FlowOutput::Counted { what, by });
            }
        }
        self.tell();
        let mut writes = self.settled.ledger.take(margin.is_none());
        writes.extend(self.settled.ledger.withdrawn(&self.video));
        self.write(writes);
    }

    /// Tells what happened to vehicles. It comes before any row that follows from it, and before the next checkpoint.
    fn tell(&mut self) {
        let Some(at) = self.settled.last else {
            return;
        };
        for (id, lineage) in self.settled.lineages.iter() {
            let plate = lineage.plate.as_ref();
            let spoken = plate.map(|it| Spoken::of(it, lineage.is_certain));
            if self.settled.ledger.hear(id, spoken) && self.is_live {
                let sighting = plate.map(|it| sighting(it.clone(), lineage));
                let is_stable = lineage.is_certain || plate.is_some_and(|it| !it.is_uncertain);
                let ledger = &mut self.settled.ledger;
                ledger.show(&self.video, id, sighting.as_ref(), is_stable);
            }
        }
        let fps = self.settled.fps.unwrap_or(DEFAULT_FPS);
        for mut it in self.settled.ledger.happened() {
            if let Some(row) = &mut it.record {
                self.fill("vehicles", row);
            }
            let ts_ms = at
                .ts_ms
                .unwrap_or_else(|| rows::frame_ms(at.frame_idx, fps));
            let event = it.into_event(&self.video, at.frame_idx, ts_ms);
            self.say(FlowOutput::Vehicle(Box::new(event)));
        }
    }
}

/// Of a frame, for records.
pub(super) fn stamp(at: &Moment) -> Stamp {
    Stamp {
        frame_idx: at.frame_idx,
        ts_ms: at.ts_ms,
    }
}
