//! `framerill plates models`: what is needed, and whether it is there.

use std::path::Path;

use framerill_plates::models::{Check, Choice, Entry, ModelError, Models, Role};
use serde_json::{Value, json};

use crate::{exit::Exit, failure::Failure, terminal};

/// Where models are looked for when no folder is named.
pub(super) const FOLDER: &str = "models";

fn open(folder: Option<&Path>, choice: Choice) -> Result<Models, Failure> {
    let folder = folder.unwrap_or(Path::new(FOLDER));
    let refused = |error: ModelError| Failure::cannot_start("models", error.to_string());
    Models::open(folder, choice).map_err(refused)
}

/// Names all models.
pub(crate) fn list(folder: Option<&Path>, choice: Choice, as_json: bool) -> Result<Exit, Failure> {
    let models = open(folder, choice)?;
    let of = |it: &Entry| (it.clone(), models.check(it));
    let all: Vec<_> = models.registry().entries().iter().map(of).collect();
    tell(&all, as_json);
    Ok(Exit::Done)
}

/// Says whether every file is there and is the one that was declared.
pub(crate) fn check(folder: Option<&Path>, choice: Choice, as_json: bool) -> Result<Exit, Failure> {
    let models = open(folder, choice)?;
    let of = |it: &Entry| (it.clone(), models.check(it));
    let all: Vec<_> = models.registry().entries().iter().map(of).collect();
    tell(&all, as_json);
    let refused = |error: ModelError| Failure {
        is_reported: as_json,
        ..Failure::cannot_start("models", error.to_string())
    };
    models.verify().map_err(refused)?;
    Ok(Exit::Done)
}

/// Gets the files of models that are not there: those that a run needs, or those that are named.
pub(crate) fn pull(
    folder: Option<&Path>,
    choice: Choice,
    names: &[String],
    as_json: bool,
) -> Result<Exit, Failure> {
    let models = open(folder, choice)?;
    let refused = |error: ModelError| Failure::cannot_start("models", error.to_string());
    let mut wanted = Vec::new();
    for name in names {
        let known = models.registry().get(name);
        wanted.push(known.ok_or_else(|| {
            let why =
                format!("there is no model `{name}`; `framerill plates models list` names all");
            Failure::usage("models", why)
        })?);
    }
    if names.is_empty() {
        wanted = models.missing(&Role::ALL).map_err(refused)?;
        if wanted.is_empty() {
            let dir = models.dir().display();
            terminal::tell(format_args!(
                "framerill: `{dir}` has every model that a run needs: nothing to get"
            ));
        }
    }
    for entry in &wanted {
        terminal::tell(format_args!("{}: licence {}", entry.name, entry.licence));
        let mut told = 0;
        let got = models.pull(entry, &mut |it| {
            if it.bytes >= told + (1 << 20) {
                told = it.bytes;
                terminal::tell(format_args!("{}: {} MiB", entry.name, told >> 20));
            }
        });
        got.map_err(|error| Failure::failed("models", error.to_string()))?;
    }
    let of = |it: &&Entry| ((*it).clone(), models.check(it));
    let all: Vec<_> = wanted.iter().map(of).collect();
    tell(&all, as_json);
    Ok(Exit::Done)
}

fn tell(all: &[(Entry, Check)], as_json: bool) {
    let word = |it: &Check| match it {
        Check::Good => "good".to_owned(),
        Check::Missing => "missing".to_owned(),
        Check::Bad(why) => format!("bad: {why}"),
    };
    if as_json {
        let of = |(it, check): &(Entry, Check)| -> Value {
            json!({
                "name": it.name, "role": it.role, "file": it.file, "licence": it.licence,
                "source": it.source, "urls": it.urls, "sha256": it.sha256, "check": word(check),
            })
        };
        return terminal::answer_json(&all.iter().map(of).collect::<Vec<_>>());
    }
    for (it, check) in all {
        terminal::answer(format_args!(
            "{:<20} {:<8} {:<28} {:<8} {}",
            it.name,
            it.role,
            it.file,
            word(check),
            it.licence
        ));
    }
}
