//! Names that nothing has, and names that hide one another: what is said of them, and when.

use std::{fs, path::Path};

use crate::{
    list::put,
    rig::{Ended, Rig, code, package},
    start::Served,
};

const AVAILABLE: &str = "Unknown pipeline: glo. Available pipelines: blur, edges, glow, grayscale, invert, noop, overlay; \
     did you mean `glow`?";

/// The rig's Python has the package `glow`, and sees one more folder.
fn search_path(rig: &Rig, site: &Path) -> std::ffi::OsString {
    let others = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let others = std::env::split_paths(&others).filter(|it| !it.as_os_str().is_empty());
    drop(fs::create_dir_all(rig.path("home")));
    std::env::join_paths(std::iter::once(site.to_owned()).chain(others)).expect("no colons")
}

#[test]
fn a_name_that_nothing_has_is_answered_in_one_wording_wherever_it_is_given() {
    let rig = Rig::bare();
    let site = rig.path("site");
    put(&site, "glow", "[ai_runner.pipelines]\nglow = glow:Mine\n");
    let path = search_path(&rig, &site);
    for args in [
        &[
            "serve",
            "--pipeline",
            "glo",
            "--port",
            "0",
            "--internal-port",
            "0",
        ][..],
        &["serve", "--pipeline", "glo", "--prepare-models"],
        &["infer", "--pipeline", "glo", "--internal-port", "0"],
        &["pipelines", "describe", "glo"],
        &["pipelines", "prepare", "glo"],
        &[
            "run",
            "lavfi:testsrc2=size=64x48:rate=5:duration=1",
            "-p",
            "glo",
            "-o",
            "out.mp4",
        ],
    ] {
        let mut command = rig.command(args);
        let ended = Ended::from(command.env("PYTHONPATH", &path).output().expect("it runs"));
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(AVAILABLE), "{args:?}: {ended:#?}");
        assert!(last.contains("`framerill pipelines list`"), "{last}");
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:#?}");
    }
}

#[test]
fn a_server_of_a_name_that_nothing_has_never_listens() {
    let rig = Rig::bare();
    for name in ["nobody-has-this", "./gone.py"] {
        let args = [
            "serve",
            "--pipeline",
            name,
            "--port",
            "0",
            "--internal-port",
            "0",
        ];
        let output = rig.command(&args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    let args = [
        "serve",
        "--pipeline",
        "no.such:Class",
        "--port",
        "0",
        "--internal-port",
        "0",
    ];
    let ended = Ended::from(rig.command(&args).output().expect("it runs"));
    // What only an import tells is known later; the last line says it all the same.
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("no module is called `no`"), "{ended:#?}");
    assert_eq!(ended.code, Some(2));
}

#[test]
fn a_package_that_a_built_in_name_hides_is_told_at_the_start_and_listed_so() {
    let rig = Rig::bare();
    let site = rig.path("site");
    put(&site, "mine", "[ai_runner.pipeline]\ninvert = mine:Mine\n");
    let path = search_path(&rig, &site);
    let search = path.to_str().expect("text");
    let note = "`invert` is the built-in pipeline, which hides the one of the package mine 1.0; name that one `mine:Mine`";
    let env = [("PYTHONPATH", search), ("FRAMERILL_PIPELINE", "invert")];
    let look = || {
        let served = Served::start(&rig, &env);
        assert!(served.is_ready(), "{}", served.said());
        assert!(served.says(note), "{}", served.said());
        let said = served.said();
        assert_eq!(said.matches(note).count(), 1, "{said}");
        let told = said.lines().find(|it| it.contains(note));
        assert!(
            told.is_some_and(|it| it.contains("level=WARNING")),
            "{said}"
        );
    };
    // From its metadata, then from what a list remembers.
    look();
    let mut command = rig.command(&["pipelines", "list", "--json"]);
    let listed = Ended::from(command.envs(env).output().expect("it runs"));
    let row = listed.rows().find(|it| it["target"] == "mine:Mine");
    let error = row.and_then(|it| it["error"].as_str()).unwrap_or_default();
    assert_eq!(
        error,
        "the name is taken by framerill's own; name that one `mine:Mine`"
    );
    look();
    let mut command = rig.command(&["pipelines", "list"]);
    let shown = command.envs(env).output().expect("it runs").stdout;
    let shown = String::from_utf8_lossy(&shown);
    assert!(
        shown.contains("hidden: the name is taken by framerill's own"),
        "{shown}"
    );
    // By its class it runs.
    let served = Served::start(
        &rig,
        &[("PYTHONPATH", search), ("FRAMERILL_PIPELINE", "mine:Mine")],
    );
    assert!(served.is_ready(), "{}", served.said());
    assert!(!served.said().contains("hides"), "{}", served.said());
}

#[test]
fn a_package_of_an_environment_that_is_hidden_is_reached_by_its_python() {
    let rig = Rig::new();
    rig.wheels(&[package("soft", "1.0", &["blur"], &code(""))]);
    assert_eq!(rig.install(&["soft"]).code, Some(0));
    let python = rig.list().row_of("soft")["python"].clone();
    let python = python.as_str().expect("a path");
    let served = Served::start(&rig, &[("FRAMERILL_PIPELINE", "blur")]);
    assert!(served.is_ready(), "{}", served.said());
    let note = format!("in environment `soft`; name that one `soft:Mine`, with --python {python}");
    assert!(served.says(&note), "{}", served.said());
    drop(served);
    let env = [
        ("FRAMERILL_PIPELINE", "soft:Mine"),
        ("FRAMERILL_PYTHON", python),
    ];
    let served = Served::start(&rig, &env);
    assert!(served.is_ready(), "{}", served.said());
    drop(served);
    // Whoever installs it to have it served is not given the other one.
    let mut command = rig.command(&["serve", "--port", "0", "--internal-port", "0"]);
    command.env("AUTO_INSTALL_PIPELINE", "soft");
    let ended = Ended::from(command.output().expect("it runs"));
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(
        ended.stderr.contains("built-in one's name, which hides it"),
        "{ended:#?}"
    );
}
