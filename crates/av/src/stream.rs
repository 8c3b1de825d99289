//! One stream's state, shared by the threads that work on it.
//!
//! [`Exchange`] decides which frame is where; this room owns the lock, the link and the wake-ups.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use framerill_frames::{Descriptor, Flags, Foreign, Lease, Link, PeerPool, Pool};
use framerill_media::{Caps, Pts, TimeBase};
use framerill_worker::{
    message::{HeldFrame, MediaStats},
    runtime::monotonic_ns,
};

use crate::{
    exchange::{DEPTH, Exchange, Ready},
    live_session::LiveState,
    source::{AudioPacket, End},
    tally::Tally,
};

/// Blocks of sound that wait for the encoder; beyond that the source waits.
const SOUND_WAITING: usize = 512;
/// How long a wait lasts before it looks again whether the stream is to stop.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A link whose peer reads nothing for this long is as good as closed.
pub(crate) const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Slots beside the worker's: one being decoded, two that wait, one that is the preview's.
const OWN_SLOTS: u32 = 4;

/// What the worker keeps at hand counts as much as what comes while frames do: within this time of the last one, in ns.
const MORE_WITHIN_NS: u64 = 1_000_000_000;

/// Slots of the input pool for a worker that begins `batch` frames at once and may hold `history` frames beyond those.
pub(crate) fn input_slots(history: u32, batch: u32) -> u32 {
    let depth = u32::try_from(DEPTH).expect("a small constant");
    let depth = depth.max(batch.saturating_mul(2));
    OWN_SLOTS
        .saturating_add(depth)
        .saturating_add(history)
        .min(framerill_frames::MAX_SLOTS)
}

/// What holds a picture; none once it is let go.
pub(crate) type Held = Option<Lease>;

/// What the encoder gets.
pub(crate) enum Finished {
    /// A picture of the worker's.
    Picture(Picture),
    /// Sound.
    Sound(AudioPacket),
}

/// A finished picture.
pub(crate) struct Picture {
    pub(crate) pixels: Pixels,
    pub(crate) caps: Caps,
    /// What the worker was given.
    pub(crate) seen: Caps,
    pub(crate) pts: Pts,
    /// The input frame's id.
    pub(crate) frame: u64,
    /// The input picture, while it is still wanted.
    pub(crate) before: Option<Lease>,
    pub(crate) decode_began_ns: u64,
    pub(crate) answered_ns: u64,
}

/// Where a finished picture lies.
pub(crate) enum Pixels {
    /// In the worker's pool.
    Worker(Borrowed),
    /// In our own: the worker passed it through.
    Own(Lease),
}

/// Our hold on a slot of the worker's, which goes back over the link when it is dropped.
pub(crate) struct Borrowed {
    pub(crate) peer: Arc<PeerPool>,
    pub(crate) slot: u32,
    pub(crate) link: Arc<Link>,
    /// Which of the worker's slots are ours.
    pub(crate) slots: Arc<[AtomicBool]>,
}

impl Borrowed {
    /// The picture's bytes. Panics when the slot has fewer, which is checked when it is answered.
    pub(crate) fn picture(&self, bytes: usize) -> Foreign<'_> {
        self.peer
            .slot(self.slot, bytes)
            .expect("checked when it was answered")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.slots[self.slot as usize].store(false, Ordering::Release);
        // A worker that is gone by now needs no slot back.
        drop(self.link.send(&Descriptor::release(self.slot), SEND_WITHIN));
    }
}

/// A worker's link.
pub(crate) struct Attached {
    pub(crate) caps: Caps,
    pub(crate) incarnation: u32,
    pub(crate) link: Arc<Link>,
    pub(crate) own: Pool,
    /// The worker's hold on each of our slots.
    pub(crate) lent: Vec<Option<Lease>>,
    /// Our hold on each of the worker's slots.
    pub(crate) borrowed: Arc<[AtomicBool]>,
    /// Frames that the worker begins at once.
    pub(crate) batch: usize,
    /// When it was given a frame last, in ns.
    pub(crate) delivered_ns: u64,
    /// It knows that no frame will come.
    pub(crate) is_told_end: bool,
}

/// Everything that the lock guards.
pub(crate) struct State {
    pub(crate) exchange: Exchange<Held>,
    pub(crate) attached: Option<Attached>,
    pub(crate) finished: VecDeque<Finished>,
    pub(crate) sound_waiting: usize,
    pub(crate) tally: Tally,
    /// The source is read no further.
    pub(crate) stopping: bool,
    /// `drain` came; its id.
    pub(crate) draining: Option<u64>,
    /// The sink is complete, or given up.
    pub(crate) complete: bool,
    pub(crate) source_done: bool,
    pub(crate) source_end: Option<End>,
    pub(crate) decoded: u64,
    pub(crate) unseen: u64,
    pub(crate) encoded: u64,
    pub(crate) out_of_order: u64,
    pub(crate) decoded_seconds: f64,
    pub(crate) encoded_seconds: f64,
    /// With a live source.
    pub(crate) live: Option<LiveState>,
}

