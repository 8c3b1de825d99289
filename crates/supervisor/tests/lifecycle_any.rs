//! Whatever happens, in whatever order: the machine is never stuck, never over budget, and always stops in time.

#![allow(clippy::unwrap_used, reason = "tests")]

mod simulated;

use std::time::Duration;

use framerill_sim::{End, Random, Script, for_each_seed};
use framerill_supervisor::{
    Config, ExitReason, KillReason, Lifecycle, Overuse,
    lifecycle::{Event, Fault, Input, Output, State},
};
use proptest::prelude::*;
use simulated::{events, kills, life, millis, owner, secs, spawns};

fn any_input() -> impl Strategy<Value = Input> {
    let fault = |code: &str| Fault {
        code: code.into(),
        message: String::new(),
    };
    prop_oneof![
        Just(Input::Spawned { pid: 1 }),
        Just(Input::SpawnFailed("no".into())),
        Just(Input::Hello),
        Just(Input::Ready {
            max_frame_time: None
        }),
        Just(Input::Ready {
            max_frame_time: Some(millis(500))
        }),
        Just(Input::Reloading),
        Just(Input::LoadFailed(fault("load_failed"))),
        Just(Input::LoadFailed(fault("params"))),
        any::<bool>().prop_map(|busy| Input::Heartbeat { busy }),
        (0..5u64, 0..3u64, 0..3u64).prop_map(|(answered, failed, waiting)| Input::Progress {
            answered,
            failed,
            waiting,
        }),
        Just(Input::FatalError(fault("process_failed"))),
        Just(Input::ProtocolViolation("no".into())),
        Just(Input::Overused(Overuse::Memory {
            used: 2,
            allowed: 1,
        })),
        Just(Input::ChannelClosed),
        Just(Input::Exited(ExitReason::Left)),
        Just(Input::Exited(ExitReason::Failed { code: 1 })),
        Just(Input::Drained),
        Just(Input::Deadline),
    ]
}

/// A stop is rare, or nothing else would be seen.
fn any_life() -> impl Strategy<Value = Vec<(Duration, Input)>> {
    let stop = (0..3000u64).prop_map(|drain| Input::StopRequested {
        drain: millis(drain),
    });
    let input = prop_oneof![40 => any_input(), 1 => stop];
    let pause = prop_oneof![3 => 0..50u64, 1 => 0..12_000u64].prop_map(millis);
    prop::collection::vec((pause, input), 0..120)
}

/// A driver without processes: hands deadlines in on time, keeps what comes out.
struct Bare {
    machine: Lifecycle,
    now: Duration,
    out: Vec<(Duration, Output)>,
    wake: Option<Duration>,
}

impl Bare {
    fn new(config: Config) -> Self {
        let mut this = Self {
            machine: Lifecycle::new(config, Duration::ZERO, 0),
            now: Duration::ZERO,
            out: Vec::new(),
            wake: None,
        };
        this.poll();
        this
    }

    fn poll(&mut self) {
        for _ in 0..100 {
            match self.machine.poll() {
                Output::WakeAt(at) => return self.wake = Some(at),
                Output::Idle => return self.wake = None,
                output => self.out.push((self.now, output)),
            }
        }
        panic!("it does not settle");
    }

    fn give(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.poll();
        let is_over = self.machine.state().is_terminal();
        assert_eq!(self.wake.is_none(), is_over, "stuck in {:?}", self.machine);
    }

