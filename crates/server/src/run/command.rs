//! One run from its plan to its report: opens files, starts the engine, names the output.

use std::os::fd::OwnedFd;

use framerill_media::counted;
use framerill_worker::message::{
    Container, EgressMode, MediaPlan, Sink, SoundPlan, Source, VideoPlan,
};

use super::{
    Plan, Report,
    engine::{Ended, Engine},
    inbox::{Inbox, Incoming},
    input::Input,
    output::{self, Partial},
    plan::Pace,
    preview::Preview,
    progress::Progress,
    report::Problem,
};
use crate::{exit::Exit, failure::Failure, signals};

/// Runs a plan and prints what it did.
pub fn command(plan: Plan, json: bool, quiet: bool) -> Result<Exit, Failure> {
    let (report, outcome) = execute(plan, quiet || json);
    if json {
        print_report(&report, true);
    } else if !quiet && outcome.is_ok() {
        print_report(&report, false);
    }
    outcome.map_err(|failure| Failure {
        is_reported: json,
        ..failure
    })
}

/// Runs a plan. The report is complete whatever came of it.
pub(super) fn execute(plan: Plan, quiet: bool) -> (Report, Result<Exit, Failure>) {
    let mut report = Report {
        input: plan.input.clone(),
        pipeline: plan.pipeline.short_name(),
        ..Report::default()
    };
    let outcome = start(&plan, quiet, &mut report);
    report.status = match &outcome {
        Ok(Exit::Done) => "done",
        Ok(_) => "interrupted",
        Err(_) => "failed",
    };
    if let Err(failure) = &outcome {
        report.error = Some(Problem {
            code: failure.code.clone(),
            message: failure.to_string(),
        });
    }
    (report, outcome)
}

fn start(plan: &Plan, quiet: bool, report: &mut Report) -> Result<Exit, Failure> {
    let input = Input::open(&plan.input)?;
    let input_path = match &input {
        Input::File { path, .. } => Some(path.clone()),
        Input::Lavfi(_) => None,
    };
    let mut files = Files::default();
    let (source, source_file) = input.source();
    files.push(source_file);

    let mut writing = if plan.output.as_os_str() == "-" {
        let sink = output::stdout()?;
        let fd = files.push(Some(sink)).unwrap_or(0);
        let sink = Sink {
            container: Container::Mpegts,
            fd,
            final_fd: None,
            name: "stdout".into(),
        };
        Writing {
            sink,
            partial: None,
            preview: None,
        }
    } else {
        let (partial, file, final_file) = Partial::create(&plan.output, input_path.as_deref())?;
        let fd = files.push(Some(file.into())).unwrap_or(0);
        let final_fd = files.push(final_file.map(OwnedFd::from));
        let name = plan.output.display().to_string();
        let sink = Sink {
            container: partial.container(),
            fd,
            final_fd,
            name,
        };
        Writing {
            sink,
            partial: Some(partial),
            preview: None,
        }
    };
    let preview = plan.preview.as_deref();
    let preview = preview.map(|path| Preview::create(path, input_path.as_deref()));
    let preview_fd = match preview.transpose() {
        Ok(preview) => {
            let (preview, file) = preview.unzip();
            writing.preview = preview;
            files.push(file.map(OwnedFd::from))
        }
        Err(failure) => {
            writing.discard();
            return Err(failure);
        }
    };

    let media_plan = MediaPlan {
        preview_fd,
        ..media_plan(plan, source, writing.sink.clone())
    };
    let mut progress = Progress::new(quiet);
    let ended = run(plan, media_plan, files, report, &mut progress);
    progress.end();
    writing.settle(ended, report)
}

/// Until it is done, or a signal ended it.
fn run(
    plan: &Plan,
    media_plan: MediaPlan,
    files: Files,
    report: &mut Report,
    progress: &mut Progress,
) -> Result<Ended, Failure> {
    let inbox = Inbox::new();
    let owner = inbox.owner();
    let _signals = signals::Told::listen(move |exit| owner.send(Incoming::Signal(exit)).is_ok())?;
    Engine::start(plan, media_plan, files.0, inbox)?.run(report, progress)
}

/// What media is to do for a plan.
pub(super) fn media_plan(plan: &Plan, source: Source, sink: Sink) -> MediaPlan {
    MediaPlan {
        source,
        sink: Some(sink),
        size: plan.size,
        output_size: None,
        fps: plan.fps,
        start: plan.start,
        duration: plan.duration,
        realtime: plan.pace == Pace::RealTime,
        egress: EgressMode::Strict,
        sound: SoundPlan::default(),
        live: None,
        policy: plan.policy,
        audio: true,
        video: VideoPlan::default(),
        preview_fd: None,
        reader: None,
        excerpt: None,
    }
}

