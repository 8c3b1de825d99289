//! What infer answers: the contract's inner API (§2), and our own under `/v1`.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use super::{
    asked::Asked,
    engine::{Command, Engine, Number, ParamsStatus, Reply, Snapshot, StreamView, wall_ms},
    fields::Fields,
    json, memory, metrics,
    refusal::{Refusal, STARTING},
};
use crate::{
    http::{
        AnswerBy, CODE_HEADER,
        body::{self, Unread},
        loopback,
    },
    log::{Level, log},
    turn::Turn,
};

/// Bytes of a body: room for pictures in base64 and large graphs (runner contract §12, D20).
const BODY_MOST: usize = 20 << 20;
/// The engine's answer; whoever forwards a start waits 4 s.
const ANSWER_WITHIN: Duration = Duration::from_millis(3500);
/// What the engine has not begun by then it leaves. A start that it comes to nevertheless is ended when its answer finds
/// nobody: what was told as late is not there afterwards.
const BEGUN_WITHIN: Duration = Duration::from_millis(3300);
/// A stream that began is shown as soon as the engine tells of it; its number is enough for whoever forwards the start
/// and waits 4 s.
const SHOWN_WITHIN: Duration = Duration::from_millis(300);
/// What the kernel counts of all processes; `serve` waits 600 ms for the page.
const MEMORY_WITHIN: Duration = Duration::from_millis(400);

/// Why a request cannot be put to the engine.
enum Wrong {
    /// There is no body of JSON.
    Body(Unread),
    /// What it says is wrong.
    Content(String),
}

impl Wrong {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(why) => why.status(),
            Self::Content(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Body(_) => "body",
            Self::Content(_) => "invalid",
        }
    }

    /// In the shape of our own API.
    fn answer(&self) -> Response {
        refusal(self.status(), self.code(), &self.to_string())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(why) => why.fmt(f),
            Self::Content(why) => f.write_str(why),
        }
    }
}

/// Why the engine has not done what it was asked.
enum Undone {
    /// It says no.
    Refused(Refusal),
    /// It has too much to do to be asked.
    Full,
    /// It did not answer in time. A start is not carried out then; a change or a stop may just have been.
    Late,
}

impl Undone {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(
                Refusal::Stopping | Refusal::StartsWait { .. } | Refusal::StreamsEnd { .. },
            )
            | Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            // What was asked for is right, and the stream cannot take it.
            Self::Refused(Refusal::Ended { .. } | Refusal::NoWorker) => StatusCode::CONFLICT,
            Self::Refused(Refusal::Late) | Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused(why) => why.code(),
            Self::Full => "busy",
            Self::Late => "late",
        }
    }

    /// In the shape of our own API.
    fn answer(&self) -> Response {
        refusal(self.status(), self.code(), &self.to_string())
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => why.fmt(f),
            Self::Full => f.write_str("infer has too much to do; try again"),
            Self::Late => f.write_str("infer did not answer in time"),
        }
    }
}

/// All routes, each with and without a slash at its end.
pub(super) fn router(engine: Engine) -> Router {
    let reading = Turn::default();
    let scrape = move |engine| scrape(engine, reading.clone());
    let routes: [(&str, MethodRouter<Engine>); 6] = [
        ("/api/live-video-to-video", post(start)),
        ("/api/params", post(params)),
        ("/api/status", get(status)),
        ("/metrics", get(scrape)),
        ("/v1/streams", get(list).post(create)),
        ("/v1/streams/{id}", get(show).delete(stop).patch(change)),
    ];
    let mut router = Router::new();
    for (path, methods) in routes {
        router = router
            .route(path, methods.clone())
            .route(&format!("{path}/"), methods);
    }
    router
        .route("/readyz", get(readyz))
        .method_not_allowed_fallback(|| async {
            text(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed")
        })
        .fallback(|| async { text(StatusCode::NOT_FOUND, "404: Not Found") })
        .layer(middleware::from_fn(of_this_machine))
        .with_state(engine)
}

/// Any route shows or changes what is this machine's: a start may run code of it.
async fn of_this_machine(request: Request, next: Next) -> Response {
    match loopback::check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            let refused = format_args!("{} refused: {why}", request.method());
            log(Level::Warning, refused);
            refusal(StatusCode::FORBIDDEN, "forbidden", &why.to_string())
        }
    }
}

fn text(status: StatusCode, what: impl Into<String>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, what.into()).into_response()
}

fn object(status: StatusCode, value: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, value.to_string()).into_response()
}

async fn start(State(engine): State<Engine>, request: Request) -> Response {
    let (received_ms, by) = (wall_ms(), AnswerBy::of(request.headers()));
    let asked = match read_asked(request, Asked::from_runner).await {
        Ok(asked) => asked,
        Err(why) => return not_started(why.code(), &why),
    };
    match begin(&engine, asked, received_ms, by).await {
        Ok(_) => text(StatusCode::OK, "Stream started successfully"),
        Err(why) => not_started(why.code(), &why),
    }
}

