//! `framerill pipelines new`: from an empty folder to a picture.

use std::{fs, path::Path, process::Command};

use framerill_tests::python;

use crate::scene::{Ended, Scene};

/// A Python of the development environment, in a folder. None where it lacks the module, which is told.
fn run_module(folder: &Path, module: &str, args: &[&str]) -> Option<Ended> {
    let run = |args: &[&str]| {
        let mut command = Command::new(python());
        let output = command
            .arg("-m")
            .arg(module)
            .args(args)
            .current_dir(folder)
            .output();
        Ended::from(output.expect("Python runs"))
    };
    if run(&["--version"]).code != Some(0) {
        framerill_tests::skip(&format!(
            "{module} is not installed: what it says of new packages is NOT TESTED"
        ));
        return None;
    }
    Some(run(args))
}

#[test]
fn a_new_package_passes_its_test_runs_on_a_clip_and_is_found_by_its_name() {
    let scene = Scene::new();
    let (ended, new) = scene.json(&["pipelines", "new", "Warm_Glow"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        (&new["name"], &new["module"], &new["class"]),
        (&"warm-glow".into(), &"warm_glow".into(), &"WarmGlow".into())
    );
    let folder = scene.path("warm-glow");
    let tested =
        run_module(&folder, "pytest", &["-q", "-p", "no:cacheprovider"]).expect("pytest is there");
    assert_eq!(
        tested.code,
        Some(0),
        "{}",
        String::from_utf8_lossy(&tested.stdout)
    );
    assert!(String::from_utf8_lossy(&tested.stdout).contains("4 passed"));

    let source = "lavfi:testsrc2=size=64x64:rate=10:duration=1";
    let (ended, report) = scene.report(&[
        source,
        "--pipeline",
        "./warm-glow/src/warm_glow",
        "-o",
        "one.mkv",
    ]);
    assert_eq!(
        (ended.code, &report["frames"]["out"]),
        (Some(0), &10.into()),
        "{}",
        ended.stderr
    );

    // As `pip install` leaves it: the package and its metadata on the path.
    let site = scene.path("site");
    fs::create_dir(&site).expect("a folder");
    let info = site.join("warm_glow-0.1.0.dist-info");
    fs::create_dir(&info).expect("a folder");
    fs::write(
        info.join("METADATA"),
        "Metadata-Version: 2.1\nName: warm-glow\nVersion: 0.1.0\n",
    )
    .expect("a file");
    let project = fs::read_to_string(folder.join("pyproject.toml")).expect("a file");
    let point = project
        .lines()
        .find(|it| it.starts_with("warm-glow = "))
        .expect("an entry point");
    fs::write(
        info.join("entry_points.txt"),
        format!("[ai_runner.pipelines]\n{}\n", point.replace('"', "")),
    )
    .expect("a file");
    fs::rename(folder.join("src/warm_glow"), site.join("warm_glow")).expect("a folder");
    let before = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let path = format!("{}:{}", site.display(), before.to_string_lossy());
    let mut command = scene.command(&[
        "run",
        source,
        "--pipeline",
        "warm-glow",
        "--params",
        r#"{"strength": 0.5}"#,
        "-o",
        "two.mkv",
    ]);
    let ended = Ended::from(
        command
            .env("PYTHONPATH", path)
            .output()
            .expect("framerill runs"),
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_new_package_can_be_built_and_published() {
    let scene = Scene::new();
    let (ended, _) = scene.json(&["pipelines", "new", "warm-glow"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let folder = scene.path("warm-glow");
    let Some(built) = run_module(
        &folder,
        "build",
        &["--no-isolation", "--skip-dependency-check"],
    ) else {
        return;
    };
    assert_eq!(
        built.code,
        Some(0),
        "{}",
        String::from_utf8_lossy(&built.stdout)
    );
    let mut made: Vec<_> = fs::read_dir(folder.join("dist"))
        .expect("a folder")
        .map(|it| it.expect("an entry").path())
        .collect();
    made.sort();
    let names: Vec<_> = made
        .iter()
        .map(|it| it.file_name().unwrap_or_default().to_string_lossy())
        .collect();
    assert_eq!(
        names,
        ["warm_glow-0.1.0-py3-none-any.whl", "warm_glow-0.1.0.tar.gz"]
    );
    let made: Vec<_> = made.iter().map(|it| it.to_str().expect("text")).collect();
    let args = [&["check", "--strict"], &*made].concat();
    if let Some(checked) = run_module(&folder, "twine", &args) {
        assert_eq!(
            checked.code,
            Some(0),
            "{}",
            String::from_utf8_lossy(&checked.stdout)
        );
    }
}

#[test]
fn a_name_that_is_none_and_a_folder_that_is_there_are_refused() {
    let scene = Scene::new();
    let said = |args: &[&str]| {
        let output = scene
            .command(&[&["pipelines", "new"], args].concat())
            .output();
        Ended::from(output.expect("framerill runs"))
    };
    for name in ["json", "3d", "class", "a b", "invert"] {
        let ended = said(&[name]);
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.complaint().contains("cannot be a pipeline's name"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(scene.names(), Vec::<String>::new());
    assert_eq!(said(&["warm-glow", "--path", "deep/er"]).code, Some(0));
    let ended = said(&["warm-glow", "--path", "deep/er"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .complaint()
            .contains("`deep/er/warm-glow` is there already"),
        "{}",
        ended.stderr
    );
}
