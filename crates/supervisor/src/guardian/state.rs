//! The states as the network knows them.

use std::fmt;

/// The state on the wire (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No stream, and the worker could take one.
    Offline,
    /// The worker is not ready: it starts, loads, reloads or is being restarted.
    Loading,
    /// A stream runs and all is well, or it is too early to say.
    Online,
    /// Too little comes in.
    DegradedInput,
    /// Too little comes out, or something was wrong a moment ago.
    DegradedInference,
    /// No worker, and none will come. Terminal.
    Error,
}

impl State {
    /// As it is spelled in the status object.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "OFFLINE",
            Self::Loading => "LOADING",
            Self::Online => "ONLINE",
            Self::DegradedInput => "DEGRADED_INPUT",
            Self::DegradedInference => "DEGRADED_INFERENCE",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
