//! A frame from its arrival to the tracker.

use serde_json::Value;

use super::{
    Count,
    counts::Tally,
    credit::{Found, credit},
    lineage::Seen,
    plan::{Plan, Planner, Skip, around, skip_reading},
    samples::Kept,
    settings::FlowSettings,
    view::{Moment, View, matched},
};
use crate::{
    bbox::BBox,
    category::Category,
    detection::{Plate, Reading, Thumbnail, Vehicles},
    task::FrameSlot,
    track::{Item, TrackFrame, TrackStep},
    vote::Sample,
};

/// Items of one frame at most, by falling confidence: no road shows more, and a broken model does.
const MAX_ITEMS: usize = 256;

/// How far a frame is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// Its vehicles are being searched.
    Detecting,
    /// They are known; its turn to be planned comes.
    Detected,
    /// So many searches for plates are open.
    Searching(usize),
    /// So many plates are being read.
    Reading(usize),
    /// It waits for the tracker.
    Ready,
    /// The tracker has it.
    Tracking,
    /// The tracker's word; its turn to be settled comes.
    Stepped(TrackStep),
    /// Its votes are being held.
    Voting,
}

/// A plate that is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// Index of its vehicle; none for a plate that stands for itself.
    pub vehicle: Option<usize>,
    /// The plate.
    pub found: Found,
    /// Its picture is wanted, too.
    pub keep_crop: bool,
    /// It is to be read; else it was only seen.
    pub is_wanted: bool,
    reading: Option<Reading>,
}

/// A frame that is not settled.
#[derive(Debug)]
pub(super) struct Frame {
    /// When it is.
    pub at: Moment,
    /// How many sampled frames came before.
    pub seq: u64,
    /// Its pixels.
    pub slot: FrameSlot,
    /// How far it is.
    pub stage: Stage,
    /// What was found in it.
    pub vehicles: Vehicles,
    /// What is searched in it.
    pub plan: Plan,
    /// What the planner remembers after this frame.
    pub planner: Planner,
    /// Plates that are read, or at least seen.
    pub reads: Vec<Read>,
    /// The tracker after this frame, where its task ended with it.
    pub tracker: Option<Value>,
    /// Counts of this frame.
    pub counts: Tally,
    /// What there is in it, once that was said to the tracker.
    pub seen: Vec<Seen>,
    /// Its detection failed: nothing is known of it.
    pub is_failed: bool,
    /// So many plates are being made clean.
    pub cleaning: usize,
    found: Vec<Found>,
}

impl Frame {
    /// One that just arrived.
    #[must_use]
    pub(super) fn new(at: Moment, seq: u64, slot: FrameSlot) -> Self {
        Self {
            at,
            seq,
            slot,
            stage: Stage::Detecting,
            vehicles: Vehicles::default(),
            plan: Plan::default(),
            planner: Planner::default(),
            reads: Vec::new(),
            tracker: None,
            counts: Tally::default(),
            seen: Vec::new(),
            is_failed: false,
            cleaning: 0,
            found: Vec::new(),
        }
    }

    fn whole(&self) -> BBox {
        BBox::whole(self.slot.width, self.slot.height)
    }

    /// Takes the result of its detection; none where that failed.
    pub(super) fn detected(&mut self, vehicles: Option<Vehicles>) {
        let whole = self.whole();
        self.is_failed = vehicles.is_none();
        self.vehicles = vehicles.unwrap_or_default();
        let all = &mut self.vehicles.vehicles;
        all.retain_mut(|it| {
            let clipped = it.bbox.clipped(&whole).filter(|_| it.conf.is_finite());
            it.bbox = clipped.unwrap_or_default();
            clipped.is_some()
        });
        all.sort_by(|a, b| b.conf.total_cmp(&a.conf));
        all.truncate(MAX_ITEMS);
        self.counts.detections += all.len() as u64;
        if all.is_empty() && !self.is_failed {
            self.counts
                .add(Count::Nothing(Category::VehicleDetect, "no_vehicle"), 1);
        }
        self.stage = Stage::Detected;
    }

    /// Takes what it looks like from afar, where vehicles are not searched.
    pub(super) fn looked(&mut self, thumbnail: Thumbnail) {
        self.vehicles.thumbnail = thumbnail;
        self.stage = Stage::Detected;
    }

    /// Takes its plan.
    pub(super) fn planned(&mut self, plan: Plan, planner: Planner) {
        for skip in &plan.skipped {
            self.skip(Category::PlateDetect, *skip);
        }
        self.stage = Stage::Searching(plan.searches.len());
        self.plan = plan;
        self.planner = planner;
    }

    fn skip(&mut self, category: Category, skip: Skip) {
        self.counts.add(Count::Skipped(category, skip.name()), 1);
    }

    /// Takes what one search found; none where it failed. True once it was the last one.
    pub(super) fn searched(&mut self, search: usize, plates: Option<Vec<Plate>>) -> bool {
        let Stage::Searching(open) = &mut self.stage else {
            return false;
        };
        *open = open.saturating_sub(1);
        let is_last = *open == 0;
        let whole = self.whole();
        if let (Some(made), Some(plates)) = (self.plan.searches.get(search), plates) {
            let mut plates = plates.into_iter().peekable();
            if plates.peek().is_none() {
                self.counts
                    .add(Count::Nothing(Category::PlateDetect, "no_plate"), 1);
            }
            let region = made.region;
            let found = plates.filter_map(|it| Found::new(search, region, it, &whole));
            self.found.extend(found.take(MAX_ITEMS));
        }
        is_last
    }

