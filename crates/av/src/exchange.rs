//! Which frame is where: a pure machine between the decoder, the worker and the encoder.
//!
//! ```text
//! accept ──> pending ──deliver──> outstanding ──answer / skip──> gone
//!               │                     │
//!        (policy) dropped      worker lost: what it had begun is held, the rest go back in front of pending
//! ```
//!
//! A worker that answers on its own time says which frames it has *taken* in; they make room for others at once, and are
//! lost with it. Its answers are *open*: nobody knows how many a frame will have, and a `skip` after the first one ends them.
//!
//! Generic over what holds a picture, so that tests need no memory. No clock, no socket.
//!
//! Invariant: every frame that was accepted leaves exactly once, as answered, skipped, dropped or held, and answers come
//! in the order of acceptance.

use std::{collections::VecDeque, num::NonZeroUsize};

use framerill_frames::{Policy, Pushed, Queue, SkipReason};
use framerill_media::Pts;

use crate::usual::LATE_AT_LEAST_NS;

/// Frames that a worker has at once: one at work, and the next at hand.
pub(crate) const DEPTH: usize = 2;
/// A live worker that takes longer for a frame gets no second one: its age would be seen.
const FAST_NS: u64 = 20_000_000;
/// A worker that takes no longer for a frame keeps up with 24 a second: a burst waits for it.
const KEEPS_UP_NS: u64 = 40_000_000;
/// Frames that a worker may have taken in and not answered.
const MOST_TAKEN: usize = 1100;
/// Answers that one frame may have.
const MOST_ANSWERS: u32 = 256;
/// Decoded frames that wait under `block`.
const PENDING: NonZeroUsize = NonZeroUsize::new(2).expect("two");

/// A decoded frame.
#[derive(Clone, Debug)]
pub(crate) struct Ready<L> {
    /// Counts from 0.
    pub(crate) id: u64,
    /// In the stream's time base.
    pub(crate) pts: Pts,
    /// The source jumped before it.
    pub(crate) discontinuity: bool,
    /// Holds the picture.
    pub(crate) lease: L,
    /// When decoding began and when the picture was complete, `CLOCK_MONOTONIC` in ns.
    pub(crate) decode_ns: (u64, u64),
    /// When it was delivered; 0 before.
    pub(crate) delivered_ns: u64,
}

/// A rule of the link that the worker broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Rule {
    /// Its last parent is not the frame whose turn it is.
    #[error("an answer to frame {got:?} where frame {due:?} is due")]
    OutOfTurn {
        /// What was answered.
        got: Option<u64>,
        /// What was due.
        due: Option<u64>,
    },
    /// `index` does not follow the one before, or `of` is not what it was, or too many.
    #[error("answer {index} of {of} where answer {due} is due, of {MOST_ANSWERS} at most")]
    Count {
        /// The index that was due.
        due: u32,
        /// As in the message.
        index: u32,
        /// As in the message.
        of: u32,
    },
}

/// What a lost worker took with it.
#[derive(Debug)]
pub(crate) struct Lost<L> {
    /// The frames it had begun, or the one that it would have begun next.
    pub(crate) held: Vec<Ready<L>>,
    /// The frame that it had begun to answer.
    pub(crate) closed: Option<Ready<L>>,
    /// Frames that go to the next worker.
    pub(crate) requeued: usize,
}

/// Counts of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Decoded and accepted.
    pub(crate) accepted: u64,
    /// Went to a worker; a requeued frame counts again.
    pub(crate) delivered: u64,
    /// Answered.
    pub(crate) answered: u64,
    /// Without an answer, by choice or because nothing came of them in time.
    pub(crate) skipped: u64,
    /// The pipeline failed with them.
    pub(crate) failed: u64,
    /// Lost by policy, or because no worker is left.
    pub(crate) dropped: u64,
    /// Lost with a worker.
    pub(crate) held: u64,
}

