//! How boxes move: the formulas of contract §11. Pixels a second in the picture, not a speed on the road.

use serde::{Deserialize, Serialize};

use crate::bbox::BBox;

use super::row::MotionRow;

/// Pixels a second that a box moves at most.
const MAX_SPEED: f64 = 3000.0;
/// Frames a second of a video that says nothing.
const USUAL_FPS: f64 = 30.0;
/// Seconds that pass at least between two times in the container.
const MIN_SECONDS: f64 = 0.001;

/// When a frame is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// In decode order from 0.
    pub frame_idx: u64,
    /// Presentation time in ms, if it is a number.
    pub ts_ms: Option<f64>,
}

impl Moment {
    /// A time that is no number counts as none.
    #[must_use]
    pub fn new(frame_idx: u64, ts_ms: Option<f64>) -> Self {
        Self {
            frame_idx,
            ts_ms: ts_ms.filter(|it| it.is_finite()),
        }
    }
}

/// Seconds from `before` to `now`: by the container's times (0.001 at least), else by frames.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no video has 2^53 frames")]
pub fn seconds_between(before: Moment, now: Moment, fps: f64) -> f64 {
    if let (Some(from), Some(to)) = (before.ts_ms, now.ts_ms) {
        return ((to - from) / 1000.0).max(MIN_SECONDS);
    }
    let fps = if fps.is_finite() && fps > 0.0 {
        fps
    } else {
        USUAL_FPS
    };
    now.frame_idx.saturating_sub(before.frame_idx).max(1) as f64 / fps
}

/// The motion of one track up to its last sight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Motion {
    at: Moment,
    bbox: BBox,
    velocity: [f64; 2],
    age_frames: u32,
}

impl Motion {
    /// Of a track that is seen for the first time: at rest. The row's `track_id` is 0.
    #[must_use]
    pub fn begin(at: Moment, bbox: BBox, conf: f32) -> (Self, MotionRow) {
        let it = Self {
            at,
            bbox,
            velocity: [0.0; 2],
            age_frames: 1,
        };
        let row = it.row(0.0, 1.0, conf);
        (it, row)
    }

    /// The next sight. The row's `track_id` is 0.
    pub fn next(&mut self, at: Moment, bbox: BBox, conf: f32, fps: f64) -> MotionRow {
        let seconds = seconds_between(self.at, at, fps);
        let (from, to) = (self.bbox.centre(), bbox.centre());
        let raw = [0, 1].map(|i| (f64::from(to[i]) - f64::from(from[i])) / seconds);
        let raw = clamped(raw);
        self.velocity = [0, 1].map(|i| 0.5 * raw[i] + 0.5 * self.velocity[i]);
        let (before, area) = (f64::from(self.bbox.area()), f64::from(bbox.area()));
        let ratio = if before > 0.0 { area / before } else { 1.0 };
        self.at = at;
        self.bbox = bbox;
        self.age_frames = self.age_frames.saturating_add(1);
        self.row((area - before) / seconds, ratio, conf)
    }

    fn row(&self, scale_rate: f64, scale_ratio: f64, conf: f32) -> MotionRow {
        let [vx, vy] = self.velocity;
        let speed_px_s = vx.hypot(vy);
        MotionRow {
            track_id: 0,
            frame_idx: self.at.frame_idx,
            video_ts_ms: self.at.ts_ms,
            bbox: self.bbox,
            bbox_w: self.bbox.width(),
            bbox_h: self.bbox.height(),
            bbox_area: self.bbox.area(),
            scale_rate,
            scale_ratio,
            vx,
            vy,
            speed_px_s,
            heading_deg: if speed_px_s > 0.0 {
                vy.atan2(vx).to_degrees()
            } else {
                0.0
            },
            age_frames: self.age_frames,
            conf,
            is_new: self.age_frames == 1,
        }
    }
}

