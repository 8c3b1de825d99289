//! Servers that go away and come back.

use std::time::Duration;

use framerill_trickle::{
    http::client::{PublishError, SubscribeError},
    publisher::{Backpressure, End, Event as Told},
    subscriber::{Event, Join},
};

use crate::rig::{Rig, eventually, heard, publisher, read, send, seq, subscriber, told, within};

#[tokio::test]
async fn both_survive_a_restart_of_the_server_and_the_publisher_keeps_its_numbers() {
    let rig = Rig::new().await;
    let addr = rig.addr.to_string();
    let mut writer = publisher(&rig.url("c"), |config| config.create = true);
    assert_eq!(told(&mut writer).await, Told::Created);
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    for number in 0..3 {
        send(&mut writer, number.to_string()).await;
        assert_eq!(read(&mut reader).await.seq, number);
        assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
    }
    rig.kill().await;
    assert!(matches!(told(&mut writer).await, Told::Trouble(_)));
    assert!(matches!(heard(&mut reader).await, Event::Trouble(_)));
    send(&mut writer, "3").await;
    // Autocreate is off for segments' sake: the channel has to be made again.
    let rig = Rig::with(&addr, |config| config.relay.autocreate = true).await;
    let reading = async {
        let read = read(&mut reader).await;
        assert_eq!((read.seq, &read.bytes[..]), (3, &b"3"[..]));
    };
    let writing = async { while !matches!(told(&mut writer).await, Told::Sent { .. }) {} };
    tokio::join!(reading, writing);
    assert!(rig.hub.has("c"));
    send(&mut writer, "4").await;
    assert_eq!(read(&mut reader).await.seq, 4);
    within("the close", writer.close()).await.unwrap();
}

#[tokio::test]
async fn a_channel_that_the_restart_forgot_ends_who_may_not_make_it() {
    let rig = Rig::new().await;
    let mut writer = publisher(&rig.url("c"), |config| config.create = true);
    assert_eq!(told(&mut writer).await, Told::Created);
    eventually("the preconnect", || rig.hub.stats().writers == 1).await;
    let (addr, url) = (rig.addr.to_string(), rig.url("c"));
    rig.kill().await;
    assert!(matches!(told(&mut writer).await, Told::Trouble(_)));
    // This server has no autocreate at first: the POST of a segment is answered with 404.
    let rig = Rig::with(&addr, |_| {}).await;
    assert_eq!(told(&mut writer).await, Told::Ended(End::NotFound));
    drop(rig);
    let mut writer = publisher(&url, |config| config.give_up = Duration::from_millis(500));
    let ended = async {
        loop {
            if let Told::Ended(end) = told(&mut writer).await {
                return end;
            }
        }
    };
    assert!(matches!(
        within("the end", ended).await,
        End::Unreachable(_)
    ));
}

#[tokio::test]
async fn a_reader_finds_the_new_beginning_after_a_restart() {
    let rig = Rig::new().await;
    let addr = rig.addr.to_string();
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    for number in 0..8 {
        send(&mut writer, number.to_string()).await;
        assert_eq!(read(&mut reader).await.seq, number);
    }
    drop(writer);
    rig.kill().await;
    assert!(matches!(heard(&mut reader).await, Event::Trouble(_)));
    let rig = Rig::with(&addr, |config| config.relay.autocreate = true).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    send(&mut writer, "again 0").await;
    send(&mut writer, "again 1").await;
    let restarted = heard(&mut reader).await;
    assert!(
        matches!(restarted, Event::Restarted { from, to } if from == seq(8) && to <= seq(1)),
        "{restarted:?}"
    );
    assert!(read(&mut reader).await.complete);
}

#[tokio::test]
async fn a_live_publisher_drops_what_is_too_late_after_an_outage() {
    let rig = Rig::new().await;
    let addr = rig.addr.to_string();
    let mut writer = publisher(&rig.url("c"), |config| {
        config.create = true;
        config.backpressure = Backpressure::LatestOnly;
    });
    assert_eq!(told(&mut writer).await, Told::Created);
    rig.kill().await;
    assert!(matches!(told(&mut writer).await, Told::Trouble(_)));
    for number in 0..20 {
        send(&mut writer, number.to_string()).await;
    }
    let rig = Rig::with(&addr, |config| config.relay.autocreate = true).await;
    let sent = loop {
        match told(&mut writer).await {
            Told::Sent { seq, .. } => break seq,
            Told::Lost { sent, .. } => assert_eq!(sent, 0),
            _ => {}
        }
    };
    assert_eq!(sent, seq(19));
    assert_eq!(writer.counters().segments_lost, 19);
    let mut reader = subscriber(&rig.url("c"), Join::Newest, |_| {});
    assert_eq!(read(&mut reader).await.bytes, b"19");
}

#[tokio::test]
async fn a_server_that_does_not_come_back_ends_both() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |config| {
        config.give_up = Duration::from_millis(600);
    });
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |config| {
        config.give_up = Duration::from_millis(600);
    });
    send(&mut writer, "zero").await;
    read(&mut reader).await;
    rig.kill().await;
    let end = async {
        loop {
            match reader.next().await {
                Ok(Some(Event::Trouble(_))) => {}
                other => return other,
            }
        }
    };
    let end = within("the reader's end", end).await;
    assert!(
        matches!(end, Err(SubscribeError::Unreachable(_))),
        "{end:?}"
    );
    let end = async {
        loop {
            match writer.segment().await {
                Ok(segment) => segment.finish().await.unwrap_or_default(),
                Err(error) => return error,
            }
        }
    };
    let end = within("the writer's end", end).await;
    assert!(matches!(end, PublishError::Ended(End::Unreachable(_))));
}
