//! What clients send, and what they make of answers, word by word.

use std::time::Duration;

use framerill_trickle::{
    failure::{Failure, Wait},
    http::client::{ConnectError, Publisher, PublisherOptions, Segment, SubscribeError},
    publisher::{End, Event as Told, Loss, Start},
    subscriber::{Event, Join},
};

use crate::{
    peer::{Conn, Peer},
    rig::{ends, heard, publisher, read, seq, subscriber, told, within},
};

/// An interim answer.
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

const SHORT: Duration = Duration::from_millis(200);

/// A segment of a publisher whose POST the peer has, and the connection of the next one.
async fn begun(peer: &Peer, text: &'static str) -> (Conn, Conn, Publisher, Segment) {
    let mut writer = publisher(&peer.url("c"), |_| {});
    let mut present = peer.expect("POST /c/0").await;
    let mut segment = writer.segment().await.unwrap();
    let next = peer.expect("POST /c/1").await;
    segment.write(text).await.unwrap();
    present
        .until(&format!("{:x}\r\n{text}\r\n", text.len()))
        .await;
    (present, next, writer, segment)
}

#[tokio::test]
async fn a_post_looks_as_it_should() {
    let peer = Peer::new().await;
    let mut writer = publisher(&peer.url("c%20d"), |config| config.reset = true);
    let mut conn = peer.accept().await;
    let head = conn.expect("POST /c%20d/0").await.to_ascii_lowercase();
    for line in [
        &format!("host: {}", peer.addr),
        "content-type: video/mp2t",
        "transfer-encoding: chunked",
        "lp-trickle-reset: 1",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
    }
    assert!(!head.contains("connection:") && !head.contains("accept-encoding"));
    let mut segment = writer.segment().await.unwrap();
    let mut ahead = peer.accept().await;
    let next = ahead.expect("POST /c%20d/1").await;
    assert!(!next.to_ascii_lowercase().contains("lp-trickle-reset"));
    segment.write("abc").await.unwrap();
    conn.until("3\r\nabc\r\n").await;
    segment.write("defg").await.unwrap();
    conn.until("4\r\ndefg\r\n").await;
    segment.finish().await.unwrap();
    conn.until("0\r\n\r\n").await;
    conn.answer("200 OK", "Lp-Trickle-Seq: 0\r\n").await;
    assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
}

#[tokio::test]
async fn a_start_at_the_upcoming_number_asks_for_it() {
    let peer = Peer::new().await;
    let writer = publisher(&peer.url("c"), |config| config.start = Start::Upcoming);
    let mut conn = peer.expect("GET /c/next").await;
    let answer = "HTTP/1.1 200 OK\r\nLp-Trickle-Latest: 41\r\nContent-Length: 2\r\n\r\n41";
    conn.send(answer).await;
    // On the same connection: nothing is left on it.
    conn.expect("POST /c/41").await;
    drop(writer);
    assert!(conn.is_closed().await);
}

#[tokio::test]
async fn a_channel_is_created_with_its_type_and_without_a_body() {
    let peer = Peer::new().await;
    let _writer = publisher(&peer.url("c"), |config| config.create = true);
    let mut conn = peer.accept().await;
    let head = conn.expect("POST /c").await.to_ascii_lowercase();
    assert!(head.contains("expect-content: video/mp2t\r\n"));
    assert!(head.contains("content-length: 0\r\n"));
    conn.answer("200 OK", "").await;
    conn.expect("POST /c/0").await;
    conn.answer("404 Not Found", "Connection: close\r\n").await;
    let mut again = peer.expect("POST /c").await;
    again.answer("200 OK", "").await;
    again.expect("POST /c/0").await;
}

#[tokio::test]
async fn the_close_ends_the_preconnect_without_a_byte_before_it_deletes() {
    let peer = Peer::new().await;
    let writer = publisher(&peer.url("c"), |_| {});
    let mut preconnect = peer.expect("POST /c/0").await;
    let (closed, ()) = tokio::join!(writer.close(), async {
        assert_eq!(preconnect.until("0\r\n\r\n").await, "0\r\n\r\n");
        let closing = "Lp-Trickle-Seq: 0\r\nConnection: close\r\n";
        preconnect.answer("200 OK", closing).await;
        let mut conn = peer.expect("DELETE /c").await;
        conn.answer("200 OK", "").await;
    });
    assert_eq!(closed.unwrap().segments_lost, 0);
}

