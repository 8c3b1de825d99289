//! Two tracks that are one vehicle, told by their readings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    lineage::{Lineage, LineageId},
    machine::Flow,
    view::Moment,
    voting::closing,
};
use crate::text::edits;

/// A fragment begins at most this many ms after the last reading of the one before.
const GAP_MS: f64 = 2000.0;
/// A track that is over waits at most this many ms for what may be its next fragment to be read.
const PATIENCE_MS: f64 = 30_000.0;
/// Texts shorter than this are not compared.
const MIN_CHARS: usize = 4;
/// Most tracks that are over and wait; the oldest goes first.
const MAX_RESTING: usize = 256;

/// Tracks that are over and have readings: a later one may turn out to be the same vehicle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Resting(BTreeMap<LineageId, Lineage>);

/// The two are fragments of one vehicle: they were never read in one frame, the later one soon after the earlier one, and
/// their texts are alike.
fn is_same(a: &Lineage, b: &Lineage) -> bool {
    let (Some(one), Some(other)) = (a.text(), b.text()) else {
        return false;
    };
    let shortest = one.len().min(other.len());
    let most = (shortest / 4 + usize::from(shortest >= 6)).max(1);
    let is_alike = shortest >= MIN_CHARS && edits(one, other) <= most;
    let is_other = a.is_certain && b.is_certain && one != other;
    if a.is_split || b.is_split || is_other || !is_alike || a.samples.meets(&b.samples) {
        return false;
    }
    let (first, second) = if begins(a) <= begins(b) {
        (a, b)
    } else {
        (b, a)
    };
    let (Some(end), Some(begin)) = (first.samples.end(), second.samples.begin()) else {
        return false;
    };
    let moment = |at: (u64, Option<f64>)| Moment {
        frame_idx: at.0,
        ts_ms: at.1,
        fps: first.last.fps,
    };
    begin.0 <= end.0 || moment(begin).since(&moment(end)) <= GAP_MS
}

fn begins(it: &Lineage) -> u64 {
    it.samples
        .begin()
        .map_or(u64::MAX, |(frame_idx, _)| frame_idx)
}

/// Adds the readings of one fragment to the other. What it is, and when it was seen last, is of both.
fn add(to: &mut Lineage, other: Lineage) {
    if other.last.frame_idx > to.last.frame_idx {
        to.last = other.last;
    }
    if other.first.frame_idx < to.first.frame_idx {
        to.first = other.first;
    }
    to.plates_seen += other.plates_seen;
    to.join_classes(&other);
    to.samples.merge(other.samples);
    to.is_dirty = true;
    to.is_certain = false;
    to.plate = None;
}

impl Flow {
    /// Joins what turned out to be one vehicle. True if any was: votes are due again.
    pub(super) fn join_fragments(&mut self) -> bool {
        let Some(voting) = &mut self.voting else {
            return false;
        };
        let mut is_joined = false;
        let resting = &mut self.settled.resting.0;
        // Those that were joined are voted over again; the others rest.
        let mut again = BTreeMap::new();
        for (id, lineage) in std::mem::take(&mut voting.over) {
            if lineage.samples.is_empty() {
                self.settled.ledger.close(id, closing(lineage));
                continue;
            }
            let earlier = resting
                .iter()
                .find(|(_, it)| is_same(it, &lineage))
                .map(|(id, _)| *id);
            let Some(other) = earlier.and_then(|it| resting.remove(&it).map(|other| (it, other)))
            else {
                resting.insert(id, lineage);
                continue;
            };
            let ((id, mut kept), (gone_id, gone)) = in_order((id, lineage), other);
            self.settled.ledger.join(gone_id, id);
            add(&mut kept, gone);
            again.insert(id, kept);
            is_joined = true;
        }
        voting.over = again;
        for (open_id, gone_id) in pairs(&self.settled.lineages, resting) {
            let Some(gone) = resting.remove(&gone_id) else {
                continue;
            };
            // The earlier one's id goes on, with what the later one is now.
            let keeps_id = if self.settled.lineages.begins(open_id) <= begins(&gone) {
                open_id
            } else {
                self.settled.lineages.rename(open_id, gone_id);
                gone_id
            };
            let from = if keeps_id == open_id {
                gone_id
            } else {
                open_id
            };
            self.settled.ledger.join(from, keeps_id);
            if let Some(kept) = self.settled.lineages.get_mut(keeps_id) {
                add(kept, gone);
            }
            is_joined = true;
        }
        self.settled.counts.joins += u64::from(is_joined);
        is_joined
    }

