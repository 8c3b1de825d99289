//! `framerill pipelines install` and `remove`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use framerill_worker::filters;
use serde_json::json;

use crate::{
    environments::{self, Made, Wanted},
    exit::Exit,
    failure::Failure,
    run,
    terminal::{answer, answer_json, tell},
};

/// Install a package of pipelines into an environment of its own.
///
/// The environment has its own packages, so that pipelines whose dependencies conflict run side by side, and is used
/// wherever one of its pipelines is named. It is made by uv where that is on the PATH, else by Python's venv and pip; their
/// own settings (UV_…, PIP_…) count. framerill's own Python packages come with this program and from no index. An earlier
/// environment of the name works until the new one does. What is there already is not installed again.
#[derive(Debug, Args)]
pub(in super::super) struct Install {
    /// Package (my-pipeline, my-pipeline==1.2), path (./my-pipeline, a wheel) or repository (git+https://…)
    #[arg(value_name = "PACKAGE|PATH|GIT", allow_hyphen_values = true)]
    spec: String,
    /// Name of the environment [default: the package's]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Python to make the environment with [default: the active environment's, .venv near by, python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Ask no index: everything is in --find-links
    #[arg(long)]
    no_index: bool,
    /// Folder of wheels, or page of links, to look for packages in, too
    #[arg(long, value_name = "DIR")]
    find_links: Vec<String>,
    /// Use the sources where they lie, so that a change counts at the next start
    #[arg(short, long)]
    editable: bool,
    /// Install anew, and take newer versions, even if it is there
    #[arg(short = 'U', long)]
    upgrade: bool,
    /// Give up after this time: seconds, or 1:02:03
    #[arg(long, value_name = "S", default_value = "1800", value_parser = run::positive_seconds)]
    timeout: f64,
    /// Print JSON; what the installer says goes to stderr either way
    #[arg(long)]
    json: bool,
}

impl Install {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let wanted = Wanted {
            spec: self.spec,
            env: self.env,
            python: self.python,
            index: !self.no_index,
            find_links: self.find_links,
            editable: self.editable,
            upgrade: self.upgrade,
            within: Duration::from_secs_f64(self.timeout),
        };
        let made = environments::install(&wanted, |line| tell(line))?;
        let works = made.pipelines.iter().all(|it| it.error.is_none());
        if self.json {
            report(&made, works);
        } else {
            print(&made);
        }
        Ok(if works { Exit::Done } else { Exit::Failed })
    }
}

fn report(made: &Made, works: bool) {
    let pipelines = made.pipelines.iter().map(|it| {
        json!({"name": it.name, "target": it.target, "summary": it.summary, "error": it.error})
    });
    let it = &made.record;
    answer_json(&json!({
        "status": if works { "done" } else { "failed" },
        "environment": it.name, "distribution": it.distribution, "version": it.version, "editable": it.editable,
        "python": made.interpreter, "python_version": it.python, "installer": it.installer,
        "was_there": made.was_there, "pipelines": pipelines.collect::<Vec<_>>(),
    }));
}

fn print(made: &Made) {
    let it = &made.record;
    let done = if made.was_there {
        "is there already"
    } else {
        "installed"
    };
    answer(format_args!(
        "{} {} {done} in environment `{}` (Python {}, {})",
        it.distribution, it.version, it.name, it.python, it.installer
    ));
    for pipeline in &made.pipelines {
        match &pipeline.error {
            None if filters::find(&pipeline.name).is_some() => answer(format_args!(
                "  {:<16} hidden: a built-in pipeline is called so; {}",
                pipeline.name,
                environments::instead(&pipeline.target, Some(&made.interpreter))
            )),
            None => answer(format_args!(
                "  {:<16} {}",
                pipeline.name,
                pipeline.summary.as_deref().unwrap_or(&pipeline.target)
            )),
            Some(error) => {
                answer(format_args!("  {:<16} broken: {error}", pipeline.name));
                tell(format_args!(
                    "framerill: `{}` cannot be used: {error}",
                    pipeline.name
                ));
            }
        }
    }
}

/// Remove an environment.
///
/// Workers that run in it go on; its files go with the last of them.
#[derive(Debug, Args)]
pub(in super::super) struct Remove {
    /// Name of the environment, as `framerill pipelines list` shows it
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Remove {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if !environments::remove(&self.name)? {
            let text = format!("there is no environment `{}`", self.name);
            return Err(Failure::usage("unknown_environment", text)
                .hint("`framerill pipelines list` shows all that have a pipeline"));
        }
        if self.json {
            answer_json(&json!({"status": "done", "environment": self.name}));
        } else {
            answer(format_args!("environment `{}` is removed", self.name));
        }
        Ok(Exit::Done)
    }
}
