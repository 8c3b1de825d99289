use std::path::PathBuf;

use super::target::{Target, TargetError};
use crate::{publisher, subscriber, wire::Bounds};

/// How a publisher works.
#[derive(Clone, Debug, Default)]
pub struct PublisherOptions {
    /// MIME type of the channel, where this publisher creates it.
    pub mime: Option<String>,
    /// What the machine goes by.
    pub config: publisher::Config,
    /// How it connects.
    pub transport: Transport,
}

/// How a subscriber works.
#[derive(Clone, Debug, Default)]
pub struct SubscriberOptions {
    /// What the machine goes by.
    pub config: subscriber::Config,
    /// How it connects.
    pub transport: Transport,
}

/// How a client connects.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// Whose certificates are accepted for `https`.
    pub verify: Verify,
    /// How large the head of an answer may be.
    pub head: Bounds,
}

/// Whose certificates are accepted for `https`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Those of the authorities that the system trusts.
    #[default]
    Roots,
    /// Those of the authorities in this PEM file, and no others.
    Ca(PathBuf),
    /// Anybody's: whoever is on the way can read and change everything.
    Off,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not that of a channel.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The MIME type cannot stand in a header.
    #[error("`{0}` is not a MIME type")]
    Mime(String),
    /// This build has no TLS.
    #[error("`{0}` needs TLS, which this build does not have")]
    NoTls(String),
    /// The file of authorities cannot be read, or holds none.
    #[error("no certificates of authorities in `{file}`")]
    Ca {
        /// The file.
        file: PathBuf,
        /// What went wrong, if it could be read at all.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The system's authorities cannot be found.
    #[error("the system has no certificates of authorities")]
    Roots,
}

impl PublisherOptions {
    pub(super) fn target(&self, url: &str) -> Result<Target, ConnectError> {
        let is_header = |mime: &String| {
            !mime.is_empty()
                && mime.trim() == mime
                && mime
                    .bytes()
                    .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        };
        match &self.mime {
            Some(mime) if !is_header(mime) => Err(ConnectError::Mime(mime.clone())),
            _ => Ok(Target::parse(url)?),
        }
    }
}
