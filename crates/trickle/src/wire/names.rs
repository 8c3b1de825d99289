//! Names of headers and statuses, spelled as they are sent.

/// Number of the segment that is read or written.
pub const SEQ: &str = "Lp-Trickle-Seq";
/// The number after the newest segment that has begun.
pub const LATEST: &str = "Lp-Trickle-Latest";
/// The channel is over. Presence alone counts.
pub const CLOSED: &str = "Lp-Trickle-Closed";
/// The value that [`CLOSED`] is sent with.
pub const TERMINATED: &str = "terminated";
/// A publisher restarted; segments below the one posted are to be closed. Any value that is not empty.
pub const RESET: &str = "Lp-Trickle-Reset";
/// MIME type of a channel that is to be created.
pub const EXPECT_CONTENT: &str = "Expect-Content";
/// MIME type of a channel, on segments.
pub const CONTENT_TYPE: &str = "Content-Type";

/// Keepalive of a POST that waits for its first byte, and the answer to `Expect: 100-continue`.
pub const CONTINUE: u16 = 100;
/// Success; also the end of a channel, and a segment without bytes.
pub const OK: u16 = 200;
/// A number that is none, or something to delete that is not there.
pub const BAD_REQUEST: u16 = 400;
/// Not for this caller.
pub const FORBIDDEN: u16 = 403;
/// No such channel, no such route.
pub const NOT_FOUND: u16 = 404;
/// The path exists, with other methods.
pub const METHOD_NOT_ALLOWED: u16 = 405;
/// A head or an answer took too long to arrive.
pub const REQUEST_TIMEOUT: u16 = 408;
/// A segment beyond its limit.
pub const CONTENT_TOO_LARGE: u16 = 413;
/// A name beyond its limit.
pub const URI_TOO_LONG: u16 = 414;
/// A head beyond its limit.
pub const HEAD_TOO_LARGE: u16 = 431;
/// The channel exists, the segment does not.
pub const NO_SUCH_SEGMENT: u16 = 470;
/// A body broke off, or a hook failed.
pub const SERVER_ERROR: u16 = 500;
/// A transfer coding other than `chunked`.
pub const NOT_IMPLEMENTED: u16 = 501;
/// A limit of the server is reached, or the server is stopping.
pub const UNAVAILABLE: u16 = 503;
/// Neither HTTP/1.0 nor HTTP/1.1.
pub const VERSION_NOT_SUPPORTED: u16 = 505;

/// The phrase that is sent behind a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        CONTINUE => "Continue",
        OK => "OK",
        BAD_REQUEST => "Bad Request",
        401 => "Unauthorized",
        FORBIDDEN => "Forbidden",
        NOT_FOUND => "Not Found",
        METHOD_NOT_ALLOWED => "Method Not Allowed",
        REQUEST_TIMEOUT => "Request Timeout",
        409 => "Conflict",
        CONTENT_TOO_LARGE => "Content Too Large",
        URI_TOO_LONG => "URI Too Long",
        429 => "Too Many Requests",
        HEAD_TOO_LARGE => "Request Header Fields Too Large",
        NO_SUCH_SEGMENT => "No Such Segment",
        SERVER_ERROR => "Internal Server Error",
        NOT_IMPLEMENTED => "Not Implemented",
        UNAVAILABLE => "Service Unavailable",
        VERSION_NOT_SUPPORTED => "HTTP Version Not Supported",
        _ if (400..500).contains(&status) => "Refused",
        _ => "Error",
    }
}
