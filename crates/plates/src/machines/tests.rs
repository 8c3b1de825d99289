//! Properties of items, paths, notes, duties and the board.

use std::{fs, os::unix::fs::symlink, path::Path};

use proptest::prelude::*;

use super::{
    duty::{Answer, Duty, Outcome, duty, is_lost, settled},
    *,
};
use crate::{flow::Mode, picture::Denoise};

fn item() -> Item {
    Item {
        v: VERSION,
        round: 0,
        content_sha256: "ab".repeat(32),
        settings_hash: "0f".repeat(32),
        size_bytes: 1000,
        video_id: "a".into(),
        filename: "a.mp4".into(),
        source: Source::Share(SharePath::parsed("trips/a.mp4").unwrap()),
        settings: Asked {
            mode: Mode::Cascade,
            every: 4,
            min_samples: 2,
            formats: vec!["de".into()],
            denoise: Some(Denoise::default()),
        },
        force: false,
    }
}

fn note(round: u32, delivery: u64, state: State) -> Note {
    Note::new(round, delivery, state, "a")
}

fn states() -> impl Strategy<Value = State> {
    let ends = [
        End::Complete,
        End::Partial,
        End::Skipped,
        End::Failed,
        End::Dead,
    ];
    let mut all: Vec<_> = ends.map(State::Over).into();
    all.extend([State::Queued, State::Working, State::Working]);
    prop::sample::select(all)
}

fn handed(bytes: &[u8], delivery: u64, noted: Option<&Note>) -> Duty {
    duty(bytes, item().key().as_str(), delivery, noted, 5)
}

#[test]
fn an_item_comes_back_as_it_was_and_its_key_fits_a_subject() {
    let it = item();
    assert_eq!(Item::parsed(&it.to_bytes().unwrap()), Ok(it.clone()));
    assert_eq!(Key::parsed(it.key().as_str()), Some(it.key()));
    assert_eq!(it.message_id(), format!("{}-0", it.key()));
    for bad in ["", "a-b", "x.y", "../../etc"] {
        assert_eq!(Key::parsed(bad), None);
    }
}

#[test]
fn hostile_items_are_buried_with_a_reason_each() {
    let good = serde_json::to_value(item()).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut it = good.clone();
        it[name] = value;
        it.to_string().into_bytes()
    };
    let source = |path: &str| with("source", serde_json::json!({ "share": path }));
    let denoise = |h: f32| {
        let mut settings = good["settings"].clone();
        settings["denoise"]["h"] = h.into();
        with("settings", settings)
    };
    let hostile = [
        denoise(-1.0),
        denoise(1e30),
        source("../../etc/passwd"),
        source("/etc/passwd"),
        source("a/../../b.mp4"),
        source("a//b.mp4"),
        source("./a.mp4"),
        source("a\u{0}.mp4"),
        source(""),
        source(&"a/".repeat(3000)),
        with("v", 2.into()),
        with("v", u64::MAX.into()),
        with("v", "1".into()),
        with("size_bytes", u64::MAX.into()),
        with("content_sha256", "../x".into()),
        with("settings_hash", "AB".repeat(32).into()),
        with("video_id", "a/b".into()),
        with("video_id", "\u{1b}[2J".into()),
        with("filename", "a".repeat(300).into()),
        with("more", 1.into()),
        b"".to_vec(),
        b"[[[[".to_vec(),
        vec![b'['; 200_000],
        vec![0xff; 40],
    ];
    for bytes in hostile {
        let Duty::Bury(None, why) = handed(&bytes, 1, None) else {
            panic!("{}", String::from_utf8_lossy(&bytes));
        };
        assert!(!why.is_empty() && why.len() < 500, "{why}");
    }
    let elsewhere = duty(&item().to_bytes().unwrap(), "other", 1, None, 5);
    assert!(matches!(elsewhere, Duty::Bury(None, _)));
    assert_eq!(
        Item::parsed(&with("v", 2.into())),
        Err(ItemError::Version(2))
    );
}

