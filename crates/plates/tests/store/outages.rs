//! What happens to rows while the database is away.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use framerill_plates::store::{Address, Options, Store};
use serde_json::json;

use crate::place::{On, Place, all, column, vehicle};

/// Longer than any outage here: a test that waits for it fails.
const LONG: Duration = Duration::from_secs(40);

#[test]
fn rows_of_an_outage_arrive_once_and_in_order() {
    let Some(mut place) = Place::new(On::Postgres) else {
        return;
    };
    let store = place.open_with_outbox();
    let write = |track| {
        store
            .write("vehicles", &[vehicle(track, &format!("AB{track}"), track)])
            .unwrap()
    };
    assert_eq!(write(0).waiting, 0);
    place.server.as_mut().unwrap().down();
    for track in 1..30 {
        let done = write(track);
        assert_eq!((done.written, done.waiting), (1, 1));
    }
    // The same rows again: a task that was done twice.
    for track in 20..30 {
        write(track);
    }
    assert_eq!(store.waiting().unwrap(), 39);
    assert!(store.page("vehicles", 0, 10).unwrap_err().is_transient());
    place.server.as_mut().unwrap().up();
    assert_eq!(store.flush(LONG).unwrap(), 0);
    let wanted: Vec<_> = (0..30).map(|it| json!(it)).collect();
    assert_eq!(column(&all(&store, "vehicles"), "track_id"), wanted);
    assert_eq!(write(30).waiting, 0);
}

#[test]
fn a_store_opens_while_its_server_is_away() {
    let Some(mut place) = Place::new(On::Postgres) else {
        return;
    };
    place.server.as_mut().unwrap().down();
    let store = place.open_with_outbox();
    assert_eq!(
        store
            .write("vehicles", &[vehicle(1, "AB1", 0)])
            .unwrap()
            .waiting,
        1
    );
    drop(store);
    // Another program finds the row.
    let store = place.open_with_outbox();
    assert_eq!(store.waiting().unwrap(), 1);
    place.server.as_mut().unwrap().up();
    assert_eq!(store.flush(LONG).unwrap(), 0);
    assert_eq!(all(&store, "vehicles").len(), 1);
}

#[test]
fn a_server_that_stays_away_is_an_error_without_an_outbox() {
    let Some(mut place) = Place::new(On::Postgres) else {
        return;
    };
    let store = place.open();
    place.server.as_mut().unwrap().down();
    let error = store
        .write("vehicles", &[vehicle(1, "AB1", 0)])
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(!error.to_string().contains("dashpass"), "{error}");
    place.server.as_mut().unwrap().up();
    assert_eq!(
        store
            .write("vehicles", &[vehicle(1, "AB1", 0)])
            .unwrap()
            .written,
        1
    );
}

#[test]
fn a_wrong_password_is_no_outage() {
    let Some(place) = Place::new(On::Postgres) else {
        return;
    };
    let url = place.server.as_ref().unwrap().url_of("dashcam", "wrong");
    let outbox = Some(place.outbox());
    let options = Options {
        outbox,
        ..Options::new(Address::parsed(&url).unwrap())
    };
    let error = Store::open(options).unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(
        error.to_string().contains("password authentication failed"),
        "{error}"
    );
}

#[test]
fn a_row_that_the_database_refuses_later_is_kept_with_its_reason() {
    let Some(mut place) = Place::new(On::Postgres) else {
        return;
    };
    let store = place.open_with_outbox();
    place.run("CREATE UNIQUE INDEX one_of_a_plate ON vehicles (final_plate)");
    place.server.as_mut().unwrap().down();
    let rows: Vec<_> = ["A1", "A1", "B2"]
        .iter()
        .zip(1..)
        .map(|(it, track)| vehicle(track, it, 0))
        .collect();
    assert_eq!(store.write("vehicles", &rows).unwrap().waiting, 3);
    place.server.as_mut().unwrap().up();
    assert_eq!(store.flush(LONG).unwrap(), 0);
    assert_eq!(
        column(&all(&store, "vehicles"), "final_plate"),
        ["A1", "B2"]
    );
    let refused = store.refused(10).unwrap();
    assert_eq!(
        (refused.len(), &refused[0].record["track_id"]),
        (1, &json!(2))
    );
    assert!(
        refused[0].reason.contains("one_of_a_plate"),
        "{}",
        refused[0].reason
    );
}

/// Tells the writer which folder and which database are its.
const FOLDER: &str = "FRAMERILL_TEST_OUTBOX";
const URL: &str = "FRAMERILL_TEST_URL";

/// Not a claim: the process that the next test kills.
#[test]
fn writer_that_is_killed() {
    let (Some(outbox), Ok(url)) = (env::var_os(FOLDER), env::var(URL)) else {
        return;
    };
    let options = Options {
        outbox: Some(outbox.into()),
        ..Options::new(Address::parsed(&url).unwrap())
    };
    let store = Store::open(options).unwrap();
    for track in 0..i64::MAX {
        store
            .write("vehicles", &[vehicle(track, "AB1", track)])
            .unwrap();
        println!("\ntook {track}");
    }
}

#[test]
fn rows_that_were_taken_survive_the_death_of_their_process() {
    let Some(mut place) = Place::new(On::Postgres) else {
        return;
    };
    place.server.as_mut().unwrap().down();
    let url = place.server.as_ref().unwrap().url();
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "outages::writer_that_is_killed"])
        .env(FOLDER, place.outbox())
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut took = lines.filter_map(|it| it.strip_prefix("took ")?.parse::<i64>().ok());
    assert!(took.by_ref().any(|it| it == 50));
    writer.kill().unwrap();
    let last = took.last().unwrap_or(50);
    writer.wait().unwrap();
    let store = place.open_with_outbox();
    assert!(store.waiting().unwrap() > 50);
    place.server.as_mut().unwrap().up();
    assert_eq!(store.flush(LONG).unwrap(), 0);
    let mut stored = column(&all(&store, "vehicles"), "track_id");
    // The row that was in the air when it died may be there, too.
    let wanted: Vec<_> = (0..=last).map(|it| json!(it)).collect();
    stored.truncate(wanted.len());
    assert_eq!(stored, wanted);
}
