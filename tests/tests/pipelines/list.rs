//! `framerill pipelines list`: what it starts once everything was looked at, and what it tells of names.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use framerill_tests::python;
use serde_json::json;

use crate::rig::{Ended, Rig, code};

const MANY: usize = 20;

/// A package as installers leave it: a module and its metadata.
pub(crate) fn put(site: &Path, name: &str, points: &str) {
    fs::create_dir_all(site).expect("a folder");
    fs::write(site.join(format!("{name}.py")), code("")).expect("a file");
    let info = site.join(format!("{name}-1.0.dist-info"));
    fs::create_dir_all(&info).expect("a folder");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
    fs::write(info.join("METADATA"), metadata).expect("a file");
    fs::write(info.join("entry_points.txt"), points).expect("a file");
}

fn points(name: &str) -> String {
    format!("[ai_runner.pipelines]\n{name} = {name}:Mine\n")
}

/// What the Python of these tests says of itself.
fn asked(ask: &str) -> String {
    let said = Command::new(python())
        .args(["-c", ask])
        .output()
        .expect("Python runs");
    assert!(said.status.success(), "{said:?}");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// An environment without a package manager, which has what the Python of these tests has, and one pipeline.
fn environment(rig: &Rig, name: &str, search: &str) {
    let folder = rig.path("home/environments").join(format!(".{name}"));
    fs::create_dir_all(folder.join("bin")).expect("a folder");
    let version = asked("import sys; print('python%d.%d' % sys.version_info[:2])");
    let site = folder.join("lib").join(version).join("site-packages");
    put(&site, name, &points(name));
    fs::write(site.join("others.pth"), search).expect("a file");
    let base = PathBuf::from(asked("import sys; print(sys._base_executable)"));
    let home = base.parent().expect("a folder").display().to_string();
    fs::write(folder.join("pyvenv.cfg"), format!("home = {home}\n")).expect("a file");
    symlink(base, folder.join("bin/python")).expect("a link");
    let record = json!({
        "name": name, "folder": format!(".{name}"), "spec": name, "spec_digest": "", "distribution": name,
        "version": "1.0", "editable": false, "python": "3", "base": python(), "installer": "pip", "runtime": "",
        "pipelines": [name],
    });
    let path = rig.path("home/environments").join(format!("{name}.json"));
    fs::write(path, record.to_string()).expect("a file");
}

/// A line of code that writes down that a Python started.
fn notes_a_start(rig: &Rig) -> String {
    let starts = rig.path("starts");
    format!("import os; open({starts:?}, 'a').write('one more\\n')\n")
}

/// A search path with `site` first. An empty entry would be the current folder, where the notes lie.
fn before_others(site: &Path) -> OsString {
    let others = env::var_os("PYTHONPATH").unwrap_or_default();
    let others = env::split_paths(&others).filter(|it| !it.as_os_str().is_empty());
    env::join_paths(std::iter::once(site.to_owned()).chain(others)).expect("a path without colons")
}

/// How many Pythons started so far.
fn starts(rig: &Rig) -> usize {
    fs::read_to_string(rig.path("starts")).map_or(0, |it| it.lines().count())
}

#[test]
fn twenty_installed_pipelines_are_listed_again_without_a_python_until_one_changes() {
    let rig = Rig::bare();
    let site = rig.path("site");
    for number in 0..MANY {
        put(
            &site,
            &format!("many{number}"),
            &points(&format!("many{number}")),
        );
    }
    fs::write(site.join("sitecustomize.py"), notes_a_start(&rig)).expect("a file");
    let path = before_others(&site);
    let list = || {
        let mut command = rig.command(&["pipelines", "list", "--json"]);
        Ended::from(command.env("PYTHONPATH", &path).output().expect("it runs"))
    };
    let first = list();
    assert_eq!(
        first
            .names()
            .iter()
            .filter(|it| it.starts_with("many"))
            .count(),
        MANY,
        "{first:#?}"
    );
    let started = starts(&rig);
    assert!(started > 0, "the first list looks at the packages");
    assert_eq!(list().names(), first.names());
    assert_eq!(starts(&rig), started);
    // What was remembered gives way to what is.
    fs::write(site.join("many7.py"), "raise RuntimeError('no more')").expect("a file");
    put(&site, "late", &points("late"));
    let after = list();
    assert!(starts(&rig) > started);
    let error = after.row("many7")["error"].as_str().unwrap_or_default();
    assert!(error.contains("no more"), "{after:#?}");
    assert!(after.names().contains(&"late"));
}

#[test]
fn twenty_environments_are_listed_again_without_a_python() {
    let rig = Rig::bare();
    let search = asked(
        "import framerill, numpy, pathlib as p; print(p.Path(framerill.__file__).parents[1]); print(p.Path(numpy.__file__).parents[1])",
    );
    let search = format!("{search}\n{}", notes_a_start(&rig));
    for number in 0..MANY {
        environment(&rig, &format!("env{number}"), &search);
    }
    let first = rig.list();
    let names = first.names();
    assert_eq!(
        names.iter().filter(|it| it.starts_with("env")).count(),
        MANY,
        "{first:#?}"
    );
    let started = starts(&rig);
    assert!(started >= MANY, "the first list looks at each: {started}");
    assert_eq!(rig.list().names(), names);
    assert_eq!(starts(&rig), started);
}

#[test]
fn a_broken_package_and_a_name_that_is_taken_are_listed_with_their_error() {
    let rig = Rig::bare();
    let site = rig.path("site");
    put(
        &site,
        "first",
        "[ai_runner.pipelines]\nshared = first:Mine\n[ai_runner.pipeline]\nolder = first:Mine\n",
    );
    put(
        &site,
        "second",
        "[ai_runner.pipeline]\nshared = second:Mine\ninvert = second:Mine\n",
    );
    put(&site, "broken", &points("broken"));
    fs::write(site.join("broken.py"), "import os\nos._exit(7)\n").expect("a file");
    let mut command = rig.command(&["pipelines", "list", "--json"]);
    command.env("PYTHONPATH", before_others(&site));
    let list = Ended::from(command.output().expect("it runs"));
    let told: Vec<_> = list
        .rows()
        .filter(|it| it["language"] == "python")
        .filter_map(|it| {
            Some((
                it["name"].as_str()?,
                it["distribution"].as_str()?,
                it["error"].as_str(),
            ))
        })
        .collect();
    let of = |name: &str, from: &str| {
        told.iter()
            .find(|(it, owner, _)| *it == name && *owner == from)
            .expect("it is listed")
            .2
    };
    assert_eq!(of("shared", "first"), None);
    assert_eq!(of("older", "first"), None);
    assert!(of("shared", "second").is_some_and(|it| it.contains("taken by `first")));
    assert!(of("invert", "second").is_some_and(|it| it.contains("taken by framerill's own")));
    assert!(of("broken", "broken").is_some_and(|it| it.contains("code 7")));
}
