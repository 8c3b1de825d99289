//! What is stored of plates that may not be stored, and what remains of those that are erased.

use std::{fs, time::Duration};

use framerill_plates::store::{
    Address, Options, Record, Store,
    privacy::{HashKey, Privacy, PrivacyError},
    search::{How, Search},
};
use jiff::Timestamp;
use serde_json::json;

use crate::place::{On, Place, all, claims, column, record, vehicle};

claims!(
    hashed_plates_are_found_by_plate_and_nothing_tells_of_them,
    only_listed_plates_are_stored_in_clear,
    a_row_whose_plate_turns_out_to_be_another_one_is_as_private_as_that,
    an_erased_plate_leaves_nothing_but_a_count,
    what_is_too_old_goes_with_its_tracks,
    an_erased_plate_stays_out_until_it_is_let_in_again,
    an_erased_plate_stays_out_hashed_or_not_and_out_of_others_readings,
);

fn key(place: &Place) -> HashKey {
    let file = place.folder.path().join("key");
    fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    HashKey::read(&file).unwrap()
}

/// A vehicle that tells its plate in every way.
fn telling(track: i64, plate: &str, at: i64) -> Record {
    let mut row = vehicle(track, plate, at);
    let more = json!({"raw_plate": plate, "crop": "anBlZw==", "plate_search": plate,
                      "readings": [{"text": plate, "samples": 2}, {"text": "OTHER", "samples": 1}]});
    row.extend(record(more));
    row
}

/// Everything that is stored, as text; of a file its very bytes.
fn everything(place: &Place, store: &Store) -> String {
    let mut text = String::new();
    for table in ["vehicles", "tracks", "track_motion", "videos", "audit"] {
        text += &serde_json::to_string(&store.page(table, 0, 1000).unwrap()).unwrap();
    }
    if let Address::Sqlite(file) = &place.address {
        for end in ["", "-wal"] {
            let bytes = fs::read(format!("{}{end}", file.display())).unwrap_or_default();
            text += &String::from_utf8_lossy(&bytes);
        }
    }
    text
}

fn found(store: &Store, text: &str, how: How) -> usize {
    let search = Search {
        text: Some(text.into()),
        how,
        ..Search::default()
    };
    store.search(&search).unwrap().len()
}

fn hashed_plates_are_found_by_plate_and_nothing_tells_of_them(place: &Place) {
    let store = place.open_with(Privacy {
        key: Some(key(place)),
        allowed: None,
    });
    let rows = [
        telling(1, "AB-123", 0),
        telling(2, "ab123", 1),
        telling(3, "CD456", 2),
    ];
    let done = store.write("vehicles", &rows).unwrap();
    assert_eq!((done.written, done.refused), (3, Vec::new()));
    for how in [How::Similar, How::Exact, How::Substring, How::LookAlike] {
        assert_eq!(found(&store, "AB123", how), 2, "{how:?}");
        assert_eq!(found(&store, "AB12", how), 0, "{how:?}");
    }
    assert_eq!(found(&store, "A8I23", How::LookAlike), 2);
    let text = everything(place, &store);
    for plate in ["AB123", "AB-123", "ab123", "CD456", "OTHER", "anBlZw"] {
        assert!(!text.contains(plate), "{plate}");
    }
    let audit = all(&store, "audit");
    assert_eq!(
        column(&audit, "detail"),
        [json!({"before": "clear", "mode": "hashed"})]
    );
    // Nothing more is said of a mode that stays.
    drop(place.open_with(Privacy {
        key: Some(key(place)),
        allowed: None,
    }));
    assert_eq!(all(&store, "audit"), audit);
    assert_eq!(store.erase("ab 123").unwrap().vehicles, 2);
    assert_eq!(found(&store, "AB123", How::Exact), 0);
    assert_eq!(found(&store, "CD456", How::Exact), 1);
}

fn only_listed_plates_are_stored_in_clear(place: &Place) {
    let file = place.folder.path().join("plates.txt");
    fs::write(&file, "# ours\nab-123 # the van\n\n").unwrap();
    let allowed = Privacy::read_list(&file).unwrap();
    let rows = [telling(1, "AB123", 0), telling(2, "CD456", 1)];
    let store = place.open_with(Privacy {
        key: None,
        allowed: Some(allowed.clone()),
    });
    let done = store.write("vehicles", &rows).unwrap();
    assert_eq!((done.written, done.withheld), (1, 1));
    assert_eq!(column(&all(&store, "vehicles"), "final_plate"), ["AB123"]);
    assert!(!everything(place, &store).contains("CD456"));
    let audit = all(&store, "audit");
    assert_eq!(column(&audit, "action"), ["mode", "withheld"]);
    assert_eq!(column(&audit, "rows_affected"), [0, 1]);
    // With a key the others are hashed.
    let store = place.open_with(Privacy {
        key: Some(key(place)),
        allowed: Some(allowed),
    });
    assert_eq!(store.write("vehicles", &rows).unwrap().written, 2);
    assert_eq!(found(&store, "CD456", How::Exact), 1);
    assert!(!everything(place, &store).contains("CD456"));
}

