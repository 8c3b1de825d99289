//! The loop of one run: two supervised children, one channel of what they say, signals.
//!
//! The supervisor decides when a child is restarted; this room decides what that means for the video.
//!
//! ```text
//! loading ──both ready──> running ──done──────────────> ending ──both gone──> ended
//!    │                      │ ├─ signal: media drains ───┘
//!    └──── failed ──────────┴─┴─ failed: media completes what there is, then the failure is told
//! ```

mod reload;

use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use framerill_frames::Link;
use framerill_media::counted;
use framerill_supervisor::{
    ChildId, ExitReason, Supervised, Update,
    lifecycle::{Event, Reason},
};
use framerill_worker::message::{
    Description, ErrorReport, FromChild, Level, MediaPlan, MediaStats, SourceInfo, ToChild,
};

use reload::Reload;

use super::{
    Plan, Report,
    inbox::{Inbox, Incoming},
    members::{
        DRAIN_WITHIN, LEAVE_WITHIN, MEDIA, WORKER, Worker, interpreter, start_media, start_worker,
    },
    progress::Progress,
    report::Frames,
    saves::Saves,
};
use crate::{
    exit::Exit,
    failure::Failure,
    python::{NO_MODULE, no_package},
};

/// The one stream of a run.
const STREAM: &str = "run";
/// Notices taken before deadlines are looked at again.
const BATCH: usize = 64;
/// Lines of a worker's that are kept for its end.
const LAST_LINES: usize = 100;

/// How a run ended whose sink is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Interrupted(Exit),
}

/// A run at work.
pub(super) struct Engine<'a> {
    plan: &'a Plan,
    media: Supervised<Incoming>,
    worker: Worker,
    worker_id: ChildId,
    reload: Option<Reload>,
    inbox: Inbox,
    media_plan: Option<(MediaPlan, Vec<OwnedFd>)>,
    source: Option<SourceInfo>,
    description: Option<Box<Description>>,
    /// The worker is loaded and waits for a stream.
    worker_ready: bool,
    /// Media has a worker, or is on the way to one.
    attached: bool,
    /// Media was asked to let go of a worker that is gone.
    detaching: Option<u64>,
    incarnation: u32,
    stats: MediaStats,
    complete: bool,
    began: Option<Instant>,
    ending: Option<Ending>,
    /// It is over now, whoever still has something to finish.
    at_once: bool,
    last_error: Option<ErrorReport>,
    last_traceback: Option<String>,
    /// The worker has said something in the protocol's words.
    worker_spoke: bool,
    /// What it last said in its own.
    last_lines: VecDeque<String>,
}

/// Why the run is on its way out.
enum Ending {
    Done,
    Signal(Exit),
    Failure(Failure),
}

impl<'a> Engine<'a> {
    /// Starts both children; they, and whoever ends the run, speak to `inbox`.
    pub(super) fn start(
        plan: &'a Plan,
        media_plan: MediaPlan,
        files: Vec<OwnedFd>,
        inbox: Inbox,
    ) -> Result<Self, Failure> {
        // Before the worker reads the files: what is saved from here on is told.
        let reload = reload(plan, &inbox)?;
        let media = start_media(inbox.owner())?;
        let worker = start_worker(plan, WORKER, inbox.owner())?;
        Ok(Self {
            plan,
            media,
            worker,
            worker_id: WORKER,
            reload,
            inbox,
            media_plan: Some((media_plan, files)),
            source: None,
            description: None,
            worker_ready: false,
            attached: false,
            detaching: None,
            incarnation: 0,
            stats: MediaStats::default(),
            complete: false,
            began: None,
            ending: None,
            at_once: false,
            last_error: None,
            last_traceback: None,
            worker_spoke: false,
            last_lines: VecDeque::new(),
        })
    }

    /// Runs to the end. The report is filled in whatever comes of it.
    pub(super) fn run(
        mut self,
        report: &mut Report,
        progress: &mut Progress,
    ) -> Result<Ended, Failure> {
        let outcome = self.turn(report, progress);
        self.fill(report);
        outcome
    }

