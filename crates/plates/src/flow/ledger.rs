//! Which rows are written when, and under which number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    VideoFacts,
    event::{EventKind, EventOutcome, Happened, Spoken, Told},
    lineage::LineageId,
    rows::{self, Record, Sighting, Stamp},
};
use crate::track::MotionRow;

/// Rows of `track_motion` that are written at once.
const BATCH: usize = 64;

/// Rows of one table, to be written together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Write {
    /// Which table.
    pub table: String,
    /// Its rows.
    pub records: Vec<Record>,
}

/// What is left of a vehicle that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Closing {
    /// When it was seen first and last, for a vehicle without rows.
    pub seen: [Stamp; 2],
    /// Its plate, if there is one.
    pub sighting: Option<Sighting>,
    /// Its plate was seen.
    pub is_plate_seen: bool,
    /// More than its plate was seen.
    pub is_vehicle: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Identity {
    track_id: u32,
    first: Stamp,
    last: Stamp,
    rows: u32,
    #[serde(default)]
    told: Told,
    /// It has a row of `vehicles` before its end.
    #[serde(default)]
    is_shown: bool,
}

impl Identity {
    /// The next event of this vehicle.
    fn happens(&mut self, kind: EventKind, plate: Option<Spoken>) -> Happened {
        let count = self.told.count;
        self.told.count += 1;
        self.told.plate.clone_from(&plate);
        Happened {
            kind,
            track_id: self.track_id,
            count,
            seen: [self.first, self.last],
            plate,
            outcome: None,
            record: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Closed {
    /// Its last row that is held.
    until: Option<u64>,
    closing: Closing,
}

/// What an advance counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Advanced {
    /// Tracks that got their number.
    pub tracks: u64,
    /// Vehicles that are over.
    pub vehicles: u64,
    /// With a plate.
    pub plates: u64,
    /// With a plate that was seen and has no text.
    pub unreadable: u64,
}

/// Rows that are held until no split can change them. Numbers are given when a vehicle's first row leaves, in frame order: from 1
/// on, never used twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger {
    held: BTreeMap<u64, Vec<(LineageId, MotionRow)>>,
    identities: BTreeMap<LineageId, Identity>,
    closed: BTreeMap<LineageId, Closed>,
    last_id: u32,
    tracks: Vec<Record>,
    motion: Vec<Record>,
    vehicles: Vec<Record>,
    /// Numbers of vehicles whose rows are to be taken out: they turned out to have no plate of their own.
    #[serde(default)]
    withdrawn: Vec<u32>,
    /// What is to be told; all of it is told before the next checkpoint.
    #[serde(skip)]
    happened: Vec<Happened>,
}

impl Ledger {
    /// Holds a row. A vehicle has one row a frame.
    pub(super) fn hold(&mut self, lineage: LineageId, row: MotionRow) {
        self.held
            .entry(row.frame_idx)
            .or_default()
            .push((lineage, row));
    }

    /// Gives the rows of `first` from `frame_idx` on, as far as they are held, to `second`.
    pub(super) fn split(&mut self, first: LineageId, second: LineageId, frame_idx: u64) {
        for (id, _) in self.held.range_mut(frame_idx..).flat_map(|(_, rows)| rows) {
            if *id == first {
                *id = second;
            }
        }
    }

    /// Gives the held rows of `from` to `to`: both are one vehicle. Rows of `from` that are written keep their number.
    pub(super) fn join(&mut self, from: LineageId, to: LineageId) {
        for rows in self.held.values_mut() {
            let has_own = rows.iter().any(|(id, _)| *id == to);
            rows.retain(|(id, _)| !(has_own && *id == from));
            for (id, _) in rows {
                if *id == from {
                    *id = to;
                }
            }
        }
        if let Some(mut gone) = self.identities.remove(&from) {
            self.happened.push(Happened {
                outcome: Some(EventOutcome::Joined),
                ..gone.happens(EventKind::End, None)
            });
            if gone.is_shown {
                self.withdrawn.push(gone.track_id);
            }
        }
    }

    /// An open vehicle's plate as it is known now. It is told where it is not what was told last, of a vehicle that has its
    /// number. Says whether it was.
    pub(super) fn hear(&mut self, lineage: LineageId, plate: Option<Spoken>) -> bool {
        let Some(identity) = self.identities.get_mut(&lineage) else {
            return false;
        };
        let is_same = match (&identity.told.plate, &plate) {
            (None, None) => true,
            (Some(told), Some(plate)) => told.says_the_same(plate),
            _ => false,
        };
        if !is_same {
            self.happened
                .push(identity.happens(EventKind::Update, plate));
        }
        !is_same
    }

