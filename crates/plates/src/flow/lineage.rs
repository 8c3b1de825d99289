//! What is known of each vehicle of a video, from its first frame to its last.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    samples::{Kept, Samples},
    view::{Moment, Searched, View},
};
use crate::{
    bbox::BBox,
    detection::VehicleClass,
    track::{Earlier, Item, MotionRow, TrackStep},
    vote::{Final, Sample},
};

/// Items without a track that wait for one to be confirmed.
const MAX_ORPHANS: usize = 256;

/// A vehicle, before it has a number that people see. A split makes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LineageId(pub u32);

/// An item of a frame with what the tracker need not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// As the tracker gets it.
    pub item: Item,
    /// A plate was searched for.
    pub is_searched: bool,
    /// Corners of its plate in frame pixels.
    pub corners: Option<[[f32; 2]; 4]>,
    /// Its reading, with crop, where it is a sample.
    pub sample: Option<Kept>,
}

impl Seen {
    /// A plate was searched for.
    pub(super) fn search(&mut self) {
        self.is_searched = true;
    }
}

/// One vehicle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lineage {
    /// The tracker's number.
    pub tracker_id: u32,
    /// When it was seen first.
    pub first: Moment,
    /// When it was seen last.
    pub last: Moment,
    /// Where it was then.
    pub bbox: BBox,
    /// Its readings.
    pub samples: Samples,
    /// There are samples that no vote has seen.
    pub is_dirty: bool,
    /// More readings would not change its plate.
    pub is_certain: bool,
    /// As the last vote has it.
    pub plate: Option<Final>,
    /// It is a part of a track that was of two vehicles: it is joined to no other.
    pub is_split: bool,
    /// Frames in which its plate was seen.
    pub plates_seen: u32,
    velocity: [f64; 2],
    classes: [f32; 4],
    barren: u32,
    plate_width: f32,
    searched: Option<Searched>,
    has_rows: bool,
}

impl Lineage {
    fn new(tracker_id: u32, at: Moment, bbox: BBox) -> Self {
        Self {
            tracker_id,
            first: at,
            last: at,
            bbox,
            samples: Samples::default(),
            is_dirty: false,
            is_certain: false,
            plate: None,
            is_split: false,
            plates_seen: 0,
            velocity: [0.0; 2],
            classes: [0.0; 4],
            barren: 0,
            plate_width: 0.0,
            searched: None,
            has_rows: false,
        }
    }

    fn see(&mut self, at: Moment, seen: Seen) {
        self.last = at;
        self.bbox = seen.item.car_bbox;
        if let Some(class) = seen.item.class {
            self.classes[class as usize] += seen.item.conf;
        }
        if seen.is_searched {
            let bbox = seen.item.car_bbox;
            self.searched = Some(Searched { at, bbox });
        }
        if seen.item.plate_bbox.is_some() {
            self.plates_seen += 1;
            self.barren = 0;
        } else if seen.is_searched {
            self.barren += 1;
        }
        if let Some(sample) = seen.sample {
            self.read(sample);
        }
    }

    fn read(&mut self, sample: Kept) {
        self.plate_width = self.plate_width.max(sample.sample.plate_bbox.width());
        self.samples.push(sample);
        self.is_dirty = true;
    }

    /// What it is, by the confidence of all its boxes together; none where only its plate was seen.
    #[must_use]
    pub(super) fn class(&self) -> Option<VehicleClass> {
        use VehicleClass::{Bus, Car, Motorcycle, Truck};
        let all = [Car, Motorcycle, Bus, Truck].into_iter();
        let best = all.max_by(|a, b| {
            let conf = |it: &VehicleClass| self.classes[*it as usize];
            conf(a)
                .total_cmp(&conf(b))
                .then((*b as usize).cmp(&(*a as usize)))
        });
        best.filter(|it| self.classes[*it as usize] > 0.0)
    }

