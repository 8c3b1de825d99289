//! Reads one channel, changes its bytes as they come, and writes another one: a subscriber and a publisher over HTTP,
//! between a publisher and a subscriber in the server's process. `cargo run --example transform`.
//!
//! ```text
//! local publisher ──► channel `in` ──HTTP──► subscriber ─ upper case ─► publisher ──HTTP──► channel `out` ──► local subscriber
//! ```

use std::error::Error;

use framerill_trickle::{
    http::{
        client::{Publisher, PublisherOptions, Segment, Subscriber, SubscriberOptions},
        server::{Config, Server},
    },
    local,
    subscriber::{Event, Join},
    wire::{Seq, Wanted},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what came through is the answer")]
async fn main() -> Result<()> {
    let server = Server::bind("127.0.0.1:0", Config::default()).await?;
    let (base, hub) = (format!("http://{}", server.local_addr()?), server.hub());
    tokio::spawn(server.run());

    let mut source = local::Publisher::new(hub.clone(), "in", Some("text/plain"));
    source.create()?;
    local::Publisher::new(hub.clone(), "out", Some("text/plain")).create()?;
    let shouting = tokio::spawn(shout(format!("{base}/in"), format!("{base}/out")));

    let mut sink = local::Subscriber::new(hub, "out");
    for (number, verse) in ["row, row,", "row your boat,", "gently down the stream"]
        .into_iter()
        .enumerate()
    {
        let mut segment = source.segment()?;
        for word in verse.split_inclusive(' ') {
            segment.write(word.into())?;
        }
        segment.finish();
        let seq = Seq::new(number as u64).ok_or("a number beyond all channels")?;
        sink.seek(Wanted::Exact(seq));
        let loud = sink.read().await?.to_end().await;
        println!("{number}: {}", String::from_utf8_lossy(&loud));
    }
    source.close();
    println!("{} segments passed", shouting.await??);
    Ok(())
}

/// Passes segments on byte by byte, as they come, in upper case. Returns how many.
async fn shout(from: String, to: String) -> Result<u64> {
    let mut options = SubscriberOptions::default();
    options.config.join = Join::At(Seq::ZERO);
    let mut subscriber = Subscriber::connect(&from, options)?;
    let mut publisher = Publisher::connect(&to, PublisherOptions::default())?;
    let mut segment: Option<Segment> = None;
    while let Some(event) = subscriber.next().await? {
        match (event, &mut segment) {
            (Event::Begin { .. }, _) => segment = Some(publisher.segment().await?),
            (Event::Bytes(bytes), Some(open)) => open.write(bytes.to_ascii_uppercase()).await?,
            // Dropped without `finish`, a segment that broke off is given up on the way out, too.
            (Event::End { complete, .. }, _) => match segment.take() {
                Some(whole) if complete => whole.finish().await?,
                _ => {}
            },
            _ => {}
        }
    }
    Ok(publisher.close().await?.segments_sent)
}
