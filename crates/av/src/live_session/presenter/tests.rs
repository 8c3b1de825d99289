//! What is shown when.

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;
const INTERVAL: u64 = 40 * MS;

fn pts(frame: u64) -> Pts {
    Pts(i64::try_from(frame).unwrap() * 3600)
}

fn presenter(mode: EgressMode) -> Presenter<u64, ()> {
    Presenter::new(Rules::of(mode))
}

/// A stream at 25 frames a second whose frames take `takes` each.
struct Scene {
    presenter: Presenter<u64, ()>,
    now: u64,
    frame: u64,
    shown: Vec<Shown<u64, ()>>,
}

impl Scene {
    fn new(mode: EgressMode) -> Self {
        Self {
            presenter: presenter(mode),
            now: 1,
            frame: 0,
            shown: Vec::new(),
        }
    }

    fn look(&mut self) {
        while let Some(shown) = self.presenter.next(self.now) {
            self.shown.push(shown);
        }
    }

    fn arrive(&mut self) -> u64 {
        let frame = self.frame;
        self.frame += 1;
        self.now += INTERVAL;
        self.presenter.arrive(frame, pts(frame), (), self.now);
        self.look();
        frame
    }

    fn finish(&mut self, frame: u64) -> bool {
        let placed = self
            .presenter
            .finish(frame, pts(frame), frame, true, self.now);
        self.look();
        placed
    }

    /// Frames that arrive and are finished after 5 ms.
    fn well(&mut self, frames: u32) {
        for _ in 0..frames {
            let frame = self.arrive();
            self.now += 5 * MS;
            assert!(self.finish(frame));
            self.now -= 5 * MS;
        }
    }

    fn present(&mut self, present: bool) {
        self.presenter.set_present(present, self.now);
        self.look();
    }

    /// Frames shown so far, and which of them are fillers.
    fn frames(&self) -> Vec<(i64, bool)> {
        let of = |shown: &Shown<u64, ()>| match shown {
            Shown::Finished { pts, .. } => (pts.0 / 3600, false),
            Shown::Filler { pts, .. } => (pts.0 / 3600, true),
        };
        self.shown.iter().map(of).collect()
    }
}

#[test]
fn while_the_worker_is_well_live_shows_finished_pictures_only() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    scene.well(50);
    assert_eq!(
        scene.frames(),
        (0..50).map(|it| (it, false)).collect::<Vec<_>>()
    );
}

#[test]
fn while_no_worker_is_there_each_input_is_shown_as_it_arrives_and_none_is_missing_after() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    scene.well(20);
    let begun = scene.arrive();
    scene.presenter.lose(begun);
    scene.present(false);
    for _ in 0..10 {
        scene.arrive();
    }
    assert_eq!(scene.presenter.counts().filler, 11);
    scene.present(true);
    scene.well(10);
    let expected: Vec<_> = (0..41).map(|it| (it, (20..31).contains(&it))).collect();
    assert_eq!(scene.frames(), expected);
}

#[test]
fn a_frame_that_takes_longer_than_two_usual_distances_is_bridged_and_its_own_picture_comes_late() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    scene.well(20);
    let slow = scene.arrive();
    assert_eq!(scene.presenter.due(), Some(scene.now + 80 * MS));
    scene.now += 80 * MS;
    scene.look();
    assert_eq!(scene.frames().last(), Some(&(20, true)));
    assert!(!scene.finish(slow));
    assert_eq!(scene.presenter.counts().late, 1);
    scene.now += 20 * MS;
    scene.well(5);
    assert_eq!(scene.frames().len(), 26);
}

#[test]
fn a_frame_that_may_have_further_pictures_does_not_hold_up_those_behind_it() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    scene.well(10);
    let open = scene.arrive();
    let (place, now) = (pts(open), scene.now + 5 * MS);
    let placed = scene.presenter.finish(open, place, open, false, now);
    assert!(placed);
    let next = i64::try_from(scene.arrive()).unwrap();
    assert_eq!(scene.frames().last(), Some(&(next - 1, false)));
    for _ in 0..3 {
        scene.arrive();
    }
    assert!(
        scene.frames().contains(&(next, true)),
        "{:?}",
        scene.frames()
    );
    let further = Pts(place.0 + 1);
    let placed = scene
        .presenter
        .finish(open, further, open, false, scene.now);
    assert!(!placed, "its place is taken");
}