    /// Its plate, or, without one, the weightiest reading.
    pub(super) fn text(&self) -> Option<&str> {
        let plate = self.plate.as_ref().map(|it| it.raw_text.as_str());
        plate.or_else(|| self.samples.heaviest())
    }

    /// Takes what the boxes of another fragment say of what it is.
    pub(super) fn join_classes(&mut self, other: &Self) {
        for (to, of) in self.classes.iter_mut().zip(other.classes) {
            *to += of;
        }
        self.plate_width = self.plate_width.max(other.plate_width);
        self.has_rows |= other.has_rows;
    }

    /// The vehicle that the later part of this track is of. This one keeps what is before `frame_idx`.
    /// None, and nothing changed, where one of the two would be without samples.
    #[must_use]
    pub(super) fn split(&mut self, frame_idx: u64) -> Option<Self> {
        let mut before = self.samples.clone();
        let after = before.split_off(frame_idx);
        if before.is_empty() || after.is_empty() {
            return None;
        }
        let begins = |it: &Sample| Moment {
            frame_idx: it.frame_idx,
            ts_ms: it.ts_ms,
            fps: self.last.fps,
        };
        let widest = |it: &Samples| {
            let widths = it.kept().iter().map(|it| it.sample.plate_bbox.width());
            widths.fold(0.0, f32::max)
        };
        let mut second = self.clone();
        second.first = begins(&after.kept()[0].sample);
        second.plate_width = widest(&after);
        second.plates_seen = after.total();
        second.samples = after;
        second.is_certain = false;
        second.is_dirty = true;
        second.is_split = true;
        second.plate = None;
        self.last = before
            .kept()
            .last()
            .map_or(self.last, |it| begins(&it.sample));
        self.plate_width = widest(&before);
        self.samples = before;
        self.is_certain = false;
        self.is_dirty = true;
        self.is_split = true;
        self.plate = None;
        Some(second)
    }

    fn view(&self, lineage: LineageId) -> View {
        View {
            lineage,
            at: self.last,
            bbox: self.bbox,
            velocity: self.velocity,
            is_certain: self.is_certain,
            readings: self.samples.total(),
            plate_width: self.plate_width,
            barren: self.barren,
            searched: self.searched,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Orphan {
    at: Moment,
    item: usize,
    seen: Seen,
}

/// What a settled step changed.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Rows, each with its vehicle.
    pub rows: Vec<(LineageId, MotionRow)>,
    /// Vehicles that are over.
    pub closed: Vec<(LineageId, Lineage)>,
    /// Readings that no track took in time.
    pub unattributed: u64,
    /// Readings that a track took.
    pub readings: u64,
}

/// The vehicles that are open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lineages {
    open: BTreeMap<LineageId, Lineage>,
    of_tracker: BTreeMap<u32, LineageId>,
    orphans: VecDeque<Orphan>,
    next: u32,
}

impl Lineages {
    /// Takes one frame's step. `forget_before` is the frame before which readings without a track are given up.
    pub(super) fn apply(
        &mut self,
        at: Moment,
        seen: Vec<Seen>,
        step: &TrackStep,
        forget_before: u64,
    ) -> Applied {
        let mut applied = Applied::default();
        for it in &step.earlier {
            applied.readings += self.adopt(it);
        }
        for row in &step.rows {
            let row_at = Moment {
                frame_idx: row.frame_idx,
                ts_ms: row.video_ts_ms,
                fps: at.fps,
            };
            let id = self.of(row.track_id, row_at, row.bbox);
            if let Some(lineage) = self.open.get_mut(&id) {
                lineage.has_rows = true;
                lineage.velocity = [row.vx, row.vy];
            }
            applied.rows.push((id, row.clone()));
        }
        let tracks = step.tracks.iter().copied().chain(std::iter::repeat(None));
        for (item, (seen, track)) in seen.into_iter().zip(tracks).enumerate() {
            if let Some(track) = track {
                let id = self.of(track, at, seen.item.car_bbox);
                applied.readings += u64::from(seen.sample.is_some());
                if let Some(lineage) = self.open.get_mut(&id) {
                    lineage.see(at, seen);
                }
            } else {
                self.orphans.push_back(Orphan { at, item, seen });
            }
        }
        let is_old = |it: &Orphan| it.at.frame_idx < forget_before;
        while self.orphans.len() > MAX_ORPHANS || self.orphans.front().is_some_and(is_old) {
            let orphan = self.orphans.pop_front();
            applied.unattributed += u64::from(orphan.is_some_and(|it| it.seen.sample.is_some()));
        }
        for track in &step.closed {
            if let Some(id) = self.of_tracker.remove(track)
                && let Some(it) = self.open.remove(&id)
            {
                applied.closed.push((id, it));
            }
        }
        self.open
            .retain(|_, it| it.has_rows || it.last.frame_idx >= forget_before);
        let open = &self.open;
        self.of_tracker.retain(|_, id| open.contains_key(id));
        applied
    }

