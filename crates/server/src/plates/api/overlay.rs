//! What is drawn: boxes out of rows. Pure.

use framerill_plates::store::Record;
use framerill_worker::message::DrawnBox;
use serde_json::Value;

use super::query::Layers;

const CAR: [u8; 3] = [0, 255, 0];
const PLATE: [u8; 3] = [255, 165, 0];
const MOTION: [u8; 3] = [0, 120, 255];
/// Lines of boxes, in pixels.
const THICKNESS: u32 = 3;
/// A box is shown no longer than this after its row: by then the vehicle is somewhere else, or gone.
const LONGEST: f64 = 0.5;
/// Times of frames that differ by less are one; a box ends this much before the next one begins.
const BEFORE_NEXT: f64 = 0.004;
/// The way of so many seconds is drawn, as so many dots.
const AHEAD: f64 = 0.5;
const DOTS: u8 = 6;
/// Half the side of a dot, in pixels.
const DOT: f64 = 3.0;

/// A row of a track's motion: where the vehicle is at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    seconds: f64,
    bbox: [f64; 4],
    velocity: Option<[f64; 2]>,
}

/// A box of a row: four numbers in a list, or by name. None unless all are numbers.
pub(super) fn bbox(record: &Record, name: &str) -> Option<[f64; 4]> {
    let sides: Vec<f64> = match record.get(name)? {
        Value::Array(sides) => sides.iter().map(Value::as_f64).collect::<Option<_>>()?,
        Value::Object(sides) => ["x1", "y1", "x2", "y2"]
            .iter()
            .map(|side| sides.get(*side)?.as_f64())
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let sides = <[f64; 4]>::try_from(sides.get(..4)?).ok()?;
    sides.iter().all(|it| it.is_finite()).then_some(sides)
}

/// When a row's frame is shown, in seconds.
pub(super) fn seconds(record: &Record) -> Option<f64> {
    let ms = record.get("video_ts_ms")?.as_f64()?;
    (ms.is_finite() && ms >= 0.0).then_some(ms / 1000.0)
}

/// The car and the plate of a still.
pub(super) fn still(record: &Record) -> Vec<DrawnBox> {
    let car = bbox(record, "car_bbox").or_else(|| bbox(record, "bbox"));
    let plate = bbox(record, "plate_bbox");
    let car = car.map(|it| drawn(it, CAR, None));
    let plate = plate.map(|it| drawn(it, PLATE, None));
    car.into_iter().chain(plate).collect()
}

/// What is asked for in a clip: boxes that go with the vehicle, by the rows of its motion.
pub(super) fn clip(record: &Record, motion: &[Record], layers: Layers) -> Vec<DrawnBox> {
    let mut steps: Vec<Step> = motion.iter().filter_map(step).collect();
    steps.sort_by(|one, two| one.seconds.total_cmp(&two.seconds));
    steps.dedup_by(|one, two| one.seconds - two.seconds < BEFORE_NEXT);
    let car = bbox(record, "car_bbox").or_else(|| bbox(record, "bbox"));
    let plate = bbox(record, "plate_bbox");
    let Some(at) = seconds(record) else {
        return Vec::new();
    };
    if steps.is_empty() {
        let shown = Some([at - LONGEST, at + LONGEST]);
        let car = car.filter(|_| layers.car);
        let plate = plate.filter(|_| layers.plate);
        let car = car.map(|it| drawn(it, CAR, shown));
        let plate = plate.map(|it| drawn(it, PLATE, shown));
        return car.into_iter().chain(plate).collect();
    }
    let mut all = Vec::new();
    for (place, it) in steps.iter().enumerate() {
        let next = steps.get(place + 1).map_or(f64::INFINITY, |it| it.seconds);
        let until = (next - BEFORE_NEXT).min(it.seconds + LONGEST);
        let shown = Some([it.seconds, until]);
        if layers.car {
            all.push(drawn(it.bbox, CAR, shown));
        }
        if let (true, Some(car), Some(plate)) = (layers.plate, car, plate)
            && let Some(plate) = carried(plate, car, it.bbox)
        {
            all.push(drawn(plate, PLATE, shown));
        }
        if let (true, Some(velocity)) = (layers.motion, it.velocity) {
            let dots = way(it.bbox, velocity);
            all.extend(dots.map(|dot| DrawnBox {
                thickness: 2 * THICKNESS,
                ..drawn(dot, MOTION, shown)
            }));
        }
    }
    all
}

fn step(record: &Record) -> Option<Step> {
    let number = |name: &str| record.get(name)?.as_f64().filter(|it| it.is_finite());
    Some(Step {
        seconds: seconds(record)?,
        bbox: bbox(record, "bbox")?,
        velocity: number("vx").zip(number("vy")).map(|(x, y)| [x, y]),
    })
}

/// The plate of a car that is elsewhere, and larger or smaller.
fn carried(plate: [f64; 4], car: [f64; 4], to: [f64; 4]) -> Option<[f64; 4]> {
    let scale = |low: usize, high: usize| {
        let (was, is) = (car[high] - car[low], to[high] - to[low]);
        (was >= 1.0 && is >= 0.0).then(|| is / was)
    };
    let (x, y) = scale(0, 2).zip(scale(1, 3))?;
    let at = |side: usize| {
        let (low, scale) = if side.is_multiple_of(2) {
            (0, x)
        } else {
            (1, y)
        };
        to[low] + (plate[side] - car[low]) * scale
    };
    Some(std::array::from_fn(at))
}

/// Dots from the middle of a box to where it will be.
fn way(bbox: [f64; 4], velocity: [f64; 2]) -> impl Iterator<Item = [f64; 4]> {
    let [left, top, right, bottom] = bbox;
    let middle = [f64::midpoint(left, right), f64::midpoint(top, bottom)];
    (0..=DOTS).map(move |dot| {
        let later = AHEAD * f64::from(dot) / f64::from(DOTS);
        // The end is larger: it says in which direction.
        let half = if dot == DOTS { 2.0 * DOT } else { DOT };
        let [x, y] = [0, 1].map(|axis| middle[axis] + velocity[axis] * later);
        [x - half, y - half, x + half, y + half]
    })
}

fn drawn(bbox: [f64; 4], colour: [u8; 3], shown: Option<[f64; 2]>) -> DrawnBox {
    DrawnBox {
        bbox,
        colour,
        thickness: THICKNESS,
        shown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{super::record, *};

    fn vehicle() -> Record {
        record(json!({
            "video_ts_ms": 1000.0, "car_bbox": [100, 100, 200, 180], "plate_bbox": [140, 160, 160, 168],
        }))
    }

    fn motion(ms: u32, x: f64) -> Record {
        record(
            json!({"video_ts_ms": ms, "bbox": [x, 100.0, x + 200.0, 340.0], "vx": 60.0, "vy": 0.0}),
        )
    }

    #[test]
    fn a_still_shows_the_car_and_the_plate_and_nothing_that_is_no_box() {
        let boxes = still(&vehicle());
        assert_eq!(
            boxes.iter().map(|it| it.colour).collect::<Vec<_>>(),
            [CAR, PLATE]
        );
        for broken in [
            json!(null),
            json!([1, 2]),
            json!(["a", 1, 2, 3]),
            json!("x"),
        ] {
            let mut it = vehicle();
            it.insert("car_bbox".into(), broken);
            assert_eq!(still(&it).len(), 1);
        }
        let named = record(json!({"bbox": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}}));
        assert_eq!(still(&named)[0].bbox, [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn boxes_of_a_clip_go_with_the_vehicle_and_follow_one_another() {
        let rows = [motion(1100, 120.0), motion(1000, 100.0)];
        let layers = Layers {
            car: true,
            plate: true,
            motion: false,
        };
        let boxes = clip(&vehicle(), &rows, layers);
        assert_eq!(boxes.len(), 4);
        let shown: Vec<_> = boxes.iter().filter_map(|it| it.shown).collect();
        assert_eq!(shown[0], [1.0, 1.1 - BEFORE_NEXT]);
        assert_eq!(shown[2], [1.1, 1.6]);
        // Twice as wide and three times as high, and so is the plate in it.
        assert_eq!(boxes[1].bbox, [180.0, 280.0, 220.0, 304.0]);
        assert_eq!(boxes[3].bbox, [200.0, 280.0, 240.0, 304.0]);
    }

    #[test]
    fn motion_is_a_line_of_dots_that_ends_where_the_vehicle_will_be() {
        let layers = Layers {
            motion: true,
            ..Layers::default()
        };
        let dots = clip(&vehicle(), &[motion(1000, 100.0)], layers);
        assert_eq!(dots.len(), usize::from(DOTS) + 1);
        let last = dots[usize::from(DOTS)].bbox;
        assert_eq!(f64::midpoint(last[0], last[2]), 200.0 + 60.0 * AHEAD);
        assert!(clip(&vehicle(), &[motion(1000, 100.0)], Layers::default()).is_empty());
    }

    #[test]
    fn without_motion_the_boxes_of_the_row_are_shown_around_it() {
        let layers = Layers {
            car: true,
            plate: true,
            motion: true,
        };
        let boxes = clip(&vehicle(), &[], layers);
        assert_eq!(boxes.len(), 2);
        assert_eq!(boxes[0].shown, Some([0.5, 1.5]));
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(sides in prop::collection::vec(any::<f64>(), 0..6), ms in any::<f64>(), vx in any::<f64>()) {
            let mut row = vehicle();
            row.insert("video_ts_ms".into(), json!(ms));
            row.insert("car_bbox".into(), json!(sides));
            let step = record(json!({"video_ts_ms": ms, "bbox": sides, "vx": vx, "vy": 1.0}));
            let layers = Layers { car: true, plate: true, motion: true };
            still(&row);
            clip(&row, &[step.clone(), step], layers);
        }
    }
}