/// At most [`MAX_SPEED`], in the same direction.
fn clamped([vx, vy]: [f64; 2]) -> [f64; 2] {
    let speed = vx.hypot(vy);
    if speed <= MAX_SPEED {
        return [vx, vy];
    }
    [vx, vy].map(|it| it / speed * MAX_SPEED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(frame_idx: u64, ts_ms: f64) -> Moment {
        Moment::new(frame_idx, Some(ts_ms))
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn a_first_sight_is_at_rest_and_new() {
        let (_, row) = Motion::begin(at(0, 0.0), BBox::from([10.0, 20.0, 30.0, 60.0]), 0.9);
        assert!(row.is_new);
        assert_eq!((row.age_frames, row.frame_idx), (1, 0));
        for it in [
            row.vx,
            row.vy,
            row.speed_px_s,
            row.heading_deg,
            row.scale_rate,
        ] {
            near(it, 0.0);
        }
        near(row.scale_ratio, 1.0);
        near(f64::from(row.bbox_area), 800.0);
        near(f64::from(row.bbox_w), 20.0);
        near(f64::from(row.bbox_h), 40.0);
    }

    #[test]
    fn velocity_is_half_new_and_half_of_what_it_was() {
        let (mut it, _) = Motion::begin(at(0, 0.0), BBox::from([0.0, 0.0, 10.0, 10.0]), 0.9);
        let second = it.next(at(4, 100.0), BBox::from([10.0, 0.0, 20.0, 10.0]), 0.9, 25.0);
        near(second.vx, 50.0);
        let third = it.next(
            at(8, 200.0),
            BBox::from([20.0, 10.0, 30.0, 20.0]),
            0.9,
            25.0,
        );
        near(third.vx, 75.0);
        near(third.vy, 50.0);
        near(third.speed_px_s, 75.0f64.hypot(50.0));
        near(third.heading_deg, 50.0f64.atan2(75.0).to_degrees());
        assert_eq!((third.age_frames, third.is_new), (3, false));
    }

    #[test]
    fn scale_is_told_as_a_rate_and_as_a_ratio() {
        let (mut it, _) = Motion::begin(at(0, 0.0), BBox::from([0.0, 0.0, 10.0, 10.0]), 0.9);
        let row = it.next(at(1, 500.0), BBox::from([0.0, 0.0, 20.0, 10.0]), 0.9, 25.0);
        near(row.scale_rate, 200.0);
        near(row.scale_ratio, 2.0);
    }

    #[test]
    fn speed_is_clamped_and_its_direction_is_kept() {
        let (mut it, _) = Motion::begin(at(0, 0.0), BBox::from([0.0, 0.0, 10.0, 10.0]), 0.9);
        let row = it.next(
            at(1, 1.0),
            BBox::from([300.0, 400.0, 310.0, 410.0]),
            0.9,
            25.0,
        );
        near(row.speed_px_s, 1500.0);
        near(row.vx, 900.0);
        near(row.vy, 1200.0);
    }

    #[test]
    fn time_is_the_containers_else_counted_in_frames_of_30_a_second_if_nothing_is_said() {
        let none = |frame| Moment::new(frame, None);
        near(seconds_between(at(0, 0.0), at(4, 160.0), 99.0), 0.16);
        near(seconds_between(at(0, 50.0), at(4, 50.0), 25.0), 0.001);
        near(seconds_between(at(0, 50.0), at(4, 10.0), 25.0), 0.001);
        near(seconds_between(none(0), at(5, 160.0), 25.0), 0.2);
        near(seconds_between(none(7), none(7), 25.0), 0.04);
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            near(seconds_between(none(0), none(3), fps), 0.1);
        }
    }

    #[test]
    fn frame_0_is_a_frame_as_any_other() {
        let (mut it, _) = Motion::begin(
            Moment::new(0, None),
            BBox::from([0.0, 0.0, 10.0, 10.0]),
            0.9,
        );
        let box1 = BBox::from([4.0, 0.0, 14.0, 10.0]);
        near(it.next(Moment::new(1, None), box1, 0.9, 25.0).vx, 50.0);
    }

    proptest! {
        #[test]
        fn rows_are_always_numbers_and_never_too_fast(
            boxes in prop::collection::vec((-1e6f32..1e6, -1e6f32..1e6, 0.1f32..1e6, 0.1f32..1e6), 1..8),
            times in prop::collection::vec(prop::option::of(-1e9f64..1e9), 8),
            fps in prop_oneof![Just(0.0), Just(f64::NAN), 1.0f64..240.0],
        ) {
            let bbox = |i: usize| {
                let (x, y, w, h) = boxes[i];
                BBox::from([x, y, x + w, y + h])
            };
            let (mut it, _) = Motion::begin(Moment::new(0, times[0]), bbox(0), 0.5);
            for (i, time) in times.iter().enumerate().take(boxes.len()).skip(1) {
                let row = it.next(Moment::new(i as u64, *time), bbox(i), 0.5, fps);
                prop_assert!(row.speed_px_s <= MAX_SPEED + 1e-6);
                prop_assert!((-180.0..=180.0).contains(&row.heading_deg));
                for v in [row.vx, row.vy, row.scale_rate, row.scale_ratio] {
                    prop_assert!(v.is_finite());
                }
            }
        }
    }
}
