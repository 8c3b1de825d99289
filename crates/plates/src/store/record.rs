//! Forms in which a row may come to FINAL_WRITE, and what a task fills in (contract §13).

use serde_json::{Map, Value};

use super::{
    row::{Record, global_id},
    table::{Table, VEHICLES},
};

/// What a task says beside its payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Of the task.
    pub video_id: Option<&'a str>,
    /// Of the task.
    pub frame_idx: Option<u64>,
    /// Of the task.
    pub track_id: Option<u32>,
    /// What every descendant of a frame carries.
    pub meta: Option<&'a Map<String, Value>>,
}

/// A payload that is no row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is no such table.
    #[error("there is no table `{0}`: use vehicles, tracks, track_motion, videos or video_summary")]
    UnknownTable(String),
    /// `record` is there and no map.
    #[error("`record` is no map of columns: give {{\"record\": {{…}}}}")]
    NoMap,
    /// Columns that are needed and not there.
    #[error("`{table}` needs {}", missing.join(", "))]
    Missing {
        /// Which table.
        table: &'static str,
        /// Their names.
        missing: Vec<&'static str>,
    },
}

/// What `vehicles` cannot do without (contract §13); `ts` is now when nobody says.
const NEEDED: [&str; 6] = [
    "video_id",
    "frame_idx",
    "final_plate",
    "plate_confidence",
    "car_bbox",
    "plate_bbox",
];

/// Columns that come from the task's `meta` as they are.
const OF_META: [&str; 10] = [
    "content_sha256",
    "settings_hash",
    "run_id",
    "global_id",
    "video_ts_frame",
    "video_ts_ms",
    "video_path",
    "video_filename",
    "car_bbox",
    "plate_bbox",
];

/// Reads a payload: `{table, record}`, `{record}` (of `vehicles`), or columns beside an optional `table`. What the row does not
/// say is taken from `extra` and `metadata`, then from the task.
///
/// # Errors
/// There is no such table, `record` is no map, or a vehicle lacks what it needs.
pub fn read(
    payload: &Map<String, Value>,
    facts: Facts<'_>,
) -> Result<(&'static Table, Record), RecordError> {
    let table = match payload.get("table") {
        None | Some(Value::Null) => &VEHICLES,
        Some(name) => {
            let name = name
                .as_str()
                .map_or_else(|| name.to_string(), str::to_owned);
            Table::named(&name)
                .filter(|it| it.name != super::table::AUDIT.name)
                .ok_or(RecordError::UnknownTable(name))?
        }
    };
    let mut row = match payload.get("record") {
        Some(Value::Object(record)) => record.clone(),
        Some(_) => return Err(RecordError::NoMap),
        None => {
            let mut flat = payload.clone();
            flat.remove("table");
            flat
        }
    };
    // Beside `record`, such maps may stand outside of it.
    let outside = ["extra", "metadata"].map(|it| payload.get(it).cloned());
    let inside = ["extra", "metadata"].map(|it| row.remove(it));
    for more in inside.into_iter().chain(outside).flatten() {
        let Value::Object(more) = more else { continue };
        for (name, value) in more {
            if table.column(&name).is_some() {
                put(&mut row, &name, Some(value));
            }
        }
    }
    fill(table, &mut row, facts);
    let missing: Vec<_> = NEEDED
        .into_iter()
        .filter(|it| table.name == VEHICLES.name && !is_there(&row, it))
        .collect();
    if !missing.is_empty() {
        return Err(RecordError::Missing {
            table: table.name,
            missing,
        });
    }
    Ok((table, row))
}

fn is_there(row: &Record, name: &str) -> bool {
    row.get(name).is_some_and(|it| !it.is_null())
}

/// Only where nothing is.
fn put(row: &mut Record, name: &str, value: Option<Value>) {
    if let (Some(value), false) = (value, is_there(row, name)) {
        row.insert(name.to_owned(), value);
    }
}

