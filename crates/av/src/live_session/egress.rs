//! The thread that writes a live stream: what the presenter shows, when it is time, and the sound with it.

use std::{sync::Arc, time::Duration};

use framerill_frames::Foreign;
use framerill_media::{Caps, PixelFormat, Pts, Size};
use framerill_worker::{
    child::Parent,
    message::{FromChild, MediaStats},
    runtime::monotonic_ns,
};

use super::{
    filler::{Choice, FRESH_NS, Moment, Wish},
    overlay::{Overlay, grey},
    presenter::Shown,
    sink::LiveSink,
    state::{Heard, Input},
};
use crate::{
    egress::{drained, say_stats, stop},
    error::AvError,
    ingress::report,
    stream::{Picture, Pixels, State, Stream},
    usual::Usual,
};

/// After its source has ended, a stream waits so long for its worker.
const FINISH_WITHIN: u64 = 1_000_000_000;
/// Sound waits for its picture as long as pictures take and this much more, in all at most [`MOST_SOUND_WAIT_NS`].
const SOUND_SLACK_NS: u64 = 1_000_000_000;
const MOST_SOUND_WAIT_NS: u64 = 8_000_000_000;

/// The writer of one stream.
pub(crate) struct Egress {
    stream: Arc<Stream>,
    sink: Option<LiveSink>,
    size: Size,
    wish: Wish,
    /// The last finished picture.
    last: Option<(Caps, Vec<u8>)>,
    overlay: Option<Overlay>,
    /// How long pictures take from the source to the sink, in ns.
    delays: Usual,
}

/// What there is to do.
enum Job {
    Heard(Heard),
    Show(Shown<Picture, Option<Input>>),
    Overdue,
    End,
}

/// Writes until the source has ended and what came of it is out, then completes the sink and says so.
pub(crate) fn run(mut egress: Egress, parent: &Parent) {
    let written = egress.write();
    let outcome = written.and_then(|()| egress.complete());
    let stream = egress.stream;
    let fault = stream.lock().live.as_mut().and_then(|it| it.fault.take());
    if let Some(report) = outcome.err().as_ref().map(report).or(fault) {
        // What the sink has got is told before the failure.
        say_stats(&stream.stats(), parent);
        stop(&stream);
        return parent.fail(report);
    }
    let stats = Box::new(MediaStats {
        finished: true,
        ..stream.stats()
    });
    parent.say(&FromChild::Done { stats });
    if let Some(id) = stop(&stream) {
        drained(&stream, id, parent);
    }
}

impl Egress {
    /// Shows pictures of `size`; without a sink they are shown to nobody.
    pub(crate) fn new(
        stream: &Arc<Stream>,
        sink: Option<LiveSink>,
        size: Size,
        wish: Wish,
    ) -> Self {
        Self {
            stream: Arc::clone(stream),
            sink,
            size,
            wish,
            last: None,
            overlay: None,
            delays: Usual::default(),
        }
    }

    fn write(&mut self) -> Result<(), AvError> {
        loop {
            match self.next() {
                Job::Heard(heard) => self.take(heard)?,
                Job::Show(Shown::Finished { pts, picture }) => {
                    self.finished(pts, picture)?;
                    // Its slot is free: a picture of a burst may wait for one.
                    self.stream.notify();
                }
                Job::Show(Shown::Filler { pts, input, .. }) => self.filler(pts, input)?,
                Job::Overdue => {
                    let wait = self.sound_wait();
                    if let Some(sink) = &mut self.sink {
                        sink.write_overdue(wait, monotonic_ns())?;
                    }
                    self.tell_sound();
                }
                Job::End => return Ok(()),
            }
        }
    }

    /// Waits for something to do.
    fn next(&self) -> Job {
        let sound_due = self.sink.as_ref().and_then(|it| it.due(self.sound_wait()));
        let mut state = self.stream.lock();
        loop {
            let now = monotonic_ns();
            let over = over(&mut state, now);
            let inner = &mut *state;
            let Some(live) = &mut inner.live else {
                return Job::End;
            };
            if let Some(heard) = live.heard.pop_front() {
                return Job::Heard(heard);
            }
            if let Some(shown) = live.presenter.next(now) {
                return Job::Show(shown);
            }
            if sound_due.is_some_and(|due| due <= now) {
                return Job::Overdue;
            }
            let give_up = match over {
                Over::Not => None,
                Over::At(at) => Some(at),
                Over::Now => {
                    inner.tell_end();
                    return Job::End;
                }
            };
            let due = [live.presenter.due(), sound_due, give_up];
            let due = due.into_iter().flatten().min();
            let within = due.map(|due| Duration::from_nanos(due.saturating_sub(now)));
            state = self.stream.wait_within(state, within);
        }
    }

    fn take(&mut self, heard: Heard) -> Result<(), AvError> {
        if let Heard::Size(size) = heard {
            self.size = size;
            self.overlay = None;
        }
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        match heard {
            Heard::Format {
                traits,
                declared,
                sound,
            } => {
                let colour = traits.map(|it| it.colour);
                sink.set_format(colour, declared.as_ref(), sound.as_ref())?;
            }
            Heard::Sound(sound) => sink.write_sound_packet(&sound, monotonic_ns())?,
            Heard::Size(size) => sink.set_size(size)?,
        }
        self.tell_sound();
        Ok(())
    }

