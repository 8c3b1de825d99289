//! One end of the child protocol's socket: framing, descriptors, deadlines.
//!
//! A driver: it knows lengths and descriptors and nothing of what messages mean.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::message::{MAX_FDS, MAX_MESSAGE, MAX_REQUEST};

/// Why a channel cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The other side closed its end between two messages.
    #[error("the other side closed the channel")]
    Closed,
    /// Nothing (or not all of it) went through in time.
    #[error("the other side did not {0} in time")]
    Deadline(&'static str),
    /// What came is not the protocol.
    #[error("the other side broke the protocol: {0}")]
    Protocol(String),
    /// The socket failed.
    #[error("cannot use the channel")]
    Io(#[from] io::Error),
}

/// A connected socket that carries messages and descriptors.
///
/// `send` may be called from several threads; `recv` belongs to one.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
    sending: Mutex<()>,
    longest_in: usize,
    longest_out: usize,
}

impl Channel {
    /// A parent's end of a connected socket: requests go out, answers come.
    #[must_use]
    pub fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            sending: Mutex::new(()),
            longest_in: MAX_MESSAGE,
            longest_out: MAX_REQUEST,
        }
    }

    /// A child's end: requests come, answers go out.
    #[must_use]
    pub fn of_child(socket: UnixStream) -> Self {
        Self {
            longest_in: MAX_REQUEST,
            longest_out: MAX_MESSAGE,
            ..Self::new(socket)
        }
    }

    /// An end of a link beside the control socket, whose both ends are of this build: either may say as much as a request.
    #[must_use]
    pub fn of_link(socket: UnixStream) -> Self {
        Self {
            longest_in: MAX_REQUEST,
            ..Self::new(socket)
        }
    }

    /// Two connected ends; both close on exec.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        UnixStream::pair()
    }

    /// Sends one message with its descriptors. After an error the channel is of no more use.
    pub fn send<M: Serialize>(
        &self,
        message: &M,
        fds: &[BorrowedFd<'_>],
        within: Duration,
    ) -> Result<(), ChannelError> {
        let body = serde_json::to_vec(message)
            .map_err(|error| ChannelError::Protocol(format!("cannot encode a message: {error}")))?;
        if body.len() > self.longest_out || fds.len() > MAX_FDS {
            return Err(ChannelError::Protocol(format!(
                "a message of {} bytes with {} descriptors is too long to send",
                body.len(),
                fds.len()
            )));
        }
        let length = u32::try_from(body.len())
            .expect("bounded above")
            .to_le_bytes();
        let mut bytes = Vec::with_capacity(4 + body.len());
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(&body);

        let deadline = Deadline::after(within + more_time(body.len()));
        let _one_at_a_time = self
            .sending
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        let mut sent = 0;
        while sent < bytes.len() {
            deadline.wait(self.socket.as_fd(), PollFlags::OUT, "read")?;
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if sent == 0 && !fds.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(fds));
            }
            let slice = [IoSlice::new(&bytes[sent..])];
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(&self.socket, &slice, &mut control, flags) {
                Ok(n) => sent += n,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => {
                    return Err(ChannelError::Closed);
                }
                Err(errno) => return Err(ChannelError::Io(errno.into())),
            }
        }
        Ok(())
    }

    /// The next message as JSON, and its descriptors (close-on-exec). `within` bounds the wait for its first byte (none:
    /// for ever) and for the rest after that.
    pub fn recv_value(
        &self,
        within: Option<Duration>,
    ) -> Result<(Value, Vec<OwnedFd>), ChannelError> {
        let mut fds = Vec::new();
        let mut head = [0u8; 4];
        let first = within.map(Deadline::after);
        self.fill(&mut head, first.as_ref(), true, &mut fds)?;
        let length = u32::from_le_bytes(head) as usize;
        if length == 0 || length > self.longest_in {
            return Err(ChannelError::Protocol(format!(
                "a message of {length} bytes"
            )));
        }
        let mut body = vec![0u8; length];
        self.fill(
            &mut body,
            Some(&Deadline::after(REST_OF_A_MESSAGE)),
            false,
            &mut fds,
        )?;
        let value: Value = serde_json::from_slice(&body).map_err(|error| {
            ChannelError::Protocol(format!("a message that is not JSON: {error}"))
        })?;
        let announced = value.get("fds").and_then(Value::as_u64).unwrap_or(0);
        if announced != fds.len() as u64 {
            return Err(ChannelError::Protocol(format!(
                "{} descriptors came where {announced} were announced",
                fds.len()
            )));
        }
        Ok((value, fds))
    }

    /// The next message as a type; see [`Channel::recv_value`].
    pub fn recv<M: DeserializeOwned>(
        &self,
        within: Option<Duration>,
    ) -> Result<(M, Vec<OwnedFd>), ChannelError> {
        let (value, fds) = self.recv_value(within)?;
        let kind = value
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned();
        let message = serde_json::from_value(value).map_err(|error| {
            ChannelError::Protocol(format!("a wrong `{kind}` message: {error}"))
        })?;
        Ok((message, fds))
    }

    fn fill(
        &self,
        mut into: &mut [u8],
        deadline: Option<&Deadline>,
        may_end: bool,
        fds: &mut Vec<OwnedFd>,
    ) -> Result<(), ChannelError> {
        let wanted = into.len();
        while !into.is_empty() {
            match deadline {
                Some(deadline) => deadline.wait(self.socket.as_fd(), PollFlags::IN, "write")?,
                None => wait_for_ever(self.socket.as_fd())?,
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            let received = {
                let mut slice = [IoSliceMut::new(into)];
                match recvmsg(&self.socket, &mut slice, &mut control, flags) {
                    Ok(received) => received,
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => continue,
                    Err(rustix::io::Errno::CONNRESET) => return Err(ChannelError::Closed),
                    Err(errno) => return Err(ChannelError::Io(errno.into())),
                }
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(more) = message {
                    fds.extend(more);
                }
            }
            if fds.len() > MAX_FDS {
                return Err(ChannelError::Protocol("too many descriptors".into()));
            }
            if received.bytes == 0 {
                let clean = may_end && into.len() == wanted;
                return Err(if clean {
                    ChannelError::Closed
                } else {
                    ChannelError::Protocol("the channel ended inside a message".into())
                });
            }
            into = &mut into[received.bytes..];
        }
        Ok(())
    }

    /// Takes in nothing more than what has come; what is said still goes out.
    pub fn end_receiving(&self) {
        // A socket whose other side is gone is as shut as one can be.
        drop(self.socket.shutdown(std::net::Shutdown::Read));
    }

    /// Ends both directions; a `recv` that waits in another thread returns [`ChannelError::Closed`].
    pub fn shutdown(&self) {
        // A socket whose other side is gone is as shut as one can be.
        drop(self.socket.shutdown(std::net::Shutdown::Both));
    }
}

