//! Connections that are cut.

use framerill_trickle::{
    failure::Failure,
    publisher::{Event as Told, Loss},
    subscriber::{Event, Join},
};

use crate::rig::{Proxy, Rig, eventually, heard, publisher, read, send, seq, subscriber, told};

#[tokio::test]
async fn a_segment_that_is_cut_on_its_way_in_is_lost_and_the_next_one_arrives() {
    let rig = Rig::new().await;
    rig.create("c");
    let proxy = Proxy::new(rig.addr).await;
    let mut writer = publisher(&proxy.url("c"), |_| {});
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    let mut segment = writer.segment().await.unwrap();
    segment.write("zero").await.unwrap();
    heard(&mut reader).await;
    heard(&mut reader).await;
    proxy.cut();
    let lost = told(&mut writer).await;
    assert!(
        matches!(
            &lost,
            Told::Lost {
                sent: 4,
                why: Loss::Failed(Failure::Broken(_)),
                ..
            }
        ),
        "{lost:?}"
    );
    assert!(matches!(told(&mut writer).await, Told::Trouble(_)));
    segment.write("to nowhere").await.unwrap();
    segment.finish().await.unwrap();
    // Its number is closed on the server: the reader need not wait for the server's grace.
    assert!(matches!(heard(&mut reader).await, Event::End { .. }));
    send(&mut writer, "one").await;
    let read = read(&mut reader).await;
    assert_eq!((read.seq, &read.bytes[..]), (1, &b"one"[..]));
}

#[tokio::test]
async fn preconnects_that_are_cut_cost_nothing() {
    let rig = Rig::new().await;
    rig.create("c");
    let proxy = Proxy::new(rig.addr).await;
    let mut writer = publisher(&proxy.url("c"), |_| {});
    let mut reader = subscriber(&rig.url("c"), Join::At(seq(0)), |_| {});
    for number in 0..5 {
        eventually("the preconnect", || rig.hub.stats().writers > 0).await;
        let posts = rig.hub.stats().posts;
        proxy.cut();
        eventually("another preconnect", || rig.hub.stats().posts > posts).await;
        send(&mut writer, number.to_string()).await;
        assert_eq!(read(&mut reader).await.seq, number);
        while !matches!(told(&mut writer).await, Told::Sent { .. }) {}
    }
    assert_eq!(writer.counters().segments_lost, 0);
}

#[tokio::test]
async fn a_segment_that_is_cut_on_its_way_out_is_told_to_be_truncated() {
    let rig = Rig::new().await;
    rig.create("c");
    let proxy = Proxy::new(rig.addr).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut reader = subscriber(&proxy.url("c"), Join::At(seq(0)), |_| {});
    let mut segment = writer.segment().await.unwrap();
    segment.write("zero").await.unwrap();
    heard(&mut reader).await;
    heard(&mut reader).await;
    proxy.cut();
    let ends = Event::End {
        seq: seq(0),
        bytes: 4,
        complete: false,
    };
    assert_eq!(heard(&mut reader).await, ends);
    segment.write("unseen").await.unwrap();
    segment.finish().await.unwrap();
    assert!(matches!(heard(&mut reader).await, Event::Trouble(_)));
    send(&mut writer, "one").await;
    let read = read(&mut reader).await;
    assert_eq!((read.seq, &read.bytes[..]), (1, &b"one"[..]));
}

#[tokio::test]
async fn waits_that_are_cut_are_taken_up_again() {
    let rig = Rig::new().await;
    rig.create("c");
    let proxy = Proxy::new(rig.addr).await;
    let mut writer = publisher(&rig.url("c"), |_| {});
    let mut reader = subscriber(&proxy.url("c"), Join::At(seq(0)), |_| {});
    for number in 0..5 {
        let reads = rig.hub.stats().reads;
        let waits = eventually("the reader", || rig.hub.stats().reads > reads);
        tokio::select! {
            () = waits => {}
            event = heard(&mut reader) => assert!(matches!(event, Event::Trouble(_)), "{event:?}"),
        }
        proxy.cut();
        send(&mut writer, number.to_string()).await;
        let read = loop {
            match heard(&mut reader).await {
                Event::Trouble(_) | Event::Begin { .. } | Event::Bytes(_) => {}
                Event::End { seq, complete, .. } => break (seq.get(), complete),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(read, (number, true));
    }
}
