//! The way from a media process.

use std::os::fd::OwnedFd;

use super::progress::Process;

/// Media's end of the output's pipe.
pub(super) struct Wire {
    pub(super) process: Process,
    pub(super) fd: OwnedFd,
}