/// A frame that the worker has.
#[derive(Debug)]
struct Out<L> {
    frame: Ready<L>,
    /// The worker has taken it in.
    is_taken: bool,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Exchange<L> {
    pending: Queue<Ready<L>>,
    again: VecDeque<Ready<L>>,
    outstanding: VecDeque<Out<L>>,
    /// Answers that the oldest outstanding frame has had, and how many it is to have; 0 while nobody knows.
    parts: Option<(u32, u32)>,
    attached: bool,
    /// Frames that the worker begins at once.
    batch: usize,
    ended: bool,
    /// How long the worker takes for a frame, in ns; zero until that is known.
    pace_ns: u64,
    counts: Counts,
}

impl<L> Exchange<L> {
    /// Nothing accepted, no worker. `latest` keeps only the newest frame while the worker is busy.
    #[must_use]
    pub(crate) fn new(latest: bool) -> Self {
        let policy = if latest {
            Policy::Latest
        } else {
            Policy::Block(PENDING)
        };
        Self {
            pending: Queue::new(policy),
            again: VecDeque::new(),
            outstanding: VecDeque::new(),
            parts: None,
            attached: false,
            batch: 1,
            ended: false,
            pace_ns: 0,
            counts: Counts::default(),
        }
    }

    /// Takes a decoded frame. `Err` gives it back: it has to wait. `Ok(Some)` is the frame that went for it.
    pub(crate) fn accept(&mut self, frame: Ready<L>) -> Result<Option<Ready<L>>, Ready<L>> {
        let displaced = match self.pending.push(frame) {
            Pushed::Queued => None,
            Pushed::Displaced(oldest) => Some(oldest),
            Pushed::Full(frame) => return Err(frame),
        };
        self.counts.accepted += 1;
        self.counts.dropped += u64::from(displaced.is_some());
        Ok(displaced)
    }

    /// The frame to deliver now, if the worker may have one more.
    pub(crate) fn next_delivery(&mut self) -> Option<Ready<L>> {
        if !self.attached || self.is_full() {
            return None;
        }
        self.again.pop_front().or_else(|| self.pending.pop())
    }

    /// How long a live worker took for a frame.
    pub(crate) fn set_pace(&mut self, process_ns: u64) {
        self.pace_ns = process_ns;
    }

    /// Whether the worker has all the frames that it has at once. A fast one gets the next frame in advance: pictures that a
    /// busy machine decodes in bursts then do not displace each other. A slow one does not: a frame at hand is as old as the
    /// worker is slow when its turn comes, and the link brings the newest in microseconds.
    ///
    /// One that takes several at once has the next batch at hand as long as it keeps up: while it is at work, all but the
    /// newest of what comes would be lost.
    fn is_full(&self) -> bool {
        let depth = match self.batch {
            ..2 if self.pace_ns <= FAST_NS => DEPTH,
            ..2 => 1,
            batch if self.pace_ns <= KEEPS_UP_NS => 2 * batch,
            batch => batch,
        };
        self.at_hand().count() >= depth || self.outstanding.len() >= MOST_TAKEN
    }

    /// What the worker has and has not taken in.
    fn at_hand(&self) -> impl Iterator<Item = &Ready<L>> {
        let outs = self.outstanding.iter().filter(|it| !it.is_taken);
        outs.map(|it| &it.frame)
    }

    /// Until when a frame had better wait, in ns, before it displaces another one: a worker that keeps up has room before it is
    /// late. Twice its usual distance between answers is no more than [`LATE_AT_LEAST_NS`].
    pub(crate) fn room_by(&self) -> Option<u64> {
        let would_displace = self.is_full() && !self.pending.is_empty();
        let is_worth_it = self.attached && self.pace_ns <= KEEPS_UP_NS;
        let oldest = self.at_hand().next().filter(|_| is_worth_it)?;
        would_displace.then_some(oldest.delivered_ns + LATE_AT_LEAST_NS)
    }

    /// The frame is on its way.
    pub(crate) fn delivered(&mut self, frame: Ready<L>) {
        self.counts.delivered += 1;
        self.outstanding.push_back(Out {
            frame,
            is_taken: false,
        });
    }

    /// The frame could not be put on its way: it is the next one again.
    pub(crate) fn undelivered(&mut self, frame: Ready<L>) {
        self.again.push_front(frame);
    }

    /// An output names its last parent and its place among the answers to it. Returns the input frame when this was the
    /// last answer, and a look at it otherwise.
    pub(crate) fn answer(
        &mut self,
        parent: Option<u64>,
        index: u32,
        of: u32,
    ) -> Result<Answered<'_, L>, Rule> {
        self.due(parent)?;
        let (due, expected) = self.parts.unwrap_or((0, of));
        let is_open = of == 0;
        let most = if is_open { MOST_ANSWERS } else { of };
        if index != due || of != expected || index >= most || of > MOST_ANSWERS {
            return Err(Rule::Count { due, index, of });
        }
        if is_open || index + 1 < of {
            self.parts = Some((index + 1, of));
            self.counts.answered += u64::from(is_open && index == 0);
            return Ok(Answered::Part(&self.outstanding[0].frame));
        }
        self.parts = None;
        self.counts.answered += 1;
        self.pop(parent).map(Answered::Whole)
    }