#[tokio::test]
async fn a_flood_of_interim_answers_breaks_the_exchange() {
    let peer = Peer::new().await;
    let mut writer = publisher(&peer.url("c"), |_| {});
    let mut conn = peer.expect("POST /c/0").await;
    conn.send(&CONTINUE.repeat(1000)).await;
    let trouble = told(&mut writer).await;
    let is_refused =
        matches!(&trouble, Told::Trouble(Failure::Malformed(why)) if why.contains("interim"));
    assert!(is_refused, "{trouble:?}");
    assert!(conn.is_closed().await);
    // Another server may do better.
    peer.expect("POST /c/0").await;
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let peer = Peer::new().await;
    let mut writer = publisher(&peer.url("c"), |_| {});
    let mut conn = peer.expect("POST /c/0").await;
    conn.send(&CONTINUE.repeat(3)).await;
    let mut segment = writer.segment().await.unwrap();
    segment.write("abc").await.unwrap();
    conn.until("abc").await;
    conn.send("HTTP/1.1 102 Processing\r\nX: y\r\n\r\n").await;
    segment.finish().await.unwrap();
    conn.until("0\r\n\r\n").await;
    conn.send(CONTINUE).await;
    conn.answer("200 OK", "").await;
    assert!(matches!(told(&mut writer).await, Told::Sent { .. }));

    let mut reader = subscriber(&peer.url("d"), Join::Live, |_| {});
    tokio::join!(
        async {
            let _next = peer.expect("POST /c/1").await;
            let mut conn = peer.expect("GET /d/-1").await;
            conn.send(CONTINUE).await;
            conn.segment(7).await;
            conn.chunk("seven").await;
            conn.send("0\r\n\r\n").await;
            let mut next = peer.expect("GET /d/8").await;
            next.send(CONTINUE).await;
            next.answer("200 OK", "Lp-Trickle-Closed: terminated\r\n")
                .await;
        },
        async {
            assert_eq!(read(&mut reader).await.bytes, b"seven");
            ends(&mut reader).await;
        }
    );
}

#[tokio::test]
async fn an_answer_in_the_middle_of_a_segment_ends_it() {
    for (answer, why, ends) in [
        (
            "404 Not Found",
            Loss::Failed(Failure::Refused(404)),
            Some(End::NotFound),
        ),
        ("413 Too Large", Loss::Failed(Failure::Refused(413)), None),
        ("200 OK", Loss::CutByServer, None),
    ] {
        let peer = Peer::new().await;
        let (mut present, mut next, mut writer, mut segment) = begun(&peer, "abc").await;
        present.answer(answer, "Connection: close\r\n").await;
        assert!(present.is_closed().await);
        let lost = Told::Lost {
            seq: seq(0),
            sent: 3,
            dropped: 0,
            why,
        };
        assert_eq!(told(&mut writer).await, lost);
        if let Some(end) = ends {
            assert_eq!(told(&mut writer).await, Told::Ended(end));
            continue;
        }
        segment.write("to nowhere").await.unwrap();
        segment.finish().await.unwrap();
        let mut segment = writer.segment().await.unwrap();
        segment.write("one").await.unwrap();
        next.until("3\r\none\r\n").await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    let peer = Peer::new().await;
    let mut writer = publisher(&peer.url("c"), |config| config.answer_time = SHORT);
    let mut conn = peer.expect("POST /c/0").await;
    let mut segment = writer.segment().await.unwrap();
    segment.write("abc").await.unwrap();
    segment.finish().await.unwrap();
    conn.until("0\r\n\r\n").await;
    let lost = told(&mut writer).await;
    let late = Loss::Failed(Failure::Late(Wait::Answer));
    assert!(
        matches!(&lost, Told::Lost { why, .. } if *why == late),
        "{lost:?}"
    );
    assert!(conn.is_closed().await);
}

#[tokio::test]
async fn a_connection_that_takes_nothing_is_not_waited_for_for_ever() {
    let peer = Peer::new().await;
    let mut writer = publisher(&peer.url("c"), |config| config.write_time = SHORT);
    let _conn = peer.expect("POST /c/0").await;
    let mut segment = writer.segment().await.unwrap();
    // More than both sockets hold.
    segment.write(vec![0; 64 << 20]).await.unwrap();
    let late = Loss::Failed(Failure::Late(Wait::Progress));
    let lost = told(&mut writer).await;
    assert!(
        matches!(&lost, Told::Lost { why, .. } if *why == late),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_wait_is_repeated() {
    is_asked_again_after("").await;
}

#[tokio::test]
async fn an_answer_that_stops_in_its_head_is_asked_for_again() {
    is_asked_again_after("HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\n").await;
}

/// A peer that says this and no more is left, and asked again.
async fn is_asked_again_after(said: &str) {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::Live, |config| {
        config.ask_again = SHORT;
    });
    tokio::join!(
        async {
            let mut first = peer.expect("GET /c/-1").await;
            first.send(said).await;
            let mut second = peer.expect("GET /c/-1").await;
            assert!(first.is_closed().await);
            second.segment(0).await;
            second.chunk("zero").await;
            second.send("0\r\n\r\n").await;
        },
        async { assert_eq!(read(&mut reader).await.bytes, b"zero") }
    );
}

#[tokio::test]
async fn a_segment_that_stops_in_its_body_is_given_up_and_told() {
    // In a chunk, behind one, and in the size of the next.
    for rest in ["9\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n1"] {
        let peer = Peer::new().await;
        let mut reader = subscriber(&peer.url("c"), Join::At(seq(0)), |config| {
            config.idle_time = SHORT;
        });
        tokio::join!(
            async {
                let mut first = peer.expect("GET /c/0").await;
                first.segment(0).await;
                first.send(rest).await;
                assert!(first.is_closed().await);
            },
            async {
                let all = read(&mut reader).await;
                assert_eq!((&all.bytes[..], all.complete), (&b"abc"[..], false));
                let late = Event::Trouble(Failure::Late(Wait::Body));
                assert_eq!(heard(&mut reader).await, late);
            }
        );
    }
}

#[tokio::test]
async fn a_channel_that_is_not_there_yet_is_asked_for_again() {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::Newest, |_| {});
    tokio::join!(
        async {
            let mut conn = peer.expect("GET /c/-2").await;
            for _ in 0..2 {
                conn.answer("404 Not Found", "").await;
                conn.expect("GET /c/-2").await;
            }
            conn.segment(3).await;
            conn.chunk("three").await;
        },
        async {
            assert!(matches!(heard(&mut reader).await, Event::Begin { .. }));
        }
    );
}

#[tokio::test]
async fn hints_are_followed_on_the_same_connection() {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::At(seq(3)), |_| {});
    tokio::join!(
        async {
            let mut conn = peer.expect("GET /c/3").await;
            let body =
                "Lp-Trickle-Latest: 9\r\nLp-Trickle-Seq: 3\r\nContent-Length: 6\r\n\r\nno 3\r\n";
            conn.send(&format!("HTTP/1.1 470 \r\n{body}")).await;
            conn.expect("GET /c/9").await;
            conn.segment(9).await;
            conn.chunk("nine").await;
        },
        async {
            let gap = Event::Gap {
                from: seq(3),
                to: seq(9),
            };
            assert_eq!(heard(&mut reader).await, gap);
        }
    );
}

