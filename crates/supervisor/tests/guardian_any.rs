//! Whatever happens to streams, workers and clocks, in whatever order: what the network is told is true. The guardian runs
//! with a real lifecycle behind it, joined as a driver joins them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod watched;

use framerill_sim::for_each_seed;
use framerill_supervisor::guardian::{Cause, Health, State, limits::TICK};
use watched::{Weather, World, millis, secs};

/// Lets everything happen that does, and looks before and after each.
fn live(mut world: World) -> World {
    look(&world);
    while world.advance() {
        if world.is_awake() {
            look(&world);
        }
        world.happen();
        if world.is_awake() {
            look(&world);
        }
    }
    world
}

fn look(world: &World) {
    never_online_for_more_than_4_s_without_an_output(world);
    every_error_has_a_cause(world);
    budgets_hold(world);
    offline_within_4_s_of_the_end(world);
    health_is_never_wrong_for_more_than_a_tick(world);
    what_is_well_is_online_and_what_is_stuck_is_not(world);
}

fn never_online_for_more_than_4_s_without_an_output(world: &World) {
    let age = world.now() - world.truth.proof;
    assert!(
        world.guardian.state() != State::Online || age <= secs(4),
        "ONLINE, and nothing came for {age:?}"
    );
}

fn every_error_has_a_cause(world: &World) {
    let is_error = world.guardian.state() == State::Error;
    assert_eq!(is_error, world.truth.failed.is_some(), "{:?}", world.truth);
    let cause = world.guardian.refusal().map(Cause::message);
    assert_eq!(is_error, cause.is_some());
    if let Some(cause) = cause {
        let mut told = world.truth.told.iter();
        assert!(told.any(|it| it.starts_with(&cause)), "its cause is told");
        let last_error = &world.guardian.status().inference.last_error;
        assert_eq!(last_error.as_ref(), Some(&cause));
    }
}

fn budgets_hold(world: &World) {
    let spawns = u64::from(world.worker.incarnation());
    assert!(spawns <= 1 + world.truth.losses);
    let count = world.guardian.status().inference.restart_count;
    let restarts = world.truth.losses - u64::from(world.truth.failed.is_some());
    assert!(count == restarts, "{count} restarts told of {restarts}");
    assert!(world.truth.used <= 3 || world.truth.failed.is_some());
}

fn offline_within_4_s_of_the_end(world: &World) {
    let truth = &world.truth;
    if let Some(ended) = truth
        .ended
        .filter(|_| truth.is_ready && truth.failed.is_none())
    {
        let by = (ended + secs(4)).max(truth.ready_changed + TICK);
        let state = world.guardian.state();
        assert!(world.now() <= by || state == State::Offline, "{state}");
    }
}

fn health_is_never_wrong_for_more_than_a_tick(world: &World) {
    if let Some((health, since)) = world.health() {
        let told = Health::from(world.guardian.state());
        assert!(
            told == health || world.now() <= since + TICK,
            "{told} instead of {health} for {:?}",
            world.now() - since
        );
    }
}

/// Without it a guardian that says nothing good would pass.
fn what_is_well_is_online_and_what_is_stuck_is_not(world: &World) {
    let truth = &world.truth;
    if !world.is_running() || !truth.is_ready || truth.failed.is_some() {
        return;
    }
    let (now, state) = (world.now(), world.guardian.state());
    if now > truth.well_from + millis(2100) {
        assert_eq!(state, State::Online, "{truth:?}");
    }
    let age = |since: Option<_>| since.map(|since| now - since);
    let fed = truth.fed.max(truth.last_jump.unwrap_or_default());
    let is_fed = !truth.is_dry && now > fed.max(truth.started.unwrap_or_default()) + millis(2100);
    let is_dry = age(truth.last_input.max(truth.started)).is_some_and(|age| age > millis(6500));
    let is_stuck = now - truth.proof > millis(6500);
    if is_fed && is_stuck {
        assert_eq!(state, State::DegradedInference, "{truth:?}");
    }
    if is_dry && is_stuck {
        assert!(
            matches!(
                state,
                State::DegradedInput | State::DegradedInference | State::Offline
            ),
            "{state}"
        );
    }
}

#[test]
fn whatever_happens_what_is_told_is_true() {
    for_each_seed(100_000, |_, random| {
        live(World::new(Weather::Any, random));
    });
}

#[test]
fn silence_alone_is_never_an_error_and_costs_no_restart() {
    for_each_seed(20_000, |_, random| {
        let world = live(World::new(Weather::Silence, random));
        assert_eq!(world.worker.restart_count(), 0);
        assert_eq!(world.worker.incarnation(), 1);
        assert_ne!(world.guardian.state(), State::Error);
    });
}
