//! Packages whose pipeline has the name of a built-in one, which goes before it. Looked for without a Python, so that a
//! start costs nothing more: in what is remembered, else in the metadata that lies beside the interpreter.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{
    home::Home,
    record,
    scan::{EntryPoint, Place, Scan},
    wheels,
};
use crate::program;

/// Folders of packages that are looked into, and packages in each.
const MAX_FOLDERS: usize = 64;
const MAX_PACKAGES: usize = 4096;
const MAX_METADATA_BYTES: u64 = 1 << 20;
const GROUPS: [&str; 2] = ["[ai_runner.pipelines]", "[ai_runner.pipeline]"];

/// What a reader should know of each package that brings a pipeline of a built-in one's name.
pub(crate) fn hidden(name: &str, python: Option<&Path>) -> Vec<String> {
    let Ok(home) = Home::find() else {
        return Vec::new();
    };
    let usual = program::python(python);
    let scan = Place::Usual(usual.clone()).remembered(&home);
    let found = scan.map_or_else(
        || {
            search_path(&usual)
                .iter()
                .flat_map(|it| named(it, name))
                .collect()
        },
        |it| of_scan(it, name),
    );
    let mut notes: Vec<_> = found
        .iter()
        .map(|it| note(name, &it.0, &it.1, None))
        .collect();
    for record in record::all(&home) {
        let interpreter = record.interpreter(&home);
        let scan = Place::Own(interpreter.clone()).remembered(&home);
        let found = scan.map_or_else(
            || {
                let site = sites(&interpreter);
                site.iter().flat_map(|it| named(it, name)).collect()
            },
            |it| of_scan(it, name),
        );
        let place = (record.name.as_str(), interpreter.as_path());
        notes.extend(found.iter().map(|it| note(name, &it.0, &it.1, Some(place))));
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

fn note(name: &str, package: &str, target: &str, place: Option<(&str, &Path)>) -> String {
    let (at, python) = match place {
        Some((environment, python)) => (format!(" in environment `{environment}`"), Some(python)),
        None => (String::new(), None),
    };
    format!(
        "`{name}` is the built-in pipeline, which hides the one of the package {package}{at}; {}",
        instead(target, python)
    )
}

fn of_scan(scan: Scan, name: &str) -> Vec<(String, String)> {
    let is_it = |it: &EntryPoint| it.name == name && !wheels::is_ours(&it.distribution);
    let found = scan.pipelines.into_iter().filter(is_it);
    found
        .map(|it| (format!("{} {}", it.distribution, it.version), it.target))
        .collect()
}

/// Where the usual Python looks for packages, as far as it can be told without asking it.
fn search_path(python: &Path) -> Vec<PathBuf> {
    let told = env::var_os("PYTHONPATH").unwrap_or_default();
    let told = env::split_paths(&told).filter(|it| !it.as_os_str().is_empty());
    let all = told.chain(sites(python));
    all.take(MAX_FOLDERS).collect()
}

/// The folders of packages of the environment that an interpreter belongs to.
fn sites(python: &Path) -> Vec<PathBuf> {
    let Some(prefix) = python.parent().and_then(Path::parent) else {
        return Vec::new();
    };
    let libraries = fs::read_dir(prefix.join("lib")).into_iter().flatten();
    libraries
        .flatten()
        .filter(|it| it.file_name().to_string_lossy().starts_with("python"))
        .flat_map(|it| ["site-packages", "dist-packages"].map(|name| it.path().join(name)))
        .take(MAX_FOLDERS)
        .collect()
}

/// Packages of a folder that register the name, each with the class.
fn named(site: &Path, name: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(site).into_iter().flatten().flatten();
    let infos = entries.take(MAX_PACKAGES).filter_map(|it| {
        let file_name = it.file_name().into_string().ok()?;
        let stem = file_name.strip_suffix(".dist-info")?;
        let (package, version) = stem.split_once('-')?;
        let text = it.path().join("entry_points.txt");
        let is_short = fs::metadata(&text).ok()?.len() <= MAX_METADATA_BYTES;
        let text = is_short.then(|| fs::read_to_string(&text).ok())??;
        let target = registered(&text, name)?;
        (!wheels::is_ours(package)).then(|| (format!("{package} {version}"), target.to_owned()))
    });
    infos.collect()
}

/// The class that `entry_points.txt` registers under a name.
fn registered<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut is_ours = false;
    text.lines().map(str::trim).find_map(|line| {
        if line.starts_with('[') {
            is_ours = GROUPS.contains(&line);
            return None;
        }
        let (key, value) = line.split_once('=')?;
        (is_ours && key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pipelines_of_the_two_groups_are_registered() {
        let text =
            "[console_scripts]\nblur = a:b\n\n[ai_runner.pipeline]\n blur=mine.pipeline:Blur\n";
        assert_eq!(registered(text, "blur"), Some("mine.pipeline:Blur"));
        assert_eq!(registered(text, "invert"), None);
        assert_eq!(registered("[console_scripts]\nblur = a:b\n", "blur"), None);
    }

    #[test]
    fn a_note_names_the_package_and_how_it_is_reached() {
        assert_eq!(
            note("blur", "mine 1.0", "mine:Blur", None),
            "`blur` is the built-in pipeline, which hides the one of the package mine 1.0; name that one `mine:Blur`"
        );
        let place = Some(("soft", Path::new("/e/bin/python")));
        assert!(note("blur", "mine 1.0", "mine:Blur", place).ends_with(
            "in environment `soft`; name that one `mine:Blur`, with --python /e/bin/python"
        ));
    }
}
