//! One rule, one test.

use std::time::Duration;

use framerill_supervisor::ChildId;

use super::{
    super::{Failure, Input, Load, Output, Scope, Suspect, Wanted, machine, starts},
    desk::{Desk, pipeline, wanted},
};
use crate::infer::asked::Binding;

const FIRST: ChildId = ChildId(1);

fn bound(start: u64, binding: Binding) -> Wanted {
    Wanted {
        binding,
        ..wanted(start)
    }
}

/// For a pipeline that is not the one that is served.
fn of_another(start: u64) -> Wanted {
    Wanted {
        pipeline: pipeline("another"),
        ..wanted(start)
    }
}

fn failure(was_ready: bool, of_params: bool) -> Failure {
    Failure {
        why: "the model is not there".into(),
        was_ready,
        of_params,
    }
}

fn fail(desk: &mut Desk, worker: ChildId, failure: Failure) {
    desk.workers.get_mut(&worker).unwrap().is_over = true;
    desk.give(Input::WorkerFailed { worker, failure });
}

fn end(desk: &mut Desk, stream: u64) {
    let why = "it was asked for".to_owned();
    desk.give(Input::End { stream, why });
}

fn refusal(desk: &Desk, start: u64) -> String {
    desk.answers[&start].as_ref().unwrap_err().to_string()
}

#[test]
fn a_stream_gets_the_worker_that_is_loaded_already() {
    let mut desk = Desk::new(1);
    let stream = desk.run(wanted(1));
    assert_eq!(desk.worker_of(stream), FIRST);
    assert_eq!(desk.workers.len(), 1);
}

#[test]
fn at_capacity_one_a_runners_start_takes_the_place_and_another_is_refused() {
    let mut desk = Desk::new(1);
    let first = desk.run(wanted(1));
    desk.ask(wanted(2));
    assert_eq!(refusal(&desk, 2), "capacity 1 in use");
    let replaces = Wanted {
        replaces: true,
        ..wanted(3)
    };
    let third = desk.run(replaces);
    assert!(desk.streams[&first].is_ending && !desk.streams[&third].is_ending);
    assert_eq!(desk.worker_of(third), FIRST);
}

#[test]
fn starts_that_come_faster_than_streams_end_are_refused_until_some_have() {
    let mut desk = Desk::new(1);
    let replaces = |start| Wanted {
        replaces: true,
        ..wanted(start)
    };
    let most = 1 + starts::MOST_BEYOND as u64;
    let first = desk.run(replaces(0));
    for start in 1..=most {
        desk.run(replaces(start));
    }
    desk.ask(replaces(100));
    assert_eq!(
        refusal(&desk, 100),
        "9 streams are still ending; try again later"
    );
    desk.close(first);
    desk.run(replaces(101));
}

#[test]
fn only_so_many_starts_wait_for_a_word_on_their_parameters() {
    let mut desk = Desk::new(1);
    desk.ready(FIRST, false);
    let asked = |start| Wanted {
        is_checked: true,
        replaces: true,
        ..wanted(start)
    };
    let most = 1 + starts::MOST_BEYOND as u64;
    for start in 1..=most + 1 {
        desk.ask(asked(start));
    }
    assert_eq!(
        refusal(&desk, most + 1),
        "9 starts wait already; try again later"
    );
    assert_eq!(desk.answers.len(), 1);
}

#[test]
fn a_stream_that_is_being_ended_gives_its_seat_to_the_next() {
    let mut desk = Desk::new(1);
    let first = desk.run(wanted(1));
    end(&mut desk, first);
    let second = desk.run(wanted(2));
    desk.close(first);
    assert!(!desk.streams[&second].is_ending);
}

#[test]
fn a_seat_is_promised_to_the_start_that_waits_for_a_word_on_its_parameters() {
    let mut desk = Desk::new(1);
    desk.ready(FIRST, false);
    desk.ask(Wanted {
        is_checked: true,
        ..wanted(1)
    });
    desk.ask(wanted(2));
    assert_eq!(refusal(&desk, 2), "capacity 1 in use");
    desk.give(Input::Checked {
        start: 1,
        problem: None,
    });
    assert!(desk.answers[&1].is_ok());
}

#[test]
fn a_start_whose_seat_was_taken_while_it_waited_is_refused() {
    let mut desk = Desk::new(1);
    desk.ready(FIRST, false);
    desk.ask(Wanted {
        is_checked: true,
        ..wanted(1)
    });
    let runner = desk.run(Wanted {
        replaces: true,
        ..wanted(2)
    });
    desk.give(Input::Checked {
        start: 1,
        problem: None,
    });
    assert_eq!(refusal(&desk, 1), "capacity 1 in use");
    assert!(!desk.streams[&runner].is_ending);
}