#[test]
fn what_is_kept_inside_is_not_late_while_nothing_comes_and_is_once_more_comes() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    scene.presenter.takes_in();
    // Two are kept inside.
    scene.arrive();
    scene.arrive();
    for _ in 0..10 {
        let frame = scene.arrive();
        assert!(scene.finish(frame - 2));
    }
    scene.now += 1000 * MS;
    scene.look();
    let frame = scene.arrive();
    assert!(scene.finish(frame - 2), "{:?}", scene.frames());
    assert!(scene.frames().iter().all(|(_, is_filler)| !is_filler));
    for _ in 0..4 {
        scene.arrive();
    }
    assert!(scene.frames().iter().any(|(_, is_filler)| *is_filler));
}

#[test]
fn a_pipeline_that_takes_400_ms_a_frame_is_slow_and_not_late() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    for _ in 0..20 {
        let frame = scene.arrive();
        for _ in 0..10 {
            let displaced = scene.arrive();
            scene.presenter.pass_over(displaced);
        }
        assert!(scene.finish(frame));
    }
    assert_eq!(scene.presenter.counts().filler, 0);
}

#[test]
fn while_a_frame_is_late_those_that_make_way_are_bridged_too() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    scene.well(20);
    // The worker stands still: two frames are with it, each newer one displaces the one before.
    let with_it = [scene.arrive(), scene.arrive()];
    for _ in 0..10 {
        let displaced = scene.arrive();
        scene.presenter.pass_over(displaced);
        scene.look();
    }
    assert!(!scene.finish(with_it[0]) && !scene.finish(with_it[1]));
    scene.well(5);
    let expected: Vec<_> = (0..37).map(|it| (it, (20..32).contains(&it))).collect();
    assert_eq!(scene.frames(), expected);
}

#[test]
fn what_nobody_takes_does_not_pile_up() {
    let mut presenter = presenter(EgressMode::Fill);
    for frame in 0..1000 {
        presenter.arrive(frame, pts(frame), (), frame * INTERVAL);
    }
    assert_eq!(presenter.counts().crowded, 1000 - 256);
    let shown = std::iter::from_fn(|| presenter.next(1000 * INTERVAL)).count();
    assert_eq!(shown, 256);
}

#[test]
fn what_made_way_and_has_not_left_when_the_worker_goes_is_bridged_like_what_it_had() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.present(true);
    scene.well(20);
    // Nobody takes what is shown meanwhile: the encoder is slow.
    let presenter = &mut scene.presenter;
    for frame in 20..25 {
        presenter.arrive(frame, pts(frame), (), scene.now);
    }
    presenter.finish(20, pts(20), 20, true, scene.now);
    presenter.pass_over(21);
    presenter.lose(22);
    presenter.set_present(false, scene.now);
    presenter.pass_over(23);
    scene.look();
    let expected: Vec<_> = (0..25).map(|it| (it, it > 20)).collect();
    assert_eq!(scene.frames(), expected);
}

#[test]
fn live_bridges_from_the_first_failure_on() {
    let mut scene = Scene::new(EgressMode::Live);
    scene.arrive();
    scene.present(true);
    for _ in 0..3 {
        let failed = scene.arrive();
        scene.presenter.fail(failed);
        scene.look();
    }
    assert_eq!(scene.frames(), [(1, true), (2, true), (3, true)]);
    scene.well(1);
    assert_eq!(scene.frames().last(), Some(&(4, false)));
}

#[test]
fn live_shows_nothing_before_the_first_finished_picture() {
    let mut scene = Scene::new(EgressMode::Live);
    for _ in 0..50 {
        scene.arrive();
    }
    assert!(scene.shown.is_empty() && scene.presenter.is_empty());
    scene.present(true);
    scene.well(1);
    assert_eq!(scene.frames(), [(50, false)]);
}

