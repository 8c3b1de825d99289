//! What both databases do alike.

use framerill_plates::store::{
    Store, StoreError, plate,
    search::{How, Search},
    table,
};
use serde_json::{Value, json};

use crate::place::{On, Place, all, claims, column, on, record, vehicle};

claims!(
    rows_come_back_as_they_were_written,
    the_same_rows_again_change_nothing,
    a_row_replaces_what_it_names_and_a_track_stays_as_it_was,
    a_whole_row_leaves_nothing_of_the_one_before_and_one_that_is_withdrawn_is_gone,
    a_bad_row_is_set_aside_and_the_others_are_stored,
    a_row_that_only_the_database_refuses_is_set_aside_alone,
    unknown_tables_and_columns_are_named_and_never_run,
    vehicles_without_a_track_never_share_a_row,
    videos_of_one_name_and_two_contents_never_meet,
    every_table_of_the_program_is_there_with_its_columns,
    two_programs_that_open_at_once_make_one_schema,
    a_database_of_a_newer_program_is_refused,
    plates_are_found_by_parts_and_likeness_the_most_alike_first,
    any_plates_are_found_as_a_plain_loop_finds_them,
    plates_are_found_by_look_alikes_whole_ones_first,
    answers_come_in_pages_and_of_one_video,
    a_plate_that_was_seen_twice_says_so,
    a_track_is_found_by_its_id_and_its_motion_by_frame,
);

#[test]
fn postgres_without_trigrams_answers_in_the_same_order() {
    on(
        On::WithoutTrigrams,
        any_plates_are_found_as_a_plain_loop_finds_them,
    );
    on(
        On::WithoutTrigrams,
        plates_are_found_by_parts_and_likeness_the_most_alike_first,
    );
}

fn rows_come_back_as_they_were_written(place: &Place) {
    let store = place.open();
    let mut row = vehicle(1, "AB123", 0);
    let more = record(json!({
        "ts": "2026-01-31T13:00:00.25+01:00", "samples": 3, "is_uncertain": false, "video_path": "/a b/ü:v.MP4",
        "readings": [{"text": "AB123", "samples": 3, "weight": 2.5}], "plate_corners": null, "lat": 48.5, "run_id": "r'\"\\",
    }));
    row.extend(more);
    let written = store.write("vehicles", &[row]).unwrap();
    assert_eq!((written.written, written.refused), (1, Vec::new()));
    let wanted = record(json!({
        "content_sha256": "c0ffee", "settings_hash": "s", "video_id": "v", "track_id": 1, "frame_idx": 10, "global_id": "v:1",
        "ts": "2026-01-31T12:00:00.250000Z", "video_ts_frame": 10, "final_plate": "AB123", "plate_confidence": 0.9,
        "car_bbox": [0.0, 1.5, 20.0, 30.0], "plate_bbox": [5, 6, 7, 8], "samples": 3, "is_uncertain": false, "lat": 48.5,
        "video_path": "/a b/ü:v.MP4", "video_filename": "ü:v.MP4", "run_id": "r'\"\\",
        "readings": [{"text": "AB123", "samples": 3, "weight": 2.5}],
    }));
    assert_eq!(all(&store, "vehicles"), [wanted]);
    let id = store.page("vehicles", 0, 1).unwrap()[0]["id"]
        .as_i64()
        .unwrap();
    assert_eq!(store.vehicle(id).unwrap().unwrap()["final_plate"], "AB123");
    assert_eq!(store.vehicle(id + 1).unwrap(), None);
    assert!(store.now().unwrap().ends_with('Z'));
}

fn motion(track: i64, frames: std::ops::Range<i64>) -> Vec<framerill_plates::store::Record> {
    let row = |frame| {
        json!({"content_sha256": "c", "settings_hash": "s", "video_id": "v", "track_id": track,
                             "frame_idx": frame, "bbox": [1, 2, 3, 4], "vx": 0.5, "is_new": frame == 0})
    };
    frames.map(row).map(record).collect()
}