#[test]
fn parameters_that_a_worker_rejects_leave_what_runs() {
    let mut desk = Desk::new(1);
    desk.ready(FIRST, false);
    let stream = desk.run(wanted(1));
    desk.ask(Wanted {
        is_checked: true,
        replaces: true,
        ..wanted(2)
    });
    desk.give(Input::Checked {
        start: 2,
        problem: Some("strength should be a number".into()),
    });
    assert_eq!(refusal(&desk, 2), "strength should be a number");
    assert!(!desk.streams[&stream].is_ending);
}

#[test]
fn a_worker_that_is_busy_for_long_or_lost_is_not_waited_for() {
    let mut desk = Desk::new(2);
    desk.ready(FIRST, false);
    let asked = |start| Wanted {
        is_checked: true,
        ..wanted(start)
    };
    desk.ask(asked(1));
    desk.pass(starts::CHECK_WITHIN - Duration::from_millis(1));
    assert!(desk.answers.is_empty());
    desk.pass(Duration::from_millis(1));
    let stream = desk.answers[&1].clone().unwrap();
    end(&mut desk, stream);
    desk.ask(asked(2));
    desk.give(Input::WorkerBusy { worker: FIRST });
    assert!(desk.answers[&2].is_ok());
}

#[test]
fn a_worker_that_is_not_ready_is_not_asked() {
    let mut desk = Desk::new(1);
    desk.ask(Wanted {
        is_checked: true,
        ..wanted(1)
    });
    assert!(desk.answers[&1].is_ok() && desk.checks.is_empty());
}

#[test]
fn a_seat_that_failed_for_good_takes_no_stream() {
    let mut desk = Desk::new(1);
    let replaces = Wanted {
        replaces: true,
        ..wanted(1)
    };
    desk.ask_with(replaces, vec![Some("no restart left".into())]);
    assert_eq!(
        refusal(&desk, 1),
        "the pipeline failed for good: no restart left"
    );
    let mut desk = Desk::new(2);
    desk.ask_with(wanted(1), vec![Some("no restart left".into())]);
    let stream = desk.answers[&1].clone().unwrap();
    assert_eq!(desk.streams[&stream].seat, 1);
    end(&mut desk, stream);
    desk.ask_with(wanted(2), vec![Some("a".into()), Some("b".into())]);
    assert_eq!(refusal(&desk, 2), "every worker failed for good");
}

/// A seat's stream loses its worker for good and ends.
fn lose(desk: &mut Desk, start: u64, was_ready: bool) -> ChildId {
    let stream = desk.run(wanted(start));
    let worker = desk.worker_of(stream);
    fail(desk, worker, failure(was_ready, false));
    end(desk, stream);
    desk.close(stream);
    worker
}

#[test]
fn above_capacity_one_a_seat_whose_worker_failed_begins_anew_with_the_stream_that_needs_it() {
    let mut desk = Desk::new(2);
    desk.ready(FIRST, false);
    let lost = lose(&mut desk, 1, true);
    let refused = || vec![Some("no restart left".into())];
    desk.ask_with(wanted(2), refused());
    desk.ask_with(wanted(3), refused());
    let [other, anew] = [2, 3].map(|it| desk.answers[&it].clone().unwrap());
    assert_eq!(desk.streams[&other].seat, 1, "a whole seat comes first");
    assert_eq!(desk.streams[&anew].seat, 0);
    assert_ne!(desk.worker_of(anew), lost);
    assert!(desk.told.contains(&Output::ForgetWorker { worker: lost }));
    desk.ask(wanted(4));
    assert_eq!(refusal(&desk, 4), "capacity 2 in use");
}

#[test]
fn a_seat_whose_fresh_worker_was_never_ready_is_refused_as_failed_and_not_as_in_use() {
    let mut desk = Desk::new(2);
    lose(&mut desk, 1, false);
    let refused = || vec![Some("no restart left".into())];
    desk.ask_with(wanted(2), refused());
    assert!(desk.answers[&2].is_ok());
    desk.ask_with(wanted(3), refused());
    assert_eq!(
        refusal(&desk, 3),
        "the pipeline failed for good: no restart left"
    );
}

#[test]
fn what_a_start_brought_to_a_worker_that_never_loaded_costs_no_seat() {
    let mut desk = Desk::new(2);
    let poison = desk.run(Wanted {
        params: "poison".into(),
        ..bound(1, Binding::Prompt)
    });
    let worker = desk.worker_of(poison);
    fail(&mut desk, worker, failure(false, false));
    end(&mut desk, poison);
    let refused = || vec![Some("no restart left".into())];
    desk.ask_with(wanted(2), refused());
    desk.ask_with(wanted(3), refused());
    assert!(desk.answers[&2].is_ok() && desk.answers[&3].is_ok());
}