    /// Writes the row of a vehicle that is not over, as it is known now: from the first stable plate on.
    pub(super) fn show(
        &mut self,
        video: &VideoFacts,
        lineage: LineageId,
        sighting: Option<&Sighting>,
        is_stable: bool,
    ) {
        let Some(identity) = self.identities.get_mut(&lineage) else {
            return;
        };
        let seen = [identity.first, identity.last];
        let row = sighting.and_then(|it| rows::vehicle(video, identity.track_id, seen, it));
        match row {
            Some(row) if is_stable || identity.is_shown => {
                identity.is_shown = true;
                self.vehicles.push(rows::whole(row));
            }
            None if identity.is_shown => {
                identity.is_shown = false;
                self.withdrawn.push(identity.track_id);
            }
            _ => {}
        }
    }

    /// Rows of `vehicles` that are to be taken out.
    pub(super) fn withdrawn(&mut self, video: &VideoFacts) -> Option<Write> {
        let gone = std::mem::take(&mut self.withdrawn);
        let records: Vec<_> = gone
            .into_iter()
            .map(|it| rows::withdrawn(video, it))
            .collect();
        let table = "vehicles".to_owned();
        (!records.is_empty()).then_some(Write { table, records })
    }

    /// What is to be told, in the order in which it happened.
    pub(super) fn happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// A vehicle is over: no row of it comes any more.
    pub(super) fn close(&mut self, lineage: LineageId, closing: Closing) {
        let mut held = self.held.iter().rev();
        let until = held.find(|(_, rows)| rows.iter().any(|(id, _)| *id == lineage));
        let until = until.map(|(frame_idx, _)| *frame_idx);
        self.closed.insert(lineage, Closed { until, closing });
    }

    /// Lets go of what is of frames up to `margin`, or of all frames.
    pub(super) fn advance(&mut self, video: &VideoFacts, margin: Option<u64>) -> Advanced {
        let mut counted = Advanced::default();
        while let Some(entry) = self.held.first_entry() {
            if margin.is_some_and(|margin| *entry.key() > margin) {
                break;
            }
            for (lineage, row) in entry.remove() {
                let at = Stamp {
                    frame_idx: row.frame_idx,
                    ts_ms: row.video_ts_ms,
                };
                let identity = self.identity(video, lineage, at, &mut counted);
                identity.last = at;
                identity.rows = identity.rows.saturating_add(1);
                let record = rows::motion(video, identity.track_id, identity.rows, &row);
                self.motion.push(record);
            }
        }
        let is_over = |it: &Closed| it.until.is_none_or(|it| margin.is_none_or(|to| it <= to));
        let over: Vec<LineageId> = self
            .closed
            .iter()
            .filter(|(_, it)| is_over(it))
            .map(|(id, _)| *id)
            .collect();
        for lineage in over {
            if let Some(it) = self.closed.remove(&lineage) {
                self.finish(video, lineage, it.closing, &mut counted);
            }
        }
        counted
    }

    fn identity(
        &mut self,
        video: &VideoFacts,
        lineage: LineageId,
        at: Stamp,
        counted: &mut Advanced,
    ) -> &mut Identity {
        let (last_id, tracks) = (&mut self.last_id, &mut self.tracks);
        let happened = &mut self.happened;
        self.identities.entry(lineage).or_insert_with(|| {
            *last_id += 1;
            counted.tracks += 1;
            tracks.push(rows::track(video, *last_id, at));
            let mut identity = Identity {
                track_id: *last_id,
                first: at,
                last: at,
                rows: 0,
                told: Told::default(),
                is_shown: false,
            };
            happened.push(identity.happens(EventKind::New, None));
            identity
        })
    }