fn the_same_rows_again_change_nothing(place: &Place) {
    let store = place.open();
    let vehicles = [vehicle(1, "AB123", 0), vehicle(2, "CD456", 1)];
    let mut unmade = vehicle(3, "EF789", 0);
    unmade.remove("ts");
    let videos = [record(
        json!({"video_id": "v", "path": "/v.mp4", "status": "complete", "counts": {"a": 1}}),
    )];
    let write = || {
        for (table, rows) in [
            ("vehicles", &vehicles[..]),
            ("vehicles", std::slice::from_ref(&unmade)),
            ("videos", &videos),
            ("track_motion", &motion(1, 0..1200)),
            ("video_summary", &[record(json!({"video_id": "v"}))]),
        ] {
            let done = store.write(table, rows).unwrap();
            assert_eq!(
                (done.written, done.refused),
                (rows.len() as u64, Vec::new()),
                "{table}"
            );
        }
        ["vehicles", "videos", "track_motion", "video_summary"]
            .map(|it| store.page(it, 0, 100_000).unwrap())
    };
    let first = write();
    assert_eq!(first[2].len(), 1200);
    assert_eq!(write(), first);
    // Twice in one batch, too.
    let twice = [vehicles[0].clone(), vehicles[0].clone()];
    assert_eq!(store.write("vehicles", &twice).unwrap().written, 2);
    assert_eq!(store.page("vehicles", 0, 100).unwrap(), first[0]);
    assert_eq!(store.motion("v:1", 2).unwrap()[0]["frame_idx"], 1199);
}

fn a_row_replaces_what_it_names_and_a_track_stays_as_it_was(place: &Place) {
    let store = place.open();
    let started = record(
        json!({"video_id": "v", "status": "running", "started": "2026-01-01T00:00:00Z", "error": "x"}),
    );
    let ended = record(json!({"video_id": "v", "status": "complete", "frames": 9, "error": null}));
    store.write("videos", &[started]).unwrap();
    store.write("videos", &[ended]).unwrap();
    let rows = all(&store, "videos");
    assert_eq!(column(&rows, "status"), ["complete"]);
    assert_eq!(column(&rows, "started"), ["2026-01-01T00:00:00.000000Z"]);
    assert_eq!(column(&rows, "error"), [Value::Null]);
    for frame in [5, 7] {
        let track = record(json!({"video_id": "v", "track_id": 1, "frame_idx": frame}));
        store.write("tracks", &[track]).unwrap();
    }
    assert_eq!(
        column(&all(&store, "tracks"), "first_frame_idx"),
        [json!(5)]
    );
}

fn a_whole_row_leaves_nothing_of_the_one_before_and_one_that_is_withdrawn_is_gone(place: &Place) {
    let store = place.open();
    let mut first = vehicle(1, "AB123", 0);
    first.extend(record(json!({"raw_plate": "A8123", "lat": 1.5})));
    let mut last = vehicle(1, "AB124", 0);
    let id = || store.page("vehicles", 0, 10).unwrap()[0]["id"].clone();
    store.write("vehicles", &[first.clone()]).unwrap();
    let before = id();
    store.write("vehicles", &[last.clone()]).unwrap();
    assert_eq!(column(&all(&store, "vehicles"), "lat"), [1.5]);
    last.insert("is_whole".into(), true.into());
    assert_eq!(store.write("vehicles", &[last]).unwrap().written, 1);
    let rows = all(&store, "vehicles");
    assert_eq!(column(&rows, "final_plate"), ["AB124"]);
    assert_eq!((rows[0].get("lat"), rows[0].get("raw_plate")), (None, None));
    assert_eq!(id(), before, "the same row");

    let mut second = first.clone();
    second.insert("track_id".into(), 2.into());
    second.remove("global_id");
    store.write("vehicles", &[second]).unwrap();
    let gone = json!({"content_sha256": "c0ffee", "settings_hash": "s", "track_id": 1, "is_withdrawn": true});
    for _ in 0..2 {
        let done = store.write("vehicles", &[record(gone.clone())]).unwrap();
        assert!(done.refused.is_empty(), "{done:?}");
        assert_eq!(column(&all(&store, "vehicles"), "track_id"), [2]);
    }
    let unknown = record(json!({"video_id": "v", "is_withdrawn": true}));
    assert_eq!(
        store.write("vehicles", &[unknown]).unwrap().refused.len(),
        1
    );
}

