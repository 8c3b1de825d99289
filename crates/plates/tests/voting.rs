//! From readings to one plate, or to none.

#![allow(clippy::unwrap_used, reason = "a test's helper may fail its test")]

use framerill_plates::{
    bbox::BBox,
    detection::Reading,
    task::{Output, Payload},
    vote::{Final, Sample, Settings, decide, run},
};
use proptest::prelude::*;

/// A reading off a plate `width` pixels wide, every fourth frame.
fn sample(number: u64, text: &str, conf: f32, width: f32) -> Sample {
    Sample {
        frame_idx: number * 4,
        ts_ms: None,
        car_bbox: BBox::from([0.0, 0.0, 400.0, 300.0]),
        plate_bbox: BBox::from([100.0, 200.0, 100.0 + width, 200.0 + width / 3.0]),
        plate_conf: 0.8,
        reading: Reading {
            text: text.to_owned(),
            conf,
            ..Reading::default()
        },
    }
}

fn samples(texts: &[(&str, f32)]) -> Vec<Sample> {
    let all = (0_u64..).zip(texts);
    all.map(|(i, (text, conf))| sample(i, text, *conf, 120.0))
        .collect()
}

fn plate(samples: &[Sample], settings: &Settings) -> Option<Final> {
    decide(samples, settings)
        .map(|it| it.plate)
        .unwrap_or_default()
}

#[test]
fn one_reading_is_no_plate_unless_one_is_asked_for() {
    let one = samples(&[("AB123CD", 0.95)]);
    assert_eq!(plate(&one, &Settings::default()), None);
    let lone = Settings {
        min_samples: 1,
        ..Settings::default()
    };
    assert_eq!(
        plate(&one, &lone).map(|it| it.text),
        Some("AB123CD".to_owned())
    );
    assert_eq!(plate(&[], &lone), None);
}

#[test]
fn readings_that_agree_are_a_plate_and_three_clear_ones_are_certain() {
    let settings = Settings::default();
    let it = decide(&samples(&[("AB123CD", 0.9), ("AB123CD", 0.9)]), &settings).unwrap();
    assert!(!it.is_certain);
    let final_ = it.plate.unwrap();
    assert!((final_.conf - 1.0).abs() < 1e-9 && !final_.is_uncertain);
    assert_eq!((final_.samples, final_.frames), (2, [0, 4]));
    let three = samples(&[("AB123CD", 0.9), ("AB123CD", 0.9), ("AB123CD", 0.9)]);
    assert!(decide(&three, &settings).unwrap().is_certain);
}

#[test]
fn many_tiny_misreadings_do_not_outvote_a_few_large_clear_ones() {
    let mut all: Vec<Sample> = (0..8).map(|i| sample(i, "99C20333", 0.45, 24.0)).collect();
    all.extend((8..11).map(|i| sample(i, "89C20339", 0.9, 110.0)));
    assert_eq!(
        plate(&all, &Settings::default()).map(|it| it.text),
        Some("89C20339".to_owned())
    );
}

#[test]
fn readings_that_disagree_strongly_are_no_plate_or_an_uncertain_one() {
    let torn = samples(&[
        ("AB123CD", 0.6),
        ("XY987ZW", 0.6),
        ("AB123CD", 0.6),
        ("XY987ZW", 0.6),
    ]);
    assert_eq!(plate(&torn, &Settings::default()), None);
    let open = Settings {
        min_agreement: 0.4,
        ..Settings::default()
    };
    let it = plate(&torn, &open).unwrap();
    assert!(it.is_uncertain && it.conf <= 0.51);
    assert!(
        ["AB123CD", "XY987ZW"].contains(&it.text.as_str()),
        "a mix: {}",
        it.text
    );
}

#[test]
fn two_groups_one_after_the_other_are_said_to_be_two_vehicles() {
    let all = samples(&[
        ("AB123CD", 0.9),
        ("AB123CD", 0.9),
        ("XY987ZW", 0.9),
        ("XY987ZW", 0.9),
    ]);
    let it = decide(&all, &Settings::default()).unwrap();
    assert_eq!((it.plate, it.split_at), (None, Some(8)));
    for half in all.chunks(2) {
        let it = decide(half, &Settings::default()).unwrap();
        assert_eq!(it.split_at, None);
        assert_eq!(it.plate.unwrap().text, half[0].reading.text);
    }
}

#[test]
fn badges_weak_readings_and_unsure_boxes_are_no_plates() {
    let settings = Settings::default();
    assert_eq!(
        plate(&samples(&[("FORD", 0.99), ("FORD", 0.99)]), &settings),
        None
    );
    assert_eq!(
        plate(&samples(&[("C00D", 0.3), ("C00D", 0.4)]), &settings),
        None
    );
    assert_eq!(
        plate(&samples(&[("A12", 0.9), ("A12", 0.9)]), &settings),
        None
    );
    let mut unsure = samples(&[("AB123CD", 0.7), ("AB123CD", 0.7)]);
    for it in &mut unsure {
        it.plate_conf = 0.3;
    }
    assert_eq!(plate(&unsure, &settings), None);
    for it in &mut unsure {
        it.reading.conf = 0.95;
    }
    assert!(plate(&unsure, &settings).is_some());
}

