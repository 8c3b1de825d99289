use std::{collections::HashMap, fs::File};

use ::parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::store::{Address, Options};

/// Two vehicles of two videos: one with a place and hostile words, one with neither.
fn stored() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Sqlite(folder.path().join("plates.db"));
    let store = Store::open(Options::new(address)).unwrap();
    let row = |video: &str, more: Value| {
        let mut row = json!({
            "video_id": video, "track_id": 1, "frame_idx": 7, "ts": "2026-01-31T12:00:00.5Z", "final_plate": "AB123",
            "plate_confidence": 0.5, "car_bbox": [1, 2, 3, 4], "plate_bbox": [1, 2, 3, 4], "crop": "anBlZw==",
        });
        let Value::Object(more) = more else {
            panic!("no map")
        };
        row.as_object_mut().unwrap().extend(more);
        row.as_object().unwrap().clone()
    };
    let rows = [
        row(
            "a,\"b\"\r\n<&>\u{1}",
            json!({"lat": 48.25, "lon": -11.5, "is_uncertain": true}),
        ),
        row(
            "v",
            json!({"final_plate": "CD456", "lat": 91.0, "lon": 0.0}),
        ),
    ];
    assert_eq!(store.write("vehicles", &rows).unwrap().written, 2);
    (folder, store)
}

fn exported(store: &Store, format: Format) -> (Vec<u8>, Exported) {
    let mut out = Vec::new();
    let done = export(store, &Selection::of("vehicles"), format, &mut out).unwrap();
    (out, done)
}

fn parquet_file(bytes: &[u8]) -> SerializedFileReader<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    SerializedFileReader::new(file).unwrap()
}

fn parquet_rows(bytes: &[u8]) -> Vec<HashMap<String, Field>> {
    let file = parquet_file(bytes);
    let rows = file.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|it| it.into_columns().into_iter().collect())
        .collect()
}

fn text(store: &Store, format: Format) -> String {
    String::from_utf8(exported(store, format).0).unwrap()
}

#[test]
fn formats_have_names() {
    for (name, format) in FORMATS {
        assert_eq!(name.parse(), Ok(format));
        assert_eq!(format.to_string(), name);
    }
    assert!(
        "xls"
            .parse::<Format>()
            .unwrap_err()
            .to_string()
            .contains("geojson")
    );
}

#[test]
fn json_lines_are_the_records() {
    let (_folder, store) = stored();
    let lines: Vec<Value> = text(&store, Format::JsonLines)
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["video_id"], "a,\"b\"\r\n<&>\u{1}");
    assert_eq!(
        (&lines[0]["car_bbox"], &lines[0]["samples"]),
        (&json!([1, 2, 3, 4]), &Value::Null)
    );
    assert_eq!(
        (lines[0].get("crop"), lines[0].get("plate_search")),
        (None, None)
    );
}

#[test]
fn csv_holds_any_text() {
    let (_folder, store) = stored();
    let text = text(&store, Format::Csv);
    let mut read = ::csv::Reader::from_reader(text.as_bytes());
    let head = read.headers().unwrap().clone();
    let rows: Vec<_> = read.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        rows[row]
            .get(head.iter().position(|it| it == name).unwrap())
            .unwrap()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(cell(0, "video_id"), "a,\"b\"\r\n<&>\u{1}");
    assert_eq!(
        (
            cell(0, "car_bbox"),
            cell(0, "samples"),
            cell(0, "is_uncertain")
        ),
        ("[1,2,3,4]", "", "true")
    );
}

#[test]
fn parquet_has_columns_of_their_types() {
    let (_folder, store) = stored();
    let (bytes, done) = exported(&store, Format::Parquet);
    assert_eq!(done.written, 2);
    let rows = parquet_rows(&bytes);
    assert_eq!(rows.len(), 2);
    let cell = |row: usize, name: &str| rows[row][name].clone();
    assert_eq!(
        cell(0, "video_id"),
        Field::Str("a,\"b\"\r\n<&>\u{1}".into())
    );
    assert_eq!(
        (cell(0, "frame_idx"), cell(0, "samples")),
        (Field::Long(7), Field::Null)
    );
    assert_eq!(
        (cell(0, "lat"), cell(0, "is_uncertain")),
        (Field::Double(48.25), Field::Bool(true))
    );
    assert_eq!(cell(0, "car_bbox"), Field::Str("[1,2,3,4]".into()));
    assert_eq!(cell(0, "ts"), Field::TimestampMicros(1_769_860_800_500_000));
    assert_eq!(cell(1, "final_plate"), Field::Str("CD456".into()));
}

#[test]
fn only_records_with_a_place_are_on_a_map_and_the_others_are_counted() {
    let (_folder, store) = stored();
    let (bytes, done) = exported(&store, Format::GeoJson);
    assert_eq!(
        done,
        Exported {
            written: 1,
            without_place: 1
        }
    );
    let map: Value = serde_json::from_slice(&bytes).unwrap();
    let feature = &map["features"][0];
    assert_eq!(
        feature["geometry"],
        json!({"type": "Point", "coordinates": [-11.5, 48.25]})
    );
    assert_eq!(feature["properties"]["final_plate"], "AB123");
    assert_eq!(map["features"].as_array().unwrap().len(), 1);
    let selection = Selection::of("videos");
    let error = export(&store, &selection, Format::Gpx, Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("no columns lat and lon"),
        "{error}"
    );
}

#[test]
fn gpx_is_xml_whatever_names_hold() {
    let (_folder, store) = stored();
    let text = text(&store, Format::Gpx);
    let wanted = "<wpt lat=\"48.25\" lon=\"-11.5\"><time>2026-01-31T12:00:00.500000Z</time><name>AB123</name>\
        <desc>a,&quot;b&quot;\r\n&lt;&amp;&gt;\u{fffd}:1</desc></wpt>\n</gpx>\n";
    assert!(text.ends_with(wanted), "{text}");
}

#[test]
fn an_empty_table_is_a_file_without_records() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Sqlite(folder.path().join("plates.db"));
    let store = Store::open(Options::new(address)).unwrap();
    assert_eq!(text(&store, Format::JsonLines), "");
    assert_eq!(text(&store, Format::Csv).lines().count(), 1);
    assert_eq!(
        serde_json::from_str::<Value>(&text(&store, Format::GeoJson)).unwrap()["features"],
        json!([])
    );
    let (bytes, done) = exported(&store, Format::Parquet);
    assert_eq!(done, Exported::default());
    let file = parquet_file(&bytes);
    assert_eq!(file.metadata().file_metadata().num_rows(), 0);
}

#[test]
fn more_records_than_a_page_or_a_row_group_come_whole() {
    let (_folder, store) = stored();
    let row = |frame: usize| {
        json!({"video_id": "v", "track_id": 1, "frame_idx": frame})
            .as_object()
            .unwrap()
            .clone()
    };
    let count = 2 * parquet::ROW_GROUP + 1;
    store
        .write("track_motion", &(0..count).map(row).collect::<Vec<_>>())
        .unwrap();
    let mut out = Vec::new();
    let done = export(
        &store,
        &Selection::of("track_motion"),
        Format::Parquet,
        &mut out,
    )
    .unwrap();
    assert_eq!(done.written, count as u64);
    let frames: Vec<_> = parquet_rows(&out)
        .iter()
        .map(|it| it["frame_idx"].clone())
        .collect();
    let wanted: Vec<_> = (0..count)
        .map(|it| Field::Long(i64::try_from(it).unwrap()))
        .collect();
    assert_eq!(frames, wanted);
}
