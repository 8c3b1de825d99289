//! Publishes and subscribes in one process, without a socket: `cargo run --example in_process`.
//!
//! The subscriber reads each line when it is written, while its segment is still open.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use framerill_trickle::{
    local::{Publisher, ReadError, Subscriber},
    relay::{Config, Hub},
    wire::{Seq, Wanted},
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what happened is the answer")]
#[expect(clippy::disallowed_methods, reason = "the caller owns the clock")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let hub = Hub::new(Instant::now(), Config::default());
    let publisher = Publisher::new(hub.clone(), "clock", Some("text/plain"));
    publisher.create()?;
    let writing = tokio::spawn(write(publisher));

    let mut subscriber = Subscriber::new(hub, "clock");
    subscriber.seek(Wanted::Exact(Seq::ZERO));
    loop {
        let mut segment = match subscriber.read().await {
            Ok(segment) => segment,
            // The end: told to who waited for a segment, and to who asks for one later.
            Err(ReadError::Over { .. } | ReadError::NoChannel { .. }) => break,
            Err(error) => return Err(error.into()),
        };
        println!("segment {} begins", segment.seq());
        while let Some(bytes) = segment.chunk().await {
            println!("  read {}", String::from_utf8_lossy(&bytes));
        }
        println!("segment {} ends", segment.seq());
    }
    println!("the channel is over");
    writing.await??;
    Ok(())
}

/// Three segments of three lines each, then the end of the channel.
async fn write(mut publisher: Publisher) -> Result<(), Box<dyn Error + Send + Sync>> {
    for number in 0..3 {
        let mut segment = publisher.segment()?;
        for line in ["one", "two", "three"] {
            segment.write(format!("{number}.{line}").into())?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        segment.finish();
    }
    publisher.close();
    Ok(())
}
