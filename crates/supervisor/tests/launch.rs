//! The shim begins nothing whose parent is gone, and says what it cannot start.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::IoSlice,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Command, Output, Stdio},
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

const CHILD: &str = env!("CARGO_BIN_EXE_framerill-test-child");
/// A program that leaves a trace on stderr, where its stdout goes too.
const TRACE: [&str; 3] = ["sh", "-c", "echo ran"];

/// The first of a namespace that bounds nothing.
const INIT: [&str; 3] = ["--init", "pid+proc", "0"];

fn launch(args: &[&str], stdin: Stdio) -> Output {
    let mut command = Command::new(CHILD);
    command.arg("launch").args(args).args(TRACE).stdin(stdin);
    command.output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_shim_with_the_parent_it_was_told_becomes_the_program() {
    let own = std::process::id().to_string();
    let output = launch(&["--parent", &own, "none", "0", "0", "0"], Stdio::null());
    assert_eq!(said(&output), (String::new(), "ran\n".into()));
}

#[test]
fn a_shim_whose_parent_is_another_begins_nothing() {
    let output = launch(&["--parent", "1", "none", "0", "0", "0"], Stdio::null());
    assert_eq!(said(&output), (String::new(), String::new()));
}

#[test]
fn an_init_whose_control_socket_is_hung_up_begins_nothing() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let output = launch(&INIT, parcel(&theirs));
    assert_eq!(said(&output), ("exited 0\n".into(), "ran\n".into()));

    drop(ours);
    let output = launch(&INIT, parcel(&theirs));
    assert_eq!(said(&output), ("exited 0\n".into(), String::new()));
}

#[test]
fn an_init_without_a_control_socket_begins_nothing_and_says_so() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let (record, log) = said(&launch(&INIT, OwnedFd::from(theirs).into()));
    assert!(
        record.starts_with("spawn-failed cannot take the control socket"),
        "{record}"
    );
    assert_eq!(log, "");
}

/// A socket whose queue holds `control`.
fn parcel(control: &UnixStream) -> Stdio {
    let (sender, parcel) = UnixStream::pair().unwrap();
    let fds = [control.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let byte = [IoSlice::new(&[0])];
    sendmsg(&sender, &byte, &mut ancillary, SendFlags::empty()).unwrap();
    OwnedFd::from(parcel).into()
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for args in [
        &["--parent", "x", "none", "0", "0", "0"][..],
        &["--parent", "1", "moon", "0", "0"],
        &["--parent", "1", "none", "-1", "0"],
        &["--parent", "1", "none", "0", "-1"],
        &["--parent", "1", "none", "0", "none"],
        &["--what"],
    ] {
        assert_eq!(
            launch(args, Stdio::null()).status.code(),
            Some(2),
            "{args:?}"
        );
    }
}
