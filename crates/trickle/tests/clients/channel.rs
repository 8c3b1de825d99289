//! Channels that come, go, and begin again.

use framerill_trickle::{
    http::client::{PublishError, SubscribeError},
    publisher::{End, Event as Told, Loss, Start},
    subscriber::{Event, Join},
};

use crate::rig::{
    Rig, ends, eventually, heard, joined, now, publisher, read, send, seq, subscriber, told, within,
};

#[tokio::test]
async fn a_publisher_that_may_creates_the_channel_with_its_mime_type() {
    let rig = Rig::new().await;
    let mut writer = publisher(&rig.url("c"), |config| config.create = true);
    assert_eq!(told(&mut writer).await, Told::Created);
    send(&mut writer, "zero").await;
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let begins = Event::Begin {
        seq: seq(0),
        mime: Some("video/mp2t".into()),
    };
    assert_eq!(heard(&mut reader).await, begins);
}

#[tokio::test]
async fn a_name_that_has_to_be_encoded_is_one() {
    let rig = Rig::new().await;
    let mut writer = publisher(&rig.url("a%2Fb%20%C3%A4"), |_| {});
    send(&mut writer, "zero").await;
    assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
    assert!(rig.hub.has("a/b ä"));
}

#[tokio::test]
async fn without_autocreate_a_missing_channel_ends_both() {
    let rig = Rig::with("127.0.0.1:0", |_| {}).await;
    for create in [false, true] {
        let mut writer = publisher(&rig.url("c"), |config| config.create = create);
        assert_eq!(told(&mut writer).await, Told::Ended(End::NotFound));
        assert_eq!(within("the end", writer.event()).await, None);
        let refused = writer.segment().await;
        assert_eq!(refused.unwrap_err(), PublishError::Ended(End::NotFound));
        let closed = within("the close", writer.close()).await;
        assert_eq!(closed, Err(PublishError::Ended(End::NotFound)));
    }
    let mut reader = subscriber(&rig.url("c"), Join::Live, |config| {
        config.absence = std::time::Duration::from_millis(200);
    });
    let end = within("the end", reader.next()).await;
    assert_eq!(end, Err(SubscribeError::NotFound));
    assert_eq!(within("the end", reader.next()).await, Ok(None));
}

#[tokio::test]
async fn a_delete_ends_the_one_who_waits_and_the_one_who_writes() {
    let rig = Rig::with("127.0.0.1:0", |_| {}).await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    send(&mut writer, "zero").await;
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    read(&mut reader).await;
    assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
    eventually("the preconnect", || rig.hub.stats().writers == 1).await;
    assert!(rig.hub.delete(now(), "c"));
    ends(&mut reader).await;
    assert_eq!(told(&mut writer).await, Told::Ended(End::Closed));
}

#[tokio::test]
async fn a_delete_in_the_middle_of_a_segment_ends_both_and_the_loss_is_told() {
    let rig = Rig::with("127.0.0.1:0", |_| {}).await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut segment = writer.segment().await.unwrap();
    segment.write("zero").await.unwrap();
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    assert!(matches!(heard(&mut reader).await, Event::Begin { .. }));
    heard(&mut reader).await;
    assert!(rig.hub.delete(now(), "c"));
    assert!(matches!(heard(&mut reader).await, Event::End { .. }));
    ends(&mut reader).await;
    let lost = told(&mut writer).await;
    assert!(matches!(lost, Told::Lost { sent: 4, .. }), "{lost:?}");
    assert_eq!(told(&mut writer).await, Told::Ended(End::Closed));
    let write = segment.write("more").await;
    assert_eq!(write, Err(PublishError::Ended(End::Closed)));
}

#[tokio::test]
async fn the_close_leaves_no_channel_behind() {
    let rig = Rig::new().await;
    for round in 0..100 {
        let mut writer = publisher(&rig.url("c"), |config| config.create = true);
        if round % 2 == 0 {
            send(&mut writer, "zero").await;
        }
        within("the close", writer.close()).await.unwrap();
        eventually("all connections' end", || rig.hub.stats().writers == 0).await;
        assert!(!rig.hub.has("c"), "round {round}");
    }
}

