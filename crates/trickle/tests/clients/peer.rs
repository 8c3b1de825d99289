//! A peer that knows sockets and bytes, and says what the test says.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::rig::within;

/// Takes connections.
pub(crate) struct Peer {
    listener: TcpListener,
    pub(crate) addr: SocketAddr,
}

/// One connection.
pub(crate) struct Conn {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        Self { listener, addr }
    }

    pub(crate) fn url(&self, channel: &str) -> String {
        format!("http://{}/{channel}", self.addr)
    }

    pub(crate) async fn accept(&self) -> Conn {
        let (stream, _) = within("a connection", self.listener.accept())
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Conn {
            stream,
            read: Vec::new(),
        }
    }

    /// The next connection, which asks for this.
    pub(crate) async fn expect(&self, line: &str) -> Conn {
        let mut conn = self.accept().await;
        conn.expect(line).await;
        conn
    }
}

impl Conn {
    /// A client's connection.
    pub(crate) async fn to(addr: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(addr))
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Everything up to and with this text.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            let at = self
                .read
                .windows(text.len())
                .position(|it| it == text.as_bytes());
            if let Some(at) = at {
                let rest = self.read.split_off(at + text.len());
                let found = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(found).unwrap();
            }
            let read = within(text, self.stream.read_buf(&mut self.read)).await;
            assert!(
                read.unwrap() > 0,
                "the end came before {text:?}, behind {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> String {
        while self.read.len() < count {
            let read = within("bytes", self.stream.read_buf(&mut self.read)).await;
            assert!(read.unwrap() > 0, "the end came within a body");
        }
        let rest = self.read.split_off(count);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    /// The head of a request that begins with this: all of it.
    pub(crate) async fn expect(&mut self, line: &str) -> String {
        let head = self.until("\r\n\r\n").await;
        assert!(
            head.starts_with(&format!("{line} HTTP/1.1\r\n")),
            "{head:?} is not {line:?}"
        );
        head
    }

    pub(crate) async fn send(&mut self, text: &str) {
        within("a write", self.stream.write_all(text.as_bytes()))
            .await
            .unwrap();
    }

    /// An answer without a body.
    pub(crate) async fn answer(&mut self, status: &str, fields: &str) {
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{fields}\r\n");
        self.send(&text).await;
    }

    /// The head of a segment whose chunks follow.
    pub(crate) async fn segment(&mut self, seq: u64) {
        let text = format!(
            "HTTP/1.1 200 OK\r\nLp-Trickle-Seq: {seq}\r\nContent-Type: video/mp2t\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        self.send(&text).await;
    }

    pub(crate) async fn chunk(&mut self, text: &str) {
        self.send(&format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// Whether the other side has closed, with nothing more said.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let end = within("the connection's end", self.stream.read_buf(&mut self.read)).await;
        end.map_or(true, |count| count == 0) && self.read.is_empty()
    }

    /// Closed in the rude way.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    }
}