    /// The worker does not answer, or not any more: by choice, or because the pipeline failed with the frame.
    pub(crate) fn skip(&mut self, frame: u64, reason: SkipReason) -> Result<Skipped<L>, Rule> {
        self.due(Some(frame))?;
        if self.parts.take().is_some_and(|(_, of)| of == 0) {
            return self.pop(Some(frame)).map(Skipped::Closed);
        }
        let counter = match reason {
            SkipReason::Failed => &mut self.counts.failed,
            // Nothing came of it, which is no headway.
            SkipReason::Late => &mut self.counts.dropped,
            SkipReason::Chosen | SkipReason::Flushed => &mut self.counts.skipped,
        };
        *counter += 1;
        self.pop(Some(frame)).map(Skipped::Unanswered)
    }

    /// The worker has taken a frame in: it makes room for the next one. What holds its picture may be let go.
    pub(crate) fn taken(&mut self, frame: u64) -> Result<&mut L, Rule> {
        let due = self.oldest();
        let mut outs = self.outstanding.iter_mut();
        let out = outs.find(|it| it.frame.id == frame && !it.is_taken);
        let out = out.ok_or(Rule::OutOfTurn {
            got: Some(frame),
            due,
        })?;
        out.is_taken = true;
        Ok(&mut out.frame.lease)
    }

    /// What holds the pictures of frames that were taken in.
    pub(crate) fn taken_leases(&self) -> impl Iterator<Item = &L> {
        let outs = self.outstanding.iter().filter(|it| it.is_taken);
        outs.map(|it| &it.frame.lease)
    }

    fn pop(&mut self, got: Option<u64>) -> Result<Ready<L>, Rule> {
        let out = self.outstanding.pop_front();
        out.map(|it| it.frame)
            .ok_or(Rule::OutOfTurn { got, due: None })
    }

    fn oldest(&self) -> Option<u64> {
        self.outstanding.front().map(|it| it.frame.id)
    }

    fn due(&self, got: Option<u64>) -> Result<(), Rule> {
        let due = self.oldest();
        if got.is_some() && got == due {
            Ok(())
        } else {
            Err(Rule::OutOfTurn { got, due })
        }
    }

    /// A worker is there that begins so many frames at once.
    pub(crate) fn attach(&mut self, batch: usize) {
        self.attached = true;
        self.batch = batch.max(1);
    }

    /// The worker is gone. What it had begun is held; the rest goes to the next one.
    pub(crate) fn lose_worker(&mut self) -> Lost<L> {
        let is_open = self.parts.take().is_some_and(|(_, of)| of == 0);
        let closed = is_open.then(|| self.outstanding.pop_front()).flatten();
        self.part(closed, self.batch)
    }

    /// The worker is well and leaves. What it has not answered goes to the next one, but for what it has taken in, whose
    /// pictures are gone; a frame of which some answers came is answered.
    pub(crate) fn release_worker(&mut self) -> Lost<L> {
        let closed = self.parts.take().and_then(|(_, of)| {
            // An open answer is counted with its first part.
            self.counts.answered += u64::from(of > 0);
            self.outstanding.pop_front()
        });
        self.part(closed, 0)
    }

    fn part(&mut self, closed: Option<Out<L>>, begun: usize) -> Lost<L> {
        self.attached = false;
        let taken = self.outstanding.iter().filter(|it| it.is_taken).count();
        let begun = (taken + begun).min(self.outstanding.len());
        let held: Vec<_> = self.outstanding.drain(..begun).map(|it| it.frame).collect();
        self.counts.held += held.len() as u64;
        let requeued = self.outstanding.len();
        while let Some(out) = self.outstanding.pop_back() {
            self.again.push_front(out.frame);
        }
        Lost {
            held,
            closed: closed.map(|it| it.frame),
            requeued,
        }
    }