#[tokio::test]
async fn a_stop_of_the_server_ends_both() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    send(&mut writer, "zero").await;
    let mut reader = subscriber(&rig.url("c"), Join::Live, |_| {});
    assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
    let hub = rig.hub.clone();
    eventually("the preconnect", || hub.stats().writers == 1).await;
    joined(&rig, &mut reader).await;
    let (end, ()) = tokio::join!(reader.next(), rig.stop());
    assert_eq!(end, Ok(None));
    assert_eq!(told(&mut writer).await, Told::Ended(End::Closed));
}

#[tokio::test]
async fn a_reader_that_is_late_goes_on_at_the_hint_and_tells_the_gap() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    send(&mut writer, "0").await;
    assert_eq!(read(&mut reader).await.seq, 0);
    joined(&rig, &mut reader).await;
    // The reader does not go on; segment 1 waits for it in its connection, the others pass by.
    for number in 1..12 {
        send(&mut writer, number.to_string()).await;
        assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
    }
    assert!(matches!(told(&mut writer).await, Told::Sent { .. }));
    assert_eq!(read(&mut reader).await.seq, 1);
    let next = async {
        loop {
            match heard(&mut reader).await {
                Event::Gap { from, to } => return (from, to),
                Event::Begin { seq, .. } => panic!("{seq} came without a gap"),
                _ => {}
            }
        }
    };
    let writing = async {
        loop {
            send(&mut writer, "more").await;
            within("the answer", writer.event()).await;
            tokio::task::yield_now().await;
        }
    };
    let (from, to) = tokio::select! {
        gap = next => gap,
        () = writing => unreachable!("it writes for ever"),
    };
    assert_eq!(from, seq(2));
    assert!(to >= seq(12), "{to}");
}

#[tokio::test]
async fn a_reader_that_waits_is_told_that_the_publisher_began_again() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut first = publisher(&rig.url("c"), |config| config.delete = false);
    for number in 0..12 {
        send(&mut first, number.to_string()).await;
    }
    within("the close", first.close()).await.unwrap();
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(11)), |_| {});
    assert_eq!(read(&mut reader).await.seq, 11);
    let mut second = publisher(&rig.url("c"), |_| {});
    send(&mut second, "again").await;
    let restarted = Event::Restarted {
        from: seq(12),
        to: seq(0),
    };
    assert_eq!(heard(&mut reader).await, restarted);
    let read = read(&mut reader).await;
    assert_eq!((read.seq, &read.bytes[..]), (0, &b"again"[..]));
}

#[tokio::test]
async fn a_publisher_that_begins_again_within_the_window_climbs_out_of_it() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut first = publisher(&rig.url("c"), |config| config.delete = false);
    for number in 0..3 {
        send(&mut first, number.to_string()).await;
    }
    within("the close", first.close()).await.unwrap();
    let mut reader = subscriber(&rig.url("c"), Join::Live, |_| {});
    joined(&rig, &mut reader).await;
    let mut second = publisher(&rig.url("c"), |_| {});
    for number in 0..3 {
        let event = told(&mut second).await;
        assert_eq!(event, Told::Skipped { seq: seq(number) });
    }
    send(&mut second, "again").await;
    assert_eq!(read(&mut reader).await.seq, 3);
}

#[tokio::test]
async fn an_abandoned_segment_lets_its_readers_go_on() {
    let rig = Rig::new().await;
    rig.create("c");
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut segment = writer.segment().await.unwrap();
    segment.write("zero").await.unwrap();
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    heard(&mut reader).await;
    heard(&mut reader).await;
    drop(segment);
    assert!(matches!(heard(&mut reader).await, Event::End { .. }));
    let lost = Told::Lost {
        seq: seq(0),
        sent: 4,
        dropped: 0,
        why: Loss::Abandoned,
    };
    assert_eq!(told(&mut writer).await, lost);
    send(&mut writer, "one").await;
    assert_eq!(read(&mut reader).await.bytes, b"one");
}

#[tokio::test]
async fn two_publishers_that_ask_for_the_upcoming_number_do_not_stop_each_other() {
    let rig = Rig::new().await;
    rig.create("c");
    let at_next = || {
        publisher(&rig.url("c"), |config| {
            config.start = Start::Upcoming;
            config.delete = false;
        })
    };
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let (mut one, mut two) = (at_next(), at_next());
    send(&mut one, "one").await;
    told(&mut one).await;
    send(&mut two, "two").await;
    told(&mut two).await;
    assert_eq!(read(&mut reader).await.seq, 0);
    within("the close", one.close()).await.unwrap();
    within("the close", two.close()).await.unwrap();
}