    fn of(&mut self, tracker_id: u32, at: Moment, bbox: BBox) -> LineageId {
        if let Some(id) = self.of_tracker.get(&tracker_id) {
            return *id;
        }
        let id = self.fresh();
        self.of_tracker.insert(tracker_id, id);
        self.open.insert(id, Lineage::new(tracker_id, at, bbox));
        id
    }

    fn fresh(&mut self) -> LineageId {
        self.next += 1;
        LineageId(self.next)
    }

    /// Gives a track that was confirmed late an item of an earlier frame.
    fn adopt(&mut self, earlier: &Earlier) -> u64 {
        let is_it = |it: &Orphan| it.at.frame_idx == earlier.frame_idx && it.item == earlier.item;
        let at = self.orphans.iter().position(is_it);
        let Some(Orphan { at, seen, .. }) = at.and_then(|at| self.orphans.remove(at)) else {
            return 0;
        };
        let readings = u64::from(seen.sample.is_some());
        let id = self.of(earlier.track_id, at, seen.item.car_bbox);
        if let Some(lineage) = self.open.get_mut(&id) {
            lineage.see(at, seen);
        }
        readings
    }

    /// An open vehicle.
    pub(super) fn get_mut(&mut self, id: LineageId) -> Option<&mut Lineage> {
        self.open.get_mut(&id)
    }

    /// All open ones.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LineageId, &Lineage)> {
        self.open.iter().map(|(id, it)| (*id, it))
    }