impl State {
    /// The worker is told that no frame will come, unless it knows or is gone.
    pub(crate) fn tell_end(&mut self) {
        if let Some(attached) = self.attached.as_mut().filter(|it| !it.is_told_end) {
            attached.is_told_end = true;
            // A worker that is gone by now needs no end of stream.
            drop(attached.link.send(&Descriptor::eos(), SEND_WITHIN));
        }
    }
}

/// One stream.
pub(crate) struct Stream {
    state: Mutex<State>,
    changed: Condvar,
    pub(crate) time_base: TimeBase,
    /// The usual distance between frames, in ticks.
    pub(crate) interval: i64,
    pub(crate) latest: bool,
    /// A before/after picture is wanted.
    pub(crate) preview: bool,
}

impl Stream {
    pub(crate) fn new(time_base: TimeBase, interval: i64, latest: bool, preview: bool) -> Self {
        Self {
            state: Mutex::new(State {
                exchange: Exchange::new(latest),
                attached: None,
                finished: VecDeque::new(),
                sound_waiting: 0,
                tally: Tally::default(),
                stopping: false,
                draining: None,
                complete: false,
                source_done: false,
                source_end: None,
                decoded: 0,
                unseen: 0,
                encoded: 0,
                out_of_order: 0,
                decoded_seconds: 0.0,
                encoded_seconds: 0.0,
                live: None,
            }),
            changed: Condvar::new(),
            time_base,
            interval,
            latest,
            preview,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// A live one; `interval` is the usual distance between its frames.
    pub(crate) fn live(interval: i64, live: LiveState) -> Self {
        let stream = Self::new(TimeBase::MPEG, interval, true, false);
        let mut state = stream.lock();
        state.live = Some(live);
        drop(state);
        stream
    }

    /// Wakes everybody who waits for a change.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change, for [`LOOK_AGAIN`] at most.
    pub(crate) fn wait<'a>(&self, guard: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let (guard, _timed_out) = self
            .changed
            .wait_timeout(guard, LOOK_AGAIN)
            .unwrap_or_else(|poison| poison.into_inner());
        guard
    }

    /// Waits for a change, for `within` at most where that is given.
    pub(crate) fn wait_within<'a>(
        &self,
        guard: MutexGuard<'a, State>,
        within: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match within {
            None => self
                .changed
                .wait(guard)
                .unwrap_or_else(|poison| poison.into_inner()),
            Some(within) => {
                self.changed
                    .wait_timeout(guard, within)
                    .unwrap_or_else(|poison| poison.into_inner())
                    .0
            }
        }
    }

    /// Gives the worker what it may have, and tells it when that was all.
    pub(crate) fn pump(&self, state: &mut State) {
        while let Some(frame) = state.exchange.next_delivery() {
            match self.deliver(state, frame) {
                Ok(frame) => state.exchange.delivered(frame),
                Err(frame) => return state.exchange.undelivered(frame),
            }
        }
        if state.source_done && state.exchange.is_delivered() {
            state.tell_end();
        }
    }

    /// Sends one frame; gives it back when there is no slot or no worker.
    fn deliver(
        &self,
        state: &mut State,
        mut frame: Ready<Held>,
    ) -> Result<Ready<Held>, Ready<Held>> {
        let (Some(attached), Some(lease)) = (&mut state.attached, &mut frame.lease) else {
            return Err(frame);
        };
        if !lease.is_of(&attached.own) {
            // A frame that an earlier worker had not begun: its picture moves into the new pool.
            let Some(mut loan) = attached.own.loan() else {
                return Err(frame);
            };
            let bytes = loan.len().min(lease.len());
            loan[..bytes].copy_from_slice(&lease[..bytes]);
            *lease = loan.publish();
        }
        let (slot, lent) = (lease.slot(), lease.clone());
        frame.delivered_ns = monotonic_ns();
        let message = Descriptor {
            flags: Flags {
                passthrough: false,
                discontinuity: frame.discontinuity,
            },
            sent_ns: frame.delivered_ns,
            ..Descriptor::frame(slot, attached.caps, frame.id, frame.pts, self.time_base)
        };
        if attached.link.send(&message, SEND_WITHIN).is_err() {
            // The link's reader sees the same end and puts things in order.
            attached.link.shutdown();
            return Err(frame);
        }
        attached.lent[slot as usize] = Some(lent);
        attached.delivered_ns = frame.delivered_ns;
        Ok(frame)
    }

