//! The reading end of one connection: answers and chunked bodies, no more of HTTP than a server of segments sends.

use std::io::{self, ErrorKind};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const READ_BYTES: usize = 64 << 10;

/// A connection and what was read ahead from it.
pub(super) struct Incoming {
    stream: TcpStream,
    buffer: BytesMut,
}

fn odd(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}

impl Incoming {
    pub(super) async fn connect(addr: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
        })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Some more bytes.
    pub(super) async fn more(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// What was read and not taken.
    pub(super) fn buffered(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.buffer.split_to(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more().await?;
        }
    }

    /// The head of an answer: its status. `100 Continue` is passed over.
    pub(super) async fn status(&mut self) -> io::Result<u16> {
        loop {
            let first = self.line().await?;
            let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
            let status: u16 = status.ok_or_else(|| odd(format!("an answer begins `{first}`")))?;
            while !self.line().await?.is_empty() {}
            if status >= 200 {
                return Ok(status);
            }
        }
    }

    /// A chunked body, bytes as they come.
    pub(super) async fn chunks(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let line = self.line().await?;
            let mut left = usize::from_str_radix(line.trim(), 16)
                .map_err(|_| odd(format!("a chunk of `{line}` bytes")))?;
            let is_last = left == 0;
            while left > 0 {
                if self.buffer.is_empty() {
                    self.more().await?;
                }
                let now = left.min(self.buffer.len());
                take(&self.buffer[..now]);
                self.buffer.advance(now);
                left -= now;
            }
            // The line break behind the chunk, or the empty trailer.
            self.line().await?;
            if is_last {
                return Ok(());
            }
        }
    }
}
