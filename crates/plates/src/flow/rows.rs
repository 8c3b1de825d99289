//! Records as they are stored (contract §13).

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

use super::{Counts, SourceEnd, VideoFacts, VideoStatus, samples::Kept, taken};
use crate::{
    bbox::BBox,
    category::Category,
    detection::VehicleClass,
    store::{WHOLE, WITHDRAWN},
    track::MotionRow,
    vote::Final,
};

/// A record: columns by name.
pub(super) type Record = Map<String, Value>;

/// A moment of a video.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stamp {
    /// In decode order from 0.
    pub frame_idx: u64,
    /// Presentation time in ms.
    pub ts_ms: Option<f64>,
}

/// A video's id in references: `%`, `:` and `/` are percent-encoded, so that what follows a `:` is never part of the name.
#[must_use]
pub(super) fn escaped(video_id: &str) -> String {
    let it = video_id.replace('%', "%25");
    it.replace(':', "%3A").replace('/', "%2F")
}

/// `video_id:track_id`.
#[must_use]
pub(super) fn global_id(video_id: &str, track_id: u32) -> String {
    format!("{}:{track_id}", escaped(video_id))
}

/// Hundredths of a pixel.
fn px(it: f32) -> Value {
    json!((f64::from(it) * 100.0).round() / 100.0)
}

/// To six places.
fn number(it: f64) -> Value {
    json!((it * 1e6).round() / 1e6)
}

/// When a frame is shown, in ms, at `fps` frames a second.
#[expect(clippy::cast_precision_loss, reason = "no video has 2^52 frames")]
pub(super) fn frame_ms(frame_idx: u64, fps: f64) -> f64 {
    frame_idx as f64 * 1000.0 / fps
}

/// Fills the times of a row that its container does not say: those of its frames at `fps` frames a second.
pub(super) fn timed(row: &mut Record, fps: f64) {
    for (time, frame) in [
        ("video_ts_ms", "frame_idx"),
        ("first_ts_ms", "first_frame_idx"),
        ("last_ts_ms", "last_frame_idx"),
    ] {
        let is_open = row.get(time).is_some_and(Value::is_null);
        let frame = row.get(frame).and_then(Value::as_f64);
        if let (true, Some(frame)) = (is_open, frame) {
            row.insert(time.into(), number(frame * 1000.0 / fps));
        }
    }
}

fn corners(it: &BBox) -> Value {
    let it: [f32; 4] = (*it).into();
    Value::Array(it.into_iter().map(px).collect())
}

fn fields(video: &VideoFacts) -> Record {
    let mut it = Record::new();
    it.insert("content_sha256".into(), json!(video.content_sha256));
    it.insert("settings_hash".into(), json!(video.settings_hash));
    it.insert("run_id".into(), json!(video.run_id));
    it.insert("video_id".into(), json!(video.video_id));
    it
}

fn of_track(video: &VideoFacts, track_id: u32, at: Stamp) -> Record {
    let mut it = fields(video);
    it.insert("track_id".into(), json!(track_id));
    it.insert(
        "global_id".into(),
        json!(global_id(&video.video_id, track_id)),
    );
    it.insert("frame_idx".into(), json!(at.frame_idx));
    it.insert("video_ts_frame".into(), json!(at.frame_idx));
    it.insert("video_ts_ms".into(), at.ts_ms.map_or(Value::Null, number));
    it.insert("video_path".into(), json!(video.path));
    it.insert("video_filename".into(), json!(video.filename));
    it
}

/// A row of `tracks`.
#[must_use]
pub(super) fn track(video: &VideoFacts, track_id: u32, first: Stamp) -> Record {
    let mut it = of_track(video, track_id, first);
    it.insert("first_frame_idx".into(), json!(first.frame_idx));
    it
}

/// A row of `track_motion`. `age_frames` counts the vehicle's rows from 1: after a split it begins anew.
#[must_use]
pub(super) fn motion(
    video: &VideoFacts,
    track_id: u32,
    age_frames: u32,
    row: &MotionRow,
) -> Record {
    let at = Stamp {
        frame_idx: row.frame_idx,
        ts_ms: row.video_ts_ms,
    };
    let mut it = of_track(video, track_id, at);
    it.insert("bbox".into(), corners(&row.bbox));
    for (name, value) in [
        ("bbox_w", row.bbox_w),
        ("bbox_h", row.bbox_h),
        ("bbox_area", row.bbox_area),
    ] {
        it.insert(name.into(), px(value));
    }
    for (name, value) in [
        ("scale_rate", row.scale_rate),
        ("scale_ratio", row.scale_ratio),
        ("vx", row.vx),
        ("vy", row.vy),
        ("speed_px_s", row.speed_px_s),
        ("heading_deg", row.heading_deg),
        ("conf", f64::from(row.conf)),
    ] {
        it.insert(name.into(), number(value));
    }
    it.insert("age_frames".into(), json!(age_frames));
    it.insert("is_new".into(), json!(age_frames == 1));
    it
}