#[test]
fn streams_of_their_own_share_no_worker_and_shared_ones_do() {
    let mut desk = Desk::new(4);
    let own = [desk.run(wanted(1)), desk.run(wanted(2))];
    let shared = [
        desk.run(bound(3, Binding::Shared)),
        desk.run(bound(4, Binding::Shared)),
    ];
    assert_ne!(desk.worker_of(own[0]), desk.worker_of(own[1]));
    assert_eq!(desk.worker_of(shared[0]), desk.worker_of(shared[1]));
    assert!(
        !own.iter()
            .any(|it| desk.worker_of(*it) == desk.worker_of(shared[0]))
    );
}

#[test]
fn a_prompts_worker_is_shared_by_equal_parameters_of_one_pipeline() {
    let mut desk = Desk::new(4);
    let prompt = |start, name: &str, params: &str| Wanted {
        pipeline: pipeline(name),
        params: params.into(),
        ..bound(start, Binding::Prompt)
    };
    let streams = [
        prompt(1, "served", "cat"),
        prompt(2, "served", "cat"),
        prompt(3, "served", "dog"),
        prompt(4, "another", "cat"),
    ];
    let workers = streams.map(|it| {
        let stream = desk.run(it);
        desk.worker_of(stream)
    });
    assert_eq!(workers[0], workers[1]);
    assert!(workers[2] != workers[0] && workers[3] != workers[0] && workers[2] != workers[3]);
    assert_eq!(desk.workers[&workers[2]].load, Load::Start(3));
}

#[test]
fn who_shares_what_cannot_be_shared_is_refused_or_moves_out() {
    let mut desk = Desk::new(3);
    let first = desk.run(bound(1, Binding::Shared));
    let second = desk.run(bound(2, Binding::Shared));
    let shared = desk.worker_of(first);
    desk.ready(shared, false);
    assert_eq!(desk.worker_of(first), shared);
    let own = desk.worker_of(second);
    assert_eq!(desk.workers[&own].load, Load::Stream(second));
    desk.ask(bound(3, Binding::Shared));
    assert!(refusal(&desk, 3).contains("`shareable`"));
}

#[test]
fn who_kills_a_shared_worker_twice_gets_one_of_its_own_and_the_others_stay() {
    let mut desk = Desk::new(2);
    let killer = desk.run(bound(1, Binding::Shared));
    let other = desk.run(bound(2, Binding::Shared));
    let shared = desk.worker_of(killer);
    let suspected = |desk: &mut Desk, of| {
        desk.give(Input::Suspected { stream: killer, of });
    };
    suspected(&mut desk, Suspect::Frame);
    assert_eq!(desk.worker_of(killer), shared);
    suspected(&mut desk, Suspect::Frame);
    let own = desk.worker_of(killer);
    assert_eq!(desk.workers[&own].key.scope, Scope::Seat(0));
    assert_eq!(desk.worker_of(other), shared);
    suspected(&mut desk, Suspect::Frame);
    suspected(&mut desk, Suspect::Params);
    assert_eq!(desk.worker_of(killer), own);
}

#[test]
fn quarantined_parameters_move_their_stream_out_at_once() {
    let mut desk = Desk::new(1);
    let stream = desk.run(bound(1, Binding::Shared));
    let shared = desk.worker_of(stream);
    desk.give(Input::Suspected {
        stream,
        of: Suspect::Params,
    });
    assert_ne!(desk.worker_of(stream), shared);
    assert!(desk.told.contains(&Output::StopWorker { worker: shared }));
}

#[test]
fn a_worker_outlives_its_stream_and_leaves_when_its_seat_has_another() {
    let mut desk = Desk::new(1);
    let stream = desk.run(wanted(1));
    end(&mut desk, stream);
    desk.close(stream);
    let stop = Output::StopWorker { worker: FIRST };
    assert!(!desk.told.contains(&stop));
    desk.run(of_another(2));
    assert!(desk.told.contains(&stop));
    desk.workers.get_mut(&FIRST).unwrap().is_over = true;
    desk.give(Input::WorkerGone { worker: FIRST });
    assert!(!desk.workers.contains_key(&FIRST));
}

