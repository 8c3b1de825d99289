//! Reading a request's body: its type, and bounds of length and time.

use std::{panic, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

/// A body that takes longer is given up.
const WITHIN: Duration = Duration::from_secs(10);
/// What is too long is still read up to here: a peer that is writing reads no answer.
const READ_MOST: usize = 64 << 20;
/// A longer one takes so long to parse that other requests would wait for it.
const PARSED_AT_ONCE: usize = 64 << 10;

/// Why there is no body to work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Its type is this one.
    NotJson(String),
    TooLong {
        /// Bytes that it may have.
        most: usize,
    },
    Late,
    BrokenOff,
}

impl Unread {
    /// The status for a caller who knows the whole of HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotJson(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
        }
    }
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Its end is the contract's (§2).
            Self::NotJson(kind) => write!(
                f,
                "Body should be application/json. Unknown content type: {kind}"
            ),
            Self::TooLong { most } => write!(f, "Body should have at most {most} bytes"),
            Self::Late => write!(
                f,
                "Body should arrive within {} seconds, and did not",
                WITHIN.as_secs()
            ),
            Self::BrokenOff => f.write_str("Body broke off"),
        }
    }
}

/// Whether the body calls itself JSON. A page of some other site can send anything to this machine but this type.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Unread> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.map_or(String::new(), |it| {
        String::from_utf8_lossy(it.as_bytes()).into_owned()
    });
    if kind.to_ascii_lowercase().starts_with("application/json") {
        return Ok(());
    }
    Err(Unread::NotJson(kind))
}

/// Its length, if that is known. Of a chunked body none is, whatever its head says besides.
pub(crate) fn length(body: &Body) -> Option<u64> {
    body.size_hint().exact()
}

/// The whole body, or why there is none. One that says itself that it is too long is not waited for.
pub(crate) async fn read(body: Body, most: usize) -> Result<Bytes, Unread> {
    if length(&body).is_some_and(|it| it > most as u64) {
        // What is being written is read all the same, and none of it is kept.
        tokio::spawn(collect(body, 0));
        return Err(Unread::TooLong { most });
    }
    collect(body, most).await
}

/// What `parse` makes of a whole body. The event loop goes on meanwhile.
pub(crate) async fn parse<T: Send + 'static>(
    body: Bytes,
    parse: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> T {
    if body.len() <= PARSED_AT_ONCE {
        return parse(&body);
    }
    match spawn_blocking(move || parse(&body)).await {
        Ok(parsed) => parsed,
        Err(error) => match error.try_into_panic() {
            Ok(why) => panic::resume_unwind(why),
            // The process ends.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes, Unread> {
    let until = Instant::now() + WITHIN;
    let mut whole = BytesMut::new();
    let mut length = 0;
    loop {
        let too_long = length > most;
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(frame)) if length <= READ_MOST => frame,
            Ok(None) if !too_long => return Ok(whole.freeze()),
            _ if too_long => return Err(Unread::TooLong { most }),
            _ => return Err(Unread::Late),
        };
        let frame = frame.map_err(|_| Unread::BrokenOff)?;
        if let Ok(part) = frame.into_data() {
            length += part.len();
            if length <= most {
                whole.extend_from_slice(&part);
            } else {
                whole = BytesMut::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use hyper::body::Frame;

    use super::*;

    /// A body that does not come, of so many bytes.
    struct Never(u64);

    impl hyper::body::Body for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(self.0)
        }
    }

    #[tokio::test]
    async fn a_body_may_be_as_long_as_it_may_be_and_no_longer() {
        let read = |length: usize| read(Body::from(vec![b'x'; length]), 8);
        assert_eq!(read(8).await.map(|it| it.len()), Ok(8));
        assert_eq!(read(9).await, Err(Unread::TooLong { most: 8 }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_late() {
        assert_eq!(read(Body::new(Never(8)), 8).await, Err(Unread::Late));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_says_that_it_is_too_long_is_not_waited_for() {
        let begun = Instant::now();
        let refused = read(Body::new(Never(9)), 8).await;
        assert_eq!(refused, Err(Unread::TooLong { most: 8 }));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_long_body_is_parsed_beside_the_event_loop() {
        let parsed_by = |length: usize| {
            let body = Bytes::from(vec![b'x'; length]);
            parse(body, |body| (body.len(), std::thread::current().id()))
        };
        let own = std::thread::current().id();
        assert_eq!(parsed_by(PARSED_AT_ONCE).await, (PARSED_AT_ONCE, own));
        let (length, other) = parsed_by(PARSED_AT_ONCE + 1).await;
        assert!(length > PARSED_AT_ONCE && other != own);
    }

    #[test]
    fn json_is_what_begins_so() {
        let check = |kind: &'static str| {
            let kind = header::HeaderValue::from_static(kind);
            check_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]))
        };
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(check(kind), Ok(()));
        }
        let refused = check("text/plain").unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with("Unknown content type: text/plain")
        );
        assert!(check_json(&HeaderMap::new()).is_err());
    }
}
