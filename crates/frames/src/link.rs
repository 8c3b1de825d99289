//! One end of a frame link's socket: whole messages, descriptors, deadlines.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
        recvmsg, send, sendmsg, shutdown, socketpair,
    },
};

use crate::descriptor::{BYTES, Descriptor, DescriptorError};

/// Why a link cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other side closed its end.
    #[error("the frame link is closed")]
    Closed,
    /// Nothing went through in time.
    #[error("the other side of the frame link did not answer in time")]
    Deadline,
    /// What came is not a message.
    #[error("the other side broke the frame link's rules: {0}")]
    Protocol(#[from] DescriptorError),
    /// More or fewer descriptors than a message of this kind carries.
    #[error("the other side sent {0} descriptors with one message")]
    Descriptors(usize),
    /// The socket failed.
    #[error("cannot use the frame link")]
    Io(#[from] Errno),
}

/// A connected `SOCK_SEQPACKET` socket. Sending and receiving may happen in different threads.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Link {
    /// A link over a connected socket.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Two connected ends; both close on exec.
    pub fn pair() -> Result<(OwnedFd, OwnedFd), LinkError> {
        let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
        Ok(socketpair(family, SocketType::SEQPACKET, flags, None)?)
    }

    /// Sends one message. The slots of both pools bound how many can be under way, so that this waits only for a peer that
    /// does not read at all; after `within` that is an error.
    pub fn send(&self, message: &Descriptor, within: Duration) -> Result<(), LinkError> {
        let bytes = message.encode();
        loop {
            match send(&self.0, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::NOBUFS) => self.wait(PollFlags::OUT, within)?,
                Err(errno) => return Err(closed_or(errno)),
            }
        }
    }

    /// Sends one message together with a descriptor.
    pub fn send_with(&self, message: &Descriptor, fd: BorrowedFd<'_>) -> Result<(), LinkError> {
        let bytes = message.encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        sendmsg(
            &self.0,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .map_err(closed_or)?;
        Ok(())
    }

    /// The next message and the descriptor that came with it (close-on-exec). Without `within` it waits for ever; closing or
    /// [`Link::shutdown`] end the wait.
    pub fn recv(
        &self,
        within: Option<Duration>,
    ) -> Result<(Descriptor, Option<OwnedFd>), LinkError> {
        let mut bytes = [0u8; BYTES + 1];
        let mut was_reset = false;
        loop {
            if let Some(within) = within {
                self.wait(PollFlags::IN, within)?;
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = {
                let mut slices = [IoSliceMut::new(&mut bytes)];
                match recvmsg(&self.0, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
                    Ok(received) => received,
                    Err(Errno::INTR) => continue,
                    // A peer that left messages unread is told of first, once, and what it said before comes after that.
                    Err(Errno::CONNRESET) if !was_reset => {
                        was_reset = true;
                        continue;
                    }
                    Err(errno) => return Err(closed_or(errno)),
                }
            };
            if received.bytes == 0 {
                return Err(LinkError::Closed);
            }
            let mut fds = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            });
            let mut fds = fds.by_ref().flatten();
            let first = fds.next();
            let more = fds.count();
            if more > 0 || received.flags.contains(ReturnFlags::CTRUNC) {
                return Err(LinkError::Descriptors(1 + more));
            }
            return Ok((Descriptor::decode(&bytes[..received.bytes])?, first));
        }
    }

    /// Ends both directions and every wait on this end.
    pub fn shutdown(&self) {
        // A socket whose other side is gone is as shut as one can be.
        let _already_gone = shutdown(&self.0, Shutdown::Both);
    }

    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn wait(&self, what: PollFlags, within: Duration) -> Result<(), LinkError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            });
            match poll(
                &mut [PollFd::from_borrowed_fd(self.0.as_fd(), what)],
                Some(&timeout),
            ) {
                Ok(0) if left.is_zero() => return Err(LinkError::Deadline),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn closed_or(errno: Errno) -> LinkError {
    match errno {
        Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => LinkError::Closed,
        errno => LinkError::Io(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Geometry, Pool};

    const SOON: Duration = Duration::from_secs(5);

    fn ends() -> (Link, Link) {
        let (a, b) = Link::pair().unwrap();
        (Link::new(a), Link::new(b))
    }

    #[test]
    fn messages_and_a_pool_arrive_as_they_were_sent() {
        let (a, b) = ends();
        let pool = Pool::create(Geometry::for_pictures(1, 1).unwrap()).unwrap();
        a.send_with(&Descriptor::eos(), pool.fd()).unwrap();
        a.send(&Descriptor::release(3), SOON).unwrap();
        let (first, fd) = b.recv(Some(SOON)).unwrap();
        assert_eq!(first, Descriptor::eos());
        assert!(fd.is_some());
        let (second, fd) = b.recv(None).unwrap();
        assert_eq!(second, Descriptor::release(3));
        assert!(fd.is_none());
    }

    #[test]
    fn a_peer_that_is_gone_is_closed() {
        let (a, b) = ends();
        drop(b);
        assert!(matches!(a.recv(None), Err(LinkError::Closed)));
        assert!(matches!(
            a.send(&Descriptor::eos(), SOON),
            Err(LinkError::Closed)
        ));
    }

    #[test]
    fn what_a_peer_said_is_heard_although_it_left_messages_unread() {
        let (a, b) = ends();
        b.send(&Descriptor::release(3), SOON).unwrap();
        b.send(&Descriptor::eos(), SOON).unwrap();
        a.send(&Descriptor::release(7), SOON).unwrap();
        drop(b);
        assert_eq!(a.recv(None).unwrap().0, Descriptor::release(3));
        assert_eq!(a.recv(Some(SOON)).unwrap().0, Descriptor::eos());
        assert!(matches!(a.recv(None), Err(LinkError::Closed)));
    }

    #[test]
    fn shutdown_ends_a_wait_in_another_thread() {
        let (a, _b) = ends();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| a.recv(None));
            a.shutdown();
            assert!(matches!(waiter.join().unwrap(), Err(LinkError::Closed)));
        });
    }

    #[test]
    fn a_message_of_another_length_is_refused() {
        let (a, b) = Link::pair().unwrap();
        for length in [1usize, 127, 129, 500] {
            send(&a, &vec![0; length], SendFlags::empty()).unwrap();
        }
        let b = Link::new(b);
        for _ in 0..4 {
            assert!(matches!(b.recv(Some(SOON)), Err(LinkError::Protocol(_))));
        }
    }

    #[test]
    fn a_peer_that_never_reads_costs_the_deadline_and_no_more() {
        let (a, _b) = ends();
        let within = Duration::from_millis(5);
        let error = (0..100_000).find_map(|_| a.send(&Descriptor::eos(), within).err());
        assert!(matches!(error, Some(LinkError::Deadline)));
    }
}
