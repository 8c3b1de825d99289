//! What the server does with one connection when something happened to it.

use std::task::Waker;

use framerill_sim::network::Taken;
use framerill_trickle::{
    failure::Answer,
    publisher::Request,
    relay::{
        Append, Finish, ReadStep, Standing,
        gate::{Begins, Get, No, Post, PostRequest},
    },
    wire::{Seq, names},
};

use super::{Getting, Posting, Seat, Stage, Then, Turn, caller};
use crate::frame::{Ask, Frame, Head};

const DROPPED: Finish = Finish {
    empty: true,
    over: false,
};
const OVER: Finish = Finish {
    empty: true,
    over: true,
};

impl Turn<'_> {
    pub(super) fn serve(&mut self, seat: &mut Seat) -> Then {
        loop {
            seat.out.flush(seat.socket, self.net);
            if !seat.out.is_empty() {
                return Then::Waits;
            }
            if seat.closes {
                return Then::Gone;
            }
            let goes_on = match std::mem::replace(&mut seat.stage, Stage::Idle) {
                Stage::Idle => self.request(seat),
                Stage::Beginning { seq, reset } => self.begin(seat, seq, reset),
                Stage::Posting(posting) => self.post(seat, posting),
                Stage::Getting(getting) => self.get(seat, getting),
            };
            if let Some(then) = goes_on {
                return then;
            }
        }
    }

    /// The next request. `None`: go on.
    fn request(&mut self, seat: &mut Seat) -> Option<Then> {
        let ask = match self.net.take(seat.socket) {
            Taken::Value(Frame::Ask(ask)) => ask,
            Taken::Value(frame) => panic!("{frame:?} where a request was due"),
            Taken::Nothing => return Some(Then::Waits),
            Taken::End | Taken::Broken => return Some(Then::Gone),
        };
        let caller = caller(self.headers);
        match ask {
            Ask::Get(wanted) => match self.hub.get(self.now, &caller, &wanted.to_string()) {
                Get::Reading(mut reader) => {
                    let seq = reader.head().seq.get();
                    let has_bytes = match reader.read(self.now, Waker::noop(), 0, &mut Vec::new()) {
                        ReadStep::Bytes { .. } => Some(true),
                        ReadStep::End => Some(false),
                        ReadStep::Wait => None,
                    };
                    let record = self.ledger.attach_reader(seq, has_bytes);
                    seat.stage = Stage::Getting(Getting {
                        reader,
                        record,
                        read: 0,
                        has_head: false,
                    });
                }
                Get::Missing { seq, latest } => {
                    let missing = plain(names::NO_SUCH_SEGMENT);
                    seat.answer(Answer {
                        seq: Some(seq),
                        latest: Some(latest),
                        ..missing
                    });
                }
                Get::Over { seq, latest } => {
                    let over = plain(names::OK);
                    seat.answer(Answer {
                        seq: Some(seq),
                        latest: Some(latest),
                        closed: true,
                        ..over
                    });
                }
                Get::No(no) => seat.answer(plain(no.status)),
            },
            Ask::Do(Request::Post { seq, reset }) => {
                let (begins, came) = match self.net.take(seat.socket) {
                    Taken::Nothing => (Begins::Later, None),
                    Taken::Value(Frame::End) => (Begins::Never, Some(Frame::End)),
                    Taken::Value(frame) => (Begins::Now, Some(frame)),
                    Taken::End | Taken::Broken => return Some(Then::Gone),
                };
                seat.inbox = came;
                self.open(seat, seq, reset, begins);
            }
            Ask::Do(Request::Latest) => match self.hub.get_next(&caller) {
                Ok((next, closed)) => {
                    let next = Answer {
                        latest: Some(next),
                        closed,
                        ..plain(names::OK)
                    };
                    seat.answer(next);
                }
                Err(no) => seat.answer(plain(no.status)),
            },
            Ask::Do(Request::Create) => {
                let result = self.hub.post_channel(self.now, &caller, Some("video/mp2t"));
                seat.answer(done(result));
            }
            Ask::Do(Request::Delete) => {
                let result = self.hub.delete_channel(self.now, &caller);
                if result.is_ok() {
                    self.ledger.forget_channel();
                }
                seat.answer(done(result));
            }
            Ask::Do(Request::CloseSegment { seq }) => {
                let result = self.hub.delete_segment(&caller, &seq.to_string());
                seat.answer(done(result));
            }
        }
        None
    }

    /// A POST whose name was deleted a moment ago: its body decides.
    fn begin(&mut self, seat: &mut Seat, seq: Seq, reset: bool) -> Option<Then> {
        let (begins, came) = match self.net.take(seat.socket) {
            Taken::Nothing => {
                seat.stage = Stage::Beginning { seq, reset };
                return Some(Then::Waits);
            }
            Taken::Value(Frame::End) => (Begins::Never, Frame::End),
            Taken::Value(frame) => (Begins::Now, frame),
            Taken::End | Taken::Broken => return Some(Then::Gone),
        };
        seat.inbox = Some(came);
        self.open(seat, seq, reset, begins);
        None
    }

    fn open(&mut self, seat: &mut Seat, seq: Seq, reset: bool, begins: Begins) {
        let number = seq.to_string();
        let request = PostRequest {
            seq: &number,
            mime: Some("video/mp2t"),
            reset,
            begins,
        };
        let has_bytes = self.ledger.has_bytes(seq.get());
        match self.hub.post(self.now, &caller(self.headers), &request) {
            Post::Writing(writer) => {
                let is_fresh = has_bytes && !self.has_bytes(&number);
                let record = self.ledger.attach_writer(seq.get(), is_fresh);
                seat.stage = Stage::Posting(Posting {
                    writer,
                    record,
                    came: 0,
                    has_stored: false,
                });
            }
            Post::Dropped(seq) => {
                self.ledger.dropped.insert(seq.get());
                seat.posted(seq, DROPPED);
            }
            Post::Over(seq) => seat.posted(seq, OVER),
            Post::AskAgain => seat.stage = Stage::Beginning { seq, reset },
            Post::No(no) => {
                seat.refuse(no.status);
            }
        }
    }

    /// Whether the segment under this number has a byte.
    fn has_bytes(&self, number: &str) -> bool {
        match self.hub.get(self.now, &caller(self.headers), number) {
            Get::Reading(mut reader) => {
                reader.read(self.now, Waker::noop(), 0, &mut Vec::new()) != ReadStep::Wait
            }
            _ => false,
        }
    }

    fn post(&mut self, seat: &mut Seat, mut posting: Posting) -> Option<Then> {
        let taken = match seat.inbox.take() {
            Some(frame) => Taken::Value(frame),
            None => self.net.take(seat.socket),
        };
        let seq = posting.writer.seq();
        match taken {
            Taken::Value(Frame::Bytes(bytes)) => {
                let from = posting.came;
                posting.came += bytes.len() as u64;
                match posting.writer.append(self.now, bytes.clone()) {
                    Append::Stored => {
                        posting.has_stored = true;
                        let connection = seat.socket.number();
                        self.ledger.store(posting.record, connection, from, &bytes);
                    }
                    Append::Dropped if posting.has_stored => self.ledger.cut(posting.record),
                    Append::Dropped => {
                        self.ledger.dropped.insert(seq.get());
                        seat.posted(seq, DROPPED);
                        return None;
                    }
                    Append::Over => {
                        seat.posted(seq, OVER);
                        return None;
                    }
                    Append::TooLarge | Append::Full => {
                        seat.refuse(names::CONTENT_TOO_LARGE);
                        return None;
                    }
                }
            }
            Taken::Value(_) => {
                let finish = posting.writer.finish(self.now);
                if !finish.over {
                    self.ledger.complete(posting.record);
                }
                seat.posted(seq, finish);
                return None;
            }
            Taken::End | Taken::Broken => {
                posting.writer.abandon(self.now);
                seat.refuse(names::SERVER_ERROR);
                return None;
            }
            Taken::Nothing => {
                match posting.writer.standing(&Waker::from(seat.bell.clone())) {
                    Standing::Over => {
                        seat.posted(seq, OVER);
                        return None;
                    }
                    Standing::Closed if !posting.has_stored => {
                        self.ledger.dropped.insert(seq.get());
                        seat.posted(seq, DROPPED);
                        return None;
                    }
                    Standing::Closed | Standing::Open => {}
                }
                seat.stage = Stage::Posting(posting);
                return Some(Then::Waits);
            }
        }
        seat.stage = Stage::Posting(posting);
        None
    }

    fn get(&mut self, seat: &mut Seat, mut getting: Getting) -> Option<Then> {
        let waker = Waker::from(seat.bell.clone());
        let most = 1 + self.net.random.up_to(8192);
        let mut chunks = Vec::new();
        let step = getting.reader.read(self.now, &waker, most, &mut chunks);
        let head = getting.reader.head();
        let answer = Answer {
            status: names::OK,
            closed: head.over,
            seq: Some(head.seq),
            latest: head.latest,
            mime: head.mime.map(|mime| mime.to_string()),
        };
        let is_end = match step {
            ReadStep::Wait => {
                let then = match self.net.take(seat.socket) {
                    Taken::Nothing => Then::Waits,
                    Taken::Value(frame) => panic!("{frame:?} while an answer was due"),
                    Taken::End | Taken::Broken => Then::Gone,
                };
                seat.stage = Stage::Getting(getting);
                return Some(then);
            }
            ReadStep::Bytes { end } => end,
            ReadStep::End => true,
        };
        if !std::mem::replace(&mut getting.has_head, true) {
            seat.out.put(Frame::Answer(Head {
                answer,
                has_body: step != ReadStep::End,
                closes: false,
                record: Some(getting.record),
            }));
            if step == ReadStep::End {
                self.ledger.end(getting.record, 0);
                return None;
            }
        }
        for bytes in chunks {
            getting.read += bytes.len() as u64;
            seat.out.put(Frame::Bytes(bytes));
        }
        if is_end {
            self.ledger.end(getting.record, getting.read);
            seat.out.put(Frame::End);
        } else {
            seat.stage = Stage::Getting(getting);
        }
        None
    }
}

impl Seat {
    fn answer(&mut self, answer: Answer) {
        self.out.put(Frame::Answer(Head {
            answer,
            has_body: false,
            closes: self.closes,
            record: None,
        }));
    }

    /// The answer to a POST. One that stored nothing ends its connection.
    fn posted(&mut self, seq: Seq, finish: Finish) {
        self.closes = finish.empty;
        self.answer(Answer {
            seq: Some(seq),
            closed: finish.over,
            ..plain(names::OK)
        });
    }

    /// An answer behind which the connection ends.
    fn refuse(&mut self, status: u16) {
        self.closes = true;
        self.answer(plain(status));
    }
}

fn done(result: Result<(), No>) -> Answer {
    plain(result.map_or_else(|no| no.status, |()| names::OK))
}

fn plain(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}
