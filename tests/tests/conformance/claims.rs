//! What every role owes its parent.

use std::os::fd::AsFd;

use framerill_worker::message::{ErrorReport, FromChild, PROTOCOL};
use serde_json::json;

use crate::child::{Kind, Running};

fn error(running: &Running) -> ErrorReport {
    match running.answer() {
        FromChild::Error(report) => report,
        other => panic!("an error was due, not {other:?}"),
    }
}

pub(crate) fn hello_comes_first_and_names_the_protocol(kind: &Kind) {
    match kind.start().next().expect("a first message") {
        FromChild::Hello {
            protocol,
            role,
            name,
            version,
            language,
            pid,
        } => {
            assert_eq!((protocol, role), (PROTOCOL, kind.role));
            assert!(!name.is_empty() && !version.is_empty() && pid > 0);
            assert!(["rust", "python"].contains(&language.as_str()));
        }
        other => panic!("hello was due, not {other:?}"),
    }
}

pub(crate) fn heartbeats_come_unasked(kind: &Kind) {
    let running = kind.greeted();
    for _ in 0..2 {
        running.wait_for(|message| matches!(message, FromChild::Heartbeat { .. }));
    }
}

pub(crate) fn requests_before_load_are_refused_and_the_child_goes_on(kind: &Kind) {
    let running = kind.greeted();
    running.request("update", 5, json!({"params": {}}));
    let report = error(&running);
    assert_eq!((report.id, report.code.as_str()), (Some(5), "not_loaded"));
    running.request("load", 6, kind.load.clone());
    running.wait_for(|message| matches!(message, FromChild::Ready { id: 6, .. }));
}

pub(crate) fn an_unknown_message_is_answered_and_ignored(kind: &Kind) {
    let running = kind.greeted();
    running.request("sing", 7, json!({"song": "none"}));
    let report = error(&running);
    assert_eq!(
        (report.id, report.code.as_str()),
        (Some(7), "unknown_message")
    );
    running.request("load", 8, kind.load.clone());
    running.wait_for(|message| matches!(message, FromChild::Ready { id: 8, .. }));
}

pub(crate) fn a_second_load_is_refused(kind: &Kind) {
    let running = kind.loaded();
    running.request("load", 2, kind.load.clone());
    let report = error(&running);
    assert_eq!(
        (report.id, report.code.as_str()),
        (Some(2), "already_loaded")
    );
}

pub(crate) fn load_is_answered_with_ready(kind: &Kind) {
    let running = kind.greeted();
    running.request("load", 3, kind.load.clone());
    match running.answer() {
        FromChild::Ready {
            id: 3,
            description,
            source,
        } => {
            assert!(
                description.is_some() != source.is_some(),
                "a worker describes, media measures"
            );
        }
        other => panic!("ready was due, not {other:?}"),
    }
}

pub(crate) fn a_wrong_load_is_answered_and_may_be_repeated(kind: &Kind) {
    let running = kind.greeted();
    running.request("load", 1, kind.wrong_load.clone());
    let report = error(&running);
    assert_eq!(report.id, Some(1));
    assert!(!report.fatal && !report.message.is_empty());
    running.request("load", 2, kind.load.clone());
    running.wait_for(|message| matches!(message, FromChild::Ready { id: 2, .. }));
}

pub(crate) fn bye_ends_with_code_zero(kind: &Kind) {
    let mut running = kind.loaded();
    running.request("bye", 0, json!({}));
    assert_eq!(running.exit_code(), 0);
}

pub(crate) fn drain_is_answered_and_ends_with_code_zero(kind: &Kind) {
    let mut running = kind.loaded();
    running.request("drain", 9, json!({}));
    running.wait_for(|message| matches!(message, FromChild::Drained { id: 9, .. }));
    assert_eq!(running.exit_code(), 0);
}

pub(crate) fn the_end_of_the_parent_ends_the_child(kind: &Kind) {
    let mut running = kind.loaded();
    running.hang_up();
    assert_eq!(running.exit_code(), 0);
}

pub(crate) fn a_wrong_length_ends_with_code_two(kind: &Kind) {
    for length in [0u32, 24 << 20 | 1, u32::MAX] {
        let mut running = kind.greeted();
        running.write_raw(&length.to_le_bytes());
        assert_eq!(error(&running).code, "protocol");
        assert_eq!(running.exit_code(), 2);
    }
}

pub(crate) fn text_that_is_not_json_ends_with_code_two(kind: &Kind) {
    for text in ["nonsense", "\u{0}\u{1}", "{\"type\":"] {
        let mut running = kind.greeted();
        let length = u32::try_from(text.len()).expect("short");
        running.write_raw(&[&length.to_le_bytes(), text.as_bytes()].concat());
        assert_eq!(error(&running).code, "protocol");
        assert_eq!(running.exit_code(), 2);
    }
}

pub(crate) fn descriptors_that_were_not_announced_end_with_code_two(kind: &Kind) {
    let mut running = kind.greeted();
    let file = std::fs::File::open("/dev/null").expect("it is there");
    running.smuggle(file.as_fd());
    assert_eq!(error(&running).code, "protocol");
    assert_eq!(running.exit_code(), 2);
}
