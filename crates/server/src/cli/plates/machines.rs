//! Flags of the commands over many machines.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::Common;
use crate::{
    exit::Exit,
    failure::Failure,
    plates::machines::{self, QueueSettings, Working},
};

/// Take videos from a queue that machines share, and read them.
///
/// It ends with Ctrl-C or SIGTERM: what is begun goes back to the queue, and another worker goes on.
#[derive(Debug, Args)]
pub(super) struct Work {
    /// Read so many videos at once, each with all its processes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    parallel: u32,
    /// End when there was nothing to do for so many seconds
    #[arg(long, value_name = "S")]
    idle_exit: Option<u32>,
    /// Seconds without a word after which a worker counts as dead; of the first worker of a queue
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=3600))]
    ack_wait: u32,
    /// Tries of a video before it is set aside
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    max_deliveries: u32,
    /// Bytes of an uploaded video at most, such as 20G
    #[arg(long, value_name = "SIZE", default_value = "20G", value_parser = crate::memory_size::memory_limit)]
    max_file: u64,
    #[command(flatten)]
    common: Common,
}

impl Work {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let working = Working {
            parallel: self.parallel,
            idle_exit: self.idle_exit.map(|it| Duration::from_secs(it.into())),
            ack_wait: Duration::from_secs(self.ack_wait.into()),
            most_tries: self.max_deliveries.into(),
            largest: self.max_file,
        };
        machines::work(self.common.asked(), working)
    }
}

/// Which queue.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// A queue that machines share: nats://HOST:PORT or tls://HOST:PORT, with a login before HOST
    #[arg(long, value_name = "URL")]
    queue: Option<String>,
    /// Credentials file of NATS
    #[arg(long, value_name = "FILE", requires = "queue")]
    queue_creds: Option<PathBuf>,
    /// Certificates of authorities for TLS, besides the system's
    #[arg(long, value_name = "FILE", requires = "queue")]
    queue_ca: Option<PathBuf>,
}

impl Where {
    /// The queue that is named, if one is.
    pub(super) fn address(&self) -> Option<QueueSettings> {
        let url = self.queue.clone()?;
        Some(QueueSettings {
            url: Some(url),
            credentials: self.queue_creds.clone(),
            authority: self.queue_ca.clone(),
            ..QueueSettings::default()
        })
    }
}
