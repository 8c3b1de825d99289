//! `framerill serve`.

use clap::Args;

use crate::{
    exit::Exit,
    failure::Failure,
    serve::{self, Serve as Asked},
};

/// Serve the container API of the live runner until Ctrl-C.
///
/// Each setting comes from its flag, else from its variable FRAMERILL_…, else from the runner's own variable, else from
/// `.env` in this folder, else it has its default. Two that differ are told once.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Pipeline: a name, module:Class, a file, or a PipelineSpec as JSON [env: FRAMERILL_PIPELINE, PIPELINE]
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// Name that requests call it by; names the pipeline where PIPELINE is live-video-to-video [env: FRAMERILL_MODEL_ID,
    /// MODEL_ID]
    #[arg(long, value_name = "NAME")]
    model_id: Option<String>,
    /// Parameters to load it with, a JSON object [env: FRAMERILL_INITIAL_PARAMS, INFERPY_INITIAL_PARAMS]
    #[arg(long, value_name = "JSON")]
    initial_params: Option<String>,
    /// Address or host name to listen on [default: 127.0.0.1] [env: FRAMERILL_HOST, HOST]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Port; 0 is any free one [default: 8000] [env: FRAMERILL_PORT, PORT]
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Port of infer on 127.0.0.1; 0 is any free one [default: 8888] [env: FRAMERILL_INTERNAL_PORT]
    #[arg(long, value_name = "PORT")]
    internal_port: Option<String>,
    /// Word that start requests have to bring; better as a variable, which no process list shows
    /// [env: FRAMERILL_AUTH_TOKEN, AUTH_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    auth_token: Option<String>,
    /// Streams at the same time [default: 1] [env: FRAMERILL_CAPACITY]
    #[arg(long, value_name = "N")]
    capacity: Option<String>,
    /// Folder of models [env: FRAMERILL_MODEL_DIR, MODEL_DIR]
    #[arg(long, value_name = "DIR")]
    model_dir: Option<String>,
    /// Frames of a stream a second at most; 0 takes all [default: 24] [env: FRAMERILL_MAX_FPS]
    #[arg(long, value_name = "FPS")]
    max_fps: Option<String>,
    /// Restarts of a worker, given back after 10 healthy minutes [default: 3] [env: FRAMERILL_MAX_RESTARTS]
    #[arg(long, value_name = "N")]
    max_restarts: Option<String>,
    /// Seconds without an output after which a worker is hung [default: what the pipeline says]
    /// [env: FRAMERILL_MAX_FRAME_TIME]
    #[arg(long, value_name = "S")]
    max_frame_time: Option<String>,
    /// Memory that a worker's processes may use together, such as 8G; beyond it they are ended and started again
    /// [default: no limit] [env: FRAMERILL_WORKER_MEMORY]
    #[arg(long, value_name = "SIZE")]
    worker_memory: Option<String>,
    /// The Python to run pipelines with [env: FRAMERILL_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<String>,
    /// File of parameters, read whenever it changes [env: FRAMERILL_PARAMS_FILE]
    #[arg(long, value_name = "FILE")]
    params_file: Option<String>,
    /// Tell on the events channel what becomes of parameters, too [env: FRAMERILL_PARAMS_EVENTS]
    #[arg(long)]
    params_events: bool,
    /// Verify certificates of trickle servers; orchestrators sign their own [env: FRAMERILL_VERIFY_TLS]
    #[arg(long)]
    verify_tls: bool,
    /// Certificates of authorities to verify them with, PEM [env: FRAMERILL_TRICKLE_CA]
    #[arg(long, value_name = "FILE")]
    trickle_ca: Option<String>,
    /// Version to report, such as 1.2.3 [default: undefined] [env: FRAMERILL_RUNNER_VERSION, VERSION]
    #[arg(long, value_name = "VERSION")]
    runner_version: Option<String>,
    /// IP address and port of a trickle server to start beside it [env: FRAMERILL_TRICKLE]
    #[arg(long, value_name = "ADDR")]
    trickle: Option<String>,
    /// Package, path or repository to install before anything is served, into an environment of its own, unless it is
    /// there; without a pipeline or model id, its one pipeline is served [env: FRAMERILL_INSTALL, AUTO_INSTALL_PIPELINE]
    #[arg(long, value_name = "PACKAGE", allow_hyphen_values = true)]
    install: Option<String>,
    /// Have the pipeline fetch or compile its models, and end; nothing is served
    /// [env: FRAMERILL_PREPARE_MODELS=1, PREPARE_MODELS=1]
    #[arg(long)]
    prepare_models: bool,
    /// Say more [env: FRAMERILL_VERBOSE=1, VERBOSE_LOGGING=1]
    #[arg(short, long)]
    verbose: bool,
    /// Program to start as infer
    #[arg(long, value_name = "PATH", hide = true)]
    infer_program: Option<String>,
    /// Pass over `.env` in this folder
    #[arg(long, hide = true)]
    no_dotenv: bool,
    /// Print one JSON object a line: the address at the start
    #[arg(long)]
    json: bool,
}

impl Serve {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let flags = [
            ("--pipeline", self.pipeline),
            ("--model-id", self.model_id),
            ("--initial-params", self.initial_params),
            ("--host", self.host),
            ("--port", self.port),
            ("--internal-port", self.internal_port),
            ("--auth-token", self.auth_token),
            ("--capacity", self.capacity),
            ("--model-dir", self.model_dir),
            ("--max-fps", self.max_fps),
            ("--max-restarts", self.max_restarts),
            ("--max-frame-time", self.max_frame_time),
            ("--worker-memory", self.worker_memory),
            ("--python", self.python),
            ("--params-file", self.params_file),
            (
                "--params-events",
                self.params_events.then(|| "true".to_owned()),
            ),
            ("--verify-tls", self.verify_tls.then(|| "true".to_owned())),
            ("--trickle-ca", self.trickle_ca),
            ("--runner-version", self.runner_version),
            ("--trickle", self.trickle),
            ("--install", self.install),
            (
                "--prepare-models",
                self.prepare_models.then(|| "1".to_owned()),
            ),
            ("--verbose", self.verbose.then(|| "1".to_owned())),
            ("--infer-program", self.infer_program),
        ];
        let flags = flags.into_iter();
        serve::serve(Asked {
            flags: flags
                .filter_map(|(flag, value)| Some((flag, value?)))
                .collect(),
            dotenv: !self.no_dotenv,
            json: self.json,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_that_the_help_names_is_in_the_table() {
        let known: Vec<_> = serve::variables().collect();
        let command = Serve::augment_args(clap::Command::new("serve"));
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let Some((_, named)) = help.split_once("[env: ") else {
                continue;
            };
            for name in named.trim_end_matches(']').split(',') {
                let name = name.trim().trim_end_matches("=1");
                assert!(known.contains(&name), "{name}");
            }
        }
    }
}
