//! The peer of the frame link's numbers: two processes that send each other 128 bytes and nothing else.

use std::{
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};

use framerill_frames::{Descriptor, Link};

use crate::{failure::Failure, program};

/// The other end: sends back what comes on descriptor 0 until it ends.
#[must_use]
pub(crate) fn echo() -> u8 {
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
        return 1;
    };
    let link = Link::new(socket);
    while let Ok((message, _)) = link.recv(None) {
        if link.send(&message, Duration::from_secs(5)).is_err() {
            break;
        }
    }
    0
}

/// Round trips of a bare message, in ns each.
pub(super) fn measure(rounds: u32) -> Result<Vec<u64>, Failure> {
    let broken = |what: String| Failure::failed("bench", what);
    let (ours, theirs) = Link::pair().map_err(|error| broken(error.to_string()))?;
    let mut child = Command::new(program::this()?)
        .args(["bench", "echo"])
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| broken(format!("cannot start the echo: {error}")))?;
    let times = round_trips(ours, rounds);
    // The echo ends with its link; that it ended is all there is to know.
    drop(child.wait());
    times.map_err(|error| broken(error.to_string()))
}

fn round_trips(socket: OwnedFd, rounds: u32) -> Result<Vec<u64>, framerill_frames::LinkError> {
    let link = Link::new(socket);
    let within = Duration::from_secs(5);
    let mut times = Vec::with_capacity(rounds as usize);
    for _ in 0..rounds {
        let began = framerill_worker::runtime::monotonic_ns();
        link.send(&Descriptor::eos(), within)?;
        link.recv(None)?;
        times.push(framerill_worker::runtime::monotonic_ns() - began);
    }
    Ok(times)
}