    /// Frames that wait for a worker, oldest first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Ready<L>> {
        self.again.iter().chain(self.pending.front())
    }

    /// No frame will be accepted any more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// No worker will come any more: what waits for one is dropped.
    pub(crate) fn abandon(&mut self) -> usize {
        let waiting = self.again.len() + self.pending.len();
        self.again.clear();
        while self.pending.pop().is_some() {}
        self.counts.dropped += waiting as u64;
        waiting
    }

    /// Whether every frame that was accepted has left, and none will come.
    #[must_use]
    pub(crate) fn is_finished(&self) -> bool {
        self.ended && self.is_empty()
    }

    /// Whether no frame is inside.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.again.is_empty() && self.pending.is_empty() && self.outstanding.is_empty()
    }

    /// Whether the worker has all that there is.
    #[must_use]
    pub(crate) fn is_delivered(&self) -> bool {
        self.again.is_empty() && self.pending.is_empty()
    }

    /// Whether a worker is there.
    #[must_use]
    pub(crate) fn is_attached(&self) -> bool {
        self.attached
    }

    /// Frames that the worker has and has not begun to answer. Those that it has taken in count while `more` come: what it
    /// keeps when nothing comes, it may keep.
    #[must_use]
    pub(crate) fn unanswered(&self, more: bool) -> usize {
        let is_open = self.parts.is_some_and(|(_, of)| of == 0);
        let outs = self.outstanding.iter().skip(usize::from(is_open));
        outs.filter(|it| more || !it.is_taken).count()
    }

    /// The pts of the frame after the oldest outstanding one, where known.
    #[must_use]
    pub(crate) fn pts_after_oldest(&self) -> Option<Pts> {
        let next = self.outstanding.get(1).map(|it| &it.frame);
        let next = next.or_else(|| self.again.front());
        next.or_else(|| self.pending.front()).map(|frame| frame.pts)
    }

    /// The counts so far.
    #[must_use]
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }
}

/// The input frame of an answer.
#[derive(Debug)]
pub(crate) enum Answered<'a, L> {
    /// More answers to it will come.
    Part(&'a Ready<L>),
    /// That was the last.
    Whole(Ready<L>),
}

/// The frame of a skip.
#[derive(Debug)]
pub(crate) enum Skipped<L> {
    /// It has had its answers, and no more will come.
    Closed(Ready<L>),
    /// It has had none.
    Unanswered(Ready<L>),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(id: u64) -> Ready<()> {
        #[expect(clippy::cast_possible_wrap, reason = "small test numbers")]
        let pts = Pts(id as i64 * 10);
        Ready {
            id,
            pts,
            discontinuity: false,
            lease: (),
            decode_ns: (0, 0),
            delivered_ns: 0,
        }
    }

    fn ids(frames: &[Ready<()>]) -> Vec<u64> {
        frames.iter().map(|frame| frame.id).collect()
    }

    fn deliver_all(exchange: &mut Exchange<()>) -> Vec<u64> {
        let mut ids = Vec::new();
        while let Some(frame) = exchange.next_delivery() {
            ids.push(frame.id);
            exchange.delivered(frame);
        }
        ids
    }

    #[test]
    fn a_lost_worker_holds_one_frame_and_the_next_worker_gets_the_others_first() {
        let mut exchange = Exchange::new(false);
        exchange.attach(1);
        exchange.accept(frame(0)).unwrap();
        exchange.accept(frame(1)).unwrap();
        assert_eq!(deliver_all(&mut exchange), [0, 1]);
        exchange.accept(frame(2)).unwrap();
        let lost = exchange.lose_worker();
        assert_eq!((ids(&lost.held), lost.requeued), (vec![0], 1));
        exchange.attach(1);
        assert_eq!(deliver_all(&mut exchange), [1, 2]);
    }

    #[test]
    fn answers_out_of_turn_break_the_rule() {
        let mut exchange = Exchange::new(false);
        exchange.attach(1);
        exchange.accept(frame(0)).unwrap();
        exchange.accept(frame(1)).unwrap();
        deliver_all(&mut exchange);
        assert!(exchange.answer(Some(1), 0, 1).is_err());
        assert!(exchange.answer(None, 0, 1).is_err());
        assert!(exchange.answer(Some(0), 1, 1).is_err());
        assert!(exchange.answer(Some(0), 0, MOST_ANSWERS + 1).is_err());
        assert!(matches!(
            exchange.answer(Some(0), 0, 2),
            Ok(Answered::Part(_))
        ));
        for (index, of) in [(0, 2), (2, 3), (1, 3)] {
            assert!(exchange.answer(Some(0), index, of).is_err());
        }
        assert!(matches!(
            exchange.answer(Some(0), 1, 2),
            Ok(Answered::Whole(_))
        ));
        assert!(exchange.answer(Some(0), 0, 1).is_err());
    }

