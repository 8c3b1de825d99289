//! The thread that decodes and delivers.

use std::{sync::Arc, time::Duration};

use framerill_frames::{
    Descriptor, Geometry, Link, LinkError, Loan, MAX_SLOTS, Pool, PoolError, SkipReason,
};
use framerill_media::{Caps, PixelFormat, Pts, TimeBase};
use framerill_worker::{
    child::Parent,
    message::{FromChild, MediaStats, ReaderPlan},
    runtime::monotonic_ns,
};

use super::{
    outcome::{Ending, conclude},
    state::Shared,
};
use crate::{
    demux::FileSource,
    error::AvError,
    ffi::Frame,
    scale::Scaler,
    source::{Raw, Traits},
};

/// Whoever is at the link reads what it is told within this time.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How often a wait for a slot looks whether it is to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Says that a frame has no time of its own.
const NO_TIME: Pts = Pts(i64::MIN);

/// What is read, and how far it is.
pub(super) struct Reading {
    name: String,
    source: FileSource,
    traits: Traits,
    plan: ReaderPlan,
    shared: Arc<Shared>,
    out: Option<Out>,
}

/// Where frames go once there is a first one.
struct Out {
    pool: Pool,
    caps: Caps,
    scaler: Scaler,
}

/// Why a frame was not delivered.
enum Undelivered {
    Stopped,
    Failed(AvError),
}

impl From<AvError> for Undelivered {
    fn from(error: AvError) -> Self {
        Self::Failed(error)
    }
}

impl From<LinkError> for Undelivered {
    fn from(_: LinkError) -> Self {
        // Nobody is there, or nobody reads: nothing to deliver to.
        Self::Stopped
    }
}

impl From<PoolError> for Undelivered {
    fn from(error: PoolError) -> Self {
        let why =
            std::error::Error::source(&error).map_or_else(String::new, |it| format!(": {it}"));
        Self::Failed(AvError::NoMemory(format!("{error}{why}")))
    }
}

/// Reads to the end, says `eos` over the link, then `done` to the parent.
pub(super) fn run(mut reading: Reading, link: &Link, parent: &Parent) {
    let ending = reading.read(link);
    let claimed = reading.source.video().packets;
    let shared = Arc::clone(&reading.shared);
    conclude(&mut shared.lock().stats, &ending, claimed);
    // The decoder's memory is of no more use, and whoever has slots may keep them for long.
    drop(reading);
    // Where nobody listens any more, `done` says it all.
    let _told = link.send(&Descriptor::eos(), SEND_WITHIN);
    let drain = shared.end();
    let stats = MediaStats {
        finished: true,
        ..shared.stats()
    };
    parent.say(&FromChild::Done {
        stats: Box::new(stats),
    });
    if let Some(id) = drain {
        shared.drained(id, parent);
    }
}

