//! `framerill stream`.

use std::env;

use clap::{Args, Subcommand};

use crate::{
    exit::Exit,
    failure::Failure,
    run,
    stream::{self, Server, Which},
};

/// Streams of a server that runs (`framerill serve`).
#[derive(Debug, Subcommand)]
pub(super) enum Stream {
    /// Start a stream
    Start(Box<StartArgs>),
    /// List the streams that run
    List(ListArgs),
    /// Stop a stream, and return when it is over
    Stop(StopArgs),
}

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// Address of the server
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8000",
        env = "FRAMERILL_SERVER"
    )]
    server: String,
    /// The server's token; better as a variable, which no process list shows [env: FRAMERILL_AUTH_TOKEN, AUTH_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// Trickle channel (http://HOST:3389/NAME) to read, a file of the server's machine, or lavfi:GENERATOR
    source: String,
    /// Trickle channel to write, or a file of the server's machine that ends in .ts
    sink: String,
    /// Pipeline: a name, module:Class or a file [default: the server's]
    #[arg(short, long, value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// Parameters of the pipeline, a whole set [default: the server's initial ones]
    #[arg(long, value_name = "JSON|@FILE")]
    params: Option<String>,
    /// Who shares its worker: all streams, none, or those with the same parameters [default: stream]
    #[arg(long, value_name = "BINDING", value_parser = ["shared", "stream", "prompt"])]
    binding: Option<String>,
    /// What is shown where no finished picture is; docs/concepts/runtime-overview.md says more [default: live]
    #[arg(long, value_name = "MODE", value_parser = ["strict", "fill", "hold", "live"])]
    egress: Option<String>,
    /// The picture that is held meanwhile [default: last_good]
    #[arg(long, value_name = "PICTURE", value_parser = ["last_good", "original", "overlay"])]
    on_worker_loss: Option<String>,
    /// Frames a second at most; 0 takes all [default: the server's, 24]
    #[arg(long, value_name = "FPS")]
    max_fps: Option<f64>,
    /// Channel that brings parameters
    #[arg(long, value_name = "URL")]
    control_url: Option<String>,
    /// Channel that takes events
    #[arg(long, value_name = "URL")]
    events_url: Option<String>,
    /// Wait until it is over; Ctrl-C stops it
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    at: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    at: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// Its number
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<u64>,
    /// All of them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    at: ServerArgs,
}

impl ServerArgs {
    fn server(&self) -> Result<Server, Failure> {
        let set = |name| env::var(name).ok().filter(|it| !it.is_empty());
        let token = self.token.clone();
        let token = token.or_else(|| set("FRAMERILL_AUTH_TOKEN"));
        Server::new(&self.server, token.or_else(|| set("AUTH_TOKEN")))
    }
}

impl Stream {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Start(args) => args.run(),
            Self::List(args) => stream::list(&args.at.server()?, args.at.json),
            Self::Stop(args) => {
                let which = args.id.map_or(Which::All, Which::One);
                stream::stop(&args.at.server()?, which, args.at.json)
            }
        }
    }
}

impl StartArgs {
    fn run(self) -> Result<Exit, Failure> {
        stream::start(stream::Start {
            server: self.at.server()?,
            source: self.source,
            sink: self.sink,
            pipeline: self.pipeline,
            params: self.params.as_deref().map(run::params).transpose()?,
            binding: self.binding,
            egress: self.egress,
            on_worker_loss: self.on_worker_loss,
            max_fps: self.max_fps,
            control_url: self.control_url,
            events_url: self.events_url,
            wait: self.wait,
            json: self.at.json,
        })
    }
}
