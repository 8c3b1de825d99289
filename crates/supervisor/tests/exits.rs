//! How a child ended is told truly, through every kind of namespace.

mod stage;

use framerill_supervisor::{Command, Event, ExitReason, KillReason};
use framerill_worker::message::{FromChild, ToChild};
use stage::{CHILD, Running, SOON, command, kill, namespaces, tree};

#[test]
fn an_exit_code_is_the_programs_own_even_where_shells_mean_a_signal() {
    for namespace in namespaces() {
        for (code, reason) in [
            ("0", ExitReason::Left),
            ("1", ExitReason::Failed { code: 1 }),
            ("2", ExitReason::Protocol),
            ("137", ExitReason::Failed { code: 137 }),
        ] {
            let running = Running::start(&command(&["exit", code]).namespace(namespace));
            assert_eq!(running.exit(), reason, "{code} in {namespace}");
        }
    }
}

#[test]
fn a_signal_that_the_program_sends_itself_is_told_with_its_number() {
    for namespace in namespaces() {
        for (name, number) in [("KILL", 9), ("ABRT", 6), ("TERM", 15)] {
            let running = Running::start(&command(&["signal", name]).namespace(namespace));
            let exit = running.exit();
            assert!(
                matches!(exit, ExitReason::Signal { signal, .. } if signal == number),
                "{exit:?} in {namespace}"
            );
        }
    }
}

#[test]
fn a_program_that_does_not_exist_is_a_failed_spawn_that_names_it() {
    for namespace in namespaces() {
        let command = Command::new("/no/such/program").launcher(CHILD);
        match Running::start(&command.namespace(namespace)).exit() {
            ExitReason::SpawnFailed { what } => {
                assert!(what.contains("/no/such/program"), "{what}");
                assert!(what.contains("No such file"), "{what}");
            }
            other => panic!("{other:?} in {namespace}"),
        }
    }
}

#[test]
fn a_child_that_was_asked_leaves_as_asked_and_its_last_words_come_before_its_exit() {
    for namespace in namespaces() {
        let running = Running::start(&command(&["speak"]).namespace(namespace));
        running.until_message(|message| matches!(message, FromChild::Hello { .. }));
        running.child.send(&ToChild::Drain { id: 5 }, &[]).unwrap();
        let (events, exit) = running.to_end();
        assert_eq!(exit, ExitReason::Asked);
        let drained =
            |event: &Event| matches!(event, Event::Message(FromChild::Drained { id: 5, .. }, _));
        assert!(events.iter().any(drained), "{events:?}");
        assert!(
            matches!(events.last(), Some(Event::ChannelClosed(None))),
            "{events:?}"
        );
    }
}

#[test]
fn a_kill_of_the_parents_names_its_reason_and_one_from_outside_is_a_signal() {
    for namespace in namespaces() {
        let running = Running::start(&command(&["speak"]).namespace(namespace));
        running.until_message(|message| matches!(message, FromChild::Hello { .. }));
        running.child.kill(KillReason::Hung);
        let why = KillReason::Hung;
        assert_eq!(running.exit(), ExitReason::Killed { why }, "{namespace}");

        let running = Running::start(&command(&["speak"]).namespace(namespace));
        running.until_message(|message| matches!(message, FromChild::Hello { .. }));
        kill(tree::program(running.child.pid(), namespace).unwrap());
        let signal = ExitReason::Signal {
            signal: 9,
            core: false,
        };
        assert_eq!(running.exit(), signal, "{namespace}");
    }
}

#[test]
fn stdout_and_stderr_are_log_lines_and_none_is_lost_at_the_exit() {
    for namespace in namespaces() {
        let (events, _) = Running::start(&command(&["print"]).namespace(namespace)).to_end();
        let mut lines: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::LogLine(line) => Some(line.as_str()),
                _ => None,
            })
            .collect();
        lines.sort_unstable();
        assert_eq!(
            lines.concat(),
            "on stderr, no end of lineon stdout",
            "{namespace}"
        );
    }
}

#[test]
fn words_that_are_no_protocol_close_the_channel_with_what_is_wrong() {
    let running = Running::start(&command(&["garbage"]));
    let closed = running
        .notices
        .iter()
        .find_map(|notice| match notice.event {
            Event::ChannelClosed(what) => Some(what),
            _ => None,
        });
    assert!(closed.flatten().unwrap().contains("4294967295 bytes"));
}

#[test]
fn a_child_that_does_not_read_costs_its_owner_a_deadline_and_no_more() {
    let running = Running::start(&command(&["mute"]));
    let big = ToChild::Describe {
        id: 1,
        pipeline: "x".repeat(500_000),
    };
    let refused = (0..8).find_map(|_| running.child.send(&big, &[]).err());
    assert!(refused.unwrap().to_string().contains("did not read"));
}

#[test]
fn a_program_that_lets_go_of_its_control_socket_and_stays_is_seen() {
    for namespace in namespaces() {
        let command = Command::new("sh")
            .args(["-c", "exec <&-; exec sleep 20"])
            .namespace(namespace)
            .launcher(CHILD);
        let running = Running::start(&command);
        let first = running.notices.recv_timeout(SOON).unwrap().event;
        assert!(
            matches!(first, Event::ChannelClosed(None)),
            "{first:?} in {namespace}"
        );
    }
}

#[test]
fn variables_and_folder_reach_the_program() {
    for namespace in namespaces() {
        let command = Command::new("sh")
            .args(["-c", "echo \"$GREETING $(pwd) ${HOME-gone}\" >&2"])
            .env("GREETING", "hello")
            .env_remove("HOME")
            .cwd("/usr")
            .namespace(namespace)
            .launcher(CHILD);
        let (events, _) = Running::start(&command).to_end();
        let said =
            |event: &Event| matches!(event, Event::LogLine(line) if line == "hello /usr gone");
        assert!(events.iter().any(said), "{events:?}");
    }
}
