//! What goes wrong with a queue.

use std::fmt::Display;

use crate::machines::ItemError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The address is none.
    #[error(
        "`{0}` is no address of a queue: use nats://HOST:PORT or tls://HOST:PORT, with TOKEN@ or USER:PASSWORD@ before HOST"
    )]
    Address(String),
    /// It did not answer in time, however often it was asked.
    #[error(
        "the queue at {address} is away: cannot {what} ({reason}); the same command goes on when it is back"
    )]
    Away {
        /// Without its login.
        address: String,
        /// What was asked.
        what: &'static str,
        /// The last answer.
        reason: String,
    },
    /// It will not do without a change.
    #[error(
        "the queue at {address} does not do: cannot {what} ({reason}); correct the login, or the server's JetStream"
    )]
    Broken {
        /// Without its login.
        address: String,
        /// What was asked.
        what: &'static str,
        /// What it said.
        reason: String,
    },
    /// A video's name and settings are more than a queue takes, or are none.
    #[error(
        "the video cannot be submitted: {0}; give it a shorter name, or name fewer formats of plates"
    )]
    Item(#[from] ItemError),
    /// The bucket did not take a video.
    #[error(
        "the queue at {address} did not take a video in {tries} tries ({reason}); give its object store more room, or share a folder with `--share` instead"
    )]
    Upload {
        /// Without its login.
        address: String,
        /// How often it was tried.
        tries: u32,
        /// What was said of the last one.
        reason: String,
    },
    /// A file of this machine cannot be read.
    #[error("cannot read {0}")]
    File(String),
    /// The threads of the queue cannot be started.
    #[error("cannot start the threads of the queue: {0}")]
    Threads(std::io::Error),
}

/// Of one try.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may do another time.
    Away(String),
    /// It will not.
    Broken(String),
}

/// Most faults pass.
pub(super) fn away(error: impl Display) -> Fault {
    Fault::Away(error.to_string())
}
