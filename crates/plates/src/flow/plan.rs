//! Which vehicles of a frame are searched for plates, which plates are read, and why the others are not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    lineage::LineageId,
    settings::FlowSettings,
    view::{Moment, Searched, View, matched},
};
use crate::{
    bbox::BBox,
    detection::{Thumbnail, Vehicles},
    picture::scenery::{is_other, is_plain},
};

/// A vehicle comes nearer if it grew by this factor since it was searched.
const NEARER: f32 = 1.05;

/// Sampled frames in which a track may be missed before plans forget it.
const MISSED: u32 = 1;

/// Why work is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Skip {
    /// The vehicle is too small for a plate to be read.
    SmallVehicle,
    /// Its plate is certain.
    Certain,
    /// It has not moved since it was searched.
    Unchanged,
    /// Several searches found no plate.
    Barren,
    /// There is nothing in the frame.
    Blank,
    /// A whole frame, which is not searched each time.
    Whole,
    /// The plate is too small.
    SmallPlate,
    /// The plate is likely none.
    WeakPlate,
    /// There are better readings of this vehicle.
    NoBetter,
}

impl Skip {
    /// Its name in counts.
    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SmallVehicle => "small_vehicle",
            Self::Certain => "certain",
            Self::Unchanged => "unchanged",
            Self::Barren => "barren",
            Self::Blank => "blank",
            Self::Whole => "whole",
            Self::SmallPlate => "small_plate",
            Self::WeakPlate => "weak_plate",
            Self::NoBetter => "no_better",
        }
    }
}

/// A search for plates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Search {
    /// Index of the vehicle; none for the whole frame.
    pub vehicle: Option<usize>,
    /// What is searched, in frame pixels.
    pub region: BBox,
}

/// What is to be done for a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Searches for plates.
    pub searches: Vec<Search>,
    /// Searches that are not made.
    pub skipped: Vec<Skip>,
    /// The track of each vehicle, as far as known then.
    pub tracks: Vec<Option<View>>,
    /// The tracks that may be in it, as far as known then.
    pub views: Vec<View>,
}

/// What plans remember of plans before. Changes in frame order only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Planner {
    before: Thumbnail,
    /// The frame in which the picture changed last.
    changed_at: u64,
    searched: BTreeMap<LineageId, Searched>,
}

/// A frame to plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned<'a> {
    /// When it is.
    pub at: Moment,
    /// How many sampled frames came before.
    pub seq: u64,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// What was found in it.
    pub vehicles: &'a Vehicles,
}

impl Planner {
    /// Plans one frame, knowing the tracks as they were `settings.lag` sampled frames earlier.
    pub(super) fn plan(
        &mut self,
        frame: Planned<'_>,
        views: &[View],
        settings: &FlowSettings,
    ) -> Plan {
        let is_blank = self.look(&frame.vehicles.thumbnail, frame.at.frame_idx);
        let mut plan = Plan {
            views: self.current(views, &frame.at, settings),
            ..Plan::default()
        };
        let views = &plan.views;
        (self.searched).retain(|id, _| views.iter().any(|it| it.lineage == *id));
        let whole = BBox::whole(frame.size[0], frame.size[1]);
        let boxes: Vec<BBox> = frame.vehicles.vehicles.iter().map(|it| it.bbox).collect();
        let tracks = matched(views, &boxes, &frame.at);
        let tracks: Vec<Option<View>> = tracks.into_iter().map(Option::<&View>::cloned).collect();
        for (i, bbox) in boxes.iter().enumerate() {
            let Some(region) = padded(bbox, settings.crop_pad).clipped(&whole) else {
                plan.skipped.push(Skip::SmallVehicle);
                continue;
            };
            if let Some(skip) = self.skip(&frame, bbox, tracks[i].as_ref(), settings) {
                plan.skipped.push(skip);
                continue;
            }
            if let Some(track) = &tracks[i] {
                let (at, bbox) = (frame.at, *bbox);
                self.searched.insert(track.lineage, Searched { at, bbox });
            }
            let vehicle = Some(i);
            plan.searches.push(Search { vehicle, region });
        }
        if !boxes.iter().any(|it| is_searchable(it, settings)) {
            match self.skip_whole(&frame, is_blank, settings) {
                Some(skip) => plan.skipped.push(skip),
                None => plan.searches.push(Search {
                    vehicle: None,
                    region: whole,
                }),
            }
        }
        plan.tracks = tracks;
        plan
    }