/// What is known of a vehicle whose plate was read.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Sighting {
    /// The plate.
    pub plate: Final,
    /// The kept reading that shows it best, where it is still kept.
    pub best: Option<Kept>,
    /// The picture of the plate.
    pub crop: Option<String>,
    /// Readings, with those no longer kept.
    pub samples: u32,
    /// None where only its plate was seen.
    pub class: Option<VehicleClass>,
}

/// A row of `vehicles`. None where a box or the confidence is no number: such a row says nothing.
#[must_use]
pub(super) fn vehicle(
    video: &VideoFacts,
    track_id: u32,
    seen: [Stamp; 2],
    sighting: &Sighting,
) -> Option<Record> {
    let plate = &sighting.plate;
    let best = &plate.best;
    let numbers: [f32; 4] = best.car_bbox.into();
    let more: [f32; 4] = best.plate_bbox.into();
    let is_sound = numbers.iter().chain(&more).all(|it| it.is_finite()) && plate.conf.is_finite();
    if !is_sound || plate.text.is_empty() {
        return None;
    }
    let at = Stamp {
        frame_idx: best.frame_idx,
        ts_ms: best.ts_ms,
    };
    let mut it = of_track(video, track_id, at);
    let [first, last] = seen;
    it.insert("first_frame_idx".into(), json!(first.frame_idx));
    it.insert("last_frame_idx".into(), json!(last.frame_idx));
    it.insert(
        "first_ts_ms".into(),
        first.ts_ms.map_or(Value::Null, number),
    );
    it.insert("last_ts_ms".into(), last.ts_ms.map_or(Value::Null, number));
    it.insert("final_plate".into(), json!(plate.text));
    it.insert("raw_plate".into(), json!(plate.raw_text));
    it.insert("plate_confidence".into(), number(plate.conf));
    it.insert("is_uncertain".into(), json!(plate.is_uncertain));
    it.insert("samples".into(), json!(sighting.samples));
    let readings = plate.readings.iter();
    let readings = readings
        .map(|it| json!({"text": it.text, "samples": it.samples, "weight": number(it.weight)}));
    it.insert("readings".into(), Value::Array(readings.collect()));
    it.insert("car_bbox".into(), corners(&best.car_bbox));
    it.insert("plate_bbox".into(), corners(&best.plate_bbox));
    let quad = sighting.best.as_ref().and_then(|it| it.corners);
    let quad = quad.map(|it| it.map(|it| it.map(px).to_vec()).to_vec());
    it.insert("plate_corners".into(), json!(quad));
    it.insert("crop".into(), json!(sighting.crop));
    it.insert("vehicle_class".into(), json!(sighting.class));
    Some(it)
}

/// The row, in place of all that is there with its key.
#[must_use]
pub(super) fn whole(mut row: Record) -> Record {
    row.insert(WHOLE.into(), json!(true));
    row
}

/// What takes a row of `vehicles` out again.
#[must_use]
pub(super) fn withdrawn(video: &VideoFacts, track_id: u32) -> Record {
    let mut it = fields(video);
    it.insert("track_id".into(), json!(track_id));
    it.insert(WITHDRAWN.into(), json!(true));
    it
}

/// A row of `videos`. Without an end: it is being read.
#[must_use]
pub(super) fn video(
    facts: &VideoFacts,
    counts: &Counts,
    end: Option<(&SourceEnd, VideoStatus, Option<&str>)>,
) -> Record {
    let mut it = fields(facts);
    it.insert("path".into(), json!(facts.path));
    it.insert("size".into(), json!(facts.size_bytes));
    it.insert("started".into(), taken::told(facts.times.begun_ms));
    let Some((end, status, reason)) = end else {
        it.insert("status".into(), json!("running"));
        return it;
    };
    it.insert("frames".into(), json!(end.decoded));
    it.insert("fps".into(), json!(end.fps));
    it.insert("duration".into(), seconds(end.duration_ms));
    it.insert("status".into(), json!(status));
    it.insert("counts".into(), json!(counts));
    it.insert("error".into(), json!(reason));
    it
}

