//! Drivers of the client machines.
//!
//! Read in this order: [`Publisher`] and [`Subscriber`], their options, [`Transport`] and [`Verify`]; then the private
//! parts: `exchange` (one request and its answer on one connection), `connector` (connections, new and kept), `stream`
//! and `tls` (what a connection is), and, pure, `target`, `request` and `outgoing`.
//!
//! A publisher has one task, which ends with its handle; a subscriber has none and does its work while it is asked for
//! the next event.

mod connector;
mod exchange;
mod options;
mod outgoing;
mod publisher;
mod request;
mod stream;
mod subscriber;
mod target;
mod timer;
#[cfg(feature = "tls")]
mod tls;

pub use options::{ConnectError, PublisherOptions, SubscriberOptions, Transport, Verify};
pub use publisher::{PublishError, Publisher, Segment};
pub use subscriber::{SubscribeError, Subscriber};
pub use target::{TargetError, check_url};
