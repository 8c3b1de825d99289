//! The end of a frame link that takes what a reader delivers and touches none of it.
//!
//! [`ReaderLink`] hands on the pool's memory, unmapped, and says which frame lies in which slot; whoever has seen the frame
//! to its end says [`ReaderLink::release`]. [`Ledger`] holds the rules and needs no socket.

use std::{
    os::fd::OwnedFd,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use framerill_media::{Caps, Pts, TimeBase};

use crate::{
    descriptor::{Descriptor, DescriptorError, MessageType},
    link::{Link, LinkError},
    pool::{Geometry, PoolError},
};

/// A reader takes a release at once; one that does not is as good as gone.
const SEND_WITHIN: Duration = Duration::from_secs(2);
/// The pts of a frame without a time of its own.
const NO_TIME: Pts = Pts(i64::MIN);

/// What a reader says.
#[derive(Debug)]
pub enum FromReader {
    /// The memory that frames lie in, once and before the first of them.
    Pool {
        /// To be handed on; a worker maps it with [`SharedPool`](crate::SharedPool).
        memory: OwnedFd,
        /// How it is divided.
        geometry: Geometry,
        /// What every slot holds.
        caps: Caps,
    },
    /// A frame lies in a slot until that is released.
    Frame(DeliveredFrame),
    /// A frame that was due and will never come.
    Lost {
        /// Its index.
        index: u64,
    },
    /// No more frames. What is lent may still be released.
    End,
}

/// A frame in a reader's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveredFrame {
    /// In the reader's pool.
    pub slot: u32,
    /// Counts the decoded frames of the video from 0. Increases from frame to frame.
    pub index: u64,
    /// When it is shown, by the container; none when the container does not say.
    pub pts: Option<Pts>,
    /// The length of a tick of `pts`.
    pub time_base: TimeBase,
}

impl DeliveredFrame {
    /// When it is shown, in seconds.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        self.pts.map(|pts| self.time_base.seconds(pts))
    }
}

/// Why a reader's link cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderLinkError {
    /// The socket ended or failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The reader broke a rule of the link.
    #[error("the reader broke the frame link's rules: {0}")]
    Rule(#[from] Broken),
}

/// Which rule a reader, or the caller, broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// A pool without memory, or memory with another message.
    #[error("memory comes with `pool`, and with nothing else")]
    Memory,
    /// A second pool.
    #[error("a second pool")]
    SecondPool,
    /// Slots or bytes out of range, or a slot that does not hold a picture.
    #[error("a pool of {slots} slots of {slot_bytes} bytes")]
    Geometry {
        /// As it was said.
        slots: u32,
        /// As it was said.
        slot_bytes: u32,
    },
    /// A frame before the pool, of another kind than the pool's, or without a time base.
    #[error("a frame that does not fit the pool")]
    Caps,
    /// No such slot, or it is lent.
    #[error("slot {0} is lent, or does not exist")]
    Slot(u32),
    /// An index that does not increase.
    #[error("frame {0} comes after a later one")]
    Order(u64),
    /// Something after the end.
    #[error("something comes after the end")]
    AfterEnd,
    /// A message that a reader does not send.
    #[error("{0:?} is nothing that a reader says")]
    Message(MessageType),
    /// The caller released a slot that is not lent.
    #[error("slot {0} was released and is not lent")]
    NotLent(u32),
}

impl From<DescriptorError> for Broken {
    fn from(_: DescriptorError) -> Self {
        Self::Caps
    }
}

impl From<PoolError> for Broken {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Geometry { slots, slot_bytes } => Self::Geometry { slots, slot_bytes },
            _ => Self::Memory,
        }
    }
}

/// Which slots are lent, and what may come next. Pure.
#[derive(Debug, Default)]
pub struct Ledger {
    caps: Option<Caps>,
    lent: Vec<bool>,
    /// The lowest index that may come.
    next: u64,
    is_over: bool,
}