    /// Decides which plates are read, once all searches are made.
    pub(super) fn credit(&mut self, settings: &FlowSettings) {
        let boxes: Vec<BBox> = self.vehicles.vehicles.iter().map(|it| it.bbox).collect();
        let credit = credit(&boxes, std::mem::take(&mut self.found));
        let duplicate = Count::Skipped(Category::Ocr, "duplicate");
        self.counts.add(duplicate, u64::from(credit.duplicates));
        let second = Count::Skipped(Category::Ocr, "second_plate");
        self.counts.add(second, u64::from(credit.second));
        self.counts.plates_seen += credit.credited.len() as u64;
        let whole = self.whole();
        let around: Vec<BBox> = (credit.credited.iter())
            .map(|(_, it)| around(&it.bbox, &whole, settings))
            .collect();
        let alone = matched(&self.plan.views, &around, &self.at);
        let alone: Vec<Option<View>> = alone.into_iter().map(Option::<&View>::cloned).collect();
        for ((vehicle, found), alone) in credit.credited.into_iter().zip(alone).take(MAX_ITEMS) {
            let track = match vehicle {
                Some(vehicle) => self.plan.tracks.get(vehicle).cloned().flatten(),
                None => alone,
            };
            let conf = found.plate.conf;
            let skip = skip_reading(&found.bbox, conf, track.as_ref(), &self.at, settings);
            if let Some(skip) = skip {
                self.skip(Category::Ocr, skip);
            }
            if vehicle.is_none() && skip == Some(Skip::WeakPlate) {
                continue;
            }
            let best = track.map_or(0.0, |it| it.plate_width);
            self.reads.push(Read {
                vehicle,
                keep_crop: found.bbox.width() >= settings.smaller * best,
                found,
                is_wanted: skip.is_none(),
                reading: None,
            });
        }
        let wanted = self.reads.iter().filter(|it| it.is_wanted).count();
        self.stage = Stage::Reading(wanted);
        self.read_all();
    }

    /// Takes what was read; none where that failed. True once it was the last one.
    pub(super) fn read(&mut self, read: usize, reading: Option<Reading>) -> bool {
        let Stage::Reading(open) = &mut self.stage else {
            return false;
        };
        *open = open.saturating_sub(1);
        if let (Some(read), Some(reading)) = (self.reads.get_mut(read), reading) {
            if reading.text.is_empty() {
                let nothing = Count::Nothing(Category::Ocr, "no_text");
                self.counts.add(nothing, 1);
            }
            read.reading = Some(reading);
        }
        self.read_all();
        self.stage == Stage::Ready
    }

    fn read_all(&mut self) {
        if self.stage == Stage::Reading(0) {
            self.stage = Stage::Ready;
        }
    }

    /// What there is in the frame, by falling confidence.
    fn look(&mut self, settings: &FlowSettings) -> Vec<Seen> {
        let whole = self.whole();
        let mut all: Vec<Seen> = Vec::new();
        for vehicle in &self.vehicles.vehicles {
            let item = Item {
                car_bbox: vehicle.bbox,
                conf: vehicle.conf,
                class: Some(vehicle.class),
                plate_bbox: None,
                plate_conf: 0.0,
                reading: None,
            };
            all.push(Seen {
                item,
                is_searched: false,
                corners: None,
                sample: None,
            });
        }
        for search in &self.plan.searches {
            match search.vehicle {
                Some(vehicle) => all.get_mut(vehicle).into_iter().for_each(Seen::search),
                None => all.iter_mut().for_each(Seen::search),
            }
        }
        let mut weak = 0;
        for read in &mut self.reads {
            let plate = &read.found.plate;
            let at = read
                .vehicle
                .filter(|it| *it < all.len())
                .unwrap_or_else(|| {
                    let item = Item {
                        car_bbox: around(&read.found.bbox, &whole, settings),
                        conf: plate.conf,
                        class: None,
                        plate_bbox: None,
                        plate_conf: 0.0,
                        reading: None,
                    };
                    all.push(Seen {
                        item,
                        is_searched: true,
                        corners: None,
                        sample: None,
                    });
                    all.len() - 1
                });
            let seen = &mut all[at];
            seen.item.plate_bbox = Some(read.found.bbox);
            seen.item.plate_conf = plate.conf;
            seen.corners = read.found.corners();
            seen.search();
            let Some(reading) = read.reading.take().filter(|it| !it.text.is_empty()) else {
                continue;
            };
            if reading.conf.is_nan() || reading.conf < settings.min_reading_conf {
                weak += 1;
                continue;
            }
            let sample = Sample {
                frame_idx: self.at.frame_idx,
                ts_ms: self.at.ts_ms,
                car_bbox: seen.item.car_bbox,
                plate_bbox: read.found.bbox,
                plate_conf: plate.conf,
                reading,
            };
            let kept = Kept::new(sample, seen.corners);
            seen.item.reading = Some(kept.sample.reading.clone());
            seen.sample = Some(kept);
        }
        self.counts
            .add(Count::Nothing(Category::Ocr, "weak_text"), weak);
        all.sort_by(|a, b| b.item.conf.total_cmp(&a.item.conf));
        all.truncate(MAX_ITEMS);
        all
    }

    /// What the tracker is told.
    #[must_use]
    pub(super) fn for_tracker(&mut self, settings: &FlowSettings) -> TrackFrame {
        self.seen = self.look(settings);
        self.stage = Stage::Tracking;
        TrackFrame {
            frame_idx: self.at.frame_idx,
            ts_ms: self.at.ts_ms,
            fps: self.at.fps,
            size: [self.slot.width, self.slot.height],
            thumbnail: self.vehicles.thumbnail.clone(),
            items: self.seen.iter().map(|it| it.item.clone()).collect(),
        }
    }
}