/// What the longest request gets beside the time of every message.
const LONG_MESSAGE: Duration = Duration::from_secs(1);
/// Once a message has begun, its rest has this long to arrive.
const REST_OF_A_MESSAGE: Duration = Duration::from_secs(10);

/// The time that a message gets for its length.
fn more_time(bytes: usize) -> Duration {
    let mebibytes = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    let most = u32::try_from(MAX_REQUEST >> 20).unwrap_or(1);
    LONG_MESSAGE * mebibytes / most
}

struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn after(within: Duration) -> Self {
        Self(Instant::now() + within)
    }

    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn wait(
        &self,
        fd: BorrowedFd<'_>,
        what: PollFlags,
        verb: &'static str,
    ) -> Result<(), ChannelError> {
        loop {
            let left = self.0.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            });
            match poll(&mut [PollFd::from_borrowed_fd(fd, what)], Some(&timeout)) {
                Ok(0) if left.is_zero() => return Err(ChannelError::Deadline(verb)),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(ChannelError::Io(errno.into())),
            }
        }
    }
}

fn wait_for_ever(fd: BorrowedFd<'_>) -> Result<(), ChannelError> {
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(ChannelError::Io(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::message::ToChild;

    const SOON: Duration = Duration::from_secs(5);

    fn ends() -> (Channel, Channel) {
        let (a, b) = Channel::pair().unwrap();
        (Channel::new(a), Channel::of_child(b))
    }

    #[test]
    fn a_message_arrives_as_it_was_sent() {
        let (a, b) = ends();
        let message = ToChild::Describe {
            id: 7,
            pipeline: "invert".into(),
        };
        a.send(&message, &[], SOON).unwrap();
        assert_eq!(b.recv::<ToChild>(Some(SOON)).unwrap().0, message);
    }

    #[test]
    fn descriptors_arrive_with_their_message() {
        let (a, b) = ends();
        let (mut left, right) = UnixStream::pair().unwrap();
        let message = ToChild::Load {
            id: 1,
            pipeline: None,
            params: serde_json::Map::new(),
            base: None,
            media: None,
            fds: 1,
        };
        a.send(&message, &[right.as_fd()], SOON).unwrap();
        let (_, mut fds) = b.recv::<ToChild>(Some(SOON)).unwrap();
        let mut got = UnixStream::from(fds.pop().unwrap());
        left.write_all(b"x").unwrap();
        let mut byte = [0];
        io::Read::read_exact(&mut got, &mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn a_wrong_count_of_descriptors_is_a_broken_protocol() {
        let (a, b) = ends();
        let (_left, right) = UnixStream::pair().unwrap();
        a.send(&ToChild::Bye, &[right.as_fd()], SOON).unwrap();
        assert!(matches!(
            b.recv::<ToChild>(Some(SOON)),
            Err(ChannelError::Protocol(_))
        ));
    }

    #[test]
    fn a_length_beyond_the_bound_allocates_nothing_and_ends_the_channel() {
        let (mut a, b) = Channel::pair().unwrap();
        a.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(matches!(
            Channel::new(b).recv_value(Some(SOON)),
            Err(ChannelError::Protocol(_))
        ));
    }

    #[test]
    fn the_end_between_messages_is_closed_and_inside_one_is_broken() {
        let (a, b) = ends();
        drop(a);
        assert!(matches!(
            b.recv_value(Some(SOON)),
            Err(ChannelError::Closed)
        ));
        let (mut a, b) = Channel::pair().unwrap();
        a.write_all(&[9, 0]).unwrap();
        drop(a);
        assert!(matches!(
            Channel::new(b).recv_value(Some(SOON)),
            Err(ChannelError::Protocol(_))
        ));
    }

    #[test]
    fn a_reader_that_never_reads_costs_the_deadline_and_no_more() {
        let (a, _b) = ends();
        let message = ToChild::Describe {
            id: 1,
            pipeline: "x".repeat(MAX_MESSAGE / 2),
        };
        let outcome = (0..8).find_map(|_| a.send(&message, &[], Duration::from_millis(20)).err());
        assert!(matches!(outcome, Some(ChannelError::Deadline(_))));
    }
}
