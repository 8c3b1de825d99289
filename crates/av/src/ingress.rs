//! The thread that reads the source: decoded pictures into slots, sound past them.

use std::sync::Arc;

use framerill_frames::{Loan, Pool};
use framerill_worker::{
    child::Parent,
    message::{ErrorReport, Level},
    runtime::monotonic_ns,
};

use crate::{
    error::AvError,
    exchange::Ready,
    scale::Scaler,
    source::{DecodedPicture, Item, SourceReader},
    stream::{Held, LOOK_AGAIN, Stream},
};

/// Reads to the end, or until the stream is to stop.
pub(crate) fn run(stream: &Arc<Stream>, mut source: SourceReader, scaler: Scaler, parent: &Parent) {
    let mut ingress = Ingress {
        stream,
        scaler,
        next_id: 0,
    };
    let outcome = ingress.read(&mut source, parent);
    let mut state = stream.lock();
    state.source_done = true;
    state.exchange.end();
    if state.draining.is_some() && !state.exchange.is_attached() {
        state.exchange.abandon();
    }
    stream.pump(&mut state);
    stream.notify();
    drop(state);
    if let Err(error) = outcome {
        parent.fail(report(&error));
    }
}

/// An error of this room as the protocol says it.
pub(crate) fn report(error: &AvError) -> ErrorReport {
    let report = ErrorReport::fatal(error.code(), error.to_string());
    match error.hint() {
        Some(hint) => report.with_hint(hint),
        None => report,
    }
}

struct Ingress<'a> {
    stream: &'a Stream,
    scaler: Scaler,
    next_id: u64,
}

impl Ingress<'_> {
    fn read(&mut self, source: &mut SourceReader, parent: &Parent) -> Result<(), AvError> {
        loop {
            if self.stream.lock().stopping {
                return Ok(());
            }
            let began = monotonic_ns();
            let more = match source.next()? {
                Item::Picture(picture) => self.take_picture(&picture, began)?,
                Item::Audio(sound) => self.stream.push_sound(sound),
                Item::Eos(end) => {
                    if let Some(what) = end.warning() {
                        parent.log(Level::Warn, what);
                    }
                    self.stream.lock().source_end = Some(end);
                    return Ok(());
                }
            };
            if !more {
                return Ok(());
            }
        }
    }

    /// False when the stream is to stop.
    fn take_picture(&mut self, picture: &DecodedPicture, began: u64) -> Result<bool, AvError> {
        let pts = picture.pts();
        let id = self.next_id;
        self.next_id += 1;
        {
            let mut state = self.stream.lock();
            state.decoded += 1;
            state.decoded_seconds = self.stream.time_base.seconds(pts);
            if self.stream.latest && state.attached.is_none() {
                // Nobody is there to see it, and nothing waits under `latest`.
                state.unseen += 1;
                return Ok(!state.stopping);
            }
        }
        let decoded_in = monotonic_ns().saturating_sub(began);
        let Some(mut loan) = self.loan() else {
            self.stream.lock().unseen += 1;
            return Ok(false);
        };
        let resumed = monotonic_ns();
        self.scaler.scale_into(picture, &mut loan)?;
        let complete = monotonic_ns();
        // The wait for a slot is the worker's time, not the decoder's.
        let decode_ns = (resumed.saturating_sub(decoded_in), complete);
        let discontinuity = picture.discontinuity();
        let lease = Some(loan.publish());
        Ok(self.offer(Ready {
            id,
            pts,
            discontinuity,
            lease,
            decode_ns,
            delivered_ns: 0,
        }))
    }

    /// A slot of the current worker's pool, once there is one.
    fn loan(&self) -> Option<Loan> {
        loop {
            let pool = self.pool()?;
            if let Some(slot) = pool.loan_within(LOOK_AGAIN) {
                return Some(slot);
            }
        }
    }

    fn pool(&self) -> Option<Pool> {
        let mut state = self.stream.lock();
        loop {
            if state.stopping {
                return None;
            }
            if let Some(attached) = &state.attached {
                return Some(attached.own.clone());
            }
            state = self.stream.wait(state);
        }
    }

    /// False when the stream is to stop.
    fn offer(&self, mut frame: Ready<Held>) -> bool {
        let mut state = self.stream.lock();
        state.tally.decoded(frame.decode_ns);
        loop {
            match state.exchange.accept(frame) {
                Ok(displaced) => {
                    drop(displaced);
                    self.stream.pump(&mut state);
                    return !state.stopping;
                }
                Err(refused) => frame = refused,
            }
            if state.stopping {
                state.unseen += 1;
                return false;
            }
            state = self.stream.wait(state);
        }
    }
}

/// Ticks between frames at `fps`; 0 when it is unknown.
pub(crate) fn usual_interval(time_base: framerill_media::TimeBase, fps: [u32; 2]) -> i64 {
    let [num, den] = fps;
    if num == 0 {
        return 0;
    }
    time_base.at(f64::from(den) / f64::from(num)).0
}