impl Reading {
    pub(super) fn new(
        name: &str,
        source: FileSource,
        traits: Traits,
        plan: ReaderPlan,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            source,
            traits,
            plan,
            shared,
            out: None,
        }
    }

    fn read(&mut self, link: &Link) -> Ending {
        let mut index = 0;
        loop {
            if self.shared.is_stopping() {
                return Ending::Stopped;
            }
            match self.source.next() {
                Ok(Raw::Picture {
                    frame,
                    pts,
                    is_timed,
                    ..
                }) => {
                    let pts = if is_timed { Pts(pts) } else { NO_TIME };
                    match self.take(link, index, &frame, pts) {
                        Ok(()) => index += 1,
                        Err(Undelivered::Stopped) => return Ending::Stopped,
                        Err(Undelivered::Failed(error)) => return Ending::Failed(error),
                    }
                }
                Ok(Raw::Audio(_)) => {}
                Ok(Raw::End(end)) => return Ending::End(end),
                Err(error) => return Ending::Failed(error),
            }
        }
    }

    fn take(
        &mut self,
        link: &Link,
        index: u64,
        frame: &Frame,
        pts: Pts,
    ) -> Result<(), Undelivered> {
        let base = self.source.time_base();
        self.count(index, pts, base);
        if self.out.is_none() {
            self.out = Some(self.begin(link, frame)?);
        }
        let is_due =
            index.is_multiple_of(u64::from(self.plan.every.max(1))) && index >= self.plan.from;
        let Some(out) = self.out.as_mut().filter(|_| is_due) else {
            return Ok(());
        };
        let mut loan = loan(&out.pool, &self.shared).ok_or(Undelivered::Stopped)?;
        let is_resized =
            frame.size().map(|size| self.traits.turn.size(size)) != Some(out.caps.size);
        if out.scaler.frame_into(frame, &mut loan).is_err() {
            self.shared.lock().stats.failed += 1;
            link.send(&Descriptor::skip(index, SkipReason::Failed), SEND_WITHIN)?;
            return Ok(());
        }
        let lease = loan.publish();
        let mut message = Descriptor::frame(lease.slot(), out.caps, index, pts, base);
        message.sent_ns = monotonic_ns();
        {
            // Lent before it is told: its release may come at once.
            let mut state = self.shared.lock();
            let slot = lease.slot() as usize;
            state.lent[slot] = Some(lease);
            state.stats.delivered += 1;
            state.stats.resized += u64::from(is_resized);
        }
        link.send(&message, SEND_WITHIN)?;
        Ok(())
    }

    fn count(&self, index: u64, pts: Pts, base: TimeBase) {
        let so_far = self.source.so_far();
        let mut state = self.shared.lock();
        state.stats.decoded = index + 1;
        state.stats.failed = so_far.undecodable + so_far.unreadable;
        state.stats.concealed = so_far.concealed;
        if pts == NO_TIME {
            state.stats.untimed += 1;
            return;
        }
        let seconds = base.seconds(pts);
        state.seconds = seconds;
        state.stats.first_pts.get_or_insert(seconds);
        state.stats.last_pts = Some(seconds);
    }

    /// Makes the pool for pictures like the first one, and lends it.
    fn begin(&mut self, link: &Link, first: &Frame) -> Result<Out, Undelivered> {
        self.traits = self
            .traits
            .with_first(first)
            .map_err(AvError::too_large(&self.name))?;
        self.shared.lock().stats.rotation = self.traits.turn.degrees();
        let caps = Caps::new(PixelFormat::Rgb24, self.traits.upright())
            .map_err(|error| AvError::Plan(error.to_string()))?;
        let one = Geometry::for_pictures(1, caps.picture_bytes())?;
        let room = self.plan.max_bytes / u64::from(one.slot_bytes);
        if room == 0 {
            return Err(Undelivered::Failed(AvError::ReaderBudget {
                name: self.name.clone(),
                width: caps.size.width(),
                height: caps.size.height(),
                needed: one.slot_bytes.div_ceil(1 << 20),
                allowed: self.plan.max_bytes >> 20,
            }));
        }
        let room = u32::try_from(room).unwrap_or(MAX_SLOTS);
        let slots = self.plan.slots.clamp(1, MAX_SLOTS).min(room);
        let pool = Pool::create(Geometry { slots, ..one })?;
        self.shared.lock().lent = (0..slots).map(|_| None).collect();
        link.send_with(&Descriptor::pool(slots, one.slot_bytes, caps), pool.fd())?;
        Ok(Out {
            pool,
            caps,
            scaler: Scaler::of_traits(self.traits, caps),
        })
    }
}

/// A free slot, once there is one; none when it is to stop.
fn loan(pool: &Pool, shared: &Shared) -> Option<Loan> {
    if let Some(loan) = pool.loan() {
        return Some(loan);
    }
    let began = monotonic_ns();
    let before = {
        let mut state = shared.lock();
        state.stats.is_waiting = true;
        state.stats.waited
    };
    let loan = loop {
        if shared.is_stopping() {
            break None;
        }
        let loan = pool.loan_within(LOOK_AGAIN);
        let waited = Duration::from_nanos(monotonic_ns().saturating_sub(began));
        let mut state = shared.lock();
        state.stats.waited = before + waited.as_secs_f64();
        if loan.is_some() {
            break loan;
        }
    };
    shared.lock().stats.is_waiting = false;
    loan
}
