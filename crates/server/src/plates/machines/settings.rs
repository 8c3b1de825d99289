//! Which queue, and where the share is.

use std::{path::PathBuf, time::Duration};

use framerill_plates::machines::nats::{Options, shown};

use crate::{
    failure::Failure,
    plates::settings::{QUEUE, QUEUE_CA, QUEUE_CREDS, QUEUE_PATIENCE, SHARE, seconds},
    serve::source::Sources,
};

/// A start waits so long for the queue's server.
const START: Duration = Duration::from_secs(10);
/// A server may be away for so long, in seconds.
const PATIENCE: u64 = 300;

/// Which queue, and where the share is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct QueueSettings {
    /// May hold a login; none for a run of this machine alone.
    pub(crate) url: Option<String>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) patience: Duration,
    /// The folder with videos that all machines see.
    pub(crate) share: Option<PathBuf>,
}

impl QueueSettings {
    /// Takes every setting from the first place that has it.
    pub(crate) fn load(from: &mut Sources) -> Result<Self, Failure> {
        let patience = seconds(from, QUEUE_PATIENCE, 0.0, PATIENCE)?;
        let mut file = |name| from.find(name).map(|it| PathBuf::from(it.value));
        let (credentials, authority, share) = (file(QUEUE_CREDS), file(QUEUE_CA), file(SHARE));
        Ok(Self {
            url: from.find(QUEUE.secret()).map(|it| it.value),
            credentials,
            authority,
            patience,
            share,
        })
    }

    /// For logs: without a login.
    pub(crate) fn shown(&self) -> Option<String> {
        self.url.as_deref().map(shown)
    }

    /// How it is reached.
    pub(crate) fn options(&self) -> Options {
        Options {
            url: self.url.clone().unwrap_or_default(),
            credentials: self.credentials.clone(),
            authority: self.authority.clone(),
            start: START,
            patience: self.patience,
        }
    }
}
