//! What answers mean.

use super::{
    machine::{Asking, Reading, Ready, Subscriber},
    output::{End, Event, GetId, Output},
};
use crate::{
    failure::{Answer, Failure},
    wire::{Seq, Wanted, names},
};

/// Hints that are followed in a row; after that the subscriber joins anew at the live edge.
const HINTS: u32 = 6;

impl Subscriber {
    pub(super) fn head(&mut self, id: GetId, answer: Answer) {
        if self.asking.id() != Some(id) || matches!(self.asking, Asking::Ready { .. }) {
            return;
        }
        if answer.closed {
            return self.finish(End::Closed);
        }
        match answer.status {
            status if (200..300).contains(&status) => self.segment_begins(id, answer),
            names::NO_SUCH_SEGMENT => {
                self.not_this_one();
                self.answered_well();
                self.follow_hint(answer.latest);
            }
            names::NOT_FOUND => {
                self.not_this_one();
                self.channel_is_missing();
            }
            status if answer.is_passing() => {
                self.not_this_one();
                self.ask_failed(Failure::Refused(status));
            }
            status => self.finish(End::Refused(status)),
        }
    }

    pub(super) fn body_ended(&mut self, id: GetId) {
        let Some(reading) = self.reading.take_if(|it| it.id == id) else {
            return;
        };
        if reading.has_begun || !reading.ready.is_uncounted() {
            self.delivered(reading, true);
        } else if self.ending.is_none() {
            self.uncounted_ended(&reading.ready);
        }
        self.go_on();
    }

    pub(super) fn failed(&mut self, id: GetId, failure: Failure) {
        if let Some(reading) = self.reading.take_if(|it| it.id == id) {
            let seq = reading.ready.seq;
            let has_begun = reading.has_begun;
            if has_begun {
                self.delivered(reading, false);
            }
            self.note(&failure);
            if !has_begun && self.ending.is_none() && !self.is_over {
                self.get_at(Wanted::Exact(seq), self.trouble.until());
            }
            self.go_on();
        } else if self.asking.id() == Some(id) {
            self.asking = Asking::Nothing;
            self.ask_failed(failure);
        }
    }

    fn segment_begins(&mut self, id: GetId, answer: Answer) {
        let seq = match (answer.seq, self.wanted) {
            (Some(seq), Wanted::Exact(wanted)) if seq == wanted => seq,
            (None, Wanted::Exact(wanted)) => wanted,
            (Some(seq), Wanted::Upcoming | Wanted::Newest) => seq,
            _ => {
                self.not_this_one();
                let what = format!("`{}` is not the number asked for", names::SEQ);
                return self.ask_failed(Failure::Malformed(what));
            }
        };
        self.answered_well();
        let ready = Ready {
            seq,
            latest: answer.latest,
            mime: answer.mime,
        };
        self.asking = Asking::Ready { id, ready };
        self.go_on();
    }

    /// The next segment has its turn if the present one is over; then the one after it is asked for.
    fn go_on(&mut self) {
        self.end_if_idle();
        if self.reading.is_some() || self.is_over {
            return;
        }
        match std::mem::replace(&mut self.asking, Asking::Nothing) {
            Asking::Ready { id, ready } => {
                let is_uncounted = ready.is_uncounted();
                let next = ready.seq.next();
                self.reading = Some(Reading {
                    id,
                    ready,
                    received: 0,
                    has_begun: false,
                    until: self.now + self.config.idle_time,
                });
                self.out.push_back(Output::Read(id));
                if !is_uncounted {
                    self.get_at(Wanted::Exact(next), self.now);
                }
            }
            Asking::Nothing => {
                // Only behind a segment that had bytes though the server did not count it: the hint tells where to go on.
                if let Some(next) = self.expected {
                    self.get_at(Wanted::Exact(next), self.now);
                }
            }
            asking => self.asking = asking,
        }
    }

    fn delivered(&mut self, reading: Reading, complete: bool) {
        let (seq, bytes) = (reading.ready.seq, reading.received);
        if !reading.has_begun {
            self.reading = Some(reading);
            self.begin();
            self.reading = None;
        }
        self.event(Event::End {
            seq,
            bytes,
            complete,
        });
    }

    /// An empty answer for a number that the server does not count: nobody wrote to it, or numbers went back.
    fn uncounted_ended(&mut self, ready: &Ready) {
        let latest = ready.latest.unwrap_or(ready.seq);
        if latest < ready.seq {
            return self.follow_hint(Some(latest));
        }
        let until = self.hints.fail(self.now);
        self.get_at(Wanted::Exact(ready.seq), until);
    }

    /// Goes to the number that the server names. A number below what has been delivered is a new beginning, of which the
    /// newest segment can still be had.
    fn follow_hint(&mut self, latest: Option<Seq>) {
        let followed = self.hints.in_a_row();
        let until = self.hints.fail(self.now);
        let until = if followed == 0 { self.now } else { until };
        let went_back =
            |latest: Seq| self.has_delivered && self.expected.is_some_and(|it| latest < it);
        let missed = |latest: Seq| self.expected.is_some_and(|it| it < latest);
        let wanted = match latest {
            Some(latest) if followed == 0 && went_back(latest) => Wanted::Exact(latest.previous()),
            Some(latest) if followed < HINTS && self.config.keep_newest && missed(latest) => {
                Wanted::Exact(latest.previous())
            }
            Some(latest) if followed < HINTS => Wanted::Exact(latest),
            _ => Wanted::Upcoming,
        };
        self.get_at(wanted, until);
    }

    /// After a success it is over. Before, and after the server was away, it may still be made.
    fn channel_is_missing(&mut self) {
        if !self.was_away {
            return self.finish(End::Closed);
        }
        self.trouble.succeed();
        let until = self.absence.fail(self.now);
        if self.absence.lasts(self.now) >= self.config.absence {
            return self.finish(End::NotFound);
        }
        self.get_at(self.wanted, until);
    }

    /// The answer that just came is not read.
    fn not_this_one(&mut self) {
        self.drop_asking();
    }

    fn answered_well(&mut self) {
        self.was_away = false;
        self.is_troubled = false;
        self.trouble.succeed();
        self.absence.succeed();
    }

    fn ask_failed(&mut self, failure: Failure) {
        let is_stale = failure == Failure::Stale;
        self.note(&failure);
        if !self.is_over && self.ending.is_none() {
            let until = if is_stale {
                self.now
            } else {
                self.trouble.until()
            };
            self.get_at(self.wanted, until);
        }
    }

    /// Counts a failure. Too many in a row are the end.
    fn note(&mut self, failure: &Failure) {
        if *failure == Failure::Stale {
            return;
        }
        self.was_away = true;
        self.trouble.fail(self.now);
        if !self.is_troubled {
            self.is_troubled = true;
            self.event(Event::Trouble(failure.clone()));
        }
        if self.trouble.lasts(self.now) >= self.config.give_up {
            self.finish(End::Unreachable(failure.clone()));
        }
    }
}