fn a_bad_row_is_set_aside_and_the_others_are_stored(place: &Place) {
    let store = place.open();
    let with = |name: &str, value: Value| {
        let mut row = vehicle(2, "BAD", 0);
        row.insert(name.into(), value);
        row
    };
    let bad = [
        (with("final_plate", Value::Null), "needs final_plate"),
        (with("car_bbox", Value::Null), "needs car_bbox"),
        (with("colour", "red".into()), "no column `colour`"),
        (
            with("frame_idx", "ten".into()),
            "`frame_idx` is \"ten\": a whole number",
        ),
        (
            with("track_id", 1.5.into()),
            "`track_id` is 1.5: a whole number",
        ),
        (
            with("ts", "yesterday".into()),
            "`ts` is \"yesterday\": a moment",
        ),
        (with("final_plate", "A\0B".into()), "without NUL"),
        (with("readings", json!(["\0"])), "without NUL"),
        (
            with("final_plate", "A".repeat(5000).into()),
            "at most 1000 bytes",
        ),
    ];
    let mut rows = vec![vehicle(1, "AB123", 0)];
    rows.extend(bad.iter().map(|it| it.0.clone()));
    rows.push(vehicle(3, "CD456", 0));
    let done = store.write("vehicles", &rows).unwrap();
    assert_eq!(done.written, 2);
    assert_eq!(
        column(&all(&store, "vehicles"), "final_plate"),
        ["AB123", "CD456"]
    );
    for ((row, reason), refused) in bad.iter().zip(&done.refused) {
        assert!(
            refused.reason.contains(reason),
            "{} is not {reason}",
            refused.reason
        );
        assert_eq!(&refused.record, row);
    }
    assert_eq!(done.refused.len(), bad.len());
}

fn a_row_that_only_the_database_refuses_is_set_aside_alone(place: &Place) {
    let store = place.open();
    place.run("CREATE UNIQUE INDEX one_of_a_plate ON vehicles (final_plate)");
    let rows: Vec<_> = ["A1", "B2", "A1", "C3"]
        .iter()
        .zip(1..)
        .map(|(it, track)| vehicle(track, it, 0))
        .collect();
    let done = store.write("vehicles", &rows).unwrap();
    assert_eq!((done.written, done.refused.len()), (3, 1));
    assert_eq!(done.refused[0].record["track_id"], 3);
    assert!(
        done.refused[0].reason.to_lowercase().contains("unique"),
        "{}",
        done.refused[0].reason
    );
    assert_eq!(
        column(&all(&store, "vehicles"), "final_plate"),
        ["A1", "B2", "C3"]
    );
}

fn unknown_tables_and_columns_are_named_and_never_run(place: &Place) {
    let store = place.open();
    for name in [
        "vehicles; DROP TABLE vehicles",
        "audit",
        "schema_version",
        "",
    ] {
        let error = store.write(name, &[]).unwrap_err();
        assert!(
            matches!(&error, StoreError::UnknownTable(it) if it == name),
            "{error}"
        );
    }
    let hostile = "x'); DROP TABLE vehicles; --";
    let mut row = vehicle(1, hostile, 0);
    row.insert(hostile.into(), 1.into());
    let done = store
        .write("vehicles", &[row, vehicle(2, hostile, 0)])
        .unwrap();
    assert_eq!((done.written, done.refused.len()), (1, 1));
    assert_eq!(column(&all(&store, "vehicles"), "final_plate"), [hostile]);
    let search = Search {
        text: Some(hostile.into()),
        video_id: Some(hostile.into()),
        ..Search::default()
    };
    assert_eq!(store.search(&search).unwrap(), []);
}

fn vehicles_without_a_track_never_share_a_row(place: &Place) {
    let store = place.open();
    let untracked = |frame: i64, left: i64| {
        let mut row = vehicle(1, "AB123", 0);
        row.remove("track_id");
        row.insert("frame_idx".into(), frame.into());
        row.insert("car_bbox".into(), json!([left, 0, 9, 9]));
        row
    };
    let rows = [untracked(1, 0), untracked(1, 5), untracked(2, 0)];
    for _ in 0..2 {
        assert_eq!(store.write("vehicles", &rows).unwrap().written, 3);
    }
    assert_eq!(all(&store, "vehicles").len(), 3);
}

