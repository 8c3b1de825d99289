//! The rules of DESIGN (Death, Late is not hung, Budgets), each to the millisecond, in virtual time.

mod simulated;

use std::time::Duration;

use framerill_sim::{End, Script};
use framerill_supervisor::{
    Config, ExitReason, KillReason, Overuse,
    lifecycle::{Event, Fault, Input, Output, State},
};
use simulated::{events, kills, life, millis, owner, secs, spawns};

/// When a good process is ready: spawned, hello after 20 ms, loaded after 500 ms.
const READY: Duration = millis(520);

fn good() -> Script {
    Script::default()
}

fn crash_at(at: Duration) -> Script {
    Script {
        ends: Some((at, End::Signal(9))),
        ..good()
    }
}

#[test]
fn a_good_child_starts_loads_is_ready_and_nothing_is_killed() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(1000));
    assert_eq!(life.machine.lifecycle.state(), State::Ready);
    assert_eq!(kills(&life), []);
    assert_eq!(events(&life).count(), 2, "started, ready");
    assert_eq!(life.machine.lifecycle.ignored(), 0);
}

#[test]
fn a_hung_child_is_killed_at_max_frame_time_after_its_last_output_and_not_before() {
    let script = Script {
        hangs: Some(secs(5)),
        ..good()
    };
    let mut life = life(Config::default(), vec![script, good()]);
    life.run_until(secs(100));
    // Outputs every 33 ms from READY on; the last one before 5 s.
    let last = READY + millis(33) * ((5000 - 520 - 1) / 33);
    assert_eq!(kills(&life), [(last + secs(10), KillReason::Hung)]);
    assert_eq!(life.machine.lifecycle.state(), State::Ready);
    assert_eq!(life.machine.lifecycle.restart_count(), 1);
}

#[test]
fn a_description_that_comes_with_ready_sets_max_frame_time() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(millis(100));
    let say = |life: &mut simulated::Life, input| life.give(owner(input));
    say(
        &mut life,
        Input::Ready {
            max_frame_time: Some(secs(30)),
        },
    );
    say(
        &mut life,
        Input::Progress {
            answered: 1_000_001,
            failed: 0,
            waiting: 1,
        },
    );
    life.agenda
        .cancel(|said| !matches!(said.input, Input::Heartbeat { .. }));
    life.run_until(secs(60));
    assert_eq!(kills(&life)[0], (millis(100) + secs(30), KillReason::Hung));
}

#[test]
fn the_owners_max_frame_time_goes_before_the_descriptions() {
    let config = Config {
        max_frame_time_override: Some(secs(3)),
        ..Config::default()
    };
    let mut life = life(config, vec![good()]);
    life.run_until(millis(100));
    life.agenda
        .cancel(|said| !matches!(said.input, Input::Heartbeat { .. }));
    life.give(owner(Input::Ready {
        max_frame_time: Some(secs(30)),
    }));
    life.give(owner(Input::Progress {
        answered: 1_000_001,
        failed: 0,
        waiting: 1,
    }));
    life.run_until(secs(60));
    assert_eq!(kills(&life)[0], (millis(100) + secs(3), KillReason::Hung));
}

#[test]
fn a_child_of_whose_frames_nobody_tells_is_never_hung() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(millis(100));
    life.agenda
        .cancel(|said| !matches!(said.input, Input::Heartbeat { .. }));
    life.give(owner(Input::Ready {
        max_frame_time: None,
    }));
    life.run_until(secs(1000));
    assert_eq!(kills(&life), []);
}

#[test]
fn a_child_without_heartbeat_is_killed_after_5_seconds() {
    let script = Script {
        frozen: Some(secs(7)..=secs(500)),
        ..good()
    };
    let mut life = life(Config::default(), vec![script, good()]);
    life.run_until(secs(50));
    // Heartbeats at 20 ms past each second.
    let last = millis(6020);
    assert_eq!(kills(&life), [(last + secs(5), KillReason::NoHeartbeat)]);
}

#[test]
fn declared_long_work_is_not_killed_for_missing_outputs_or_heartbeats() {
    let script = Script {
        busy: Some(secs(3)..=secs(500)),
        frozen: Some(secs(10)..=secs(450)),
        ..good()
    };
    let mut life = life(Config::default(), vec![script]);
    life.run_until(secs(900));
    assert_eq!(kills(&life), []);
}

#[test]
fn declared_long_work_ends_at_its_own_deadline() {
    let script = Script {
        busy: Some(secs(3)..=secs(5000)),
        ..good()
    };
    let mut life = life(Config::default(), vec![script, good()]);
    life.run_until(secs(700));
    assert_eq!(
        kills(&life),
        [(millis(3020) + secs(600), KillReason::LongWork)]
    );
}

