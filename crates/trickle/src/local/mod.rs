//! Publisher and subscriber in the same process, on the same channels as everybody else: no socket, the same rules.
//!
//! Read in this order: [`Publisher`] and its [`SegmentWriter`], [`Subscriber`] and its [`SegmentReader`].

mod publisher;
mod subscriber;

pub use publisher::{Publisher, SegmentWriter, WriteError};
pub use subscriber::{ReadError, SegmentReader, Subscriber};
