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
};

/// Mean change of luma (0 to 255) of a thumbnail from which nothing that was seen before is trusted.
const OTHER_PICTURE: u32 = 20;
/// Mean distance of luma from its mean below which a picture is blank.
const BLANK: u32 = 3;

/// A vehicle comes nearer if it grew by this factor since it was searched.
const NEARER: f32 = 1.05;

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
    /// What was seen before tells nothing of this frame.
    pub is_other_picture: bool,
}

/// What plans remember of plans before. Changes in frame order only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Planner {
    before: Thumbnail,
    /// Frames planned since the picture changed.
    since_change: u32,
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
        let is_blank = self.look(&frame.vehicles.thumbnail);
        let mut plan = Plan {
            is_other_picture: self.since_change < settings.lag,
            ..Plan::default()
        };
        let views = if plan.is_other_picture { &[] } else { views };
        self.searched
            .retain(|id, _| views.iter().any(|it| it.lineage == *id));
        let whole = BBox::whole(frame.size[0], frame.size[1]);
        let boxes: Vec<BBox> = frame.vehicles.vehicles.iter().map(|it| it.bbox).collect();
        let tracks = matched(views, &boxes, &frame.at);
        for (i, bbox) in boxes.iter().enumerate() {
            let Some(region) = padded(bbox, settings.crop_pad).clipped(&whole) else {
                plan.skipped.push(Skip::SmallVehicle);
                continue;
            };
            if let Some(skip) = self.skip(&frame, bbox, tracks[i], settings) {
                plan.skipped.push(skip);
                continue;
            }
            if let Some(track) = tracks[i] {
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
        plan.tracks = tracks.into_iter().map(Option::<&View>::cloned).collect();
        plan
    }

    /// Passes a frame of which nothing is known.
    pub(super) fn pass(&mut self, thumbnail: &Thumbnail) -> Plan {
        let _ = self.look(thumbnail);
        Plan::default()
    }

    /// Takes the next picture; says whether it is blank.
    fn look(&mut self, thumbnail: &Thumbnail) -> bool {
        let areas = &thumbnail.0;
        let is_other = areas.len() != self.before.0.len()
            || mean(
                areas
                    .iter()
                    .zip(&self.before.0)
                    .map(|(a, b)| a.abs_diff(*b)),
            ) >= OTHER_PICTURE;
        self.since_change = if is_other {
            0
        } else {
            self.since_change.saturating_add(1)
        };
        self.before.clone_from(thumbnail);
        let middle = u8::try_from(mean(areas.iter().copied())).unwrap_or(u8::MAX);
        !areas.is_empty() && mean(areas.iter().map(|it| it.abs_diff(middle))) < BLANK
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

/// 0 for nothing.
fn mean(all: impl Iterator<Item = u8>) -> u32 {
    let (sum, count) = all.fold((0u64, 0u64), |(sum, count), it| {
        (sum + u64::from(it), count + 1)
    });
    u32::try_from(sum / count.max(1)).unwrap_or(u32::MAX)
}