fn a_row_whose_plate_turns_out_to_be_another_one_is_as_private_as_that(place: &Place) {
    let whole = |plate: &str| {
        let mut row = telling(1, plate, 0);
        row.insert("is_whole".into(), true.into());
        row
    };
    for key in [None, Some(key(place))] {
        let store = place.open_with(Privacy {
            key: key.clone(),
            allowed: Some(["AB123".to_owned()].into()),
        });
        store.write("vehicles", &[whole("AB123")]).unwrap();
        assert_eq!(column(&all(&store, "vehicles"), "final_plate"), ["AB123"]);
        store.write("vehicles", &[whole("CD456")]).unwrap();
        let rows = all(&store, "vehicles");
        assert_eq!(rows.len(), usize::from(key.is_some()));
        let told = serde_json::to_string(&rows).unwrap();
        assert!(!told.contains("AB123") && !told.contains("CD456"), "{told}");
    }
    let store = place.open();
    store.erase("XY999").unwrap();
    store.write("vehicles", &[whole("AB123")]).unwrap();
    assert_eq!(
        store
            .write("vehicles", &[whole("XY999")])
            .unwrap()
            .suppressed,
        1
    );
    assert!(all(&store, "vehicles").is_empty());
}

fn an_erased_plate_leaves_nothing_but_a_count(place: &Place) {
    let store = place.open();
    let mut misread = telling(3, "AB128", 2);
    misread.insert(
        "readings".into(),
        json!([{"text": "AB128", "samples": 5}, {"text": "AB123", "samples": 1}]),
    );
    misread.insert("raw_plate".into(), "AB123".into());
    store
        .write(
            "vehicles",
            &[telling(1, "AB-123", 0), telling(2, "CD456", 1), misread],
        )
        .unwrap();
    let track = |it: i64| {
        record(
            json!({"content_sha256": "c0ffee", "settings_hash": "s", "video_id": "v", "track_id": it, "frame_idx": 1}),
        )
    };
    store.write("tracks", &[track(1), track(2)]).unwrap();
    store.write("track_motion", &[track(1), track(2)]).unwrap();
    let erased = store.erase("ab123").unwrap();
    assert_eq!((erased.vehicles, erased.tracks, erased.readings), (1, 2, 1));
    assert_eq!(
        column(&all(&store, "vehicles"), "final_plate"),
        ["CD456", "AB128"]
    );
    assert_eq!(column(&all(&store, "tracks"), "track_id"), [2]);
    assert_eq!(column(&all(&store, "track_motion"), "track_id"), [2]);
    let text = everything(place, &store);
    assert!(!text.contains("AB123") && !text.contains("AB-123"));
    assert!(text.contains("AB128"));
    let audit = all(&store, "audit");
    assert_eq!(
        (column(&audit, "action"), column(&audit, "rows_affected")),
        (vec![json!("erase")], vec![json!(4)])
    );
    assert!(store.erase(" - ").is_err());
    assert_eq!(
        store.erase("NOBODY1").unwrap(),
        framerill_plates::store::Erased::default()
    );
}

fn what_is_too_old_goes_with_its_tracks(place: &Place) {
    let store = place.open();
    let now = Timestamp::now().as_second();
    store
        .write(
            "vehicles",
            &[vehicle(1, "OLD1", now - 7200), vehicle(2, "NEW2", now - 60)],
        )
        .unwrap();
    let track = |it: i64| {
        record(
            json!({"content_sha256": "c0ffee", "settings_hash": "s", "video_id": "v", "track_id": it, "frame_idx": 1}),
        )
    };
    store
        .write("tracks", &[track(1), track(2), track(3)])
        .unwrap();
    let would = store.would_expire(Duration::from_secs(3600)).unwrap();
    assert_eq!((would.vehicles, would.tracks), (1, 1));
    assert_eq!(
        (all(&store, "vehicles").len(), all(&store, "tracks").len()),
        (2, 3)
    );
    let erased = store.expire(Duration::from_secs(3600)).unwrap();
    assert_eq!((erased.vehicles, erased.tracks), (1, 1));
    assert_eq!(column(&all(&store, "vehicles"), "final_plate"), ["NEW2"]);
    assert_eq!(column(&all(&store, "tracks"), "track_id"), [2, 3]);
    assert_eq!(column(&all(&store, "audit"), "action"), ["expire"]);
    assert_eq!(store.expire(Duration::MAX).unwrap().vehicles, 0);
}

