//! `framerill plates status`.

use std::path::Path;

use serde_json::{Value, json};

use super::{hud, snapshot::Snapshot, workdir};
use crate::{exit::Exit, failure::Failure, terminal};

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
