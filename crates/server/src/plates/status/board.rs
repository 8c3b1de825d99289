//! How a run stands, over HTTP: `/status`, `/metrics` and `/health`. A thread of its own answers from what the run showed
//! last; the run waits for nobody.

mod metrics;

use std::{
    net::{SocketAddr, TcpListener as Bound},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::snapshot::Snapshot;
use crate::{
    failure::Failure,
    http::{self, loopback},
    runtime,
};

/// A run shows how it stands once a second. One that has not for so long does not go on.
const STALLED: Duration = Duration::from_secs(15);
/// Answers that have begun at the end of a run.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// What a run showed last.
#[derive(Clone, Debug)]
struct Shown {
    at: Instant,
    snapshot: Arc<Snapshot>,
    json: Arc<[u8]>,
}

type Latest = Arc<Mutex<Shown>>;

/// A listener. Dropping it ends it.
#[derive(Debug)]
pub(in crate::plates) struct Board {
    pub(in crate::plates) addr: SocketAddr,
    latest: Latest,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Board {
    /// Listens from now on.
    pub(in crate::plates) fn start(addr: SocketAddr) -> Result<Self, Failure> {
        let broken = |error: std::io::Error| {
            Failure::cannot_start("listen", format!("cannot listen on {addr}: {error}"))
                .hint("name another address with `--http`; port 0 is any free one")
        };
        let listener = Bound::bind(addr).map_err(broken)?;
        listener.set_nonblocking(true).map_err(broken)?;
        let taken = listener.local_addr().map_err(broken)?;
        let runtime = runtime::of_one_thread()?;
        let latest: Latest = Arc::new(Mutex::new(shown(&Snapshot {
            state: "starting".into(),
            ..Snapshot::default()
        })));
        let (stop, mut stopping) = watch::channel(false);
        let router = router(Arc::clone(&latest), addr.ip().is_loopback());
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                let serving = tokio::spawn(http::serve(listener, router, stopping.clone()));
                http::stopped(&mut stopping).await;
                // Who reads no answer gets none.
                drop(timeout(ENDS_WITHIN, serving).await);
            });
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("board".into());
        let thread = thread.spawn(serve).map_err(broken)?;
        Ok(Self {
            addr: taken,
            latest,
            stop,
            thread: Some(thread),
        })
    }

    /// This is how the run stands now.
    pub(in crate::plates) fn show(&self, snapshot: &Snapshot) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = shown(snapshot);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It ends by itself in less than a second.
            drop(thread.join());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn shown(snapshot: &Snapshot) -> Shown {
    Shown {
        at: Instant::now(),
        json: serde_json::to_vec(snapshot).unwrap_or_default().into(),
        snapshot: Arc::new(snapshot.clone()),
    }
}

fn router(latest: Latest, is_loopback: bool) -> Router {
    let guard = middleware::from_fn_with_state(is_loopback, guard);
    Router::new()
        .route("/status", get(status))
        .route("/metrics", get(scrape))
        .route("/health", get(health))
        .layer(guard)
        .with_state(latest)
}

/// A page of any site may ask for what lies on loopback; none is answered.
async fn guard(State(is_loopback): State<bool>, request: Request, next: Next) -> Response {
    if is_loopback && let Err(foreign) = loopback::check(request.uri(), request.headers()) {
        let body = json!({"detail": foreign.to_string()});
        return json_of(StatusCode::FORBIDDEN, body.to_string());
    }
    next.run(request).await
}

fn now_of(latest: &Latest) -> Shown {
    let latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
    latest.clone()
}

async fn status(State(latest): State<Latest>) -> Response {
    json_of(StatusCode::OK, now_of(&latest).json.to_vec())
}

async fn scrape(State(latest): State<Latest>) -> Response {
    let page = metrics::text(&now_of(&latest).snapshot);
    let kind = "text/plain; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], page).into_response()
}

async fn health(State(latest): State<Latest>) -> Response {
    let shown = now_of(&latest);
    let age = shown.at.elapsed();
    let (status, word) = if age < STALLED {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stalled")
    };
    let body = json!({
        "status": word, "state": shown.snapshot.state, "age_s": age.as_secs_f64(),
    });
    json_of(status, body.to_string())
}

fn json_of(status: StatusCode, body: impl IntoResponse) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body).into_response()
}
