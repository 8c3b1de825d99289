//! A server in a thread of its own, and a client that knows sockets and bytes, and nothing of the crate's own parsers.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use framerill_trickle::http::server::{Config, Observer, Server};
use framerill_trickle::relay::{Hub, Stats};
use tokio::sync::oneshot;

/// Nothing in a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "driver: owns the tests' clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Looks again and again until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !is_so() {
        assert!(now() < deadline, "{what} did not come");
        thread::park_timeout(Duration::from_micros(200));
    }
}

/// A running server.
pub(crate) struct Rig {
    pub(crate) addr: SocketAddr,
    pub(crate) hub: Hub,
    pub(crate) observer: Observer,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Rig {
    /// With autocreate, and a channel `c`.
    pub(crate) fn new() -> Self {
        let rig = Self::with(|config| config.relay.autocreate = true);
        rig.hub.create(now(), "c", Some("video/mp2t")).unwrap();
        rig
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let (ready, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::bind("127.0.0.1:0", config).await.unwrap();
                ready
                    .send((
                        server.local_addr().unwrap(),
                        server.hub(),
                        server.observer(),
                    ))
                    .unwrap();
                server
                    .run_until(async { stopped.await.unwrap_or_default() })
                    .await;
            });
        });
        let (addr, hub, observer) = started.recv_timeout(PATIENCE).unwrap();
        Self {
            addr,
            hub,
            observer,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Asks the server to stop.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
    }

    /// Waits for the end of a server that was asked to stop.
    pub(crate) fn join(mut self) {
        self.stop();
        self.thread.take().unwrap().join().unwrap();
    }

    pub(crate) fn connect(&self) -> Raw {
        Raw::connect(self.addr)
    }

    /// A connection with this sent on it.
    pub(crate) fn send(&self, text: &str) -> Raw {
        let mut raw = self.connect();
        raw.send(text);
        raw
    }

    /// A GET, and its whole answer.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&get(path)).answer()
    }

    /// A complete POST, and its answer.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.send(&post(path, body)).answer()
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send(&request("DELETE", path, "")).answer()
    }

    /// Complete POSTs of `c`'s segments, each with its number as its body.
    pub(crate) fn segments(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            assert_eq!(
                self.post(&format!("/c/{number}"), &number.to_string())
                    .status,
                200
            );
        }
    }

    pub(crate) fn next(&self) -> String {
        self.get("/c/next").body
    }

    /// A GET that waits: it was taken in and is not answered.
    pub(crate) fn waiting(&self, path: &str) -> Raw {
        let before = self.stats().reads;
        let mut raw = self.send(&get(path));
        eventually("a waiting reader", || self.stats().reads > before);
        assert!(raw.is_silent(), "{path} was answered");
        raw
    }

    /// A POST in chunks of which nothing but the head was sent.
    pub(crate) fn preconnect(&self, path: &str) -> Raw {
        self.open(path, "")
    }

    /// A POST in chunks that goes on.
    pub(crate) fn open(&self, path: &str, fields: &str) -> Raw {
        let before = self.stats().posts;
        let raw = self.send(&chunked(path, fields));
        eventually("a waiting POST", || self.stats().posts > before);
        raw
    }

    /// A POST in chunks with these bytes, which the server has.
    pub(crate) fn begun(&self, path: &str, bytes: &str) -> Raw {
        let mut raw = self.open(path, "");
        self.write(&mut raw, bytes);
        raw
    }

    /// Sends a chunk, and waits until the server has it.
    pub(crate) fn write(&self, raw: &mut Raw, bytes: &str) {
        let before = self.stats().bytes_in;
        raw.chunk(bytes);
        eventually("bytes of a POST", || {
            self.stats().bytes_in >= before + bytes.len() as u64
        });
    }

    pub(crate) fn stats(&self) -> Stats {
        self.hub.stats()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

pub(crate) fn get(path: &str) -> String {
    request("GET", path, "")
}

pub(crate) fn post(path: &str, body: &str) -> String {
    request(
        "POST",
        path,
        &format!(
            "Content-Type: video/mp2t\r\nContent-Length: {}\r\n",
            body.len()
        ),
    ) + body
}

pub(crate) fn chunked(path: &str, fields: &str) -> String {
    request(
        "POST",
        path,
        &format!("Content-Type: video/mp2t\r\nTransfer-Encoding: chunked\r\n{fields}"),
    )
}

/// One connection.
pub(crate) struct Raw {
    stream: TcpStream,
    inbox: Vec<u8>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(&name.to_lowercase()).map(String::as_str)
    }

    pub(crate) fn seq(&self) -> Option<&str> {
        self.field("Lp-Trickle-Seq")
    }

    pub(crate) fn latest(&self) -> Option<&str> {
        self.field("Lp-Trickle-Latest")
    }

    pub(crate) fn is_over(&self) -> bool {
        self.field("Lp-Trickle-Closed") == Some("terminated")
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("Connection") == Some("close")
    }

    /// Status, number, latest and body.
    pub(crate) fn told(&self) -> (u16, Option<&str>, Option<&str>, &str) {
        (self.status, self.seq(), self.latest(), self.body.as_str())
    }
}

