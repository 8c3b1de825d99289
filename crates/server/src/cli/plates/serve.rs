//! `framerill plates serve`.

use clap::Args;

use super::Place;
use crate::{
    exit::Exit, failure::Failure, init, memory_size::memory_limit, plates::api, plates::records,
};

/// Serve plates, tracks, pictures and clips over HTTP until Ctrl-C.
///
/// It reads the database of the runs and the videos that its rows name. What it answers is at `/openapi.json`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address or host name to listen on
    #[arg(
        long,
        value_name = "HOST",
        default_value = "127.0.0.1",
        env = "FRAMERILL_PLATES_HOST"
    )]
    host: String,
    /// Port; 0 is any free one
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 8001,
        env = "FRAMERILL_PLATES_PORT"
    )]
    port: u16,
    /// Folder with the source videos; others are shown only where they are the very files that were read
    /// [default: inputs] [env: FRAMERILL_VIDEO_ROOT, VIDEO_ROOT]
    #[arg(long, value_name = "DIR")]
    video_root: Option<String>,
    /// Folder for pictures and clips [default: frame_store/snippets] [env: FRAMERILL_SNIPPET_ROOT, SNIPPET_ROOT]
    #[arg(long, value_name = "DIR")]
    snippet_root: Option<String>,
    /// What they may take of the disk together, such as 2G; the oldest go first
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1G",
        value_parser = memory_limit,
        env = "FRAMERILL_SNIPPET_BYTES"
    )]
    snippet_bytes: u64,
    /// Print one JSON object a line: the address at the start
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Serve {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut place = records::Place::from(self.place);
        for (flag, value) in [
            ("--video-root", self.video_root),
            ("--snippet-root", self.snippet_root),
        ] {
            if let Some(value) = value {
                place.flags.insert(flag, value);
            }
        }
        init::beneath(|| {
            api::serve(api::Serve {
                flags: place.flags,
                config: place.config,
                host: self.host,
                port: self.port,
                snippet_bytes: self.snippet_bytes,
                json: self.json,
            })
        })
    }
}
