//! The wiring of `framerill plates serve`, and its end.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use framerill_plates::store::{Address, Options, Store};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::{
    render::Maker,
    routes::{self, Shared},
    snippets::Snippets,
    source::Sources,
    turns::Turns,
};
use crate::{
    exit::Exit,
    failure::Failure,
    http::{self, loopback::is_loopback},
    log::{Level, log, speak_as},
    plates::settings::{Settings, config},
    program, runtime, serve as runner,
    signals::Stop,
    terminal,
};

/// Questions of the database at once, and those that wait.
const QUESTIONS: (usize, usize) = (8, 64);
const QUESTION_WITHIN: Duration = Duration::from_secs(30);
/// Media processes at once, and requests that wait for one.
const RENDERS: (usize, usize) = (2, 8);
/// As long as a clip may take, and its turn.
const RENDER_WITHIN: Duration = Duration::from_secs(90);
/// Answers that have begun when it is stopped.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// What hangs at the end is left behind.
const LEFT_WITHIN: Duration = Duration::from_millis(100);

/// A server that is asked for.
#[derive(Debug)]
pub(crate) struct Serve {
    /// Settings by the names of their flags.
    pub(crate) flags: BTreeMap<&'static str, String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Bytes of pictures and clips that are kept.
    pub(crate) snippet_bytes: u64,
    pub(crate) json: bool,
}

/// Serves until a signal.
pub(crate) fn serve(asked: Serve) -> Result<Exit, Failure> {
    let mut sources = runner::sources(asked.flags, true)?;
    sources.file = config::read(asked.config.as_deref())?;
    let settings = Settings::load(sources)?;
    speak_as("plates-serve", false);
    for note in &settings.notes {
        log(Level::Warning, note);
    }
    // Without it there are neither pictures nor clips.
    program::media()?;
    if !is_loopback(&asked.host) {
        let host = &asked.host;
        let text = "whoever reaches this port sees every plate, picture and place: keep it behind something that asks who it is";
        log(Level::Warning, format_args!("listening on {host}: {text}"));
    }
    let folder = &settings.snippet_root;
    let snippets = Snippets::open(folder, asked.snippet_bytes).map_err(|error| {
        let text = format!("cannot keep pictures in `{}`: {error}", folder.display());
        Failure::cannot_start("snippets", text)
            .hint("name a folder that can be written with `--snippet-root`")
    })?;
    let shared = Arc::new(Shared {
        maker: Maker {
            store: open(&settings)?,
            sources: Sources::new(settings.video_root),
            snippets,
        },
        questions: Turns::new(QUESTIONS.0, QUESTIONS.1, QUESTION_WITHIN),
        renders: Turns::new(RENDERS.0, RENDERS.1, RENDER_WITHIN),
        is_loopback: is_loopback(&asked.host),
    });
    let runtime = runtime::of_two_threads()?;
    let served = runtime.block_on(run(shared, &asked.host, asked.port, asked.json));
    runtime.shutdown_timeout(LEFT_WITHIN);
    served
}

/// The database of the runs. No row is delivered from here: that is the runs' own business.
fn open(settings: &Settings) -> Result<Store, Failure> {
    if let Address::Sqlite(file) = &settings.database
        && !file.exists()
    {
        let text = format!("there is no database `{}` yet", file.display());
        return Err(Failure::usage("database", text)
            .hint("run `framerill plates run` first, or name it with `--db` or `--work-dir`"));
    }
    let options = Options {
        privacy: settings.privacy()?,
        ..Options::new(settings.database.clone())
    };
    Store::open(options).map_err(|error| {
        Failure::cannot_start("database", error.to_string())
            .hint("name another database with `--db`")
    })
}

async fn run(shared: Arc<Shared>, host: &str, port: u16, json: bool) -> Result<Exit, Failure> {
    let mut signals = Stop::listen()?;
    let host = host.trim_matches(['[', ']']);
    let bound = TcpListener::bind((host, port)).await;
    let bound = bound.and_then(|it| Ok((it.local_addr()?, it)));
    let (taken, listener) = bound.map_err(|error| {
        let text = format!("cannot listen on {host}:{port}: {error}");
        Failure::cannot_start("listen", text)
            .hint("name another address with `--host` or `--port`; port 0 is any free one")
    })?;
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(http::serve(listener, routes::router(shared), stopping));
    announce(taken, json);
    let exit = signals.next().await;
    stop.send_replace(true);
    tokio::select! {
        left = timeout(ENDS_WITHIN, serving) => if left.is_err() {
            log(Level::Warning, "not every answer ended in time");
        },
        _ = signals.again() => {}
    }
    Ok(exit)
}

fn announce(addr: SocketAddr, json: bool) {
    let url = format!("http://{addr}");
    if json {
        terminal::answer(json!({"event": "listening", "url": url}));
    } else {
        terminal::answer(format_args!("serving plates at {url}"));
    }
}
