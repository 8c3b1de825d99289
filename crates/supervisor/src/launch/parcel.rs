//! The control socket on its way through `unshare`, which would hold it open for as long as it waits for the namespace.
//!
//! So `unshare` gets a parcel as its stdin: one end of a socket pair whose queue holds the control socket. The init takes it
//! out, and nobody but the program has it then.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Puts `control` into a parcel. The parcel has one copy of it.
pub(super) fn pack(control: impl AsFd) -> io::Result<OwnedFd> {
    let (sender, parcel) = UnixStream::pair()?;
    let fds = [control.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let byte = [IoSlice::new(&[0])];
    sendmsg(&sender, &byte, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(parcel.into())
}

/// Takes out what a parcel holds.
pub(super) fn unpack(parcel: impl AsFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(
        parcel,
        &mut [IoSliceMut::new(&mut byte)],
        &mut ancillary,
        flags,
    )?;
    let mut fds = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    fds.next()
        .and_then(|mut fds| fds.next())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the parcel is empty"))
}
