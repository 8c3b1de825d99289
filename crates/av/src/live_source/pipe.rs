//! Reading the pipe: waits for bytes, and for nothing else.

use std::os::fd::OwnedFd;

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read, retry_on_intr},
    time::Timespec,
};

use crate::{
    error::{AvError, Fault},
    source::Interrupt,
};

/// What a pipe holds by default.
const MOST: usize = 64 * 1024;
/// How often a wait looks at the interrupt.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// The reading end.
pub(super) struct Pipe {
    fd: OwnedFd,
    buffer: Vec<u8>,
    interrupt: Interrupt,
}

impl Pipe {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            buffer: Vec::new(),
            interrupt: Interrupt::default(),
        }
    }

    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The descriptor once more.
    pub(super) fn duplicate(&self) -> std::io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// What is there, as soon as there is any; empty at the end.
    pub(super) fn read(&mut self, name: &str) -> Result<&[u8], AvError> {
        self.buffer.resize(MOST, 0);
        loop {
            if self.interrupt.is_triggered() {
                return Err(AvError::Interrupted);
            }
            let failed = |errno: Errno| AvError::SourceRead {
                name: name.to_owned(),
                fault: Fault::from_errno(errno.raw_os_error()),
            };
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            if retry_on_intr(|| poll(&mut fds, Some(&LOOK_AGAIN))).map_err(failed)? == 0 {
                continue;
            }
            match retry_on_intr(|| read(&self.fd, &mut self.buffer[..])) {
                Ok(got) => return Ok(&self.buffer[..got]),
                Err(Errno::AGAIN) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}
