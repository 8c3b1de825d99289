//! What is told of vehicles, held against their rows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    EventKind, EventOutcome, FlowSettings, VehicleEvent,
    world::{Car, Dice, Run, Store, World},
};

const LEFT: [[f32; 4]; 2] = [[300.0, 250.0, 460.0, 370.0], [100.0, 220.0, 520.0, 620.0]];
const RIGHT: [[f32; 4]; 2] = [[700.0, 250.0, 860.0, 370.0], [640.0, 220.0, 1060.0, 620.0]];

/// Two that follow each other across a cut, one that is hidden for a while, one that cannot be read, one that takes another
/// one's place.
fn road() -> World {
    let stay = [RIGHT[1], RIGHT[1]];
    let mut unreadable = Car::new("UNR0000", 240, 310, LEFT);
    unreadable.clear = 0.0;
    World {
        cars: vec![
            Car::new("ABC1234", 0, 90, LEFT),
            Car::new("JKL5555", 130, 230, LEFT),
            unreadable,
            Car::new("AAA1111", 20, 119, stay),
            Car::new("BBB2222", 120, 200, stay),
            Car::new("CCC3333", 260, 300, RIGHT),
            Car::new("CCC3333", 330, 380, RIGHT),
        ],
        frames: 420,
        cuts: vec![130],
        is_tracker_blind: true,
        ..World::default()
    }
}

fn settings(hold: u32) -> FlowSettings {
    FlowSettings {
        every: 2,
        hold,
        ..FlowSettings::default()
    }
}

fn by_track(events: &[VehicleEvent]) -> BTreeMap<u32, Vec<&VehicleEvent>> {
    let mut tracks: BTreeMap<u32, Vec<&VehicleEvent>> = BTreeMap::new();
    for it in events {
        tracks.entry(it.track_id).or_default().push(it);
    }
    tracks
}

/// One `new`, then updates that say something else each, then one `end`; and all that rows say.
fn judge(events: &[VehicleEvent], store: &Store) {
    assert!(events.is_sorted_by_key(|it| it.frame_idx), "in frame order");
    let tracks = by_track(events);
    for (track_id, events) in &tracks {
        let [new, updates @ .., end] = events.as_slice() else {
            panic!("{track_id}: {events:?}");
        };
        assert_eq!((new.event, end.event), (EventKind::New, EventKind::End));
        assert!(new.text.is_none() && new.record.is_none() && new.outcome.is_none());
        let mut last = (None, false, false);
        for it in updates {
            let now = (it.text.as_deref(), it.is_uncertain, it.is_certain);
            assert_eq!(it.event, EventKind::Update);
            assert_ne!(now, last, "{track_id}: nothing new");
            assert!(it.record.is_none() && it.outcome.is_none());
            last = now;
        }
        let ids = (0..events.len()).map(|n| format!("c0ffee-5e77-{track_id}-{n}"));
        assert!(ids.into_iter().eq(events.iter().map(|it| it.id.clone())));
        assert_eq!(
            end.record.is_some(),
            end.outcome == Some(EventOutcome::Plate)
        );
    }
    let numbered: Vec<u64> = tracks.keys().map(|it| u64::from(*it)).collect();
    let rows = store.rows("tracks").into_iter();
    let of_rows: Vec<u64> = rows.map(|it| it["track_id"].as_u64().unwrap()).collect();
    assert_eq!(numbered, of_rows, "each track is told of");
    let told = tracks.values().filter_map(|it| it.last()?.record.as_ref());
    assert_eq!(told.collect::<Vec<_>>(), store.rows("vehicles"));
}

#[test]
fn every_track_is_told_of_from_its_first_row_to_its_final_record() {
    let world = road();
    let run = Run::new(&world, &settings(48)).finish(&mut Dice(1));
    judge(&run.events, &run.store);
    let ends = run.events.iter().filter_map(|it| it.outcome);
    let count = |outcome| ends.clone().filter(|it| *it == outcome).count();
    assert_eq!(count(EventOutcome::Unreadable), 1, "{:?}", run.events);
    assert_eq!(count(EventOutcome::Plate), run.store.plates().len());
    let updates = run.events.iter().filter(|it| it.event == EventKind::Update);
    assert!(updates.count() > 0);
}

#[test]
fn a_live_run_has_a_row_before_the_end_and_the_same_rows_in_the_end() {
    let world = road();
    let plain = Run::new(&world, &settings(5)).finish(&mut Dice(0));
    let mut run = Run::new(&world, &settings(5));
    run.flow.is_live = true;
    let mut dice = Dice(3);
    while run.store.rows("vehicles").is_empty() {
        assert!(run.end.is_none() && run.step(&mut dice), "no row");
    }
    let is_over = |it: &VehicleEvent| it.event == EventKind::End;
    assert!(!run.events.iter().any(is_over), "a track is still open");
    let run = run.finish(&mut dice);
    assert_eq!(run.store, plain.store);
    assert_eq!((run.events, run.end), (plain.events, plain.end));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_told_is_the_same_however_many_work(seed: u64, workers in 1usize..7, hold in prop_oneof![Just(0u32), Just(5), Just(48)]) {
        let world = road();
        let one = Run::new(&world, &settings(hold)).finish(&mut Dice(0));
        let mut many = Run::new(&world, &settings(hold));
        many.workers = workers;
        let many = many.finish(&mut Dice(seed));
        judge(&many.events, &many.store);
        prop_assert_eq!(one.events, many.events);
    }

    #[test]
    fn live_rows_end_as_those_of_a_run_without(seed: u64, kills in prop::collection::vec(1usize..500, 0..3), hold in prop_oneof![Just(0u32), Just(5), Just(48)], is_double: bool) {
        let mut world = road();
        world.cars[0].is_double = is_double;
        let plain = Run::new(&world, &settings(hold)).finish(&mut Dice(0));
        let live = |run: &mut Run<'_>| run.flow.is_live = true;
        let run = Run::killed(&world, &settings(hold), kills, &mut Dice(seed), live);
        prop_assert_eq!(plain.store, run.store);
        prop_assert_eq!(plain.end, run.end);
    }

    #[test]
    fn a_run_that_is_killed_tells_all_and_what_comes_twice_is_the_same(seed: u64, kills in prop::collection::vec(1usize..500, 1..4), hold in prop_oneof![Just(0u32), Just(48)]) {
        let world = road();
        let whole = Run::new(&world, &settings(hold)).finish(&mut Dice(0));
        let run = Run::killed(&world, &settings(hold), kills, &mut Dice(seed), |_| ());
        let mut once: BTreeMap<String, VehicleEvent> = BTreeMap::new();
        for it in run.events {
            let id = it.id.clone();
            if let Some(before) = once.insert(id, it.clone()) {
                prop_assert_eq!(before, it);
            }
        }
        let all = whole.events.into_iter().map(|it| (it.id.clone(), it));
        prop_assert_eq!(once, all.collect::<BTreeMap<_, _>>());
    }
}
