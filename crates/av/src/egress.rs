//! The thread that writes the sink: finished pictures in their order, sound past them.

use std::{fs::File, os::fd::OwnedFd, sync::Arc};

use framerill_frames::Foreign;
use framerill_media::{Caps, Pts};
use framerill_worker::{
    child::Parent,
    message::{ErrorReport, FromChild, Level, MediaStats},
    runtime::monotonic_ns,
};

use crate::{
    error::AvError,
    ingress::report,
    preview::write_preview,
    sink::SinkWriter,
    stream::{Finished, Picture, Pixels, Stream},
};

/// The before/after picture that is wanted.
pub(crate) struct Wanted {
    /// Where it goes.
    pub(crate) file: OwnedFd,
    /// The frame that it is best taken of.
    pub(crate) frame: u64,
}

/// Writes until every frame has left, then completes the sink and says so.
pub(crate) fn run(
    stream: &Arc<Stream>,
    sink: Option<SinkWriter>,
    wanted: Option<Wanted>,
    parent: &Parent,
) {
    let mut egress = Egress {
        stream,
        sink,
        last: None,
        preview: wanted.map(Preview::new),
    };
    let outcome = egress.write();
    let dropped = egress.sink.as_ref().map_or(0, SinkWriter::sound_dropped);
    if dropped > 0 {
        let text = format!("{dropped} packets of sound long before the first picture are left out");
        parent.log(Level::Warn, text);
    }
    let outcome = outcome.and_then(|()| egress.complete());
    if let Err(error) = outcome {
        // What the sink has got is told before the failure: a report counts it.
        say_stats(&stream.stats(), parent);
        stop(stream);
        return parent.fail(report(&error));
    }
    let stats = MediaStats {
        finished: true,
        ..stream.stats()
    };
    if let Some(report) = truncated(stream, &stats) {
        say_stats(&stats, parent);
        stop(stream);
        return parent.fail(report);
    }
    let stats = Box::new(stats);
    parent.say(&FromChild::Done { stats });
    if let Some(id) = stop(stream) {
        drained(stream, id, parent);
    }
}

/// Tells the counters.
pub(crate) fn say_stats(stats: &MediaStats, parent: &Parent) {
    let stats = serde_json::to_value(stats).unwrap_or_default();
    parent.say(&FromChild::Stats { stats });
}

/// A source that ended before its header says is no success, whatever could be decoded of it.
fn truncated(stream: &Stream, stats: &MediaStats) -> Option<ErrorReport> {
    let truncated = stream
        .lock()
        .source_end
        .as_ref()
        .is_some_and(|end| end.is_truncated);
    let message = format!(
        "the file is truncated: {} frames, up to {:.2} s, could be decoded",
        stats.decoded, stats.decoded_seconds
    );
    truncated.then(|| {
        ErrorReport::fatal("source_truncated", message).with_hint("copy or record the file again")
    })
}

/// Nothing more will be written. Returns the `drain` that waits for this.
pub(crate) fn stop(stream: &Stream) -> Option<u64> {
    let mut state = stream.lock();
    state.stopping = true;
    state.complete = true;
    stream.notify();
    state.draining.take()
}

/// Answers `drain` and ends the process.
pub(crate) fn drained(stream: &Stream, id: u64, parent: &Parent) {
    let stats = Some(Box::new(stream.stats()));
    parent.say(&FromChild::Drained { id, stats });
    parent.leave(0);
}

struct Egress<'a> {
    stream: &'a Arc<Stream>,
    sink: Option<SinkWriter>,
    last: Option<Pts>,
    preview: Option<Preview>,
}

impl Egress<'_> {
    fn write(&mut self) -> Result<(), AvError> {
        while let Some(next) = self.next() {
            match next {
                Finished::Sound(sound) => {
                    if let Some(sink) = &mut self.sink {
                        sink.write_audio(sound)?;
                    }
                }
                Finished::Picture(picture) => self.write_picture(picture)?,
            }
        }
        Ok(())
    }

    fn next(&self) -> Option<Finished> {
        let mut state = self.stream.lock();
        loop {
            if let Some(next) = state.finished.pop_front() {
                state.sound_waiting -= usize::from(matches!(next, Finished::Sound(_)));
                self.stream.notify();
                return Some(next);
            }
            if state.source_done && state.exchange.is_finished() {
                state.tell_end();
                return None;
            }
            state = self.stream.wait(state);
        }
    }

    fn write_picture(&mut self, picture: Picture) -> Result<(), AvError> {
        let pts = picture.pts;
        let written = if self.last.is_some_and(|last| pts <= last) {
            self.stream.lock().out_of_order += 1;
            Ok(())
        } else {
            self.last = Some(pts);
            self.encode(&picture)
        };
        // Its slot goes back to the worker.
        drop(picture);
        written
    }

    fn encode(&mut self, picture: &Picture) -> Result<(), AvError> {
        let bytes = picture.caps.picture_bytes();
        let pixels = match &picture.pixels {
            Pixels::Own(lease) => lease.foreign(bytes),
            Pixels::Worker(held) => held.picture(bytes),
        };
        if let (Some(preview), Some(before)) = (&mut self.preview, &picture.before) {
            let seen = picture.seen;
            let before = &before[..seen.picture_bytes()];
            preview.look(picture.frame, (seen, before), (picture.caps, pixels));
        }
        if let Some(sink) = &mut self.sink {
            sink.write_picture(pixels, picture.caps, picture.pts)?;
        }
        let now = monotonic_ns();
        let mut state = self.stream.lock();
        state.encoded += 1;
        state.encoded_seconds = self.stream.time_base.seconds(picture.pts);
        state
            .tally
            .encoded(picture.answered_ns, picture.decode_began_ns, now);
        Ok(())
    }

    fn complete(&mut self) -> Result<(), AvError> {
        if let Some(sink) = self.sink.take() {
            sink.finish()?;
        }
        match self.preview.take() {
            Some(preview) => preview.write(),
            None => Ok(()),
        }
    }
}

/// A picture that is kept.
type Still = (Caps, Vec<u8>);

/// Two pictures of one frame, kept until the stream is complete.
struct Preview {
    wanted: Wanted,
    taken: Option<(u64, Still, Still)>,
}

impl Preview {
    fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            taken: None,
        }
    }

    /// Takes the first frame, and once more the one that is wanted or the first after it.
    fn look(&mut self, frame: u64, before: (Caps, &[u8]), after: (Caps, Foreign<'_>)) {
        let better = match &self.taken {
            None => true,
            Some((taken, ..)) => *taken < self.wanted.frame && frame >= self.wanted.frame,
        };
        if better {
            let mut copy = vec![0; after.1.len()];
            after.1.copy_to(0, &mut copy);
            let before = (before.0, before.1.to_vec());
            self.taken = Some((frame, before, (after.0, copy)));
        }
    }

    fn write(self) -> Result<(), AvError> {
        match self.taken {
            Some((_, before, after)) => {
                let file = File::from(self.wanted.file);
                write_preview(file, (before.0, &before.1), (after.0, &after.1))
            }
            None => Ok(()),
        }
    }
}