#[tokio::test]
async fn a_kept_connection_that_is_gone_is_no_trouble() {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::At(seq(0)), |_| {});
    tokio::join!(
        async {
            let mut first = peer.expect("GET /c/0").await;
            first.segment(0).await;
            first.chunk("zero").await;
            let mut second = peer.expect("GET /c/1").await;
            first.send("0\r\n\r\n").await;
            second.segment(1).await;
            second.chunk("one").await;
            first.expect("GET /c/2").await;
            drop(first);
            let mut third = peer.expect("GET /c/2").await;
            second.send("0\r\n\r\n").await;
            third.segment(2).await;
            third.chunk("two").await;
            third.send("0\r\n\r\n").await;
        },
        async {
            for text in [&b"zero"[..], b"one", b"two"] {
                assert_eq!(read(&mut reader).await.bytes, text);
            }
        }
    );
}

/// The events of a reader of segment 0, after which the connection was closed.
async fn heard_of(answer: &str, reset: bool) -> Vec<Event> {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::At(seq(0)), |_| {});
    let mut events = Vec::new();
    let asking = async {
        let mut conn = peer.expect("GET /c/0").await;
        conn.send(answer).await;
        if reset {
            // The bytes are to be there before the reset is.
            let _ahead = peer.expect("GET /c/1").await;
        }
        if reset {
            conn.reset()
        } else {
            drop(conn)
        }
        peer.accept().await
    };
    let listening = async {
        loop {
            let event = heard(&mut reader).await;
            let is_last = matches!(event, Event::End { .. } | Event::Trouble(_));
            events.push(event);
            if is_last {
                return;
            }
        }
    };
    tokio::select! {
        () = listening => {}
        _ = async { asking.await; std::future::pending::<()>().await } => {}
    }
    events
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\n";

fn ended(bytes: u64, complete: bool) -> Event {
    Event::End {
        seq: seq(0),
        bytes,
        complete,
    }
}

