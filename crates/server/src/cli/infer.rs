//! `framerill infer`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::trickle::TlsArgs;
use crate::{
    environments::Effort,
    exit::Exit,
    failure::Failure,
    infer::{self, Asked, Infer as Inner, Settings, json},
    log::Ids,
    memory_size::memory_limit,
    run::{self, Pipeline},
};

/// Run streams: the inner process of `framerill serve`, on 127.0.0.1 only.
///
/// With --subscribe-url and --publish-url a stream begins at once, and infer ends with it.
#[derive(Debug, Args)]
pub(super) struct Infer {
    /// Pipeline: a name, module:Class, a file, or a PipelineSpec as JSON
    #[arg(long, value_name = "PIPELINE", env = "FRAMERILL_PIPELINE")]
    pipeline: String,
    /// Port on 127.0.0.1; 0 is any free one
    #[arg(
        long,
        visible_alias = "http-port",
        value_name = "PORT",
        default_value_t = 8888,
        env = "FRAMERILL_INTERNAL_PORT"
    )]
    internal_port: u16,
    /// Streams at the same time; with 1 a further start replaces the first
    #[arg(long, value_name = "N", default_value_t = 1, env = "FRAMERILL_CAPACITY", value_parser = clap::value_parser!(u32).range(1..=1024))]
    capacity: u32,
    /// Parameters to load the pipeline with, a JSON object
    #[arg(
        long,
        value_name = "JSON",
        default_value = "{}",
        env = "FRAMERILL_INITIAL_PARAMS"
    )]
    initial_params: String,
    /// File of parameters, read whenever it changes
    #[arg(long, value_name = "FILE", env = "FRAMERILL_PARAMS_FILE")]
    params_file: Option<PathBuf>,
    /// Tell on the events channel what becomes of parameters, too
    #[arg(long, env = "FRAMERILL_PARAMS_EVENTS")]
    params_events: bool,
    /// Frames a second at most; 0 takes all
    #[arg(long, value_name = "FPS", env = "FRAMERILL_MAX_FPS", value_parser = max_fps)]
    max_fps: Option<f64>,
    /// Restarts of a worker, given back after 10 healthy minutes
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        env = "FRAMERILL_MAX_RESTARTS"
    )]
    max_restarts: u32,
    /// Seconds without an output after which a worker is hung [default: what the pipeline says]
    #[arg(long, value_name = "S", env = "FRAMERILL_MAX_FRAME_TIME", value_parser = run::positive_seconds)]
    max_frame_time: Option<f64>,
    /// Memory that a worker's processes may use together, such as 8G; beyond it they are ended and started again
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", env = "FRAMERILL_WORKER_MEMORY", value_parser = memory_limit)]
    worker_memory: Option<u64>,
    /// The Python to run pipelines with
    #[arg(long, value_name = "PATH", env = "FRAMERILL_PYTHON")]
    python: Option<PathBuf>,
    /// Protocol of streams; there is one
    #[arg(long, value_name = "NAME", default_value = "trickle", env = "STREAM_PROTOCOL", value_parser = protocol, hide = true)]
    stream_protocol: String,
    /// Channel to read
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    subscribe_url: String,
    /// Channel to write
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    publish_url: String,
    /// Channel that brings parameters
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    control_url: String,
    /// Channel that takes events
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    events_url: String,
    /// For the log
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    request_id: String,
    /// For the log
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    manifest_id: String,
    /// For the log
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    stream_id: String,
    #[command(flatten)]
    tls: TlsArgs,
    /// Say more
    #[arg(short, long)]
    verbose: bool,
}

fn max_fps(text: &str) -> Result<f64, String> {
    let fps: Option<f64> = text.parse().ok();
    fps.filter(|it| (0.0..=1000.0).contains(it))
        .ok_or_else(|| format!("`{text}` is not a number from 0 to 1000"))
}

fn protocol(text: &str) -> Result<String, String> {
    match text {
        "trickle" | "" => Ok("trickle".to_owned()),
        "zeromq" => Err("zeromq is no longer spoken; use trickle".to_owned()),
        other => Err(format!("`{other}` is not spoken; use trickle")),
    }
}

impl Infer {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let pipeline =
            Pipeline::find(&self.pipeline)?.placed(self.python.as_deref(), Effort::Thorough)?;
        let initial_params = json::read(self.initial_params.as_bytes()).map_err(|error| {
            let text = format!("--initial-params is no JSON object: {error}");
            Failure::usage("initial_params", text)
                .hint("give an object such as '{\"strength\": 0.5}'")
        })?;
        let initial_params = pipeline.with_initial(initial_params);
        let verbose =
            self.verbose || std::env::var_os("VERBOSE_LOGGING").is_some_and(|it| it == "1");
        let ids = Ids {
            request: self.request_id,
            manifest: self.manifest_id,
            stream: self.stream_id,
        };
        let urls = [
            self.subscribe_url,
            self.publish_url,
            self.control_url,
            self.events_url,
        ];
        let stream = match (urls[0].is_empty(), urls[1].is_empty()) {
            (true, true) => None,
            (false, false) => {
                Some(Asked::from_flags(urls, ids).map_err(|why| Failure::usage("url", why))?)
            }
            _ => {
                let text = "a stream needs both --subscribe-url and --publish-url";
                return Err(Failure::usage("usage", text).hint("give both, or none"));
            }
        };
        infer::infer(Inner {
            settings: Settings {
                name: pipeline.public_name(),
                pipeline,
                initial_params,
                capacity: self.capacity,
                max_restarts: self.max_restarts,
                max_frame_time: self.max_frame_time.map(Duration::from_secs_f64),
                worker_memory: self.worker_memory.filter(|it| *it > 0),
                max_fps: self.max_fps,
                python: self.python,
                tls: self.tls.transport()?,
                params_events: self.params_events,
                verbose,
                stream,
            },
            port: self.internal_port,
            params_file: self.params_file,
        })
    }
}
