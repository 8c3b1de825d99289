//! Publishers and subscribers in the process of the server.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use framerill_trickle::local::{Publisher, ReadError, Subscriber, WriteError};
use framerill_trickle::relay::{Config, Hub};
use framerill_trickle::wire::{Seq, Wanted};
use tokio::io::{AsyncRead, ReadBuf};

use crate::wire::{Rig, now};

fn hub() -> Hub {
    let hub = Hub::new(now(), Config::default());
    hub.create(now(), "c", Some("video/mp2t")).unwrap();
    hub
}

/// What is there without waiting.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn waits<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
    future
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

fn exact(seq: u64) -> Wanted {
    Wanted::Exact(Seq::new(seq).unwrap())
}

#[test]
fn row_84_a_reader_who_counts_on_minus_1_reads_no_segment_twice() {
    let hub = hub();
    let mut publisher = Publisher::new(hub.clone(), "c", None);
    let mut subscriber = Subscriber::new(hub, "c");
    let mut seen = Vec::new();
    for _ in 0..20 {
        subscriber.seek(Wanted::Upcoming);
        let mut read = Box::pin(subscriber.read());
        assert!(waits(read.as_mut()));
        let mut segment = publisher.segment().unwrap();
        assert!(waits(read.as_mut()));
        segment.write(Bytes::from_static(b"a")).unwrap();
        let mut reader = at_once(read);
        let reader = reader.as_mut().unwrap();
        seen.push(reader.seq().get());
        assert_eq!(at_once(reader.chunk()).unwrap(), "a");
        assert!(waits(std::pin::pin!(reader.chunk())));
        segment.write(Bytes::from_static(b"b")).unwrap();
        assert_eq!(at_once(reader.chunk()).unwrap(), "b");
        segment.finish();
        assert_eq!(at_once(reader.chunk()), None);
    }
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
}

#[test]
fn row_86_a_local_reader_gets_the_last_bytes_and_one_end() {
    let hub = hub();
    let mut publisher = Publisher::new(hub.clone(), "c", None);
    let mut segment = publisher.segment().unwrap();
    segment.write(Bytes::from_static(b"first")).unwrap();
    let mut subscriber = Subscriber::new(hub, "c");
    subscriber.seek(Wanted::Newest);
    let mut reader = at_once(subscriber.read()).unwrap();
    assert_eq!(
        (reader.latest().map(Seq::get), reader.mime()),
        (Some(1), Some("video/mp2t"))
    );
    assert_eq!(at_once(reader.chunk()).unwrap(), "first");
    segment.write(Bytes::from_static(b"last")).unwrap();
    segment.finish();
    assert_eq!(at_once(reader.chunk()).unwrap(), "last");
    assert_eq!(at_once(reader.chunk()), None);
    assert_eq!(at_once(reader.chunk()), None);
}

/// Yields its bytes, and then fails.
struct Failing(&'static [u8]);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        buffer.put_slice(std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

#[test]
fn u14_a_source_that_fails_ends_its_segment() {
    let hub = hub();
    let mut publisher = Publisher::new(hub.clone(), "c", None);
    let failed = at_once(publisher.write(Failing(b"some")));
    assert!(matches!(
        failed,
        Err(WriteError::Source { seq: Seq::ZERO, .. })
    ));
    let mut subscriber = Subscriber::new(hub, "c");
    subscriber.seek(exact(0));
    assert_eq!(
        at_once(at_once(subscriber.read()).unwrap().to_end()),
        b"some"
    );
    assert_eq!(at_once(publisher.write(&b"next"[..])).unwrap().get(), 1);
    assert_eq!(
        at_once(at_once(subscriber.read()).unwrap().to_end()),
        b"next"
    );
}

#[test]
fn u15_a_local_segment_without_bytes_moves_next() {
    let hub = hub();
    let mut publisher = Publisher::new(hub.clone(), "c", None);
    assert_eq!(at_once(publisher.write(&b""[..])).unwrap(), Seq::ZERO);
    let mut subscriber = Subscriber::new(hub, "c");
    subscriber.seek(Wanted::Newest);
    let mut reader = at_once(subscriber.read()).unwrap();
    assert_eq!(
        (reader.seq().get(), reader.latest().map(Seq::get)),
        (0, Some(1))
    );
    assert_eq!(at_once(reader.chunk()), None);
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let hub = hub();
    let mut nowhere = Publisher::new(hub.clone(), "x", None);
    assert!(matches!(
        nowhere.segment(),
        Err(WriteError::NoChannel { .. })
    ));
    assert!(matches!(
        at_once(Subscriber::new(hub.clone(), "x").read()),
        Err(ReadError::NoChannel { .. })
    ));
    let mut publisher = Publisher::new(hub.clone(), "c", None);
    let mut segment = publisher.segment().unwrap();
    segment.write(Bytes::from_static(b"a")).unwrap();
    assert!(matches!(
        Publisher::new(hub.clone(), "c", None).segment(),
        Err(WriteError::Taken { .. })
    ));
    let mut subscriber = Subscriber::new(hub.clone(), "c");
    subscriber.seek(exact(7));
    let missing = at_once(subscriber.read()).err();
    assert_eq!(
        missing.unwrap().to_string(),
        "the channel `c` has no segment 7; the one to wait for is 1"
    );
    subscriber.seek(Wanted::Upcoming);
    let mut read = Box::pin(subscriber.read());
    assert!(waits(read.as_mut()));
    assert!(publisher.close());
    assert!(matches!(at_once(read), Err(ReadError::Over { .. })));
    assert!(matches!(
        segment.write(Bytes::from_static(b"b")),
        Err(WriteError::Over { .. })
    ));
}

#[test]
fn local_and_http_meet_in_the_same_channels() {
    let rig = Rig::new();
    let mut publisher = Publisher::new(rig.hub.clone(), "c", None);
    let mut over_http = rig.waiting("/c/0");
    at_once(publisher.write(&b"from inside"[..])).unwrap();
    assert_eq!(over_http.answer().body, "from inside");
    assert_eq!(rig.post("/c/1", "from outside").status, 200);
    let mut subscriber = Subscriber::new(rig.hub.clone(), "c");
    subscriber.seek(Wanted::Newest);
    assert_eq!(
        at_once(at_once(subscriber.read()).unwrap().to_end()),
        b"from outside"
    );
}
