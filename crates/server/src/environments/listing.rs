//! Everything that can be named, in one list: built in, in the usual Python, in environments.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use framerill_worker::filters;

use super::{
    hidden::instead,
    home::Home,
    places::{of_each, places},
    record::{self, Record},
    scan::{EntryPoint, Place, Scan},
    wheels,
};
use crate::failure::Failure;

/// A pipeline of a package, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) found: EntryPoint,
    /// The environment's name; none is the usual Python.
    pub(crate) environment: Option<String>,
    pub(crate) interpreter: PathBuf,
    /// Another one of its name goes before it.
    pub(crate) is_hidden: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) rows: Vec<Row>,
    /// Why the usual Python was not looked into.
    pub(crate) python_error: Option<Failure>,
    /// Environments that cannot be looked into, and why.
    pub(crate) broken: Vec<(String, Failure)>,
}

/// Looks into the usual Python and all environments, at the same time. With `fresh`, whatever is remembered.
pub(crate) fn list(python: Option<&Path>, fresh: bool) -> Listing {
    let home = match Home::find() {
        Ok(home) => home,
        Err(failure) => {
            return Listing {
                python_error: Some(failure),
                ..Listing::default()
            };
        }
    };
    let records = record::all(&home);
    let places = places(python, &records, &home);
    let look = |place: &Place| match fresh {
        true => place.scan(&home),
        false => place.look(&home),
    };
    let mut scans = of_each(&places, look).into_iter();
    let usual = scans.next();
    let environments = records.iter().zip(scans).zip(&places[1..]);
    merge(
        usual.zip(places.first()),
        environments.map(|((record, scan), place)| (record, scan, place)),
    )
}

/// The names of all pipelines of packages, sorted, and why the usual Python was not asked. Nothing is imported.
pub(crate) fn names(python: Option<&Path>) -> (Vec<String>, Option<Failure>) {
    let home = match Home::find() {
        Ok(home) => home,
        Err(failure) => return (Vec::new(), Some(failure)),
    };
    let records = record::all(&home);
    let places = places(python, &records, &home);
    let mut answers = of_each(&places, |place| place.names(&home)).into_iter();
    let (usual, python_error) = match answers.next() {
        Some(Ok(found)) => (found, None),
        Some(Err(failure)) => (Vec::new(), Some(failure)),
        None => (Vec::new(), None),
    };
    let found = usual.into_iter().chain(answers.flatten().flatten());
    let usable = found.filter(|it| it.error.is_none());
    let names: BTreeSet<String> = usable.map(|it| it.name).collect();
    (names.into_iter().collect(), python_error)
}

/// Says which of those that have the same name is taken: built in, then the usual Python's, then environments' by name.
fn merge<'a>(
    usual: Option<(Result<Scan, Failure>, &Place)>,
    environments: impl Iterator<Item = (&'a Record, Result<Scan, Failure>, &'a Place)>,
) -> Listing {
    let mut listing = Listing::default();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let is_built_in = |name: &str| filters::find(name).is_some();
    let mut add = |listing: &mut Listing, scan: Scan, place: &Place, environment: Option<&str>| {
        for mut found in scan.pipelines {
            // Every environment has these; the usual Python tells of them once.
            if environment.is_some() && wheels::is_ours(&found.distribution) {
                continue;
            }
            let own = match environment {
                Some(name) => format!("{} {} in `{name}`", found.distribution, found.version),
                None => format!("{} {}", found.distribution, found.version),
            };
            let mut is_hidden = false;
            if found.error.is_none() {
                let owner = taken.get(&found.name).map(String::as_str);
                let built_in = is_built_in(&found.name).then_some("framerill's own");
                if let Some(owner) = built_in.or(owner) {
                    is_hidden = true;
                    let python = environment.map(|_| place.interpreter());
                    let instead = instead(&found.target, python);
                    found.error = Some(format!("the name is taken by {owner}; {instead}"));
                } else {
                    taken.insert(found.name.clone(), own);
                }
            }
            listing.rows.push(Row {
                found,
                environment: environment.map(str::to_owned),
                interpreter: place.interpreter().to_owned(),
                is_hidden,
            });
        }
    };
    match usual {
        Some((Ok(scan), place)) => add(&mut listing, scan, place, None),
        Some((Err(failure), _)) => listing.python_error = Some(failure),
        None => {}
    }
    for (record, scan, place) in environments {
        match scan {
            Ok(scan) => add(&mut listing, scan, place, Some(record.name.as_str())),
            Err(failure) => listing.broken.push((record.name.to_string(), failure)),
        }
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::{super::record::example, *};

    fn scan(pipelines: &[EntryPoint]) -> Result<Scan, Failure> {
        Ok(Scan::of(pipelines))
    }

    #[test]
    fn the_first_of_a_name_has_it_and_the_others_say_so() {
        let usual = Place::Usual("python3".into());
        let own = Place::Own("env/bin/python".into());
        let record = example("glow", &[]);
        let broken = EntryPoint {
            error: Some("no torch".into()),
            ..EntryPoint::example("matte", "matte")
        };
        let first = scan(&[
            EntryPoint::example("glow", "glow"),
            EntryPoint::example("invert", "mine"),
            broken,
        ]);
        let second = scan(&[
            EntryPoint::example("glow", "glow"),
            EntryPoint::example("other", "glow"),
            EntryPoint::example("matte", "matte"),
            EntryPoint::example("noop", "framerill"),
        ]);
        let listing = merge(Some((first, &usual)), [(&record, second, &own)].into_iter());
        let told: Vec<_> = listing
            .rows
            .iter()
            .map(|it| {
                (
                    it.found.name.as_str(),
                    it.environment.as_deref(),
                    it.found.error.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("glow", None, None),
                (
                    "invert",
                    None,
                    Some("the name is taken by framerill's own; name that one `m:C`")
                ),
                ("matte", None, Some("no torch")),
                (
                    "glow",
                    Some("glow"),
                    Some(
                        "the name is taken by glow 1.0; name that one `m:C`, with --python env/bin/python"
                    )
                ),
                ("other", Some("glow"), None),
                // What is broken takes nobody's name.
                ("matte", Some("glow"), None),
            ]
        );
    }

    #[test]
    fn an_environment_that_is_broken_leaves_the_others_alone() {
        let usual = Place::Usual("python3".into());
        let own = Place::Own("env/bin/python".into());
        let record = example("glow", &[]);
        let gone = || Err(Failure::cannot_start("no_program", "gone"));
        let all = [
            (&record, gone(), &own),
            (&record, scan(&[EntryPoint::example("other", "o")]), &own),
        ];
        let listing = merge(Some((gone(), &usual)), all.into_iter());
        assert_eq!((listing.rows.len(), listing.broken.len()), (1, 1));
        assert!(listing.python_error.is_some());
    }
}
