//! A real trickle server, with which tests begin, and the threads on which cameras and viewers work.

use std::{net::SocketAddr, time::Duration};

use framerill_trickle::{
    http::server::{Config, Server},
    relay::{self, Hub},
};
use tokio::runtime::{Builder, Handle, Runtime};

use super::now;

/// Where an orchestrator has its channels.
const BASE: &str = "/ai/trickle/";

/// A server of channels on a free port of the loopback; it ends when it is dropped.
#[derive(Debug)]
pub struct Channels {
    runtime: Option<Runtime>,
    address: SocketAddr,
    hub: Hub,
}

impl Channels {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// If there is no port.
    #[must_use]
    pub fn start() -> Self {
        Self::with(relay::Config::default())
    }

    /// Starts one that makes a channel when something is posted to it.
    ///
    /// # Panics
    ///
    /// If there is no port.
    #[must_use]
    pub fn start_making() -> Self {
        Self::with(relay::Config {
            autocreate: true,
            ..relay::Config::default()
        })
    }

    fn with(relay: relay::Config) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let config = Config {
            base_path: BASE.to_owned(),
            relay,
            stop_timeout: Duration::from_millis(100),
            ..Config::default()
        };
        let server = runtime
            .block_on(Server::bind("127.0.0.1:0", config))
            .expect("a port");
        let (address, hub) = (server.local_addr().expect("an address"), server.hub());
        runtime.spawn(server.run());
        Self {
            runtime: Some(runtime),
            address,
            hub,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a channel.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://{}{BASE}{name}", self.address)
    }

    /// Makes a channel. Nobody else can, as with an orchestrator.
    ///
    /// # Panics
    ///
    /// If there is no room.
    pub fn create(&self, name: &str, mime: &str) {
        let made = self.hub.create(now(), name, Some(mime));
        made.unwrap_or_else(|error| panic!("channel {name}: {error}"));
    }

    /// Deletes a channel, if there is one.
    pub fn delete(&self, name: &str) {
        self.hub.delete(now(), name);
    }

    /// Whether there is a channel of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.hub.has(name)
    }

    /// Names of all channels.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = self.hub.names();
        names.iter().map(ToString::to_string).collect()
    }

    /// Where cameras and viewers work.
    ///
    /// # Panics
    ///
    /// Never.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.runtime
            .as_ref()
            .map(|it| it.handle().clone())
            .expect("it runs")
    }

    /// Waits for work on the server's threads.
    pub(crate) fn wait<F: Future>(&self, work: F) -> F::Output {
        self.handle().block_on(work)
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
