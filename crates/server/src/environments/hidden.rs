//! Packages whose pipeline has the name of a built-in one, which goes before it.

use std::{iter, path::Path};

use super::{
    home::Home,
    lookup::Effort,
    places::{of_each, places},
    record,
    scan::{EntryPoint, Place},
    wheels,
};
/// What a reader should know of each package that brings a pipeline of a built-in one's name.
pub(crate) fn hidden(name: &str, python: Option<&Path>, effort: Effort) -> Vec<String> {
    let Ok(home) = Home::find() else {
        return Vec::new();
    };
    let records = record::all(&home);
    let places = places(python, &records, &home);
    let known = |place: &Place| match effort {
        Effort::Quick => Ok(place
            .remembered(&home)
            .map_or_else(Vec::new, |it| it.pipelines)),
        Effort::Thorough => place.names(&home),
    };
    let environments = records.iter().map(|it| Some(it.name.as_str()));
    let all = iter::once(None).chain(environments).zip(&places);
    let found = all.zip(of_each(&places, known));
    let notes = found.flat_map(|((environment, place), found)| {
        let at = environment.map(|it| (it, place.interpreter()));
        let is_it = |it: &EntryPoint| it.name == name && !wheels::is_ours(&it.distribution);
        let found = found.into_iter().flatten().filter(is_it);
        found.map(|it| note(name, &it, at)).collect::<Vec<_>>()
    });
    notes.collect()
}

/// How a pipeline is named that a built-in one hides.
pub(crate) fn instead(target: &str, environment: Option<&Path>) -> String {
    match environment {
        None => format!("name that one `{target}`"),
        Some(python) => format!(
            "name that one `{target}`, with --python {}",
            python.display()
        ),
    }
}

fn note(name: &str, found: &EntryPoint, place: Option<(&str, &Path)>) -> String {
    let (at, python) = match place {
        Some((environment, python)) => (format!(" in environment `{environment}`"), Some(python)),
        None => (String::new(), None),
    };
    format!(
        "`{name}` is the built-in pipeline, which hides the one of the package {} {}{at}; {}",
        found.distribution,
        found.version,
        instead(&found.target, python)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_the_package_and_how_it_is_reached() {
        let found = EntryPoint::example("blur", "mine");
        assert_eq!(
            note("blur", &found, None),
            "`blur` is the built-in pipeline, which hides the one of the package mine 1.0; name that one `m:C`"
        );
        let place = Some(("soft", Path::new("/e/bin/python")));
        assert!(
            note("blur", &found, place).ends_with(
                "in environment `soft`; name that one `m:C`, with --python /e/bin/python"
            )
        );
    }
}
