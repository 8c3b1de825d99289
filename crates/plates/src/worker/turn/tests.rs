//! A worker's loop with stages of the tests' own, at the other end of its link.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use serde_json::{Value, json};

use super::*;
use crate::{
    category::{Category, Class},
    task::{Payload, TaskId},
    worker::Stage,
};

/// Says what it is told; panics and is silent where it is told so.
struct Echo;

struct Echoes {
    calls: u32,
}

static LOADS: AtomicU32 = AtomicU32::new(0);

impl StageKind for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, _: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        LOADS.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Echoes { calls: 0 }))
    }
}

impl Stage for Echoes {
    fn process(&mut self, tasks: &[Task], _: &mut Frames) -> Vec<Result<Output, Failure>> {
        self.calls += 1;
        let said = tasks.iter().filter_map(|task| match &task.payload {
            Payload::Custom { input, .. } if input == "panic" => panic!("as it was told"),
            Payload::Custom { input, .. } if input == "silent" => None,
            Payload::Custom { input, .. } if input == "calls" => Some(json!(self.calls)),
            Payload::Custom { input, .. } => Some(input.clone()),
            _ => None,
        });
        said.map(|output| Ok(Output::Custom { output })).collect()
    }
}

/// Has no model.
struct Missing;

impl StageKind for Missing {
    fn name(&self) -> &'static str {
        "missing"
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, _: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        Err(LoadError::permanent("`m.onnx` is not there"))
    }
}

/// Comes up at the second try.
struct Late(AtomicU32);

impl StageKind for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, _: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(LoadError::transient("the database is away"));
        }
        Ok(Box::new(Echoes { calls: 0 }))
    }
}

/// A worker on a thread of its own; returns the orchestrator's end.
fn worker(
    setup: Value,
    stop: &Stop,
) -> (
    Arc<WorkLink>,
    Arc<WorkLink>,
    thread::JoinHandle<Result<(), String>>,
) {
    let (ours, theirs) = WorkLink::pair().unwrap();
    let theirs = Arc::new(WorkLink::new(theirs));
    let setup: Setup = serde_json::from_value(setup).unwrap();
    let (link, stop) = (Arc::clone(&theirs), stop.clone());
    let run = move || {
        let late = Box::leak(Box::new(Late(AtomicU32::new(0))));
        let stages: [&'static dyn StageKind; 3] = [&Echo, &Missing, late];
        let turn = Turn::new(&link, &setup, &stages, stop);
        turn.run().map_err(|error| error.to_string())
    };
    (Arc::new(WorkLink::new(ours)), theirs, thread::spawn(run))
}

fn setup() -> Value {
    json!({"class": "cpu", "worker": 100, "batch": 4})
}

fn give(link: &WorkLink, lease: u64, stage: &str, inputs: &[&str]) {
    let task = |(id, input): (usize, &&str)| Task {
        id: TaskId(id as u64),
        category: Category::Summary,
        priority: 0,
        video_id: "v".into(),
        frame_idx: None,
        track_id: None,
        frame: None,
        attempt: 0,
        payload: Payload::Custom {
            name: stage.into(),
            input: json!(input),
        },
        meta: serde_json::Map::new(),
    };
    let tasks = inputs.iter().enumerate().map(task).collect();
    let category = Category::Summary;
    link.tell(&ToWorker::Tasks {
        lease,
        category,
        tasks,
    })
    .unwrap();
}

/// The next `take`, past what is said of loads.
fn take(link: &WorkLink) -> (u32, Option<Done>) {
    loop {
        if let FromWorker::Take { max, done } = link.hear().unwrap() {
            return (max, done);
        }
    }
}

fn said(done: Option<Done>) -> Vec<String> {
    let outcomes = done.unwrap().outcomes.into_iter().map(|it| it.result);
    let word = |it| match it {
        Ok(Output::Custom { output }) => output.as_str().map_or(output.to_string(), str::to_owned),
        Ok(other) => format!("{other:?}"),
        Err(Failure { reason, .. }) => reason,
    };
    outcomes.map(word).collect()
}

#[test]
fn a_worker_takes_does_and_says_until_its_link_ends() {
    let (link, _, worker) = worker(setup(), &Stop::default());
    assert_eq!(take(&link), (4, None));
    give(&link, 1, "echo", &["a", "b"]);
    let (max, done) = take(&link);
    assert_eq!((max, done.as_ref().unwrap().lease), (4, 1));
    assert_eq!(said(done), ["a", "b"]);
    drop(link);
    assert_eq!(worker.join().unwrap(), Ok(()));
}

#[test]
fn a_stage_is_loaded_once_and_kept() {
    let (link, _, _worker) = worker(setup(), &Stop::default());
    take(&link);
    let mut calls = Vec::new();
    for lease in 0..3 {
        give(&link, lease, "echo", &["calls"]);
        calls.extend(said(take(&link).1));
    }
    assert_eq!(calls, ["1", "2", "3"]);
}

#[test]
fn of_tasks_done_together_only_the_one_that_makes_the_stage_panic_fails() {
    let (link, _, _worker) = worker(setup(), &Stop::default());
    take(&link);
    give(&link, 1, "echo", &["a", "panic", "b"]);
    let outcomes = said(take(&link).1);
    assert_eq!((outcomes[0].as_str(), outcomes[2].as_str()), ("a", "b"));
    assert!(outcomes[1].contains("as it was told"), "{outcomes:?}");
    give(&link, 2, "echo", &["silent"]);
    assert_eq!(said(take(&link).1), ["`echo` answered 0 of 1 tasks"]);
}

#[test]
fn a_stop_lets_the_tasks_at_hand_be_finished_and_said() {
    let stop = Stop::default();
    let (link, theirs, worker) = worker(setup(), &stop);
    take(&link);
    give(&link, 1, "echo", &["a"]);
    stop.set();
    theirs.end_listening();
    assert_eq!(said(take(&link).1), ["a"]);
    assert_eq!(worker.join().unwrap(), Ok(()));
}

#[test]
fn what_cannot_be_loaded_is_told_and_the_worker_asks_for_other_work() {
    let (link, _, _worker) = worker(setup(), &Stop::default());
    take(&link);
    give(&link, 1, "missing", &["a"]);
    let told: Vec<_> = (0..3).map(|_| link.hear().unwrap()).collect();
    let stage = "missing".to_owned();
    let reason = "`m.onnx` is not there".to_owned();
    let expected = [
        FromWorker::Loading { stage },
        FromWorker::LoadFailed { lease: 1, reason },
        FromWorker::Take { max: 4, done: None },
    ];
    assert_eq!(told, expected);
    give(&link, 2, "echo", &["goes on"]);
    assert_eq!(said(take(&link).1), ["goes on"]);
}

#[test]
fn a_load_that_failed_once_may_succeed_later() {
    let (link, _, _worker) = worker(setup(), &Stop::default());
    take(&link);
    give(&link, 1, "late", &["a"]);
    assert_eq!(take(&link).1, None);
    give(&link, 2, "late", &["a"]);
    assert_eq!(said(take(&link).1), ["a"]);
}
