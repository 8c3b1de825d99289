//! Which Python has the pipeline of a name.

use std::path::{Path, PathBuf};

use super::{
    home::Home,
    name::Name,
    record::{self, Record},
    renew,
    scan::Place,
};
use crate::{failure::Failure, program};

/// How long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// What is written down counts; no process is started.
    Quick,
    /// Pythons that have changed are asked for their metadata.
    Thorough,
}

/// The environment that a plain name lives in; none is the usual Python, which then says so itself if nobody has it.
///
/// An exact name goes before the part before its first hyphen, and the usual Python before environments.
pub(crate) fn environment_of(
    name: &str,
    python: Option<&Path>,
    effort: Effort,
) -> Result<Option<Name>, Failure> {
    let Ok(home) = Home::find() else {
        return Ok(None);
    };
    let records = record::all(&home);
    let base = family_name(name);
    let is_named = |record: &Record, name: &str| names(record, &home).iter().any(|it| it == name);
    let of = |name: &str| records.iter().find(|it| is_named(it, name));
    let (exact, family) = (of(name), of(base));
    if exact.is_none() && family.is_none() {
        return Ok(None);
    }
    let usual = Place::Usual(program::python(python));
    let known = match effort {
        Effort::Quick => usual.remembered(&home).map(|it| it.pipelines),
        Effort::Thorough => usual.names(&home).ok(),
    };
    let usual: Vec<_> = known
        .unwrap_or_default()
        .into_iter()
        .map(|it| it.name)
        .collect();
    let family = family.map(|it| &it.name);
    let Some(chosen) = choose(name, &usual, exact.map(|it| &it.name), family) else {
        return Ok(None);
    };
    let record = records.iter().find(|it| it.name == *chosen);
    if let Some(record) = record.filter(|_| effort == Effort::Thorough) {
        // Where it cannot be had, which is told, the old one may do.
        renew::if_old(&home, record)?;
    }
    Ok(Some(chosen.clone()))
}

/// What a variant without an entry point of its own is one of: `glow` of `glow-night`.
fn family_name(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

/// Whether a plain name is that of a pipeline of the usual Python or of an environment, or a variant of one. None where
/// that Python cannot be asked. Nothing is imported.
pub(crate) fn is_known(name: &str, python: Option<&Path>) -> Result<Option<bool>, Failure> {
    let Ok(home) = Home::find() else {
        return Ok(None);
    };
    if environment_of(name, python, Effort::Quick)?.is_some() {
        return Ok(Some(true));
    }
    let base = family_name(name);
    let usual = Place::Usual(program::python(python)).names(&home).ok();
    Ok(usual.map(|all| all.iter().any(|it| it.name == name || it.name == base)))
}

fn choose<'a>(
    name: &str,
    usual: &[String],
    exact: Option<&'a Name>,
    family: Option<&'a Name>,
) -> Option<&'a Name> {
    let base = family_name(name);
    let has = |name: &str| usual.iter().any(|it| it == name);
    match () {
        () if has(name) => None,
        () if exact.is_some() => exact,
        () if has(base) => None,
        () => family,
    }
}

/// The names that an environment has: as looked at last, else as installed.
fn names(record: &Record, home: &Home) -> Vec<String> {
    let scan = Place::Own(record.interpreter(home)).remembered(home);
    scan.map_or_else(
        || record.pipelines.clone(),
        |it| it.pipelines.into_iter().map(|it| it.name).collect(),
    )
}

/// The Python of an environment, as it is installed now.
pub(crate) fn interpreter(name: &str) -> Result<PathBuf, Failure> {
    let home = Home::find()?;
    let gone = || {
        Failure::cannot_start(
            "no_environment",
            format!("there is no environment `{name}` any more"),
        )
        .hint("`framerill pipelines install` makes it anew")
    };
    let name = Name::parse(name).map_err(|_| gone())?;
    let record = record::of(&home, &name).ok_or_else(gone)?;
    Place::Own(record.interpreter(&home)).is_there()?;
    Ok(record.interpreter(&home))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_goes_before_a_family_and_the_usual_python_before_environments() {
        let environment = Name::parse("env").unwrap();
        let env = Some(&environment);
        let usual = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        for (has, exact, family, expected) in [
            (&["glow-sd15"][..], env, env, None),
            (&["glow"], env, None, env),
            (&["glow"], None, env, None),
            (&["other"], None, env, env),
            (&[], None, None, None),
        ] {
            assert_eq!(
                choose("glow-sd15", &usual(has), exact, family),
                expected,
                "{has:?}"
            );
        }
    }
}
