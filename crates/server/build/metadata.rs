//! The core metadata of a Python package, read from its `pyproject.toml`.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use toml_span::Value;

/// What a wheel says of its package.
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `METADATA`.
    pub(crate) text: String,
    /// `entry_points.txt`; empty without any.
    pub(crate) entry_points: String,
}

/// Reads it.
pub(crate) fn read(folder: &Path) -> Metadata {
    let path = folder.join("pyproject.toml");
    let text = fs::read_to_string(&path).expect("pyproject.toml can be read");
    let toml =
        toml_span::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let project = |key: &str| toml.pointer(&format!("/project/{key}"));
    let name = project("name")
        .and_then(Value::as_str)
        .expect("a name")
        .to_owned();
    let version = match project("version").and_then(Value::as_str) {
        Some(version) => version.to_owned(),
        None => version_of(folder, &toml),
    };
    let mut text = format!("Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n");
    for (key, head) in [
        ("description", "Summary"),
        ("license", "License-Expression"),
        ("requires-python", "Requires-Python"),
    ] {
        if let Some(value) = project(key).and_then(Value::as_str) {
            line(&mut text, head, value);
        }
    }
    for classifier in strings(project("classifiers")) {
        line(&mut text, "Classifier", &classifier);
    }
    for needed in strings(project("dependencies")) {
        line(&mut text, "Requires-Dist", &needed);
    }
    for (extra, needed) in tables(project("optional-dependencies")) {
        line(&mut text, "Provides-Extra", &extra);
        for needed in strings(Some(needed)) {
            line(
                &mut text,
                "Requires-Dist",
                &format!("{needed}; extra == \"{extra}\""),
            );
        }
    }
    if let Some(readme) = project("readme").and_then(Value::as_str) {
        let readme = fs::read_to_string(folder.join(readme)).expect("the README can be read");
        line(&mut text, "Description-Content-Type", "text/markdown");
        write!(text, "\n{readme}").expect("a string takes all");
    }
    let mut entry_points = String::new();
    let mut section = |name: &str, points: Option<&Value<'_>>| {
        let points = tables(points);
        if points.is_empty() {
            return;
        }
        writeln!(entry_points, "[{name}]").expect("a string takes all");
        for (name, target) in points {
            let target = target.as_str().expect("module:object");
            writeln!(entry_points, "{name} = {target}").expect("a string takes all");
        }
        entry_points.push('\n');
    };
    section("console_scripts", project("scripts"));
    for (group, points) in tables(project("entry-points")) {
        section(&group, Some(points));
    }
    Metadata {
        name,
        version,
        text,
        entry_points,
    }
}

fn line(text: &mut String, head: &str, value: &str) {
    writeln!(text, "{head}: {value}").expect("a string takes all");
}

fn strings(value: Option<&Value<'_>>) -> Vec<String> {
    let all = value.and_then(Value::as_array);
    let all = all.into_iter().flatten().filter_map(Value::as_str);
    all.map(str::to_owned).collect()
}

fn tables<'a>(value: Option<&'a Value<'a>>) -> BTreeMap<String, &'a Value<'a>> {
    let all = value.and_then(Value::as_table).into_iter().flatten();
    all.map(|(key, value)| (key.name.to_string(), value))
        .collect()
}

/// `__version__` of the module that `tool.setuptools.dynamic` names.
fn version_of(folder: &Path, toml: &Value<'_>) -> String {
    let attribute = toml.pointer("/tool/setuptools/dynamic/version/attr");
    let attribute = attribute
        .and_then(Value::as_str)
        .expect("a version, or where it stands");
    let (module, variable) = attribute.rsplit_once('.').expect("module.variable");
    let path = folder.join("src").join(module.replace('.', "/"));
    let text = fs::read_to_string(path.with_extension("py"))
        .or_else(|_| fs::read_to_string(path.join("__init__.py")))
        .expect("the module of the version");
    let line = text.lines().find_map(|it| it.strip_prefix(variable));
    let value = line
        .and_then(|it| it.split('"').nth(1))
        .expect("VARIABLE = \"version\"");
    value.to_owned()
}
