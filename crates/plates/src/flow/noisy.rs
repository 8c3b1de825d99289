//! A road where plates can be read only once they are made clean.

use proptest::prelude::*;

use super::{
    FlowSettings,
    world::{Car, Cleans, Dice, Run, World},
};
use crate::picture::Denoise;

const LEFT: [[f32; 4]; 2] = [[300.0, 250.0, 460.0, 370.0], [100.0, 220.0, 520.0, 620.0]];
const RIGHT: [[f32; 4]; 2] = [[700.0, 250.0, 860.0, 370.0], [640.0, 220.0, 1060.0, 620.0]];

fn road() -> World {
    World {
        cars: vec![
            Car::new("ABC1234", 0, 90, LEFT),
            Car::new("XYZ9876", 20, 120, RIGHT),
            Car::new("JKL5555", 130, 240, LEFT),
        ],
        frames: 320,
        is_noisy: true,
        ..World::default()
    }
}

fn settings() -> FlowSettings {
    FlowSettings {
        denoise: Some(Denoise::default()),
        ..FlowSettings::default()
    }
}

fn texts(run: &Run<'_>) -> Vec<String> {
    let plates = run.store.plates().into_iter();
    plates.map(|(text, ..)| text).collect()
}

#[test]
fn plates_are_made_clean_before_they_are_read() {
    let world = road();
    let run = Run::new(&world, &settings()).finish(&mut Dice(1));
    assert_eq!(texts(&run), ["ABC1234", "JKL5555", "XYZ9876"]);
    assert_eq!(run.tasks["plate_denoise"], run.tasks["ocr"]);
    let took = &run.store.summary()["skipped"];
    assert_eq!(took.get("plate_denoise"), None, "{took}");
}

#[test]
fn without_it_there_is_no_such_task_and_no_such_count() {
    let world = road();
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(1));
    assert_eq!(texts(&run), [""; 0]);
    assert!(!run.tasks.contains_key("plate_denoise"));
    let summary = serde_json::to_string(run.store.summary()).unwrap();
    assert!(!summary.contains("denoise"), "{summary}");
}

#[test]
fn a_plate_that_cannot_be_made_clean_is_read_as_it_is() {
    let world = |cleans| World {
        is_noisy: false,
        cleans,
        ..road()
    };
    let fails = world(Cleans::Fails);
    let run = Run::new(&fails, &settings()).finish(&mut Dice(4));
    let plain = Run::new(&fails, &FlowSettings::default()).finish(&mut Dice(4));
    assert_eq!(texts(&run), texts(&plain));
    let reason = run.end.unwrap().reason.unwrap();
    assert!(reason.ends_with("tasks failed for good"), "{reason}");
    let nothing = world(Cleans::Nothing);
    let run = Run::new(&nothing, &settings()).finish(&mut Dice(4));
    assert_eq!(texts(&run), texts(&plain));
    let nothing = &run.store.summary()["counts"]["nothing"]["plate_denoise"]["no_pixels"];
    assert_eq!(nothing.as_u64(), Some(run.tasks["plate_denoise"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn records_are_the_same_however_many_work_and_whenever_they_are_killed(seed: u64, workers in 1usize..7, kills in prop::collection::vec(1usize..500, 0..3)) {
        let world = road();
        let one = Run::new(&world, &settings()).finish(&mut Dice(0));
        let few = |run: &mut Run<'_>| run.workers = workers;
        let many = Run::killed(&world, &settings(), kills, &mut Dice(seed), few);
        prop_assert_eq!(one.store, many.store);
        prop_assert_eq!(one.end, many.end);
    }
}