    fn finish(
        &mut self,
        video: &VideoFacts,
        lineage: LineageId,
        it: Closing,
        counted: &mut Advanced,
    ) {
        if it.sighting.is_some() && !self.identities.contains_key(&lineage) {
            let [first, last] = it.seen;
            self.identity(video, lineage, first, counted).last = last;
        }
        let Some(mut identity) = self.identities.remove(&lineage) else {
            return;
        };
        counted.vehicles += u64::from(it.is_vehicle);
        let [mut first, mut last] = it.seen;
        if identity.first.frame_idx < first.frame_idx {
            first = identity.first;
        }
        if identity.last.frame_idx > last.frame_idx {
            last = identity.last;
        }
        let seen = [first, last];
        let sighting = it.sighting.as_ref();
        let record = sighting.and_then(|it| rows::vehicle(video, identity.track_id, seen, it));
        let plate = sighting
            .filter(|_| record.is_some())
            .map(|it| Spoken::of(&it.plate, true));
        let outcome = match &record {
            Some(_) => EventOutcome::Plate,
            None if it.is_plate_seen => EventOutcome::Unreadable,
            None => EventOutcome::NoPlate,
        };
        self.happened.push(Happened {
            seen,
            outcome: Some(outcome),
            record: record.clone(),
            ..identity.happens(EventKind::End, plate)
        });
        match record {
            Some(record) => {
                counted.plates += 1;
                let is_shown = identity.is_shown;
                let record = if is_shown {
                    rows::whole(record)
                } else {
                    record
                };
                self.vehicles.push(record);
            }
            None => {
                counted.unreadable += u64::from(it.is_plate_seen);
                if identity.is_shown {
                    self.withdrawn.push(identity.track_id);
                }
            }
        }
    }