    fn finished(&mut self, pts: Pts, picture: Picture) -> Result<(), AvError> {
        let bytes = picture.caps.picture_bytes();
        let pixels = match &picture.pixels {
            Pixels::Own(lease) => lease.foreign(bytes),
            Pixels::Worker(held) => held.picture(bytes),
        };
        if let Some(sink) = &mut self.sink {
            sink.write_picture(pixels, picture.caps, pts)?;
        }
        self.keep(picture.caps, pixels);
        let now = monotonic_ns();
        self.delays.add(now.saturating_sub(picture.decode_began_ns));
        let mut state = self.stream.lock();
        state.encoded += 1;
        state.encoded_seconds = self.stream.time_base.seconds(pts);
        state
            .tally
            .encoded(picture.answered_ns, picture.decode_began_ns, now);
        self.wrote(&mut state, pts, Some(now));
        Ok(())
    }

    /// Keeps a copy for fillers: the slot goes back to the worker.
    fn keep(&mut self, caps: Caps, pixels: Foreign<'_>) {
        self.overlay = None;
        let (kept_caps, kept) = self.last.get_or_insert_with(|| (caps, Vec::new()));
        *kept_caps = caps;
        kept.resize(pixels.len(), 0);
        pixels.copy_to(0, kept);
    }

    fn filler(&mut self, pts: Pts, input: Option<Input>) -> Result<(), AvError> {
        let now = monotonic_ns();
        let moment = {
            let state = self.stream.lock();
            let live = state.live.as_ref();
            Moment {
                now,
                finished: live.and_then(|it| it.written.finished_at),
                is_reloading: live.is_some_and(|it| it.is_reloading),
                shows_reload: live.is_some_and(|it| it.shows_reload),
                has_original: input.is_some(),
            }
        };
        let choice = self.wish.choose(moment);
        let drawn;
        let (caps, bytes) = match (choice, &input, &self.last) {
            (Choice::Original, Some(input), _) => (input.caps, &input.bytes[..]),
            (Choice::LastGood, _, Some((caps, bytes))) => (*caps, &bytes[..]),
            _ => {
                drawn = self.draw(moment);
                let caps = Caps::new(PixelFormat::Rgb24, self.size);
                (
                    caps.map_err(|error| AvError::Plan(error.to_string()))?,
                    &drawn[..],
                )
            }
        };
        if let Some(sink) = &mut self.sink {
            sink.write_picture(Foreign::from(bytes), caps, pts)?;
        }
        let mut state = self.stream.lock();
        self.wrote(&mut state, pts, None);
        Ok(())
    }

    fn draw(&mut self, moment: Moment) -> Vec<u8> {
        let (size, last) = (self.size, &self.last);
        let is_fresh = |at: u64| moment.now.saturating_sub(at) <= FRESH_NS;
        let overlay = self.overlay.get_or_insert_with(|| {
            let fresh = last
                .as_ref()
                .filter(|(caps, _)| caps.size == size && moment.finished.is_some_and(is_fresh));
            let background = fresh.map(|(caps, bytes)| grey(*caps, bytes));
            Overlay::new(size, background.as_deref())
        });
        overlay.draw(moment.now)
    }

    /// A picture went out; `finished` says when, unless it was a filler.
    fn wrote(&self, state: &mut State, pts: Pts, finished: Option<u64>) {
        let Some(live) = &mut state.live else { return };
        if finished.is_some() && !live.is_reloading {
            live.shows_reload = false;
        }
        let is_change = live.written.picture(pts.0, finished);
        if let Some(sink) = &self.sink {
            live.written.sound = sink.sound_written();
        }
        if is_change {
            live.tell();
        }
    }

    fn tell_sound(&self) {
        let (Some(sink), Some(live)) = (&self.sink, &mut self.stream.lock().live) else {
            return;
        };
        live.written.sound = sink.sound_written();
        live.written.sound_left_out = sink.sound_dropped();
    }

    fn sound_wait(&self) -> u64 {
        let delay = self.delays.median().unwrap_or(0);
        delay.saturating_add(SOUND_SLACK_NS).min(MOST_SOUND_WAIT_NS)
    }

    fn complete(&mut self) -> Result<(), AvError> {
        let finished = self.sink.as_mut().map_or(Ok(()), LiveSink::finish);
        self.tell_sound();
        finished
    }
}

/// Whether a stream is over.
enum Over {
    /// The source goes on.
    Not,
    /// Then, unless the worker is done before.
    At(u64),
    /// All is out.
    Now,
}

fn over(state: &mut State, now: u64) -> Over {
    let is_attached = state.attached.is_some();
    let Some(live) = &mut state.live else {
        return Over::Now;
    };
    let Some(ended) = live.source_ended else {
        return Over::Not;
    };
    if !state.exchange.is_empty() {
        let until = ended.saturating_add(FINISH_WITHIN);
        if is_attached && !live.is_reloading && now < until {
            return Over::At(until);
        }
        state.exchange.abandon();
    }
    // From here on nobody finishes anything.
    live.presenter.give_up();
    if live.presenter.is_empty() && live.heard.is_empty() {
        Over::Now
    } else {
        Over::At(now)
    }
}
