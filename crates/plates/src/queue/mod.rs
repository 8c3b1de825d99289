//! Tasks that wait for a worker: one bucket a category, each first in, first out among equal priorities.
//!
//! Pure: all time comes in. It holds any kind of item; the run machine keeps its tasks elsewhere and queues their ids.

mod bucket;
mod central;
mod limits;
#[cfg(test)]
mod tests;

pub use bucket::{Popped, Ticket};
pub use central::CentralTaskQueue;
pub use limits::Limits;
