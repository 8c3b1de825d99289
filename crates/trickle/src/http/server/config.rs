//! Settings of a server.

use std::sync::Arc;
use std::time::Duration;

use crate::relay::{self, AllowAll, Policy};
use crate::wire::Bounds;

/// Settings of a server.
#[derive(Clone)]
pub struct Config {
    /// Below which path all routes are. It begins and ends with a slash. Default `/`.
    pub base_path: String,
    /// Settings of the channels.
    pub relay: relay::Config,
    /// Hooks.
    pub policy: Arc<dyn Policy>,
    /// How large a request's head may be.
    pub head: Bounds,
    /// Within which time a head has to arrive, from its first byte. Before that byte there is no limit. Default 10 s.
    pub head_timeout: Duration,
    /// After each such silence a POST that waits for its first byte is told `100 Continue`. Default 10 s.
    pub keepalive_interval: Duration,
    /// A peer that takes no byte for so long is dropped. Default 5 min.
    pub write_timeout: Duration,
    /// How long what a peer still sends is swallowed after an answer that ends the connection. Default 2 s.
    pub linger: Duration,
    /// How long answers may take when the server stops. Default 10 s.
    pub stop_timeout: Duration,
    /// Connections at the same time. When there are so many, the one that has been without a request for longest is
    /// closed for a new one; if all have requests, the new one is refused. Default 10 000.
    pub connections: usize,
    /// Certificate and key, for HTTPS. Default: none, which means HTTP.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_path: "/".to_owned(),
            relay: relay::Config::default(),
            policy: Arc::new(AllowAll),
            head: Bounds::default(),
            head_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(10),
            write_timeout: Duration::from_secs(300),
            linger: Duration::from_secs(2),
            stop_timeout: Duration::from_secs(10),
            connections: 10_000,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}
