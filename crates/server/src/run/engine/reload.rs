//! `--reload`: a saved pipeline is loaded by a second worker while the first one goes on. Once it is there it takes over.
//! What the first one has not answered goes to the second one: no picture is lost, and none comes twice.
//!
//! [`Machine`] decides what follows from what; here are the workers, media and the words.

mod machine;
#[cfg(test)]
mod tests;

use std::time::Instant;

use framerill_supervisor::{ChildId, Notice, Update, lifecycle::Event};
use framerill_worker::message::{Description, ErrorReport, FromChild, ToChild};

use super::{
    super::{
        Report,
        members::{LEAVE_WITHIN, WORKER, Worker, start_worker},
        progress::Progress,
        saves::Saves,
    },
    Engine,
};
use crate::failure::Failure;
use machine::{Input, Machine, Offer, Output, Stream, Then, Told};

/// What a run has whose pipeline is reloaded.
pub(super) struct Reload {
    _saves: Saves,
    machine: Machine,
    next: Option<Next>,
    /// The one before, until it is gone.
    before: Option<(ChildId, Worker)>,
}

/// A worker that loads new code.
struct Next {
    id: ChildId,
    worker: Worker,
    description: Option<Box<Description>>,
    error: Option<ErrorReport>,
}

impl Reload {
    pub(super) fn new(saves: Saves) -> Self {
        Self {
            _saves: saves,
            machine: Machine::new(WORKER),
            next: None,
            before: None,
        }
    }

    /// A notice of a worker that is not the one at work; one that is gone has nothing more to say.
    pub(super) fn handle(&mut self, notice: Notice) {
        if let Some(next) = self.next.as_mut().filter(|it| it.id == notice.child) {
            next.worker.handle(notice);
        } else if let Some((_, before)) = self.before.as_mut().filter(|it| it.0 == notice.child) {
            before.handle(notice);
        }
    }

    fn workers(&mut self) -> impl Iterator<Item = &mut Worker> {
        let next = self.next.as_mut().map(|it| &mut it.worker);
        next.into_iter()
            .chain(self.before.as_mut().map(|it| &mut it.1))
    }

    pub(super) fn next_deadline(&mut self) -> Option<Instant> {
        self.workers().filter_map(|it| it.next_deadline()).min()
    }

    pub(super) fn on_deadline(&mut self) {
        self.workers().for_each(Worker::on_deadline);
    }

    /// The run is on its way out.
    pub(super) fn end(&mut self) {
        self.machine.handle(Input::Ending);
    }

    /// What the worker before still says is nobody's concern.
    fn forget_before(&mut self) {
        if let Some((_, before)) = &mut self.before {
            while before.next_update().is_some() {}
            if before.is_over() {
                self.before = None;
            }
        }
    }
}

