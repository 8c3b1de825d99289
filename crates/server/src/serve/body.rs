//! Reading a request's body: bounded in length and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

/// Bytes of a request: room for pictures in base64 and for large graphs.
pub(super) const MOST: usize = 16 << 20;
/// A body that takes longer is given up.
const WITHIN: Duration = Duration::from_secs(10);

/// What is too long is still read up to here: a peer that is writing reads no answer.
const READ_MOST: usize = 64 << 20;

/// Why there is no body to work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    TooLong,
    Late,
    BrokenOff,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => write!(f, "Body should have at most {MOST} bytes"),
            Self::Late => write!(
                f,
                "Body should arrive within {} seconds, and did not",
                WITHIN.as_secs()
            ),
            Self::BrokenOff => f.write_str("Body broke off"),
        }
    }
}

/// The whole body, or why there is none.
pub(super) async fn read(mut body: Body) -> Result<Bytes, Unread> {
    let until = Instant::now() + WITHIN;
    let mut whole = BytesMut::new();
    let mut length = 0;
    loop {
        let too_long = length > MOST;
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(frame)) if length <= READ_MOST => frame,
            Ok(None) if !too_long => return Ok(whole.freeze()),
            _ if too_long => return Err(Unread::TooLong),
            _ => return Err(Unread::Late),
        };
        let frame = frame.map_err(|_| Unread::BrokenOff)?;
        if let Ok(part) = frame.into_data() {
            length += part.len();
            if length <= MOST {
                whole.extend_from_slice(&part);
            } else {
                whole = BytesMut::new();
            }
        }
    }
}
