//! What is written is read.

use std::time::Duration;

use framerill_trickle::{
    publisher::{self, Start},
    subscriber::{Event, Join},
};

use crate::rig::{
    Rig, ends_by_close, eventually, heard, joined, publisher, read, send, seq, subscriber, within,
};

fn body(number: u64) -> Vec<u8> {
    format!("segment {number};").repeat(3000).into_bytes()
}

#[tokio::test]
async fn a_hundred_segments_arrive_whole_and_then_the_end() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let mut writer = publisher(&rig.url("c"), |_| {});
    for number in 0..100 {
        send(&mut writer, body(number)).await;
        let read = read(&mut reader).await;
        assert_eq!((read.seq, read.complete), (number, true));
        assert!(read.bytes == body(number), "segment {number}");
    }
    let counters = within("the close", writer.close()).await.unwrap();
    assert_eq!((counters.segments_sent, counters.segments_lost), (100, 0));
    ends_by_close(&mut reader).await;
    assert!(!rig.hub.has("c"));
}

#[tokio::test]
async fn bytes_are_read_while_their_segment_is_written() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::Live, |_| {});
    joined(&rig, &mut reader).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut segment = writer.segment().await.unwrap();
    for round in 0..50 {
        segment.write(format!("piece {round}")).await.unwrap();
        if round == 0 {
            let begins = Event::Begin {
                seq: seq(0),
                mime: Some("video/mp2t".into()),
            };
            assert_eq!(heard(&mut reader).await, begins);
        }
        let piece = Event::Bytes(format!("piece {round}").into());
        assert_eq!(heard(&mut reader).await, piece);
    }
    segment.finish().await.unwrap();
    assert!(matches!(heard(&mut reader).await, Event::End { .. }));
}

#[tokio::test]
async fn a_reader_in_the_middle_begins_with_the_first_byte_or_waits_for_the_next_segment() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut segment = writer.segment().await.unwrap();
    segment.write("abc").await.unwrap();
    eventually("the first bytes", || rig.hub.stats().bytes_in == 3).await;
    let mut live = subscriber(&rig.url("c"), Join::Live, |_| {});
    joined(&rig, &mut live).await;
    let mut newest = subscriber(&rig.url("c"), Join::Newest, |_| {});
    let mut first = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    for reader in [&mut newest, &mut first] {
        assert!(matches!(heard(reader).await, Event::Begin { seq: it, .. } if it == seq(0)));
        assert_eq!(heard(reader).await, Event::Bytes("abc".into()));
    }
    segment.write("def").await.unwrap();
    segment.finish().await.unwrap();
    assert_eq!(heard(&mut newest).await, Event::Bytes("def".into()));
    send(&mut writer, "one").await;
    assert_eq!(read(&mut live).await.seq, 1);
}

/// The publisher keeps to the window, as one in real time does; nothing else holds it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_segments_back_to_back_come_without_a_gap() {
    let rig = Rig::new().await;
    rig.create("c");
    let url = rig.url("c");
    let mut reader = subscriber(&url, Join::At(seq(0)), |_| {});
    let (done, mut progress) = tokio::sync::watch::channel(0u64);
    let writing = tokio::spawn(async move {
        let mut writer = publisher(&url, |_| {});
        for number in 0..1000u64 {
            within("the reader", progress.wait_for(|it| it + 2 > number))
                .await
                .unwrap();
            send(&mut writer, number.to_be_bytes()).await;
        }
        within("the reader", progress.wait_for(|it| *it == 1000))
            .await
            .unwrap();
        within("the close", writer.close()).await.unwrap()
    });
    for number in 0..1000u64 {
        let read = read(&mut reader).await;
        assert_eq!(
            (read.seq, read.bytes),
            (number, number.to_be_bytes().to_vec())
        );
        done.send_replace(number + 1);
    }
    ends_by_close(&mut reader).await;
    assert_eq!(writing.await.unwrap().segments_sent, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_get_equal_bytes_of_a_large_segment() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
        tasks.spawn(async move { read(&mut reader).await });
    }
    eventually("all readers", || rig.hub.stats().readers == 16).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut segment = writer.segment().await.unwrap();
    let mut all = Vec::new();
    for piece in 0..256u32 {
        let bytes: Vec<u8> = (0..64 * 1024u32)
            .map(|at| (at * 7 + piece).to_le_bytes()[0])
            .collect();
        all.extend_from_slice(&bytes);
        within("room", segment.write(bytes)).await.unwrap();
    }
    segment.finish().await.unwrap();
    while let Some(read) = within("a reader", tasks.join_next()).await {
        let read = read.unwrap();
        assert!(read.complete && read.bytes == all);
    }
}