    fn run_until(&mut self, end: Duration) {
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Deadline);
            let later = self.wake.is_none_or(|wake| wake > self.now);
            assert!(later, "its deadline came and stays: {:?}", self.machine);
        }
        self.now = end;
    }

    fn spawns(&self) -> usize {
        let spawn = |(_, output): &&(Duration, Output)| matches!(output, Output::Spawn { .. });
        self.out.iter().filter(spawn).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_inputs_it_waits_with_a_deadline_or_is_over(life in any_life()) {
        let mut bare = Bare::new(Config::default());
        for (pause, input) in life {
            bare.run_until(bare.now + pause);
            let was_over = bare.machine.state().is_terminal();
            let said = bare.out.len();
            bare.give(input);
            prop_assert!(!was_over || bare.out.len() == said, "the dead speak");
        }
        bare.run_until(bare.now + secs(100_000));
        prop_assert!(bare.machine.state().is_terminal(), "silence ends no life: {:?}", bare.machine);
    }

    #[test]
    fn it_never_spawns_more_than_its_budget_while_none_is_given_back(
        life in any_life(), max_restarts in 0..5u32,
    ) {
        let config = Config { max_restarts, healthy_time: secs(1_000_000), ..Config::default() };
        let mut bare = Bare::new(config);
        let mut restarts = 0;
        for (pause, input) in life {
            bare.run_until(bare.now + pause);
            bare.give(input);
            prop_assert!(bare.machine.restart_count() >= restarts, "the count fell");
            restarts = bare.machine.restart_count();
        }
        prop_assert!(bare.spawns() <= 1 + max_restarts as usize);
    }

    #[test]
    fn a_stop_ends_within_drain_exit_and_kill_time_even_if_nobody_answers(
        life in any_life(), drain in 0..60_000u64,
    ) {
        let config = Config::default();
        let mut bare = Bare::new(config.clone());
        for (pause, input) in life {
            bare.run_until(bare.now + pause);
            bare.give(input);
        }
        let spawns = bare.spawns();
        bare.give(Input::StopRequested { drain: millis(drain) });
        let asked = bare.now;
        bare.run_until(asked + millis(drain) + config.exit_time + config.kill_time);
        prop_assert!(bare.machine.state().is_terminal(), "{:?}", bare.machine);
        prop_assert_eq!(bare.spawns(), spawns, "a stop starts nothing");
    }

    #[test]
    fn a_child_that_fails_with_every_frame_is_hung_one_frame_time_after_its_first_failure(
        first in 0..50_000u64, pauses in prop::collection::vec(0..4000u64, 10..100), limit in 1..20u64,
    ) {
        let mut bare = Bare::new(Config { heartbeat_time: secs(1000), ..Config::default() });
        let limit = secs(limit);
        bare.give(Input::Spawned { pid: 1 });
        bare.give(Input::Hello);
        bare.give(Input::Ready { max_frame_time: Some(limit) });
        let progress = |failed| Input::Progress { answered: 0, failed, waiting: 1 };
        bare.give(progress(0));
        bare.run_until(millis(first));
        for (failed, pause) in (1..).zip(pauses) {
            bare.give(progress(failed));
            bare.run_until(bare.now + millis(pause));
        }
        bare.run_until(bare.now + limit);
        let kill = bare.out.iter().find_map(|(at, output)| match output {
            Output::Kill { why } => Some((*at, *why)),
            _ => None,
        });
        prop_assert_eq!(kill, Some((millis(first) + limit, KillReason::Hung)));
    }

    #[test]
    fn every_restart_that_is_told_comes_and_every_life_ends_with_one_word(life in any_life()) {
        let mut bare = Bare::new(Config::default());
        for (pause, input) in life {
            bare.run_until(bare.now + pause);
            bare.give(input);
        }
        bare.run_until(bare.now + secs(100_000));
        let count = |wanted: fn(&Event) -> bool| {
            let events = bare.out.iter().filter_map(|(_, output)| match output {
                Output::Event(event) => Some(event),
                _ => None,
            });
            events.filter(|event| wanted(event)).count()
        };
        let ends = count(|event| matches!(event, Event::Failed { .. } | Event::Stopped { .. }));
        prop_assert_eq!(ends, 1);
        let restarts = count(|event| matches!(event, Event::Restarting { .. }));
        // A stop may come in the pause before the last one.
        prop_assert!(bare.spawns() == restarts + 1 || bare.spawns() == restarts);
    }
}

fn any_script(random: &mut Random) -> Script {
    let span = |random: &mut Random| {
        let from = random.duration(secs(1)..secs(60));
        from..=from + random.duration(millis(1)..secs(20))
    };
    let ends = [End::Code(0), End::Code(1), End::Signal(9), End::Signal(11)];
    let sometimes = |random: &mut Random, n| random.one_in(n);
    Script {
        hello: (!sometimes(random, 20)).then(|| random.duration(millis(1)..secs(11))),
        load: (!sometimes(random, 20)).then(|| random.duration(millis(1)..secs(120))),
        frozen: sometimes(random, 3).then(|| span(random)),
        hangs: sometimes(random, 3).then(|| random.duration(secs(1)..secs(100))),
        busy: sometimes(random, 3).then(|| span(random)),
        frame: random.duration(millis(5)..secs(9)),
        ends: sometimes(random, 2)
            .then(|| (random.duration(millis(1)..secs(300)), *random.pick(&ends))),
        drain: (!sometimes(random, 4)).then(|| random.duration(millis(1)..secs(10))),
        obeys: !sometimes(random, 4),
        dies: (!sometimes(random, 10)).then(|| random.duration(millis(1)..millis(500))),
        ..Script::default()
    }
}

#[test]
fn any_child_in_any_trouble_is_killed_only_for_a_reason_and_stopped_in_time() {
    for_each_seed(1500, |seed, mut random| {
        let scripts: Vec<_> = (0..4).map(|_| any_script(&mut random)).collect();
        let config = Config::default();
        let mut life = life(config.clone(), scripts.clone());
        life.run_until(random.duration(secs(1)..secs(400)));
        let starts = spawns(&life);
        assert!(starts.len() <= 4, "seed {seed}");
        for (at, why) in kills(&life) {
            let nth = starts.iter().filter(|start| **start <= at).count() - 1;
            let (script, age) = (&scripts[nth], at - starts[nth]);
            let is_fair = match why {
                KillReason::NoHello => {
                    script.hello.is_none_or(|it| it >= secs(10)) && age == secs(10)
                }
                KillReason::Hung | KillReason::FirstFrame => {
                    script.hangs.is_some() || script.frozen.is_some()
                }
                KillReason::NoHeartbeat => script.frozen.is_some(),
                _ => false,
            };
            assert!(
                is_fair,
                "{why:?} at the age of {age:?} is not fair to {script:?}"
            );
        }
        let asked = life.agenda.now();
        let was_over = life.machine.lifecycle.state().is_terminal();
        life.give(owner(Input::StopRequested { drain: secs(5) }));
        life.run_until(asked + secs(5) + config.exit_time + config.kill_time);
        let state = life.machine.lifecycle.state();
        assert!(was_over || state == State::Stopped, "{state:?}");
        let last = events(&life).last().unwrap().1;
        assert!(
            matches!(last, Event::Stopped { .. } | Event::Failed { .. }),
            "{last:?}"
        );
    });
}
