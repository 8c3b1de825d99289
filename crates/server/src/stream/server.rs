//! A server of streams: where it is, one question to it, and what its answer means.

use std::{fmt, time::Duration};

use axum::http::{Method, Uri};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    failure::Failure,
    http::{self, Answer, NoAnswer, Question, loopback::is_loopback},
};

/// One answer; the server gives infer less.
const WITHIN: Duration = Duration::from_secs(8);
/// A server that starts or restarts its infer is asked again for so long.
const BACK_WITHIN: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(200);
const PATH: &str = "/v1/streams";

/// A server of streams.
#[derive(Clone)]
pub(crate) struct Server {
    url: String,
    authority: String,
    /// What a proxy in front of it wants before our path.
    base: String,
    is_local: bool,
    token: Option<String>,
}

/// Where the token is no part of.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Server {
    /// From its URL and the word that it may want.
    pub(crate) fn new(url: &str, token: Option<String>) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage("server", format!("`{url}` is no server's address: {why}"))
                .hint("give --server http://HOST:PORT")
        };
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    wrong("https is not spoken here").hint("go through a tunnel, such as ssh -L")
                );
            }
            _ => return Err(wrong("it does not begin with http://")),
        }
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it has a name or a password").hint("give the token with --token"));
        }
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(80);
        let is_plain = |it: &String| it.bytes().all(|it| (b' '..=b'~').contains(&it));
        if token.as_ref().is_some_and(|it| !is_plain(it)) {
            let text = "the token has a character that no header takes";
            return Err(Failure::usage("token", text));
        }
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            authority: format!("{host}:{port}"),
            base: uri.path().trim_end_matches('/').to_owned(),
            is_local: is_loopback(host),
            token: token.filter(|it| !it.is_empty()),
        })
    }

    /// Whether its files are those of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Asks for all streams or, with its number, for one.
    pub(super) async fn look(&self, id: Option<u64>) -> Result<Value, Failure> {
        self.ask(Method::GET, id, None).await
    }

    /// Starts a stream.
    pub(super) async fn create(&self, stream: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, None, Some(stream)).await
    }

    /// Asks for the end of a stream.
    pub(super) async fn delete(&self, id: u64) -> Result<Value, Failure> {
        self.ask(Method::DELETE, Some(id), None).await
    }

    async fn ask(
        &self,
        method: Method,
        id: Option<u64>,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let id = id.map_or(String::new(), |id| format!("/{id}"));
        let path = format!("{}{PATH}{id}", self.base);
        let until = Instant::now() + BACK_WITHIN;
        loop {
            let question = Question {
                authority: &self.authority,
                method: method.clone(),
                path: &path,
                bearer: self.token.as_deref(),
                body: body.map(|it| it.to_string().into()),
            };
            let answer = http::put(question, Instant::now() + WITHIN).await;
            let answer = answer.map_err(|why| self.unanswered(&why))?;
            // It says that nothing was done.
            if answer.status == 503 && Instant::now() + AGAIN < until {
                sleep(AGAIN).await;
                continue;
            }
            return self.read(&answer);
        }
    }

    fn unanswered(&self, why: &NoAnswer) -> Failure {
        let url = &self.url;
        match why {
            NoAnswer::Connect(why) => {
                Failure::cannot_start("no_server", format!("nobody answers at `{url}`: {why}"))
                    .hint("start a server: framerill serve --pipeline noop; or name another one with --server")
            }
            NoAnswer::Broken(why) => {
                Failure::failed("server", format!("`{url}` broke off: {why}"))
                    .hint("look at the server's own lines, and at `framerill stream list`")
            }
            NoAnswer::Late => {
                Failure::failed("server", format!("`{url}` did not answer in time"))
                    .hint("look at the server's own lines, and at `framerill stream list`")
            }
        }
    }

    fn read(&self, answer: &Answer) -> Result<Value, Failure> {
        let url = &self.url;
        let value: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let Some(value) = value else {
            let text = format!("`{url}` is no framerill server (HTTP {})", answer.status);
            return Err(Failure::failed("server", text).hint("check --server"));
        };
        let said = value["detail"]["msg"].as_str().unwrap_or("no reason given");
        let code = value["detail"]["code"].as_str().unwrap_or("refused");
        Err(match answer.status {
            200..=299 => return Ok(value),
            401 => {
                let what = match self.token {
                    Some(_) => "does not take this token",
                    None => "wants a token",
                };
                Failure::cannot_start("token", format!("`{url}` {what}"))
                    .hint("give --token, or set FRAMERILL_AUTH_TOKEN to the server's AUTH_TOKEN")
            }
            403 => Failure::cannot_start("forbidden", format!("`{url}` says no: {said}")),
            404 if value["detail"]["msg"].is_null() => {
                Failure::failed("server", format!("`{url}` knows no streams"))
                    .hint("check --server; the address is that of `framerill serve`")
            }
            404 => Failure::usage("unknown_stream", said)
                .hint("`framerill stream list` shows those that run"),
            503 if code == "busy" || code == "stopping" => refused(code, said),
            503 => {
                let text = format!("`{url}` has no infer to ask: {said}");
                Failure::failed("server_restarts", text)
                    .hint("look at the server's own lines; it restarts infer by itself")
            }
            400 | 409 => refused(code, said),
            413 | 415 | 422 => Failure::usage("refused", said),
            status => Failure::failed("server", format!("`{url}` answers {status}: {said}")),
        })
    }
}

