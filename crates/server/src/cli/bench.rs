//! `framerill bench`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::{bench, exit::Exit, failure::Failure};

/// Measure this machine.
#[derive(Debug, Subcommand)]
pub(super) enum Bench {
    /// Round trips of pictures over the frame link, beside bare socket ping-pongs in the same run
    Link {
        /// Round trips of each kind
        #[arg(long, value_name = "N", default_value_t = 20_000)]
        frames: u32,
        /// Python of the Python worker
        #[arg(long, value_name = "PATH")]
        python: Option<PathBuf>,
        /// Leave both ends where the kernel puts them, and measure what waking another core costs too
        #[arg(long)]
        any_core: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What a live stream costs, how late it is and how soon it begins, beside FFmpeg in the same run
    Live {
        /// About how long each stream lasts
        #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(6..=600))]
        seconds: u32,
        /// Streams started one after the other, to see what they leave behind
        #[arg(long, value_name = "N", default_value_t = 1000)]
        starts: u32,
        /// Only this measurement: noop, python, answers, many or starts
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What each way to write a Python pipeline costs a frame, beside one that does nothing in the same run
    Python {
        /// Round trips of each kind
        #[arg(long, value_name = "N", default_value_t = 4000)]
        frames: u32,
        /// About how long each live stream lasts
        #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(6..=600))]
        seconds: u32,
        /// Python of the workers
        #[arg(long, value_name = "PATH")]
        python: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What the trickle server costs and how late bytes are, beside a bare relay in the same run
    Trickle {
        /// About how long each load lasts
        #[arg(long, value_name = "N", default_value_t = 12)]
        seconds: u32,
        /// Only loads whose names contain this
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The measure of `bench trickle` (started by it, not by hand)
    #[command(hide = true)]
    BareRelay,
    /// The other end of the ping-pong (started by `bench link`, not by hand)
    #[command(hide = true)]
    Echo,
}

impl Bench {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Link {
                frames,
                python,
                any_core,
                json,
            } => bench::link(frames, python.as_deref(), any_core, json),
            Self::Live {
                seconds,
                starts,
                only,
                json,
            } => bench::live(&bench::Live {
                seconds,
                starts,
                only,
                json,
            }),
            Self::Python {
                frames,
                seconds,
                python,
                json,
            } => bench::python(frames, seconds, python.as_deref(), json),
            Self::Trickle {
                seconds,
                only,
                json,
            } => bench::trickle(seconds, only.as_deref(), json),
            Self::BareRelay => bench::bare_relay(),
            Self::Echo => Ok(Exit::OfChild(bench::echo())),
        }
    }
}
