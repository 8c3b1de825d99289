//! Other clients at the other end of the same channel, as they behave on the wire.

use std::time::Duration;

use framerill_trickle::{
    publisher::Event as Told,
    subscriber::{Event, Join},
};

use crate::{
    peer::Conn,
    rig::{
        Rig, ends, eventually, heard, joined, publisher, read, send, seq, subscriber, told, within,
    },
};

const SEGMENTS: u64 = 100;

fn body(number: u64) -> String {
    format!("segment {number};").repeat(2000)
}

fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\n{fields}Transfer-Encoding: chunked\r\n\r\n")
}

/// The status and the number of an answer, and its body.
async fn answer(conn: &mut Conn) -> (u16, Option<u64>, String) {
    let head = head(conn).await;
    let body = rest(conn, &head).await;
    let number = field(&head, "lp-trickle-seq:").and_then(|it| it.parse().ok());
    (head[9..12].parse().unwrap(), number, body)
}

async fn head(conn: &mut Conn) -> String {
    conn.until("\r\n\r\n").await.to_ascii_lowercase()
}

fn field(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find_map(|line| line.strip_prefix(name));
    line.map(|value| value.trim().to_owned())
}

/// The body behind a head.
async fn rest(conn: &mut Conn, head: &str) -> String {
    let mut body = String::new();
    if field(head, "transfer-encoding:").is_some() {
        loop {
            let size = conn.until("\r\n").await;
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            if size == 0 {
                conn.until("\r\n").await;
                break;
            }
            let chunk = conn.exactly(size + 2).await;
            body.push_str(&chunk[..size]);
        }
    } else if let Some(length) = field(head, "content-length:") {
        body = conn.exactly(length.parse().unwrap()).await;
    }
    body
}

#[tokio::test]
async fn a_python_publisher_is_read_to_its_end() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let mut ahead = Conn::to(rig.addr).await;
    for number in 0..SEGMENTS {
        // The connection is there a segment early; the head comes with the first byte.
        let mut conn = std::mem::replace(&mut ahead, Conn::to(rig.addr).await);
        let body = body(number);
        let (first, rest) = body.split_at(1316);
        let head = post(&format!("/c/{number}"), "Connection: close\r\n");
        conn.send(&format!("{head}{:x}\r\n{first}\r\n", first.len()))
            .await;
        conn.chunk(rest).await;
        conn.send("0\r\n\r\n").await;
        assert_eq!(answer(&mut conn).await.0, 200);
        let read = read(&mut reader).await;
        assert_eq!((read.seq, read.complete), (number, true));
        assert!(read.bytes == body.as_bytes());
    }
    joined(&rig, &mut reader).await;
    // The preconnect is ended without a byte while the channel is deleted.
    let head = post(&format!("/c/{SEGMENTS}"), "Connection: close\r\n");
    ahead.send(&format!("{head}0\r\n\r\n")).await;
    let mut delete = Conn::to(rig.addr).await;
    delete.send("DELETE /c HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(answer(&mut delete).await.0, 200);
    let end = within("the end", reader.next()).await;
    if let Ok(Some(Event::Begin { seq: it, .. })) = end {
        assert_eq!(it, seq(SEGMENTS));
        let event = heard(&mut reader).await;
        assert!(matches!(event, Event::End { bytes: 0, .. }));
        ends(&mut reader).await;
    } else {
        assert_eq!(end, Ok(None));
    }
    assert!(!rig.hub.has("c"));
}

#[tokio::test]
async fn a_python_subscriber_reads_to_the_end() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    let addr = rig.addr;
    let (told_read, mut has_read) = tokio::sync::watch::channel(0u64);
    let reading = tokio::spawn(async move {
        let mut wanted = "-2".to_owned();
        let mut count = 0;
        loop {
            let mut conn = Conn::to(addr).await;
            let get = format!("GET /c/{wanted} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            conn.send(&get).await;
            let (status, number, text) = answer(&mut conn).await;
            if status == 404 || text.is_empty() {
                return count;
            }
            let number = number.unwrap();
            assert_eq!((status, number), (200, count));
            assert!(text == body(number));
            count += 1;
            wanted = count.to_string();
            told_read.send_replace(count);
        }
    });
    for number in 0..SEGMENTS {
        send(&mut writer, body(number)).await;
        within("the reader", has_read.wait_for(|it| *it > number))
            .await
            .unwrap();
    }
    within("the close", writer.close()).await.unwrap();
    assert_eq!(within("the reader", reading).await.unwrap(), SEGMENTS);
}

#[tokio::test]
async fn a_go_publisher_is_read_to_its_end() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::Live, |_| {});
    joined(&rig, &mut reader).await;
    let mut conn = Conn::to(rig.addr).await;
    let mut next = Conn::to(rig.addr).await;
    conn.send(&post("/c/0", "")).await;
    for number in 0..SEGMENTS {
        next.send(&post(&format!("/c/{}", number + 1), "")).await;
        let body = body(number);
        conn.chunk(&body).await;
        conn.send("0\r\n\r\n").await;
        assert_eq!(answer(&mut conn).await.1, Some(number));
        let read = read(&mut reader).await;
        assert_eq!((read.seq, read.complete), (number, true));
        assert!(read.bytes == body.as_bytes());
        std::mem::swap(&mut conn, &mut next);
    }
    joined(&rig, &mut reader).await;
    next.send("DELETE /c HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(answer(&mut next).await.0, 200);
    ends(&mut reader).await;
}