/// A start or a change that the engine does not take, by its code.
fn refused(code: &str, said: &str) -> Failure {
    match code {
        "capacity" => Failure::failed(code, said)
            .hint("stop a stream (`framerill stream list`), or serve with more --capacity"),
        "busy" => Failure::failed(code, said).hint("ask again when streams have ended"),
        "stopping" | "pipeline_failed" | "worker" | "no_worker" => {
            Failure::failed(code, said).hint("look at the server's own lines")
        }
        // What else there is, the caller can mend.
        _ => Failure::usage(code, said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::Exit, infer::Refusal};

    #[test]
    fn an_address_is_http_with_a_host() {
        let it = Server::new("http://127.0.0.1:8000/", None).unwrap();
        assert_eq!(
            (it.authority.as_str(), it.base.as_str()),
            ("127.0.0.1:8000", "")
        );
        assert!(it.is_local());
        let it = Server::new("http://runner/ai/", None).unwrap();
        assert_eq!(
            (it.authority.as_str(), it.base.as_str()),
            ("runner:80", "/ai")
        );
        assert!(!it.is_local());
        assert!(Server::new("http://[::1]:8000", None).unwrap().is_local());
        for wrong in [
            "",
            "8000",
            "localhost:8000",
            "https://a",
            "http://me:word@a",
            "ftp://a",
        ] {
            let failure = Server::new(wrong, None).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let it = Server::new("http://a", Some("hush".into())).unwrap();
        assert!(!format!("{it:?}").contains("hush"));
    }

    #[test]
    fn what_is_the_callers_to_mend_is_a_usage_error_whatever_its_words() {
        let why = "infer capacity 3".to_owned();
        let pipeline = why.clone();
        for (refusal, exit) in [
            (Refusal::Capacity { most: 1 }, Exit::Failed),
            (Refusal::StartsWait { most: 9 }, Exit::Failed),
            (Refusal::StreamsEnd { most: 9 }, Exit::Failed),
            (Refusal::Stopping, Exit::Failed),
            (Refusal::FailedForGood { why: why.clone() }, Exit::Failed),
            (Refusal::AllFailed, Exit::Failed),
            (Refusal::Worker { why: why.clone() }, Exit::Failed),
            (Refusal::NoWorker, Exit::Failed),
            (Refusal::Pipeline { why: why.clone() }, Exit::Usage),
            (Refusal::Binding { pipeline }, Exit::Usage),
            (Refusal::Params { why: why.clone() }, Exit::Usage),
            (Refusal::Endpoint { why }, Exit::Usage),
            (Refusal::Ended { stream: 1 }, Exit::Usage),
        ] {
            let failure = refused(refusal.code(), &refusal.to_string());
            assert_eq!(failure.exit, exit, "{refusal:?}");
        }
    }

    #[test]
    fn each_answer_that_is_no_yes_says_what_to_do() {
        let server = Server::new("http://a", None).unwrap();
        for (status, body, exit, word) in [
            (
                401,
                r#"{"detail":{"msg":"x"}}"#,
                Exit::CannotStart,
                "--token",
            ),
            (
                403,
                r#"{"detail":{"msg":"set AUTH_TOKEN"}}"#,
                Exit::CannotStart,
                "AUTH_TOKEN",
            ),
            (404, r#"{"detail":"Not Found"}"#, Exit::Failed, "--server"),
            (
                404,
                r#"{"detail":{"msg":"there is no stream `7`"}}"#,
                Exit::Usage,
                "stream list",
            ),
            (
                422,
                r#"{"detail":{"msg":"sink is empty"}}"#,
                Exit::Usage,
                "sink",
            ),
            (503, r#"{"detail":{"msg":"x"}}"#, Exit::Failed, "restarts"),
            (
                503,
                r#"{"detail":{"msg":"x","code":"busy"}}"#,
                Exit::Failed,
                "ask again",
            ),
            (502, r#"{"detail":{"msg":"x"}}"#, Exit::Failed, "502"),
            (200, "<html>", Exit::Failed, "--server"),
        ] {
            let answer = Answer {
                status,
                code: None,
                body: body.to_owned().into(),
            };
            let failure = server.read(&answer).unwrap_err();
            assert_eq!(failure.exit, exit, "{failure}");
            assert!(failure.to_string().contains(word), "{failure}");
        }
    }
}