#[tokio::test]
async fn segments_without_bytes_are_delivered_once_each() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut reader = subscriber(&rig.url("c"), Join::Live, |_| {});
    joined(&rig, &mut reader).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    let numbers = [&b"zero"[..], b"", b"", b"three", b""];
    for (number, bytes) in (0..).zip(numbers) {
        let segment = writer.segment().await.unwrap();
        if !bytes.is_empty() {
            let mut segment = segment;
            segment.write(bytes).await.unwrap();
            segment.finish().await.unwrap();
        } else {
            segment.finish().await.unwrap();
        }
        let read = read(&mut reader).await;
        assert_eq!((read.seq, &read.bytes[..]), (number, bytes));
    }
    within("the close", writer.close()).await.unwrap();
    ends_by_close(&mut reader).await;
}

#[tokio::test]
async fn a_publisher_can_go_on_where_another_one_stopped() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut first = publisher(&rig.url("c"), |config| config.delete = false);
    for number in 0..3 {
        send(&mut first, body(number)).await;
    }
    within("the close", first.close()).await.unwrap();
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(2)), |_| {});
    assert_eq!(read(&mut reader).await.seq, 2);
    let mut second = publisher(&rig.url("c"), |config| {
        config.start = Start::Upcoming;
        config.reset = true;
    });
    send(&mut second, body(3)).await;
    let read = read(&mut reader).await;
    assert_eq!((read.seq, read.bytes), (3, body(3)));
}

#[tokio::test]
async fn requests_and_readers_for_a_number_that_come_at_once_find_each_other() {
    let rig = Rig::new().await;
    for round in 0..200 {
        let name = format!("c{round}");
        rig.create(&name);
        let mut readers: Vec<_> = [Join::Live, Join::Newest, Join::At(seq(0))]
            .map(|join| subscriber(&rig.url(&name), join, |_| {}))
            .into();
        let mut writer = publisher(&rig.url(&name), |_| {});
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            send(&mut writer, "zero").await;
            within("the answer", writer.event()).await;
            send(&mut writer, "one").await;
            within("the close", writer.close()).await.unwrap();
        });
        for mut reader in readers.drain(..) {
            tasks.spawn(async move {
                while let Some(event) = within("an event", reader.next()).await.unwrap() {
                    assert!(!matches!(
                        event,
                        Event::Gap { .. } | Event::Restarted { .. }
                    ));
                }
            });
        }
        while let Some(end) = within("everyone", tasks.join_next()).await {
            end.unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_sent_is_told() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    send(&mut writer, "zero").await;
    let sent = publisher::Event::Sent {
        seq: seq(0),
        bytes: 4,
    };
    assert_eq!(within("the answer", writer.event()).await, Some(sent));
    assert!(writer.events().is_empty());
    assert_eq!(writer.counters().bytes_sent, 4);
}

#[tokio::test]
async fn connections_are_used_again() {
    let rig = Rig::new().await;
    rig.create("c");
    let near = crate::rig::Proxy::new(rig.addr).await;
    let far = crate::rig::Proxy::new(rig.addr).await;
    let mut writer = publisher(&near.url("c"), |_| {});
    let mut reader = subscriber(&far.url("c"), Join::At(seq(0)), |_| {});
    for number in 0..50 {
        send(&mut writer, body(number)).await;
        read(&mut reader).await;
    }
    within("the close", writer.close()).await.unwrap();
    assert!(near.accepted() <= 5, "{} by the publisher", near.accepted());
    assert!(far.accepted() <= 3, "{} by the subscriber", far.accepted());
}

#[tokio::test]
async fn a_reader_that_gives_up_waiting_for_an_event_loses_none() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    for number in 0..20 {
        send(&mut writer, body(number)).await;
        let mut bytes = Vec::new();
        loop {
            let waiting = tokio::time::timeout(Duration::from_micros(50), reader.next());
            match waiting.await {
                Err(_) => {}
                Ok(Ok(Some(Event::Bytes(more)))) => bytes.extend_from_slice(&more),
                Ok(Ok(Some(Event::End { .. }))) => break,
                Ok(Ok(Some(Event::Begin { seq: it, .. }))) => assert_eq!(it, seq(number)),
                Ok(other) => panic!("{other:?}"),
            }
        }
        assert!(bytes == body(number));
    }
}