    /// Adds sound for the encoder. False when the stream is to stop.
    pub(crate) fn push_sound(&self, sound: AudioPacket) -> bool {
        let mut state = self.lock();
        while state.sound_waiting >= SOUND_WAITING && !state.complete {
            state = self.wait(state);
        }
        state.sound_waiting += 1;
        state.finished.push_back(Finished::Sound(sound));
        self.notify();
        !state.stopping
    }

    /// A worker's link has ended, or is to end. Returns the frames that are lost and how many go on, if the link was the
    /// current one.
    pub(crate) fn lose_worker(
        &self,
        incarnation: u32,
        keep: bool,
    ) -> Option<(Vec<HeldFrame>, u32)> {
        let mut state = self.lock();
        if state.attached.as_ref().map(|attached| attached.incarnation) != Some(incarnation) {
            return None;
        }
        if let Some(attached) = state.attached.take() {
            attached.link.shutdown();
        }
        let state = &mut *state;
        let lost = match keep {
            true => state.exchange.release_worker(),
            false => state.exchange.lose_worker(),
        };
        if let Some(live) = &mut state.live {
            // What is live does not wait for the next worker.
            live.presenter.set_present(false, monotonic_ns());
            let lost_ones = lost.closed.iter().chain(&lost.held);
            for frame in lost_ones.chain(state.exchange.waiting()) {
                live.presenter.lose(frame.id);
            }
            state.exchange.abandon();
            self.notify();
            let held = lost.held.iter().map(|frame| self.held(frame)).collect();
            return Some((held, 0));
        }
        let held = lost.held.iter().map(|frame| self.held(frame)).collect();
        if state.draining.is_some() {
            state.exchange.abandon();
        }
        self.notify();
        Some((held, u32::try_from(lost.requeued).unwrap_or(u32::MAX)))
    }

    fn held(&self, frame: &Ready<Held>) -> HeldFrame {
        HeldFrame {
            frame: frame.id,
            pts: frame.pts.0,
            seconds: self.time_base.seconds(frame.pts),
        }
    }

    /// A worker is there: it gets what it may have.
    pub(crate) fn gain_worker(&self, attached: Attached) {
        let mut state = self.lock();
        state.exchange.attach(attached.batch);
        state.attached = Some(attached);
        if let Some(live) = &mut state.live {
            let takes_frames = !live.is_reloading;
            live.presenter.set_present(takes_frames, monotonic_ns());
        }
        self.pump(&mut state);
        self.notify();
    }

    /// A picture came from the worker; `whole` says that it is the last of its frame.
    pub(crate) fn take_finished(&self, state: &mut State, picture: Picture, whole: bool) {
        match &mut state.live {
            None => state.finished.push_back(Finished::Picture(picture)),
            // What was begun before a reload is not shown after it began.
            Some(live) if live.is_reloading => {}
            Some(live) => {
                live.is_failing = false;
                let (frame, pts, now) = (picture.frame, picture.pts, picture.answered_ns);
                live.presenter.finish(frame, pts, picture, whole, now);
            }
        }
    }

    /// The worker does not answer a frame: by choice, or because the pipeline failed with it.
    pub(crate) fn take_skip(state: &mut State, frame: u64, failed: bool) {
        if let Some(live) = &mut state.live {
            live.is_failing = failed;
            if failed {
                live.presenter.fail(frame);
            } else {
                live.presenter.pass_over(frame);
            }
        }
    }

    /// The counters now.
    pub(crate) fn stats(&self) -> MediaStats {
        let mut state = self.lock();
        let now = monotonic_ns();
        let counts = state.exchange.counts();
        let more_come = state.attached.as_ref().is_some_and(|it| {
            it.is_told_end || now.saturating_sub(it.delivered_ns) < MORE_WITHIN_NS
        });
        let can_answer = state.attached.as_ref().is_some_and(|attached| {
            let mut slots = attached.borrowed.iter();
            slots.any(|it| !it.load(Ordering::Acquire))
        });
        let stats = MediaStats {
            decoded: state.decoded,
            delivered: counts.delivered,
            answered: counts.answered,
            encoded: state.encoded,
            dropped: counts.dropped + state.unseen + state.out_of_order,
            skipped: counts.skipped,
            failed: counts.failed,
            late: state.tally.late(),
            filler: 0,
            held: counts.held,
            waiting: if can_answer {
                state.exchange.unanswered(more_come) as u64
            } else {
                0
            },
            decoded_seconds: state.decoded_seconds,
            encoded_seconds: state.encoded_seconds,
            fps: state.tally.fps(now),
            finished: state.complete,
            latency_ms: state.tally.latencies(),
            dropped_latest: counts.dropped,
            dropped_unseen: state.unseen,
            dropped_order: state.out_of_order,
            ..MediaStats::default()
        };
        match &state.live {
            Some(live) => live.stats(stats, now),
            None => stats,
        }
    }
}
