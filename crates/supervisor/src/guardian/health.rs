//! The word of `GET /health`, and which state becomes which.

use std::fmt;

use super::state::State;

/// The `status` of `GET /health` (§1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Takes a stream soon.
    Loading,
    /// A stream runs, well or not.
    Ok,
    /// Has to be replaced.
    Error,
    /// Takes a stream now.
    Idle,
}

impl Health {
    /// From the `state` of a status object as it was read: none counts as OFFLINE, a state that nobody knows is `OK`.
    #[must_use]
    pub fn from_wire(state: Option<&str>) -> Self {
        match state {
            None | Some("OFFLINE") => Self::Idle,
            Some("LOADING") => Self::Loading,
            Some("ERROR") => Self::Error,
            Some(_) => Self::Ok,
        }
    }

    /// As it is spelled on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "LOADING",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::Idle => "IDLE",
        }
    }
}

impl From<State> for Health {
    fn from(state: State) -> Self {
        match state {
            State::Loading => Self::Loading,
            State::Offline => Self::Idle,
            State::Error => Self::Error,
            State::Online | State::DegradedInput | State::DegradedInference => Self::Ok,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
