//! What transports tell, and how a stream ends.

use framerill_supervisor::guardian::Input;

use super::{Number, driver::Driver};
use crate::{
    infer::{asked::Origin, status, transport::News},
    log::{Level, log_stream},
};

impl Driver {
    pub(super) fn take_news(&mut self, number: Number, news: News) {
        let seat = self.seat_of(number);
        match news {
            News::Closed => self.closed(number),
            News::InputEnded(why) => {
                let now = self.now();
                if let Some(stream) = self.stream_mut(number) {
                    stream.input_ended = Some(now);
                }
                if let (Some(seat), Some(why)) = (seat, why) {
                    self.report(seat, format!("Error reading input: {why}"));
                }
            }
            News::OutputEnded(why) => {
                let Some(seat) = seat else { return };
                if let Some(why) = &why {
                    self.report(seat, format!("Error writing output: {why}"));
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
                    self.report(seat, what);
                }
            }
            News::Trace(what, at_ms) => {
                if let Some(stream) = self.stream_mut(number) {
                    stream.transport.emit(status::trace(what, at_ms));
                }
            }
        }
    }

    /// A stream's channels are closed: it is over.
    pub(super) fn closed(&mut self, number: Number) {
        let left = self.leaving.extract_if(.., |it| it.number == number);
        let mut over: Vec<_> = left.collect();
        if let Some(seat) = self.seat_of(number) {
            let stream = self.seats[seat].stream.take();
            self.guard(seat, Input::StreamEnded { stream: number });
            log_stream(
                Level::Info,
                &self.seats[seat].ids,
                format_args!("stream {number} is over"),
            );
            over.extend(stream);
        }
        for stream in over {
            match stream.asked.origin {
                Origin::Runner => self.notes.forget(number),
                Origin::Flags => self.leave(),
                Origin::Api => {}
            }
        }
    }

    /// Ends the stream of a seat. It counts as running until its channels are closed.
    pub(super) fn end_stream(&mut self, seat: usize, why: &str) {
        let Some(mut stream) = self.seats[seat].stream.take() else {
            return;
        };
        if !stream.is_ending {
            let number = stream.number;
            log_stream(
                Level::Info,
                &self.seats[seat].ids,
                format_args!("stream {number} ends: {why}"),
            );
            self.leave_worker(seat, &stream);
            stream.end();
        }
        self.seats[seat].stream = Some(stream);
    }
}
