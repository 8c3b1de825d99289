//! A peer between the runner and its channels that misbehaves when told to, and recovers when told to.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::channels::Channels;

/// What it does with connections. A change of mind cuts those that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Answers every request with this status.
    Status(u16),
    /// Answers every request with 200 and a page.
    Html,
    /// Takes everything and says nothing.
    Hang,
    /// Closes what is opened.
    Refuse,
    /// Passes so many bytes a second on, towards the channels; answers pass freely.
    Slow(u32),
}

/// A relay to the channels.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    base: String,
}

impl Peer {
    /// Starts one in front of `channels`.
    ///
    /// # Panics
    ///
    /// If there is no port.
    #[must_use]
    pub fn start(channels: &Channels, mode: Mode) -> Self {
        let listener = channels.wait(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let upstream = channels.address();
        let (sender, modes) = watch::channel(mode);
        channels.handle().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut modes = modes.clone();
                tokio::spawn(async move {
                    let mode = *modes.borrow_and_update();
                    tokio::select! {
                        // Whoever is cut off notices; there is nothing to tell.
                        done = serve(stream, upstream, mode) => drop(done),
                        _ = modes.changed() => {}
                    }
                });
            }
        });
        let base = channels.url("");
        Self {
            address,
            mode: sender,
            base: base.replace(&upstream.to_string(), &address.to_string()),
        }
    }

    /// The URL of a channel, through it.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes its mind.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn serve(mut stream: TcpStream, upstream: SocketAddr, mode: Mode) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match mode {
        Mode::Refuse => Ok(()),
        Mode::Hang => std::future::pending().await,
        Mode::Status(status) => answer(stream, status, "text/plain", "no\n").await,
        Mode::Html => {
            let page = "<!doctype html><html><body><h1>It works!</h1></body></html>\n".repeat(100);
            answer(stream, 200, "text/html", &page).await
        }
        Mode::Pass => {
            let mut upstream = TcpStream::connect(upstream).await?;
            upstream.set_nodelay(true)?;
            copy_bidirectional(&mut stream, &mut upstream).await?;
            Ok(())
        }
        Mode::Slow(bytes_a_second) => {
            let upstream = TcpStream::connect(upstream).await?;
            let (mut from_peer, mut to_peer) = stream.into_split();
            let (mut from_server, mut to_server) = upstream.into_split();
            let back = tokio::io::copy(&mut from_server, &mut to_peer);
            let forth = async {
                let mut bytes = vec![0; 1024];
                loop {
                    let read = from_peer.read(&mut bytes).await?;
                    if read == 0 {
                        return to_server.shutdown().await;
                    }
                    to_server.write_all(&bytes[..read]).await?;
                    let read = u32::try_from(read).unwrap_or(0);
                    sleep(Duration::from_secs(1) * read / bytes_a_second.max(1)).await;
                }
            };
            tokio::try_join!(back, forth)?;
            Ok(())
        }
    }
}

async fn answer(mut stream: TcpStream, status: u16, mime: &str, body: &str) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await?;
        head.extend(byte);
    }
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Told To\r\nContent-Type: {mime}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    // The rest of a body is swallowed, so that the answer is read and not reset.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}