    /// Lets go of tracks that nothing can be joined to any more; of all, at the end of the video.
    pub(super) fn release_resting(&mut self, now: Option<&Moment>) {
        let lineages = &self.settled.lineages;
        let waits = |it: &Lineage| {
            now.is_some_and(|now| {
                let unread = now.since(&it.last);
                unread <= GAP_MS || (unread <= PATIENCE_MS && lineages.has_unread(&it.last, GAP_MS))
            })
        };
        let resting = &mut self.settled.resting.0;
        let mut over: Vec<LineageId> = (resting.iter().filter(|(_, it)| !waits(it)))
            .map(|(id, _)| *id)
            .collect();
        let excess = (resting.len() - over.len()).saturating_sub(MAX_RESTING);
        let kept: Vec<LineageId> = resting
            .keys()
            .filter(|id| !over.contains(id))
            .copied()
            .collect();
        over.extend(kept.into_iter().take(excess));
        for id in over {
            if let Some(lineage) = resting.remove(&id) {
                self.settled.ledger.close(id, closing(lineage));
            }
        }
    }
}

type Identified = (LineageId, Lineage);

/// The one that was read first comes first.
fn in_order(a: Identified, b: Identified) -> (Identified, Identified) {
    if (begins(&a.1), a.0) <= (begins(&b.1), b.0) {
        (a, b)
    } else {
        (b, a)
    }
}

/// Open tracks with a plate, and a resting one that is the same vehicle; each once.
fn pairs(
    open: &super::lineage::Lineages,
    resting: &BTreeMap<LineageId, Lineage>,
) -> Vec<(LineageId, LineageId)> {
    let mut pairs: Vec<(LineageId, LineageId)> = Vec::new();
    for (id, lineage) in open.iter().filter(|(_, it)| it.plate.is_some()) {
        let is_free = |gone: &LineageId| pairs.iter().all(|(_, it)| it != gone);
        let mut gone = resting.iter().filter(|(it, _)| is_free(it));
        if let Some((gone, _)) = gone.find(|(_, it)| is_same(it, lineage)) {
            pairs.push((id, *gone));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bbox::BBox,
        detection::Reading,
        flow::{lineage::Seen, samples::Kept},
        track::{Item, TrackStep},
        vote::Sample,
    };

    /// A track that was read as these texts, every fourth frame from `from` on.
    fn track(from: u64, texts: &[&str]) -> Lineage {
        let mut all = super::super::lineage::Lineages::default();
        for (frame_idx, text) in (from..).step_by(4).zip(texts) {
            let at = Moment {
                frame_idx,
                ts_ms: None,
                fps: 25.0,
            };
            let reading = Reading {
                text: (*text).to_owned(),
                conf: 0.9,
                ..Reading::default()
            };
            let item = Item {
                car_bbox: BBox::from([0.0, 0.0, 100.0, 100.0]),
                conf: 0.9,
                class: None,
                plate_bbox: Some(BBox::from([40.0, 60.0, 80.0, 70.0])),
                plate_conf: 0.9,
                reading: None,
            };
            let sample = Sample {
                frame_idx,
                ts_ms: None,
                car_bbox: item.car_bbox,
                plate_bbox: BBox::from([40.0, 60.0, 80.0, 70.0]),
                plate_conf: 0.9,
                reading,
            };
            let seen = Seen {
                item,
                is_searched: true,
                corners: None,
                sample: Some(Kept::new(sample, None)),
            };
            let step = TrackStep {
                tracks: vec![Some(1)],
                ..TrackStep::default()
            };
            let _ = all.apply(at, vec![seen], &step, 0);
        }
        all.close_all().remove(0).1
    }

    #[test]
    fn fragments_of_one_plate_soon_after_each_other_are_one_vehicle() {
        let first = track(0, &["ABC1234"; 3]);
        assert!(is_same(&first, &track(12, &["ABC1234"; 2])));
        assert!(
            is_same(&track(12, &["A8C1234"; 2]), &first),
            "one character differs"
        );
        assert!(
            is_same(&first, &track(58, &["ABC1234"; 2])),
            "two seconds later"
        );
        assert!(
            !is_same(&first, &track(62, &["ABC1234"; 2])),
            "later than that"
        );
        assert!(
            !is_same(&first, &track(12, &["XYZ1234"; 2])),
            "another plate"
        );
    }

    #[test]
    fn what_was_read_in_one_frame_is_two_vehicles() {
        let one = track(0, &["ABC1234"; 3]);
        assert!(!is_same(&one, &track(4, &["ABC1234"; 3])));
        assert!(is_same(&one, &track(2, &["ABC1234"; 3])), "read in turns");
    }

    #[test]
    fn two_certain_plates_that_differ_and_halves_of_a_split_stay_apart() {
        let (mut one, mut other) = (track(0, &["ABC1234"; 3]), track(12, &["ABC1235"; 3]));
        assert!(is_same(&one, &other));
        (one.is_certain, other.is_certain) = (true, true);
        assert!(!is_same(&one, &other));
        let mut whole = track(0, &["ABC1234"; 6]);
        let second = whole.split(12).unwrap();
        assert!(!is_same(&whole, &second));
    }

    #[test]
    fn a_vehicle_of_two_fragments_has_the_readings_of_both() {
        let mut one = track(0, &["ABC1234"; 3]);
        add(&mut one, track(12, &["ABC1234"; 2]));
        assert_eq!(
            (one.samples.total(), one.first.frame_idx, one.last.frame_idx),
            (5, 0, 16)
        );
        assert!(one.is_dirty);
    }
}