#[test]
fn hold_shows_the_newest_finished_picture_at_each_input() {
    let mut scene = Scene::new(EgressMode::Hold);
    scene.present(true);
    scene.arrive();
    scene.finish(0);
    scene.arrive();
    scene.arrive();
    scene.finish(2);
    scene.arrive();
    let pictures = scene.shown.iter().map(|it| match it {
        Shown::Finished { picture, .. } => Some(*picture),
        Shown::Filler { .. } => None,
    });
    assert_eq!(
        pictures.collect::<Vec<_>>(),
        [None, Some(0), None, Some(2)],
        "the driver shows what it holds where nothing is new"
    );
}

#[test]
fn strict_never_shows_a_filler() {
    let mut scene = Scene::new(EgressMode::Strict);
    scene.present(true);
    scene.well(3);
    let lost = scene.arrive();
    scene.presenter.lose(lost);
    scene.present(false);
    scene.present(true);
    scene.well(3);
    assert!(scene.frames().iter().all(|(_, filler)| !filler));
    assert_eq!(scene.frames().len(), 6);
}

#[derive(Clone, Debug)]
enum Step {
    Arrive,
    Finish { whole: bool },
    PassOver,
    Lose,
    Present(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Arrive),
        6 => any::<bool>().prop_map(|whole| Step::Finish { whole }),
        1 => Just(Step::PassOver),
        1 => Just(Step::Lose),
        1 => any::<bool>().prop_map(Step::Present),
        3 => (0..200u64).prop_map(Step::Wait),
    ]
}

fn mode() -> impl Strategy<Value = EgressMode> {
    prop_oneof![
        Just(EgressMode::Strict),
        Just(EgressMode::Fill),
        Just(EgressMode::Hold),
        Just(EgressMode::Live)
    ]
}

proptest! {
    #[test]
    fn pts_increase_no_frame_is_forgotten_and_nothing_waits_past_its_time(
        steps in proptest::collection::vec(step(), 0..300), mode in mode(),
    ) {
        let mut presenter: Presenter<u64, ()> = presenter(mode);
        let (mut now, mut next, mut due, mut parts) = (1u64, 0u64, 0u64, 0i64);
        let mut shown = Vec::new();
        for step in steps {
            match step {
                Step::Arrive => {
                    presenter.arrive(next, pts(next), (), now);
                    next += 1;
                }
                // The worker answers in order, several times if it likes.
                Step::Finish { whole } if due < next => {
                    let place = Pts(pts(due).0 + parts);
                    presenter.finish(due, place, due, whole, now);
                    parts = if whole { 0 } else { parts + 1 };
                    due += u64::from(whole);
                }
                Step::PassOver if due < next => { presenter.pass_over(due); due += 1; parts = 0; }
                Step::Lose if due < next => { presenter.lose(due); due += 1; parts = 0; }
                Step::Present(present) => presenter.set_present(present, now),
                Step::Wait(ms) => now += ms * MS,
                _ => {}
            }
            while let Some(it) = presenter.next(now) {
                shown.push(it);
            }
            if let Some(due) = presenter.due() {
                prop_assert!(due > now, "what is due is shown");
            }
        }
        while due < next {
            presenter.pass_over(due);
            due += 1;
        }
        while let Some(it) = presenter.next(now) {
            shown.push(it);
        }
        prop_assert!(presenter.is_empty());
        let times: Vec<i64> = shown.iter().map(|it| match it {
            Shown::Finished { pts, .. } | Shown::Filler { pts, .. } => pts.0,
        }).collect();
        prop_assert!(times.is_sorted_by(|one, two| one < two));
        if matches!(mode, EgressMode::Fill | EgressMode::Hold) {
            let expected: Vec<i64> = (0..next).map(|it| pts(it).0).collect();
            let at_inputs: Vec<i64> = times.into_iter().filter(|it| it % 3600 == 0).collect();
            prop_assert_eq!(at_inputs, expected);
        }
        if mode == EgressMode::Strict {
            prop_assert_eq!(presenter.counts().filler, 0);
        }
    }
}
