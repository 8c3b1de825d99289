//! Publishes and subscribes over HTTP: `cargo run --example over_http`, with a server of its own, or
//! `cargo run --example over_http -- http://127.0.0.1:3389/clock` with one that runs.
//!
//! The subscriber reads each line when it is written, while its segment is still being posted.

use std::{error::Error, time::Duration};

use framerill_trickle::{
    http::{
        client::{Publisher, PublisherOptions, Subscriber, SubscriberOptions},
        server::{Config, Server},
    },
    subscriber::{Event, Join},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what happened is the answer")]
async fn main() -> Result<()> {
    let url = match std::env::args().nth(1) {
        Some(url) => url,
        None => {
            let server = Server::bind("127.0.0.1:0", Config::default()).await?;
            // Without `autocreate` the owner of the server makes the channels.
            let hub = server.hub();
            framerill_trickle::local::Publisher::new(hub, "clock", Some("text/plain")).create()?;
            let url = format!("http://{}/clock", server.local_addr()?);
            tokio::spawn(server.run());
            url
        }
    };
    println!("publishing to {url}");
    let writing = tokio::spawn(write(url.clone()));

    let mut options = SubscriberOptions::default();
    options.config.join = Join::Newest;
    let mut subscriber = Subscriber::connect(&url, options)?;
    while let Some(event) = subscriber.next().await? {
        match event {
            Event::Begin { seq, .. } => println!("segment {seq} begins"),
            Event::Bytes(bytes) => println!("  read {}", String::from_utf8_lossy(&bytes)),
            Event::End { seq, bytes, .. } => println!("segment {seq} ends, {bytes} bytes"),
            other => println!("{other:?}"),
        }
    }
    println!("the channel is over");
    let sent = writing.await??;
    println!("{sent} segments were sent");
    Ok(())
}

/// Three segments of three lines each, then the end of the channel. Returns how many the server has.
async fn write(url: String) -> Result<u64> {
    let mut options = PublisherOptions {
        mime: Some("text/plain".to_owned()),
        ..PublisherOptions::default()
    };
    // On a server with `autocreate` the publisher makes the channel.
    options.config.create = true;
    let mut publisher = Publisher::connect(&url, options)?;
    for number in 0..3 {
        let mut segment = publisher.segment().await?;
        for line in ["one", "two", "three"] {
            segment.write(format!("{number}.{line}")).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        segment.finish().await?;
    }
    // Sends what is left, and deletes the channel: readers come to its end.
    Ok(publisher.close().await?.segments_sent)
}
