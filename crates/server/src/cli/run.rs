//! `framerill run`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use framerill_media::Size;
use framerill_worker::message::LinkPolicy;

use crate::{
    environments::Effort,
    exit::Exit,
    failure::Failure,
    memory_size::memory_limit,
    run::{self, Pace, Pipeline, Plan},
};

/// Run a video file through a pipeline.
///
/// The pipeline runs in a process of its own; when that dies, it is started again and the run goes on.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// mp4, mkv, mov, ts or webm file, or lavfi:GENERATOR (lavfi:testsrc2=size=1280x720:rate=30:duration=10)
    input: String,
    /// Built-in name, FILE.py, module:Class, the name of an installed package's entry point, or a PipelineSpec as JSON
    #[arg(short, long, value_name = "NAME|FILE.py|module:Class")]
    pipeline: String,
    /// Parameters of the pipeline; `framerill pipelines describe NAME` lists them
    #[arg(long, value_name = "JSON|@FILE")]
    params: Option<String>,
    /// .mp4, .mkv, .ts or .webm file, or - for MPEG-TS to stdout [default: INPUT.NAME.mp4]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Crop the centre to this aspect, then scale
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Frames a second: 30, 29.97 or 30000/1001
    #[arg(long, value_name = "N", value_parser = run::fps)]
    fps: Option<[u32; 2]>,
    /// While the pipeline is busy: the source waits, or comes in real time and only its newest frame counts
    #[arg(long, value_enum, default_value = "block")]
    policy: PolicyArg,
    /// Leave out the beginning: seconds, or 1:02:03.5
    #[arg(long, value_name = "S", value_parser = run::seconds)]
    start: Option<f64>,
    /// Take this much: seconds, or 1:02:03.5
    #[arg(long, value_name = "S", value_parser = run::seconds)]
    duration: Option<f64>,
    /// Write a before/after picture (PNG) beside the output
    #[arg(long)]
    preview: bool,
    /// Restarts of the pipeline before the run fails
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        env = "FRAMERILL_MAX_RESTARTS"
    )]
    max_restarts: u32,
    /// Seconds without an output after which the pipeline counts as hung [default: the pipeline's own, 10]
    #[arg(long, value_name = "S", value_parser = run::positive_seconds)]
    max_frame_time: Option<f64>,
    /// Memory that the pipeline's processes may use together, such as 8G; beyond it they are ended and started again
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", env = "FRAMERILL_WORKER_MEMORY", value_parser = memory_limit)]
    worker_memory: Option<u64>,
    /// Python to run the pipeline with [default: the active environment, .venv near by, python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Run the pipeline on this terminal without deadlines or restarts, so that a debugger works
    #[arg(long)]
    in_process: bool,
    /// Load the pipeline anew whenever one of its files is saved, while the video goes on (`serve` and `infer` do not)
    #[arg(long)]
    reload: bool,
    /// End with one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// Print errors only
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyArg {
    Block,
    Latest,
}

impl Run {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let to_stdout = self
            .output
            .as_deref()
            .is_some_and(|it| it.as_os_str() == "-");
        if to_stdout && self.json {
            return Err(
                Failure::usage("usage", "--json and `-o -` both want stdout")
                    .hint("write the video to a file"),
            );
        }
        let pipeline =
            Pipeline::find(&self.pipeline)?.placed(self.python.as_deref(), Effort::Thorough)?;
        for note in pipeline.notes(self.python.as_deref(), Effort::Quick) {
            crate::terminal::tell(format_args!("framerill: {note}"));
        }
        if self.reload {
            can_reload(&pipeline, self.in_process)?;
        }
        let output = self
            .output
            .unwrap_or_else(|| run::default_output(&self.input, &pipeline));
        let (policy, pace) = match self.policy {
            PolicyArg::Block => (LinkPolicy::Block, Pace::Free),
            PolicyArg::Latest => (LinkPolicy::Latest, Pace::RealTime),
        };
        let plan = Plan {
            params: pipeline.with_initial(
                self.params
                    .as_deref()
                    .map(run::params)
                    .transpose()?
                    .unwrap_or_default(),
            ),
            preview: self.preview.then(|| run::preview_path(&output)),
            input: self.input,
            pipeline,
            output,
            size: self.size,
            fps: self.fps,
            policy,
            pace,
            start: self.start.unwrap_or(0.0),
            duration: self.duration,
            max_restarts: self.max_restarts,
            max_frame_time: self.max_frame_time.map(Duration::from_secs_f64),
            worker_memory: self.worker_memory.filter(|it| *it > 0),
            python: self.python,
            in_process: self.in_process,
            reload: self.reload,
        };
        run::command(plan, self.json, self.quiet)
    }
}

fn can_reload(pipeline: &Pipeline, in_process: bool) -> Result<(), Failure> {
    if in_process {
        let text = "--reload and --in-process do not go together: there is one process";
        return Err(Failure::usage("usage", text).hint("leave one of them out"));
    }
    if pipeline.place().is_none() {
        let text = format!(
            "--reload watches files, and `{}` names none",
            pipeline.target()
        );
        return Err(Failure::usage("usage", text)
            .hint("name the pipeline by its path, such as ./my_pipeline.py or ./my_folder"));
    }
    Ok(())
}
