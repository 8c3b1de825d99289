//! When and where a video was taken, as far as anything says it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::Record;
use crate::gps::Route;

/// 1995-01-01: no camera of ours is older. The zeros of encoders, 1904 and 1970, lie before it.
const EARLIEST: i64 = 788_918_400;
/// A clock may be ahead of ours by so much: a day.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// Bytes of a name that are looked at.
const LONGEST_NAME: usize = 1024;

/// What is known of a file before it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTimes {
    /// When this run began with it, in ms since 1970.
    pub begun_ms: i64,
    /// When it was written last, in ms since 1970.
    pub modified_ms: Option<i64>,
}

/// What its reader found out when it opened the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// The container's time of creation, as it is written there.
    pub created: Option<String>,
    /// Of the video, by its container.
    pub duration_ms: Option<f64>,
    /// Where the camera was.
    pub route: Option<Arc<Route>>,
}

/// Who says when a video was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// Its container.
    Container,
    /// Its name. Such times are local, and taken as UTC.
    Name,
    /// The file's last change less its length.
    Modified,
    /// Nobody: it is the time at which it was read.
    Read,
}

/// The first frame's moment, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub at: Timestamp,
    pub by: Source,
}

impl Recorded {
    /// The container's word, else the name's, else the file's last change less its length, else `times.begun_ms`. A moment
    /// before 1995 or more than a day ahead of `times.begun_ms` is none.
    pub(super) fn of(filename: &str, times: FileTimes, taken: &Taken) -> Self {
        let begun = moment(times.begun_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let is_sound = |it: &Timestamp| {
            let latest = begun.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
            it.as_second() >= EARLIEST && *it <= latest
        };
        let container = || taken.created.as_deref().and_then(of_container);
        let modified = || {
            let length = taken.duration_ms.filter(|it| it.is_finite() && *it > 0.0);
            moment(times.modified_ms?).and_then(|it| after(it, -length.unwrap_or(0.0)))
        };
        let find = |at: Option<Timestamp>, by| at.filter(is_sound).map(|at| Self { at, by });
        find(container(), Source::Container)
            .or_else(|| find(of_name(filename), Source::Name))
            .or_else(|| find(modified(), Source::Modified))
            .unwrap_or(Self {
                at: begun,
                by: Source::Read,
            })
    }

    /// The moment so many ms of the video later.
    pub(super) fn after(&self, ts_ms: Option<f64>) -> Timestamp {
        after(self.at, ts_ms.unwrap_or(0.0)).unwrap_or(self.at)
    }
}

/// When and where, for the rows of a video.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WhenWhere {
    recorded: Recorded,
    route: Option<Arc<Route>>,
}

impl WhenWhere {
    pub(super) fn new(filename: &str, times: FileTimes, taken: Taken) -> Self {
        Self {
            recorded: Recorded::of(filename, times, &taken),
            route: taken.route,
        }
    }

    /// Fills what says when and where a row is of, by its `video_ts_ms`, where nothing is there yet.
    pub(super) fn fill(&self, table: &str, row: &mut Record) {
        match table {
            "vehicles" => {
                let ts_ms = row.get("video_ts_ms").and_then(Value::as_f64);
                let ts = self.recorded.after(ts_ms);
                row.entry("ts").or_insert_with(|| ts.to_string().into());
            }
            "videos" => {
                let at = self.recorded.at.to_string();
                row.entry("recorded_at").or_insert_with(|| at.into());
                let by = serde_json::to_value(self.recorded.by).unwrap_or_default();
                row.entry("recorded_by").or_insert(by);
                return;
            }
            "tracks" | "track_motion" => {}
            _ => return,
        }
        if let Some(route) = &self.route {
            route.fill(row);
        }
    }
}

/// A moment, as rows say it.
pub(super) fn told(ms: i64) -> Value {
    moment(ms).map_or(Value::Null, |it| it.to_string().into())
}

fn moment(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

fn after(at: Timestamp, ms: f64) -> Option<Timestamp> {
    let by = SignedDuration::try_from_secs_f64(ms / 1000.0).ok()?;
    // Rows hold microseconds.
    let micros = i64::try_from(by.as_micros()).ok()?;
    at.checked_add(SignedDuration::from_micros(micros)).ok()
}

/// `2025-11-16T11:50:02.000000Z`, or the same without a zone, which is UTC then.
fn of_container(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let is_utc = |it: DateTime| it.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp());
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().and_then(is_utc))
}

/// The first run of digits in a name that is a date and a time: `20251116_115002`, `2025_1116_115002`,
/// `2025-11-16 11.50.02`, with any one sign between two parts.
fn of_name(filename: &str) -> Option<Timestamp> {
    let bytes = filename.as_bytes();
    let bytes = &bytes[..bytes.len().min(LONGEST_NAME)];
    let is_start = |at: &usize| {
        at.checked_sub(1)
            .is_none_or(|it| !bytes[it].is_ascii_digit())
    };
    (0..bytes.len())
        .filter(is_start)
        .find_map(|at| date_and_time(&bytes[at..]))
}

