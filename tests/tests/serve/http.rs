//! Raw HTTP, so that every byte is the test's.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// An answer comes within this, or never.
const WITHIN: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{self:?}"
        );
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `detail.msg`.
    pub(crate) fn msg(&self) -> String {
        let json = self.json();
        let msg = json["detail"]["msg"].as_str();
        msg.unwrap_or_else(|| panic!("no msg: {json}")).to_owned()
    }
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(WITHIN)).expect("a socket");
    stream.set_write_timeout(Some(WITHIN)).expect("a socket");
    stream
}

/// Reads one answer with a `Content-Length`; none if the peer closed before it.
pub(crate) fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut bytes = Vec::new();
    let mut part = [0; 65536];
    let mut more = |bytes: &mut Vec<u8>| match stream.read(&mut part) {
        Ok(0) => false,
        Ok(length) => {
            bytes.extend_from_slice(&part[..length]);
            true
        }
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
        Err(error) => panic!("no answer: {error}"),
    };
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        if !more(&mut bytes) {
            return None;
        }
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).expect("text");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let mut reply = Reply {
        status: status.expect("a status"),
        head,
        body,
    };
    if reply.status == 100 {
        return read_reply(stream);
    }
    let length = reply
        .header("content-length")
        .and_then(|it| it.parse().ok());
    let length: usize = length.expect("a length");
    while reply.body.len() < length {
        assert!(more(&mut reply.body), "the body broke off");
    }
    Some(reply)
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut stream = connect(address);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if matches!(method, "POST" | "PATCH") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(body).expect("it reads");
    read_reply(&mut stream).expect("an answer")
}