#[test]
fn a_path_of_a_share_never_leaves_it_not_even_by_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (share, secret) = (folder.path().join("share"), folder.path().join("secret"));
    fs::create_dir_all(share.join("sub")).unwrap();
    fs::write(&secret, "x").unwrap();
    fs::write(share.join("sub/a.mp4"), "x").unwrap();
    symlink(&secret, share.join("out.mp4")).unwrap();
    symlink("sub/a.mp4", share.join("in.mp4")).unwrap();
    let beneath = |text: &str| SharePath::parsed(text).unwrap().beneath(&share);
    assert!(beneath("sub/a.mp4").is_ok() && beneath("in.mp4").is_ok());
    let kind = |text: &str| beneath(text).unwrap_err().kind();
    assert_eq!(kind("out.mp4"), std::io::ErrorKind::PermissionDenied);
    assert_eq!(kind("sub"), std::io::ErrorKind::InvalidInput);
    assert_eq!(kind("none.mp4"), std::io::ErrorKind::NotFound);
    let of = |file: &str| SharePath::of(Path::new("/share"), Path::new(file));
    assert_eq!(of("/share/b/a.mp4").unwrap().as_str(), "b/a.mp4");
    assert!(of("/elsewhere/a.mp4").is_err() && of("/share").is_err());
}

#[test]
fn a_worker_that_died_counts_as_a_try_and_one_that_was_stopped_does_not() {
    let bytes = item().to_bytes().unwrap();
    assert!(matches!(handed(&bytes, 5, None), Duty::Work(_)));
    assert!(matches!(handed(&bytes, 6, None), Duty::Bury(Some(_), _)));
    let stopped = Note {
        excused: 3,
        ..note(0, 5, State::Queued)
    };
    assert!(matches!(handed(&bytes, 8, Some(&stopped)), Duty::Work(_)));
    assert!(matches!(
        handed(&bytes, 9, Some(&stopped)),
        Duty::Bury(Some(_), _)
    ));
    let over = note(0, 1, State::Over(End::Complete));
    assert_eq!(handed(&bytes, 2, Some(&over)), Duty::Over);
    // A word about an earlier round says nothing.
    let again = Item { round: 1, ..item() }.to_bytes().unwrap();
    assert!(matches!(handed(&again, 1, Some(&over)), Duty::Work(_)));
}

#[test]
fn every_outcome_has_its_answer_and_its_note() {
    let own = note(0, 2, State::Working);
    let over = Outcome::Over(End::Partial, Some("cut".into()));
    let (answer, told) = settled(&own, &over);
    assert_eq!(answer, Answer::Ack);
    assert_eq!(told.unwrap().state, State::Over(End::Partial));
    let (answer, told) = settled(&own, &Outcome::Stopped);
    assert_eq!(answer, Answer::Back(std::time::Duration::ZERO));
    assert_eq!(told.unwrap().excused, 1);
    let (answer, told) = settled(&own, &Outcome::Unable("no file".into()));
    assert!(matches!(answer, Answer::Back(it) if !it.is_zero()));
    assert_eq!(told.unwrap().reason.as_deref(), Some("no file"));
    let (answer, told) = settled(&own, &Outcome::Hostile("no".into()));
    assert_eq!(
        (answer, told.unwrap().state),
        (Answer::Bury, State::Over(End::Dead))
    );
    assert_eq!(settled(&own, &Outcome::Lost), (Answer::Nothing, None));
    assert!(is_lost(&own, &note(0, 3, State::Working)));
    assert!(is_lost(&own, &note(1, 0, State::Queued)));
    assert!(!is_lost(&own, &own));
}