    /// All open ones.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (LineageId, &mut Lineage)> {
        self.open.iter_mut().map(|(id, it)| (*id, it))
    }

    /// The frame in which an open one was read first.
    pub(super) fn begins(&self, id: LineageId) -> u64 {
        let begin = self.open.get(&id).and_then(|it| it.samples.begin());
        begin.map_or(u64::MAX, |(frame_idx, _)| frame_idx)
    }

    /// Gives an open one another id.
    pub(super) fn rename(&mut self, from: LineageId, to: LineageId) {
        if let Some(it) = self.open.remove(&from) {
            self.of_tracker.insert(it.tracker_id, to);
            self.open.insert(to, it);
        }
    }

    /// A vehicle without a plate so far was first seen at most `gap_ms` after `end`.
    pub(super) fn has_unread(&self, end: &Moment, gap_ms: f64) -> bool {
        let is_near =
            |it: &Lineage| it.first.frame_idx <= end.frame_idx || it.first.since(end) <= gap_ms;
        self.open
            .values()
            .any(|it| it.plate.is_none() && !it.is_split && is_near(it))
    }

    /// Puts the later vehicle of a split in place of the earlier one, which is over.
    pub(super) fn replace(
        &mut self,
        id: LineageId,
        second: Lineage,
    ) -> (LineageId, Option<Lineage>) {
        let fresh = self.fresh();
        self.of_tracker.insert(second.tracker_id, fresh);
        self.open.insert(fresh, second);
        (fresh, self.open.remove(&id))
    }

    /// An id for the later vehicle of a split of one that is over.
    pub(super) fn fresh_closed(&mut self) -> LineageId {
        self.fresh()
    }

    /// Ends all.
    pub(super) fn close_all(&mut self) -> Vec<(LineageId, Lineage)> {
        self.of_tracker.clear();
        std::mem::take(&mut self.open).into_iter().collect()
    }

    /// What plans may know.
    #[must_use]
    pub(super) fn views(&self) -> Vec<View> {
        self.open.iter().map(|(id, it)| it.view(*id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Reading;

    fn at(frame_idx: u64) -> Moment {
        Moment {
            frame_idx,
            ts_ms: None,
            fps: 25.0,
        }
    }

    fn seen(frame_idx: u64, text: &str) -> Seen {
        let car_bbox = BBox::from([0.0, 0.0, 100.0, 100.0]);
        let plate_bbox = BBox::from([40.0, 60.0, 80.0, 70.0]);
        let item = Item {
            car_bbox,
            conf: 0.9,
            class: Some(VehicleClass::Truck),
            plate_bbox: Some(plate_bbox),
            plate_conf: 0.9,
            reading: None,
        };
        let sample = Sample {
            frame_idx,
            ts_ms: None,
            car_bbox,
            plate_bbox,
            plate_conf: 0.9,
            reading: Reading {
                text: text.to_owned(),
                conf: 0.9,
                ..Reading::default()
            },
        };
        Seen {
            item,
            is_searched: true,
            corners: None,
            sample: Some(Kept::new(sample, None)),
        }
    }

    fn step(track: Option<u32>) -> TrackStep {
        TrackStep {
            tracks: vec![track],
            ..TrackStep::default()
        }
    }

    #[test]
    fn a_reading_before_the_track_was_confirmed_is_that_tracks() {
        let mut it = Lineages::default();
        assert_eq!(
            it.apply(at(0), vec![seen(0, "AB12")], &step(None), 0)
                .readings,
            0
        );
        let confirmed = TrackStep {
            earlier: vec![Earlier {
                frame_idx: 0,
                item: 0,
                track_id: 7,
            }],
            ..step(Some(7))
        };
        assert_eq!(
            it.apply(at(4), vec![seen(4, "AB12")], &confirmed, 0)
                .readings,
            2
        );
        let (_, lineage) = it.iter().next().unwrap();
        let frames = lineage.samples.kept().iter().map(|it| it.sample.frame_idx);
        assert_eq!(frames.collect::<Vec<_>>(), [0, 4]);
        assert_eq!(
            (lineage.first.frame_idx, lineage.class()),
            (0, Some(VehicleClass::Truck))
        );
    }

    #[test]
    fn readings_without_a_track_are_never_mixed_and_are_given_up() {
        let mut it = Lineages::default();
        for (i, text) in ["AB12", "CD34"].into_iter().enumerate() {
            let frame = i as u64;
            let applied = it.apply(at(frame), vec![seen(frame, text)], &step(None), 0);
            assert_eq!((applied.readings, applied.unattributed), (0, 0));
        }
        let applied = it.apply(at(90), vec![], &TrackStep::default(), 50);
        assert_eq!((applied.unattributed, it.iter().count()), (2, 0));
    }

    #[test]
    fn a_split_gives_the_later_vehicle_the_trackers_number() {
        let mut it = Lineages::default();
        for frame in 0..4 {
            let text = if frame < 2 { "AAA111" } else { "BBB222" };
            let _ = it.apply(at(frame), vec![seen(frame, text)], &step(Some(3)), 0);
        }
        let (id, _) = it.iter().next().unwrap();
        let second = it.get_mut(id).and_then(|it| it.split(2)).unwrap();
        let (fresh, first) = it.replace(id, second);
        assert_eq!(first.unwrap().samples.total(), 2);
        let _ = it.apply(at(4), vec![seen(4, "BBB222")], &step(Some(3)), 0);
        let (now, lineage) = it.iter().next().unwrap();
        assert_eq!((now, lineage.samples.total()), (fresh, 3));
        assert_ne!(fresh, id);
    }
}
