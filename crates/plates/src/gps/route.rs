//! Fixes in the order of the video, and the place at any moment between them.

use serde_json::{Map, Value};

use super::Fix;

/// Between fixes that are farther apart nobody knows where it was.
const LONGEST_GAP_MS: f64 = 10_000.0;

/// Before the first fix and after the last one it was still there.
const LONGEST_REACH_MS: f64 = 2_000.0;

/// Metres in a degree of latitude.
const DEGREE: f64 = 111_195.0;

/// Shorter moves, in metres, say no direction.
const SHORTEST_MOVE: f64 = 2.0;

/// Where a camera was through a video.
#[derive(Clone, Debug, PartialEq)]
pub struct Route(Vec<Fix>);

impl Route {
    /// None without a fix.
    #[must_use]
    pub fn new(mut fixes: Vec<Fix>) -> Option<Self> {
        fixes.retain(|it| it.at_ms.is_finite());
        fixes.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        (!fixes.is_empty()).then_some(Self(fixes))
    }

    /// All of them, in the order of the video.
    #[must_use]
    pub fn fixes(&self) -> &[Fix] {
        &self.0
    }

    /// Where it was at a moment of the video, in ms; between two fixes by how near each is. None where nobody knows.
    #[must_use]
    pub fn at(&self, at_ms: f64) -> Option<Fix> {
        let next = self.0.partition_point(|it| it.at_ms <= at_ms);
        let before = next.checked_sub(1).and_then(|it| self.0.get(it));
        match (before, self.0.get(next)) {
            (Some(a), Some(b)) if b.at_ms - a.at_ms <= LONGEST_GAP_MS => Some(between(a, b, at_ms)),
            (a, b) => {
                let near = |it: &&Fix| (it.at_ms - at_ms).abs() <= LONGEST_REACH_MS;
                a.filter(near).or(b.filter(near)).copied()
            }
        }
    }

    /// Fills `lat`, `lon`, `gps_speed_mps` and `gps_bearing` of a vehicle by its `video_ts_ms`, where they are not there.
    pub fn fill(&self, record: &mut Map<String, Value>) {
        let Some(fix) = record
            .get("video_ts_ms")
            .and_then(Value::as_f64)
            .and_then(|it| self.at(it))
        else {
            return;
        };
        let values = [
            ("lat", Some(fix.lat)),
            ("lon", Some(fix.lon)),
            ("gps_speed_mps", fix.speed_mps),
            ("gps_bearing", fix.bearing),
        ];
        for (name, value) in values {
            if let (Some(value), None | Some(Value::Null)) = (value, record.get(name)) {
                record.insert(name.to_owned(), value.into());
            }
        }
    }
}

fn between(a: &Fix, b: &Fix, at_ms: f64) -> Fix {
    let span = b.at_ms - a.at_ms;
    let share = if span > 0.0 {
        (at_ms - a.at_ms) / span
    } else {
        0.0
    };
    // Across the 180th meridian the short way round.
    let east = (b.lon - a.lon + 540.0).rem_euclid(360.0) - 180.0;
    let lon = (a.lon + east * share + 540.0).rem_euclid(360.0) - 180.0;
    let mix = |a: f64, b: f64| a + (b - a) * share;
    let north_m = (b.lat - a.lat) * DEGREE;
    let east_m = east * DEGREE * a.lat.to_radians().cos();
    let moved = (north_m.hypot(east_m) >= SHORTEST_MOVE)
        .then(|| east_m.atan2(north_m).to_degrees().rem_euclid(360.0));
    let near = if share < 0.5 { a } else { b };
    Fix {
        at_ms,
        utc: a.utc,
        lat: mix(a.lat, b.lat),
        lon,
        speed_mps: a
            .speed_mps
            .zip(b.speed_mps)
            .map(|(a, b)| mix(a, b))
            .or(near.speed_mps),
        bearing: near.bearing.or(moved),
    }
}
