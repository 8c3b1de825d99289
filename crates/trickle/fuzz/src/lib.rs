//! What the fuzz targets do with their input. The tests of the crate do the same with the inputs that are kept.
//!
//! [`request`]: bytes from peers, through the parsers and through a whole server. [`machines`]: operations on a channel,
//! a hub, a publisher and a subscriber. Both panic when a promise is broken.

pub mod machines;
pub mod request;

pub use machines::machines;
pub use request::request;
