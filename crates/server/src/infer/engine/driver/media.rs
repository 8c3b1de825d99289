//! What media processes do, and what follows.

use std::os::fd::AsFd;

use framerill_frames::Link;
use framerill_supervisor::{ChildId, Update, guardian::Input, lifecycle};
use framerill_worker::message::{FromChild, MediaStats, ToChild};

use super::{Driver, worker::out_of_place};
use crate::{
    infer::engine::{Number, ParamsStatus, seating},
    log::{Ids, Level, log_child},
};

impl Driver {
    pub(super) fn media_update(&mut self, number: Number, update: Update) {
        match update {
            Update::Load { id } => {
                let loaded = self.stream_mut(number).map(|it| it.load(id));
                if let (Some(Err(why)), Some(seat)) = (loaded, self.seat_of(number)) {
                    self.trouble(seat, why);
                    self.end_stream(seat, "media cannot be given its pipes");
                }
            }
            Update::LogLine(line) => {
                let ids = self.ids_of_stream(number);
                log_child(Level::Info, &ids, "media", &line);
            }
            Update::LogLeftOut(left_out) => {
                let ids = self.ids_of_stream(number);
                self.log_left_out("media", &ids, "media", left_out);
            }
            Update::Lifecycle(event) => self.media_event(number, event),
            Update::Message(message, _) => self.media_says(number, message),
        }
    }

    fn ids_of_stream(&self, number: Number) -> Ids {
        let stream = self.streams().find(|it| it.number == number);
        stream.map(|it| it.asked.ids.clone()).unwrap_or_default()
    }

    fn media_event(&mut self, number: Number, event: lifecycle::Event) {
        let seat = self.seat_of(number);
        match event {
            lifecycle::Event::Ready { .. } => {
                if let Some(stream) = self.stream_mut(number) {
                    stream.media_ready = true;
                    stream.tell_output();
                }
                if let Some(seat) = seat {
                    self.attach(seat);
                }
            }
            lifecycle::Event::Restarting { reason, .. } => {
                self.count_restart("media", &reason);
                if let Some(stream) = self.stream_mut(number) {
                    stream.media_lost();
                }
                if let Some(seat) = seat {
                    // What waited there waits no longer.
                    self.tell_progress(seat);
                    self.trouble(
                        seat,
                        format!("Error in media process: {reason}; it is started again"),
                    );
                }
            }
            lifecycle::Event::Failed { reason } => {
                if let Some(stream) = self.stream_mut(number) {
                    stream.media_lost();
                }
                if let Some(seat) = seat {
                    self.blame(seat, format!("Error in media process: {reason}"));
                    self.end_stream(seat, "its media process is lost");
                }
            }
            // It is the worker that is late, and whoever stops media ends its stream.
            lifecycle::Event::Started { .. }
            | lifecycle::Event::Late { .. }
            | lifecycle::Event::Recovered { .. }
            | lifecycle::Event::Stopped { .. } => {}
        }
    }

    fn media_says(&mut self, number: Number, message: FromChild) {
        let seat = self.seat_of(number);
        match message {
            FromChild::Source { source } => {
                let stream = self.stream_mut(number);
                let told = stream.and_then(|it| it.source_is(*source));
                if let (Some(seat), Some(told)) = (seat, told) {
                    self.trouble(seat, told);
                }
            }
            FromChild::Stats { stats } => match serde_json::from_value::<MediaStats>(stats) {
                Ok(stats) => self.take_stats(number, stats),
                Err(error) => {
                    let ids = self.ids_of_stream(number);
                    let said = format!("counters that cannot be read are left out: {error}");
                    log_child(Level::Warning, &ids, "media", &said);
                }
            },
            FromChild::Detached { id, held, .. } => {
                if !held.is_empty() {
                    self.had_a_frame_at_work(number, id.is_none());
                }
                let Some(stream) = self.stream_mut(number) else {
                    return;
                };
                if stream.detaching.is_some() && id == stream.detaching {
                    stream.detaching = None;
                    stream.attached = false;
                    if let Some(seat) = seat {
                        self.attach(seat);
                    }
                }
            }
            FromChild::Done { stats } => {
                self.take_stats(number, *stats);
                if let Some(seat) = seat {
                    self.end_stream(seat, "its input ended");
                }
            }
            FromChild::Log { level, message } => {
                let ids = self.ids_of_stream(number);
                log_child(level.into(), &ids, "media", &message);
            }
            FromChild::Error(error) if error.code == "link" && !error.fatal => {
                let joined = self.stream_mut(number).and_then(|it| it.joined);
                let worker = joined.and_then(|(id, life)| Some((self.worker_mut(id)?, life)));
                // The next one has nothing to do with the link of the one before.
                if let Some((worker, life)) = worker
                    && worker.life() == life
                {
                    worker.child.violated(error.message);
                }
            }
            FromChild::Error(error) => {
                let Some(seat) = seat else { return };
                let message = format!("Error in media process: {}", error.message);
                if error.code.starts_with("source_") {
                    self.blame(seat, message);
                    self.end_stream(seat, "its input cannot be decoded");
                } else {
                    self.trouble(seat, message);
                }
            }
            // The lifecycle lives by these, or they answer what needs no answer.
            FromChild::Hello { .. }
            | FromChild::Ready { .. }
            | FromChild::Heartbeat { .. }
            | FromChild::Attached { .. }
            | FromChild::Applied { .. }
            | FromChild::Flushed { .. }
            | FromChild::Drained { .. }
            | FromChild::Bye { .. } => {}
            FromChild::Description { .. }
            | FromChild::Reloading { .. }
            | FromChild::Rejected { .. } => {
                let ids = self.ids_of_stream(number);
                log_child(Level::Warning, &ids, "media", &out_of_place(&message));
            }
        }
    }

