//! `--reload`: a saved pipeline is loaded by a second worker while the first one goes on. Once it is there it takes over.
//! What the first one has not answered goes to the second one: no picture is lost, and none comes twice.
//!
//! ```text
//! watching ──saved──> loading ──ready──> media lets go of the first ──> attached ──> watching
//!     ^                  │ ^ saved again
//!     └─── it fails ─────┘ ┘     the code that runs goes on; without one the stream waits for the next save
//! ```

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

/// What a run has whose pipeline is reloaded.
pub(super) struct Reload {
    _saves: Saves,
    last_id: ChildId,
    next: Option<Next>,
    /// The one before, until media has let go of it, and then until it is gone.
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
            last_id: WORKER,
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

    /// Media has let go of the worker before.
    pub(super) fn detached(&mut self) {
        if let Some((_, before)) = &mut self.before {
            before.stop(LEAVE_WITHIN);
        }
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
    pub(super) fn saved(&mut self, progress: &Progress) {
        let (Some(reload), None) = (&mut self.reload, &self.ending) else {
            return;
        };
        // What was still loading is of yesterday.
        reload.next = None;
        let id = ChildId(reload.last_id.0 + 1);
        reload.last_id = id;
        let name = self.plan.pipeline.short_name();
        match start_worker(self.plan, id, self.inbox.owner()) {
            Ok(worker) => {
                progress.say(&format!("`{name}` was saved: its new code is loaded"));
                let next = Next {
                    id,
                    worker,
                    description: None,
                    error: None,
                };
                reload.next = Some(next);
            }
            Err(failure) => progress.insist(&format!("framerill: {failure}")),
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
            Update::LogLeftOut(left_out) => progress.say(&format!("[{name}] {left_out}")),
            Update::Message(FromChild::Log { message, .. }, _) => {
                progress.say(&format!("[{name}] {message}"));
            }
            Update::Message(FromChild::Ready { description, .. }, _) => {
                next.description = description;
            }
            Update::Message(FromChild::Error(error), _) => next.error = Some(error),
            Update::Message(..) => {}
            Update::Lifecycle(Event::Ready { .. }) => self.take_over(report, progress),
            Update::Lifecycle(Event::Restarting { reason, .. } | Event::Failed { reason }) => {
                let error = next.error.take();
                let traceback = error.as_ref().and_then(|it| it.traceback.as_deref());
                traceback.inspect(|it| progress.insist(it.trim_end()));
                let why = error.map_or_else(
                    || reason.to_string(),
                    |it| Failure::of_child(&it).to_string(),
                );
                self.keep_code(&why, progress);
            }
            Update::Lifecycle(_) => {}
        }
        true
    }

    /// The next worker is the worker from here on, unless the stream cannot go on with it.
    fn take_over(&mut self, report: &mut Report, progress: &Progress) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        let Some(next) = reload.next.take() else {
            return;
        };
        let format = |it: &Option<Box<Description>>| it.as_ref().map(|it| it.pixel_format);
        let (before, now) = (format(&self.description), format(&next.description));
        if next.description.as_ref().is_some_and(|it| it.audio) {
            return self.keep_code(
                "it asks for sound, which `run` carries past pipelines",
                progress,
            );
        }
        if self.began.is_some() && before != now {
            return self.keep_code(
                "its `pixel_format` is another one: start the run anew",
                progress,
            );
        }
        report.reloads += 1;
        let before = std::mem::replace(&mut self.worker, next.worker);
        reload.before = Some((std::mem::replace(&mut self.worker_id, next.id), before));
        self.description = next.description;
        self.worker_ready = true;
        self.worker_spoke = true;
        self.last_error = None;
        self.last_traceback = None;
        self.last_lines.clear();
        progress.say(&format!(
            "`{}` runs its new code",
            self.plan.pipeline.short_name()
        ));
        if self.attached {
            self.detach(true);
        } else {
            reload.detached();
            self.attach();
        }
    }

    /// The new code cannot be used.
    fn keep_code(&mut self, why: &str, progress: &Progress) {
        if let Some(reload) = &mut self.reload {
            reload.next = None;
        }
        let goes_on = if self.worker.is_over() {
            "the stream waits for the next save"
        } else {
            "the earlier code goes on"
        };
        progress.insist(&format!(
            "framerill: the new code is not used: {why}; {goes_on}"
        ));
    }

    /// A failure of the worker ends the run, or has it wait for the next save where there may be one.
    pub(super) fn worker_failed(&mut self, failure: Failure, progress: &Progress) {
        if self.reload.is_none() {
            return self.end(super::Ending::Failure(failure));
        }
        self.worker.stop(LEAVE_WITHIN);
        progress.insist(&format!(
            "framerill: {failure}; the stream waits for the next save"
        ));
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
