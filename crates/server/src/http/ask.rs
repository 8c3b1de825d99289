//! Asking a server: one request, one connection, one deadline.

use std::time::Duration;

use axum::http::{Method, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::answer_by::{ANSWER_BY_HEADER, AnswerBy};

/// The header with infer's word for programs.
pub(crate) const CODE_HEADER: &str = "framerill-code";
/// Bytes of an answer; a longer one is a broken one. Streams are told with their parameters, which may hold pictures.
const ANSWER_MAX: usize = 64 << 20;
/// The way of an answer: what infer did not begin this long before nobody waits, it does not begin.
const WAY_BACK: Duration = Duration::from_millis(100);

/// What is asked.
pub(crate) struct Question<'a> {
    /// Host and port.
    pub(crate) authority: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// Word that the server may want.
    pub(crate) bearer: Option<&'a str>,
    /// JSON.
    pub(crate) body: Option<Bytes>,
}

/// A server's answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Infer's word for programs, where the body is text.
    pub(crate) code: Option<String>,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Nothing was sent: it does not listen.
    Connect(String),
    /// It took the request and broke off.
    Broken(String),
    /// It did not answer in time.
    Late,
}

impl NoAnswer {
    /// What is said of a server that is called so.
    pub(crate) fn of(&self, server: &str) -> String {
        match self {
            Self::Connect(why) => format!("cannot connect to {server}: {why}"),
            Self::Broken(why) => format!("{server} broke off: {why}"),
            Self::Late => format!("{server} did not answer in time"),
        }
    }
}

/// Asks infer on this port. After `until` there is no answer.
pub(crate) async fn ask(
    port: u16,
    method: Method,
    path: &str,
    body: Option<Bytes>,
    until: Instant,
) -> Result<Answer, NoAnswer> {
    let left = until.saturating_duration_since(Instant::now());
    let question = Question {
        authority: &format!("127.0.0.1:{port}"),
        method,
        path,
        bearer: None,
        body,
    };
    // It shares this machine's clock.
    let by = AnswerBy::within(left.saturating_sub(WAY_BACK));
    put_by(question, Some(by), until).await
}

/// Puts a question. After `until` there is no answer.
pub(crate) async fn put(question: Question<'_>, until: Instant) -> Result<Answer, NoAnswer> {
    put_by(question, None, until).await
}

/// The same, to a server that leaves what it has not begun by then.
async fn put_by(
    question: Question<'_>,
    by: Option<AnswerBy>,
    until: Instant,
) -> Result<Answer, NoAnswer> {
    let stream = match timeout_at(until, TcpStream::connect(question.authority)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(NoAnswer::Connect(error.to_string())),
        Err(_) => return Err(NoAnswer::Late),
    };
    timeout_at(until, exchange(stream, question, by))
        .await
        .unwrap_or(Err(NoAnswer::Late))
}

async fn exchange(
    stream: TcpStream,
    question: Question<'_>,
    by: Option<AnswerBy>,
) -> Result<Answer, NoAnswer> {
    let broken = |error: hyper::Error| NoAnswer::Broken(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut request = Request::builder()
        .method(question.method)
        .uri(question.path)
        .header(header::HOST, question.authority)
        .header(header::CONNECTION, "close");
    if question.body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(word) = question.bearer {
        request = request.header(header::AUTHORIZATION, format!("Bearer {word}"));
    }
    if let Some(by) = by {
        request = request.header(ANSWER_BY_HEADER, by.millis());
    }
    let request = request
        .body(Full::new(question.body.unwrap_or_default()))
        .map_err(|error| NoAnswer::Broken(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let code = response.headers().get(CODE_HEADER);
        let code = code.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), ANSWER_MAX)
            .collect()
            .await
            .map_err(|error| NoAnswer::Broken(error.to_string()))?;
        let body = body.to_bytes();
        Ok(Answer { status, code, body })
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // What it sent before it left may still be read.
        _ = connection => answer.await,
    }
}

impl Answer {
    /// The status object of a good answer to `GET /api/status`.
    pub(crate) fn into_status(self) -> Option<Value> {
        let status: Value = serde_json::from_slice(&self.body).ok()?;
        (self.status == 200 && status.is_object()).then_some(status)
    }

    /// The text of the body, in one line without its ends.
    pub(crate) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
