//! A worker joins: pools change hands, then a thread reads what the worker says.
//!
//! A driver: [`Exchange`](crate::exchange::Exchange) decides what an answer means.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use framerill_frames::{
    Descriptor, DescriptorError, Geometry, Link, LinkError, MessageType, PeerPool, Pool, PoolError,
    SkipReason,
};
use framerill_media::{Caps, PixelFormat, Pts};
use framerill_worker::{
    child::Parent,
    message::{ErrorReport, FromChild},
    runtime::monotonic_ns,
};

use crate::{
    exchange::{Answered, Rule, Skipped},
    stream::{Attached, Borrowed, Held, Picture, Pixels, State, Stream, input_slots},
};

/// The worker has this long to lend its pool.
const POOL_WITHIN: Duration = Duration::from_secs(5);
/// A picture with a time of its own lies within so many seconds of its frame.
const AHEAD: f64 = 10.0;

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("the worker broke the frame link's rules: {0}")]
    Descriptor(#[from] DescriptorError),
    #[error("the worker broke the frame link's rules: {0}")]
    Rule(#[from] Rule),
    #[error("the worker broke the frame link's rules: {0}")]
    Broken(&'static str),
    #[error("the worker answers with {got:?} instead of {want:?}")]
    Caps { got: Caps, want: Caps },
    #[error("the worker's pictures are {got:?}, what it sees is {want:?}")]
    Format { got: PixelFormat, want: PixelFormat },
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// What is known of the worker that joins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joining {
    /// Counts the workers of the stream.
    pub(crate) incarnation: u32,
    /// What it sees.
    pub(crate) caps: Caps,
    /// Frames beyond those at work that it may hold.
    pub(crate) history: u32,
    /// Frames that it begins at once.
    pub(crate) batch: u32,
}

/// Exchanges pools over a fresh link and begins to deliver. What the worker's pool holds is told.
pub(crate) fn attach(
    stream: &Arc<Stream>,
    name: &str,
    joining: Joining,
    socket: OwnedFd,
    parent: &Parent,
) -> Result<Caps, AttachError> {
    let Joining {
        incarnation,
        caps,
        history,
        batch,
    } = joining;
    let link = Arc::new(Link::new(socket));
    let own = Pool::create(Geometry::for_pictures(
        input_slots(history, batch),
        caps.picture_bytes(),
    )?)?;
    let geometry = own.geometry();
    link.send_with(
        &Descriptor::pool(geometry.slots, geometry.slot_bytes, caps),
        own.fd(),
    )?;
    let (peer, output) = peer_pool(&link, caps)?;
    let peer = Arc::new(peer);

    let reader = Reader {
        stream: Arc::clone(stream),
        link: Arc::clone(&link),
        peer: Arc::clone(&peer),
        caps,
        output,
        incarnation,
    };
    let attached = Attached {
        caps,
        incarnation,
        link,
        lent: (0..geometry.slots).map(|_| None).collect(),
        borrowed: (0..peer.geometry().slots)
            .map(|_| AtomicBool::new(false))
            .collect(),
        own,
        batch: batch as usize,
        delivered_ns: 0,
        is_told_end: false,
    };
    stream.gain_worker(attached);
    let (name, parent) = (name.to_owned(), parent.clone());
    thread::Builder::new()
        .name("link".into())
        .spawn(move || reader.run(&name, &parent))
        .map_err(AttachError::Thread)?;
    Ok(output)
}

/// The worker's pool, and what it holds: pictures of the format that it sees, of a size of its own.
fn peer_pool(link: &Link, seen: Caps) -> Result<(PeerPool, Caps), AttachError> {
    let (offer, memory) = link.recv(Some(POOL_WITHIN))?;
    let (MessageType::Pool, Some(memory)) = (offer.message, memory) else {
        return Err(AttachError::Broken("the first message is a pool"));
    };
    let output = offer.caps()?;
    if output.format != seen.format {
        return Err(AttachError::Format {
            got: output.format,
            want: seen.format,
        });
    }
    let pool = PeerPool::open(
        &memory,
        Geometry {
            slots: offer.slot,
            slot_bytes: offer.bytes,
        },
    )?;
    if (pool.geometry().slot_bytes as usize) < output.picture_bytes() {
        return Err(AttachError::Broken("a slot holds a whole picture"));
    }
    Ok((pool, output))
}

struct Reader {
    stream: Arc<Stream>,
    link: Arc<Link>,
    peer: Arc<PeerPool>,
    /// What the worker sees.
    caps: Caps,
    /// What its pool holds.
    output: Caps,
    incarnation: u32,
}

impl Reader {
    fn run(self, name: &str, parent: &Parent) {
        let why = loop {
            let handled = self.link.recv(None).map_err(AttachError::from);
            if let Err(why) = handled.and_then(|(message, memory)| match memory {
                None => self.handle(&message),
                Some(_) => Err(AttachError::Broken("only `pool` carries a descriptor")),
            }) {
                break why;
            }
        };
        if !matches!(why, AttachError::Link(LinkError::Closed)) {
            parent.fail(ErrorReport {
                fatal: false,
                ..ErrorReport::fatal("link", why.to_string())
            });
        }
        if let Some((held, requeued)) = self.stream.lose_worker(self.incarnation, false) {
            let (stream, incarnation) = (name.to_owned(), self.incarnation);
            parent.say(&FromChild::Detached {
                id: None,
                stream,
                incarnation,
                held,
                requeued,
            });
        }
    }

    fn handle(&self, message: &Descriptor) -> Result<(), AttachError> {
        let mut state = self.stream.lock();
        if state.attached.as_ref().map(|attached| attached.incarnation) != Some(self.incarnation) {
            return Err(LinkError::Closed.into());
        }
        match message.message {
            MessageType::Frame => self.take_answer(&mut state, message)?,
            MessageType::Release => {
                let slot = message.slot as usize;
                let lent = state.attached.as_mut().and_then(|it| it.lent.get_mut(slot));
                let Some(lease) = lent.and_then(Option::take) else {
                    return Err(AttachError::Broken("a release of a slot that is not lent"));
                };
                drop(lease);
            }
            MessageType::Skip => {
                let failed = message.reason == SkipReason::Failed;
                match state.exchange.skip(message.frame, message.reason)? {
                    Skipped::Closed(frame) => Stream::take_skip(&mut state, frame.id, false),
                    Skipped::Unanswered(frame) => {
                        let (complete, delivered) = (frame.decode_ns.1, frame.delivered_ns);
                        state.tally.skipped(complete, delivered, message.process_ns);
                        Stream::take_skip(&mut state, frame.id, failed);
                    }
                }
            }
            MessageType::Taken => {
                // A before/after picture needs one of them; the others' slots are for new frames.
                let is_kept =
                    self.stream.preview && !state.exchange.taken_leases().any(Option::is_some);
                let lease: &mut Held = state.exchange.taken(message.frame)?;
                lease.take_if(|_| !is_kept);
                if let Some(live) = &mut state.live {
                    live.presenter.takes_in();
                    state.exchange.set_pace(message.process_ns);
                }
            }
            MessageType::Flush | MessageType::Eos => {}
            MessageType::Pool => return Err(AttachError::Broken("a second pool")),
        }
        self.stream.pump(&mut state);
        self.stream.notify();
        Ok(())
    }

    fn take_answer(&self, state: &mut State, message: &Descriptor) -> Result<(), AttachError> {
        let got = message.caps()?;
        self.check_caps(got, message.flags.passthrough)?;
        let next_pts = state.exchange.pts_after_oldest();
        let parent = message.parents().last().copied();
        let (frame, whole) = match state.exchange.answer(parent, message.index, message.of)? {
            Answered::Part(frame) => (frame.clone(), false),
            Answered::Whole(frame) => (frame, true),
        };
        let usual_pts = Pts(frame.pts.0.saturating_add(self.stream.interval));
        let slot = message.slot as usize;
        let pixels = if message.flags.passthrough {
            let lease = frame.lease.as_ref();
            let Some(lease) = lease.filter(|it| it.slot() == message.slot) else {
                return Err(AttachError::Broken("a passed frame names its own slot"));
            };
            Pixels::Own(lease.clone())
        } else {
            let slots = state.attached.as_ref().map(|it| Arc::clone(&it.borrowed));
            let slots = slots.filter(|slots| {
                let free = slots.get(slot);
                free.is_some_and(|it| !it.swap(true, Ordering::AcqRel))
            });
            let Some(slots) = slots else {
                return Err(AttachError::Broken(
                    "an answer lies in a slot that is not ours yet",
                ));
            };
            Pixels::Worker(Borrowed {
                peer: Arc::clone(&self.peer),
                slot: message.slot,
                link: Arc::clone(&self.link),
                slots,
            })
        };
        let now = monotonic_ns();
        let is_open = message.of == 0;
        if whole || (is_open && message.index == 0) {
            if state.live.is_some() && !is_open {
                state.exchange.set_pace(message.process_ns);
            }
            state.tally.answered(
                frame.decode_ns.1,
                frame.delivered_ns,
                now,
                message.process_ns,
            );
        }
        let picture = Picture {
            pixels,
            caps: got,
            seen: self.caps,
            pts: if is_open {
                let ahead = self.stream.time_base.at(AHEAD);
                timed(frame.pts, next_pts, message.pts, ahead)
            } else {
                let next = next_pts.unwrap_or(usual_pts);
                placed(frame.pts, next, message.index, message.of)
            },
            frame: frame.id,
            before: frame.lease.clone().filter(|_| self.stream.preview),
            decode_began_ns: frame.decode_ns.0,
            answered_ns: now,
        };
        self.stream.take_finished(state, picture, whole);
        Ok(())
    }

    /// An answer is what the worker's pool holds, or as what it sees; what it passes is what it sees.
    fn check_caps(&self, got: Caps, is_passed: bool) -> Result<(), AttachError> {
        let is_seen = got == self.caps;
        if !is_seen && (is_passed || got != self.output) {
            let want = if is_passed { self.caps } else { self.output };
            return Err(AttachError::Caps { got, want });
        }
        let slot_bytes = self.peer.geometry().slot_bytes as usize;
        if !is_passed && slot_bytes < got.picture_bytes() {
            return Err(AttachError::Broken("an answer fits into its slot"));
        }
        Ok(())
    }
}

/// Where the `index`th of `of` answers lies between its parent and the next input.
fn placed(parent: Pts, next: Pts, index: u32, of: u32) -> Pts {
    let distance = next.0.saturating_sub(parent.0).max(0);
    let share = i128::from(distance) * i128::from(index) / i128::from(of.max(1));
    Pts(parent.0.saturating_add(i64::try_from(share).unwrap_or(0)))
}

/// A picture's own time, which lies between its frame and the next one, or not too far after the last.
fn timed(parent: Pts, next: Option<Pts>, own: Pts, ahead: Pts) -> Pts {
    let end = next.map_or(parent.0.saturating_add(ahead.0), |it| it.0);
    Pts(own.0.min(end.saturating_sub(1)).max(parent.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_its_own_stays_between_its_frame_and_the_next() {
        let at = |next, own| timed(Pts(100), next, Pts(own), Pts(900)).0;
        assert_eq!(
            [at(Some(Pts(130)), 110), at(Some(Pts(130)), 500)],
            [110, 129]
        );
        assert_eq!(
            [at(None, 50), at(None, 500), at(None, i64::MAX)],
            [100, 500, 999]
        );
        assert_eq!(
            timed(Pts(i64::MAX), Some(Pts(0)), Pts(i64::MIN), Pts(1)),
            Pts(i64::MAX)
        );
    }

    #[test]
    fn several_answers_share_the_distance_to_the_next_input() {
        let at = |index| placed(Pts(100), Pts(130), index, 3).0;
        assert_eq!([at(0), at(1), at(2)], [100, 110, 120]);
        assert_eq!(placed(Pts(100), Pts(90), 2, 3), Pts(100));
    }
}
