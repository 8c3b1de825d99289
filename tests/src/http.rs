//! HTTP whose every byte is the test's: one request on a connection of its own, or raw bytes and an answer to them, with a
//! deadline for all of it.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::live::now;

/// What is not asked to be there sooner comes within this, or never.
const WITHIN: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
    /// From before the connection was made, or the wait began, to the last byte.
    pub took: Duration,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, which it says to be.
    ///
    /// # Panics
    ///
    /// If it is none, or is not said to be.
    #[must_use]
    pub fn json(&self) -> Value {
        let kind = self.header("content-type");
        assert_eq!(kind, Some("application/json"), "{self:?}");
        self.any_json()
            .unwrap_or_else(|| panic!("no JSON: {self:?}"))
    }

    /// The body as JSON, if it is some.
    #[must_use]
    pub fn any_json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// `detail.msg`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn msg(&self) -> String {
        let json = self.json();
        let msg = json["detail"]["msg"].as_str();
        msg.unwrap_or_else(|| panic!("no msg: {json}")).to_owned()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// GET.
///
/// # Errors
///
/// If no whole answer comes within that time.
pub fn get(address: &str, path: &str, within: Duration) -> io::Result<Answer> {
    send(address, "GET", path, &[], b"", within)
}

/// POST of JSON.
///
/// # Errors
///
/// If no whole answer comes within that time.
pub fn post(address: &str, path: &str, body: &Value, within: Duration) -> io::Result<Answer> {
    let json = [("Content-Type", "application/json")];
    send(
        address,
        "POST",
        path,
        &json,
        body.to_string().as_bytes(),
        within,
    )
}

/// Any request.
///
/// # Errors
///
/// If no whole answer comes within that time.
pub fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    within: Duration,
) -> io::Result<Answer> {
    let began = now();
    let peer = address
        .parse()
        .map_err(|_| io::Error::other(format!("`{address}` is no address")))?;
    let mut stream = TcpStream::connect_timeout(&peer, within)?;
    stream.set_nodelay(true)?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if matches!(method, "POST" | "PATCH") {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    request += "\r\n";
    stream.set_write_timeout(Some(left(began, within)?))?;
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    read(&mut stream, began, within)?.ok_or(io::ErrorKind::UnexpectedEof.into())
}

/// The answer to any request.
///
/// # Panics
///
/// If there is none in half a minute.
#[must_use]
pub fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    send(address, method, path, headers, body, WITHIN)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// A connection for raw bytes.
///
/// # Panics
///
/// If nobody listens.
#[must_use]
pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(WITHIN)).expect("a socket");
    stream.set_write_timeout(Some(WITHIN)).expect("a socket");
    stream
}

/// Reads one answer of a connection; none if the peer closed it before.
///
/// # Panics
///
/// If it breaks off, or is not there in half a minute.
#[must_use]
pub fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    read(stream, now(), WITHIN).unwrap_or_else(|error| panic!("no answer: {error}"))
}

/// Reads a whole answer; none if the peer left without one.
fn read(stream: &mut TcpStream, began: Instant, within: Duration) -> io::Result<Option<Answer>> {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        if let Some(answer) = answered(&bytes, began, false) {
            return Ok(Some(answer));
        }
        stream.set_read_timeout(Some(left(began, within)?))?;
        let read = match stream.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && bytes.is_empty() => {
                return Ok(None);
            }
            read => read?,
        };
        if read == 0 && bytes.is_empty() {
            return Ok(None);
        }
        bytes.extend_from_slice(&part[..read]);
        if read == 0 || bytes.len() > MOST_BYTES {
            let answer = answered(&bytes, began, true);
            return answer.map(Some).ok_or(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn left(began: Instant, within: Duration) -> io::Result<Duration> {
    let left = within.saturating_sub(began.elapsed());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// The answer in these bytes, if it is whole. Informational ones are passed over.
fn answered(bytes: &[u8], began: Instant, closed: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let (head, rest) = bytes.split_at(end);
    let head = String::from_utf8_lossy(head).into_owned();
    let status: u16 = head.split(' ').nth(1)?.get(..3)?.parse().ok()?;
    if status < 200 {
        return answered(rest, began, closed);
    }
    let mut answer = Answer {
        status,
        head,
        body: rest.to_vec(),
        took: began.elapsed(),
    };
    let length = answer
        .header("content-length")
        .and_then(|it| it.parse().ok());
    match length {
        Some(length) if answer.body.len() < length => return None,
        Some(length) => answer.body.truncate(length),
        None if !closed => return None,
        None => {}
    }
    Some(answer)
}