#[test]
fn a_worker_that_was_told_to_leave_is_no_ones_even_if_its_key_fits() {
    let mut desk = Desk::new(1);
    let another = Wanted {
        replaces: true,
        ..of_another(1)
    };
    desk.run(another);
    let back = desk.run(Wanted {
        replaces: true,
        ..wanted(2)
    });
    assert_ne!(desk.worker_of(back), FIRST);
}

#[test]
fn initial_parameters_that_cannot_be_loaded_give_way_to_the_pipelines_own_once() {
    let mut desk = Desk::new(1);
    let stream = desk.run(wanted(1));
    fail(&mut desk, FIRST, failure(false, true));
    let second = desk.worker_of(stream);
    assert_eq!(desk.workers[&second].load, Load::Defaults);
    fail(&mut desk, second, failure(false, true));
    assert_eq!(desk.worker_of(stream), second);
}

#[test]
fn a_named_pipeline_that_never_loads_ends_its_stream_and_the_seat_goes_back() {
    let mut desk = Desk::new(1);
    let stream = desk.run(of_another(1));
    let worker = desk.worker_of(stream);
    fail(&mut desk, worker, failure(false, false));
    assert!(desk.streams[&stream].is_ending);
    let own = desk.seats[0].unwrap();
    assert_eq!(desk.workers[&own].key.pipeline, pipeline("served"));
    let next = desk.run(wanted(2));
    assert_eq!(desk.worker_of(next), own);
}

#[test]
fn a_named_pipeline_that_loaded_once_and_failed_keeps_its_seat() {
    let mut desk = Desk::new(1);
    let stream = desk.run(of_another(1));
    let worker = desk.worker_of(stream);
    desk.ready(worker, false);
    fail(&mut desk, worker, failure(true, false));
    assert_eq!(desk.worker_of(stream), worker);
    assert!(!desk.streams[&stream].is_ending);
}

#[test]
fn a_start_whose_worker_fails_for_good_while_it_is_asked_is_refused() {
    let mut desk = Desk::new(1);
    desk.ready(FIRST, false);
    desk.ask(Wanted {
        is_checked: true,
        ..wanted(1)
    });
    fail(&mut desk, FIRST, failure(true, false));
    assert!(refusal(&desk, 1).contains("failed for good"));
}

#[test]
fn a_start_without_a_worker_or_a_stream_is_refused_with_the_reason() {
    let mut desk = Desk::new(2);
    desk.is_out_of_order = true;
    desk.ask(wanted(1));
    desk.ask(bound(2, Binding::Shared));
    assert_eq!(
        [refusal(&desk, 1), refusal(&desk, 2)],
        ["out of order", "out of order"]
    );
    assert!(desk.streams.is_empty());
    desk.is_out_of_order = false;
    desk.run(wanted(3));
}

#[test]
fn a_stream_that_moves_out_to_no_worker_ends_with_the_reason() {
    let mut desk = Desk::new(1);
    let stream = desk.run(bound(1, Binding::Shared));
    desk.is_out_of_order = true;
    desk.give(Input::Suspected {
        stream,
        of: Suspect::Params,
    });
    assert!(desk.streams[&stream].is_ending);
    assert_eq!(desk.seats, [None]);
    let told = desk
        .told
        .iter()
        .any(|it| matches!(it, Output::End { fault: Some(fault), .. } if fault == "out of order"));
    assert!(told);
}

#[test]
fn what_is_left_of_an_input_that_ended_has_three_seconds() {
    let mut desk = Desk::new(1);
    let stream = desk.run(wanted(1));
    desk.give(Input::SourceEnded { stream });
    desk.pass(machine::REST_WITHIN - Duration::from_millis(1));
    assert!(!desk.streams[&stream].is_ending);
    desk.pass(Duration::from_millis(1));
    assert!(desk.streams[&stream].is_ending);
}

#[test]
fn the_order_to_leave_answers_ends_and_stops_everything_once() {
    let mut desk = Desk::new(2);
    desk.ready(FIRST, false);
    let stream = desk.run(wanted(1));
    end(&mut desk, stream);
    desk.ask(Wanted {
        is_checked: true,
        ..wanted(2)
    });
    desk.give(Input::Leave);
    desk.give(Input::Leave);
    desk.ask(wanted(3));
    assert_eq!(refusal(&desk, 2), "infer is stopping");
    assert_eq!(refusal(&desk, 3), "infer is stopping");
    let stops = desk.told.iter();
    let stops = stops.filter(|it| matches!(it, Output::StopWorker { .. }));
    assert_eq!(stops.count(), 1);
    assert!(!desk.machine.is_over());
    desk.close(stream);
    desk.give(Input::WorkerGone { worker: FIRST });
    assert!(desk.machine.is_over());
}
