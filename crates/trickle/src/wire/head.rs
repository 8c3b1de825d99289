//! Heads of HTTP/1.1 requests and responses: read whole or not at all, within bounds.
//!
//! What could be read in two ways is refused: two lengths, a length beside a transfer coding, a transfer coding in
//! HTTP/1.0.

use super::{Framing, Headers, names};

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes up to and with the empty line.
    pub bytes: usize,
    /// Number of fields, 128 at most.
    pub fields: usize,
}

impl Default for Bounds {
    /// 32 KiB and 100 fields.
    fn default() -> Self {
        Self {
            bytes: 32 * 1024,
            fields: 100,
        }
    }
}

const MAX_FIELDS: usize = 128;

/// Version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunks, no 1xx.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Beyond [`Bounds`].
    #[error("the head is too large")]
    TooLarge,
    /// Not HTTP.
    #[error("the head is malformed")]
    Malformed,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the version of HTTP is not supported")]
    Version,
    /// An HTTP/1.1 request without `Host`, or with several.
    #[error("the request needs one `Host` field")]
    Host,
    /// The length of the body is no number, or is given twice with different values, or beside a transfer coding.
    #[error("the length of the body is ambiguous")]
    Length,
    /// A transfer coding other than `chunked`.
    #[error("the transfer coding is not supported")]
    TransferCoding,
}

impl HeadError {
    /// The status that a server answers with.
    pub fn status(self) -> u16 {
        match self {
            Self::TooLarge => names::HEAD_TOO_LARGE,
            Self::Version => names::VERSION_NOT_SUPPORTED,
            Self::TransferCoding => names::NOT_IMPLEMENTED,
            Self::Malformed | Self::Host | Self::Length => names::BAD_REQUEST,
        }
    }
}

/// Head of a request.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The method as it was sent.
    pub method: String,
    /// The request target as it was sent: path and query, or a whole URL.
    pub target: String,
    /// Version of the request.
    pub version: Version,
    /// All fields.
    pub headers: Headers,
    /// How the body ends. A request without a length has none: `Length(0)`.
    pub framing: Framing,
}

impl RequestHead {
    /// Reads a head from the front of `input`: the head and its size in bytes, or `None` if it is not complete.
    pub fn parse(input: &[u8], bounds: Bounds) -> Result<Option<(Self, usize)>, HeadError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields[..bounds.fields.min(MAX_FIELDS)]);
        let Some(size) = within(request.parse(input), input, bounds)? else {
            return Ok(None);
        };
        let version = version(request.version)?;
        let headers = Headers::copy_of(request.headers);
        let host = headers.all("host").count();
        if host > 1 || (host == 0 && version == Version::Http11) {
            return Err(HeadError::Host);
        }
        let framing = framing(&headers, version)?.unwrap_or(Framing::Length(0));
        let method = request.method.unwrap_or_default().to_owned();
        let target = request.path.unwrap_or_default().to_owned();
        Ok(Some((
            Self {
                method,
                target,
                version,
                headers,
                framing,
            },
            size,
        )))
    }

    /// Whether the connection may carry another request behind this one.
    pub fn keeps_alive(&self) -> bool {
        keeps_alive(&self.headers, self.version)
    }

    /// Whether the client waits for a `100 Continue` before it sends its body.
    pub fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && self.headers.has_token("expect", "100-continue")
    }
}

/// Head of a response.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The status, 100 to 599 in sane responses.
    pub status: u16,
    /// Version of the response.
    pub version: Version,
    /// All fields.
    pub headers: Headers,
    /// How the body ends. 1xx, 204 and 304 have none: `Length(0)`. So has the answer to a HEAD, whatever stands here.
    pub framing: Framing,
}

impl ResponseHead {
    /// Reads a head from the front of `input`: the head and its size in bytes, or `None` if it is not complete.
    pub fn parse(input: &[u8], bounds: Bounds) -> Result<Option<(Self, usize)>, HeadError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields[..bounds.fields.min(MAX_FIELDS)]);
        let Some(size) = within(response.parse(input), input, bounds)? else {
            return Ok(None);
        };
        let version = version(response.version)?;
        let headers = Headers::copy_of(response.headers);
        let status = response.code.unwrap_or_default();
        let framing = match status {
            100..=199 | 204 | 304 => Framing::Length(0),
            _ => framing(&headers, version)?.unwrap_or(Framing::UntilClose),
        };
        Ok(Some((
            Self {
                status,
                version,
                headers,
                framing,
            },
            size,
        )))
    }

    /// Whether the connection may be used again after this response.
    pub fn keeps_alive(&self) -> bool {
        self.framing != Framing::UntilClose && keeps_alive(&self.headers, self.version)
    }
}

fn within(
    parsed: httparse::Result<usize>,
    input: &[u8],
    bounds: Bounds,
) -> Result<Option<usize>, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(size)) if size <= bounds.bytes => Ok(Some(size)),
        Ok(httparse::Status::Partial) if input.len() < bounds.bytes => Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooLarge),
        Err(httparse::Error::Version) => Err(HeadError::Version),
        Err(_) => Err(HeadError::Malformed),
    }
}

fn version(minor: Option<u8>) -> Result<Version, HeadError> {
    match minor {
        Some(0) => Ok(Version::Http10),
        Some(1) => Ok(Version::Http11),
        _ => Err(HeadError::Version),
    }
}

fn keeps_alive(headers: &Headers, version: Version) -> bool {
    version == Version::Http11 && !headers.has_token("connection", "close")
}

