//! A worker, its parameters, and what it last said. It outlives streams.

use std::{sync::mpsc::SyncSender, time::Duration};

use framerill_supervisor::{ChildId, Config, Supervised, lifecycle};
use framerill_worker::message::{Description, ErrorReport, Problem, ToChild};
use serde_json::{Map, Value};

use super::{
    Incoming, Number,
    flow::{Flow, Set},
    last_words::LastWords,
    outputs::Outputs,
    seating::{Key, Load, Suspect},
};
use crate::{
    failure::Failure,
    infer::settings::Settings,
    run::{Bounds, Pipeline, worker_command},
};

/// A worker and its parameters.
pub(super) struct Worker {
    pub(super) id: ChildId,
    pub(super) key: Key,
    pub(super) child: Supervised<Incoming>,
    pub(super) description: Option<Box<Description>>,
    /// The life in which it got the initial set once more after its load.
    reapplied_in: Option<u32>,
    pub(super) flow: Flow,
    /// It has been told what to load, and has not been lost since.
    pub(super) is_loading: bool,
    /// It takes streams.
    pub(super) is_ready: bool,
    /// It was ready once, whatever became of it.
    pub(super) was_ready: bool,
    /// What it was asked to load first.
    pub(super) load: Load,
    /// It has initial parameters: where its first load raises, one with the pipeline's own takes its place (runner contract
    /// §4.3).
    pub(super) gives_way: bool,
    /// When it was lost, until the next one's first answer.
    pub(super) lost_at: Option<Duration>,
    /// Streams that had a frame at work when it was lost, as far as media said so before its end was noticed.
    pub(super) had_frames_of: Vec<Number>,
    /// Answers of all its streams.
    pub(super) answered: u64,
    /// Outputs that are none, as it counts them.
    pub(super) outputs: Outputs,
    pub(super) last_words: LastWords,
}

impl Worker {
    /// Starts it.
    pub(super) fn start(
        id: ChildId,
        key: Key,
        flow: Flow,
        load: Load,
        settings: &Settings,
        owner: SyncSender<Incoming>,
    ) -> Result<Self, Failure> {
        let first = flow.load();
        let gives_way = load != Load::Defaults
            && first.hash == flow.initial().hash
            && !first.params.own.is_empty();
        let config = Config {
            max_restarts: settings.max_restarts,
            max_frame_time_override: settings.max_frame_time,
            retries_first_load: !gives_way,
            ..Config::default()
        };
        let bounds = Bounds {
            max_frame_time: settings.max_frame_time,
            memory: settings.worker_memory,
        };
        let mut command = worker_command(&key.pipeline, settings.python.as_deref(), bounds)?;
        if settings.verbose {
            command = command.env("VERBOSE_LOGGING", "1");
        }
        Ok(Self {
            child: Supervised::start(config, command, id, owner),
            id,
            flow,
            key,
            description: None,
            reapplied_in: None,
            is_loading: false,
            is_ready: false,
            was_ready: false,
            load,
            gives_way,
            lost_at: None,
            had_frames_of: Vec::new(),
            answered: 0,
            outputs: Outputs::default(),
            last_words: LastWords::default(),
        })
    }

    /// Which of its processes is there: each one is another.
    pub(super) fn life(&self) -> u32 {
        self.child.lifecycle().incarnation()
    }

    /// Whether it comes back when it is lost.
    pub(super) fn is_kept(&self) -> bool {
        let state = self.child.state();
        !matches!(state, lifecycle::State::Failed | lifecycle::State::Stopped)
    }

    /// What a stream that had a frame at work at its last death is suspected of.
    pub(super) fn suspect(&self) -> Suspect {
        if self.flow.is_blamed() {
            Suspect::FrameOrParams
        } else {
            Suspect::Frame
        }
    }

    /// The pipeline's name.
    pub(super) fn name(&self) -> String {
        self.key.pipeline.public_name()
    }

    /// What the pipeline gets of a set, which replaces the one before: what is left out has its own default (runner
    /// contract §7).
    fn update(&self, id: u64, set: &Set, check: bool) -> ToChild {
        ToChild::Update {
            id,
            params: self.own(set),
            replace: true,
            base: Some(Box::new(set.params.base_values())),
            check,
            output_size: set.keeps.filter(|_| !check),
        }
    }

    /// Whether it wants the initial set whenever nobody is at work.
    pub(super) fn reapplies_initial(&self) -> bool {
        self.description
            .as_ref()
            .is_some_and(|it| it.reapplies_initial)
    }

    /// After each load, where it wants it so (runner contract §5.4, §9.2); a reload is none.
    pub(super) fn reapply_initial(&mut self) {
        let life = Some(self.life());
        if self.reapplies_initial() && self.reapplied_in != life {
            self.reapplied_in = life;
            self.flow.reset(true);
        }
    }

    /// Without defaults, as a load takes it.
    pub(super) fn own(&self, set: &Set) -> Map<String, Value> {
        own(&self.key.pipeline, set)
    }

    /// Whether the size of its pictures is its parameters' to say.
    pub(super) fn tells_size(&self) -> bool {
        !matches!(self.key.pipeline, Pipeline::BuiltIn(_))
    }

    /// Asks whether it would take a set, and what size its pictures would have. The request's id, if it can be asked.
    pub(super) fn check(&mut self, set: &Set) -> Option<u64> {
        if !self.is_ready && !self.is_loading {
            return None;
        }
        let id = self.child.request_id();
        let update = self.update(id, set, true);
        self.child.send(&update, &[]).ok().map(|()| id)
    }

    /// Sends the parameters that are wanted, if it can take some.
    pub(super) fn pump(&mut self) {
        if !self.is_ready {
            return;
        }
        let (child, flow) = (&mut self.child, &mut self.flow);
        let Some((id, set)) = flow.next(|| child.request_id()) else {
            return;
        };
        let update = self.update(id, &set, false);
        // The flow hears of the end of a worker that does not take it.
        self.child.post(&update, &[]);
    }
}

/// What a pipeline gets of a set, without defaults.
pub(super) fn own(pipeline: &Pipeline, set: &Set) -> Map<String, Value> {
    // The contract's `noop` knows no parameter of its own and takes any (§10.1).
    if *pipeline == Pipeline::BuiltIn("noop".into()) {
        return Map::new();
    }
    Map::clone(&set.params.own)
}

/// How the contract calls an error of a worker (§6.4). What a pipeline reports itself is told as it is (§4.5).
pub(super) fn error_text(report: &ErrorReport, was_ready: bool, load: Load) -> String {
    if report.code == "reported" {
        return report.message.clone();
    }
    let prefix = match (report.code.as_str(), was_ready) {
        ("load_failed" | "import_failed" | "unknown_pipeline" | "params", false)
            if load == Load::Defaults =>
        {
            "Error loading pipeline with default params"
        }
        ("load_failed" | "import_failed" | "unknown_pipeline" | "params", false) => {
            "Error loading pipeline"
        }
        ("load_failed", true) => "Error reloading pipeline",
        ("params", true) => "Error updating params",
        ("process_failed", _) => "Error processing input frame",
        ("bad_output" | "output_failed", _) => "Error processing output frame",
        _ => "Error in process run method",
    };
    let detail = match report.problems.as_slice() {
        [] => report.message.clone(),
        problems => sentences(problems),
    };
    format!("{prefix}: {detail}")
}

/// What is wrong with parameters, in one line.
pub(super) fn sentences(problems: &[Problem]) -> String {
    let each = problems.iter().map(|it| it.message.as_str());
    each.collect::<Vec<_>>().join("; ")
}