impl Raw {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            inbox: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn chunk(&mut self, bytes: &str) {
        self.send(&format!("{:x}\r\n{bytes}\r\n", bytes.len()));
    }

    pub(crate) fn last_chunk(&mut self) {
        self.send("0\r\n\r\n");
    }

    /// The end of this side.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Whether nothing came and the connection is open.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.inbox.is_empty() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// More bytes. False at the end.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        let count = self.stream.read(&mut buffer).unwrap_or_else(|error| {
            panic!("{error}, after {:?}", self.inbox.escape_ascii().to_string())
        });
        self.inbox.extend_from_slice(&buffer[..count]);
        count > 0
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.inbox.len() < count {
            assert!(self.fill(), "the connection ended");
        }
        self.inbox.drain(..count).collect()
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.inbox.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.take(at + 2);
                return String::from_utf8(line[..at].to_vec()).unwrap();
            }
            assert!(self.fill(), "the connection ended");
        }
    }

    /// A head, without a body, also one of 1xx.
    pub(crate) fn head(&mut self) -> Answer {
        let line = self.line();
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .unwrap_or_else(|| panic!("{line:?}"))[..3]
            .parse()
            .unwrap();
        let mut fields = HashMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else {
                assert_eq!(line, "");
                return Answer {
                    status,
                    fields,
                    body: String::new(),
                };
            };
            assert!(
                fields
                    .insert(name.to_lowercase(), value.to_owned())
                    .is_none(),
                "{name} twice"
            );
        }
    }

    /// A head that is not of 1xx.
    pub(crate) fn final_head(&mut self) -> Answer {
        loop {
            let head = self.head();
            if head.status >= 200 {
                return head;
            }
        }
    }

    /// One chunk of a body, empty at the end.
    pub(crate) fn read_chunk(&mut self) -> Vec<u8> {
        let size = usize::from_str_radix(&self.line(), 16).unwrap();
        let bytes = self.take(size);
        assert_eq!(self.line(), "");
        bytes
    }

    /// So many bytes of a chunked body, however they are cut.
    pub(crate) fn read_bytes(&mut self, count: usize) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let chunk = self.read_chunk();
            assert!(!chunk.is_empty(), "the body ended");
            bytes.extend(chunk);
        }
        assert_eq!(bytes.len(), count);
        String::from_utf8(bytes).unwrap()
    }

    /// The rest of a chunked body.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        loop {
            let chunk = self.read_chunk();
            if chunk.is_empty() {
                return String::from_utf8(bytes).unwrap();
            }
            bytes.extend(chunk);
        }
    }

    /// A whole answer, after any of 1xx.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.final_head();
        answer.body = match answer
            .field("Content-Length")
            .map(|length| length.parse().unwrap())
        {
            Some(length) => String::from_utf8(self.take(length)).unwrap(),
            None if answer.field("Transfer-Encoding") == Some("chunked") => self.rest(),
            None => String::from_utf8(self.until_close()).unwrap(),
        };
        answer
    }

    /// All bytes up to the end of the connection.
    pub(crate) fn until_close(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.inbox)
    }

    /// The server ended the connection, politely.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.until_close().is_empty()
    }

    /// The server ended the connection, in whatever way.
    pub(crate) fn is_gone(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1024]), Ok(0) | Err(_))
    }
}