/// What a message means; the memory of a pool is its driver's to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The pool.
    Pool(Geometry, Caps),
    /// A frame.
    Frame(DeliveredFrame),
    /// A frame that will never come.
    Lost(u64),
    /// The end.
    End,
}

impl Ledger {
    /// Takes in a message of the reader's, which came with memory or without.
    pub fn take(&mut self, message: &Descriptor, has_memory: bool) -> Result<Notice, Broken> {
        if self.is_over {
            return Err(Broken::AfterEnd);
        }
        if has_memory != (message.message == MessageType::Pool) {
            return Err(Broken::Memory);
        }
        match message.message {
            MessageType::Pool => self.pool(message),
            MessageType::Frame => self.frame(message).map(Notice::Frame),
            MessageType::Skip => self.advance(message.frame).map(Notice::Lost),
            MessageType::Eos => {
                self.is_over = true;
                Ok(Notice::End)
            }
            other => Err(Broken::Message(other)),
        }
    }

    /// A slot goes back to the reader.
    pub fn release(&mut self, slot: u32) -> Result<(), Broken> {
        let lent = self.lent.get_mut(slot as usize).filter(|lent| **lent);
        *lent.ok_or(Broken::NotLent(slot))? = false;
        Ok(())
    }

    /// Slots that are lent.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.lent.iter().filter(|lent| **lent).count()
    }

    fn pool(&mut self, message: &Descriptor) -> Result<Notice, Broken> {
        if self.caps.is_some() {
            return Err(Broken::SecondPool);
        }
        let geometry = Geometry {
            slots: message.slot,
            slot_bytes: message.bytes,
        }
        .checked()?;
        let caps = message.caps()?;
        if (geometry.slot_bytes as usize) < caps.picture_bytes() {
            let Geometry { slots, slot_bytes } = geometry;
            return Err(Broken::Geometry { slots, slot_bytes });
        }
        self.caps = Some(caps);
        self.lent = vec![false; geometry.slots as usize];
        Ok(Notice::Pool(geometry, caps))
    }

    fn frame(&mut self, message: &Descriptor) -> Result<DeliveredFrame, Broken> {
        if self.caps != Some(message.caps()?) {
            return Err(Broken::Caps);
        }
        let time_base = message.time_base()?;
        let slot = message.slot;
        if self.lent.get(slot as usize) != Some(&false) {
            return Err(Broken::Slot(slot));
        }
        let index = self.advance(message.frame)?;
        self.lent[slot as usize] = true;
        Ok(DeliveredFrame {
            slot,
            index,
            pts: (message.pts != NO_TIME).then_some(message.pts),
            time_base,
        })
    }

    fn advance(&mut self, index: u64) -> Result<u64, Broken> {
        if index < self.next || index == u64::MAX {
            return Err(Broken::Order(index));
        }
        self.next = index + 1;
        Ok(index)
    }
}

/// The link, and its ledger. Taking and releasing may happen in different threads.
#[derive(Debug)]
pub struct ReaderLink {
    link: Link,
    ledger: Mutex<Ledger>,
}

