//! Every way that a start is refused: status and body.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

use super::problem::Problem;

/// Why a start is refused. Callers know these statuses and these shapes, and no others.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// The body is not what it should be.
    Invalid(Vec<Problem>),
    /// The token is not there, or not the one.
    Token,
    /// Another pipeline is served.
    Model {
        /// What is served.
        configured: String,
        /// What was asked for.
        requested: String,
    },
    /// The request cannot be done as it is.
    Bad(String),
    /// It failed here.
    Failed(&'static str),
}

/// What is said when there is nothing better to say.
pub(super) const FAILED: &str = "live-video-to-video pipeline error.";

impl Refusal {
    /// For the log: which field is wrong, or what else.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Invalid(problems) => {
                let each = problems.iter().map(Problem::told);
                each.collect::<Vec<_>>().join("; ")
            }
            Self::Token => "the field `Authorization` does not hold the token".to_owned(),
            Self::Model {
                configured,
                requested,
            } => {
                format!("`model_id` is `{requested}`, and `{configured}` is served")
            }
            Self::Bad(text) => text.clone(),
            Self::Failed(text) => (*text).to_owned(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Model { .. } | Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(&self) -> Detail<'_> {
        let msg = match self {
            Self::Invalid(problems) => return Detail::Problems(problems),
            Self::Token => "Invalid bearer token.".to_owned(),
            Self::Model {
                configured,
                requested,
            } => format!("pipeline configured with {configured} but called with {requested}."),
            Self::Bad(text) => text.clone(),
            Self::Failed(text) => (*text).to_owned(),
        };
        Detail::Error { msg }
    }
}

/// What a refusal's body holds.
#[derive(Serialize)]
#[serde(untagged)]
enum Detail<'a> {
    Problems(&'a [Problem]),
    Error { msg: String },
}

#[derive(Serialize)]
struct Body<'a> {
    detail: Detail<'a>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.detail();
        let mut response = answer(self.status(), &Body { detail });
        if matches!(self, Self::Token) {
            let bearer = header::HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// A JSON answer.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    match serde_json::to_vec(body) {
        Ok(body) => (status, json, body).into_response(),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            json,
            json!({"detail": {"msg": FAILED}}).to_string(),
        )
            .into_response(),
    }
}
