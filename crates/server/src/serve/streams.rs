//! `/v1/streams`: our own API, handed on to infer. All of it wants the token: also a look shows prompts and channels.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::Instant;

use super::{
    bearer,
    refusal::answer,
    shared::{BODY_MOST, NoTurn, Shared},
};
use crate::{
    http::{
        self, NoAnswer,
        body::{self, Unread},
        loopback::{Foreign, is_loopback},
    },
    infer::Asked,
    log::{Level, log},
};

/// Infer's answer; it gives its own engine less.
const WITHIN: Duration = Duration::from_millis(4500);
const PATH: &str = "/v1/streams";

/// A refusal: its status and its one line.
type Refused = (StatusCode, String);

/// All streams, or a new one.
pub(super) async fn all(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let method = request.method().clone();
    told(&method, pass(&shared, PATH.to_owned(), request).await)
}

/// One stream: what it is, other parameters, its end.
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    // What goes into another request's path is a number, and nothing else.
    let Ok(number) = id.parse::<u64>() else {
        let text = format!("there is no stream `{id}`");
        return told(&method, Err((StatusCode::NOT_FOUND, text)));
    };
    told(
        &method,
        pass(&shared, format!("{PATH}/{number}"), request).await,
    )
}

fn told(method: &Method, answered: Result<Response, Refused>) -> Response {
    let mut response = answered.unwrap_or_else(|(status, why)| {
        // Who only looks is told, and nobody else has to be.
        if !matches!(*method, Method::GET | Method::HEAD) {
            log(Level::Error, format_args!("{method} {PATH} refused: {why}"));
        }
        answer(
            status,
            &json!({"detail": {"msg": why, "code": code(status)}}),
        )
    });
    let (name, value) = match response.status() {
        StatusCode::UNAUTHORIZED => (header::WWW_AUTHENTICATE, "Bearer"),
        StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, "1"),
        _ => return response,
    };
    let headers = response.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
    response
}

/// What this process says no with, for programs. Infer's answers have codes of their own.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "token",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "unknown_stream",
        StatusCode::SERVICE_UNAVAILABLE => "away",
        StatusCode::BAD_GATEWAY => "broken",
        StatusCode::GATEWAY_TIMEOUT => "late",
        _ => "body",
    }
}

async fn pass(shared: &Shared, path: String, request: Request) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    check_caller(shared, &head)?;
    let authorization = head.headers.get(header::AUTHORIZATION);
    let authorization = authorization.map(HeaderValue::as_bytes);
    if !bearer::is_allowed(shared.settings.token.as_ref(), authorization) {
        let text = "Invalid bearer token.".to_owned();
        return Err((StatusCode::UNAUTHORIZED, text));
    }
    if matches!(head.method, Method::GET | Method::HEAD) {
        return hand_on(shared, Method::GET, &path, None).await;
    }
    if head.method == Method::DELETE {
        return hand_on(shared, Method::DELETE, &path, None).await;
    }
    body::check_json(&head.headers).map_err(unread)?;
    let length = body::length(&body);
    let _turn = shared.turn(length).await.map_err(|NoTurn| {
        let text = "too many requests at the same time; try again".to_owned();
        (StatusCode::SERVICE_UNAVAILABLE, text)
    })?;
    let body = body::read(body, BODY_MOST).await.map_err(unread)?;
    if head.method == Method::POST && !are_places_open(shared) {
        body::parse(body.clone(), check_places).await?;
    }
    hand_on(shared, head.method, &path, Some(body)).await
}

/// A server on loopback answers this machine alone.
fn check_caller(shared: &Shared, head: &Parts) -> Result<(), Refused> {
    let refused = |why: Foreign| (StatusCode::FORBIDDEN, why.to_string());
    shared.check_caller(head).map_err(refused)
}

fn unread(why: Unread) -> Refused {
    (why.status(), why.to_string())
}

/// Whether whoever may ask at all may name files and code of this machine.
fn are_places_open(shared: &Shared) -> bool {
    let settings = &shared.settings;
    settings.token.is_some() || is_loopback(&settings.host)
}

/// Files and code of this machine are for those who sit at it, or have the token. It reads as infer does: what one of
/// them takes for harmless is so for the other.
fn check_places(body: &[u8]) -> Result<(), Refused> {
    let unread = |why| (StatusCode::UNPROCESSABLE_ENTITY, why);
    let asked = Asked::from_api(body).map_err(unread)?;
    if asked.is_local() {
        let text = "files and code of this machine are for a runner with a token: set AUTH_TOKEN";
        return Err((StatusCode::FORBIDDEN, text.to_owned()));
    }
    Ok(())
}

async fn hand_on(
    shared: &Shared,
    method: Method,
    path: &str,
    body: Option<Bytes>,
) -> Result<Response, Refused> {
    let away = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why);
    let infer = *shared.infer.borrow();
    let port = infer
        .port
        .ok_or_else(|| away("infer is about to start; try again".to_owned()))?;
    let is_look = method == Method::GET;
    let asked = http::ask(port, method, path, body, Instant::now() + WITHIN).await;
    let said = asked.map_err(|why| match why {
        NoAnswer::Connect(_) => away(format!("{}; try again", why.of("infer"))),
        NoAnswer::Broken(_) if is_look => away(format!("{}; try again", why.of("infer"))),
        // It may have done it.
        NoAnswer::Broken(_) => (StatusCode::BAD_GATEWAY, why.of("infer")),
        NoAnswer::Late => (StatusCode::GATEWAY_TIMEOUT, why.of("infer")),
    })?;
    let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::BAD_GATEWAY);
    if serde_json::from_slice::<IgnoredAny>(&said.body).is_err() {
        let text = "infer's answer is no JSON".to_owned();
        return Err((StatusCode::BAD_GATEWAY, text));
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((status, json, said.body).into_response())
}
