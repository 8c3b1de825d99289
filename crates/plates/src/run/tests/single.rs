//! Single steps, said by hand.

use std::{rc::Rc, time::Duration};

use serde_json::{Map, json};

use super::{
    fake_flow::{FakeFlow, Seen},
    world::{Plan, World, ms},
};
use crate::{
    category::Category,
    detection::Vehicles,
    flow::Taken,
    run::{
        DeadLetter, Event, Input, LeaseId, LetterKind, Machine, Outcome, Output, Prepared,
        ReaderId, ReaderSaid, Settings, Takes, VideoNo, Why, WorkerId, WorkerSaid, WorkerState,
    },
    task::{self, Refused, TaskId},
    track::TrackStep,
};

const GPU: WorkerId = WorkerId(0);
const CPU: WorkerId = WorkerId(100);
const READER: ReaderId = ReaderId(0);

struct Hand {
    machine: Machine<FakeFlow>,
    now: Duration,
    seen: Seen,
}

/// What was given last.
#[derive(Debug)]
struct Given {
    lease: LeaseId,
    tasks: Vec<TaskId>,
    attempt: u32,
}

fn did(lease: LeaseId, outcomes: Vec<Outcome>) -> WorkerSaid {
    WorkerSaid::Did {
        lease,
        outcomes,
        stage_us: 0,
    }
}

impl Hand {
    /// A run over one video, whose reader is open, with one worker of each class.
    fn new() -> Self {
        let settings = Settings {
            gpu_workers: 1,
            cpu_workers: 1,
            ..Settings::default()
        };
        let machine = Machine::new(settings, vec!["video".into()], Duration::ZERO);
        let mut it = Self {
            machine,
            now: Duration::ZERO,
            seen: Rc::default(),
        };
        let flow = FakeFlow::new("video", it.seen.clone(), 0);
        let (video, prepared) = (VideoNo(0), Prepared::Read { flow, from: 0 });
        it.say(Input::Prepared { video, prepared });
        it.reader(ReaderSaid::Opened {
            slots: 4,
            slot_bytes: 24,
            fps: None,
            frames: Some(10),
            taken: Taken::default(),
        });
        for worker in [GPU, CPU] {
            it.worker(worker, WorkerSaid::Joined { pid: 1 });
            it.worker(worker, WorkerSaid::Takes { max: 1 });
        }
        it
    }

    fn say(&mut self, input: Input<FakeFlow>) -> Vec<Output> {
        self.machine.handle(self.now, input);
        let mut out = Vec::new();
        loop {
            match self.machine.poll() {
                Output::WakeAt(_) | Output::Idle => return out,
                output => out.push(output),
            }
        }
    }

    fn worker(&mut self, worker: WorkerId, said: WorkerSaid) -> Vec<Output> {
        self.say(Input::Worker { worker, said })
    }

    fn reader(&mut self, said: ReaderSaid) -> Vec<Output> {
        let reader = READER;
        self.say(Input::Reader { reader, said })
    }

    fn frame(&mut self, frame_idx: u64, slot: u32) -> Vec<Output> {
        self.reader(ReaderSaid::Frame {
            frame_idx,
            ts_ms: None,
            slot,
            width: 4,
            height: 2,
        })
    }

    fn did(&mut self, worker: WorkerId, given: &Given, output: task::Output) -> Vec<Output> {
        let outcomes = vec![Outcome {
            task: given.tasks[0],
            result: Ok(output),
        }];
        let lease = given.lease;
        let mut out = self.worker(worker, did(lease, outcomes));
        out.extend(self.worker(worker, WorkerSaid::Takes { max: 1 }));
        out
    }
}

fn given(out: &[Output]) -> Option<Given> {
    out.iter().rev().find_map(|it| match it {
        Output::Give { lease, tasks, .. } => Some(Given {
            lease: *lease,
            tasks: tasks.iter().map(|it| it.id).collect(),
            attempt: tasks[0].attempt,
        }),
        _ => None,
    })
}

fn letters(out: &[Output]) -> Vec<&DeadLetter> {
    out.iter()
        .filter_map(|it| match it {
            Output::DeadLetter(letter) => Some(letter),
            _ => None,
        })
        .collect()
}