    /// What is to be written now: whole batches, or all there is.
    pub(super) fn take(&mut self, is_all: bool) -> Vec<Write> {
        let is_due = is_all || !self.vehicles.is_empty() || self.motion.len() >= BATCH;
        if !is_due {
            return Vec::new();
        }
        let tables = [
            ("tracks", &mut self.tracks),
            ("track_motion", &mut self.motion),
            ("vehicles", &mut self.vehicles),
        ];
        let writes = tables.into_iter().map(|(table, records)| Write {
            table: table.to_owned(),
            records: std::mem::take(records),
        });
        writes.filter(|it| !it.records.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bbox::BBox,
        detection::Reading,
        flow::FileTimes,
        vote::{Final, Sample},
    };

    fn facts() -> VideoFacts {
        VideoFacts {
            video_id: "v".into(),
            path: "v.mp4".into(),
            filename: "v.mp4".into(),
            size_bytes: 1,
            content_sha256: "ab".into(),
            settings_hash: "cd".into(),
            run_id: "r".into(),
            times: FileTimes::default(),
        }
    }

    fn row(frame_idx: u64) -> MotionRow {
        MotionRow {
            track_id: 9,
            frame_idx,
            video_ts_ms: None,
            bbox: BBox::from([0.0, 0.0, 10.0, 10.0]),
            bbox_w: 10.0,
            bbox_h: 10.0,
            bbox_area: 100.0,
            scale_rate: 0.0,
            scale_ratio: 1.0,
            vx: 0.0,
            vy: 0.0,
            speed_px_s: 0.0,
            heading_deg: 0.0,
            age_frames: 77,
            conf: 0.5,
            is_new: false,
        }
    }

    fn closing() -> Closing {
        let stamp = Stamp {
            frame_idx: 0,
            ts_ms: None,
        };
        Closing {
            seen: [stamp; 2],
            sighting: None,
            is_plate_seen: true,
            is_vehicle: true,
        }
    }

    fn ids(writes: &[Write], table: &str) -> Vec<(u64, u64)> {
        let of_table = writes.iter().filter(|it| it.table == table);
        let records = of_table.flat_map(|it| &it.records);
        let number = |it: &Record, name: &str| it[name].as_u64().unwrap();
        records
            .map(|it| (number(it, "frame_idx"), number(it, "track_id")))
            .collect()
    }

    #[test]
    fn numbers_go_up_with_first_rows_and_a_split_needs_no_row_written_again() {
        let mut it = Ledger::default();
        let (a, b, second) = (LineageId(5), LineageId(2), LineageId(8));
        for frame in 0..4 {
            it.hold(a, row(frame));
            it.hold(b, row(frame + 1));
        }
        it.advance(&facts(), Some(1));
        it.split(a, second, 0);
        it.advance(&facts(), None);
        let writes = it.take(true);
        assert_eq!(ids(&writes, "tracks"), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(
            ids(&writes, "track_motion"),
            [
                (0, 1),
                (1, 2),
                (1, 1),
                (2, 2),
                (2, 3),
                (3, 2),
                (3, 3),
                (4, 2)
            ]
        );
        let motion = &writes[1].records;
        assert_eq!(
            (&motion[0]["is_new"], &motion[2]["age_frames"]),
            (&true.into(), &2.into())
        );
        assert_eq!(
            (&motion[4]["is_new"], &motion[4]["age_frames"]),
            (&true.into(), &1.into())
        );
    }

    #[test]
    fn a_vehicle_that_is_over_is_told_once_after_its_last_row() {
        let mut it = Ledger::default();
        it.hold(LineageId(1), row(10));
        it.close(LineageId(1), closing());
        assert_eq!(it.advance(&facts(), Some(9)), Advanced::default());
        let told = it.advance(&facts(), Some(10));
        assert_eq!((told.tracks, told.vehicles, told.unreadable), (1, 1, 1));
        assert_eq!(it.advance(&facts(), None), Advanced::default());
    }

    #[test]
    fn a_fragment_that_has_its_number_is_told_as_joined_and_the_other_one_goes_on() {
        let mut it = Ledger::default();
        let (first, second) = (LineageId(1), LineageId(2));
        it.hold(first, row(0));
        it.hold(second, row(4));
        it.advance(&facts(), Some(4));
        it.join(second, first);
        it.hold(first, row(8));
        it.close(first, closing());
        it.advance(&facts(), None);
        let happened = it.happened();
        let told: Vec<_> = happened
            .iter()
            .map(|it| (it.track_id, it.count, it.kind, it.outcome))
            .collect();
        assert_eq!(
            told,
            [
                (1, 0, EventKind::New, None),
                (2, 0, EventKind::New, None),
                (2, 1, EventKind::End, Some(EventOutcome::Joined)),
                (1, 1, EventKind::End, Some(EventOutcome::Unreadable)),
            ]
        );
        assert!(it.happened().is_empty());
    }

    fn sighting() -> Sighting {
        let best = Sample {
            frame_idx: 0,
            ts_ms: None,
            car_bbox: BBox::from([0.0, 0.0, 10.0, 10.0]),
            plate_bbox: BBox::from([1.0, 1.0, 3.0, 2.0]),
            plate_conf: 0.8,
            reading: Reading::default(),
        };
        let plate = Final {
            text: "AB123".into(),
            raw_text: "AB123".into(),
            conf: 0.9,
            is_uncertain: false,
            samples: 2,
            frames: [0, 0],
            best,
            readings: Vec::new(),
        };
        Sighting {
            plate,
            best: None,
            crop: None,
            samples: 2,
            class: None,
        }
    }

    #[test]
    fn a_row_that_was_shown_is_taken_out_where_the_vehicle_ends_without_a_plate_of_its_own() {
        for is_joined in [false, true] {
            let mut it = Ledger::default();
            let lineage = LineageId(1);
            it.hold(lineage, row(0));
            it.advance(&facts(), Some(0));
            it.show(&facts(), lineage, Some(&sighting()), false);
            assert!(it.vehicles.is_empty(), "not stable");
            it.show(&facts(), lineage, Some(&sighting()), true);
            it.show(&facts(), lineage, Some(&sighting()), false);
            assert_eq!(it.vehicles.len(), 2, "from then on whatever it is");
            assert_eq!(it.withdrawn(&facts()), None);
            if is_joined {
                it.join(lineage, LineageId(2));
            } else {
                it.close(lineage, closing());
                it.advance(&facts(), None);
            }
            let gone = it.withdrawn(&facts()).unwrap();
            assert_eq!(
                (gone.records.len(), &gone.records[0]["track_id"]),
                (1, &1.into())
            );
            assert_eq!(it.withdrawn(&facts()), None);
        }
    }

    #[test]
    fn a_vehicle_without_rows_and_plate_is_none() {
        let mut it = Ledger::default();
        it.close(LineageId(1), closing());
        assert_eq!(it.advance(&facts(), None), Advanced::default());
        assert!(it.take(true).is_empty());
    }

    #[test]
    fn motion_is_written_in_batches() {
        let mut it = Ledger::default();
        for frame in 0..BATCH as u64 {
            it.hold(LineageId(1), row(frame));
            it.advance(&facts(), Some(frame));
            let writes = it.take(false);
            assert_eq!(writes.is_empty(), frame + 1 < BATCH as u64, "{frame}");
        }
    }
}