    /// A stream's worker was lost with a frame of it at work. Media may know it before the worker's end is noticed: what
    /// the worker died of is judged then.
    fn had_a_frame_at_work(&mut self, stream: Number, is_news: bool) {
        let id = self.seat_of(stream).and_then(|it| self.seats[it].worker);
        let Some(worker) = id.and_then(|it| self.worker_mut(it)) else {
            return;
        };
        if is_news && worker.is_ready {
            if !worker.had_frames_of.contains(&stream) {
                worker.had_frames_of.push(stream);
            }
            return;
        }
        let of = worker.suspect();
        self.place(seating::Input::Suspected { stream, of });
    }

    pub(super) fn take_stats(&mut self, number: Number, stats: MediaStats) {
        let Some(stream) = self.stream_mut(number) else {
            return;
        };
        stream.take_stats(stats);
        let Some(seat) = self.seat_of(number) else {
            return;
        };
        let Some(stream) = &self.seats[seat].stream else {
            return;
        };
        let input = Input::Progress {
            stream: number,
            decoded: stream.stats().decoded,
            answered: stream.stats().answered,
        };
        self.guard(seat, input);
        self.tell_progress(seat);
        self.tell_troubles(seat);
    }

    /// The worker of a seat is watched by what the media of its streams count.
    fn tell_progress(&mut self, seat: usize) {
        let Some(id) = self.seats[seat].worker else {
            return;
        };
        let (mut answered, mut failed, mut waiting) = (0_u64, 0_u64, 0_u64);
        for seat in self.seats_with(id) {
            if let Some(stream) = &self.seats[seat].stream {
                let stats = stream.stats();
                answered = answered.saturating_add(stats.answered);
                answered = answered.saturating_add(stats.skipped);
                failed = failed.saturating_add(stats.failed);
                waiting = waiting.saturating_add(stats.waiting);
            }
        }
        let now = self.now();
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        worker.child.progress(answered, failed, waiting);
        let is_output = answered > worker.answered;
        worker.answered = answered;
        if is_output
            && worker.is_ready
            && let Some(lost) = worker.lost_at.take()
        {
            let seconds = now.saturating_sub(lost).as_secs_f64();
            self.recovery.count += 1;
            self.recovery.sum += seconds;
            self.recovery.last = seconds;
        }
    }

    pub(super) fn attach_all(&mut self, worker: ChildId) {
        for seat in self.seats_with(worker) {
            self.attach(seat);
        }
    }

    /// Joins a stream's media and its worker when both are there.
    pub(super) fn attach(&mut self, seat: usize) {
        let Some(id) = self.seats[seat].worker else {
            return;
        };
        let Some(worker) = self
            .workers
            .iter_mut()
            .find(|it| it.id == id && it.is_ready)
        else {
            return;
        };
        let (Some(description), Some(stream)) = (&worker.description, &mut self.seats[seat].stream)
        else {
            return;
        };
        if stream.attached || stream.is_ending || !stream.media_ready {
            return;
        }
        let media_only = (
            Some(description.pixel_format),
            Some(description.history),
            Some(description.batch_size),
        );
        let Ok((near, far)) = Link::pair() else {
            let message = "no socket pair is to be had".to_owned();
            return self.trouble(seat, message);
        };
        stream.incarnation += 1;
        stream.attached = true;
        stream.joined = Some((id, worker.life()));
        if stream.params_status() == ParamsStatus::Queued
            && worker.flow.owed(Some(stream.number)).is_none()
        {
            // The worker has had them from the beginning, or was loaded with them.
            stream.params_are(ParamsStatus::Applied);
        }
        let (name, incarnation) = (stream.name(), stream.incarnation);
        let request_id = stream.asked.ids.request.clone();
        let attach = |id, request_id, output_size, (format, history, batch)| ToChild::Attach {
            id,
            stream: name.clone(),
            incarnation,
            format,
            history,
            batch,
            request_id,
            output_size,
            live: true,
            fds: 1,
        };
        let to_media = attach(stream.media.request_id(), String::new(), None, media_only);
        let to_worker = attach(
            worker.child.request_id(),
            request_id,
            stream.output(),
            (None, None, None),
        );
        // If one of them does not take it, the other one sees its link end.
        stream.media.post(&to_media, &[near.as_fd()]);
        worker.child.post(&to_worker, &[far.as_fd()]);
    }
}
