//! Which picture appears at which time of the output: a pure machine between the exchange and the encoder.
//!
//! ```text
//! arrive ──> open ──finish──────────────────────────> shown, in the order of arrival
//!              ├──pass over (displaced, skipped)──────> shown as filler or not, by the mode
//!              ├──lose (with its worker)──────────────> filler
//!              └──due (late), or nobody to finish it──> filler; what is finished of it later is late
//! ```
//!
//! Generic over pictures `P` and what is kept of an input `I`. No clock: times are handed in, in ns of one monotonic clock.
//!
//! Invariants: what is shown has strictly increasing pts; every frame that arrived is shown once at most, and in
//! [`EgressMode::Live`] while its worker is gone, in [`EgressMode::Fill`] and in [`EgressMode::Hold`] exactly once, unless
//! nobody takes what is shown for as long as [`Rules::most_waiting`] frames.

use std::collections::VecDeque;

use framerill_media::Pts;
use framerill_worker::message::EgressMode;

use crate::usual::{LATE_AT_LEAST_NS, Usual};

/// What to encode next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown<P, I> {
    /// A finished picture.
    Finished {
        /// In ticks of the stream.
        pts: Pts,
        /// The picture.
        picture: P,
    },
    /// A picture that nobody finished: which one is the driver's choice.
    Filler {
        /// The input's.
        pts: Pts,
        /// What was kept of the input.
        input: I,
        /// Why.
        why: Why,
    },
}

/// Why a filler is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The worker takes longer than it usually does.
    Late,
    /// There is no worker, or it is reloading.
    Absent,
    /// The frame was lost with its worker, or the pipeline failed with it.
    Lost,
    /// The frame made way for a newer one, or the pipeline skipped it.
    PassedOver,
    /// The mode shows the newest finished picture.
    Held,
}

/// How pictures are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// What appears where no finished picture is.
    pub(crate) mode: EgressMode,
    /// [`EgressMode::Live`]: fillers may come before the pipeline has finished a picture or failed with one.
    pub(crate) from_start: bool,
    /// A frame is late after this many usual distances between outputs without one.
    pub(crate) intervals: u64,
    /// And after so many ns at least.
    pub(crate) at_least: u64,
    /// Frames that wait at most; beyond that the oldest go.
    pub(crate) most_waiting: usize,
}

impl Rules {
    /// The usual ones of a mode.
    pub(crate) fn of(mode: EgressMode) -> Self {
        Self {
            mode,
            from_start: false,
            intervals: 2,
            at_least: LATE_AT_LEAST_NS,
            most_waiting: 256,
        }
    }
}

#[derive(Debug)]
struct Entry<P, I> {
    frame: u64,
    pts: Pts,
    arrived: u64,
    input: I,
    fate: Fate<P>,
}

#[derive(Debug)]
enum Fate<P> {
    Open,
    /// Its pictures with their pts; more may come until it is whole.
    Finished {
        pictures: VecDeque<(Pts, P)>,
        whole: bool,
    },
    PassedOver,
    Lost,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Presenter<P, I> {
    rules: Rules,
    entries: VecDeque<Entry<P, I>>,
    /// Whether a worker is there that takes frames.
    present: bool,
    /// [`EgressMode::Hold`]: the newest finished picture, until it is shown.
    newest: Option<P>,
    /// Its worker takes frames in and answers them on its own time.
    takes_in: bool,
    /// Frames that arrived since something was finished.
    arrived_since: u32,
    /// Something was finished, or the pipeline failed with it: from here on what is missing is bridged.
    has_begun: bool,
    /// The last thing shown was a filler.
    is_bridging: bool,
    last: Option<Pts>,
    finished_at: Option<u64>,
    distances: Usual,
    counts: Counts,
}

/// What was shown, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Finished pictures.
    pub(crate) finished: u64,
    /// Fillers.
    pub(crate) filler: u64,
    /// Finished pictures that came when their place was taken.
    pub(crate) late: u64,
    /// Finished pictures whose pts did not increase.
    pub(crate) misplaced: u64,
    /// Frames that left because nobody took what was shown.
    pub(crate) crowded: u64,
}