#[test]
fn a_pool_is_sent_once_and_before_the_first_task_that_needs_it() {
    let mut hand = Hand::new();
    let out = hand.frame(0, 2);
    let (worker, reader) = (GPU, READER);
    assert_eq!(out[0], Output::Pool { worker, reader });
    let first = given(&out).unwrap();
    assert!(
        hand.frame(1, 0).is_empty(),
        "the worker has not asked again"
    );
    let out = hand.did(
        GPU,
        &first,
        task::Output::VehicleDetect(Vehicles::default()),
    );
    assert!(given(&out).is_some());
    assert!(!out.contains(&Output::Pool { worker, reader }));
}

#[test]
fn a_death_while_loading_is_no_task_s_fault() {
    let mut hand = Hand::new();
    let first = given(&hand.frame(0, 0)).unwrap();
    for _ in 0..5 {
        hand.worker(GPU, WorkerSaid::Alive { is_loading: true });
        let out = hand.worker(GPU, WorkerSaid::Gone("signal 9".into()));
        assert!(letters(&out).is_empty());
        hand.worker(GPU, WorkerSaid::Joined { pid: 2 });
        let again = given(&hand.worker(GPU, WorkerSaid::Takes { max: 1 })).unwrap();
        assert_eq!((&again.tasks, again.attempt), (&first.tasks, 0));
    }
}

#[test]
fn what_a_dead_worker_said_of_its_lease_is_left_alone_once_another_has_the_task() {
    let mut hand = Hand::new();
    let first = given(&hand.frame(0, 0)).unwrap();
    hand.worker(GPU, WorkerSaid::Gone("signal 9".into()));
    hand.worker(GPU, WorkerSaid::Joined { pid: 2 });
    let second = given(&hand.worker(GPU, WorkerSaid::Takes { max: 1 })).unwrap();
    assert_eq!((&second.tasks, second.attempt), (&first.tasks, 1));
    let (lease, outcomes) = (first.lease, Vec::new());
    let out = hand.worker(GPU, did(lease, outcomes));
    assert!(
        matches!(&out[..], [Output::Log(Event::Odd { .. })]),
        "{out:?}"
    );
    let vehicles = task::Output::VehicleDetect(Vehicles::default());
    let out = hand.did(GPU, &second, vehicles);
    assert!(given(&out).is_some(), "{out:?}");
}

#[test]
fn a_worker_that_is_gone_has_no_category_and_nobody_counts_on_it() {
    let mut hand = Hand::new();
    hand.frame(0, 0);
    let row = |hand: &Hand| hand.machine.snapshot(hand.now).workers[0].clone();
    assert_eq!(row(&hand).category, Some(Category::VehicleDetect));
    assert_eq!(row(&hand).state, WorkerState::Busy);
    hand.worker(GPU, WorkerSaid::Gone("signal 9".into()));
    let dead = row(&hand);
    assert_eq!((dead.category, dead.pid), (None, None));
    assert_eq!((dead.state, dead.task_id), (WorkerState::Dead, None));
    let categories = hand.machine.snapshot(hand.now).categories;
    assert!(categories.iter().all(|it| it.workers + it.in_flight == 0));
    assert_eq!(categories[0].queued, 1, "its task waits again");
}

#[test]
fn a_row_that_the_store_refuses_is_set_aside_and_the_rest_counts_as_written() {
    let mut hand = Hand::new();
    let detect = given(&hand.frame(0, 0)).unwrap();
    let vehicles = task::Output::VehicleDetect(Vehicles::default());
    let track = given(&hand.did(GPU, &detect, vehicles)).unwrap();
    let tracked = task::Output::VehicleTrack {
        tracker: json!(1),
        steps: vec![TrackStep::default()],
    };
    let write = given(&hand.did(CPU, &track, tracked)).unwrap();
    let row = Map::from_iter([("vx".to_owned(), json!("fast"))]);
    let written = task::Output::FinalWrite {
        written: 3,
        refused: vec![Refused {
            table: "track_motion".into(),
            record: row.clone(),
            reason: "vx must be a number".into(),
        }],
    };
    let out = hand.did(CPU, &write, written);
    let [letter] = letters(&out)[..] else {
        panic!("{out:?}");
    };
    assert_eq!(letter.kind, LetterKind::RefusedRow);
    assert_eq!(letter.row, Some(("track_motion".into(), row)));
    let rows = hand.machine.snapshot(hand.now).categories;
    let done = |it: Category| rows.iter().find(|row| row.category == it).unwrap().done;
    assert_eq!(done(Category::FinalWrite), 1);
    let optional = rows.iter().find(|it| it.category.is_optional());
    assert_eq!(optional, None, "nobody asked for it");
}

