//! One request on a connection of its own, as orchestrators make them, and how long it took.

use std::{io, time::Duration};

use axum::http::Method;
use bytes::Bytes;
use framerill_worker::runtime::monotonic_ns;
use serde_json::Value;
use tokio::time::Instant;

use crate::http::{NoAnswer, Question, put};

const WITHIN: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// From before the connection was made to the last byte.
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub(super) async fn get(address: &str, path: &str) -> io::Result<Answer> {
    request(address, Method::GET, path, None).await
}

pub(super) async fn post(address: &str, path: &str, body: &str) -> io::Result<Answer> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    request(address, Method::POST, path, Some(body)).await
}

/// DELETE of an URL; whatever the answer says, it is gone.
pub(super) async fn delete(url: &str) -> io::Result<Answer> {
    let (address, path) = parts(url);
    request(&address, Method::DELETE, &path, None).await
}

/// Address and path of an URL.
pub(super) fn parts(url: &str) -> (String, String) {
    let rest = url.trim_start_matches("http://");
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    (address.to_owned(), format!("/{path}"))
}

async fn request(
    authority: &str,
    method: Method,
    path: &str,
    body: Option<Bytes>,
) -> io::Result<Answer> {
    let question = Question {
        authority,
        method,
        path,
        bearer: None,
        body,
    };
    let began = monotonic_ns();
    let answer = put(question, Instant::now() + WITHIN)
        .await
        .map_err(|why| match why {
            NoAnswer::Connect(why) | NoAnswer::Broken(why) => {
                io::Error::other(format!("{authority}: {why}"))
            }
            NoAnswer::Late => io::ErrorKind::TimedOut.into(),
        })?;
    Ok(Answer {
        took: Duration::from_nanos(monotonic_ns() - began),
        status: answer.status,
        body: answer.body,
    })
}
