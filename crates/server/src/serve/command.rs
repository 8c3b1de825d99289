//! `framerill serve`: the wiring, and the ordered end.

use std::{collections::BTreeMap, env, net::SocketAddr, sync::Arc};

use framerill_trickle::http::server::{Config, Server};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::{
    attend::attend,
    dotenv,
    keeper::{Ended, Keeper, News},
    provision, routes,
    settings::{HOST, PORT, Settings, TRICKLE},
    shared::Shared,
    source::Sources,
};
use crate::{
    deadlines,
    exit::Exit,
    failure::Failure,
    http,
    log::{Level, log, speak_as},
    run::Pipeline,
    runtime,
    signals::Stop,
    terminal,
};

/// A container process that is asked for.
pub(crate) struct Serve {
    /// By name, with dashes.
    pub(crate) flags: BTreeMap<&'static str, String>,
    /// Whether `.env` in this folder counts.
    pub(crate) dotenv: bool,
    pub(crate) json: bool,
}

/// Serves until a signal, or until infer cannot be had.
pub(crate) fn serve(asked: Serve) -> Result<Exit, Failure> {
    let mut sources = sources(asked.flags, asked.dotenv)?;
    let installed = provision::install(&mut sources)?;
    let settings = Settings::load(sources, installed.as_deref())?;
    speak_as("serve", settings.verbose);
    for note in &settings.notes {
        log(Level::Warning, note);
    }
    if settings.prepares {
        return provision::prepare(&settings, asked.json);
    }
    if settings.infer_program.is_none() {
        // Whoever waits for the port is not told that a pipeline is served which nobody has.
        Pipeline::find(&settings.pipeline.target)?.check_known(settings.python.as_deref())?;
    }
    let runtime = runtime::of_two_threads()?;
    let served = runtime.block_on(run(settings, asked.json));
    runtime.shutdown_timeout(deadlines::BLOCKING);
    served
}

/// What flags, the environment and `.env` say.
pub(crate) fn sources(
    flags: BTreeMap<&'static str, String>,
    dotenv: bool,
) -> Result<Sources, Failure> {
    let env = env::vars_os();
    let env =
        env.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let text = dotenv.then(dotenv::read).transpose()?;
    let (dotenv, odd) = dotenv::parse(&text.unwrap_or_default());
    let odd = odd.into_iter();
    Ok(Sources {
        flags,
        env: env.collect(),
        dotenv,
        file: BTreeMap::new(),
        notes: odd
            .map(|line| format!("line {line} of `.env` is no NAME=value"))
            .collect(),
    })
}

async fn run(settings: Settings, json: bool) -> Result<Exit, Failure> {
    let mut signals = Stop::listen()?;
    let (listener, taken) = bind(&settings).await?;
    let beside = trickle(&settings).await?;
    let (keeper, News { infer, mut ended }) = Keeper::start(&settings)?;
    let keeper = Arc::new(keeper);
    let shared = Shared::new(settings, infer.clone());
    tokio::spawn(routes::open_hardware(Arc::clone(&shared)));
    tokio::spawn(attend(Arc::clone(&keeper), infer));
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(http::serve(listener, routes::router(shared), stopping));
    let (stop_channels, stopping) = watch::channel(false);
    let trickle = beside.map(|(server, addr)| {
        let mut stopping = stopping;
        let until = async move { http::stopped(&mut stopping).await };
        (tokio::spawn(server.run_until(until)), addr)
    });
    announce(taken, trickle.as_ref().map(|(_, addr)| *addr), json);

    let exit = tokio::select! {
        exit = signals.next() => exit,
        gone = &mut ended => return match gone {
            Ok(Ended::Failed(failure)) => Err(failure),
            Ok(Ended::Stopped) | Err(_) => Err(Failure::failed("internal", "infer is no longer kept")),
        },
    };
    log(
        Level::Info,
        "stopping: infer ends its stream; once more to stop at once",
    );
    stop.send_replace(true);
    keeper.stop();
    let leave = async {
        // Whatever became of each, all of them are over.
        drop(ended.await);
        drop(serving.await);
        // Streams have closed their channels by now.
        stop_channels.send_replace(true);
        if let Some((server, _)) = trickle {
            drop(server.await);
        }
    };
    tokio::select! {
        left = timeout(deadlines::SERVE, leave) => if left.is_err() {
            log(Level::Warning, "not all of it ended in time");
        },
        _ = signals.again() => log(Level::Warning, "stopping at once: infer goes on ending what it has"),
    }
    Ok(exit)
}

async fn bind(settings: &Settings) -> Result<(TcpListener, SocketAddr), Failure> {
    let host = settings.host.trim_matches(['[', ']']);
    let bound = TcpListener::bind((host, settings.port)).await;
    let bound = bound.and_then(|it| Ok((it.local_addr()?, it)));
    let (taken, listener) = bound.map_err(|error| {
        let text = format!("cannot listen on {host}:{}: {error}", settings.port);
        Failure::cannot_start("listen", text).hint(format!(
            "name another address with `{}` or `{}`; port 0 is any free one",
            HOST.flag, PORT.flag
        ))
    })?;
    Ok((listener, taken))
}

async fn trickle(settings: &Settings) -> Result<Option<(Server, SocketAddr)>, Failure> {
    let Some(addr) = settings.trickle else {
        return Ok(None);
    };
    let mut config = Config::default();
    config.relay.autocreate = true;
    let bound = Server::bind(addr, config).await;
    let bound = bound.and_then(|it| Ok((it.local_addr()?, it)));
    let (taken, server) = bound.map_err(|error| {
        let text = format!("cannot listen on {addr}: {error}");
        Failure::cannot_start("listen", text)
            .hint(format!("name another address with `{}`", TRICKLE.flag))
    })?;
    Ok(Some((server, taken)))
}

fn announce(addr: SocketAddr, trickle: Option<SocketAddr>, json: bool) {
    let url = format!("http://{addr}");
    let channels = trickle.map(|it| format!("http://{it}/"));
    if json {
        let line = json!({"event": "listening", "url": url, "trickle": channels});
        return terminal::answer(line);
    }
    terminal::answer(format_args!("serving at {url}"));
    if let Some(channels) = channels {
        terminal::answer(format_args!("serving channels at {channels}"));
    }
}