#[test]
fn an_answer_that_is_not_for_the_task_is_a_failure_for_good() {
    let mut hand = Hand::new();
    let detect = given(&hand.frame(0, 0)).unwrap();
    let out = hand.did(GPU, &detect, task::Output::PlateDetect { plates: vec![] });
    assert_eq!(letters(&out)[0].kind, LetterKind::Failed);
    let track = given(&out).expect("the flow goes on without it");
    let steps = vec![TrackStep::default(), TrackStep::default()];
    let tracker = json!(1);
    let out = hand.did(CPU, &track, task::Output::VehicleTrack { tracker, steps });
    assert_eq!(letters(&out).len(), 1, "two steps for one frame: {out:?}");
}

#[test]
fn a_task_that_nothing_is_said_of_is_tried_again() {
    let mut hand = Hand::new();
    let first = given(&hand.frame(0, 0)).unwrap();
    let (lease, outcomes) = (first.lease, Vec::new());
    let out = hand.worker(GPU, did(lease, outcomes));
    assert!(matches!(&out[0], Output::Log(Event::TaskRetried { .. })));
    hand.worker(GPU, WorkerSaid::Takes { max: 1 });
    hand.now += ms(500);
    let again = given(&hand.say(Input::Deadline)).unwrap();
    assert_eq!((again.tasks, again.attempt), (first.tasks, 1));
}

#[test]
fn a_reader_that_breaks_the_rules_is_killed_and_its_frames_are_left_alone() {
    let frame = |frame_idx, slot, width| ReaderSaid::Frame {
        frame_idx,
        ts_ms: None,
        slot,
        width,
        height: 2,
    };
    let rules = [
        ("a slot that is in use", frame(1, 0, 4)),
        ("a frame again", frame(0, 1, 4)),
        ("no such slot", frame(1, 4, 4)),
        ("more than a slot holds", frame(1, 1, 5)),
        ("nothing", frame(1, 1, 0)),
        ("no next frame", frame(u64::MAX, 1, 4)),
    ];
    for (rule, said) in rules {
        let mut hand = Hand::new();
        hand.frame(0, 0);
        let out = hand.reader(said);
        let reader = READER;
        assert!(
            out.contains(&Output::KillReader { reader }),
            "{rule}: {out:?}"
        );
        assert_eq!(hand.machine.snapshot(hand.now).store.frames, 1, "{rule}");
        assert!(
            hand.frame(2, 3).is_empty(),
            "{rule}: nothing counts any more"
        );
        let out = hand.reader(ReaderSaid::Gone("signal 9".into()));
        let again = out
            .iter()
            .any(|it| matches!(it, Output::Read { from: 1, .. }));
        assert!(again, "{rule}: {out:?}");
    }
}

#[test]
fn a_lost_frame_is_told_in_its_place() {
    let mut hand = Hand::new();
    // The fake flow asserts the order.
    (0..4).for_each(|n| drop(hand.frame(2 * n, u32::try_from(n).unwrap())));
    hand.reader(ReaderSaid::Lost { frame_idx: 8 });
    hand.reader(ReaderSaid::Gone("signal 9".into()));
    let seen = || hand.seen.borrow().get(&8).cloned();
    assert_eq!(seen(), Some("lost".to_owned()));
    let reader = ReaderId(1);
    let said = ReaderSaid::Lost { frame_idx: 8 };
    let out = hand.say(Input::Reader { reader, said });
    assert!(
        out.contains(&Output::KillReader { reader }),
        "it is told once"
    );
}