#[test]
fn look_alikes_are_corrected_under_a_format_alone_and_the_raw_text_is_kept() {
    let all = samples(&[("A8I23CD", 0.9), ("A8I23CD", 0.9)]);
    let as_read = plate(&all, &Settings::default()).unwrap();
    assert_eq!(as_read.text, "A8I23CD");
    let under = |formats: &[&str]| Settings {
        formats: formats.iter().map(|it| (*it).to_owned()).collect(),
        is_strict: true,
        ..Settings::default()
    };
    let italian = plate(&all, &under(&["it"])).unwrap();
    assert_eq!(
        (italian.text, italian.raw_text),
        ("AB123CD".to_owned(), "A8I23CD".to_owned())
    );
    assert_eq!(plate(&all, &under(&["dddd"])), None);
    assert!(decide(&all, &under(&["xy"])).is_err());
    assert!(decide(&all, &under(&["aa-ddd"])).is_err());
}

#[test]
fn the_best_sample_says_the_winner_and_its_crop_is_kept() {
    let mut all = samples(&[("AB123CD", 0.7), ("AB123CE", 0.99), ("AB123CD", 0.8)]);
    assert_eq!(plate(&all, &Settings::default()).unwrap().best.frame_idx, 8);
    all[0].reading.crop = Some("JPEG".to_owned());
    let it = plate(&all, &Settings::default()).unwrap();
    assert_eq!(it.best.frame_idx, 0);
    let texts: Vec<(&str, u32)> = it
        .readings
        .iter()
        .map(|it| (it.text.as_str(), it.samples))
        .collect();
    assert_eq!(texts, [("AB123CD", 2), ("AB123CE", 1)]);
}

#[test]
fn characters_that_the_reader_is_unsure_of_weigh_less() {
    let mut all = samples(&[("AB123CD", 0.5), ("AB123CD", 0.5), ("A8123CD", 0.9)]);
    for it in &mut all[..2] {
        it.reading.chars = vec![0.99, 0.5, 0.99, 0.99, 0.99, 0.99, 0.99];
    }
    all[2].reading.chars = vec![0.99; 7];
    assert_eq!(plate(&all, &Settings::default()).unwrap().text, "A8123CD");
    all[2].reading.chars.clear();
    all[2].reading.conf = 0.4;
    assert!(plate(&all, &Settings::default()).is_none_or(|it| it.text == "AB123CD"));
}

#[test]
fn the_stage_says_what_the_decision_says() {
    let payload = Payload::PlateSmooth {
        samples: samples(&[("AB123CD", 0.9), ("AB123CD", 0.9)]),
        is_closing: true,
    };
    let Ok(Output::PlateSmooth {
        r#final,
        is_certain,
        split_at,
    }) = run(&payload, &Settings::default())
    else {
        panic!("another stage's output");
    };
    assert_eq!(r#final.map(|it| it.text), Some("AB123CD".to_owned()));
    assert_eq!((is_certain, split_at), (false, None));
    assert!(run(&Payload::VehicleDetect, &Settings::default()).is_err());
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let text = prop_oneof![
        6 => prop::sample::select(vec!["AB123CD", "A8123CD", "B123CD", "AB1233CD", "XY987ZW", "1111111", "FORD"])
            .prop_map(str::to_owned),
        1 => ".{0,20}",
    ];
    let number = prop_oneof![9 => 0.0f32..1.0, 1 => prop_oneof![Just(f32::NAN), Just(-3.0), Just(f32::INFINITY)]];
    (
        0u64..50,
        text,
        number.clone(),
        prop::collection::vec(number.clone(), 0..9),
        number,
        1.0f32..300.0,
    )
        .prop_map(|(i, text, conf, chars, sharpness, width)| {
            let mut it = sample(i, &text, conf, width);
            it.reading.chars = chars;
            it.reading.sharpness = sharpness * 100.0;
            it
        })
}

proptest! {
    #[test]
    fn a_plate_is_in_the_alphabet_and_its_agreement_a_share(all in prop::collection::vec(any_sample(), 0..30)) {
        let it = decide(&all, &Settings::default()).unwrap();
        prop_assert!(it.split_at.is_none() || it.plate.is_none());
        prop_assert!(!it.is_certain || it.plate.is_some());
        if let Some(it) = it.plate {
            prop_assert!(it.text.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()));
            prop_assert!((0.7..=1.0 + 1e-9).contains(&it.conf));
            prop_assert!(it.samples >= 2 && it.frames[0] <= it.frames[1]);
            let variants: u32 = it.readings.iter().map(|it| it.samples).sum();
            prop_assert_eq!(variants, it.samples);
        }
    }

    #[test]
    fn the_order_in_which_samples_come_does_not_matter(
        all in prop::collection::vec(any_sample(), 0..20),
        by in 0usize..20,
    ) {
        let mut all = all;
        all.sort_by_key(|it| it.frame_idx);
        all.dedup_by_key(|it| it.frame_idx);
        let one = decide(&all, &Settings::default()).unwrap();
        let len = all.len();
        all.rotate_left(if len > 0 { by % len } else { 0 });
        prop_assert_eq!(decide(&all, &Settings::default()).unwrap(), one);
    }
}
