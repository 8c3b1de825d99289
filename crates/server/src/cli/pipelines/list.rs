//! `framerill pipelines list`.

use std::path::PathBuf;

use clap::Args;
use framerill_worker::filters;
use serde_json::{Value, json};

use crate::{
    environments::{self, Listing},
    exit::Exit,
    failure::Failure,
    terminal::{answer, answer_json, tell},
};

/// Every pipeline that can be named: built in, in the Python that is used, and in environments.
///
/// The Python is --python, else FRAMERILL_PYTHON, else that of the active virtual environment, of a .venv near by, else
/// python3. Environments are those of `framerill pipelines install`. Each pipeline is imported once, in a process of its
/// own, and again when its package changes; one that cannot be imported is listed with what is wrong.
#[derive(Debug, Args)]
pub(in super::super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Python to look into
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Import every pipeline again, whatever is remembered of it
    #[arg(long)]
    refresh: bool,
}

impl List {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let listing = environments::list(self.python.as_deref(), self.refresh);
        if self.json {
            answer_json(&as_json(&listing));
        } else {
            print(&listing);
        }
        Ok(Exit::Done)
    }
}

fn as_json(listing: &Listing) -> Value {
    let built_in = filters::all().iter().map(|kind| {
        json!({"name": kind.name(), "summary": kind.summary(), "language": "rust", "origin": "built-in",
               "target": kind.name(), "environment": null, "distribution": null, "version": null,
               "editable": false, "python": null, "error": null})
    });
    let found = listing.rows.iter().map(|row| {
        let it = &row.found;
        json!({"name": it.name, "summary": it.summary, "language": "python",
               "origin": format!("{} {}", it.distribution, it.version).trim(), "target": it.target,
               "environment": row.environment, "distribution": it.distribution, "version": it.version,
               "editable": it.editable, "python": row.interpreter, "error": it.error})
    });
    let broken = listing
        .broken
        .iter()
        .map(|(name, failure)| json!({"environment": name, "error": failure.to_string()}));
    json!({
        "pipelines": built_in.chain(found).collect::<Vec<_>>(),
        "python_error": listing.python_error.as_ref().map(ToString::to_string),
        "environment_errors": broken.collect::<Vec<_>>(),
    })
}

fn print(listing: &Listing) {
    let line = |name: &str, language: &str, origin: &str, environment: &str, about: &str| {
        answer(format_args!(
            "{name:<16} {language:<10} {origin:<24} {environment:<16} {about}"
        ));
    };
    line("NAME", "LANGUAGE", "ORIGIN", "ENVIRONMENT", "SUMMARY");
    for kind in filters::all() {
        line(kind.name(), "rust", "built-in", "-", kind.summary());
    }
    for row in &listing.rows {
        let it = &row.found;
        let about = match (&it.error, &it.summary) {
            (Some(error), _) if row.is_hidden => format!("hidden: {error}"),
            (Some(error), _) => format!("broken: {error}"),
            (None, Some(summary)) => summary.clone(),
            (None, None) => it.target.clone(),
        };
        let edit = if it.editable { " (editable)" } else { "" };
        let origin = format!("{} {}{edit}", it.distribution, it.version);
        line(
            &it.name,
            "python",
            &origin,
            row.environment.as_deref().unwrap_or("-"),
            &about,
        );
    }
    if let Some(error) = &listing.python_error {
        tell(format_args!(
            "framerill: no Python pipelines are listed but those of environments: {error}"
        ));
    }
    for (name, failure) in &listing.broken {
        tell(format_args!(
            "framerill: environment `{name}` is broken: {failure}"
        ));
    }
}
