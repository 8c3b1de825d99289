//! One request on a connection of its own, as orchestrators make them.

use std::{io, time::Duration};

use framerill_worker::runtime::monotonic_ns;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const WITHIN: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub(super) async fn get(address: &str, path: &str) -> io::Result<Answer> {
    request(address, &format!("GET {path} HTTP/1.1\r\n"), "").await
}

pub(super) async fn post(address: &str, path: &str, body: &str) -> io::Result<Answer> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    request(address, &head, body).await
}

/// DELETE of an URL; whatever the answer says, it is gone.
pub(super) async fn delete(url: &str) -> io::Result<Answer> {
    let (address, path) = parts(url);
    request(&address, &format!("DELETE {path} HTTP/1.1\r\n"), "").await
}

/// Address and path of an URL.
pub(super) fn parts(url: &str) -> (String, String) {
    let rest = url.trim_start_matches("http://");
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    (address.to_owned(), format!("/{path}"))
}

async fn request(address: &str, head: &str, body: &str) -> io::Result<Answer> {
    let began = monotonic_ns();
    let conversation = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let text = format!("{head}Host: {address}\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = timeout(WITHIN, conversation)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let took = Duration::from_nanos(monotonic_ns() - began);
    let odd = || io::Error::other("an answer that is not HTTP");
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
    let body = bytes[end.ok_or_else(odd)? + 4..].to_vec();
    let status = bytes
        .get(9..12)
        .and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(odd)?,
        body,
        took,
    })
}
