//! Whatever happens, in whatever order: what [`Desk`](super::desk::Desk) asserts holds, and everything comes to an end.

use std::time::Duration;

use framerill_supervisor::ChildId;
use proptest::prelude::*;

use super::{
    super::{Failure, Input, Output, Suspect, Wanted, machine, starts},
    desk::{Desk, pipeline},
};
use crate::infer::{asked::Binding, engine::Number};

/// What befalls a desk. Picks are taken of what is there at that moment.
#[derive(Clone, Debug)]
enum Event {
    Start(Wanted, Vec<bool>),
    Checked(usize, bool),
    Ready(usize),
    Busy(usize),
    Failed(usize, Failure),
    Gone(usize),
    Suspected(usize, Suspect),
    SourceEnded(usize),
    End(usize),
    Closed(usize),
    OutOfOrder(bool),
    Leave,
}

const PIPELINES: [&str; 3] = ["served", "shareable", "alone"];

fn any_start() -> impl Strategy<Value = Event> {
    let binding = prop_oneof![
        Just(Binding::Shared),
        Just(Binding::Stream),
        Just(Binding::Prompt)
    ];
    let refused = prop::collection::vec(prop::bool::weighted(0.1), 0..4);
    let flags = (any::<bool>(), any::<bool>());
    (0..3usize, binding, 0..3u8, flags, refused).prop_map(
        |(name, binding, params, (is_checked, replaces), refused)| {
            let wanted = Wanted {
                start: 0,
                pipeline: pipeline(PIPELINES[name]),
                binding,
                params: params.to_string(),
                is_checked,
                replaces,
            };
            Event::Start(wanted, refused)
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let failure = (any::<bool>(), any::<bool>()).prop_map(|(was_ready, of_params)| Failure {
        why: "it fails".into(),
        was_ready,
        of_params,
    });
    let suspect = prop_oneof![
        3 => Just(Suspect::Frame), 1 => Just(Suspect::FrameOrParams), 1 => Just(Suspect::Params)
    ];
    let at = || 0..16usize;
    prop_oneof![
        12 => any_start(),
        6 => (at(), any::<bool>()).prop_map(|(at, well)| Event::Checked(at, well)),
        10 => at().prop_map(Event::Ready),
        3 => at().prop_map(Event::Busy),
        3 => (at(), failure).prop_map(|(at, failure)| Event::Failed(at, failure)),
        3 => at().prop_map(Event::Gone),
        6 => (at(), suspect).prop_map(|(at, of)| Event::Suspected(at, of)),
        2 => at().prop_map(Event::SourceEnded),
        4 => at().prop_map(Event::End),
        5 => at().prop_map(Event::Closed),
        1 => any::<bool>().prop_map(Event::OutOfOrder),
    ]
}

fn any_life() -> impl Strategy<Value = Vec<(Duration, Event)>> {
    let event = prop_oneof![80 => any_event(), 1 => Just(Event::Leave)];
    let pause = prop_oneof![4 => 0..20u64, 1 => 0..4000u64].prop_map(Duration::from_millis);
    prop::collection::vec((pause, event), 0..100)
}

fn pick<T: Copy>(of: impl Iterator<Item = T>, at: usize) -> Option<T> {
    let all: Vec<_> = of.collect();
    all.get(at % all.len().max(1)).copied()
}

fn stream(desk: &Desk, at: usize) -> Option<Number> {
    pick(desk.streams.keys().copied(), at)
}

/// A worker whose life is not over.
fn worker(desk: &Desk, at: usize) -> Option<ChildId> {
    let alive = desk.workers.iter().filter(|(_, it)| !it.is_over);
    pick(alive.map(|(id, _)| *id), at)
}

fn befall(desk: &mut Desk, n: u64, event: Event) -> Option<()> {
    match event {
        Event::Start(mut wanted, refused) => {
            wanted.start = n;
            let refusals = refused.into_iter().map(|it| it.then(|| "no".to_owned()));
            desk.ask_with(wanted, refusals.collect());
        }
        Event::Checked(at, well) => {
            let start = pick(desk.checks.iter().copied(), at)?;
            let problem = (!well).then(|| "wrong".to_owned());
            desk.give(Input::Checked { start, problem });
        }
        Event::Ready(at) => {
            let worker = worker(desk, at)?;
            let shareable = desk.workers[&worker].key.pipeline != pipeline("alone");
            desk.ready(worker, shareable);
        }
        Event::Busy(at) => {
            let worker = worker(desk, at)?;
            desk.give(Input::WorkerBusy { worker });
        }
        Event::Failed(at, mut failure) => {
            let worker = worker(desk, at)?;
            let hand = desk.workers.get_mut(&worker)?;
            hand.is_over = true;
            failure.was_ready = hand.shareable.is_some();
            desk.give(Input::WorkerFailed { worker, failure });
        }
        Event::Gone(at) => {
            let worker = worker(desk, at)?;
            desk.workers.get_mut(&worker)?.is_over = true;
            desk.give(Input::WorkerGone { worker });
        }
        Event::Suspected(at, of) => {
            let stream = stream(desk, at)?;
            desk.give(Input::Suspected { stream, of });
        }
        Event::SourceEnded(at) => {
            let stream = stream(desk, at)?;
            desk.give(Input::SourceEnded { stream });
        }
        Event::End(at) => {
            let stream = stream(desk, at)?;
            let why = "it was asked for".to_owned();
            desk.give(Input::End { stream, why });
        }
        Event::Closed(at) => {
            let stream = stream(desk, at)?;
            desk.close(stream);
        }
        Event::OutOfOrder(is_it) => desk.is_out_of_order = is_it,
        Event::Leave => desk.give(Input::Leave),
    }
    Some(())
}

fn live(capacity: usize, life: Vec<(Duration, Event)>) -> Desk {
    let mut desk = Desk::new(capacity);
    for (n, (pause, event)) in (1..).zip(life) {
        desk.pass(pause);
        // Nothing to pick is nothing that happens.
        befall(&mut desk, n, event);
    }
    desk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(5000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_start_is_answered_once_and_every_stream_has_a_worker_that_fits(
        capacity in 1..5usize, life in any_life(),
    ) {
        let starts = life.iter().filter(|(_, it)| matches!(it, Event::Start(..))).count();
        let mut desk = live(capacity, life);
        desk.pass(starts::CHECK_WITHIN);
        assert!(desk.asked.is_empty());
        assert_eq!(desk.answers.len(), starts);
    }

    #[test]
    fn after_the_order_to_leave_everything_ends_when_it_has_left_and_by_the_deadline_if_it_has_not(
        capacity in 1..5usize, life in any_life(), orderly in any::<bool>(),
    ) {
        let mut desk = live(capacity, life);
        desk.give(Input::Leave);
        assert!(desk.asked.is_empty() && desk.streams.values().all(|it| it.is_ending));
        if orderly {
            let is_late = desk.left_at.is_some_and(|at| at + machine::LEAVE_WITHIN <= desk.now);
            while let Some(number) = stream(&desk, 0) {
                assert!(is_late || !desk.machine.is_over());
                desk.close(number);
            }
            while let Some(id) = worker(&desk, 0) {
                assert!(is_late || !desk.machine.is_over());
                desk.workers.get_mut(&id).unwrap().is_over = true;
                desk.give(Input::WorkerGone { worker: id });
            }
        } else {
            desk.pass(machine::LEAVE_WITHIN);
        }
        assert!(desk.machine.is_over());
    }

    #[test]
    fn workers_that_nobody_has_are_told_to_leave_and_forgotten(
        capacity in 1..5usize, life in any_life(),
    ) {
        let mut desk = live(capacity, life);
        desk.pass(starts::CHECK_WITHIN);
        let unused = |desk: &Desk| {
            let mut there = desk.workers.keys();
            there.find(|it| !desk.seats.contains(&Some(**it))).copied()
        };
        while let Some(worker) = unused(&desk) {
            let is_told = desk.told.contains(&Output::StopWorker { worker });
            assert!(is_told, "{worker:?} stays");
            desk.workers.get_mut(&worker).unwrap().is_over = true;
            desk.give(Input::WorkerGone { worker });
        }
    }
}