#[test]
fn what_is_over_is_submitted_as_the_next_round_and_the_rest_as_the_same() {
    assert_eq!(Board::round(None), 0);
    assert_eq!(Board::round(Some(&note(2, 1, State::Working))), 2);
    assert_eq!(Board::round(Some(&note(2, 1, State::Over(End::Failed)))), 3);
    let mut board = Board::default();
    let key = item().key();
    board.add(key.clone(), "a", 3, None);
    assert!(!board.noted(&key, note(2, 9, State::Over(End::Failed))));
    assert!(!board.is_over() && !board.is_good(false));
    assert!(board.noted(&key, note(3, 1, State::Over(End::Partial))));
    assert!(board.is_over() && board.is_good(false) && !board.is_good(true));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Item::parsed(&bytes).is_err());
        prop_assert!(Note::parsed(&bytes).is_none());
        prop_assert!(Presence::parsed(&bytes).is_none());
    }

    #[test]
    fn a_broken_item_is_an_error_or_a_good_item(at in 0_usize..400, byte in any::<u8>()) {
        let mut bytes = item().to_bytes().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(it) = Item::parsed(&bytes) {
            prop_assert!(it.clone().checked().is_ok());
            prop_assert_eq!(Item::parsed(&it.to_bytes().unwrap()), Ok(it));
        }
    }

    #[test]
    fn a_path_that_is_taken_stays_under_any_root(text in "[a./\\\\ \u{1}]{0,12}") {
        if let Ok(it) = SharePath::parsed(&text) {
            let joined = Path::new("/mnt/share").join(it.as_str());
            let is_plain = joined.components().skip(1).all(|it| matches!(it, std::path::Component::Normal(_)));
            prop_assert!(is_plain && joined.starts_with("/mnt/share"), "{text}");
            prop_assert_eq!(SharePath::of(Path::new("/mnt/share"), &joined), Ok(it));
        }
    }

    #[test]
    fn the_order_in_which_notes_come_does_not_matter(
        mut notes in prop::collection::vec((0_u32..2, 0_u64..3, states()), 1..8),
        seed in any::<u64>(),
    ) {
        // Two notes of one place in the order would be of two workers with one lease.
        notes.sort_by_key(|&(round, delivery, state)| note(round, delivery, state).order());
        notes.dedup_by_key(|&mut (round, delivery, state)| note(round, delivery, state).order());
        let told = |order: Vec<(u32, u64, State)>| {
            let mut board = Board::default();
            board.add(item().key(), "a", 0, None);
            for (round, delivery, state) in order {
                board.noted(&item().key(), note(round, delivery, state));
            }
            let row = board.rows().next().unwrap().1.clone();
            (row, board.counts())
        };
        let expected = told(notes.clone());
        let at = usize::try_from(seed % notes.len() as u64).unwrap();
        notes.rotate_left(at);
        notes.reverse();
        let got = told(notes);
        prop_assert_eq!(&got, &expected);
        let counts = got.1;
        prop_assert_eq!(counts.queued + counts.working + counts.over(), 1);
    }

    #[test]
    fn an_item_ends_whatever_its_workers_do(outcomes in prop::collection::vec(0_u8..3, 0..40)) {
        // 0: the worker dies without a word; 1: it cannot; 2: it is stopped.
        let bytes = item().to_bytes().unwrap();
        let (mut noted, mut tries) = (None::<Note>, 0);
        for (at, outcome) in outcomes.iter().enumerate() {
            let delivery = at as u64 + 1;
            match handed(&bytes, delivery, noted.as_ref()) {
                Duty::Work(_) => prop_assert!(tries < 5 + u64::from(*outcome == 2)),
                Duty::Bury(Some(_), _) => {
                    prop_assert_eq!(tries, 5);
                    return Ok(());
                }
                other => prop_assert!(false, "{:?}", other),
            }
            tries += u64::from(*outcome < 2);
            let excused = noted.as_ref().map_or(0, |it| it.excused);
            let own = Note { excused, ..note(0, delivery, State::Working) };
            noted = match outcome {
                0 => Some(own),
                1 => settled(&own, &Outcome::Unable("no".into())).1,
                _ => settled(&own, &Outcome::Stopped).1,
            };
        }
    }
}
