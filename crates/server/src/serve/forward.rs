//! Handing a start on to infer, and what becomes of its answer.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    keeper::{Infer, SETTLES_WITHIN},
    refusal::{FAILED, Refusal},
};
use crate::{
    http::{self, NoAnswer},
    infer::STARTING,
};

/// A gateway gives the whole call 5 s.
const WITHIN: Duration = Duration::from_millis(4500);
/// One attempt, so that an infer that hangs leaves time to say so.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(4);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
const PATH: &str = "/api/live-video-to-video";

/// What became of a start.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Infer answered.
    Answered {
        status: u16,
        /// Why it refuses, for programs.
        code: Option<String>,
        text: String,
    },
    /// It did not.
    NoAnswer(NoAnswer),
    /// There was no infer to ask all the while.
    NoProcess,
}

impl Outcome {
    /// How the caller is answered; none is a success.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let (status, code, text) = match self {
            Self::NoProcess => return Some(Refusal::Failed(FAILED)),
            Self::NoAnswer(why) => return Some(Refusal::Bad(model_error(&why.of("infer")))),
            Self::Answered { status: 200, .. } => return None,
            Self::Answered { status, code, text } => (*status, code.as_deref(), text),
        };
        // Names of errors that a pipeline raised; not the caller's fault, whatever status it came with.
        if text.contains("OutOfMemoryError") {
            return Some(Refusal::Failed(
                "Out of memory error. Try reducing input image resolution.",
            ));
        }
        if text.to_lowercase().contains("out of memory") {
            return Some(Refusal::Failed("Out of memory."));
        }
        if status == 400 && code == Some("capacity") {
            let bare = text.strip_prefix(STARTING).unwrap_or(text);
            return Some(Refusal::Bad(bare.to_owned()));
        }
        Some(match status {
            400 => Refusal::Bad(model_error(text)),
            _ if text.contains("ValueError") => Refusal::Bad(FAILED.to_owned()),
            _ => Refusal::Failed(FAILED),
        })
    }
}

fn model_error(why: &str) -> String {
    match why {
        "" => "Error during model execution.".to_owned(),
        why => format!("Error during model execution: {why}."),
    }
}

/// Hands a start on. What infer never had is sent again; what it had, once more if that process has ended: a request that
/// breaks infer shall not use up its restarts.
pub(super) async fn start(infer: &mut watch::Receiver<Infer>, body: Bytes) -> Outcome {
    let until = Instant::now() + WITHIN;
    let mut outcome = Outcome::NoProcess;
    let mut may_resend = true;
    loop {
        let seen = *infer.borrow_and_update();
        if let Some(port) = seen.port {
            let attempt = until.min(Instant::now() + ATTEMPT_WITHIN);
            let asked = http::ask(port, Method::POST, PATH, Some(body.clone()), attempt).await;
            let why = match asked {
                Ok(answer) => {
                    return Outcome::Answered {
                        status: answer.status,
                        text: answer.text(),
                        code: answer.code,
                    };
                }
                Err(why) => why,
            };
            match why {
                NoAnswer::Connect(_) => {}
                NoAnswer::Broken(_) if may_resend && has_ended(infer, seen).await => {
                    may_resend = false;
                }
                NoAnswer::Broken(_) | NoAnswer::Late => return Outcome::NoAnswer(why),
            }
            outcome = Outcome::NoAnswer(why);
        }
        let again = Instant::now() + PAUSE;
        if again >= until {
            return outcome;
        }
        // A change is a reason to try at once; nobody left to tell of changes is none.
        if let Ok(Err(_)) = timeout_at(again, infer.changed()).await {
            sleep_until(again).await;
        }
    }
}

/// Whether this process of infer ends, too.
async fn has_ended(infer: &mut watch::Receiver<Infer>, seen: Infer) -> bool {
    let until = Instant::now() + SETTLES_WITHIN;
    let is_other = |it: &Infer| it.incarnation != seen.incarnation || it.port.is_none();
    matches!(timeout_at(until, infer.wait_for(is_other)).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, response::IntoResponse};

    use super::*;

    fn answered(status: u16, text: &str) -> Outcome {
        Outcome::Answered {
            status,
            code: None,
            text: text.into(),
        }
    }

    fn refused(code: &str, text: &str) -> Outcome {
        Outcome::Answered {
            status: 400,
            code: Some(code.into()),
            text: text.into(),
        }
    }

    async fn said(outcome: Outcome) -> (u16, String) {
        let response = outcome.refusal().expect("a refusal").into_response();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await;
        let body: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
        let text = body["detail"]["msg"].as_str().unwrap().to_owned();
        (status.as_u16(), text)
    }

    #[test]
    fn a_200_is_a_success() {
        assert!(
            answered(200, "Stream started successfully")
                .refusal()
                .is_none()
        );
    }

    #[tokio::test]
    async fn each_row_of_the_error_table_has_its_status_and_words() {
        let failed = "live-video-to-video pipeline error.";
        for (outcome, status, text) in [
            (answered(400, ""), 400, "Error during model execution."),
            (
                answered(400, "Error starting stream: bad width"),
                400,
                "Error during model execution: Error starting stream: bad width.",
            ),
            (
                refused("capacity", "Error starting stream: capacity 2 in use"),
                400,
                "capacity 2 in use",
            ),
            (
                refused("busy", "Error starting stream: 9 starts wait already"),
                400,
                "Error during model execution: Error starting stream: 9 starts wait already.",
            ),
            (
                refused(
                    "params",
                    "Error starting stream: capacity should be a number",
                ),
                400,
                "Error during model execution: Error starting stream: capacity should be a number.",
            ),
            (
                Outcome::NoAnswer(NoAnswer::Connect("refused".into())),
                400,
                "Error during model execution: cannot connect to infer: refused.",
            ),
            (
                Outcome::NoAnswer(NoAnswer::Late),
                400,
                "Error during model execution: infer did not answer in time.",
            ),
            (Outcome::NoProcess, 500, failed),
            (
                answered(500, "torch.cuda.OutOfMemoryError: x"),
                500,
                "Out of memory error. Try reducing input image resolution.",
            ),
            (answered(400, "CUDA Out Of Memory"), 500, "Out of memory."),
            (answered(500, "ValueError: x"), 400, failed),
            (answered(500, "anything else"), 500, failed),
            (answered(404, "Not Found"), 500, failed),
        ] {
            let name = format!("{outcome:?}");
            assert_eq!(said(outcome).await, (status, text.to_owned()), "{name}");
        }
    }

    #[test]
    fn no_answer_of_infer_becomes_a_status_that_callers_do_not_know() {
        for status in 100..=599 {
            let refusal = answered(status, "x").refusal();
            let status = refusal.map_or(StatusCode::OK, |it| it.into_response().status());
            assert!([200, 400, 500].contains(&status.as_u16()));
        }
    }
}