    #[test]
    fn what_is_taken_in_makes_room_and_is_lost_with_its_worker() {
        let mut exchange = Exchange::new(false);
        exchange.attach(1);
        for id in 0..4 {
            exchange.accept(frame(id)).unwrap();
            assert_eq!(deliver_all(&mut exchange), [id], "with {id} taken in");
            exchange.taken(id).unwrap();
            assert!(exchange.taken(id).is_err(), "twice");
        }
        for id in 4..6 {
            exchange.accept(frame(id)).unwrap();
        }
        assert_eq!(deliver_all(&mut exchange), [4, 5]);
        exchange.accept(frame(6)).unwrap();
        assert!(deliver_all(&mut exchange).is_empty());
        assert!(exchange.taken(6).is_err(), "never delivered");
        assert_eq!(
            (exchange.unanswered(true), exchange.unanswered(false)),
            (6, 2)
        );
        let lost = exchange.lose_worker();
        assert_eq!((ids(&lost.held), lost.requeued), (vec![0, 1, 2, 3, 4], 1));
        exchange.attach(1);
        assert_eq!(deliver_all(&mut exchange), [5, 6]);
    }

    #[test]
    fn an_open_answer_goes_on_until_it_is_ended_and_counts_once() {
        let mut exchange = Exchange::new(false);
        exchange.attach(1);
        for id in 0..2 {
            exchange.accept(frame(id)).unwrap();
        }
        deliver_all(&mut exchange);
        for index in 0..3 {
            let answered = exchange.answer(Some(0), index, 0);
            assert!(matches!(answered, Ok(Answered::Part(frame)) if frame.id == 0));
        }
        for (index, of) in [(2, 0), (3, 4), (4, 0)] {
            assert!(exchange.answer(Some(0), index, of).is_err());
        }
        assert!(exchange.answer(Some(1), 0, 0).is_err(), "before 0 is ended");
        assert_eq!(exchange.unanswered(true), 1);
        let closed = exchange.skip(0, SkipReason::Chosen);
        assert!(matches!(closed, Ok(Skipped::Closed(frame)) if frame.id == 0));
        exchange.answer(Some(1), 0, 0).unwrap();
        let lost = exchange.lose_worker();
        assert_eq!((lost.closed.map(|it| it.id), lost.held.len()), (Some(1), 0));
        let counts = exchange.counts();
        assert_eq!((counts.answered, counts.skipped, counts.held), (2, 0, 0));
    }

    #[test]
    fn a_frame_that_nothing_came_of_in_time_is_dropped_and_no_headway() {
        let mut exchange = Exchange::new(false);
        exchange.attach(1);
        exchange.accept(frame(0)).unwrap();
        deliver_all(&mut exchange);
        exchange.skip(0, SkipReason::Late).unwrap();
        let counts = exchange.counts();
        assert_eq!((counts.dropped, counts.skipped), (1, 0));
    }

    #[test]
    fn a_worker_of_batches_has_one_at_work_and_one_at_hand_while_it_keeps_up_and_loses_a_batch() {
        let mut exchange = Exchange::new(true);
        exchange.attach(3);
        for id in 0..8 {
            exchange.accept(frame(id)).unwrap();
            deliver_all(&mut exchange);
        }
        assert_eq!(exchange.unanswered(true), 6);
        let lost = exchange.lose_worker();
        assert_eq!((ids(&lost.held), lost.requeued), (vec![0, 1, 2], 3));
        exchange.attach(3);
        exchange.set_pace(KEEPS_UP_NS + 1);
        assert_eq!(deliver_all(&mut exchange), [3, 4, 5]);
    }

    #[test]
    fn a_slow_live_worker_gets_the_newest_frame_when_it_is_free_and_none_before() {
        let mut exchange = Exchange::new(true);
        exchange.set_pace(FAST_NS + 1);
        exchange.attach(1);
        exchange.accept(frame(0)).unwrap();
        assert_eq!(deliver_all(&mut exchange), [0]);
        for id in 1..5 {
            exchange.accept(frame(id)).unwrap();
            assert!(deliver_all(&mut exchange).is_empty());
        }
        exchange.answer(Some(0), 0, 1).unwrap();
        assert_eq!(deliver_all(&mut exchange), [4]);
    }

