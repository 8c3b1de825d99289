//! What transports tell, and how a stream ends.

use std::sync::Arc;

use framerill_supervisor::guardian::Input;

use super::{Driver, view::stream_view};
use crate::{
    infer::{
        asked::Origin,
        engine::{Number, StreamView, seating, troubles::Told},
        event::Event,
        transport::News,
    },
    log::{Level, log_stream},
};

/// Streams that are remembered when they are over.
const MOST_OVER: usize = 32;

impl Driver {
    pub(super) fn take_news(&mut self, number: Number, news: News) {
        let seat = self.seat_of(number);
        match news {
            News::Closed => self.closed(number),
            News::InputEnded(why) => {
                self.place(seating::Input::SourceEnded { stream: number });
                if let Some(stream) = self.stream_mut(number) {
                    stream.input_is_over();
                }
                if let (Some(seat), Some(why)) = (seat, why) {
                    self.blame(seat, format!("Error reading input: {why}"));
                }
            }
            News::OutputEnded(why) => {
                let Some(seat) = seat else { return };
                match why {
                    Some(why) => self.blame(seat, format!("Error writing output: {why}")),
                    None => self.output_closed(seat),
                }
                self.end_stream(seat, "its output channel is over");
            }
            News::ControlClosed => {
                if let Some(seat) = seat {
                    self.end_stream(seat, "its control channel was closed");
                }
            }
            News::Params => {
                let value = self
                    .stream_mut(number)
                    .and_then(|it| it.transport.params.take());
                if let (Some(value), true) = (value, seat.is_some()) {
                    // What is wrong with it was told by an event.
                    drop(self.take_params(Some(number), value));
                }
            }
            News::Trouble(what) => {
                if let Some(seat) = seat {
                    self.trouble(seat, what);
                }
            }
            News::Trace(step, at_ms) => {
                if let Some(stream) = self.stream_mut(number) {
                    stream.transport.emit(Event::Trace(step, at_ms));
                }
            }
        }
    }

    /// A stream's channels are closed: it is over.
    fn closed(&mut self, number: Number) {
        self.place(seating::Input::Closed { stream: number });
        let left = self.leaving.extract_if(.., |it| it.number == number);
        let mut over: Vec<_> = left.map(|it| (None, it)).collect();
        if let Some(seat) = self.seat_of(number) {
            let stream = self.seats[seat].stream.take();
            self.guard(seat, Input::StreamEnded { stream: number });
            log_stream(
                Level::Info,
                &self.seats[seat].ids,
                format_args!("stream {number} is over"),
            );
            over.extend(stream.map(|it| (Some(seat), it)));
        }
        for (seat, stream) in over {
            if self.over.len() == MOST_OVER {
                self.over.pop_front();
            }
            let view = StreamView {
                is_over: true,
                ..stream_view(self, seat.map(|it| &self.seats[it]), &stream)
            };
            self.over.push_back(Arc::new(view));
            match stream.asked.origin {
                Origin::Runner => self.notes.forget(number),
                Origin::Flags => self.leave(),
                Origin::Api => {}
            }
        }
    }

    /// Ends the stream of a seat. It counts as running until its channels are closed.
    pub(super) fn end_stream(&mut self, seat: usize, why: &str) {
        if let Some(stream) = &self.seats[seat].stream {
            let (stream, why) = (stream.number, why.to_owned());
            self.place(seating::Input::End { stream, why });
        }
    }

    pub(super) fn end_now(&mut self, seat: usize, why: &str) {
        let Some(stream) = &self.seats[seat].stream else {
            return;
        };
        let (number, name) = (stream.number, stream.name());
        log_stream(
            Level::Info,
            &self.seats[seat].ids,
            format_args!("stream {number} ends: {why}"),
        );
        self.leave_worker(seat, name);
        // What was reported goes out while there is a channel for it.
        self.guard(seat, Input::StreamEnding { stream: number });
        if let Some(stream) = &mut self.seats[seat].stream {
            stream.end();
        }
    }

    /// A stream does not end in order.
    pub(super) fn blame(&mut self, seat: usize, why: String) {
        if let Some(stream) = &mut self.seats[seat].stream {
            stream.fault.get_or_insert_with(|| why.clone());
        }
        self.trouble(seat, why);
    }

    /// Its output channel is closed, or was never there. While its input goes on, that is no end in order.
    fn output_closed(&mut self, seat: usize) {
        let stream = self.seats[seat].stream.as_ref();
        let Some(stream) = stream.filter(|it| !it.is_ending && !it.has_input_ended()) else {
            return;
        };
        if stream.delivered() == 0 {
            let what = "Error writing output: its channel is not there, or is closed: create it before the start, or mend `publish_url`";
            return self.blame(seat, what.to_owned());
        }
        let message = "Error writing output: its channel was closed or is gone, and the stream ends: start it again with one that is open";
        // An orchestrator that ends a stream may close this channel first.
        log_stream(Level::Warning, &self.seats[seat].ids, message);
        let message = message.to_owned();
        self.guard(seat, Input::TroubleReported { message });
    }

    /// What the counters of a seat's stream say of its input and its output.
    pub(super) fn tell_troubles(&mut self, seat: usize) {
        let now = self.now();
        let stream = self.seats[seat].stream.as_mut();
        let told = stream.filter(|it| !it.is_ending).map(|it| it.look(now));
        for told in told.into_iter().flatten() {
            match told {
                Told::Trouble(what) => self.trouble(seat, what),
                Told::Over(what) => log_stream(Level::Info, &self.seats[seat].ids, what),
            }
        }
    }

    /// Something is wrong with what concerns the newest stream, or the worker without one.
    pub(super) fn trouble_of_newest(&mut self, message: String) {
        let seat = self.newest_seat();
        self.trouble(seat, message);
    }
}
