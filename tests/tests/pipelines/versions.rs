//! What may differ from one pipeline to the next: versions of the same dependency, and Pythons.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use framerill_tests::{python, skip};
use serde_json::json;

use crate::rig::{Rig, code, package};

const CLIP: &str = "lavfi:testsrc2=size=64x64:rate=30:duration=0.2";

#[test]
fn pipelines_whose_dependencies_conflict_run_at_the_same_time() {
    let rig = Rig::new();
    // Each says which version it has, and waits for the other before it goes on.
    let meets = |own: &str, other: &str| {
        let (own, other) = (rig.path(own), rig.path(other));
        code(&format!(
            "\n    def load(self):\n        import shade, time\n\n        print('shade', shade.VERSION, flush=True)\n        \
             open({own:?}, 'w').close()\n        while not __import__('os').path.exists({other:?}):\n            \
             time.sleep(0.02)\n"
        ))
    };
    let shade = |version: &str| {
        let mut it = package("shade", version, &[], &format!("VERSION = {version:?}\n"));
        it["requires"] = json!([]);
        it
    };
    let needs = |name: &str, version: &str, other: &str| {
        let mut it = package(name, "1.0", &[name], &meets(name, other));
        it["requires"] = json!(["framerill", format!("shade=={version}")]);
        it
    };
    rig.wheels(&[
        shade("1.0"),
        shade("2.0"),
        needs("dusk", "1.0", "dawn"),
        needs("dawn", "2.0", "dusk"),
    ]);
    for name in ["dusk", "dawn"] {
        let ended = rig.install(&[name]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }
    let runs = ["dusk", "dawn"].map(|name| {
        let out = format!("{name}.mp4");
        let mut command = rig.command(&["run", CLIP, "-p", name, "-o", &out]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs")
    });
    let said = runs.map(|run| {
        let ended = run.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(0), "{said}");
        said
    });
    assert!(said[0].contains("shade 1.0"), "{}", said[0]);
    assert!(said[1].contains("shade 2.0"), "{}", said[1]);
}

/// Each Python on the PATH, or among pyenv's, that works, by its version.
fn pythons() -> Vec<(String, PathBuf)> {
    let all = env::var_os("PATH").unwrap_or_default();
    let pyenv = env::var_os("HOME").map(|it| PathBuf::from(it).join(".pyenv/versions"));
    let pyenv = pyenv
        .and_then(|it| fs::read_dir(it).ok())
        .into_iter()
        .flatten()
        .flatten();
    let places: Vec<_> = env::split_paths(&all)
        .chain(pyenv.map(|it| it.path().join("bin")))
        .collect();
    let names = (10..=14).map(|minor| format!("python3.{minor}"));
    let found = names.filter_map(|name| {
        let mut places = places.iter().map(|it| it.join(&name));
        let real = places.find_map(|it| real(&it))?;
        Some((name.replace("python", ""), real))
    });
    found.collect()
}

/// Where it really lies: what stands on the PATH may be a script that asks which one is meant.
fn real(path: &Path) -> Option<PathBuf> {
    let asked = Command::new(path)
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .ok()?;
    let said = String::from_utf8(asked.stdout).ok()?;
    asked.status.success().then(|| said.trim().into())
}

#[test]
fn pythons_of_several_versions_have_their_pipelines_side_by_side() {
    let own = real(&python()).expect("the Python of these tests runs");
    let version = |path: &Path| {
        let ask = "import sys; print('%d.%d' % sys.version_info[:2])";
        let asked = Command::new(path)
            .args(["-c", ask])
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    };
    let mut all = vec![(version(&own), own.clone())];
    all.extend(pythons().into_iter().filter(|(it, _)| *it != version(&own)));
    let more = framerill_tests::repository().join("target/wheels");
    let rig = Rig::new();
    for wheel in fs::read_dir(&more).into_iter().flatten().flatten() {
        fs::copy(wheel.path(), rig.path("wheels").join(wheel.file_name())).expect("a wheel");
    }
    let mut installed = Vec::new();
    for (version, path) in &all {
        let short = version.replace('.', "");
        let has_wheels = *path == own || has_wheel(&more, &format!("-cp{short}-"));
        if !has_wheels {
            skip(&format!(
                "no wheels of numpy for Python {version} in target/wheels"
            ));
            continue;
        }
        let name = format!("glow-{short}");
        let says = "\n    def load(self):\n        import sys\n\n        print('on %d.%d' % sys.version_info[:2], flush=True)\n";
        rig.wheels(&[package(&name, "1.0", &[&name], &code(says))]);
        let ended = rig.install(&[&name, "--python", path.to_str().expect("a path")]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        installed.push((name, version));
    }
    if installed.len() == 1 {
        skip("one Python alone: several versions side by side are not tested");
    }
    let list = rig.list();
    for (name, version) in installed {
        assert!(list.row(&name)["error"].is_null(), "{list:#?}");
        let out = format!("{name}.mp4");
        let run = rig
            .command(&["run", CLIP, "-p", &name, "-o", &out])
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("on {version}")), "{said}");
    }
}

fn has_wheel(folder: &Path, tag: &str) -> bool {
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|it| it.file_name());
    names
        .into_iter()
        .any(|it| it.to_string_lossy().starts_with("numpy-") && it.to_string_lossy().contains(tag))
}