#[test]
fn an_erased_plate_does_not_come_back_out_of_the_outbox() {
    let Some(mut place) = Place::new(On::Postgres) else {
        return;
    };
    let store = place.open_with_outbox();
    place.server.as_mut().unwrap().down();
    store
        .write(
            "vehicles",
            &[telling(1, "AB123", 0), telling(2, "CD456", 0)],
        )
        .unwrap();
    // The outbox first: what waits is gone even while the database is away, and the caller is told to come again.
    assert!(store.erase("AB123").unwrap_err().is_transient());
    assert_eq!(store.waiting().unwrap(), 1);
    place.server.as_mut().unwrap().up();
    assert_eq!(store.flush(Duration::from_secs(40)).unwrap(), 0);
    assert_eq!(column(&all(&store, "vehicles"), "final_plate"), ["CD456"]);
}

#[test]
fn a_key_that_can_be_guessed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "short\n\n\n\n\n\n\n\n\n\n\n\n").unwrap();
    assert!(matches!(
        HashKey::read(&file),
        Err(PrivacyError::Size { size: 5, .. })
    ));
    assert!(matches!(
        HashKey::read(&folder.path().join("none")),
        Err(PrivacyError::Read { .. })
    ));
}

fn an_erased_plate_stays_out_until_it_is_let_in_again(place: &Place) {
    let store = place.open();
    let rows = [telling(1, "AB-123", 0), telling(2, "CD456", 1)];
    store.write("vehicles", &rows).unwrap();
    assert_eq!(store.erase("ab 123").unwrap().vehicles, 1);
    // As a run does that reads the video once more.
    let again = store.write("vehicles", &rows).unwrap();
    assert_eq!(
        (again.written, again.suppressed, again.refused),
        (1, 1, Vec::new())
    );
    drop(store);
    let store = place.open();
    assert_eq!(store.write("vehicles", &rows).unwrap().suppressed, 1);
    assert_eq!(
        (
            found(&store, "AB123", How::Exact),
            found(&store, "CD456", How::Exact)
        ),
        (0, 1)
    );
    let text = everything(place, &store);
    assert!(
        !text.contains("AB123") && !text.contains("AB-123"),
        "{text}"
    );
    let audit = all(&store, "audit");
    let actions = column(&audit, "action");
    assert_eq!(
        actions,
        [json!("erase"), json!("suppressed"), json!("suppressed")]
    );
    assert!(store.let_in("AB123").unwrap() && !store.let_in("AB123").unwrap());
    assert_eq!(store.write("vehicles", &rows).unwrap().written, 2);
    assert_eq!(found(&store, "AB123", How::Exact), 1);
}

fn an_erased_plate_stays_out_hashed_or_not_and_out_of_others_readings(place: &Place) {
    let hashed = || Privacy {
        key: Some(key(place)),
        allowed: None,
    };
    place.open_with(hashed()).erase("AB123").unwrap();
    let store = place.open_with(hashed());
    let done = store.write("vehicles", &[telling(1, "AB123", 0)]).unwrap();
    assert_eq!((done.written, done.suppressed), (0, 1));
    drop(store);
    let store = place.open();
    let mut other = telling(2, "CD456", 1);
    other.insert("raw_plate".into(), "ab-123".into());
    other.insert(
        "readings".into(),
        json!([{"text": "CD456"}, {"text": "AB 123"}, "AB123"]),
    );
    let done = store
        .write("vehicles", &[telling(1, "AB123", 0), other])
        .unwrap();
    assert_eq!((done.written, done.suppressed), (1, 1));
    let rows = all(&store, "vehicles");
    assert_eq!(column(&rows, "readings"), [json!([{"text": "CD456"}])]);
    assert_eq!(column(&rows, "raw_plate"), [json!(null)]);
}

#[test]
fn a_store_that_is_closed_leaves_its_database_alone_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        Store::open(Options {
            outbox: Some(folder.path().join("outbox")),
            ..Options::new(Address::Sqlite(folder.path().join("plates.db")))
        })
        .unwrap()
    };
    let (one, other) = (open(), open());
    for (track, store) in [(1, &one), (2, &other)] {
        store
            .write("vehicles", &[telling(track, "AB123", 0)])
            .unwrap();
    }
    assert!(folder.path().join("plates.db-wal").exists());
    drop((one, other));
    let names = |path: &std::path::Path| {
        let entries = fs::read_dir(path).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(
        names(folder.path()),
        ["outbox", "plates.db"].map(String::from).into()
    );
    assert_eq!(
        names(&folder.path().join("outbox")),
        ["outbox.db", "outbox.lock"].map(String::from).into()
    );
    assert_eq!(all(&open(), "vehicles").len(), 2);
}