    #[test]
    fn a_burst_waits_for_a_worker_that_keeps_up_until_it_is_late_and_never_for_a_slow_one() {
        let mut exchange = Exchange::new(true);
        exchange.attach(1);
        for id in 0..2 {
            assert_eq!(exchange.room_by(), None);
            exchange.accept(frame(id)).unwrap();
            deliver_all(&mut exchange);
        }
        assert_eq!(exchange.room_by(), None, "one may wait");
        exchange.accept(frame(2)).unwrap();
        assert_eq!(exchange.room_by(), Some(LATE_AT_LEAST_NS));
        exchange.answer(Some(0), 0, 1).unwrap();
        deliver_all(&mut exchange);
        assert_eq!(exchange.room_by(), None);
        exchange.accept(frame(3)).unwrap();
        exchange.set_pace(KEEPS_UP_NS + 1);
        assert_eq!(exchange.room_by(), None);
        exchange.set_pace(KEEPS_UP_NS);
        assert_eq!(exchange.room_by(), Some(LATE_AT_LEAST_NS));
        exchange.lose_worker();
        assert_eq!(exchange.room_by(), None);
    }

    #[test]
    fn a_worker_that_is_well_leaves_its_frames_to_the_next_one() {
        let mut exchange = Exchange::new(false);
        (0..4).for_each(|id| drop(exchange.accept(frame(id))));
        exchange.attach(1);
        deliver_all(&mut exchange);
        // It has had an answer, which is not given again.
        exchange.answer(Some(0), 0, 2).unwrap();
        let lost = exchange.release_worker();
        assert_eq!((lost.held.len(), lost.requeued), (0, DEPTH - 1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Accept,
        Deliver,
        Answer,
        Skip,
        Lose,
        Release,
        Attach,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Accept), 4 => Just(Step::Deliver), 3 => Just(Step::Answer),
            1 => Just(Step::Skip), 1 => Just(Step::Lose), 1 => Just(Step::Release), 1 => Just(Step::Attach),
        ]
    }

    proptest! {
        #[test]
        fn every_accepted_frame_leaves_once_and_answers_keep_the_order(
            steps in proptest::collection::vec(step(), 0..300), latest: bool,
        ) {
            let mut exchange = Exchange::new(latest);
            let (mut next, mut answered, mut gone) = (0, Vec::new(), Vec::new());
            for step in steps {
                let due = exchange.oldest();
                match step {
                    Step::Accept => match exchange.accept(frame(next)) {
                        Ok(displaced) => {
                            next += 1;
                            gone.extend(displaced.map(|frame| frame.id));
                        }
                        Err(frame) => prop_assert!(!latest && frame.id == next),
                    },
                    Step::Deliver => { deliver_all(&mut exchange); }
                    Step::Answer => if let Ok(Answered::Whole(frame)) = exchange.answer(due, 0, 1) {
                        answered.push(frame.id);
                    },
                    Step::Skip => if let Some(due) = due {
                        let skipped = exchange.skip(due, SkipReason::Chosen).unwrap();
                        prop_assert!(matches!(&skipped, Skipped::Unanswered(frame) if frame.id == due));
                        gone.push(due);
                    },
                    Step::Lose => gone.extend(ids(&exchange.lose_worker().held)),
                    Step::Release => gone.extend(ids(&exchange.release_worker().held)),
                    Step::Attach => exchange.attach(1),
                }
                prop_assert!(exchange.unanswered(true) <= DEPTH);
            }
            exchange.end();
            exchange.attach(1);
            loop {
                deliver_all(&mut exchange);
                let Some(due) = exchange.oldest() else { break };
                exchange.answer(Some(due), 0, 1).unwrap();
                answered.push(due);
            }
            prop_assert!(exchange.is_finished());
            prop_assert!(answered.is_sorted());
            let counts = exchange.counts();
            prop_assert_eq!(counts.accepted, counts.answered + counts.skipped + counts.dropped + counts.held);
            let mut all: Vec<u64> = answered.into_iter().chain(gone).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..next).collect::<Vec<_>>());
        }
    }
}
