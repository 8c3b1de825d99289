//! The measure: a bare relay that does the same reads and writes, and nothing else.
//!
//! A peer sends one line, `P NAME` to publish or `S NAME` to read. Every read from a publisher becomes one write to each
//! reader. There are no segments, no heads, no window; a reader that falls 8192 reads behind is cut off.

use std::{collections::HashMap, io, sync::Mutex};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

const BEHIND: usize = 8192;
const READ_BYTES: usize = 64 << 10;

#[derive(Default)]
struct Channels(Mutex<HashMap<String, broadcast::Sender<Bytes>>>);

impl Channels {
    fn get(&self, name: &str) -> broadcast::Sender<Bytes> {
        let mut all = self.0.lock().expect("nothing panics while it is held");
        let channel = all.entry(name.to_owned());
        channel
            .or_insert_with(|| broadcast::channel(BEHIND).0)
            .clone()
    }
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    let channels: &'static Channels = Box::leak(Box::default());
    loop {
        let (peer, _) = listener.accept().await?;
        peer.set_nodelay(true)?;
        // A peer that goes away ends its own task only.
        tokio::spawn(async move { drop(converse(peer, channels).await) });
    }
}

async fn converse(mut peer: TcpStream, channels: &Channels) -> io::Result<()> {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(peer.read_u8().await?));
    }
    let (verb, name) = line.trim_end().split_once(' ').unwrap_or_default();
    let channel = channels.get(name);
    match verb {
        "P" => publish(peer, channel).await,
        _ => read(peer, channel.subscribe()).await,
    }
}

async fn publish(mut peer: TcpStream, channel: broadcast::Sender<Bytes>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        if peer.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        // Nobody listens yet, or any more.
        drop(channel.send(buffer.split().freeze()));
    }
}

async fn read(mut peer: TcpStream, mut channel: broadcast::Receiver<Bytes>) -> io::Result<()> {
    peer.write_all(b"k").await?;
    while let Ok(bytes) = channel.recv().await {
        peer.write_all(&bytes).await?;
    }
    Ok(())
}