fn fill(table: &Table, row: &mut Record, facts: Facts<'_>) {
    let meta = |name: &str| facts.meta?.get(name).filter(|it| !it.is_null()).cloned();
    let mut fill = |name: &str, value: Option<Value>| {
        if table.column(name).is_some() {
            put(row, name, value);
        }
    };
    fill("video_id", facts.video_id.map(Value::from));
    fill("frame_idx", facts.frame_idx.map(Value::from));
    fill("track_id", facts.track_id.map(Value::from));
    for name in OF_META {
        fill(name, meta(name));
    }
    fill("final_plate", meta("final"));
    if table.column("plate_confidence").is_some() {
        // A flat payload says it in its own word.
        let conf = row.remove("conf");
        put(row, "plate_confidence", meta("conf").or(conf));
    }
    let video = row.get("video_id").and_then(Value::as_str);
    let track = row.get("track_id").and_then(Value::as_i64);
    let global = video
        .zip(track)
        .map(|(video, track)| global_id(video, track));
    if table.column("global_id").is_some() {
        put(row, "global_id", global.map(Value::from));
    }
    let frame = row.get("frame_idx").cloned();
    if table.column("video_ts_frame").is_some() {
        put(row, "video_ts_frame", frame);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_of(payload: Value, facts: Facts<'_>) -> Result<(&'static str, Value), RecordError> {
        let Value::Object(payload) = payload else {
            panic!("no map")
        };
        read(&payload, facts).map(|(table, row)| (table.name, Value::Object(row)))
    }

    fn vehicle() -> Value {
        json!({"video_id": "v", "frame_idx": 0, "final_plate": "AB1", "plate_confidence": 0.5,
               "car_bbox": [0, 0, 9, 9], "plate_bbox": [1, 1, 2, 2], "video_ts_frame": 0})
    }

    #[test]
    fn a_row_may_come_in_three_forms() {
        let wanted = Ok(("vehicles", vehicle()));
        let none = Facts::default();
        assert_eq!(
            read_of(json!({"table": "vehicles", "record": vehicle()}), none),
            wanted
        );
        assert_eq!(read_of(json!({"record": vehicle()}), none), wanted);
        assert_eq!(read_of(vehicle(), none), wanted);
        let mut flat = vehicle();
        flat["table"] = "vehicles".into();
        assert_eq!(read_of(flat, none), wanted);
    }

    #[test]
    fn extra_and_metadata_fill_only_what_is_missing() {
        let mut payload = vehicle();
        payload["extra"] = json!({"final_plate": "WRONG", "samples": 3, "camera": "front"});
        payload["metadata"] = json!({"samples": 4, "run_id": "r"});
        let (_, row) = read_of(payload, Facts::default()).unwrap();
        assert_eq!(
            (&row["final_plate"], &row["samples"], &row["run_id"]),
            (&json!("AB1"), &json!(3), &json!("r"))
        );
        assert_eq!(
            (row.get("camera"), row.get("extra"), row.get("metadata")),
            (None, None, None)
        );
    }

    #[test]
    fn a_task_fills_in_what_a_row_does_not_say() {
        let Value::Object(meta) =
            json!({"final": "AB1", "conf": 0.7, "video_path": "/a/b.mp4", "video_ts_ms": 40.0})
        else {
            unreachable!()
        };
        let facts = Facts {
            video_id: Some("a:b/c%"),
            frame_idx: Some(3),
            track_id: Some(2),
            meta: Some(&meta),
        };
        let (_, row) = read_of(
            json!({"car_bbox": [], "plate_bbox": [], "conf": 0.1}),
            facts,
        )
        .unwrap();
        assert_eq!(
            row,
            json!({"video_id": "a:b/c%", "frame_idx": 3, "track_id": 2, "global_id": "a%3Ab%2Fc%25:2", "video_ts_frame": 3,
                   "video_ts_ms": 40.0, "video_path": "/a/b.mp4", "final_plate": "AB1", "plate_confidence": 0.7,
                   "car_bbox": [], "plate_bbox": []})
        );
    }

    #[test]
    fn what_is_missing_is_named_and_an_unknown_table_too() {
        let error = read_of(
            json!({"record": {"video_id": "v", "final_plate": null}}),
            Facts::default(),
        )
        .unwrap_err();
        let text =
            "`vehicles` needs frame_idx, final_plate, plate_confidence, car_bbox, plate_bbox";
        assert_eq!(error.to_string(), text);
        let error = read_of(json!({"table": "audit; --"}), Facts::default()).unwrap_err();
        assert_eq!(error, RecordError::UnknownTable("audit; --".into()));
        assert!(matches!(
            read_of(json!({"table": "audit"}), Facts::default()),
            Err(RecordError::UnknownTable(_))
        ));
        assert_eq!(
            read_of(json!({"record": 3}), Facts::default()),
            Err(RecordError::NoMap)
        );
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_panic(names in prop::collection::vec("record|table|extra|conf|[a-z_]{0,9}", 0..6), number in any::<i64>()) {
            let payload = names.iter().map(|it| (it.clone(), json!({ it.as_str(): number }))).collect();
            drop(read(&payload, Facts::default()));
        }
    }
}
