//! What is answered where.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    handler::Handler,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{
    bearer, diagnostics, forward,
    hardware::Hardware,
    health::Health,
    keeper::{Infer, SETTLES_WITHIN},
    metrics::{self, Scrape},
    page,
    problem::Problem,
    proc,
    refusal::{FAILED, Refusal, answer},
    request::{self, Invalid},
    shared::{BODY_MOST, NoTurn, Shared},
    streams,
};
use crate::{
    http::{self, NoAnswer, body},
    log::{Ids, Level, log, log_stream},
};

/// Infer's answer to a question about its state. With what follows, `/health` stays below a second.
const STATUS_WITHIN: Duration = Duration::from_millis(600);
/// A driver that hangs is given up; so is one that is still busy with who asked before.
const HARDWARE_WITHIN: Duration = Duration::from_secs(5);
/// What the kernel counts of this process; a page without it is better than none.
const PROC_WITHIN: Duration = Duration::from_millis(400);

/// A path, what it takes, and what `Allow` says.
type Route = (
    &'static str,
    MethodRouter<Arc<Shared>>,
    Option<&'static str>,
);

/// What `Allow` says where it is not what the route takes: on the contract's routes, whose framework takes HEAD for a wrong
/// verb.
const ONLY_GET: Option<&str> = Some("GET");

/// All routes, each with and without a slash at its end, and counted by its name.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let routes: [Route; 14] = [
        ("/", get(service), None),
        ("/live-video-to-video", post(start), None),
        ("/health", get(health), ONLY_GET),
        ("/healthz", get(healthz), None),
        ("/readyz", get(readyz), None),
        ("/version", get(version), ONLY_GET),
        ("/hardware/info", get(hardware_info), ONLY_GET),
        ("/hardware/stats", get(hardware_stats), ONLY_GET),
        ("/metrics", get(scrape), None),
        ("/openapi.json", get(openapi), None),
        ("/docs", get(docs), None),
        ("/redoc", get(docs), None),
        ("/v1/streams", get(streams::all).post(streams::all), None),
        (
            "/v1/streams/{id}",
            get(streams::one).patch(streams::one).delete(streams::one),
            None,
        ),
    ];
    let counted = |name| middleware::from_fn_with_state((Arc::clone(&shared), name), count);
    let mut router = Router::new();
    for (path, methods, allow) in routes {
        let refuse = async move || wrong_verb(allow);
        let methods = match allow {
            Some(_) => methods.head(refuse),
            None => methods,
        };
        let methods = methods.fallback(refuse).layer(counted(path));
        if path != "/" {
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(path, methods);
    }
    router
        .fallback(not_found.layer(counted("other")))
        .with_state(shared)
}

