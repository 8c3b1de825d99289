//! Trickle: live segments over plain HTTP, server and clients.
//!
//! A publisher posts numbered segments of a channel, each while it is being made; a reader gets each byte as it arrives,
//! and who comes late begins at the live edge. This crate is the server, a publisher and a subscriber over HTTP, and both
//! without HTTP for the process that serves; they work with the servers and clients of go-livepeer, ai-runner and
//! pytrickle.
//!
//! | you want to | take |
//! |---|---|
//! | serve channels | [`http::server::Server`] and its [`Config`](http::server::Config) |
//! | write a channel of another process | [`http::client::Publisher`] |
//! | read one | [`http::client::Subscriber`] |
//! | do both in the server's process, without a socket | [`local::Publisher`] and [`local::Subscriber`], with [`Server::hub`](http::server::Server::hub) |
//! | say who may create, read and write | [`relay::Policy`] |
//! | bound memory and numbers | [`relay::Limits`] |
//! | say what gives way when a connection is slower than the source | [`publisher::Backpressure`] |
//! | drive the rules with another transport or another clock | [`publisher::Publisher`], [`subscriber::Subscriber`], [`relay::Hub`] |
//!
//! A server, a publisher, and a subscriber who reads a segment before it is complete:
//!
//! ```
//! use framerill_trickle::http::client::{Publisher, PublisherOptions, Subscriber, SubscriberOptions};
//! use framerill_trickle::http::server::{Config, Server};
//! use framerill_trickle::subscriber::{Event, Join};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.relay.autocreate = true; // A POST may make its channel.
//! let server = Server::bind("127.0.0.1:0", config).await?;
//! let url = format!("http://{}/clock", server.local_addr()?);
//! tokio::spawn(server.run());
//!
//! let mut publisher = Publisher::connect(&url, PublisherOptions::default())?;
//! let mut segment = publisher.segment().await?;
//! segment.write("tick").await?;
//!
//! let mut options = SubscriberOptions::default();
//! options.config.join = Join::Newest; // The present segment, from its first byte.
//! let mut subscriber = Subscriber::connect(&url, options)?;
//! while let Some(event) = subscriber.next().await? {
//!     if let Event::Bytes(bytes) = event {
//!         assert_eq!(bytes, "tick");
//!         break;
//!     }
//! }
//! segment.finish().await?;
//! publisher.close().await?; // The channel is over: readers are told.
//! # Ok(())
//! # }
//! ```
//!
//! More of that kind: `examples/in_process.rs`, `examples/over_http.rs` and `examples/transform.rs`. Over TLS with the
//! feature `tls`.
//!
//! # Where to read
//!
//! In this order: [`wire`] (what stands on the wire: names, numbers, heads, bodies), [`relay`] (channels and their
//! segments: the server's machines), [`local`] (publisher and subscriber in the same process), [`publisher`] and
//! [`subscriber`] (the clients' machines), [`failure`] (what these know of an exchange), [`http`] (the drivers of all of
//! them).
//!
//! Invariants: nothing here knows what is inside a segment; outside [`http`] and [`local`] nothing awaits, owns a socket
//! or reads a clock; every queue and every wait is bounded or ends with its peer.

mod clock;
pub mod failure;
pub mod http;
pub mod local;
pub mod publisher;
pub mod relay;
mod retry;
pub mod subscriber;
pub mod wire;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