#[tokio::test]
async fn a_go_subscriber_reads_to_the_end() {
    let rig = Rig::new().await;
    rig.create("c");
    let get = |wanted: &str| format!("GET /c/{wanted} HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut conn = Conn::to(rig.addr).await;
    let mut next = Conn::to(rig.addr).await;
    conn.send(&get("-1")).await;
    eventually("the reader", || rig.hub.stats().readers == 1).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    for number in 0..SEGMENTS {
        send(&mut writer, body(number)).await;
        let head = head(&mut conn).await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert_eq!(field(&head, "lp-trickle-seq:"), Some(number.to_string()));
        next.send(&get(&(number + 1).to_string())).await;
        assert!(rest(&mut conn, &head).await == body(number));
        std::mem::swap(&mut conn, &mut next);
    }
    eventually("the reader", || rig.hub.stats().readers > 0).await;
    let reading = async {
        let first = head(&mut conn).await;
        if first.contains("lp-trickle-closed") {
            return first;
        }
        // What the close leaves is without a byte.
        assert_eq!(field(&first, "lp-trickle-seq:"), Some(SEGMENTS.to_string()));
        next.send(&get(&(SEGMENTS + 1).to_string())).await;
        assert_eq!(rest(&mut conn, &first).await, "");
        head(&mut next).await
    };
    let (closed, end) = tokio::join!(writer.close(), reading);
    closed.unwrap();
    let is_end = end.contains("lp-trickle-closed") || end.starts_with("http/1.1 404 ");
    assert!(is_end, "{end}");
}

#[tokio::test]
async fn a_publisher_that_dies_in_a_segment_holds_its_reader_no_longer_than_the_grace() {
    let rig = Rig::with("127.0.0.1:0", |config| {
        config.relay.autocreate = true;
        config.relay.grace = Duration::from_millis(100);
    })
    .await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let mut conn = Conn::to(rig.addr).await;
    conn.send(&post("/c/0", "")).await;
    conn.chunk("AB").await;
    assert!(matches!(heard(&mut reader).await, Event::Begin { .. }));
    drop(conn);
    let read = read(&mut reader).await;
    assert_eq!((read.seq, &read.bytes[..]), (0, &b"AB"[..]));
}

#[tokio::test]
async fn a_segment_that_is_continued_is_read_as_one() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let mut conn = Conn::to(rig.addr).await;
    conn.send(&post("/c/0", "")).await;
    conn.chunk("AB").await;
    assert!(matches!(heard(&mut reader).await, Event::Begin { .. }));
    drop(conn);
    let broken = || rig.hub.stats().broken_posts == 1;
    eventually("the broken POST", broken).await;
    let mut conn = Conn::to(rig.addr).await;
    conn.send(&post("/c/0", "")).await;
    conn.chunk("CD").await;
    conn.send("0\r\n\r\n").await;
    let read = read(&mut reader).await;
    assert_eq!((read.seq, &read.bytes[..]), (0, &b"ABCD"[..]));
}

#[tokio::test]
async fn a_number_that_is_skipped_passes_empty_and_the_next_one_is_read() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut conn = Conn::to(rig.addr).await;
    let mut whole = async |number: u64| {
        let text = format!(
            "{}1\r\n{number}\r\n0\r\n\r\n",
            post(&format!("/c/{number}"), "")
        );
        conn.send(&text).await;
        assert_eq!(answer(&mut conn).await.0, 200);
    };
    whole(2).await;
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(3)), |_| {});
    joined(&rig, &mut reader).await;
    whole(4).await;
    let skipped = read(&mut reader).await;
    assert_eq!((skipped.seq, skipped.bytes.len()), (3, 0));
    assert_eq!(read(&mut reader).await.seq, 4);
}

#[tokio::test]
async fn a_far_jump_is_a_gap() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let mut writer = publisher(&rig.url("c"), |config| config.delete = false);
    send(&mut writer, "zero").await;
    assert_eq!(read(&mut reader).await.seq, 0);
    while !matches!(told(&mut writer).await, Told::Sent { .. }) {}
    drop(writer);
    let mut far = publisher(&rig.url("c"), |config| {
        config.start = framerill_trickle::publisher::Start::At(seq(100));
    });
    let writing = async {
        loop {
            send(&mut far, "far").await;
            told(&mut far).await;
        }
    };
    let hearing = async {
        loop {
            match heard(&mut reader).await {
                Event::Gap { to, .. } => return to,
                Event::Begin { seq: it, .. } => assert!(it < seq(6), "{it} without a gap"),
                _ => {}
            }
        }
    };
    tokio::select! {
        to = hearing => assert!(to >= seq(100)),
        () = writing => unreachable!("it writes for ever"),
    }
}