    /// Passes a frame of which nothing is known.
    pub(super) fn pass(&mut self, frame: Planned<'_>) -> Plan {
        let _ = self.look(&frame.vehicles.thumbnail, frame.at.frame_idx);
        Plan::default()
    }

    /// The tracks that may still be there: seen since the picture changed, and not missed since the frame that plans may know.
    fn current(&self, views: &[View], now: &Moment, settings: &FlowSettings) -> Vec<View> {
        let reach =
            u64::from(settings.every.max(1)) * u64::from(settings.lag.saturating_add(MISSED));
        let is_current = |it: &&View| {
            it.at.frame_idx >= self.changed_at
                && now.frame_idx.saturating_sub(it.at.frame_idx) <= reach
        };
        views.iter().filter(is_current).cloned().collect()
    }

    /// Takes the next picture; says whether it is blank.
    fn look(&mut self, thumbnail: &Thumbnail, frame_idx: u64) -> bool {
        if is_other(&self.before, thumbnail) {
            self.changed_at = frame_idx;
        }
        self.before.clone_from(thumbnail);
        is_plain(thumbnail)
    }

    fn skip(
        &self,
        frame: &Planned<'_>,
        bbox: &BBox,
        track: Option<&View>,
        settings: &FlowSettings,
    ) -> Option<Skip> {
        if !is_searchable(bbox, settings) {
            return Some(Skip::SmallVehicle);
        }
        let track = track?;
        let searches = [self.searched.get(&track.lineage), track.searched.as_ref()];
        let last = searches
            .into_iter()
            .flatten()
            .max_by_key(|it| it.at.frame_idx)?;
        let elapsed = frame.at.since(&last.at);
        if track.is_certain && elapsed < settings.recheck_ms {
            return Some(Skip::Certain);
        }
        if last.bbox.iou(bbox) >= settings.unchanged_iou && elapsed < settings.unchanged_ms {
            return Some(Skip::Unchanged);
        }
        let turn = frame.seq.wrapping_add(u64::from(track.lineage.0));
        let is_turn = turn.is_multiple_of(u64::from(settings.barren_every.max(1)));
        let is_nearer = bbox.width() > NEARER * last.bbox.width();
        let is_barren = track.barren >= settings.barren_after && !is_nearer;
        (is_barren && !is_turn).then_some(Skip::Barren)
    }

    fn skip_whole(
        &self,
        frame: &Planned<'_>,
        is_blank: bool,
        settings: &FlowSettings,
    ) -> Option<Skip> {
        if is_blank {
            return Some(Skip::Blank);
        }
        let is_turn =
            settings.whole_every > 0 && frame.seq.is_multiple_of(u64::from(settings.whole_every));
        (!is_turn).then_some(Skip::Whole)
    }
}

/// Why a plate that was found is not read. `track` is its vehicle's, as far as known when the frame was planned.
#[must_use]
pub(super) fn skip_reading(
    plate: &BBox,
    conf: f32,
    track: Option<&View>,
    at: &Moment,
    settings: &FlowSettings,
) -> Option<Skip> {
    if conf < settings.min_plate_conf {
        return Some(Skip::WeakPlate);
    }
    if plate.width() < settings.min_plate_width {
        return Some(Skip::SmallPlate);
    }
    let track = track?;
    let is_due = (track.searched).is_none_or(|it| at.since(&it.at) >= settings.recheck_ms);
    if track.is_certain && !is_due {
        return Some(Skip::Certain);
    }
    let is_smaller = plate.width() < settings.smaller * track.plate_width;
    (track.readings >= settings.enough_readings && is_smaller).then_some(Skip::NoBetter)
}

