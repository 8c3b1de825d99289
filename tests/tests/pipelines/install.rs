//! `framerill pipelines install`, `list`, `remove`, and what is there after each.

use std::{env, fs, process::Command, time::Duration};

use framerill_tests::{skip, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Ended, Rig, code, package};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_package_is_installed_listed_described_and_runs() {
    let rig = Rig::new();
    rig.wheels(&[package("glow", "1.2", &["glow", "glow-fast"], &code(""))]);
    let ended = rig.install(&["glow"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.said["environment"], "glow");
    assert_eq!(ended.said["version"], "1.2");
    assert_eq!(ended.names(), ["glow", "glow-fast"]);
    let list = rig.list();
    let row = list.row("glow");
    assert_eq!(row["environment"], "glow");
    assert_eq!(
        (&row["distribution"], &row["version"]),
        (&"glow".into(), &"1.2".into())
    );
    assert_eq!(
        (&row["target"], &row["summary"]),
        (&"glow:Mine".into(), &"Passes on.".into())
    );
    assert!(row["error"].is_null());
    // A variant that is registered, and one that is not and falls back to its family.
    for name in ["glow", "glow-fast", "glow-other"] {
        let about = rig.json(&["pipelines", "describe", name]);
        assert_eq!(about.code, Some(0), "{about:#?}");
        assert_eq!(about.said["origin"], "package glow 1.2");
    }
    let clip = "lavfi:testsrc2=size=64x64:rate=30:duration=0.3";
    let run = rig.json(&["run", clip, "-p", "glow-fast", "-o", "out.mp4"]);
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(rig.path("out.mp4").is_file());
    let near = rig.json(&["pipelines", "describe", "glwo"]);
    assert_eq!(near.code, Some(2));
    assert!(
        near.stderr.contains("did you mean `glow`?"),
        "{}",
        near.stderr
    );
    assert!(
        near.stderr.contains("glow-fast, grayscale"),
        "{}",
        near.stderr
    );
}

#[test]
fn a_failed_upgrade_leaves_what_was_there_at_work() {
    let rig = Rig::new();
    rig.wheels(&[package("glow", "1.0", &["glow"], &code(""))]);
    assert_eq!(rig.install(&["glow"]).code, Some(0));
    let before = rig.environments();
    let version = |rig: &Rig| {
        let about = rig.json(&["pipelines", "describe", "glow"]);
        about.said["origin"].as_str().unwrap_or_default().to_owned()
    };
    let mut lacks = package("glow", "2.0", &["glow"], &code(""));
    lacks["requires"] = serde_json::json!(["framerill", "nobody-has-this"]);
    rig.wheels(&[lacks]);
    let ended = rig.install(&["glow==2.0"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let message = ended.said["error"]["message"].as_str().expect("a message");
    assert!(message.contains("nobody-has-this"), "{message}");
    rig.wheels(&[package(
        "glow",
        "3.0",
        &["glow"],
        "import nobody_has_this\n",
    )]);
    let ended = rig.install(&["glow==3.0"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("stays as it was"), "{}", ended.stderr);
    assert_eq!(
        (rig.environments(), version(&rig)),
        (before, "package glow 1.0".to_owned())
    );
    rig.wheels(&[package("glow", "4.0", &["glow"], &code(""))]);
    assert_eq!(rig.install(&["-U", "glow"]).code, Some(0));
    assert_eq!(version(&rig), "package glow 4.0");
    // The former folder is gone: a link, a record and a folder are left.
    assert_eq!(rig.environments().len(), 3, "{:?}", rig.environments());
}

#[test]
fn what_is_there_needs_neither_wheels_nor_an_installer() {
    let rig = Rig::new();
    rig.wheels(&[package("glow", "1.0", &["glow"], &code(""))]);
    assert_eq!(rig.install(&["glow"]).code, Some(0));
    fs::remove_dir_all(rig.path("wheels")).expect("it is there");
    for spec in ["glow", "Glow", "glow==1.0"] {
        let ended = rig.json(&["pipelines", "install", spec]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(ended.said["was_there"], true);
        assert_eq!(ended.names(), ["glow"]);
    }
    assert_eq!(
        rig.json(&["pipelines", "install", "glow==1.1"]).code,
        Some(1)
    );
    assert_eq!(rig.json(&["pipelines", "remove", "glow"]).code, Some(0));
    assert!(rig.environments().is_empty(), "{:?}", rig.environments());
    assert_eq!(rig.json(&["pipelines", "remove", "glow"]).code, Some(2));
}

#[test]
fn a_folder_an_edited_folder_and_a_repository_are_installed() {
    let rig = Rig::new();
    let folder = rig.sources(&package("glow", "1.0", &["glow"], &code("")));
    let git = |args: &[&str]| {
        let done = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(args)
            .current_dir(&folder)
            .output();
        assert!(done.expect("git runs").status.success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "It glows"]);
    let url = format!("git+file://{}", folder.display());
    let ended = rig.install(&[&url, "--env", "from-git"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.said["environment"], "from-git");
    let ended = rig.install(&["./sources/glow", "--env", "copied"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let ended = rig.install(&["./sources/glow", "--editable", "--env", "edited"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let list = rig.list();
    // The first by name has it; the others say who.
    assert_eq!(list.row("glow")["environment"], "copied");
    let edited = |list: &Ended| {
        let mut rows = list.rows();
        rows.find(|it| it["environment"] == "edited")
            .expect("it is listed")
            .clone()
    };
    assert_eq!(edited(&list)["editable"], true);
    assert!(
        edited(&list)["error"]
            .as_str()
            .is_some_and(|it| it.contains("`copied`"))
    );
    assert_eq!(rig.json(&["pipelines", "remove", "copied"]).code, Some(0));
    assert_eq!(rig.json(&["pipelines", "remove", "from-git"]).code, Some(0));
    assert!(edited(&rig.list())["error"].is_null());
    fs::write(folder.join("glow.py"), "import nobody_has_this\n").expect("it is ours");
    let error = edited(&rig.list())["error"].clone();
    assert!(
        error
            .as_str()
            .is_some_and(|it| it.contains("nobody_has_this")),
        "{error}"
    );
    fs::write(folder.join("glow.py"), code("")).expect("it is ours");
    assert!(edited(&rig.list())["error"].is_null());
}

#[test]
fn what_registers_nothing_or_is_no_package_is_refused_and_leaves_nothing() {
    let rig = Rig::new();
    rig.wheels(&[package("plain", "1.0", &[], "")]);
    let ended = rig.install(&["plain"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(ended.said["error"]["code"], "no_entry_point");
    for args in [
        &["--", "-r"][..],
        &["--index-url=https://example.org"],
        &["./nothing"],
        &["a b"],
        &["plain", "--env", "../up"],
        &["plain", "--env", ".hidden"],
        &["plain", "--editable"],
    ] {
        let ended = Ended::from(
            rig.command(&["pipelines", "install"])
                .args(args)
                .output()
                .expect("it runs"),
        );
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:#?}");
    }
    assert!(rig.environments().is_empty(), "{:?}", rig.environments());
}

#[test]
fn ctrl_c_ends_the_installer_and_leaves_nothing() {
    let rig = Rig::new();
    let folder = rig.sources(&package("slow", "1.0", &["slow"], &code("")));
    let waits = rig.path("waits");
    let mut child = rig
        .command(&["pipelines", "install", folder.to_str().expect("a name")])
        .env("BUILD_WAITS", &waits)
        .spawn()
        .expect("it runs");
    assert!(wait_until(SOON, || waits.exists()), "the package is built");
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process");
    kill_process(pid, Signal::INT).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(rig.environments().is_empty(), "{:?}", rig.environments());
}

#[test]
fn uv_makes_environments_where_it_is_on_the_path() {
    let all = env::var_os("PATH").unwrap_or_default();
    let Some(uv) = env::split_paths(&all)
        .map(|it| it.join("uv"))
        .find(|it| it.is_file())
    else {
        return skip("no uv on the PATH: environments by uv are not tested");
    };
    let rig = Rig::new();
    let tools = rig.path("tools");
    fs::create_dir(&tools).expect("a folder");
    std::os::unix::fs::symlink(uv, tools.join("uv")).expect("a link");
    rig.wheels(&[package("glow", "1.0", &["glow"], &code(""))]);
    let folder = rig.sources(&package("edited", "1.0", &["edited"], &code("")));
    for spec in [
        &["glow"][..],
        &["--editable", folder.to_str().expect("a name")],
    ] {
        let mut command = rig.command(&["pipelines", "install", "--no-index", "--json"]);
        let path =
            env::join_paths([tools.clone(), "/usr/bin".into(), "/bin".into()]).expect("plain");
        // Wheels are where uv's own variable says.
        let command = command.args(spec).env("PATH", path);
        let ended = Ended::from(command.output().expect("it runs"));
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(ended.said["installer"], "uv");
    }
    assert_eq!(rig.json(&["pipelines", "describe", "glow"]).code, Some(0));
    assert_eq!(rig.json(&["pipelines", "describe", "edited"]).code, Some(0));
}

#[test]
fn an_environment_of_an_earlier_framerill_gets_the_packages_of_this_one_without_a_network() {
    let rig = Rig::new();
    rig.wheels(&[package("glow", "1.0", &["glow"], &code(""))]);
    let ended = rig.install(&["glow"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    fs::remove_dir_all(rig.path("wheels")).expect("it is there");
    let path = rig.path("home/environments/glow.json");
    let record = fs::read_to_string(&path).expect("a record");
    let mut record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    record["runtime"] = "earlier".into();
    fs::write(&path, record.to_string()).expect("it is ours");
    let lib = rig.path("home/environments/glow/lib");
    let python = fs::read_dir(&lib)
        .expect("a folder")
        .flatten()
        .next()
        .expect("a Python");
    let own = python.path().join("site-packages/framerill/__init__.py");
    fs::remove_file(&own).expect("a file");
    fs::write(&own, "raise RuntimeError('earlier')").expect("it is ours");
    let about = rig.json(&["pipelines", "describe", "glow"]);
    assert_eq!(about.code, Some(0), "{about:#?}");
    assert_eq!(rig.environments().len(), 3, "{:?}", rig.environments());
}