/// Of the contract are the status and the text; the code is for who forwards the start.
fn not_started(code: &'static str, why: &dyn fmt::Display) -> Response {
    let text = text(StatusCode::BAD_REQUEST, format!("{STARTING}{why}"));
    ([(CODE_HEADER, code)], text).into_response()
}

async fn begin(
    engine: &Engine,
    asked: Asked,
    received_ms: u64,
    by: AnswerBy,
) -> Result<Number, Undone> {
    ask(engine, by, |by, reply| Command::Start {
        asked: Box::new(asked),
        received_ms,
        by,
        reply,
    })
    .await
}

async fn params(State(engine): State<Engine>, request: Request) -> Response {
    let by = AnswerBy::of(request.headers());
    let updated = async {
        let value = read_json(request, |body| json::read(body));
        let value = value.await.map_err(|why| why.to_string())?;
        let asked = ask(&engine, by, |by, reply| Command::Params {
            to: None,
            value,
            by,
            reply,
        });
        asked.await.map_err(|why| why.to_string())
    };
    match updated.await {
        // What is wrong with them comes as an event (§2.2).
        Ok(_) => text(StatusCode::OK, "Params updated successfully"),
        Err(why) => text(
            StatusCode::BAD_REQUEST,
            format!("Error updating params: {why}"),
        ),
    }
}

fn now(engine: &Engine) -> Arc<Snapshot> {
    Arc::clone(&engine.snapshot.borrow())
}

async fn status(State(engine): State<Engine>) -> Response {
    object(StatusCode::OK, &json!(now(&engine).status))
}

async fn readyz(State(engine): State<Engine>) -> Response {
    let is_ready = now(&engine).is_ready;
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    object(status, &json!({"ready": is_ready}))
}

async fn scrape(State(engine): State<Engine>, reading: Turn) -> Response {
    let snapshot = now(&engine);
    let seen = Arc::clone(&snapshot);
    let memory = reading.spawn_blocking(MEMORY_WITHIN, move || memory::read(&seen.children));
    let memory = memory.await;
    let page = metrics::text(&snapshot, &memory.unwrap_or_default());
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=1.0.0; charset=utf-8",
    )];
    (kind, page).into_response()
}

async fn list(State(engine): State<Engine>) -> Response {
    let snapshot = now(&engine);
    let streams = &snapshot.streams;
    object(
        StatusCode::OK,
        &json!({"streams": streams, "capacity": snapshot.capacity}),
    )
}

async fn create(State(engine): State<Engine>, request: Request) -> Response {
    let by = AnswerBy::of(request.headers());
    let asked = match read_asked(request, Asked::from_api).await {
        Ok(asked) => asked,
        Err(why) => return why.answer(),
    };
    match begin(&engine, asked, wall_ms(), by).await {
        Ok(id) => match view(&engine, id).await {
            Some(view) => object(StatusCode::CREATED, &json!(view)),
            None => object(StatusCode::CREATED, &json!({"id": id})),
        },
        Err(why) => why.answer(),
    }
}

/// Reads what is asked for; what is wrong with it is in the log, too.
async fn read_asked(
    request: Request,
    parse: fn(&[u8]) -> Result<Asked, String>,
) -> Result<Asked, Wrong> {
    let asked = read_json(request, parse).await;
    asked.inspect_err(|why| log(Level::Error, format_args!("start refused: {why}")))
}

/// Reads a whole body of JSON (§2, common validation).
async fn read_json<T: Send + 'static>(
    request: Request,
    parse: impl FnOnce(&[u8]) -> Result<T, String> + Send + 'static,
) -> Result<T, Wrong> {
    let (head, body) = request.into_parts();
    body::check_json(&head.headers).map_err(Wrong::Body)?;
    let body = body::read(body, BODY_MOST).await.map_err(Wrong::Body)?;
    body::parse(body, parse).await.map_err(Wrong::Content)
}

/// A stream that was just begun, as soon as it is told of.
async fn view(engine: &Engine, id: Number) -> Option<StreamView> {
    let mut snapshot = engine.snapshot.clone();
    let is_there = |it: &Arc<Snapshot>| it.streams.iter().any(|it| it.id == id);
    let seen = timeout(SHOWN_WITHIN, snapshot.wait_for(is_there)).await;
    let seen = seen.ok()?.ok()?;
    seen.streams.iter().find(|it| it.id == id).cloned()
}

async fn show(State(engine): State<Engine>, Path(id): Path<String>) -> Response {
    match find(&now(&engine), &id) {
        Some(view) => object(StatusCode::OK, &json!(view)),
        None => unknown(&id),
    }
}

async fn change(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let Some(number) = find(&now(&engine), &id).map(|it| it.id) else {
        return unknown(&id);
    };
    let by = AnswerBy::of(request.headers());
    let value = match read_json(request, params_of).await {
        Ok(value) => value,
        Err(why) => return why.answer(),
    };
    let updated = ask(&engine, by, |by, reply| Command::Params {
        to: Some(number),
        value,
        by,
        reply,
    });
    match updated.await {
        Ok(None) => object(
            StatusCode::ACCEPTED,
            &json!({"id": number, "params_status": ParamsStatus::Queued}),
        ),
        Ok(Some(why)) => Undone::Refused(Refusal::Params { why }).answer(),
        Err(why) => why.answer(),
    }
}