/// A row of `video_summary`.
#[must_use]
pub(super) fn summary(
    facts: &VideoFacts,
    counts: &Counts,
    stage_us: &BTreeMap<String, u64>,
    end: &SourceEnd,
    status: VideoStatus,
) -> Record {
    let mut it = fields(facts);
    it.insert("frames_read".into(), json!(counts.frames));
    it.insert("frames_decoded".into(), json!(end.decoded));
    it.insert("frames_failed".into(), json!(end.failed));
    it.insert("duration".into(), seconds(end.duration_ms));
    it.insert("vehicles".into(), json!(counts.vehicles));
    it.insert("tracks".into(), json!(counts.tracks));
    it.insert("plates".into(), json!(counts.plates));
    it.insert("unreadable_plates".into(), json!(counts.unreadable));
    it.insert("stage_seconds".into(), stage_seconds(stage_us));
    it.insert("skipped".into(), json!(counts.skipped));
    it.insert("counts".into(), json!(counts));
    it.insert("status".into(), json!(status));
    it
}

/// Seconds by stage. Stages that took none are there, too.
#[must_use]
pub(super) fn stage_seconds(stage_us: &BTreeMap<String, u64>) -> Value {
    let of = |it: Category| {
        let micros = stage_us.get(it.name()).copied().unwrap_or_default();
        (
            it.name().to_owned(),
            json!(Duration::from_micros(micros).as_secs_f64()),
        )
    };
    let is_there = |it: &Category| !it.is_optional() || stage_us.contains_key(it.name());
    Value::Object(Category::ALL.into_iter().filter(is_there).map(of).collect())
}

fn seconds(ms: Option<f64>) -> Value {
    ms.map_or(Value::Null, |it| number(it / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{detection::Reading, flow::FileTimes, vote::Sample};

    pub(crate) fn facts() -> VideoFacts {
        VideoFacts {
            video_id: "a:b/c%".into(),
            path: "/videos/a:b/c%.mp4".into(),
            filename: "c%.mp4".into(),
            size_bytes: 10,
            content_sha256: "ab".into(),
            settings_hash: "cd".into(),
            run_id: "r1".into(),
            times: FileTimes::default(),
        }
    }

    fn sighting() -> Sighting {
        let best = Sample {
            frame_idx: 7,
            ts_ms: Some(280.0),
            car_bbox: BBox::from([100.0, 50.0, 300.123, 200.0]),
            plate_bbox: BBox::from([180.0, 150.0, 220.0, 162.0]),
            plate_conf: 0.8,
            reading: Reading {
                text: "AB123".into(),
                conf: 0.9,
                ..Reading::default()
            },
        };
        let plate = Final {
            text: "AB123".into(),
            raw_text: "A8123".into(),
            conf: 0.95,
            is_uncertain: false,
            samples: 3,
            frames: [5, 9],
            best,
            readings: vec![],
        };
        Sighting {
            plate,
            best: None,
            crop: None,
            samples: 3,
            class: Some(VehicleClass::Car),
        }
    }

    fn seen() -> [Stamp; 2] {
        [3, 11].map(|frame_idx| Stamp {
            frame_idx,
            ts_ms: None,
        })
    }

    #[test]
    fn what_a_vehicle_needs_is_never_null() {
        let it = vehicle(&facts(), 4, seen(), &sighting()).unwrap();
        for name in [
            "content_sha256",
            "settings_hash",
            "video_id",
            "frame_idx",
            "final_plate",
            "plate_confidence",
            "car_bbox",
            "plate_bbox",
            "track_id",
            "global_id",
            "first_frame_idx",
            "last_frame_idx",
            "samples",
            "readings",
            "run_id",
            "raw_plate",
            "is_uncertain",
            "vehicle_class",
        ] {
            assert!(it.get(name).is_some_and(|it| !it.is_null()), "{name}");
        }
        assert_eq!(it["plate_bbox"], json!([180.0, 150.0, 220.0, 162.0]));
        assert_eq!(it["car_bbox"], json!([100.0, 50.0, 300.12, 200.0]));
    }

    #[test]
    fn a_row_that_would_lack_what_it_needs_is_none() {
        let mut no_text = sighting();
        no_text.plate.text.clear();
        let mut no_conf = sighting();
        no_conf.plate.conf = f64::NAN;
        let mut no_box = sighting();
        no_box.plate.best.plate_bbox.x1 = f32::INFINITY;
        for bad in [no_text, no_conf, no_box] {
            assert_eq!(vehicle(&facts(), 4, seen(), &bad), None);
        }
    }

    #[test]
    fn what_follows_a_colon_of_a_reference_is_a_number() {
        assert_eq!(global_id("a:b/c%", 12), "a%3Ab%2Fc%25:12");
        let it = track(&facts(), 12, seen()[0]);
        assert_eq!(it["video_id"], "a:b/c%");
        assert_eq!(it["first_frame_idx"], 3);
    }
}