fn framing(headers: &Headers, version: Version) -> Result<Option<Framing>, HeadError> {
    let mut length = None;
    for value in headers.all("content-length") {
        let value = length_of(value).ok_or(HeadError::Length)?;
        if length.is_some_and(|other| other != value) {
            return Err(HeadError::Length);
        }
        length = Some(value);
    }
    let mut codings = headers.all("transfer-encoding");
    let Some(coding) = codings.next() else {
        return Ok(length.map(Framing::Length));
    };
    if length.is_some() || version == Version::Http10 {
        return Err(HeadError::Length);
    }
    if codings.next().is_some() || !coding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err(HeadError::TransferCoding);
    }
    Ok(Some(Framing::Chunked))
}

fn length_of(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok()?;
    if plain {
        text.parse()
            .ok()
            .filter(|&length| length <= i64::MAX as u64)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(text: &str) -> Result<Option<(RequestHead, usize)>, HeadError> {
        RequestHead::parse(text.as_bytes(), Bounds::default())
    }

    fn refusal(fields: &str) -> Option<HeadError> {
        request(&format!("POST /c/0 HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).err()
    }

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        let text =
            "POST /c/0?q HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: Chunked\r\nX: 1\r\n\r\nbody";
        for end in 0..text.len() - 4 {
            assert!(request(&text[..end]).unwrap().is_none(), "{end}");
        }
        let (head, size) = request(text).unwrap().unwrap();
        assert_eq!(
            (head.method.as_str(), head.target.as_str(), size),
            ("POST", "/c/0?q", text.len() - 4)
        );
        assert_eq!(
            (head.framing, head.headers.text("x")),
            (Framing::Chunked, Some("1"))
        );
        assert!(head.keeps_alive());
    }

    #[test]
    fn lengths_that_can_be_read_in_two_ways_are_refused() {
        assert_eq!(
            refusal("Content-Length: 3\r\nContent-Length: 4\r\n"),
            Some(HeadError::Length)
        );
        assert_eq!(refusal("Content-Length: 3\r\nContent-Length: 3\r\n"), None);
        assert_eq!(
            refusal("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
            Some(HeadError::Length)
        );
        for length in ["+3", "-1", "3, 3", "0x3", "", "99999999999999999999", "3 3"] {
            assert_eq!(
                refusal(&format!("Content-Length: {length}\r\n")),
                Some(HeadError::Length),
                "{length:?}"
            );
        }
        let old = request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old.err(), Some(HeadError::Length));
    }

    #[test]
    fn other_transfer_codings_are_not_implemented() {
        for coding in [
            "gzip, chunked",
            "chunked, gzip",
            "identity",
            "chunked\r\nTransfer-Encoding: chunked",
        ] {
            let refused = refusal(&format!("Transfer-Encoding: {coding}\r\n")).unwrap();
            assert_eq!(refused.status(), names::NOT_IMPLEMENTED, "{coding}");
        }
    }

    #[test]
    fn hosts_and_versions_are_checked() {
        assert_eq!(
            request("GET / HTTP/1.1\r\n\r\n").err(),
            Some(HeadError::Host)
        );
        assert!(request("GET / HTTP/1.0\r\n\r\n").unwrap().is_some());
        assert_eq!(
            request("GET / HTTP/2.0\r\n\r\n").err(),
            Some(HeadError::Version)
        );
        assert_eq!(refusal("Host: i\r\n"), Some(HeadError::Host));
    }

    #[test]
    fn heads_beyond_the_bounds_are_refused() {
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(40_000));
        assert_eq!(request(&long).err(), Some(HeadError::TooLarge));
        assert_eq!(refusal(&"A: b\r\n".repeat(120)), Some(HeadError::TooLarge));
    }

    #[test]
    fn responses_tell_how_their_bodies_end() {
        let parse = |text: &str| {
            ResponseHead::parse(text.as_bytes(), Bounds::default())
                .unwrap()
                .unwrap()
                .0
        };
        assert_eq!(
            parse("HTTP/1.1 100 Continue\r\n\r\n").framing,
            Framing::Length(0)
        );
        let chunked = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(
            (chunked.framing, chunked.keeps_alive()),
            (Framing::Chunked, true)
        );
        let open = parse("HTTP/1.1 470 \r\n\r\n");
        assert_eq!(
            (open.status, open.framing, open.keeps_alive()),
            (470, Framing::UntilClose, false)
        );
        let closing =
            parse("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n");
        assert_eq!(
            (closing.framing, closing.keeps_alive()),
            (Framing::Length(2), false)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let bounds = Bounds { bytes: 200, fields: 4 };
            for size in [RequestHead::parse(&input, bounds).map(|head| head.map(|(_, size)| size)),
                         ResponseHead::parse(&input, bounds).map(|head| head.map(|(_, size)| size))] {
                prop_assert!(size.is_err() || size.unwrap().is_none_or(|size| size <= 200));
            }
        }

        #[test]
        fn fields_come_back(fields in prop::collection::vec(("[A-Za-z][A-Za-z-]{0,10}x", "[!-~]([ -~]{0,20}[!-~])?"), 0..20)) {
            let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let text = format!("GET / HTTP/1.0\r\n{lines}\r\n");
            let (head, size) = request(&text).unwrap().unwrap();
            prop_assert_eq!(size, text.len());
            let got: Vec<_> = head.headers.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            let sent: Vec<_> = fields.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
            prop_assert_eq!(got, sent);
        }
    }
}
