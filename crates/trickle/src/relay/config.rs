//! Settings of a hub.

use std::time::Duration;

use super::Limits;

/// Settings of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether a POST makes a channel that does not exist. Default: no.
    pub autocreate: bool,
    /// Whether the channel `_changes` tells of channels that come and go. Default: no.
    pub changefeed: bool,
    /// A channel without a byte for longer than this is closed. Default 5 min.
    pub idle_timeout: Duration,
    /// How often idle channels are looked for. Default 1 min.
    pub sweep_interval: Duration,
    /// How long a segment stays open for a POST that goes on after one that broke off. Default 10 s.
    pub grace: Duration,
    /// How long readers wait on in a segment that was not begun when a later one is already complete. It may be on its
    /// way: segments come on connections of their own, and small ones overtake each other. Default 1 s.
    pub skip_grace: Duration,
    /// How long the name of a deleted channel is remembered: within this time a POST makes it anew only with its first
    /// byte, so that the empty POST of a publisher that is closing does not. Default 3 s.
    pub memory: Duration,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            autocreate: false,
            changefeed: false,
            idle_timeout: Duration::from_secs(300),
            sweep_interval: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            skip_grace: Duration::from_secs(1),
            memory: Duration::from_secs(3),
            limits: Limits::default(),
        }
    }
}
