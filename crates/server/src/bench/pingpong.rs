//! The peer of the frame link's numbers: two processes that send each other 128 bytes and nothing else.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use framerill_frames::{Descriptor, Link};
use framerill_worker::runtime::monotonic_ns;

use super::broken;
use crate::{failure::Failure, program};

/// A round trip that takes longer has failed.
const WITHIN: Duration = Duration::from_secs(5);

/// The other end: sends back what comes on descriptor 0 until it ends.
#[must_use]
pub(crate) fn echo() -> u8 {
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
        return 1;
    };
    let link = Link::new(socket);
    while let Ok((message, _)) = link.recv(None) {
        if link.send(&message, WITHIN).is_err() {
            break;
        }
    }
    0
}

/// A process that sends bare messages back.
pub(super) struct PingPong {
    link: Link,
    child: Child,
}

/// The other end in Python: no more than its calls of the system.
const ECHO_IN_PYTHON: &str = "\
import socket
peer, message = socket.socket(fileno=0), bytearray(128)
while peer.recv_into(message):
    peer.send(message)
";

impl PingPong {
    /// With this program at the other end.
    pub(super) fn start() -> Result<Self, Failure> {
        let mut echo = Command::new(program::this()?);
        echo.args(["bench", "echo"]);
        Self::with(echo)
    }

    /// With an interpreter at the other end.
    pub(super) fn start_in_python(python: &Path) -> Result<Self, Failure> {
        let mut echo = Command::new(python);
        echo.args(["-I", "-c", ECHO_IN_PYTHON]);
        Self::with(echo)
    }

    fn with(mut echo: Command) -> Result<Self, Failure> {
        let (ours, theirs) = Link::pair().map_err(broken)?;
        let child = echo
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| broken(format!("cannot start the echo: {error}")))?;
        let link = Link::new(ours);
        Ok(Self { link, child })
    }

    /// One message there and back, in ns.
    pub(super) fn round_trip(&mut self) -> Result<u64, Failure> {
        let began = monotonic_ns();
        self.link.send(&Descriptor::eos(), WITHIN).map_err(broken)?;
        self.link.recv(Some(WITHIN)).map_err(broken)?;
        Ok(monotonic_ns() - began)
    }
}

impl Drop for PingPong {
    fn drop(&mut self) {
        self.link.shutdown();
        // The echo ends with its link; that it ended is all there is to know.
        drop(self.child.wait());
    }
}
