//! A file as the body of an answer, whole or in part, read piece by piece while whoever asked takes it.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

use super::snippets::Snippet;

const PIECE: u64 = 256 << 10;
/// Pieces that wait for a slow reader.
const AHEAD: usize = 2;
/// A reader that takes no piece for so long is left.
const TAKES_WITHIN: Duration = Duration::from_secs(60);

/// What is asked of a file of so many bytes: first byte and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Some {
        from: u64,
        bytes: u64,
    },
    /// There is nothing there.
    Beyond,
}

/// The one range of a `Range` header; more of them, or what is none, ask for the whole.
pub(super) fn part(range: Option<&str>, bytes: u64) -> Part {
    let Some((from, to)) = range
        .and_then(|it| it.strip_prefix("bytes="))
        .and_then(|it| it.split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(from.trim()), number(to.trim())) {
        (Some(first), last) if last.is_some() || to.trim().is_empty() => {
            let last = last.unwrap_or(u64::MAX).min(bytes.saturating_sub(1));
            if first >= bytes {
                Part::Beyond
            } else if last < first {
                Part::Whole
            } else {
                Part::Some {
                    from: first,
                    bytes: last - first + 1,
                }
            }
        }
        (None, Some(last)) if from.trim().is_empty() => match last.min(bytes) {
            0 => Part::Beyond,
            length => Part::Some {
                from: bytes - length,
                bytes: length,
            },
        },
        _ => Part::Whole,
    }
}

/// An answer with a file, or with the part of it that is asked for.
pub(super) fn answer(snippet: Snippet, kind: &'static str, asked: &HeaderMap) -> Response {
    let Snippet { file, bytes, .. } = snippet;
    let range = asked.get(header::RANGE);
    let range = range.and_then(|it| it.to_str().ok());
    let (status, from, length) = match part(range, bytes) {
        Part::Whole => (StatusCode::OK, 0, bytes),
        Part::Some { from, bytes } => (StatusCode::PARTIAL_CONTENT, from, bytes),
        Part::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let mut response = Response::new(Body::new(Pieces::of(file, from, length)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let shown = match status {
        StatusCode::PARTIAL_CONTENT => format!("bytes {from}-{}/{bytes}", from + length - 1),
        StatusCode::RANGE_NOT_SATISFIABLE => format!("bytes */{bytes}"),
        _ => return response,
    };
    if let Ok(shown) = HeaderValue::try_from(shown) {
        headers.insert(header::CONTENT_RANGE, shown);
    }
    response
}

/// The bytes of a file as they are taken.
struct Pieces {
    read: mpsc::Receiver<io::Result<Bytes>>,
}

impl Pieces {
    fn of(file: File, from: u64, bytes: u64) -> Self {
        let (pieces, read) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let file = Arc::new(file);
            let (mut at, end) = (from, from + bytes);
            while at < end {
                let length = PIECE.min(end - at);
                let ours = Arc::clone(&file);
                let piece = spawn_blocking(move || {
                    let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
                    ours.read_exact_at(&mut piece, at)
                        .map(|()| Bytes::from(piece))
                });
                let piece = piece
                    .await
                    .unwrap_or_else(|error| Err(io::Error::other(error)));
                let is_broken = piece.is_err();
                let taken = timeout(TAKES_WITHIN, pieces.send(piece)).await;
                if is_broken || !matches!(taken, Ok(Ok(()))) {
                    return;
                }
                at += length;
            }
        });
        Self { read }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = self.read.poll_recv(cx);
        next.map(|it| it.map(|piece| piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_is_a_part_and_anything_else_is_the_whole() {
        let some = |from, bytes| Part::Some { from, bytes };
        for (range, expected) in [
            ("bytes=0-", some(0, 10)),
            ("bytes=0-0", some(0, 1)),
            ("bytes=3-5", some(3, 3)),
            ("bytes=3-99", some(3, 7)),
            ("bytes=-4", some(6, 4)),
            ("bytes=-99", some(0, 10)),
            ("bytes=10-", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=5-3", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=x-", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(part(Some(range), 10), expected, "{range}");
        }
        assert_eq!(part(None, 10), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Beyond);
    }

    #[tokio::test]
    async fn a_file_comes_in_pieces_and_whole() {
        let file = tempfile::tempfile().unwrap();
        let all: Vec<u8> = (0_u8..=250).cycle().take(700_000).collect();
        file.write_all_at(&all, 0).unwrap();
        let body = Body::new(Pieces::of(file, 5, 600_000));
        let got = body.collect().await.unwrap().to_bytes();
        assert!(got == all[5..600_005]);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(range in "bytes=[0-9]{0,21}-[0-9]{0,21}|\\PC{0,20}", bytes in any::<u64>()) {
            if let Part::Some { from, bytes: length } = part(Some(&range), bytes) {
                prop_assert!(length > 0 && from.checked_add(length).is_some_and(|end| end <= bytes));
            }
        }
    }
}