#[tokio::test]
async fn bodies_may_end_in_any_way_http_has() {
    for body in [
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n",
        "Content-Length: 3\r\n\r\nabc",
        "Connection: close\r\n\r\nabc",
    ] {
        let events = heard_of(&format!("{HEAD}{body}"), false).await;
        assert_eq!(events.last(), Some(&ended(3, true)), "{body}");
    }
    let old = "HTTP/1.0 200 OK\r\nLp-Trickle-Seq: 0\r\n\r\nabc";
    assert_eq!(heard_of(old, false).await.last(), Some(&ended(3, true)));
}

#[tokio::test]
async fn bodies_that_break_off_are_told_to_be_truncated() {
    for body in [
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno size\r\n",
        "Content-Length: 9\r\n\r\nabc",
    ] {
        let events = heard_of(&format!("{HEAD}{body}"), false).await;
        assert_eq!(events.last(), Some(&ended(3, false)), "{body}");
    }
    let open = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let events = heard_of(&open, true).await;
    assert_eq!(events.last(), Some(&ended(3, false)));
}

#[tokio::test]
async fn what_is_no_answer_is_trouble_and_asked_for_again() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    for answer in [
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        &long,
    ] {
        let events = heard_of(answer, false).await;
        assert!(
            matches!(&events[..], [Event::Trouble(Failure::Malformed(_))]),
            "{events:?}"
        );
    }
    let other = "HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 5\r\nContent-Length: 1\r\n\r\nx";
    let events = heard_of(other, false).await;
    assert!(matches!(
        &events[..],
        [Event::Trouble(Failure::Malformed(_))]
    ));
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_one() {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::At(seq(0)), |_| {});
    let answer = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    tokio::join!(
        async {
            let mut conn = peer.expect("GET /c/0").await;
            for at in 0..answer.len() {
                conn.send(&answer[at..=at]).await;
                tokio::task::yield_now().await;
            }
        },
        async { assert_eq!(read(&mut reader).await.bytes, b"abc") }
    );
}

#[tokio::test]
async fn a_body_that_stops_is_not_waited_for_for_ever() {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::At(seq(0)), |config| {
        config.idle_time = SHORT;
    });
    tokio::join!(
        async {
            let mut conn = peer.expect("GET /c/0").await;
            conn.segment(0).await;
            conn.chunk("abc").await;
            assert!(conn.is_closed().await);
        },
        async { assert!(!read(&mut reader).await.complete) }
    );
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "a thread that is busy is the matter"
)]
async fn a_caller_that_is_busy_for_long_misses_nothing() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/c", listener.local_addr().unwrap());
    let (go_on, went_on) = std::sync::mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (mut conn, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _head = conn.read(&mut request).unwrap();
        let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        conn.write_all(head.as_bytes()).unwrap();
        went_on.recv().unwrap();
        conn.write_all(b"3\r\ndef\r\n0\r\n\r\n").unwrap();
        listener.accept().unwrap()
    });
    let mut reader = subscriber(&url, Join::At(seq(0)), |config| {
        config.idle_time = SHORT;
    });
    assert!(matches!(heard(&mut reader).await, Event::Begin { .. }));
    assert_eq!(heard(&mut reader).await, Event::Bytes("abc".into()));
    go_on.send(()).unwrap();
    std::thread::sleep(SHORT * 2);
    assert_eq!(heard(&mut reader).await, Event::Bytes("def".into()));
    assert_eq!(heard(&mut reader).await, ended(6, true));
    drop(reader);
    peer.join().unwrap();
}

#[tokio::test]
async fn a_refusal_is_an_error() {
    let peer = Peer::new().await;
    let mut reader = subscriber(&peer.url("c"), Join::At(seq(0)), |_| {});
    let (end, ()) = tokio::join!(reader.next(), async {
        let mut conn = peer.expect("GET /c/0").await;
        conn.answer("403 Forbidden", "").await;
    });
    assert_eq!(end, Err(SubscribeError::Refused(403)));
    assert_eq!(within("the end", reader.next()).await, Ok(None));
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_refused_at_once() {
    let connect = |url: &str, mime: &str| {
        let options = PublisherOptions {
            mime: Some(mime.into()),
            ..PublisherOptions::default()
        };
        Publisher::connect(url, options).unwrap_err()
    };
    let url = connect("ftp://h/c", "video/mp2t");
    assert!(matches!(url, ConnectError::Target(_)), "{url}");
    for mime in ["", " x", "a\r\nX: y", "ä"] {
        let error = connect("http://h/c", mime);
        assert!(matches!(error, ConnectError::Mime(_)), "{mime:?}: {error}");
    }
    #[cfg(not(feature = "tls"))]
    {
        let error = connect("https://h/c", "video/mp2t");
        assert!(matches!(error, ConnectError::NoTls(_)));
    }
}