/// A box around a plate that stands for its vehicle.
#[must_use]
pub(super) fn around(plate: &BBox, frame: &BBox, settings: &FlowSettings) -> BBox {
    let [x, y] = plate.centre();
    let [left, up, right, down] = settings.plate_to_car.map(|it| it * plate.width());
    let it = BBox::from([x - left, y - up, x + right, y + down]);
    it.clipped(frame).unwrap_or(*plate)
}

fn is_searchable(bbox: &BBox, settings: &FlowSettings) -> bool {
    bbox.width() >= settings.min_vehicle_width && bbox.height() >= settings.min_vehicle_height
}

fn padded(bbox: &BBox, share: f32) -> BBox {
    let (dx, dy) = (bbox.width() * share, bbox.height() * share);
    BBox::from([bbox.x1 - dx, bbox.y1 - dy, bbox.x2 + dx, bbox.y2 + dy])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{Vehicle, VehicleClass};

    const CAR: [f32; 4] = [100.0, 100.0, 300.0, 250.0];

    fn at(frame_idx: u64) -> Moment {
        Moment {
            frame_idx,
            ts_ms: None,
            fps: 25.0,
        }
    }

    fn picture(scene: u8) -> Thumbnail {
        Thumbnail((0..144).map(|i| (i % 12) * 10 + scene * 90).collect())
    }

    fn vehicles(boxes: &[[f32; 4]], scene: u8) -> Vehicles {
        let vehicle = |it: &[f32; 4]| Vehicle {
            bbox: BBox::from(*it),
            conf: 0.9,
            class: VehicleClass::Car,
        };
        Vehicles {
            vehicles: boxes.iter().map(vehicle).collect(),
            thumbnail: picture(scene),
        }
    }

    fn seen(frame_idx: u64) -> View {
        View {
            lineage: LineageId(1),
            at: at(frame_idx),
            bbox: BBox::from(CAR),
            velocity: [0.0; 2],
            is_certain: false,
            readings: 0,
            plate_width: 0.0,
            barren: 0,
            searched: Some(Searched {
                at: at(frame_idx),
                bbox: BBox::from(CAR),
            }),
        }
    }

    /// Plans one frame of scene 0 after a frame of `scene`.
    fn planned(frame_idx: u64, boxes: &[[f32; 4]], view: View, scene: u8) -> Plan {
        let settings = FlowSettings::default();
        let mut planner = Planner::default();
        let before = vehicles(&[], scene);
        let now = vehicles(boxes, 0);
        let frame = |frame_idx: u64, vehicles| Planned {
            at: at(frame_idx),
            seq: frame_idx / 4,
            size: [1280, 720],
            vehicles,
        };
        let _ = planner.pass(frame(0, &before));
        planner.plan(frame(frame_idx, &now), &[view], &settings)
    }

    /// A car that has moved since.
    const MOVED: [f32; 4] = [115.0, 100.0, 315.0, 250.0];

    #[test]
    fn a_certain_vehicle_is_searched_again_only_after_a_while() {
        let mut view = seen(8);
        view.is_certain = true;
        let plan = planned(16, &[MOVED], view.clone(), 0);
        assert_eq!(
            (plan.searches.len(), plan.skipped),
            (0, vec![Skip::Certain])
        );
        view.searched = Some(Searched {
            at: at(4),
            bbox: BBox::from(CAR),
        });
        let plan = planned(16, &[MOVED], view, 0);
        assert_eq!((plan.searches.len(), plan.skipped), (1, vec![]));
    }

    #[test]
    fn after_a_change_of_picture_what_was_certain_is_searched() {
        let mut view = seen(12);
        view.is_certain = true;
        let plan = planned(16, &[MOVED], view, 1);
        assert_eq!(plan.searches.len(), 1);
        assert!(plan.tracks[0].is_none());
    }

    #[test]
    fn a_track_that_was_missed_tells_nothing_of_what_is_in_its_place_now() {
        let mut view = seen(8);
        view.is_certain = true;
        assert_eq!(planned(24, &[CAR], view.clone(), 0).tracks.len(), 1);
        assert!(planned(24, &[CAR], view.clone(), 0).tracks[0].is_some());
        assert!(planned(28, &[CAR], view, 0).tracks[0].is_none());
    }

    #[test]
    fn a_vehicle_that_stands_still_is_searched_a_few_times_a_second() {
        let plan = planned(12, &[CAR], seen(8), 0);
        assert_eq!(
            (plan.searches.len(), plan.skipped),
            (0, vec![Skip::Unchanged])
        );
        assert_eq!(planned(16, &[CAR], seen(8), 0).searches.len(), 1);
        assert_eq!(planned(12, &[MOVED], seen(8), 0).searches.len(), 1);
    }

    #[test]
    fn a_vehicle_without_a_plate_is_searched_every_other_time_unless_it_comes_nearer() {
        let mut view = seen(8);
        view.barren = 6;
        let searches = [16, 20].map(|it| planned(it, &[MOVED], view.clone(), 0).searches.len());
        assert_eq!(searches.iter().sum::<usize>(), 1);
        let nearer = [90.0, 90.0, 310.0, 260.0];
        for frame in [16, 20] {
            assert_eq!(planned(frame, &[nearer], view.clone(), 0).searches.len(), 1);
        }
    }

    #[test]
    fn without_a_vehicle_of_some_size_the_whole_frame_is_searched_unless_it_is_blank() {
        let small = [0.0, 0.0, 40.0, 40.0];
        for boxes in [&[][..], &[small][..]] {
            let plan = planned(16, boxes, seen(8), 0);
            assert_eq!(plan.searches.len(), 1);
            assert_eq!(plan.searches[0].vehicle, None);
            assert_eq!(plan.searches[0].region, BBox::whole(1280, 720));
        }
        let mut planner = Planner::default();
        let mut blank = vehicles(&[], 0);
        blank.thumbnail.0.fill(16);
        let frame = Planned {
            at: at(0),
            seq: 0,
            size: [1280, 720],
            vehicles: &blank,
        };
        let plan = planner.plan(frame, &[], &FlowSettings::default());
        assert_eq!((plan.searches.len(), plan.skipped), (0, vec![Skip::Blank]));
    }

    #[test]
    fn what_is_searched_lies_in_the_frame() {
        let plan = planned(16, &[[-20.0, 600.0, 200.0, 760.0]], seen(8), 0);
        let region = plan.searches[0].region;
        assert_eq!(region.clipped(&BBox::whole(1280, 720)), Some(region));
    }

    #[test]
    fn a_plate_is_read_where_it_can_change_something() {
        let settings = FlowSettings::default();
        let plate = |width: f32| BBox::from([100.0, 100.0, 100.0 + width, 120.0]);
        let skip = |width: f32, conf: f32, track: Option<&View>| {
            skip_reading(&plate(width), conf, track, &at(12), &settings)
        };
        assert_eq!(skip(60.0, 0.8, None), None);
        assert_eq!(skip(60.0, 0.2, None), Some(Skip::WeakPlate));
        assert_eq!(skip(19.0, 0.8, None), Some(Skip::SmallPlate));
        let mut track = seen(8);
        assert_eq!(skip(60.0, 0.8, Some(&track)), None);
        track.is_certain = true;
        assert_eq!(skip(60.0, 0.8, Some(&track)), Some(Skip::Certain));
        track.is_certain = false;
        track.readings = 6;
        track.plate_width = 120.0;
        assert_eq!(skip(60.0, 0.8, Some(&track)), Some(Skip::NoBetter));
        assert_eq!(skip(80.0, 0.8, Some(&track)), None);
    }
}
