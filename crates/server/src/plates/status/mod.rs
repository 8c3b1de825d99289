//! How a run stands, and `framerill plates status`.
//!
//! A [`snapshot`] is one look; `shown` makes it of the run machine's, `hud` makes words and lines of it. `scheduler` is the
//! process that shows it each second, `watcher` that process as the run sees it, and `board` the same over HTTP.

pub(super) mod board;
pub(super) mod hud;
pub(super) mod scheduler;
pub(super) mod shown;
pub(super) mod snapshot;
pub(super) mod watcher;

use std::path::Path;

use serde_json::{Value, json};

use super::run::workdir;
use crate::{exit::Exit, failure::Failure, terminal};
use snapshot::Snapshot;

/// Says how the run in `folder` stands, or stood at its end.
pub(crate) fn status(folder: &Path, as_json: bool) -> Result<Exit, Failure> {
    let shown = folder.display();
    let (bytes, is_on) = workdir::status(folder).map_err(|error| {
        Failure::usage("work_dir", format!("no run is known in `{shown}`: {error}"))
            .hint("name the run's own folder with `--work-dir`")
    })?;
    let broken = |error: serde_json::Error| {
        Failure::failed(
            "status",
            format!("`{shown}/status.json` is broken: {error}"),
        )
    };
    if as_json {
        let mut value: Value = serde_json::from_slice(&bytes).map_err(broken)?;
        value["is_on"] = json!(is_on);
        terminal::answer_json(&value);
    } else {
        let snapshot: Snapshot = serde_json::from_slice(&bytes).map_err(broken)?;
        for line in hud::screen(&snapshot) {
            terminal::answer(line);
        }
        if !is_on {
            terminal::answer("no run is on: this is how the last one stood");
        }
    }
    Ok(Exit::Done)
}