impl<P, I> Presenter<P, I> {
    /// Nothing has arrived and no worker is there.
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            entries: VecDeque::new(),
            present: false,
            newest: None,
            takes_in: false,
            arrived_since: 0,
            has_begun: false,
            is_bridging: false,
            last: None,
            finished_at: None,
            distances: Usual::default(),
            counts: Counts::default(),
        }
    }

    /// The worker has taken a frame in: what it keeps while nothing comes is not late.
    pub(crate) fn takes_in(&mut self) {
        self.takes_in = true;
    }

    /// A frame of the source, in the order of the source.
    pub(crate) fn arrive(&mut self, frame: u64, pts: Pts, input: I, now: u64) {
        self.arrived_since = self.arrived_since.saturating_add(1);
        if self.entries.len() >= self.rules.most_waiting {
            // What nobody will finish goes first.
            let is_over = |it: &Entry<P, I>| matches!(it.fate, Fate::PassedOver);
            let place = self.entries.iter().position(is_over).unwrap_or(0);
            self.entries.remove(place);
            self.counts.crowded += 1;
        }
        self.entries.push_back(Entry {
            frame,
            pts,
            arrived: now,
            input,
            fate: Fate::Open,
        });
    }

    /// A finished picture of a frame. `whole` says that it is the last of that frame. False when its place is taken.
    pub(crate) fn finish(
        &mut self,
        frame: u64,
        pts: Pts,
        picture: P,
        whole: bool,
        now: u64,
    ) -> bool {
        self.remember(frame, now);
        if self.rules.mode == EgressMode::Hold {
            self.newest = Some(picture);
            self.has_begun = true;
            return true;
        }
        let Some(entry) = self.entries.iter_mut().find(|it| it.frame == frame) else {
            self.counts.late += 1;
            return false;
        };
        self.has_begun = true;
        match &mut entry.fate {
            Fate::Finished {
                pictures,
                whole: is_whole,
            } => {
                pictures.push_back((pts, picture));
                *is_whole = whole;
            }
            other => {
                let pictures = VecDeque::from([(pts, picture)]);
                *other = Fate::Finished { pictures, whole };
            }
        }
        true
    }

    /// A frame that nobody will finish: it made way for a newer one, or was skipped. Without a worker it is lost like others.
    pub(crate) fn pass_over(&mut self, frame: u64) {
        let fate = if self.present {
            Fate::PassedOver
        } else {
            Fate::Lost
        };
        self.decide(frame, fate);
    }

    /// The pipeline failed with a frame.
    pub(crate) fn fail(&mut self, frame: u64) {
        self.has_begun = true;
        self.decide(frame, Fate::Lost);
    }

    /// A frame was lost with its worker.
    pub(crate) fn lose(&mut self, frame: u64) {
        self.decide(frame, Fate::Lost);
    }

    fn decide(&mut self, frame: u64, fate: Fate<P>) {
        if let Some(entry) = self.entries.iter_mut().find(|it| it.frame == frame) {
            match &mut entry.fate {
                // What came of it stays; no more will come.
                Fate::Finished { whole, .. } => *whole = true,
                other => *other = fate,
            }
        }
    }

    /// A worker takes frames from now on, or none does. Frames that wait for one that comes have their full time; what made
    /// way for others and has not left when one goes is lost with it.
    pub(crate) fn set_present(&mut self, present: bool, now: u64) {
        if !present && self.present {
            for entry in &mut self.entries {
                if matches!(entry.fate, Fate::PassedOver) {
                    entry.fate = Fate::Lost;
                }
            }
        }
        if present && !self.present {
            for entry in &mut self.entries {
                entry.arrived = now;
            }
            // The pause says nothing about the pace of the next worker.
            self.finished_at = None;
            self.takes_in = false;
        }
        self.present = present;
    }

    /// The next thing to encode, if it is time.
    pub(crate) fn next(&mut self, now: u64) -> Option<Shown<P, I>> {
        loop {
            let late_at = self.late_at();
            let mode = self.rules.mode;
            let has_next = self.entries.len() > 1;
            let entry = self.entries.front_mut()?;
            let why = match &mut entry.fate {
                _ if mode == EgressMode::Hold => Why::Held,
                Fate::Finished { pictures, whole } => {
                    let picture = pictures.pop_front();
                    let is_over = *whole && pictures.is_empty();
                    if is_over {
                        self.entries.pop_front();
                    }
                    let Some((pts, picture)) = picture else {
                        if is_over {
                            continue;
                        }
                        // It has a picture, and whoever is behind it shall not wait for more of them for ever.
                        let is_late = late_at.is_some_and(|at| now >= at);
                        if has_next && is_late && mode != EgressMode::Strict {
                            self.entries.pop_front();
                            continue;
                        }
                        return None;
                    };
                    if !self.takes(pts) {
                        self.counts.misplaced += 1;
                        continue;
                    }
                    return Some(self.finished(pts, picture));
                }
                Fate::PassedOver => Why::PassedOver,
                Fate::Lost => Why::Lost,
                Fate::Open if mode == EgressMode::Strict => return None,
                Fate::Open if !self.present => Why::Absent,
                Fate::Open if late_at.is_some_and(|at| now >= at) => Why::Late,
                Fate::Open => return None,
            };
            let entry = self.entries.pop_front()?;
            if !self.is_shown(why) || !self.takes(entry.pts) {
                continue;
            }
            if let Some(picture) = self.newest.take() {
                return Some(self.finished(entry.pts, picture));
            }
            self.counts.filler += 1;
            self.is_bridging = true;
            return Some(Shown::Filler {
                pts: entry.pts,
                input: entry.input,
                why,
            });
        }
    }

    /// When [`Presenter::next`] has something to say though nothing happens.
    pub(crate) fn due(&self) -> Option<u64> {
        let entry = self.entries.front()?;
        let is_waited_for = match &entry.fate {
            Fate::Open => true,
            Fate::Finished { pictures, whole } => {
                !whole && pictures.is_empty() && self.entries.len() > 1
            }
            Fate::PassedOver | Fate::Lost => false,
        };
        let waits = is_waited_for
            && self.present
            && !matches!(self.rules.mode, EgressMode::Strict | EgressMode::Hold);
        self.late_at().filter(|_| waits)
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether every frame that arrived has left.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// No worker will finish anything any more: what waits for one leaves as the mode says.
    pub(crate) fn give_up(&mut self) {
        self.present = false;
        for entry in &mut self.entries {
            match &mut entry.fate {
                Fate::Finished { whole, .. } => *whole = true,
                fate @ Fate::Open => *fate = Fate::Lost,
                Fate::PassedOver | Fate::Lost => {}
            }
        }
    }

    fn is_shown(&self, why: Why) -> bool {
        match self.rules.mode {
            EgressMode::Strict => false,
            EgressMode::Fill | EgressMode::Hold => true,
            // Before the first picture there is nothing to bridge: a worker that loads shows nothing. What makes way for
            // newer frames of a worker that is well is its pace; while it is late it is a gap.
            EgressMode::Live => {
                let is_gap = why != Why::PassedOver || self.is_bridging;
                is_gap && (self.has_begun || self.rules.from_start)
            }
        }
    }

    fn finished(&mut self, pts: Pts, picture: P) -> Shown<P, I> {
        self.counts.finished += 1;
        self.is_bridging = false;
        Shown::Finished { pts, picture }
    }

    fn takes(&mut self, pts: Pts) -> bool {
        let takes = self.last.is_none_or(|last| pts > last);
        if takes {
            self.last = Some(pts);
        }
        takes
    }

    fn remember(&mut self, frame: u64, now: u64) {
        self.arrived_since = 0;
        let before = self.finished_at.replace(now);
        // How long the first one took is what there is to go by until a second one comes.
        let begun = || {
            let is_first = self.distances.median().is_none();
            let entry = self.entries.iter().find(|it| it.frame == frame);
            entry.filter(|_| is_first).map(|it| it.arrived)
        };
        if let Some(since) = before.or_else(begun) {
            self.distances.add(now.saturating_sub(since));
        }
    }

    /// When the oldest frame is late: its worker has had it, and finished nothing else, for that long.
    fn late_at(&self) -> Option<u64> {
        let entry = self.entries.front()?;
        let waits_for_first = self.rules.mode == EgressMode::Live && !self.rules.from_start;
        if waits_for_first && !self.has_begun {
            return None;
        }
        // One that has a picture to give for each frame gives none while no frame comes.
        if self.takes_in && self.arrived_since < 2 {
            return None;
        }
        let usual = self.distances.median().unwrap_or(0);
        let usually = usual.saturating_mul(self.rules.intervals);
        let since = entry.arrived.max(self.finished_at.unwrap_or(0));
        Some(since.saturating_add(usually.max(self.rules.at_least)))
    }
}

#[cfg(test)]
mod tests;