impl ReaderLink {
    /// Over a connected socket, the other end of which a reader got with `attach`.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            link: Link::new(socket),
            ledger: Mutex::default(),
        }
    }

    /// What the reader says next. Without `within` it waits for ever; [`ReaderLink::shutdown`] ends the wait.
    pub fn recv(&self, within: Option<Duration>) -> Result<FromReader, ReaderLinkError> {
        let (message, memory) = self.link.recv(within)?;
        let notice = self.ledger().take(&message, memory.is_some())?;
        Ok(match (notice, memory) {
            (Notice::Pool(geometry, caps), Some(memory)) => FromReader::Pool {
                memory,
                geometry,
                caps,
            },
            (Notice::Pool(..), None) => return Err(Broken::Memory.into()),
            (Notice::Frame(frame), _) => FromReader::Frame(frame),
            (Notice::Lost(index), _) => FromReader::Lost { index },
            (Notice::End, _) => FromReader::End,
        })
    }

    /// Gives a slot back. After the end the reader may be gone, which is no error.
    pub fn release(&self, slot: u32) -> Result<(), ReaderLinkError> {
        let is_over = {
            let mut ledger = self.ledger();
            ledger.release(slot)?;
            ledger.is_over
        };
        match self.link.send(&Descriptor::release(slot), SEND_WITHIN) {
            Err(LinkError::Closed) if is_over => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Slots that are lent.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.ledger().lent()
    }

    /// Ends both directions and every wait.
    pub fn shutdown(&self) {
        self.link.shutdown();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use framerill_media::{PixelFormat, Size};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        SkipReason,
        pool::{Loan, Pool},
        shared_pool::SharedPool,
    };

    const SOON: Option<Duration> = Some(Duration::from_secs(5));

    fn caps() -> Caps {
        Caps::new(PixelFormat::Rgb24, Size::new(8, 4).unwrap()).unwrap()
    }

    fn base() -> TimeBase {
        TimeBase::new(1, 1000).unwrap()
    }

    fn pool_message(slots: u32) -> Descriptor {
        Descriptor::pool(slots, 4096, caps())
    }

    fn frame(slot: u32, index: u64) -> Descriptor {
        Descriptor::frame(slot, caps(), index, Pts(40), base())
    }

    #[test]
    fn frames_of_a_fake_reader_are_handed_on_and_their_slots_go_back() {
        let (ours, its) = Link::pair().unwrap();
        let (link, reader) = (ReaderLink::new(ours), Link::new(its));
        let pool =
            Pool::create(Geometry::for_pictures(2, caps().picture_bytes()).unwrap()).unwrap();
        let geometry = pool.geometry();
        let offer = Descriptor::pool(geometry.slots, geometry.slot_bytes, caps());
        reader.send_with(&offer, pool.fd()).unwrap();
        let FromReader::Pool {
            memory, geometry, ..
        } = link.recv(SOON).unwrap()
        else {
            panic!("a pool first");
        };
        let mut loan: Loan = pool.loan().unwrap();
        loan[..3].copy_from_slice(&[9, 8, 7]);
        let lease = loan.publish();
        reader
            .send(&frame(lease.slot(), 12), Duration::from_secs(5))
            .unwrap();
        let FromReader::Frame(seen) = link.recv(SOON).unwrap() else {
            panic!("a frame");
        };
        assert_eq!((seen.index, seen.slot), (12, lease.slot()));
        assert_eq!(seen.seconds(), Some(0.04));
        let worker = SharedPool::map(&memory, geometry.slots, geometry.slot_bytes).unwrap();
        let mut pixels = Vec::new();
        let picture = worker.picture(seen.slot, caps().size).unwrap();
        picture.copy(&mut pixels);
        assert_eq!(pixels[..3], [9, 8, 7]);
        link.release(seen.slot).unwrap();
        assert_eq!(link.lent(), 0);
        assert_eq!(
            reader.recv(SOON).unwrap().0,
            Descriptor::release(lease.slot())
        );
        assert!(matches!(
            link.release(seen.slot),
            Err(ReaderLinkError::Rule(Broken::NotLent(_)))
        ));
    }

    #[test]
    fn a_release_after_the_end_may_find_nobody() {
        let (ours, its) = Link::pair().unwrap();
        let (link, reader) = (ReaderLink::new(ours), Link::new(its));
        let pool =
            Pool::create(Geometry::for_pictures(1, caps().picture_bytes()).unwrap()).unwrap();
        reader.send_with(&pool_message(1), pool.fd()).unwrap();
        let soon = Duration::from_secs(5);
        reader.send(&frame(0, 0), soon).unwrap();
        reader
            .send(&Descriptor::skip(1, SkipReason::Failed), soon)
            .unwrap();
        reader.send(&Descriptor::eos(), soon).unwrap();
        drop(reader);
        assert!(matches!(link.recv(SOON), Ok(FromReader::Pool { .. })));
        assert!(matches!(link.recv(SOON), Ok(FromReader::Frame(_))));
        assert!(matches!(link.recv(SOON), Ok(FromReader::Lost { index: 1 })));
        assert!(matches!(link.recv(SOON), Ok(FromReader::End)));
        link.release(0).unwrap();
    }

    #[test]
    fn a_reader_that_breaks_a_rule_is_told_by_its_rule() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.take(&frame(0, 0), false), Err(Broken::Caps));
        assert_eq!(ledger.take(&pool_message(2), false), Err(Broken::Memory));
        assert!(matches!(
            ledger.take(&pool_message(65), true),
            Err(Broken::Geometry { .. })
        ));
        ledger.take(&pool_message(2), true).unwrap();
        assert_eq!(ledger.take(&pool_message(2), true), Err(Broken::SecondPool));
        ledger.take(&frame(0, 4), false).unwrap();
        assert_eq!(ledger.take(&frame(0, 5), false), Err(Broken::Slot(0)));
        assert_eq!(ledger.take(&frame(2, 5), false), Err(Broken::Slot(2)));
        assert_eq!(ledger.take(&frame(1, 4), false), Err(Broken::Order(4)));
        assert_eq!(ledger.take(&frame(1, 5), true), Err(Broken::Memory));
        assert_eq!(
            ledger.take(&Descriptor::release(0), false),
            Err(Broken::Message(MessageType::Release))
        );
        ledger.take(&Descriptor::eos(), false).unwrap();
        assert_eq!(ledger.take(&frame(1, 6), false), Err(Broken::AfterEnd));
        ledger.release(0).unwrap();
    }

    #[test]
    fn a_frame_without_a_time_has_none() {
        let mut ledger = Ledger::default();
        ledger.take(&pool_message(1), true).unwrap();
        let untimed = Descriptor {
            pts: NO_TIME,
            ..frame(0, 0)
        };
        let Ok(Notice::Frame(seen)) = ledger.take(&untimed, false) else {
            panic!("a frame");
        };
        assert_eq!(seen.pts, None);
    }

    fn message() -> impl Strategy<Value = (Descriptor, bool)> {
        let any = (0u32..5, 0u64..8, any::<bool>());
        (0u8..6, any).prop_map(|(kind, (slot, index, memory))| {
            let message = match kind {
                0 => pool_message(slot),
                1 | 2 => frame(slot, index),
                3 => Descriptor::skip(index, SkipReason::Failed),
                4 => Descriptor::release(slot),
                _ => Descriptor::flush(index),
            };
            (message, memory)
        })
    }

    proptest! {
        /// Whatever a reader says: no slot is lent twice, indices increase, and every lent slot can be released once.
        #[test]
        fn what_is_lent_is_lent_once(said in proptest::collection::vec(message(), 0..60)) {
            let mut ledger = Ledger::default();
            let (mut lent, mut last) = (Vec::new(), None);
            for (message, memory) in said {
                match ledger.take(&message, memory) {
                    Ok(Notice::Frame(seen)) => {
                        prop_assert!(!lent.contains(&seen.slot));
                        prop_assert!(last < Some(seen.index));
                        last = Some(seen.index);
                        lent.push(seen.slot);
                    }
                    Ok(Notice::Lost(index)) => {
                        prop_assert!(last < Some(index));
                        last = Some(index);
                    }
                    _ => {}
                }
                prop_assert_eq!(ledger.lent(), lent.len());
                if lent.len() > 2 {
                    let slot = lent.remove(0);
                    prop_assert_eq!(ledger.release(slot), Ok(()));
                    prop_assert_eq!(ledger.release(slot), Err(Broken::NotLent(slot)));
                }
            }
        }
    }
}
