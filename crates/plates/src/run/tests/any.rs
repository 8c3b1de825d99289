//! Whatever is said, by whomever, in whatever order: no panic, and an end in bounded time after a stop.

use std::time::Duration;

use proptest::prelude::*;

use super::{fake_flow::FakeFlow, world::ms};
use crate::{
    flow::{SourceEnd, SourceStatus, Taken},
    run::{
        Input, LeaseId, Machine, Outcome, Output, Prepared, ReaderId, ReaderSaid, Settings, Signal,
        VideoNo, WorkerId, WorkerSaid,
    },
    task::{self, Failure, TaskId},
};

#[derive(Clone, Debug)]
enum Said {
    Reader(u32, ReaderSaid),
    Worker(u32, WorkerSaid),
    Prepared(u32, u64),
    Scheduler,
    Deadline,
}

fn any_reader_said() -> impl Strategy<Value = ReaderSaid> {
    let frame = (0..6u64, 0..4u32, 0..4u32);
    prop_oneof![
        2 => (0..5u32).prop_map(|slots| ReaderSaid::Opened {
            slots,
            slot_bytes: 24,
            fps: Some(f64::NAN),
            frames: Some(0),
            taken: Taken::default(),
        }),
        6 => frame.prop_map(|(frame_idx, slot, width)| ReaderSaid::Frame {
            frame_idx: if frame_idx == 5 { u64::MAX } else { frame_idx },
            ts_ms: None,
            slot,
            width: if width == 3 { u32::MAX } else { width },
            height: 2,
        }),
        1 => Just(ReaderSaid::Alive { decoded: u64::MAX }),
        1 => (0..9u64).prop_map(|frame_idx| ReaderSaid::Lost { frame_idx }),
        1 => Just(ReaderSaid::NoStore("no".into())),
        1 => Just(ReaderSaid::Ended(SourceEnd {
            status: SourceStatus::Complete,
            reason: None,
            decoded: 1,
            failed: 0,
            fps: None,
            duration_ms: None,
            size_bytes: None,
        })),
        1 => Just(ReaderSaid::Gone("no".into())),
    ]
}

fn any_worker_said() -> impl Strategy<Value = WorkerSaid> {
    let outcomes = prop::collection::vec((0..9u64, 0..3u8), 0..3).prop_map(|all| {
        let result = |what| match what {
            0 => Ok(task::Output::VehicleDetect(Default::default())),
            1 => Ok(task::Output::FinalWrite {
                written: 1,
                refused: Vec::new(),
            }),
            _ => Err(Failure {
                reason: "no".into(),
                is_transient: true,
            }),
        };
        let outcome = |(task, what)| Outcome {
            task: TaskId(task),
            result: result(what),
        };
        all.into_iter().map(outcome).collect::<Vec<_>>()
    });
    prop_oneof![
        3 => Just(WorkerSaid::Joined { pid: 1 }),
        4 => (0..3u32).prop_map(|max| WorkerSaid::Takes { max }),
        4 => (0..9u64, outcomes).prop_map(|(lease, outcomes)| WorkerSaid::Did {
            lease: LeaseId(lease),
            outcomes,
            stage_us: u64::MAX,
        }),
        1 => Just(WorkerSaid::Alive { is_loading: true }),
        1 => Just(WorkerSaid::Alive { is_loading: false }),
        1 => (0..9u64).prop_map(|lease| WorkerSaid::LoadFailed {
            lease: LeaseId(lease),
            reason: "no".into(),
        }),
        1 => Just(WorkerSaid::Gone("no".into())),
        1 => Just(WorkerSaid::Lost("no".into())),
    ]
}

fn any_said() -> impl Strategy<Value = Said> {
    let worker = prop_oneof![0..3u32, 100..103u32];
    prop_oneof![
        6 => (0..4u32, any_reader_said()).prop_map(|(id, said)| Said::Reader(id, said)),
        6 => (worker, any_worker_said()).prop_map(|(id, said)| Said::Worker(id, said)),
        2 => (0..4u32, 0..3u64).prop_map(|(video, from)| Said::Prepared(video, from)),
        1 => Just(Said::Scheduler),
        1 => Just(Said::Deadline),
    ]
}

fn input(said: Said) -> Input<FakeFlow> {
    match said {
        Said::Reader(id, said) => Input::Reader {
            reader: ReaderId(id),
            said,
        },
        Said::Worker(id, said) => Input::Worker {
            worker: WorkerId(id),
            said,
        },
        Said::Prepared(video, from) => Input::Prepared {
            video: VideoNo(video),
            prepared: match from {
                2 => Prepared::Failed("no".into()),
                from => Prepared::Read {
                    flow: FakeFlow::new("video", Default::default(), 0),
                    from,
                },
            },
        },
        Said::Scheduler => Input::SchedulerGone,
        Said::Deadline => Input::Deadline,
    }
}

/// Drains what is said; back come the next deadline and whether the run is over.
fn drained(machine: &mut Machine<FakeFlow>) -> (Option<Duration>, bool) {
    let mut is_over = false;
    for _ in 0..100_000 {
        match machine.poll() {
            Output::WakeAt(at) => return (Some(at), is_over),
            Output::Idle => return (None, is_over),
            Output::Finished(_) => is_over = true,
            _ => {}
        }
    }
    panic!("it never stops talking");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn whatever_is_said_a_run_is_over_within_80_seconds_of_a_stop(
        all in prop::collection::vec((0..2000u64, any_said()), 0..150),
        stop in 0..150usize,
    ) {
        let settings = Settings { frame_slots: 3, ..Settings::default() };
        let videos = (0..3).map(|it| format!("video{it}")).collect();
        let mut now = Duration::ZERO;
        let mut machine = Machine::new(settings, videos, now);
        let (mut wake, mut is_over) = drained(&mut machine);
        let mut stopped = None;
        for (n, (pause, said)) in all.into_iter().enumerate() {
            if n == stop {
                machine.handle(now, Input::Stop(Signal::Terminate));
                stopped = Some(now);
                is_over |= drained(&mut machine).1;
            }
            now += ms(pause);
            machine.handle(now, input(said));
            let (next, over) = drained(&mut machine);
            (wake, is_over) = (next, is_over || over);
            let snapshot = machine.snapshot(now);
            prop_assert!(snapshot.store.frames <= 12 && snapshot.store.pools <= 4);
        }
        if stopped.is_none() {
            machine.handle(now, Input::Stop(Signal::Terminate));
            let (next, over) = drained(&mut machine);
            (wake, is_over) = (next, is_over || over);
        }
        let begin = now;
        for _ in 0..10_000 {
            let Some(at) = wake.filter(|_| !is_over) else {
                break;
            };
            now = now.max(at);
            machine.handle(now, Input::Deadline);
            let (next, over) = drained(&mut machine);
            (wake, is_over) = (next, is_over || over);
        }
        prop_assert!(is_over && machine.is_finished());
        prop_assert!(now - begin < Duration::from_secs(80), "{:?}", now - begin);
        prop_assert_eq!(machine.snapshot(now).store.frames, 0);
    }
}
