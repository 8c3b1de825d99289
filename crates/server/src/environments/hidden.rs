//! Packages whose pipeline has the name of a built-in one, which goes before it.

use std::path::Path;

use super::{
    home::Home,
    lookup::Effort,
    record,
    scan::{EntryPoint, Place},
    wheels,
};
use crate::program;

/// What a reader should know of each package that brings a pipeline of a built-in one's name.
pub(crate) fn hidden(name: &str, python: Option<&Path>, effort: Effort) -> Vec<String> {
    let Ok(home) = Home::find() else {
        return Vec::new();
    };
    let known = |place: &Place| {
        let all = match effort {
            Effort::Quick => place.remembered(&home).map(|it| it.pipelines),
            Effort::Thorough => place.names(&home).ok(),
        };
        let is_it = |it: &EntryPoint| it.name == name && !wheels::is_ours(&it.distribution);
        let all = all.unwrap_or_default().into_iter();
        all.filter(is_it).collect::<Vec<_>>()
    };
    let usual = known(&Place::Usual(program::python(python)));
    let mut notes: Vec<_> = usual.iter().map(|it| note(name, it, None)).collect();
    for record in record::all(&home) {
        let interpreter = record.interpreter(&home);
        let place = (record.name.as_str(), interpreter.as_path());
        let found = known(&Place::Own(interpreter.clone()));
        notes.extend(found.iter().map(|it| note(name, it, Some(place))));
    }
    notes
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
