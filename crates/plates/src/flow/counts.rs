//! What happened in a video, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Count;
use crate::category::Category;

/// Counts of a video's settled frames: they never run ahead of its checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Frames that arrived and are settled.
    pub frames: u64,
    /// Sampled frames that never came.
    pub lost: u64,
    /// Vehicles found in frames.
    pub detections: u64,
    /// Plates found in frames, each once.
    pub plates_seen: u64,
    /// Readings that became samples.
    pub readings: u64,
    /// Readings that belong to no track.
    pub unattributed: u64,
    /// Confirmed tracks.
    pub tracks: u64,
    /// Tracks of a vehicle, not of a plate alone.
    pub vehicles: u64,
    /// Tracks that were of two vehicles.
    pub splits: u64,
    /// Frames in which fragments of one vehicle were joined.
    pub joins: u64,
    /// Tracks with a final plate.
    pub plates: u64,
    /// Tracks whose plate was seen and has no final text.
    pub unreadable: u64,
    /// Hard cuts.
    pub cuts: u64,
    /// Tasks that failed for good.
    pub failed_tasks: u64,
    /// Rows that the store refused or never got.
    pub refused_rows: u64,
    /// Tasks that were not needed: category and reason.
    pub skipped: BTreeMap<String, BTreeMap<String, u64>>,
    /// Branches that ended without a result: category and reason.
    pub nothing: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    /// Takes the counts of a settled frame.
    pub(super) fn take(&mut self, tally: &Tally) {
        for (what, by) in &tally.counted {
            self.add(*what, *by);
        }
        self.detections += tally.detections;
        self.plates_seen += tally.plates_seen;
        self.failed_tasks += tally.failed_tasks;
    }

    /// Counts something of a branch or a track.
    pub(super) fn add(&mut self, what: Count, by: u64) {
        let slot = match what {
            Count::Settled => &mut self.frames,
            Count::Lost => &mut self.lost,
            Count::Tracks => &mut self.tracks,
            Count::Plates => &mut self.plates,
            Count::Unreadable => &mut self.unreadable,
            Count::Skipped(category, reason) => of(&mut self.skipped, category, reason),
            Count::Nothing(category, reason) => of(&mut self.nothing, category, reason),
        };
        *slot = slot.saturating_add(by);
    }
}

/// Counts of one frame, apart from those of the video until it is settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// What others count, too.
    pub counted: BTreeMap<Count, u64>,
    /// See [`Counts::detections`].
    pub detections: u64,
    /// See [`Counts::plates_seen`].
    pub plates_seen: u64,
    /// See [`Counts::failed_tasks`].
    pub failed_tasks: u64,
}

impl Tally {
    /// Counts something.
    pub(super) fn add(&mut self, what: Count, by: u64) {
        if by > 0 {
            *self.counted.entry(what).or_default() += by;
        }
    }
}

fn of<'a>(
    map: &'a mut BTreeMap<String, BTreeMap<String, u64>>,
    category: Category,
    reason: &str,
) -> &'a mut u64 {
    let of_category = map.entry(category.name().to_owned()).or_default();
    of_category.entry(reason.to_owned()).or_default()
}
