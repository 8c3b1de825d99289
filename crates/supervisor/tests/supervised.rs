//! The driver with real processes: restarts, deadlines, stops.

#![allow(clippy::unwrap_used, reason = "tests")]

mod owner;
mod stage;

use std::time::Duration;

use framerill_supervisor::{
    Config, ExitReason, KillReason,
    isolation::Namespace,
    lifecycle::{Event, State},
};
use owner::Owner;
use stage::{command, kill, namespaces, tree};

fn quick() -> Config {
    Config {
        hello_time: Duration::from_millis(500),
        heartbeat_time: Duration::from_millis(500),
        exit_time: Duration::from_millis(200),
        ..Config::default()
    }
}

fn killed(event: &Event) -> Option<KillReason> {
    match event {
        Event::Restarting { reason, .. } | Event::Failed { reason } => match reason.exit {
            ExitReason::Killed { why } => Some(why),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn a_worker_killed_three_times_comes_back_three_times_and_then_fails() {
    for namespace in namespaces() {
        let mut owner = Owner::start(Config::default(), command(&["speak"]).namespace(namespace));
        for incarnation in 1..=4 {
            let ready = owner.event(|event| matches!(event, Event::Ready { .. }));
            assert!(
                matches!(ready, Event::Ready { incarnation: it, reloaded: false } if it == incarnation)
            );
            kill(tree::program(owner.child.pid().unwrap(), namespace).unwrap());
            let lost = owner
                .event(|event| matches!(event, Event::Restarting { .. } | Event::Failed { .. }));
            let (Event::Restarting { reason, .. } | Event::Failed { reason }) = lost else {
                unreachable!()
            };
            assert_eq!(reason.to_string(), "killed by signal 9 (SIGKILL)");
        }
        assert_eq!(owner.child.state(), State::Failed);
        assert_eq!(owner.child.lifecycle().restart_count(), 3);
        assert_eq!(owner.child.next_deadline(), None);
    }
}

#[test]
fn a_worker_whose_heartbeat_stops_is_killed_and_restarted() {
    let mut owner = Owner::start(quick(), command(&["numb"]));
    let lost = owner.event(|event| killed(event).is_some());
    assert_eq!(killed(&lost), Some(KillReason::NoHeartbeat));
    owner.event(|event| matches!(event, Event::Ready { incarnation: 2, .. }));
}

#[test]
fn a_worker_that_hangs_on_a_frame_is_killed_and_one_that_is_late_is_not() {
    let config = Config {
        max_frame_time: Duration::from_millis(600),
        ..Config::default()
    };
    let mut owner = Owner::start(config, command(&["speak"]));
    owner.event(|event| matches!(event, Event::Ready { .. }));
    for answered in 1..=8 {
        owner.child.progress(answered, 0, 1);
    }
    let late = owner.event(|event| !matches!(event, Event::Started { .. }));
    assert!(matches!(late, Event::Late { .. }), "{late:?}");
    let lost = owner.event(|_| true);
    assert_eq!(killed(&lost), Some(KillReason::Hung));
}

#[test]
fn a_program_that_says_nothing_is_killed_at_the_hello_deadline() {
    let config = Config {
        max_restarts: 0,
        ..quick()
    };
    let mut owner = Owner::start(config, command(&["mute"]));
    let lost = owner.event(|event| killed(event).is_some());
    assert_eq!(killed(&lost), Some(KillReason::NoHello));
    assert_eq!(owner.child.state(), State::Failed);
}

#[test]
fn a_program_that_breaks_the_protocol_is_killed_and_said_so() {
    let config = Config {
        max_restarts: 0,
        ..quick()
    };
    let mut owner = Owner::start(config, command(&["garbage"]));
    match owner.event(|event| matches!(event, Event::Failed { .. })) {
        Event::Failed { reason } => {
            assert_eq!(
                reason.exit,
                ExitReason::Killed {
                    why: KillReason::Protocol
                }
            );
            assert_eq!(reason.fault.unwrap().code, "protocol");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_that_broke_a_rule_its_owner_watches_is_killed_and_restarted() {
    let mut owner = Owner::start(Config::default(), command(&["speak"]));
    owner.event(|event| matches!(event, Event::Ready { .. }));
    owner.child.violated("a slot that does not exist".into());
    match owner.event(|event| matches!(event, Event::Restarting { .. })) {
        Event::Restarting { reason, .. } => {
            assert_eq!(
                reason.to_string(),
                "a slot that does not exist (`protocol`)"
            );
        }
        other => panic!("{other:?}"),
    }
    owner.event(|event| matches!(event, Event::Ready { incarnation: 2, .. }));
}

#[test]
fn a_pipeline_that_does_not_exist_fails_at_once_and_is_not_tried_again() {
    let mut owner = Owner::start(Config::default(), command(&["refuse"]));
    match owner.event(|event| matches!(event, Event::Failed { .. })) {
        Event::Failed { reason } => {
            assert_eq!(reason.to_string(), "there is no `x` (`unknown_pipeline`)");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(owner.child.lifecycle().restart_count(), 0);
}

#[test]
fn a_program_that_does_not_exist_fails_at_once() {
    for namespace in [Namespace::None, namespaces()[0]] {
        let command = framerill_supervisor::Command::new("/no/such/program")
            .launcher(stage::CHILD)
            .namespace(namespace);
        let mut owner = Owner::start(Config::default(), command);
        let failed = owner.event(|event| matches!(event, Event::Failed { .. }));
        assert!(
            format!("{failed:?}").contains("/no/such/program"),
            "{failed:?}"
        );
        assert_eq!(owner.child.lifecycle().incarnation(), 1);
    }
}

#[test]
fn a_stop_drains_and_ends_as_asked() {
    for namespace in namespaces() {
        let mut owner = Owner::start(Config::default(), command(&["speak"]).namespace(namespace));
        owner.event(|event| matches!(event, Event::Ready { .. }));
        owner.child.stop(Duration::from_secs(5));
        let exit = ExitReason::Asked;
        let stopped = owner.event(|event| matches!(event, Event::Stopped { .. }));
        assert_eq!(stopped, Event::Stopped { exit });
        assert_eq!(owner.child.pid(), None);
    }
}

#[test]
fn a_stop_of_a_child_that_does_not_listen_ends_with_a_kill() {
    let mut owner = Owner::start(quick(), command(&["deaf"]));
    owner.event(|event| matches!(event, Event::Ready { .. }));
    owner.child.stop(Duration::from_millis(200));
    let why = KillReason::StopTime;
    let exit = ExitReason::Killed { why };
    let stopped = owner.event(|event| matches!(event, Event::Stopped { .. }));
    assert_eq!(stopped, Event::Stopped { exit });
}
