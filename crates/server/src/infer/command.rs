//! `framerill infer`: the wiring, and the ordered end.

use std::{net::Ipv4Addr, path::PathBuf, thread, time::Duration};

use framerill_trickle::http::client::Transport;
use rustix::net::sockopt::socket_type;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    time::timeout,
};

use super::{
    engine::{Command, Ended, Engine},
    leftover, params_file, routes,
    settings::Settings,
};
use crate::{
    deadlines,
    environments::Effort,
    exit::Exit,
    failure::Failure,
    http,
    log::{Level, log, speak_as},
    runtime,
    signals::Stop,
};

/// Requests wait this long for what a runner before has left to be cleared: they may name the same channels.
const CLEAR_WITHIN: Duration = Duration::from_secs(1);

/// An inner process that is asked for.
pub(crate) struct Infer {
    pub(crate) settings: Settings,
    /// On 127.0.0.1; 0 is any free one.
    pub(crate) port: u16,
    /// Parameters are read from it whenever it changes.
    pub(crate) params_file: Option<PathBuf>,
}

/// Serves until a signal, the end of its parent, or the end of the one stream that it was started for.
pub(crate) fn infer(asked: Infer) -> Result<Exit, Failure> {
    speak_as("infer", asked.settings.verbose);
    let settings = &asked.settings;
    let (pipeline, python) = (settings.pipeline.clone(), settings.python.clone());
    // A Python may have to be asked, which no start waits for.
    thread::spawn(move || {
        for note in pipeline.notes(python.as_deref(), Effort::Thorough) {
            log(Level::Warning, note);
        }
    });
    let runtime = runtime::of_two_threads()?;
    let done = runtime.block_on(run(asked, runtime.handle().clone()));
    runtime.shutdown_timeout(deadlines::BLOCKING);
    done
}

async fn run(asked: Infer, runtime: tokio::runtime::Handle) -> Result<Exit, Failure> {
    let mut signals = Stop::listen()?;
    let mut orphaned = parent_gone();
    let listener = bind(asked.port).await?;
    let is_resume = asked.settings.stream.is_some();
    let tls = asked.settings.tls.clone();
    let (engine, mut ended) = Engine::start(asked.settings, runtime)?;
    let clearing = (!is_resume).then(|| tokio::spawn(clear(engine.clone(), tls)));
    if let Some(file) = asked.params_file {
        tokio::spawn(watch_file(file, engine.clone()));
    }
    let (stop, stopping) = watch::channel(false);
    let router = routes::router(engine.clone());
    let serving = tokio::spawn(async move {
        if let Some(clearing) = clearing {
            drop(timeout(CLEAR_WITHIN, clearing).await);
        }
        http::serve(listener, router, stopping).await;
    });

    let exit = tokio::select! {
        exit = signals.next() => exit,
        () = gone(&mut orphaned) => Exit::Terminated,
        over = &mut ended => return match over {
            Ok(Ended::Failed(failure)) => Err(failure),
            Ok(Ended::Done) => Ok(Exit::Done),
            Err(_) => Err(Failure::failed("internal", "the engine ended without a word")),
        },
    };
    log(Level::Info, "stopping: streams end in order");
    engine.leave();
    let is_late = tokio::select! {
        left = timeout(deadlines::INFER, &mut ended) => left.is_err(),
        // Once more is at once.
        _ = signals.again() => true,
    };
    stop.send_replace(true);
    if is_late {
        log(Level::Warning, "not all of it ended in time");
        return Ok(Exit::Failed);
    }
    serving.abort();
    Ok(exit)
}

/// Ends what a runner before has left behind.
async fn clear(engine: Engine, tls: Transport) {
    let notes = tokio::task::spawn_blocking(leftover::take).await;
    let is_taken = |url: &str| {
        let now = engine.snapshot.borrow();
        let mut streams = now.streams.iter();
        streams.any(|it| it.sink == url || it.events_url.as_deref() == Some(url))
    };
    leftover::end(notes.unwrap_or_default(), tls, is_taken).await;
}

async fn bind(port: u16) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = bound.map_err(|error| {
        let text = format!("cannot listen on 127.0.0.1:{port}: {error}");
        Failure::cannot_start("listen", text)
            .hint("name another port with `--internal-port`; 0 is any free one")
    })?;
    if let Ok(addr) = listener.local_addr() {
        log(Level::Info, format_args!("listening on {addr}"));
    }
    Ok(listener)
}

/// Tells when the process that started this one is gone. It holds the other end of descriptor 0, if that is a socket.
fn parent_gone() -> Option<oneshot::Receiver<()>> {
    let stdin = rustix::stdio::stdin();
    socket_type(stdin).ok()?;
    let own = rustix::io::fcntl_dupfd_cloexec(stdin, 3).ok()?;
    let (tell, gone) = oneshot::channel();
    let wait = move || {
        let mut byte = [0; 64];
        while matches!(
            rustix::io::retry_on_intr(|| rustix::io::read(&own, &mut byte)),
            Ok(1..)
        ) {}
        tell.send(()).ok();
    };
    thread::Builder::new()
        .name("parent".into())
        .spawn(wait)
        .ok()?;
    Some(gone)
}

async fn gone(orphaned: &mut Option<oneshot::Receiver<()>>) {
    match orphaned {
        Some(gone) => drop(gone.await),
        None => std::future::pending().await,
    }
}

/// Hands parameters on for as long as infer runs.
async fn watch_file(file: PathBuf, engine: Engine) {
    let name = file.display().to_string();
    let give = |value| {
        let (reply, _) = oneshot::channel();
        // What is wrong with them is told by an event.
        engine.ask(Command::Params {
            to: None,
            value,
            by: http::AnswerBy::NEVER,
            reply,
        })
    };
    let tell = |why: &str| {
        let what = format!(
            "Error updating params: those from `{name}` are left as they were: {why}; write a JSON object"
        );
        if !engine.ask(Command::Trouble(what.clone())) {
            log(Level::Error, what);
        }
    };
    params_file::watch(file, give, tell).await;
}
