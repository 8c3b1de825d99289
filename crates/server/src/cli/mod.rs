//! The command line: what is asked for, and which room does it.

mod bench;
mod demo;
mod doctor;
mod infer;
mod pipelines;
mod pipelines_new;
mod plates;
mod run;
mod serve;
mod stream;
mod trickle;

use std::process::ExitCode;

use clap::{
    Parser, Subcommand,
    error::{ContextKind, ErrorKind},
};

use crate::{
    exit::Exit,
    failure::Failure,
    init,
    terminal::{self, LastLines},
};

/// Runs AI on live and recorded video, each model in its own supervised process.
#[derive(Debug, Parser)]
#[command(
    name = "framerill",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the live runner at work: a generated source, a Python pipeline, a viewer
    Demo(demo::Demo),
    /// Run a video file through a pipeline
    Run(Box<run::Run>),
    /// Serve the container API of the live runner until Ctrl-C
    Serve(Box<serve::Serve>),
    /// Start, list and stop streams of a server that runs
    #[command(subcommand)]
    Stream(stream::Stream),
    /// Run streams: what `serve` starts
    Infer(Box<infer::Infer>),
    /// List, describe, install, prepare and begin pipelines
    #[command(subcommand)]
    Pipelines(pipelines::Pipelines),
    /// Read number plates off videos: one record for every vehicle with a readable plate
    Plates(Box<plates::Plates>),
    /// Say what is there, what is missing and what to do
    Doctor(doctor::Doctor),
    /// Live segments over HTTP: the server, and both ends
    #[command(subcommand)]
    Trickle(trickle::Trickle),
    /// Measure this machine
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Be a worker for a built-in pipeline (started by framerill, not by hand)
    #[command(hide = true)]
    Worker {
        /// Pipeline's name, for the process list
        name: Option<String>,
    },
    /// Be a worker of a run of plates (started by framerill, not by hand)
    #[command(hide = true)]
    PlatesWorker {
        /// Its class and number, for the process list
        #[arg(num_args = 0..)]
        name: Vec<String>,
    },
    /// Be the scheduler of a run of plates (started by framerill, not by hand)
    #[command(hide = true)]
    PlatesScheduler,
    /// Say what ONNX Runtime and models are to `plates doctor` (started by framerill, not by hand)
    #[command(hide = true)]
    PlatesProbe {
        /// Folder with model files
        models: std::path::PathBuf,
        /// Which of them, and what computes, as JSON
        choice: String,
    },
}

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    // The shim between a parent and its child, which the help does not name: it reads its arguments by itself.
    if args.next().is_some_and(|first| first == "launch") {
        return framerill_supervisor::launch::main(args);
    }
    let _last_lines = LastLines;
    match command() {
        Exit::Done if terminal::is_cut_off() => Exit::Failed,
        exit => exit,
    }
    .into()
}

fn command() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let shows_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
            if !error.use_stderr() || shows_help {
                // What cannot be printed cannot be helped.
                drop(error.print());
                return if shows_help { Exit::Usage } else { Exit::Done };
            }
            let failure = usage(&error);
            if wants_json() {
                print_failure(&failure);
            }
            return tell(&failure);
        }
    };
    let done = match cli.command {
        Command::Demo(demo) => demo.run(),
        Command::Run(run) => run.run(),
        Command::Serve(serve) => init::beneath(|| serve.run()),
        Command::Stream(stream) => stream.run(),
        Command::Infer(infer) => init::beneath(|| infer.run()),
        Command::Pipelines(pipelines) => pipelines.run(),
        Command::Plates(plates) => plates.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Trickle(trickle) => trickle.run(),
        Command::Bench(bench) => bench.run(),
        Command::Worker { .. } => return Exit::of_child(framerill_worker::runtime::run()),
        Command::PlatesWorker { .. } => return Exit::of_child(crate::plates::worker()),
        Command::PlatesProbe { models, choice } => {
            // Its parent wrote it.
            let choice = serde_json::from_str(&choice).unwrap_or_default();
            crate::plates::doctor::probe(&models, choice);
            Ok(Exit::Done)
        }
        Command::PlatesScheduler => return Exit::of_child(crate::plates::scheduler()),
    };
    done.unwrap_or_else(|failure| {
        if wants_json() && !failure.is_reported {
            print_failure(&failure);
        }
        tell(&failure)
    })
}

fn wants_json() -> bool {
    std::env::args_os().any(|arg| arg == "--json")
}

/// What clap found wrong, in one line.
fn usage(error: &clap::Error) -> Failure {
    let unknown = (error.kind() == ErrorKind::UnknownArgument)
        .then(|| error.get(ContextKind::InvalidArg))
        .flatten();
    if unknown.is_some_and(|it| it.to_string() == "--reload") {
        let text =
            "--reload is for `framerill run`: what serves goes on with the code that it started";
        return Failure::usage("usage", text)
            .hint("work on the pipeline with `framerill run CLIP --pipeline PATH --reload`, and start the server anew");
    }
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    Failure::usage("usage", line.trim_start_matches("error: ")).hint("try --help")
}

/// The one object on stdout of a command that has no report of its own.
fn print_failure(failure: &Failure) {
    let object = serde_json::json!({
        "status": "failed",
        "error": {"code": failure.code, "message": failure.to_string()},
    });
    terminal::answer(object);
}

/// Prints the one line that says what is wrong and what to do.
fn tell(failure: &Failure) -> Exit {
    terminal::tell(format_args!("framerill: {failure}"));
    failure.exit
}
