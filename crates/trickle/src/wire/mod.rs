//! What stands on the wire: header names and statuses, sequence numbers, heads and bodies of HTTP/1.1.
//!
//! Pure and bounded: bytes go in as they come, in any pieces, and nothing here keeps more of them than it is told to.

pub mod body;
pub mod head;
mod headers;
pub mod names;
pub mod seq;

pub use body::{Body, BodyError, Decoded, Framing};
pub use head::{Bounds, HeadError, RequestHead, ResponseHead, Version};
pub use headers::Headers;
pub use seq::{Seq, Wanted};
