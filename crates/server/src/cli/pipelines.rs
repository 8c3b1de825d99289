//! `framerill pipelines`.

mod install;
mod list;
mod prepare;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use framerill_worker::{filters, message::Description, runtime};
use serde_json::Value;

use crate::{
    environments::Effort,
    exit::Exit,
    failure::Failure,
    python,
    question::WITHIN,
    run::{self, Pipeline},
    terminal::answer_json,
};

/// List, describe, install and prepare pipelines.
#[derive(Debug, Subcommand)]
pub(super) enum Pipelines {
    /// Every pipeline that can be named: built in, in the Python that is used, and in environments
    List(list::List),
    /// What one pipeline is and which parameters it has; loads no model
    Describe {
        /// Built-in name, FILE.py, module:Class or the name of an installed package's entry point
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Python to look into
        #[arg(long, value_name = "PATH")]
        python: Option<PathBuf>,
    },
    Install(install::Install),
    Remove(install::Remove),
    Prepare(prepare::Prepare),
    New(super::pipelines_new::New),
}

impl Pipelines {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.run(),
            Self::New(new) => new.run(),
            Self::Describe { name, json, python } => {
                let description = describe(&name, python.as_deref())?;
                if json {
                    answer_json(&description);
                } else {
                    print_description(&description);
                }
                Ok(Exit::Done)
            }
            Self::Install(install) => install.run(),
            Self::Remove(remove) => remove.run(),
            Self::Prepare(prepare) => prepare.run(),
        }
    }
}

/// Failures after which a plain name may be a slip of the finger.
const NOBODY_KNOWS_IT: [&str; 3] = ["unknown_pipeline", "no_python_package", "no_program"];

/// The description of a pipeline by any of its names.
fn describe(name: &str, python: Option<&Path>) -> Result<Description, Failure> {
    if let Some(kind) = filters::find(name) {
        return Ok(runtime::describe(kind));
    }
    let pipeline = Pipeline::find(name)?.placed(python, Effort::Thorough)?;
    let interpreter = run::interpreter(&pipeline, python)?;
    let command = run::question(&pipeline, &interpreter, "describe");
    let value = match python::ask_command_of(&interpreter, command, WITHIN) {
        Err(failure)
            if pipeline.is_plain_name() && NOBODY_KNOWS_IT.contains(&failure.code.as_str()) =>
        {
            return Err(pipeline.unknown(python));
        }
        other => other?,
    };
    serde_json::from_value(value).map_err(|error| {
        Failure::failed(
            "describe",
            format!("the pipeline's description is wrong: {error}"),
        )
        .hint("bring the Python package and framerill to the same version")
    })
}

fn print_description(it: &Description) {
    crate::terminal::answer(format_args!("{}: {}", it.name, it.summary));
    crate::terminal::answer(format_args!(
        "  origin       {} ({})",
        it.origin, it.language
    ));
    crate::terminal::answer(format_args!(
        "  sees         {} pictures{}",
        format_name(it),
        if it.audio { " and sound" } else { "" }
    ));
    crate::terminal::answer(format_args!(
        "  history      {} frames beyond the one at work",
        it.history
    ));
    crate::terminal::answer(format_args!(
        "  shareable    {}",
        if it.shareable { "yes" } else { "no" }
    ));
    crate::terminal::answer(format_args!(
        "  hung after   {} s without an output",
        it.max_frame_time
    ));
    let properties = it
        .params_schema
        .get("properties")
        .and_then(Value::as_object);
    let Some(properties) = properties.filter(|it| !it.is_empty()) else {
        crate::terminal::answer(format_args!("  parameters   none"));
        return;
    };
    crate::terminal::answer(format_args!("  parameters"));
    for (name, schema) in properties {
        let default = it
            .defaults
            .get(name)
            .map_or(String::new(), |it| format!(" [default: {it}]"));
        crate::terminal::answer(format_args!(
            "    {name:<14} {:<10} {}{default}",
            kind_of(schema),
            about(schema)
        ));
    }
}

fn format_name(it: &Description) -> String {
    serde_json::to_value(it.pixel_format)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn kind_of(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("|"),
        _ => "one of".into(),
    }
}

/// The values of a parameter that has only some: as `enum`, or as `oneOf` with a `const` each.
fn choices(schema: &Value) -> Option<String> {
    let listed = schema.get("enum").and_then(Value::as_array);
    let each = schema.get("oneOf").and_then(Value::as_array);
    let values: Vec<_> = match (listed, each) {
        (Some(values), _) => values.iter().collect(),
        (None, Some(each)) => each.iter().filter_map(|it| it.get("const")).collect(),
        (None, None) => return None,
    };
    let shown = values.into_iter().map(|it| match it {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Some(shown.collect::<Vec<_>>().join(", "))
}

fn about(schema: &Value) -> String {
    let text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or("");
    let mut about = text.lines().collect::<Vec<_>>().join(" ");
    if let Some(choices) = choices(schema) {
        about = format!("{about} ({choices})");
    }
    for (key, word) in [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("maxLength", "characters at most"),
    ] {
        if let Some(bound) = schema.get(key) {
            about = format!("{about} ({word} {bound})");
        }
    }
    about.trim().to_owned()
}