/// 405. Without `allow` the router says what the route takes.
fn wrong_verb(allow: Option<&'static str>) -> Response {
    let mut response = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    if let Some(allow) = allow {
        let allow = HeaderValue::from_static(allow);
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

async fn not_found() -> Response {
    detail(StatusCode::NOT_FOUND, "Not Found")
}

fn detail(status: StatusCode, text: &str) -> Response {
    answer(status, &json!({"detail": text}))
}

async fn count(
    State((shared, route)): State<(Arc<Shared>, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    shared.counters.count(route, response.status().as_u16());
    response
}

async fn start(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match try_start(&shared, request).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_response(),
    }
}

async fn try_start(shared: &Shared, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    // Callers of this route know no 403.
    shared
        .check_caller(&head)
        .map_err(|why| refused(&Ids::default(), Refusal::Bad(why.to_string())))?;
    let length = body::length(&body);
    let _turn = shared
        .turn(length)
        .await
        .map_err(|NoTurn| refused(&Ids::default(), Refusal::Failed(FAILED)))?;
    let invalid = |it: Invalid| refused(&it.ids, Refusal::Invalid(it.problems));
    let body = body::read(body, BODY_MOST).await;
    let body = body.map_err(|why| invalid(Problem::unread(&why).into()))?;
    let content_type = header_text(&head.headers, header::CONTENT_TYPE);
    let parse = move |body: &[u8]| request::parse(content_type.as_deref(), body);
    let start = body::parse(body, parse).await.map_err(invalid)?;
    let ids = start.ids();
    let authorization = head.headers.get(header::AUTHORIZATION);
    let authorization = authorization.map(HeaderValue::as_bytes);
    if !bearer::is_allowed(shared.settings.token.as_ref(), authorization) {
        return Err(refused(&ids, Refusal::Token));
    }
    let configured = &shared.settings.pipeline.name;
    if !start.model_id.is_empty() && start.model_id != *configured {
        let refusal = Refusal::Model {
            configured: configured.clone(),
            requested: start.model_id,
        };
        return Err(refused(&ids, refusal));
    }
    let Ok(forwarded) = serde_json::to_vec(&start) else {
        return Err(refused(&ids, Refusal::Failed(FAILED)));
    };
    let outcome = forward::start(&mut shared.infer.clone(), Bytes::from(forwarded)).await;
    if let Some(refusal) = outcome.refusal() {
        return Err(refused(&ids, refusal));
    }
    log_stream(Level::Info, &ids, "stream started");
    let urls = json!({
        "subscribe_url": "", "publish_url": "", "control_url": "", "events_url": "", "request_id": "",
        "manifest_id": "",
    });
    Ok(answer(StatusCode::OK, &urls))
}

/// Says in the log what is wrong with a start: which field, where it is one.
fn refused(ids: &Ids, refusal: Refusal) -> Refusal {
    log_stream(
        Level::Error,
        ids,
        format_args!("start refused: {}", refusal.told()),
    );
    refusal
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Infer's status object, or why there is none.
async fn status(port: u16) -> Result<Value, NoAnswer> {
    let until = Instant::now() + STATUS_WITHIN;
    let answer = http::ask(port, Method::GET, "/api/status", None, until).await?;
    let status = answer.status;
    answer
        .into_status()
        .ok_or_else(|| NoAnswer::Broken(format!("its status is no status (HTTP {status})")))
}

/// Infer's health; none if it runs and does not say.
async fn infers_health(shared: &Shared) -> Option<Health> {
    let mut infer = shared.infer.clone();
    let seen = *infer.borrow_and_update();
    let Some(port) = seen.port else {
        return Some(Health::Loading);
    };
    let why = match status(port).await {
        Ok(status) => return Some(Health::of(&status)),
        Err(why) => why,
    };
    if seen.is_coming() {
        return Some(Health::Loading);
    }
    // A port that is closed means a process that ends: its end may not be known yet.
    if !matches!(why, NoAnswer::Late)
        && let Ok(Ok(_)) = timeout(SETTLES_WITHIN, infer.wait_for(|it| *it != seen)).await
    {
        return Some(Health::Loading);
    }
    log(Level::Error, format_args!("no status: {}", why.of("infer")));
    diagnostics::tell("infer does not say how it is");
    None
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match infers_health(&shared).await {
        Some(health) => answer(StatusCode::OK, &json!({"status": health})),
        None => {
            let text = "Failed to retrieve pipeline status.";
            Refusal::Failed(text).into_response()
        }
    }
}

async fn healthz() -> Response {
    answer(StatusCode::OK, &json!({"status": "alive"}))
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let (health, says_ready) = tokio::join!(infers_health(&shared), says_ready(&shared));
    let is_ready = health.is_some() && says_ready;
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(status, &json!({"ready": is_ready, "status": health}))
}

/// Whether infer says that a frame could go through now.
async fn says_ready(shared: &Shared) -> bool {
    let Some(port) = shared.infer.borrow().port else {
        return false;
    };
    let until = Instant::now() + STATUS_WITHIN;
    let answer = http::ask(port, Method::GET, "/readyz", None, until).await;
    answer.is_ok_and(|it| it.status == 200)
}

/// Names of what is served, with more.
fn served(shared: &Shared, more: &'static str, value: Value) -> Response {
    let pipeline = &shared.settings.pipeline;
    answer(
        StatusCode::OK,
        &json!({"pipeline": pipeline.shown_pipeline, "model_id": pipeline.shown_model, more: value}),
    )
}

async fn version(State(shared): State<Arc<Shared>>) -> Response {
    served(&shared, "version", json!(shared.settings.version))
}

async fn hardware_info(State(shared): State<Arc<Shared>>) -> Response {
    let gpus = ask_hardware(&shared, |it| json!(it.info())).await;
    served(&shared, "gpu_info", gpus)
}

async fn hardware_stats(State(shared): State<Arc<Shared>>) -> Response {
    let gpus = ask_hardware(&shared, |it| json!(it.stats())).await;
    served(&shared, "gpu_stats", gpus)
}

/// Opens NVML, which takes a while: who asks for it waits for less then.
pub(super) async fn open_hardware(shared: Arc<Shared>) {
    drop(ask_hardware(&shared, |it| json!(it.info())).await);
}

async fn ask_hardware(shared: &Arc<Shared>, of: fn(&Hardware) -> Value) -> Value {
    let asked = Arc::clone(shared);
    let turn = &shared.asking_hardware;
    let gpus = turn.spawn_blocking(HARDWARE_WITHIN, move || of(asked.hardware()));
    gpus.await.unwrap_or_else(|| json!({}))
}

async fn scrape(State(shared): State<Arc<Shared>>) -> Response {
    let infer = *shared.infer.borrow();
    let turn = &shared.reading_proc;
    let proc = turn.spawn_blocking(PROC_WITHIN, proc::read).await;
    let infers = infers_page(infer).await;
    let page = metrics::text(&Scrape {
        version: &shared.settings.version,
        proc: proc.unwrap_or_default(),
        infer,
        answers: shared.counters.all(),
        infers: infers.as_deref(),
    });
    let kind = "text/plain; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], page).into_response()
}

/// Infer's own metrics, where it has any.
async fn infers_page(infer: Infer) -> Option<String> {
    let port = infer.port.filter(|_| infer.has_answered)?;
    let until = Instant::now() + STATUS_WITHIN;
    let page = http::ask(port, Method::GET, "/metrics", None, until).await;
    let page = page.ok().filter(|it| it.status == 200)?;
    String::from_utf8(page.body.into()).ok()
}

async fn service(State(shared): State<Arc<Shared>>) -> Response {
    served(
        &shared,
        "service",
        json!({"name": "framerill serve", "version": env!("CARGO_PKG_VERSION"), "api": "/openapi.json"}),
    )
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], page::OPENAPI).into_response()
}

async fn docs() -> Response {
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (html, page::DOCS).into_response()
}