/// Descriptors that go to media, in order.
#[derive(Default)]
pub(super) struct Files(pub(super) Vec<OwnedFd>);

impl Files {
    /// Adds one; returns its index.
    pub(super) fn push(&mut self, file: Option<OwnedFd>) -> Option<u32> {
        self.0.push(file?);
        u32::try_from(self.0.len() - 1).ok()
    }
}

/// The files of this run while they are written.
struct Writing {
    sink: Sink,
    partial: Option<Partial>,
    preview: Option<Preview>,
}

impl Writing {
    fn discard(self) {
        if let Some(partial) = self.partial {
            partial.discard();
        }
        if let Some(preview) = self.preview {
            preview.discard();
        }
    }

    /// Names the output when the sink is complete; keeps what was written when it is not.
    fn settle(
        mut self,
        ended: Result<Ended, Failure>,
        report: &mut Report,
    ) -> Result<Exit, Failure> {
        let ended = match ended {
            Ok(ended) => ended,
            Err(failure) => return Err(self.keep(failure, report)),
        };
        if report.frames.out == 0 {
            self.discard();
            return match ended {
                Ended::Interrupted(exit) => Ok(exit),
                Ended::Done => {
                    Err(no_frames().hint("look at --start, --duration and the pipeline's skips"))
                }
            };
        }
        if let Some(partial) = self.partial.take() {
            report.output = Some(partial.complete()?.display().to_string());
        }
        if let Some(preview) = self.preview.take() {
            report.preview = preview.complete()?.map(|path| path.display().to_string());
        }
        Ok(match ended {
            Ended::Done => Exit::Done,
            Ended::Interrupted(exit) => exit,
        })
    }

    fn keep(mut self, failure: Failure, report: &mut Report) -> Failure {
        if let Some(preview) = self.preview.take() {
            preview.discard();
        }
        if report.frames.out == 0 && failure.code != "media_lost" {
            // Sound alone plays, but is nothing to keep.
            self.discard();
            return failure;
        }
        let Some(kept) = self.partial.take().and_then(Partial::keep) else {
            return failure;
        };
        let shown = kept.display().to_string();
        report.output = Some(shown.clone());
        // How much that is, media's last word may not have said.
        let kept = format!("what was written is in `{shown}`, which plays");
        let hint = match &failure.hint {
            Some(hint) => format!("{hint}; {kept}"),
            None => kept,
        };
        failure.hint(hint)
    }
}

/// A run that made nothing.
pub(super) fn no_frames() -> Failure {
    Failure::failed("no_frames", "no frame came out")
}

/// The report: one JSON object on stdout, or a few lines.
pub(super) fn print_report(report: &Report, json: bool) {
    if json {
        crate::terminal::answer(format_args!(
            "{}",
            serde_json::to_string(report).unwrap_or_default()
        ));
        return;
    }
    let frames = &report.frames;
    let mut losses = Vec::new();
    for (count, word) in [
        (frames.dropped, "dropped"),
        (frames.skipped, "skipped"),
        (frames.held, "lost with a worker"),
    ] {
        if count > 0 {
            losses.push(format!("{count} {word}"));
        }
    }
    let losses = if losses.is_empty() {
        String::new()
    } else {
        format!(" ({})", losses.join(", "))
    };
    print_to_terminal(report, &losses);
}

/// Lines go to stderr when stdout carries the video.
fn print_to_terminal(report: &Report, losses: &str) {
    let frames = &report.frames;
    let [p50, p90, p99] = report.latency_ms.process;
    let [t50, t90, t99] = report.latency_ms.total;
    crate::terminal::tell(format_args!(
        "{} frames in, {} out{losses}, {:.1} fps, {:.1} s, {}",
        frames.taken,
        frames.out,
        report.fps,
        report.seconds,
        counted(u64::from(report.restarts), "restart", "restarts")
    ));
    crate::terminal::tell(format_args!(
        "latency ms p50/p90/p99: pipeline {p50:.1}/{p90:.1}/{p99:.1}, from packet to packet {t50:.1}/{t90:.1}/{t99:.1}"
    ));
    for held in &report.held {
        crate::terminal::tell(format_args!(
            "lost with a worker: frame {} at {:.3} s",
            held.frame, held.seconds
        ));
    }
    if let Some(output) = &report.output {
        crate::terminal::tell(format_args!("wrote {output}"));
    }
    if let Some(preview) = &report.preview {
        crate::terminal::tell(format_args!("wrote {preview}"));
    }
}
