//! What a plan may know of a track.

use serde::{Deserialize, Serialize};

use super::lineage::LineageId;
use crate::bbox::BBox;

/// A box must overlap the predicted one by this much to be taken for the same vehicle.
const MIN_IOU: f32 = 0.3;

/// When a moment is, for distances in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// In decode order from 0.
    pub frame_idx: u64,
    /// Presentation time in ms.
    pub ts_ms: Option<f64>,
    /// Frames a second.
    pub fps: f64,
}

impl Moment {
    /// From `earlier` to this, in ms: of presentation times where both have one, else of frames. Never negative.
    #[must_use]
    pub(super) fn since(&self, earlier: &Self) -> f64 {
        let by_time = (self.ts_ms.zip(earlier.ts_ms)).map(|(now, then)| now - then);
        let by_time = by_time.filter(|it| it.is_finite() && *it > 0.0);
        by_time.unwrap_or_else(|| {
            let frames = self.frame_idx.saturating_sub(earlier.frame_idx);
            #[expect(
                clippy::cast_precision_loss,
                reason = "frames of a video are below 2^53"
            )]
            let frames = frames as f64;
            frames * 1000.0 / self.fps
        })
    }
}

/// A search for a plate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Searched {
    /// When.
    pub at: Moment,
    /// The vehicle's box then.
    pub bbox: BBox,
}

/// A track as it was when a frame was settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct View {
    /// Which.
    pub lineage: LineageId,
    /// When it was seen last.
    pub at: Moment,
    /// Where.
    pub bbox: BBox,
    /// Pixels a second.
    pub velocity: [f64; 2],
    /// Its plate is certain.
    pub is_certain: bool,
    /// Readings so far.
    pub readings: u32,
    /// Width of the widest plate that was read, in pixels.
    pub plate_width: f32,
    /// Searches without a plate since the last one with one.
    pub barren: u32,
    /// The last search.
    pub searched: Option<Searched>,
}

impl View {
    /// Where it is at `now` if it goes on as it did.
    #[must_use]
    pub(super) fn predicted(&self, now: &Moment) -> BBox {
        let seconds = now.since(&self.at) / 1000.0;
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let [dx, dy] = self.velocity.map(|it| (it * seconds) as f32);
        self.bbox.moved(dx, dy)
    }
}

/// The track of each box, each at most once: best overlap first.
#[must_use]
pub(super) fn matched<'a>(
    views: &'a [View],
    boxes: &[BBox],
    now: &Moment,
) -> Vec<Option<&'a View>> {
    let predicted: Vec<BBox> = views.iter().map(|it| it.predicted(now)).collect();
    let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
    for (i, bbox) in boxes.iter().enumerate() {
        for (j, expected) in predicted.iter().enumerate() {
            let iou = bbox.iou(expected).max(bbox.iou(&views[j].bbox));
            if iou >= MIN_IOU {
                pairs.push((iou, i, j));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut tracks: Vec<Option<&View>> = vec![None; boxes.len()];
    let mut is_taken = vec![false; views.len()];
    for (_, i, j) in pairs {
        if tracks[i].is_none() && !is_taken[j] {
            tracks[i] = Some(&views[j]);
            is_taken[j] = true;
        }
    }
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(frame_idx: u64, ts_ms: Option<f64>) -> Moment {
        Moment {
            frame_idx,
            ts_ms,
            fps: 25.0,
        }
    }

    fn view(lineage: u32, bbox: [f32; 4], velocity: [f64; 2]) -> View {
        View {
            lineage: LineageId(lineage),
            at: at(10, Some(400.0)),
            bbox: BBox::from(bbox),
            velocity,
            is_certain: false,
            readings: 0,
            plate_width: 0.0,
            barren: 0,
            searched: None,
        }
    }

    #[test]
    fn time_is_that_of_the_container_and_else_that_of_frames() {
        assert!((at(20, Some(900.0)).since(&at(10, Some(400.0))) - 500.0).abs() < 1e-9);
        assert!((at(20, None).since(&at(10, Some(400.0))) - 400.0).abs() < 1e-9);
        assert!((at(20, Some(100.0)).since(&at(10, Some(400.0))) - 400.0).abs() < 1e-9);
    }

    #[test]
    fn a_box_is_the_track_that_would_be_there_by_now() {
        let views = [
            view(1, [0.0, 0.0, 100.0, 100.0], [1000.0, 0.0]),
            view(2, [400.0, 0.0, 500.0, 100.0], [0.0, 0.0]),
        ];
        let boxes = [
            BBox::from([105.0, 0.0, 205.0, 100.0]),
            BBox::from([404.0, 0.0, 504.0, 100.0]),
            BBox::from([800.0, 0.0, 900.0, 100.0]),
        ];
        let tracks = matched(&views, &boxes, &at(13, Some(500.0)));
        let ids: Vec<_> = tracks.iter().map(|it| it.map(|it| it.lineage.0)).collect();
        assert_eq!(ids, [Some(1), Some(2), None]);
    }

    #[test]
    fn one_track_is_one_box_alone() {
        let views = [view(1, [0.0, 0.0, 100.0, 100.0], [0.0, 0.0])];
        let near = BBox::from([2.0, 0.0, 102.0, 100.0]);
        let farther = BBox::from([20.0, 0.0, 120.0, 100.0]);
        let tracks = matched(&views, &[farther, near], &at(11, Some(440.0)));
        assert!(tracks[0].is_none() && tracks[1].is_some());
    }
}
