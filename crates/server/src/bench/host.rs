//! A worker with the bench as its media: spawn, load, attach, one frame at a time.

use std::{
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use framerill_frames::{Descriptor, Geometry, Link, MessageType, PeerPool, Pool};
use framerill_media::{Caps, Pts, TimeBase};
use framerill_worker::{
    Channel,
    message::{FromChild, ToChild},
    runtime::monotonic_ns,
};
use serde_json::Map;

use super::broken;
use crate::failure::Failure;

const WITHIN: Duration = Duration::from_secs(30);
const SLOTS: u32 = 8;

/// A worker that is loaded and attached.
pub(super) struct Host {
    child: Child,
    control: Channel,
    link: Link,
    pool: Pool,
    peer: PeerPool,
    caps: Caps,
    next: u64,
    /// From spawn to `ready`.
    pub(super) ready_after: Duration,
}

impl Host {
    /// Starts `program args`, loads `pipeline` and attaches a link for pictures of `caps`.
    pub(super) fn start(
        program: &Path,
        args: &[&str],
        pipeline: &str,
        caps: Caps,
    ) -> Result<Self, Failure> {
        let (ours, theirs) = Channel::pair().map_err(broken)?;
        let began = monotonic_ns();
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| broken(format!("cannot start `{}`: {error}", program.display())))?;
        let control = Channel::new(ours);
        let load = ToChild::Load {
            id: 1,
            pipeline: Some(pipeline.to_owned()),
            params: Map::new(),
            base: None,
            media: None,
            fds: 0,
        };
        control.send(&load, &[], WITHIN).map_err(broken)?;
        wait_for(&control, WITHIN, |message| {
            matches!(message, FromChild::Ready { .. })
        })?;
        let ready_after = Duration::from_nanos(monotonic_ns() - began);

        let (near, far) = Link::pair().map_err(broken)?;
        let attach = ToChild::attach(2, "bench", 1, 1);
        control
            .send(&attach, &[far.as_fd()], WITHIN)
            .map_err(broken)?;
        drop(far);
        let link = Link::new(near);
        let geometry = Geometry::for_pictures(SLOTS, caps.picture_bytes()).map_err(broken)?;
        let pool = Pool::create(geometry).map_err(broken)?;
        let offer = Descriptor::pool(geometry.slots, geometry.slot_bytes, caps);
        link.send_with(&offer, pool.fd()).map_err(broken)?;
        let (answer, memory) = link.recv(Some(WITHIN)).map_err(broken)?;
        let memory = memory.ok_or_else(|| broken("the worker lends no pool"))?;
        let geometry = Geometry {
            slots: answer.slot,
            slot_bytes: answer.bytes,
        };
        let peer = PeerPool::open(&memory, geometry).map_err(broken)?;
        wait_for(&control, WITHIN, |message| {
            matches!(message, FromChild::Attached { .. })
        })?;
        Ok(Self {
            child,
            control,
            link,
            pool,
            peer,
            caps,
            next: 0,
            ready_after,
        })
    }

    /// One picture there and back, in ns: the picture is in its slot before and its answer is not read.
    pub(super) fn round_trip(&mut self) -> Result<u64, Failure> {
        let lease = self
            .pool
            .loan()
            .ok_or_else(|| broken("the worker keeps every slot"))?
            .publish();
        let (num, den) = (1, 90_000);
        let time_base = TimeBase::new(num, den).map_err(broken)?;
        let id = self.next;
        self.next += 1;
        let pts = Pts(i64::try_from(id).unwrap_or(0) * 3000);
        let frame = Descriptor::frame(lease.slot(), self.caps, id, pts, time_base);
        let within = Duration::from_secs(5);

        let began = monotonic_ns();
        self.link.send(&frame, within).map_err(broken)?;
        let (mut answered, mut released, mut took) = (false, false, 0);
        while !(answered && released) {
            let (message, _) = self.link.recv(None).map_err(broken)?;
            match message.message {
                MessageType::Frame => {
                    took = monotonic_ns() - began;
                    answered = true;
                    if !message.flags.passthrough {
                        self.peer
                            .slot(message.slot, self.caps.picture_bytes())
                            .ok_or_else(|| broken("the answer lies outside the pool"))?;
                        self.link
                            .send(&Descriptor::release(message.slot), within)
                            .map_err(broken)?;
                    }
                }
                MessageType::Release => released = true,
                other => return Err(broken(format!("the worker sent {other:?}"))),
            }
        }
        drop(lease);
        Ok(took)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(
            self.control
                .send(&ToChild::Bye, &[], Duration::from_secs(1)),
        );
        self.control.shutdown();
        // A worker that was asked to leave and lost its parent leaves; a bench has nothing to add.
        drop(self.child.wait());
    }
}

/// Reads what a child says until it is that, or an error of its own; each message comes `within`.
fn wait_for(
    control: &Channel,
    within: Duration,
    wanted: impl Fn(&FromChild) -> bool,
) -> Result<(), Failure> {
    loop {
        let (message, _) = control.recv::<FromChild>(Some(within)).map_err(broken)?;
        if let FromChild::Error(report) = &message {
            return Err(Failure::of_child(report));
        }
        if wanted(&message) {
            return Ok(());
        }
    }
}