/// The parameters of a change.
fn params_of(body: &[u8]) -> Result<Value, String> {
    let mut fields = Fields::each_once(body)?;
    let params = fields.object("params")?;
    let params = params.ok_or_else(|| "`params` is missing: give {\"params\": {…}}".to_owned())?;
    fields.end()?;
    Ok(Value::Object(params))
}

/// As often as it is asked for: the answer is the first one's as long as the stream is remembered.
async fn stop(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(number) = find(&now(&engine), &id).map(|it| it.id) else {
        return unknown(&id);
    };
    let asked = ask(&engine, AnswerBy::of(&headers), |by, reply| Command::Stop {
        number,
        by,
        reply,
    });
    match asked.await {
        Ok(()) => object(
            StatusCode::ACCEPTED,
            &json!({"id": number, "is_ending": true}),
        ),
        Err(why) => why.answer(),
    }
}

/// A stream that runs, ends or is over and remembered.
fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a StreamView> {
    let number: Number = id.parse().ok()?;
    let over = snapshot.over.iter().map(AsRef::as_ref);
    let mut all = snapshot.streams.iter().chain(over);
    all.find(|it| it.id == number)
}

fn unknown(id: &str) -> Response {
    let why = format!("there is no stream `{id}`");
    refusal(StatusCode::NOT_FOUND, "unknown_stream", &why)
}

fn refusal(status: StatusCode, code: &str, why: &str) -> Response {
    let mut response = object(status, &json!({"detail": {"msg": why, "code": code}}));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let second = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, second);
    }
    response
}

/// Has the engine do something, unless whoever wants it waits no longer than `by`.
async fn ask<T>(
    engine: &Engine,
    by: AnswerBy,
    command: impl FnOnce(AnswerBy, Reply<T>) -> Command,
) -> Result<T, Undone> {
    let asked = if by.is_past() {
        Err(Undone::Refused(Refusal::Late))
    } else {
        put(engine, by.min(AnswerBy::within(BEGUN_WITHIN)), command).await
    };
    asked.inspect_err(|why| log(Level::Warning, format_args!("not done: {why}")))
}

async fn put<T>(
    engine: &Engine,
    by: AnswerBy,
    command: impl FnOnce(AnswerBy, Reply<T>) -> Command,
) -> Result<T, Undone> {
    let (reply, answer) = oneshot::channel();
    if !engine.ask(command(by, reply)) {
        return Err(Undone::Full);
    }
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(answer)) => answer.map_err(Undone::Refused),
        Ok(Err(_)) => Err(Undone::Refused(Refusal::Stopping)),
        Err(_) => Err(Undone::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(response: &Response) -> (u16, Option<&str>) {
        let text = |it: &'static str| response.headers().get(it).and_then(|it| it.to_str().ok());
        (response.status().as_u16(), text("retry-after"))
    }

    #[test]
    fn who_comes_too_early_is_told_to_come_again_and_everybody_else_what_is_wrong() {
        for (refusal, status, retry) in [
            (Refusal::StartsWait { most: 9 }, 503, Some("1")),
            (Refusal::StreamsEnd { most: 9 }, 503, Some("1")),
            (Refusal::Stopping, 503, Some("1")),
            (Refusal::Capacity { most: 1 }, 400, None),
            (Refusal::AllFailed, 400, None),
            (Refusal::Ended { stream: 1 }, 409, None),
            (Refusal::Late, 504, None),
        ] {
            let answer = Undone::Refused(refusal.clone()).answer();
            assert_eq!(told(&answer), (status, retry), "{refusal:?}");
        }
    }

    #[test]
    fn a_change_is_an_object_with_params_and_nothing_else() {
        assert_eq!(params_of(br#"{"params": {"a": 1}}"#).unwrap()["a"], 1);
        for (body, name) in [
            (r#"{"params": {}, "colour": 1}"#, "`colour`"),
            (r#"{"params": {}, "params": {}}"#, "`params`"),
            (r#"{"params": null}"#, "`params`"),
            (r#"{"params": {"width": 1e400}}"#, "`params.width`"),
            ("{}", "`params`"),
            ("[]", "a JSON object"),
        ] {
            let problem = params_of(body.as_bytes()).unwrap_err();
            assert!(problem.contains(name), "{problem}");
        }
    }

    #[test]
    fn the_runners_route_says_400_to_every_start_that_is_refused_and_its_code_beside() {
        let busy = Refusal::StartsWait { most: 9 };
        let answer = not_started(busy.code(), &busy);
        assert_eq!(told(&answer), (400, None));
        assert_eq!(answer.headers()[CODE_HEADER], "busy");
    }
}
