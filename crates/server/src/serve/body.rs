//! Reading a request's body: bounded in length and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;

/// Bytes of a start request: room for pictures in base64 and for large graphs.
pub(super) const MOST: usize = 16 << 20;
/// A body that takes longer is given up.
const WITHIN: Duration = Duration::from_secs(10);

/// What is too long is still read up to here: a peer that is writing reads no answer.
const READ_MOST: usize = 64 << 20;

/// The whole body, or what is wrong with it.
pub(super) async fn read(mut body: Body) -> Result<Bytes, Problem> {
    let until = Instant::now() + WITHIN;
    let mut whole = BytesMut::new();
    let mut length = 0;
    loop {
        let too_long = length > MOST;
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(frame)) if length <= READ_MOST => frame,
            Ok(None) if !too_long => return Ok(whole.freeze()),
            _ if too_long => return Err(Problem::too_long(MOST)),
            _ => {
                let text = "Body should arrive within 10 seconds, and did not";
                return Err(Problem::not_whole(text));
            }
        };
        let frame = frame.map_err(|_| Problem::not_whole("Body broke off"))?;
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