#[test]
fn loading_may_take_its_time_without_output_or_heartbeat_and_no_longer() {
    for (load, killed) in [(599, vec![]), (601, vec![KillReason::LoadTime])] {
        let script = Script {
            load: Some(secs(load)),
            frozen: Some(secs(1)..=secs(load)),
            ..good()
        };
        let mut life = life(Config::default(), vec![script, good()]);
        life.run_until(secs(650));
        let whys: Vec<_> = kills(&life).into_iter().map(|(_, why)| why).collect();
        assert_eq!(whys, killed, "{load} s");
    }
}

#[test]
fn the_first_frame_has_a_deadline_of_its_own() {
    for (frame, why, at) in [
        (59, KillReason::Hung, READY + secs(59) + secs(10)),
        (61, KillReason::FirstFrame, READY + secs(60)),
    ] {
        let script = Script {
            frame: secs(frame),
            ..good()
        };
        let mut life = life(Config::default(), vec![script, good()]);
        life.run_until(secs(200));
        assert_eq!(kills(&life), [(at, why)], "{frame} s a frame");
    }
}

#[test]
fn a_first_frame_that_fails_ends_its_allowance_and_those_after_it_have_the_usual_time() {
    for (first, skipped) in [(0, 0), (0, 1), (30, 0), (55, 1)] {
        let mut life = life(Config::default(), vec![good()]);
        life.run_until(READY);
        life.agenda
            .cancel(|said| !matches!(said.input, Input::Heartbeat { .. }));
        let progress = |failed| {
            owner(Input::Progress {
                answered: 1_000_000 + skipped,
                failed,
                waiting: 1,
            })
        };
        life.run_until(READY + secs(first));
        life.give(progress(1));
        for n in 2..20 {
            life.run_until(READY + secs(first) + millis(500 * n));
            life.give(progress(n));
        }
        life.run_until(READY + secs(first) + secs(20));
        let at = READY + secs(first) + secs(10);
        assert_eq!(kills(&life)[0], (at, KillReason::Hung), "{first} s");
    }
}

#[test]
fn after_a_reload_the_next_frame_is_a_first_one_again() {
    let script = Script {
        hangs: Some(secs(20)),
        ..good()
    };
    let mut life = life(Config::default(), vec![script, good()]);
    life.run_until(secs(20));
    life.give(owner(Input::Reloading));
    assert_eq!(life.machine.lifecycle.state(), State::Loading);
    life.run_until(secs(120));
    assert_eq!(kills(&life), [], "reloading");
    life.give(owner(Input::Ready {
        max_frame_time: None,
    }));
    life.run_until(secs(400));
    let (at, why) = kills(&life)[0];
    assert_eq!(why, KillReason::FirstFrame);
    assert!(at >= secs(180) && at <= secs(180) + millis(250), "{at:?}");
}

#[test]
fn a_late_child_is_told_once_and_never_killed() {
    // A steady 33 ms, then each frame just inside the limit.
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(10));
    life.agenda
        .cancel(|said| matches!(said.input, Input::Progress { .. }));
    let answered = 1_000_000 + 10_000;
    for n in 0..50 {
        life.give(owner(Input::Progress {
            answered: answered + n,
            failed: 0,
            waiting: 1,
        }));
        let next = life.agenda.now() + millis(9999);
        life.run_until(next);
    }
    assert_eq!(kills(&life), []);
    let late = events(&life).filter(|(_, event)| matches!(event, Event::Late { .. }));
    let recovered = events(&life).filter(|(_, event)| matches!(event, Event::Recovered { .. }));
    let (late, recovered) = (late.count(), recovered.count());
    assert!(late > 1 && (late - recovered) <= 1, "{late} {recovered}");
}

#[test]
fn late_is_twice_the_usual_interval_and_at_least_80_ms() {
    for (frame, after) in [(10, 80), (33, 80), (100, 200), (400, 800)] {
        let script = Script {
            frame: millis(frame),
            hangs: Some(secs(20)),
            ..good()
        };
        let mut life = life(Config::default(), vec![script, good()]);
        life.run_until(secs(25));
        let late = events(&life).find(|(_, event)| matches!(event, Event::Late { .. }));
        assert_eq!(
            late.unwrap().1,
            &Event::Late {
                after: millis(after)
            },
            "{frame} ms"
        );
    }
}

#[test]
fn a_child_that_waits_for_frames_is_neither_late_nor_hung() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(5));
    life.agenda
        .cancel(|said| matches!(said.input, Input::Progress { .. }));
    life.give(owner(Input::Progress {
        answered: 1_999_999,
        failed: 0,
        waiting: 0,
    }));
    life.run_until(secs(1000));
    assert_eq!(kills(&life), []);
    assert!(!events(&life).any(|(_, event)| matches!(event, Event::Late { .. })));
}