fn date_and_time(bytes: &[u8]) -> Option<Timestamp> {
    let mut rest = bytes;
    let mut parts = [0_i16; 6];
    for (at, part) in parts.iter_mut().enumerate() {
        let digits = if at == 0 { 4 } else { 2 };
        let is_sign = |it: &u8| !it.is_ascii_alphanumeric() || (at == 3 && *it == b'T');
        if at > 0 && rest.first().is_some_and(is_sign) {
            rest = &rest[1..];
        }
        let text = std::str::from_utf8(rest.get(..digits)?).ok()?;
        if !text.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        *part = text.parse().ok()?;
        rest = &rest[digits..];
    }
    // A longer number is no time.
    if rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let [year, rest @ ..] = parts;
    let [month, day, hour, minute, second] = rest.map(|it| i8::try_from(it).unwrap_or(i8::MAX));
    let it = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    it.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::gps::Fix;

    /// 2026-11-22T12:00:00Z.
    const NOW: i64 = 1_795_348_800_000;

    fn times(modified_ms: Option<i64>) -> FileTimes {
        FileTimes {
            begun_ms: NOW,
            modified_ms,
        }
    }

    fn recorded(name: &str, modified_ms: Option<i64>, created: Option<&str>) -> (String, Source) {
        let taken = Taken {
            created: created.map(str::to_owned),
            duration_ms: Some(60_000.0),
            route: None,
        };
        let it = Recorded::of(name, times(modified_ms), &taken);
        (it.at.to_string(), it.by)
    }

    #[test]
    fn the_container_says_when_then_the_name_then_the_file() {
        let created = Some("2025-11-16T11:50:02.000000Z");
        let name = "2024_0102_030405_000153F.MP4";
        let modified = Some(NOW - 3_600_000);
        let it = recorded(name, modified, created);
        assert_eq!(it, ("2025-11-16T11:50:02Z".into(), Source::Container));
        let it = recorded(name, modified, None);
        assert_eq!(it, ("2024-01-02T03:04:05Z".into(), Source::Name));
        let it = recorded("GX010042.MP4", modified, None);
        assert_eq!(it, ("2026-11-22T10:59:00Z".into(), Source::Modified));
        let it = recorded("GX010042.MP4", None, None);
        assert_eq!(it, ("2026-11-22T12:00:00Z".into(), Source::Read));
    }

    #[test]
    fn zeros_of_encoders_and_times_to_come_are_none() {
        for created in [
            "1904-01-01T00:00:00Z",
            "1970-01-01T00:00:00.000000Z",
            "2026-11-24T00:00:00Z",
            "2040-01-01T00:00:00Z",
            "yesterday",
            "",
        ] {
            let it = recorded("20251116_115002.mp4", None, Some(created));
            assert_eq!(
                it,
                ("2025-11-16T11:50:02Z".into(), Source::Name),
                "{created}"
            );
        }
        assert_eq!(
            recorded("19700101_000000.mp4", Some(0), None).1,
            Source::Read
        );
    }

    #[test]
    fn names_of_cameras_are_understood_and_other_numbers_are_not() {
        for name in [
            "2025_1116_115002_000153F.MP4",
            "20251116_115002.mp4",
            "20251116115002_000123.MP4",
            "NO20251116-115002-000001.mp4",
            "dash 2025-11-16 11.50.02 front.mp4",
            "2025-11-16T11:50:02.mkv",
            "FILE251116-115002 2025-11-16_11-50-02.mp4",
        ] {
            assert_eq!(
                of_name(name).map(|it| it.to_string()).as_deref(),
                Some("2025-11-16T11:50:02Z"),
                "{name}"
            );
        }
        for name in [
            "20251316_115002.mp4",
            "20251116_1150.mp4",
            "120251116_115002.mp4",
            "20251116_1150023.mp4",
            "",
            "ä2025",
        ] {
            assert_eq!(of_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_row_has_the_moment_and_the_place_of_its_frame() {
        let route = Route::new(vec![
            Fix::new(0.0, 10.0, 20.0).unwrap(),
            Fix::new(2000.0, 12.0, 20.0).unwrap(),
        ]);
        let taken = Taken {
            created: Some("2025-11-16T11:50:02Z".into()),
            duration_ms: None,
            route: route.map(Arc::new),
        };
        let it = WhenWhere::new("a.mp4", times(None), taken);
        let filled = |table: &str| {
            let mut row = json!({"video_ts_ms": 500.0}).as_object().unwrap().clone();
            it.fill(table, &mut row);
            Value::Object(row)
        };
        let place = json!({"video_ts_ms": 500.0, "lat": 10.5, "lon": 20.0, "gps_bearing": 0.0});
        assert_eq!(filled("track_motion"), place);
        assert_eq!(filled("tracks"), place);
        let mut vehicle = place;
        vehicle["ts"] = json!("2025-11-16T11:50:02.5Z");
        assert_eq!(filled("vehicles"), vehicle);
        let video = filled("videos");
        assert_eq!(
            (&video["recorded_at"], &video["recorded_by"]),
            (&json!("2025-11-16T11:50:02Z"), &json!("container"))
        );
        assert_eq!(filled("video_summary"), json!({"video_ts_ms": 500.0}));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(name in ".{0,40}|[0-9_]{0,30}", created in ".{0,40}|[0-9T:.Z-]{0,30}", modified: Option<i64>, begun: i64, length: f64, at: f64) {
            let taken = Taken { created: Some(created), duration_ms: Some(length), route: None };
            let times = FileTimes { begun_ms: begun, modified_ms: modified };
            let it = Recorded::of(&name, times, &taken);
            let _later = it.after(Some(at));
        }

        #[test]
        fn a_date_in_a_name_is_found_wherever_it_stands(year in 1995_i16..2026, month in 1_i8..13, day in 1_i8..29, hour in 0_i8..24, before in "[a-zA-Z_ -]{0,8}", between in "[_ .-]?") {
            let name = format!("{before}{year:04}{month:02}{day:02}{between}{hour:02}0102.mp4");
            let found = of_name(&name).map(|it| it.to_string());
            prop_assert_eq!(found, Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:01:02Z")));
        }
    }
}