    fn turn(&mut self, report: &mut Report, progress: &mut Progress) -> Result<Ended, Failure> {
        self.updates(report, progress)?;
        loop {
            self.wait(report, progress)?;
            self.updates(report, progress)?;
            if self.inbox.is_abandoned() {
                return Err(Failure::failed("internal", "nobody wants it any more"));
            }
            if self.at_once || (self.media.state().is_terminal() && self.worker.is_over()) {
                return self.conclusion();
            }
        }
    }

    /// How it ended, once both children are gone.
    fn conclusion(&mut self) -> Result<Ended, Failure> {
        match self.ending.take() {
            Some(Ending::Failure(failure)) => Err(failure),
            Some(Ending::Done) if self.complete => Ok(Ended::Done),
            Some(Ending::Signal(signal)) if self.complete => Ok(Ended::Interrupted(signal)),
            Some(Ending::Signal(signal)) => Err(Failure {
                exit: signal,
                ..Failure::failed("interrupted", "interrupted before the output was complete")
            }),
            Some(Ending::Done) | None => Err(Failure::failed(
                "media_lost",
                "media ended before the output was complete",
            )),
        }
    }

    /// Takes what has come, or waits for it until the next deadline.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn wait(&mut self, report: &mut Report, progress: &mut Progress) -> Result<(), Failure> {
        let next = [
            self.media.next_deadline(),
            self.worker.next_deadline(),
            self.reload.as_mut().and_then(Reload::next_deadline),
        ];
        let wait = next
            .into_iter()
            .flatten()
            .min()
            .map_or(Duration::from_secs(1), |at| {
                at.saturating_duration_since(Instant::now())
            });
        match self.inbox.incoming.recv_timeout(wait) {
            Ok(incoming) => {
                self.take(incoming, report, progress)?;
                for incoming in self
                    .inbox
                    .incoming
                    .try_iter()
                    .take(BATCH)
                    .collect::<Vec<_>>()
                {
                    self.take(incoming, report, progress)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::failed("internal", "the children's channel closed"));
            }
        }
        self.media.on_deadline();
        self.worker.on_deadline();
        self.reload.iter_mut().for_each(Reload::on_deadline);
        Ok(())
    }

    fn take(
        &mut self,
        incoming: Incoming,
        report: &mut Report,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        match incoming {
            Incoming::Child(notice) if notice.child == MEDIA => self.media.handle(notice),
            Incoming::Child(notice) if notice.child == self.worker_id => self.worker.handle(notice),
            Incoming::Child(notice) => {
                if let Some(reload) = &mut self.reload {
                    reload.handle(notice);
                }
            }
            Incoming::Saved => self.saved(report, progress),
            Incoming::Abandoned => {}
            Incoming::Signal(signal) => match self.ending {
                Some(Ending::Signal(_)) => {
                    return Err(Failure {
                        exit: signal,
                        ..Failure::failed(
                            "interrupted",
                            "interrupted twice: the output is not complete",
                        )
                    });
                }
                // The output is complete, or a failure is on its way: nobody waits for the children to leave.
                Some(Ending::Done | Ending::Failure(_)) => self.at_once = true,
                None => {
                    progress
                        .say("stopping: what is under way is finished; once more to stop at once");
                    self.end(Ending::Signal(signal));
                }
            },
        }
        Ok(())
    }

    fn updates(&mut self, report: &mut Report, progress: &mut Progress) -> Result<(), Failure> {
        loop {
            if let Some(update) = self.media.next_update() {
                self.media_update(update, report, progress);
            } else if let Some(update) = self.worker.next_update() {
                self.worker_update(update, report, progress);
            } else if !self.next_worker_update(report, progress) {
                return Ok(());
            }
        }
    }

    fn media_update(&mut self, update: Update, report: &mut Report, progress: &mut Progress) {
        match update {
            Update::Load { id } => {
                if let Some((plan, files)) = self.media_plan.take() {
                    let count = u32::try_from(files.len()).unwrap_or(u32::MAX);
                    let load = ToChild::load_media(id, plan, count);
                    let fds: Vec<_> = files.iter().map(AsFd::as_fd).collect();
                    self.media.post(&load, &fds);
                }
            }
            Update::LogLine(line) => progress.say(&format!("[media] {line}")),
            Update::LogLeftOut(left_out) => progress.say(&format!("[media] {left_out}")),
            Update::Lifecycle(Event::Failed { reason }) => {
                let failure = Failure::failed("media_lost", format!("media was lost: {reason}"));
                let failure = match reason.exit.hint() {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                };
                self.end(Ending::Failure(failure));
            }
            Update::Lifecycle(Event::Stopped { .. }) => self.worker.stop(LEAVE_WITHIN),
            Update::Lifecycle(_) => {}
            Update::Message(message, _) => self.media_says(message, report, progress),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn media_says(&mut self, message: FromChild, report: &mut Report, progress: &mut Progress) {
        match message {
            FromChild::Ready {
                source: Some(source),
                ..
            } => {
                let taken = source.duration.map(|it| (it - self.plan.start).max(0.0));
                let limit = self.plan.duration.or(taken);
                progress.begin(&source, limit);
                self.source = Some(*source);
                self.attach();
            }
            FromChild::Attached { .. } => {
                self.began.get_or_insert_with(Instant::now);
            }
            FromChild::Detached { id, held, .. } => {
                for lost in &held {
                    progress.insist(&format!(
                        "frame {} at {:.3} s was lost with its worker",
                        lost.frame, lost.seconds
                    ));
                }
                report.held.extend(held);
                if self.detaching.is_some() && id == self.detaching {
                    self.detaching = None;
                    self.attached = false;
                    self.released(report, progress);
                }
            }
            FromChild::Stats { stats } => {
                if let Ok(stats) = serde_json::from_value::<MediaStats>(stats) {
                    let answered = stats.answered + stats.skipped;
                    self.worker.progress(answered, stats.failed, stats.waiting);
                    let elapsed = self.began.map_or(Duration::ZERO, |began| began.elapsed());
                    progress.update(&stats, elapsed);
                    self.stats = stats;
                }
            }
            FromChild::Done { stats } => {
                self.stats = *stats;
                self.complete = true;
                report.seconds = self
                    .began
                    .map_or(0.0, |began| began.elapsed().as_secs_f64());
                self.end(Ending::Done);
            }
            FromChild::Drained {
                stats: Some(stats), ..
            } => self.stats = *stats,
            FromChild::Log { level, message } => match level {
                Level::Error | Level::Warn => progress.insist(&format!("framerill: {message}")),
                Level::Info | Level::Debug => progress.say(&message),
            },
            FromChild::Error(error) if error.code == "link" && !error.fatal => {
                progress.insist(&format!("framerill: {}", error.message));
                self.worker.violated(error.message);
            }
            FromChild::Error(error) => self.end(Ending::Failure(self.failure_of_media(&error))),
            _ => {}
        }
    }

    /// Media does not know what the user called the input.
    fn failure_of_media(&self, error: &ErrorReport) -> Failure {
        let failure = Failure::of_child(error);
        let about_input = error.code.starts_with("source_");
        if about_input && !failure.message.contains(&self.plan.input) {
            let message = format!("`{}`: {}", self.plan.input, failure.message);
            return Failure { message, ..failure };
        }
        failure
    }

    fn worker_update(&mut self, update: Update, report: &mut Report, progress: &mut Progress) {
        match update {
            Update::Load { id } => {
                self.worker_spoke = true;
                self.worker.post(&load(self.plan, id), &[]);
            }
            Update::LogLine(line) => {
                if self.description.is_none() && line.contains(NO_MODULE) {
                    let python = interpreter(&self.plan.pipeline, self.plan.python.as_deref());
                    let failure = python.map_or_else(|it| it, |it| no_package(&it, NO_MODULE));
                    self.end(Ending::Failure(failure));
                    return;
                }
                progress.say(&format!("[{}] {line}", self.plan.pipeline.short_name()));
                if self.last_lines.len() == LAST_LINES {
                    self.last_lines.pop_front();
                }
                self.last_lines.push_back(line);
            }
            Update::LogLeftOut(left_out) => {
                report.log_lines_dropped += left_out.lines;
                let name = self.plan.pipeline.short_name();
                progress.say(&format!("[{name}] {left_out}"));
            }
            Update::Lifecycle(event) => self.worker_event(event, report, progress),
            Update::Message(FromChild::Ready { description, .. }, _) => {
                self.description = description.or(self.description.take());
                if self.description.as_ref().is_some_and(|it| it.audio) {
                    self.end(Ending::Failure(self.no_sound_for_pipelines()));
                }
            }
            Update::Message(FromChild::Log { message, .. }, _) => {
                progress.say(&format!("[{}] {message}", self.plan.pipeline.short_name()));
            }
            Update::Message(FromChild::Error(error), _) if error.code == "reported" => {
                progress.insist(&format!("framerill: {}", error.message));
            }
            Update::Message(FromChild::Error(error), _) => {
                self.tell_traceback(&error, progress);
                self.last_error = Some(error);
            }
            Update::Message(..) => {}
        }
    }

    /// One that did not say itself why it is lost has perhaps printed it; who shows no log shows that.
    fn tell_last_lines(&mut self, reason: &Reason, progress: &Progress) {
        let name = self.plan.pipeline.short_name();
        for line in std::mem::take(&mut self.last_lines) {
            if progress.is_quiet() && reason.fault.is_none() {
                progress.insist(&format!("[{name}] {line}"));
            }
        }
    }

    fn no_sound_for_pipelines(&self) -> Failure {
        let name = self.plan.pipeline.short_name();
        let text = format!("`{name}` asks for sound, which `run` carries past pipelines");
        Failure::cannot_start("no_sound_for_pipelines", text)
            .hint("leave `audio = True` out of the class; the output keeps its sound")
    }

    /// Whole the first time; the same one again is named only.
    fn tell_traceback(&mut self, error: &ErrorReport, progress: &Progress) {
        let Some(traceback) = &error.traceback else {
            return;
        };
        if self.last_traceback.as_ref() == Some(traceback) {
            progress.insist("the same traceback again");
        } else {
            progress.insist(traceback.trim_end());
            self.last_traceback = Some(traceback.clone());
        }
    }

    fn worker_event(&mut self, event: Event, report: &mut Report, progress: &mut Progress) {
        match event {
            Event::Ready {
                reloaded: false, ..
            } => {
                self.worker_ready = true;
                self.attach();
            }
            Event::Restarting { reason, .. } if !self.worker_spoke => {
                self.end(Ending::Failure(self.never_spoke(&reason)));
            }
            Event::Restarting { .. } if self.never_loaded() => {
                // It would fail the same way again.
                let error = self.last_error.as_ref().expect("it said why");
                let failure = Failure::of_child(error);
                self.worker_failed(failure, report, progress);
            }
            Event::Restarting {
                reason,
                restarts_left,
                ..
            } => {
                report.restarts += 1;
                *report
                    .restart_reasons
                    .entry(reason.kind().to_owned())
                    .or_default() += 1;
                self.worker_ready = false;
                self.detach(false);
                self.tell_last_lines(&reason, progress);
                progress.insist(&format!(
                    "the pipeline's worker was lost ({reason}) and is started again; {}",
                    counted(u64::from(restarts_left), "restart left", "restarts left")
                ));
            }
            Event::Failed { reason } => {
                self.tell_last_lines(&reason, progress);
                let failure = self.failure_of_worker(&reason, report.restarts);
                self.worker_ready = false;
                self.detach(false);
                self.worker_failed(failure, report, progress);
            }
            _ => {}
        }
    }

    /// The program ended before it said a word of the protocol: it is not what it should be.
    fn never_spoke(&self, reason: &Reason) -> Failure {
        let name = self.plan.pipeline.short_name();
        let last = self.last_lines.back();
        let last = last.map_or(String::new(), |line| format!("; it said: {line}"));
        let text = format!("the worker of `{name}` did not start: {reason}{last}");
        Failure::cannot_start("no_program", text)
            .hint("`framerill doctor` says which Python is used; name another one with --python")
    }

    /// Its first load failed, and it said why.
    fn never_loaded(&self) -> bool {
        let error = self.last_error.as_ref();
        self.incarnation == 0 && error.is_some_and(|it| it.code == "load_failed")
    }

    fn failure_of_worker(&self, reason: &Reason, restarts: u32) -> Failure {
        // What it said when it refused its load is what the user has to mend.
        if let Some(error) = &self.last_error
            && restarts == 0
            && !error.fatal
        {
            return match error.code.as_str() {
                "unknown_pipeline" if self.plan.pipeline.is_plain_name() => {
                    self.plan.pipeline.unknown(self.plan.python.as_deref())
                }
                "params" => Failure::of_child(error).or_hint(format!(
                    "`framerill pipelines describe {}` lists them",
                    self.plan.pipeline.target()
                )),
                _ => Failure::of_child(error),
            };
        }
        if self.description.is_none() && self.plan.pipeline.is_plain_name() {
            // Not even a worker that could tell: the Python package is not there.
            return self.plan.pipeline.unknown(self.plan.python.as_deref());
        }
        let name = self.plan.pipeline.short_name();
        if matches!(reason.exit, ExitReason::SpawnFailed { .. }) {
            let text = format!("the worker of `{name}` {}", reason.exit);
            return Failure::cannot_start("no_program", text)
                .hint("name a Python with --python; `framerill doctor` says which one is used");
        }
        let failure = match restarts {
            0 => Failure::failed(
                "worker_lost",
                format!("the worker of `{name}` was lost: {reason}"),
            ),
            _ => Failure::failed(
                "worker_lost",
                format!(
                    "the worker of `{name}` was lost once more after {restarts} restarts: {reason}"
                ),
            ),
        };
        match reason.exit.hint() {
            Some(hint) => failure.hint(hint),
            None if self.plan.in_process => failure.hint("mend the pipeline"),
            None => failure.hint("mend the pipeline, or allow more with --max-restarts"),
        }
    }

    /// Joins both children when both are there.
    fn attach(&mut self) {
        let (Some(description), true, false, true, true) = (
            &self.description,
            self.worker_ready,
            self.attached,
            self.source.is_some(),
            self.ending.is_none(),
        ) else {
            return;
        };
        let media_only = (
            Some(description.pixel_format),
            Some(description.history),
            Some(description.batch_size),
        );
        let Ok((near, far)) = Link::pair() else {
            let failure = Failure::failed("internal", "no socket pair is to be had");
            return self.end(Ending::Failure(failure));
        };
        self.incarnation += 1;
        self.attached = true;
        let attach = |id, (format, history, batch)| ToChild::Attach {
            id,
            stream: STREAM.into(),
            incarnation: self.incarnation,
            format,
            history,
            batch,
            request_id: String::new(),
            output_size: None,
            live: false,
            fds: 1,
        };
        let to_media = attach(self.media.request_id(), media_only);
        let to_worker = attach(self.worker.request_id(), (None, None, None));
        // If one of them does not take it, the other one sees its link end.
        self.media.post(&to_media, &[near.as_fd()]);
        self.worker.post(&to_worker, &[far.as_fd()]);
    }

    /// The run is on its way out; the first reason counts.
    fn end(&mut self, why: Ending) {
        if self.ending.is_some() {
            return;
        }
        // Media completes its sink with what the worker still answers; then the worker leaves, too.
        self.media.stop(DRAIN_WITHIN);
        if matches!(why, Ending::Failure(_)) {
            self.worker.stop(LEAVE_WITHIN);
        }
        self.reload.iter_mut().for_each(Reload::end);
        self.ending = Some(why);
    }

    fn fill(&self, report: &mut Report) {
        let began = self
            .began
            .map_or(0.0, |began| began.elapsed().as_secs_f64());
        if report.seconds == 0.0 {
            report.seconds = began;
        }
        report.source.clone_from(&self.source);
        report.frames = Frames::from(&self.stats);
        report.latency_ms = self.stats.latency_ms;
        #[expect(clippy::cast_precision_loss, reason = "frame counts")]
        let out = report.frames.out as f64;
        report.fps = if report.seconds > 0.0 {
            out / report.seconds
        } else {
            0.0
        };
        if let Some(description) = &self.description {
            report.pipeline.clone_from(&description.name);
        }
    }
}

/// What a worker is to load.
fn load(plan: &Plan, id: u64) -> ToChild {
    ToChild::Load {
        id,
        pipeline: Some(plan.pipeline.target().to_owned()),
        params: plan.params.clone(),
        base: None,
        media: None,
        fds: 0,
    }
}

/// The watch of a plan that asks for one.
fn reload(plan: &Plan, inbox: &Inbox) -> Result<Option<Reload>, Failure> {
    let place = plan.pipeline.place().filter(|_| plan.reload);
    let saves = place.map(|place| Saves::watch(place.to_owned(), inbox.owner()));
    Ok(saves.transpose()?.map(Reload::new))
}