#[test]
fn the_first_restart_comes_in_the_moment_of_the_exit() {
    let mut life = life(Config::default(), vec![crash_at(secs(3)), good()]);
    life.run_until(secs(10));
    assert_eq!(spawns(&life), [Duration::ZERO, secs(3)]);
    assert_eq!(kills(&life), []);
    let restarting = events(&life).find_map(|(_, event)| match event {
        Event::Restarting {
            reason,
            restarts_left,
            ..
        } => Some((reason.to_string(), *restarts_left)),
        _ => None,
    });
    assert_eq!(restarting, Some(("killed by signal 9 (SIGKILL)".into(), 2)));
}

#[test]
fn a_child_that_always_crashes_is_started_once_and_max_restarts_times_with_growing_pauses() {
    let mut life = life(Config::default(), vec![crash_at(millis(100))]);
    life.run_until(secs(3600));
    let spawns = spawns(&life);
    assert_eq!(spawns.len(), 4);
    let pauses: Vec<_> = spawns
        .windows(2)
        .map(|pair| pair[1] - pair[0] - millis(100))
        .collect();
    assert_eq!(pauses[0], Duration::ZERO);
    assert!(
        millis(125) <= pauses[1] && pauses[1] <= millis(250),
        "{pauses:?}"
    );
    assert!(
        millis(250) <= pauses[2] && pauses[2] <= millis(500),
        "{pauses:?}"
    );
    assert_eq!(life.machine.lifecycle.state(), State::Failed);
    assert_eq!(life.machine.lifecycle.restart_count(), 3);
    assert_eq!(life.wake(), None);
}

#[test]
fn a_child_that_did_its_work_before_it_died_is_started_again_at_once() {
    let mut life = life(Config::default(), vec![crash_at(READY + secs(3))]);
    life.run_until(secs(60));
    let pauses: Vec<_> = events(&life)
        .filter_map(|(_, event)| match event {
            Event::Restarting { after, .. } => Some(*after),
            _ => None,
        })
        .collect();
    assert_eq!(pauses, [Duration::ZERO; 3]);
}

#[test]
fn ten_healthy_minutes_give_the_restarts_back_and_the_count_only_grows() {
    let mut life = life(Config::default(), vec![crash_at(READY + secs(601))]);
    life.run_until(secs(602 * 20));
    assert_eq!(life.machine.lifecycle.state(), State::Ready);
    assert!(life.machine.lifecycle.restart_count() >= 19);
    assert_eq!(life.machine.lifecycle.restarts_left(), 2);
    let pauses = events(&life).filter_map(|(_, event)| match event {
        Event::Restarting { after, .. } => Some(*after),
        _ => None,
    });
    assert_eq!(pauses.max(), Some(Duration::ZERO));
}

#[test]
fn nine_minutes_are_not_enough_to_get_a_restart_back() {
    let mut life = life(Config::default(), vec![crash_at(READY + secs(599))]);
    life.run_until(secs(3600));
    assert_eq!(life.machine.lifecycle.state(), State::Failed);
    assert_eq!(spawns(&life).len(), 4);
}

#[test]
fn a_child_without_restarts_fails_at_its_first_death() {
    let config = Config {
        max_restarts: 0,
        ..Config::default()
    };
    let mut life = life(config, vec![crash_at(secs(3))]);
    life.run_until(secs(10));
    assert_eq!(spawns(&life).len(), 1);
    assert!(matches!(
        events(&life).last(),
        Some((_, Event::Failed { .. }))
    ));
}

#[test]
fn a_child_that_says_no_hello_is_killed_after_its_deadline() {
    let script = Script {
        hello: None,
        ..good()
    };
    let mut life = life(Config::default(), vec![script, good()]);
    life.run_until(secs(20));
    assert_eq!(kills(&life), [(secs(10), KillReason::NoHello)]);
    assert_eq!(life.machine.lifecycle.state(), State::Ready);
}

#[test]
fn a_process_that_cannot_be_killed_does_not_hold_up_the_next_one() {
    let script = Script {
        hello: None,
        dies: None,
        ..good()
    };
    let mut life = life(Config::default(), vec![script, good()]);
    life.run_until(secs(20));
    assert_eq!(spawns(&life), [Duration::ZERO, secs(12)]);
    assert_eq!(life.machine.lifecycle.state(), State::Ready);
}

#[test]
fn a_stop_drains_then_the_child_leaves_by_itself() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(5));
    life.give(owner(Input::StopRequested { drain: secs(30) }));
    assert_eq!(life.machine.lifecycle.state(), State::Draining);
    life.run_until(secs(60));
    let stopped = Event::Stopped {
        exit: ExitReason::Asked,
    };
    assert_eq!(events(&life).last(), Some((secs(5) + millis(50), &stopped)));
    assert_eq!(kills(&life), []);
}