fn videos_of_one_name_and_two_contents_never_meet(place: &Place) {
    let store = place.open();
    let of = |content: &str, settings: &str| {
        let mut row = vehicle(1, "AB123", 0);
        row.insert("content_sha256".into(), content.into());
        row.insert("settings_hash".into(), settings.into());
        row
    };
    store
        .write("vehicles", &[of("a", "s"), of("b", "s"), of("a", "t")])
        .unwrap();
    assert_eq!(all(&store, "vehicles").len(), 3);
    assert_eq!(store.forget("a", "s").unwrap(), 1);
    assert_eq!(
        column(&all(&store, "vehicles"), "content_sha256"),
        ["b", "a"]
    );
    // Where nobody says which content it is, a name stands for it.
    let named = ["x", "y"].map(|it| record(json!({"video_id": it, "track_id": 1, "frame_idx": 0})));
    store.write("tracks", &named).unwrap();
    assert_eq!(all(&store, "tracks").len(), 2);
}

fn every_table_of_the_program_is_there_with_its_columns(place: &Place) {
    let store = place.open();
    for table in table::ALL {
        let names: Vec<_> = table.columns.iter().map(|it| it.name).collect();
        place.run(&format!(
            "SELECT id, created_at, {} FROM {}",
            names.join(", "),
            table.name
        ));
        assert_eq!(
            store.page(table.name, 0, 10).unwrap(),
            Vec::<framerill_plates::store::Record>::new()
        );
    }
}

fn two_programs_that_open_at_once_make_one_schema(place: &Place) {
    std::thread::scope(|scope| {
        for at in 0..4 {
            scope.spawn(move || {
                let done = place
                    .open()
                    .write("vehicles", &[vehicle(at, "AB123", 0)])
                    .unwrap();
                assert_eq!(done.written, 1);
            });
        }
    });
    assert_eq!(all(&place.open(), "vehicles").len(), 4);
}

fn a_database_of_a_newer_program_is_refused(place: &Place) {
    drop(place.open());
    place.run("INSERT INTO schema_version (version) VALUES (1000)");
    let options = framerill_plates::store::Options::new(place.address.clone());
    let error = Store::open(options).unwrap_err();
    assert!(
        error.to_string().contains("use a newer framerill"),
        "{error}"
    );
    assert!(!error.is_transient());
}

fn asked(store: &Store, text: &str, how: How) -> Vec<Value> {
    let search = Search {
        text: Some(text.into()),
        how,
        ..Search::default()
    };
    let hits = store.search(&search).unwrap();
    hits.iter()
        .map(|it| it.record["final_plate"].clone())
        .collect()
}

fn plates_are_found_by_parts_and_likeness_the_most_alike_first(place: &Place) {
    let store = place.open();
    let plates = [
        "ABC123",
        "XYZ-999",
        "ABC128",
        "abc 123",
        "ZZABC123ZZZZZZZZZZZZZZ",
        "AB",
        "Q",
        "ÄÖ1234",
    ];
    let rows: Vec<_> = plates
        .iter()
        .zip(0..)
        .map(|(it, at)| vehicle(at, it, at))
        .collect();
    assert_eq!(
        store.write("vehicles", &rows).unwrap().written,
        plates.len() as u64
    );
    // Alike to the last, the newest first; then by trigrams; then what only contains it.
    assert_eq!(
        asked(&store, "abc123", How::Similar),
        ["abc 123", "ABC123", "ABC128", "ZZABC123ZZZZZZZZZZZZZZ"]
    );
    assert_eq!(asked(&store, "äö12-34", How::Similar), ["ÄÖ1234"]);
    assert_eq!(asked(&store, "9", How::Similar), ["XYZ-999"]);
    assert_eq!(
        asked(&store, "bc12", How::Substring),
        ["ZZABC123ZZZZZZZZZZZZZZ", "abc 123", "ABC128", "ABC123"]
    );
    assert_eq!(asked(&store, "ABC-123", How::Exact), ["abc 123", "ABC123"]);
    for how in [How::Similar, How::Exact, How::Substring, How::LookAlike] {
        assert_eq!(asked(&store, "%_", how), Vec::<Value>::new());
        assert_eq!(asked(&store, "KKKKK", how), Vec::<Value>::new());
    }
    let newest: Vec<_> = plates.iter().rev().map(|it| json!(it)).collect();
    assert_eq!(asked(&store, "  ", How::Similar), newest);
    let search = Search {
        text: Some("ABC128".into()),
        ..Search::default()
    };
    let alike: Vec<_> = store
        .search(&search)
        .unwrap()
        .iter()
        .map(|it| it.similarity)
        .collect();
    assert!(
        (alike[0] - 1.0).abs() < 1e-6 && (alike[1] - 5.0 / 9.0).abs() < 1e-6,
        "{alike:?}"
    );
}

