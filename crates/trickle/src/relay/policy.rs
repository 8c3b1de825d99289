//! Who may do what: questions that an owner of the hub answers.

use std::net::SocketAddr;

use crate::wire::{Headers, names};

/// Who asks, and about which channel.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Name of the channel, decoded.
    pub channel: &'a str,
    /// Fields of the request.
    pub headers: &'a Headers,
    /// Where the request came from, if it came over a socket with an address.
    pub peer: Option<SocketAddr>,
}

/// A no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Answer with this status. Anything that is not 4xx is answered as 400.
    Status(u16),
    /// The question could not be answered. The caller gets 500.
    Failed,
}

impl Refusal {
    /// The status that the caller gets.
    pub fn status(self) -> u16 {
        match self {
            Self::Status(status @ 400..=499) => status,
            Self::Status(_) => names::BAD_REQUEST,
            Self::Failed => names::SERVER_ERROR,
        }
    }
}

/// Hooks before something is done for an outsider. A refusal leaves everything as it is. They are asked on the way of
/// each request, so they answer from memory.
pub trait Policy: Send + Sync + 'static {
    /// Before a POST of a channel, whether it exists or not. A POST of a segment that makes its channel asks
    /// [`Policy::write`] only.
    fn create(&self, _caller: &Caller<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    /// Before a DELETE of a channel.
    fn delete(&self, _caller: &Caller<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    /// Before a GET of a segment or of the next number.
    fn read(&self, _caller: &Caller<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    /// Before a POST or a DELETE of a segment.
    fn write(&self, _caller: &Caller<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Everybody may do everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Policy for AllowAll {}
