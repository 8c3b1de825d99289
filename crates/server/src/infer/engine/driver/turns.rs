//! The loop: notices of children, news of transports, requests, deadlines.

use std::{
    sync::{Arc, atomic::Ordering, mpsc::RecvTimeoutError},
    time::{Duration, Instant},
};

use framerill_supervisor::{Notice, guardian::Input};

use super::{Driver, view};
use crate::{
    failure::Failure,
    http::AnswerBy,
    infer::{
        engine::{Command, Ended, Incoming, seating, wall_ms},
        refusal::Refusal,
    },
};

/// Children want to be looked at so often, whether they say anything or not.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Notices taken before deadlines are looked at again.
const BATCH: usize = 64;

impl Driver {
    pub(in crate::infer::engine) fn run(&mut self) -> Ended {
        // Waits for as long as infer runs.
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        if let Some(asked) = self.settings.stream.take() {
            self.start(asked, wall_ms(), AnswerBy::NEVER, reply);
            // Without parameters of its own it is answered at once.
            if let Ok(Err(why)) = answer.try_recv() {
                return Ended::Failed(Failure::usage("stream", why.to_string()));
            }
        }
        loop {
            if self.is_to_leave.swap(false, Ordering::Acquire) {
                self.leave();
            }
            self.updates();
            self.publish();
            if let Some(ended) = self.ended.take() {
                return ended;
            }
            if self.seating.is_over() {
                return Ended::Done;
            }
            self.wait();
        }
    }

    /// Takes what has come, or waits for it until the next deadline.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn wait(&mut self) {
        let now = Instant::now();
        let own = |at: Duration| self.epoch + at;
        let mut next = now + LOOKS_EVERY;
        let children = self
            .workers
            .iter()
            .filter_map(|it| it.child.next_deadline());
        let streams = self.streams().filter_map(|it| it.media.next_deadline());
        let seats = self.seats.iter().map(|it| own(it.wake));
        let seating = self.place_by.map(own);
        for at in children.chain(streams).chain(seats).chain(seating) {
            next = next.min(at);
        }
        match self
            .incoming
            .recv_timeout(next.saturating_duration_since(now))
        {
            Ok(incoming) => {
                self.take(incoming);
                for _ in 1..BATCH {
                    let Ok(incoming) = self.incoming.try_recv() else {
                        break;
                    };
                    self.take(incoming);
                }
            }
            // The sender is a field of this.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.deadlines();
    }

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Child(notice) => self.take_notice(notice),
            Incoming::Transport(number, news) => self.take_news(number, news),
            Incoming::Command(command) => self.take_command(command),
        }
        // A notice of one child comes before what follows from it for another.
        self.updates();
    }

    fn take_notice(&mut self, notice: Notice) {
        if let Some(worker) = self.workers.iter_mut().find(|it| it.id == notice.child) {
            worker.child.handle(notice);
        } else if let Some(stream) = self.streams_mut().find(|it| it.media_id == notice.child) {
            stream.media.handle(notice);
        }
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Start {
                asked,
                received_ms,
                by,
                reply,
            } => self.start(*asked, received_ms, by, reply),
            Command::Params {
                to,
                value,
                by,
                reply,
            } => {
                let answer = if by.is_past() {
                    Err(Refusal::Late)
                } else {
                    self.take_params(to, value)
                };
                // Whoever asked may have gone.
                reply.send(answer).ok();
            }
            Command::Stop { by, reply, .. } if by.is_past() => {
                reply.send(Err(Refusal::Late)).ok();
            }
            Command::Stop { number, reply, .. } => {
                // One that has left its seat ends already.
                if let Some(seat) = self.seat_of(number) {
                    self.end_stream(seat, "it was asked for");
                }
                reply.send(Ok(())).ok();
            }
            Command::Trouble(what) => self.trouble_of_newest(what),
            // The loop looks now.
            Command::Leave => {}
        }
    }

    /// Ends everything, in order.
    pub(super) fn leave(&mut self) {
        self.place(seating::Input::Leave);
    }

    fn updates(&mut self) {
        loop {
            if let Some((id, update)) = self
                .workers
                .iter_mut()
                .find_map(|it| Some((it.id, it.child.next_update()?)))
            {
                self.worker_update(id, update);
                continue;
            }
            let medias = self.streams_mut();
            let update = medias
                .filter_map(|it| Some((it.number, it.media.next_update()?)))
                .next();
            match update {
                Some((number, update)) => self.media_update(number, update),
                None => return,
            }
        }
    }

    fn deadlines(&mut self) {
        let now = self.now();
        for worker in &mut self.workers {
            worker.child.on_deadline();
            if worker.is_ready {
                worker.flow.well(now);
            }
        }
        for stream in self.streams_mut() {
            stream.media.on_deadline();
        }
        self.updates();
        for seat in 0..self.seats.len() {
            self.tell_worker_state(seat);
            if self.seats[seat].wake <= self.now() {
                self.guard(seat, Input::Deadline);
            }
        }
        if self.place_by.is_some_and(|at| at <= now) {
            self.place(seating::Input::Deadline);
        }
    }

    pub(super) fn publish(&mut self) {
        let snapshot = view::snapshot(self);
        self.tell.send_replace(Arc::new(snapshot));
    }
}
