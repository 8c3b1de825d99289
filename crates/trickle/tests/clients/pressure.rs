//! A peer that takes less than is written.

use std::time::Duration;

use framerill_trickle::publisher::{Backpressure, Event as Told};
use tokio::time::timeout;

use crate::{
    peer::{Conn, Peer},
    rig::{Rig, eventually, publisher, send, told, within},
};

/// More than the sockets between two ends hold.
const MUCH: usize = 32 << 20;
const PIECE: usize = 256 << 10;

#[tokio::test]
async fn with_block_the_writer_waits_and_nothing_is_lost() {
    let peer = Peer::new().await;
    let mut writer = publisher(&peer.url("c"), |config| config.buffer_bytes = 1 << 20);
    let mut conn = peer.expect("POST /c/0").await;
    let mut segment = writer.segment().await.unwrap();
    let mut written = 0;
    while timeout(Duration::from_millis(300), segment.write(vec![b'x'; PIECE]))
        .await
        .is_ok()
    {
        written += PIECE;
        assert!(written < MUCH, "it never waits");
    }
    let reading = tokio::spawn(async move {
        let body = conn.until("0\r\n\r\n").await;
        conn.answer("200 OK", "").await;
        body.bytes().filter(|byte| *byte == b'x').count()
    });
    for _ in 0..8 {
        within("room", segment.write(vec![b'x'; PIECE]))
            .await
            .unwrap();
        written += PIECE;
    }
    segment.finish().await.unwrap();
    let sent = told(&mut writer).await;
    assert!(matches!(sent, Told::Sent { bytes, .. } if bytes == written as u64));
    assert_eq!(reading.await.unwrap(), written);
    assert_eq!(writer.counters().bytes_dropped, 0);
}

/// Writes much more than the peer takes; nothing waits.
async fn flood(policy: Backpressure) -> (Peer, Conn, framerill_trickle::http::client::Publisher) {
    let peer = Peer::new().await;
    let mut writer = publisher(&peer.url("c"), |config| {
        config.backpressure = policy;
        config.buffer_bytes = 4 << 20;
    });
    let conn = peer.expect("POST /c/0").await;
    for number in 0..64u8 {
        send(&mut writer, vec![b'a' + number % 26; 1 << 20]).await;
        tokio::task::yield_now().await;
    }
    (peer, conn, writer)
}

#[tokio::test]
async fn the_dropping_policies_never_wait_and_count_what_they_drop() {
    for policy in [
        Backpressure::DropOldest,
        Backpressure::DropNewest,
        Backpressure::LatestOnly,
    ] {
        let (_peer, _conn, writer) = flood(policy).await;
        let counters = writer.counters();
        assert!(counters.segments_lost > 30, "{policy:?} {counters:?}");
        let kept = (64 << 20) - counters.bytes_dropped - counters.bytes_sent;
        assert!(kept <= 4 << 20, "{policy:?} {counters:?}");
    }
}

#[tokio::test]
async fn what_arrives_after_drops_is_whole() {
    let rig = Rig::new().await;
    rig.create("c");
    for policy in [
        Backpressure::DropOldest,
        Backpressure::DropNewest,
        Backpressure::LatestOnly,
    ] {
        let mut writer = publisher(&rig.url(&format!("{policy:?}")), |config| {
            config.backpressure = policy;
            config.buffer_bytes = 1 << 20;
        });
        for number in 0..200u32 {
            let bytes: Vec<u8> = number.to_be_bytes().repeat(20_000);
            send(&mut writer, bytes).await;
            if number % 5 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let mut sent = 0;
        while sent + writer.counters().segments_lost < 200 {
            match told(&mut writer).await {
                Told::Sent { bytes, .. } => {
                    assert_eq!(bytes, 80_000);
                    sent += 1;
                }
                Told::Lost { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(sent > 0, "{policy:?}");
        let counters = within("the close", writer.close()).await.unwrap();
        assert_eq!(counters.segments_sent + counters.segments_lost, 200);
    }
}

#[tokio::test]
async fn a_slow_reader_does_not_hold_up_the_publisher() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut slow = Conn::to(rig.addr).await;
    slow.send("GET /c/0 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    eventually("the reader", || rig.hub.stats().readers == 1).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut segment = writer.segment().await.unwrap();
    for _ in 0..MUCH / PIECE {
        within("room", segment.write(vec![b'x'; PIECE]))
            .await
            .unwrap();
    }
    segment.finish().await.unwrap();
    assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
}