#[test]
fn without_memory_for_frames_readers_wait_and_are_told_of_once() {
    let mut hand = Hand::new();
    hand.reader(ReaderSaid::Gone("signal 9".into()));
    let (mut told, mut tries) = (0, 0);
    let mut reader = ReaderId(1);
    let end = loop {
        let said = ReaderSaid::NoStore("cannot allocate memory".into());
        let mut out = hand.say(Input::Reader { reader, said });
        let said = ReaderSaid::Gone("exit 3".into());
        out.extend(hand.say(Input::Reader { reader, said }));
        hand.now += ms(1000);
        for worker in [GPU, CPU] {
            out.extend(hand.worker(worker, WorkerSaid::Alive { is_loading: false }));
        }
        told += out
            .iter()
            .filter(|it| matches!(it, Output::Log(Event::NoStore { .. })))
            .count();
        assert!(hand.machine.snapshot(hand.now).trouble.is_some());
        let next = out.iter().find_map(|it| match it {
            Output::Read { reader, .. } => Some(*reader),
            _ => None,
        });
        let Some(next) = next else {
            break out;
        };
        reader = next;
        tries += 1;
    };
    assert_eq!(told, 1);
    assert!((85..95).contains(&tries), "{tries}");
    let worker = GPU;
    assert!(end.contains(&Output::Terminate { worker }), "{end:?}");
}

#[test]
fn without_a_worker_of_a_class_the_run_cannot_go_on() {
    let mut hand = Hand::new();
    hand.frame(0, 0);
    hand.worker(GPU, WorkerSaid::Lost("models/x.onnx: no such file".into()));
    let mut out = hand.worker(CPU, WorkerSaid::Gone("exit 0".into()));
    out.extend(hand.say(Input::SchedulerGone));
    let Some(Output::Finished(end)) = out.last() else {
        panic!("{out:?}");
    };
    assert_eq!(end.exit_code(false), 3);
    assert!(matches!(&end.why, Why::CannotGoOn(why) if why.contains("no such file")));
    assert_eq!(end.unfinished.len(), 1);
}

#[test]
fn one_class_of_workers_can_do_all() {
    for (gpu_workers, cpu_workers) in [(1, 0), (0, 2)] {
        let mut world = World::new(Plan {
            settings: Settings {
                gpu_workers,
                cpu_workers,
                takes_over: true,
                ..Settings::default()
            },
            ..Plan::default()
        });
        assert_eq!(world.run().exit_code(true), 0);
        let snapshot = world.machine.snapshot(world.now);
        assert!(snapshot.workers.iter().all(|it| it.kind == Takes::Both));
    }
}

#[test]
fn a_checkpoint_is_asked_for_every_5_seconds_and_every_250_frames() {
    let mut slow = World::new(Plan {
        videos: vec![60],
        task_time: ms(1500),
        ..Plan::default()
    });
    slow.run();
    let saves = |world: &World| {
        let all = world.outputs.iter().filter(|(_, it)| it == "Checkpoint");
        all.map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let pauses = saves(&slow);
    assert!(pauses.len() > 3, "{pauses:?}");
    let longest = pauses.windows(2).map(|it| it[1] - it[0]).max().unwrap();
    assert!(longest < ms(10_000), "{longest:?}");
    let mut fast = World::new(Plan {
        videos: vec![1100],
        task_time: ms(1),
        ..Plan::default()
    });
    fast.run();
    assert!(saves(&fast).len() >= 4, "{:?}", saves(&fast));
}

#[test]
fn many_short_videos_leave_nothing_behind() {
    let mut world = World::new(Plan {
        videos: (0..300).map(|n| n % 3).collect(),
        task_time: ms(2),
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!((end.exit_code(true), end.videos.len()), (0, 300));
}

#[test]
fn a_snapshot_is_plain_json() {
    let mut hand = Hand::new();
    hand.frame(0, 0);
    hand.now += ms(250);
    let json = serde_json::to_value(hand.machine.snapshot(hand.now)).unwrap();
    assert_eq!(json["phase"], "running");
    assert_eq!(json["categories"][0]["category"], "vehicle_yolo");
    assert_eq!(json["categories"][0]["in_flight"], 1);
    assert_eq!(json["workers"][0]["heartbeat_age_secs"], 0.25);
    assert_eq!(json["workers"][0]["state"], "busy");
    assert_eq!(json["workers"][1]["category"], json!(null));
    assert_eq!(json["readers"][0]["video_id"], "video");
    assert_eq!(json["videos"]["open"][0]["progress"], 0.1);
    assert_eq!(json["store"]["bytes"], 24);
    assert_eq!(json["counters"]["frames_begun"], 1);
}