impl Engine<'_> {
    /// The pipeline was saved.
    pub(super) fn saved(&mut self, report: &mut Report, progress: &Progress) {
        self.give(Input::Saved, report, progress);
    }

    /// Media has let go of the worker that it had.
    pub(super) fn released(&mut self, report: &mut Report, progress: &Progress) {
        if self.reload.is_some() {
            self.give(Input::Released, report, progress);
        } else {
            self.attach();
        }
    }

    /// A failure of the worker ends the run, or has it wait for other code where there may be some.
    pub(super) fn worker_failed(
        &mut self,
        failure: Failure,
        report: &mut Report,
        progress: &Progress,
    ) {
        if self.reload.is_none() {
            return self.end(super::Ending::Failure(failure));
        }
        self.worker.stop(LEAVE_WITHIN);
        self.give(Input::Lost(failure.to_string()), report, progress);
    }

    fn give(&mut self, input: Input, report: &mut Report, progress: &Progress) {
        let mut input = Some(input);
        while let Some(reload) = &mut self.reload {
            if let Some(input) = input.take() {
                reload.machine.handle(input);
            }
            let Some(output) = reload.machine.poll() else {
                return;
            };
            input = self.obey(output, report, progress);
        }
    }

    /// Does it; what came of it at once.
    fn obey(&mut self, output: Output, report: &mut Report, progress: &Progress) -> Option<Input> {
        let reload = self.reload.as_mut()?;
        match output {
            Output::Load(id) => {
                // What was still loading is of yesterday.
                reload.next = None;
                match start_worker(self.plan, id, self.inbox.owner()) {
                    Ok(worker) => {
                        reload.next = Some(Next {
                            id,
                            worker,
                            description: None,
                            error: None,
                        });
                    }
                    Err(failure) => return Some(Input::Failed(failure.to_string())),
                }
            }
            Output::Drop => reload.next = None,
            Output::Switch => {
                if let Some(next) = reload.next.take() {
                    report.reloads += 1;
                    let before = std::mem::replace(&mut self.worker, next.worker);
                    let id = std::mem::replace(&mut self.worker_id, next.id);
                    reload.before = Some((id, before));
                    self.description = next.description;
                    self.worker_ready = true;
                    self.worker_spoke = true;
                    self.last_error = None;
                    self.last_traceback = None;
                    self.last_lines.clear();
                }
            }
            Output::Release => self.detach(true),
            Output::Leave => {
                if let Some((_, before)) = &mut reload.before {
                    before.stop(LEAVE_WITHIN);
                }
            }
            Output::Attach => self.attach(),
            Output::Tell(told) => self.tell(&told, progress),
        }
        None
    }

    fn tell(&self, told: &Told, progress: &Progress) {
        let name = self.plan.pipeline.short_name();
        match told {
            Told::Loads => progress.say(&format!("`{name}` was saved: its new code is loaded")),
            Told::Runs => progress.say(&format!("`{name}` runs its new code")),
            Told::Refused(why, then) => progress.insist(&format!(
                "framerill: the new code is not used: {why}; {}",
                then.words()
            )),
            Told::Lost(why, then) => {
                progress.insist(&format!("framerill: {why}; {}", then.words()));
            }
        }
    }

    /// Takes what the next worker says; whether there was something.
    pub(super) fn next_worker_update(&mut self, report: &mut Report, progress: &Progress) -> bool {
        let Some(reload) = &mut self.reload else {
            return false;
        };
        reload.forget_before();
        let Some(next) = &mut reload.next else {
            return false;
        };
        let Some(update) = next.worker.next_update() else {
            return false;
        };
        let name = self.plan.pipeline.short_name();
        match update {
            Update::Load { id } => {
                let load = super::load(self.plan, id);
                next.worker.post(&load, &[]);
            }
            Update::LogLine(line) => progress.say(&format!("[{name}] {line}")),
            Update::Message(FromChild::Log { message, .. }, _) => {
                progress.say(&format!("[{name}] {message}"));
            }
            Update::Message(FromChild::Ready { description, .. }, _) => {
                next.description = description;
            }
            Update::Message(FromChild::Error(error), _) => next.error = Some(error),
            Update::Message(..) => {}
            Update::LogLeftOut(left_out) => {
                report.log_lines_dropped += left_out.lines;
                progress.say(&format!("[{name}] {left_out}"));
            }
            Update::Lifecycle(Event::Ready { .. }) => {
                let offer = next
                    .description
                    .as_deref()
                    .map_or_else(Offer::default, offer);
                let stream = self.stream();
                self.give(Input::Ready { offer, stream }, report, progress);
            }
            Update::Lifecycle(Event::Restarting { reason, .. } | Event::Failed { reason }) => {
                let error = next.error.take();
                let traceback = error.as_ref().and_then(|it| it.traceback.as_deref());
                traceback.inspect(|it| progress.insist(it.trim_end()));
                let why = error.map_or_else(
                    || reason.to_string(),
                    |it| Failure::of_child(&it).to_string(),
                );
                self.give(Input::Failed(why), report, progress);
            }
            Update::Lifecycle(_) => {}
        }
        true
    }

    fn stream(&self) -> Stream {
        let description = self.description.as_deref();
        Stream {
            format: description
                .filter(|_| self.began.is_some())
                .map(|it| it.pixel_format),
            is_attached: self.attached,
        }
    }

    /// For media: what the worker has not answered goes to the next one, or its oldest frame is held.
    pub(super) fn detach(&mut self, keep: bool) {
        if self.attached && self.detaching.is_none() && self.media.pid().is_some() {
            let id = self.media.request_id();
            self.detaching = Some(id);
            let stream = super::STREAM.into();
            self.media.post(&ToChild::Detach { id, stream, keep }, &[]);
        }
    }
}

fn offer(description: &Description) -> Offer {
    Offer {
        format: Some(description.pixel_format),
        wants_sound: description.audio,
    }
}

impl Then {
    fn words(self) -> &'static str {
        match self {
            Self::EarlierCode => "the earlier code goes on",
            Self::NextSave => "the stream waits for the next save",
            Self::CodeThatLoads => "the stream waits for the code that is loaded now",
        }
    }
}