#[test]
fn a_child_that_neither_drains_nor_leaves_is_told_and_then_killed() {
    let script = Script {
        drain: None,
        obeys: false,
        ..good()
    };
    let mut life = life(Config::default(), vec![script]);
    life.run_until(secs(5));
    life.give(owner(Input::StopRequested { drain: secs(30) }));
    life.run_until(secs(60));
    assert_eq!(life.first(|it| *it == Output::SendBye), Some(secs(35)));
    assert_eq!(kills(&life), [(secs(36), KillReason::StopTime)]);
    assert_eq!(life.machine.lifecycle.state(), State::Stopped);
}

#[test]
fn a_second_stop_may_shorten_the_drain_and_not_lengthen_it() {
    let script = Script {
        drain: None,
        ..good()
    };
    let mut life = life(Config::default(), vec![script]);
    life.run_until(secs(5));
    life.give(owner(Input::StopRequested { drain: secs(30) }));
    life.give(owner(Input::StopRequested { drain: secs(1) }));
    life.give(owner(Input::StopRequested { drain: secs(90) }));
    life.run_until(secs(60));
    assert_eq!(life.first(|it| *it == Output::SendBye), Some(secs(6)));
}

#[test]
fn what_the_first_load_refused_is_not_tried_again() {
    let fault = |code: &str| Fault {
        code: code.into(),
        message: "no".into(),
    };
    for (code, retries_first_load, starts) in [
        ("unknown_pipeline", true, 1),
        ("params", true, 1),
        ("load_failed", true, 2),
        ("load_failed", false, 1),
    ] {
        let config = Config {
            retries_first_load,
            ..Config::default()
        };
        let mut life = life(config, vec![good()]);
        life.run_until(millis(100));
        life.give(owner(Input::LoadFailed(fault(code))));
        life.run_until(secs(5));
        assert_eq!(spawns(&life).len(), starts, "{code}");
    }
}

#[test]
fn the_last_words_of_a_child_are_the_reason_of_its_loss() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(2));
    life.give(owner(Input::FatalError(Fault {
        code: "process_failed".into(),
        message: "division by zero".into(),
    })));
    life.give(owner(Input::Exited(ExitReason::Failed { code: 1 })));
    let restarting = events(&life).last().unwrap().1;
    assert!(
        matches!(restarting, Event::Restarting { reason, .. } if reason.to_string() == "division by zero (`process_failed`)"),
        "{restarting:?}"
    );
}

#[test]
fn a_child_that_closed_its_channel_and_stays_is_killed() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(2));
    life.give(owner(Input::ChannelClosed));
    life.run_until(secs(4));
    assert_eq!(kills(&life), [(secs(3), KillReason::DidNotExit)]);
}

#[test]
fn time_in_which_the_supervisor_slept_is_forgiven_once() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(5));
    life.agenda.cancel(|_| true);
    let now = secs(100);
    life.agenda.advance(now);
    life.give(owner(Input::Deadline));
    assert_eq!(kills(&life), []);
    // What was left of the heartbeat's time when it fell asleep is left still.
    life.run_until(secs(104));
    assert_eq!(kills(&life), []);
    life.run_until(secs(105));
    assert_eq!(kills(&life).len(), 1);
}

#[test]
fn a_pause_of_the_whole_container_kills_nobody_who_beats_again() {
    let mut life = life(Config::default(), vec![good()]);
    life.run_until(secs(5));
    // Everything stands still until shortly after the heartbeat was due: that alone would count as missed.
    life.agenda.cancel(|_| true);
    life.agenda.advance(secs(10));
    life.give(owner(Input::Slept(secs(4))));
    life.give(owner(Input::Deadline));
    assert_eq!(kills(&life), []);
    // A child that does not beat again within what was left is killed.
    life.run_until(secs(20));
    assert_eq!(kills(&life).len(), 1);
}

#[test]
fn a_child_that_takes_too_much_is_killed_and_told_how_much_it_took() {
    let mut life = life(Config::default(), vec![good(), good()]);
    life.run_until(secs(1));
    let overuse = Overuse::Memory {
        used: 3 << 20,
        allowed: 2 << 20,
    };
    life.give(owner(Input::Overused(overuse)));
    life.run_until(secs(10));
    assert_eq!(kills(&life), [(secs(1), KillReason::MemoryLimit)]);
    let reasons: Vec<_> = events(&life)
        .filter_map(|(_, it)| match it {
            Event::Restarting { reason, .. } => {
                Some((reason.kind().to_owned(), reason.to_string()))
            }
            _ => None,
        })
        .collect();
    let told = "it used 3 MiB of memory (3145728 bytes) and may use 2 MiB (2097152 bytes) (`memory_limit`)";
    assert_eq!(reasons, [("memory_limit".to_owned(), told.to_owned())]);
    assert_eq!(life.machine.lifecycle.state(), State::Ready);
}
