//! The queue on NATS JetStream: everything that waits for a server.
//!
//! Four streams, made by whoever comes first: work (a work queue; one message of an item at most, so that a second submitter
//! finds the first one's), notes (the newest word on each item), workers (who is there), dead (what was set aside). Videos
//! that are uploaded lie in an object bucket. Whatever the server does, a call comes back within the [`Options::patience`].

mod address;
mod fault;
mod link;
mod objects;
mod queue;
mod streams;
mod watch;

pub use address::{is_loopback, shown};
pub use fault::QueueError;
pub use objects::FetchError;
pub use queue::{Delivery, Depth, Options, Queue, Submitted, Taker};
pub use watch::{Seen, Watch};