/// Plates of few letters, so that many are alike.
fn plates(count: u64) -> Vec<String> {
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let letters = ['A', 'B', 'C', '1', '2', 'É'];
    (0..count)
        .map(|_| {
            let length = 3 + next(5);
            (0..length)
                .map(|_| letters[usize::try_from(next(6)).unwrap()])
                .collect()
        })
        .collect()
}

fn any_plates_are_found_as_a_plain_loop_finds_them(place: &Place) {
    let store = place.open();
    let plates = plates(300);
    // Several of one moment: then the later row comes first.
    let rows: Vec<_> = plates
        .iter()
        .zip(0..)
        .map(|(it, at)| vehicle(at, it, at / 3))
        .collect();
    store.write("vehicles", &rows).unwrap();
    for asked in plates.iter().step_by(17) {
        let mut wanted: Vec<_> = plates
            .iter()
            .enumerate()
            .map(|(at, it)| (plate::trigram_similarity(asked, it), at, it))
            .filter(|(alike, _, it)| f64::from(*alike) >= 0.3 || it.contains(asked.as_str()))
            .collect();
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        let wanted: Vec<_> = wanted.iter().map(|it| it.1).skip(5).take(60).collect();
        let search = Search {
            text: Some(asked.clone()),
            limit: 60,
            offset: 5,
            ..Search::default()
        };
        let hits = store.search(&search).unwrap();
        let found: Vec<_> = hits
            .iter()
            .map(|it| usize::try_from(it.record["track_id"].as_i64().unwrap()).unwrap())
            .collect();
        assert_eq!(found, wanted, "{asked}");
    }
}

fn plates_are_found_by_look_alikes_whole_ones_first(place: &Place) {
    let store = place.open();
    let plates = ["B0S1Z2", "8O5I22", "XB0S1Z2", "B0S1Z3", "80512Z"];
    let rows: Vec<_> = plates
        .iter()
        .zip(0..)
        .map(|(it, at)| vehicle(at, it, at))
        .collect();
    store.write("vehicles", &rows).unwrap();
    assert_eq!(
        asked(&store, "b0s1z2", How::LookAlike),
        ["B0S1Z2", "80512Z", "8O5I22", "XB0S1Z2"]
    );
    assert_eq!(
        asked(&store, "805122", How::LookAlike),
        ["80512Z", "8O5I22", "B0S1Z2", "XB0S1Z2"]
    );
    // The measure is the one that ranks: whole plates are 1, then the part that was looked for.
    let longer = vehicle(9, "XXB0S1Z2XX", 9);
    store.write("vehicles", &[longer]).unwrap();
    let search = Search {
        text: Some("80512Z".into()),
        how: How::LookAlike,
        ..Search::default()
    };
    let hits = store.search(&search).unwrap();
    let measures: Vec<_> = hits.iter().map(|it| it.similarity).collect();
    assert_eq!(measures, [1.0, 1.0, 1.0, 6.0 / 7.0, 0.6]);
    assert_eq!(asked(&store, "B0S1Z2", How::Exact), ["B0S1Z2"]);
}

fn answers_come_in_pages_and_of_one_video(place: &Place) {
    let store = place.open();
    let rows: Vec<_> = (0..30)
        .map(|at| {
            let mut row = vehicle(at, &format!("ABC{at:03}"), at);
            row.insert(
                "video_id".into(),
                if at % 3 == 0 { "w" } else { "v" }.into(),
            );
            row
        })
        .collect();
    store.write("vehicles", &rows).unwrap();
    let ask = |text: Option<&str>, limit, offset, video: Option<&str>| {
        let search = Search {
            text: text.map(Into::into),
            limit,
            offset,
            video_id: video.map(Into::into),
            ..Search::default()
        };
        store.search(&search).map(|hits| {
            hits.iter()
                .map(|it| it.record["track_id"].as_i64().unwrap())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        ask(None, 25, 0, None).unwrap(),
        (5..30).rev().collect::<Vec<_>>()
    );
    assert_eq!(
        ask(None, 25, 25, None).unwrap(),
        (0..5).rev().collect::<Vec<_>>()
    );
    assert_eq!(ask(None, 3, 1, Some("w")).unwrap(), [24, 21, 18]);
    for text in ["abc0", "ABC"] {
        let whole = ask(Some(text), 200, 0, None).unwrap();
        assert_eq!(whole.len(), 30);
        let pages: Vec<_> = (0..5)
            .flat_map(|page| ask(Some(text), 7, 7 * page, None).unwrap())
            .collect();
        assert_eq!(pages, whole);
        assert_eq!(ask(Some(text), 200, 0, Some("w")).unwrap().len(), 10);
    }
    for (limit, offset) in [(0, 0), (201, 0), (1, 100_001)] {
        assert!(matches!(
            ask(None, limit, offset, None),
            Err(StoreError::Query(_))
        ));
    }
}

fn a_plate_that_was_seen_twice_says_so(place: &Place) {
    let store = place.open();
    store
        .write(
            "vehicles",
            &[
                vehicle(1, "AB123", 0),
                vehicle(2, "AB-123", 1),
                vehicle(3, "CD456", 2),
            ],
        )
        .unwrap();
    let hits = store.search(&Search::default()).unwrap();
    assert_eq!(
        hits.iter().map(|it| it.sightings).collect::<Vec<_>>(),
        [1, 2, 2]
    );
}

fn a_track_is_found_by_its_id_and_its_motion_by_frame(place: &Place) {
    let store = place.open();
    let of = |video: &str, frame: i64, speed: f64| {
        record(
            json!({"content_sha256": video, "settings_hash": "s", "video_id": video, "track_id": 1, "frame_idx": frame,
                      "speed_px_s": speed}),
        )
    };
    let rows = [
        of("Front_1", 10, 5.0),
        of("Front_1", 20, 9.0),
        of("Front_1", 30, 7.0),
        of("FrontX1", 99, 99.0),
    ];
    store.write("track_motion", &rows).unwrap();
    let tracks: Vec<_> = ["Front_1", "FrontX1", "100%", "Ü"]
        .map(|it| record(json!({"video_id": it, "track_id": 1, "frame_idx": 0})))
        .into();
    store.write("tracks", &tracks).unwrap();
    store.write("vehicles", &[vehicle(1, "AB123", 0)]).unwrap();
    let near = |frame| {
        store
            .motion_near("Front_1:1", frame)
            .unwrap()
            .map(|it| it["frame_idx"].as_i64().unwrap())
    };
    assert_eq!(
        [20, 24, 25, 26, 0, 500].map(near),
        [20, 20, 20, 30, 10, 30].map(Some)
    );
    assert_eq!(store.motion_near("nobody:1", 0).unwrap(), None);
    assert_eq!(
        store.fastest("Front_1:1").unwrap().unwrap()["frame_idx"],
        20
    );
    let named = |text: &str| column(&store.tracks_named(text, 10, 0).unwrap(), "video_id");
    assert_eq!(named("front_1"), ["Front_1"]);
    assert_eq!(named("FRONT"), ["FrontX1", "Front_1"]);
    assert_eq!(
        (named("0%25:"), named("Ü:")),
        (vec![json!("100%")], vec![json!("Ü")])
    );
    assert_eq!(store.vehicles_of("v:1", 5).unwrap().len(), 1);
}
