//! Where settings come from, and starts that are refused (contract §3.1; D21, D34).

use std::{fs, net::TcpListener};

use serde_json::json;

use crate::runner::{Runner, Stage, least};

#[test]
fn without_pipeline_or_model_id_it_exits_with_2_and_names_the_variable() {
    for (stage, named) in [
        (Stage::new(), "PIPELINE"),
        (Stage::new().env("MODEL_ID", "noop"), "PIPELINE"),
        (
            Stage::new().env("PIPELINE", "live-video-to-video"),
            "MODEL_ID",
        ),
    ] {
        let ended = stage.refused();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(named), "{}", ended.stderr);
    }
}

#[test]
fn a_wrong_value_exits_with_2_and_names_its_field() {
    let noop = || Stage::new().arg("--pipeline", "noop");
    for (stage, named) in [
        (noop().arg("--port", "eighty"), "--port"),
        (
            noop().env("FRAMERILL_CAPACITY", "none"),
            "FRAMERILL_CAPACITY",
        ),
        (
            noop().env("INFERPY_INITIAL_PARAMS", "[1]"),
            "INFERPY_INITIAL_PARAMS",
        ),
    ] {
        let ended = stage.refused();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(named), "{}", ended.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_read_exits_with_2_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    fs::write(&text, "no certificate").expect("a file");
    let text = text.to_str().expect("a name");
    let own = folder.path().to_str().expect("a name");
    let missing = folder.path().join("missing.pem");
    let missing = missing.to_str().expect("a name");
    for (file, why) in [
        (missing, "No such file"),
        (own, "it is no file"),
        (text, "it holds no certificate"),
    ] {
        for command in ["serve", "infer"] {
            let ended = framerill_tests::serving::framerill()
                .args([command, "--pipeline", "noop", "--internal-port", "0"])
                .args(["--trickle-ca", file])
                .env("FRAMERILL_PORT", "0")
                .current_dir(folder.path())
                .output()
                .expect("framerill runs");
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(2), "{command}: {said}");
            assert!(
                said.contains(file) && said.contains(why),
                "{command}: {said}"
            );
        }
    }
}

#[test]
fn a_port_that_is_taken_exits_with_3_and_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let noop = || Stage::new().arg("--pipeline", "noop");
    let ended = noop().arg("--port", &port).refused();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("--port"), "{}", ended.stderr);
    // Later than the one that the stage gives.
    let ended = noop().env("FRAMERILL_HOST", "not a host").refused();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

#[test]
fn the_bare_command_listens_on_loopback_and_host_is_consent() {
    let runner = Runner::well(Stage::new());
    assert!(runner.address.starts_with("127.0.0.1:"));
    assert!(!runner.stderr().contains("AUTH_TOKEN"));
    let runner = Stage::new().env("HOST", "0.0.0.0").noop();
    assert!(runner.address.starts_with("0.0.0.0:"));
    // What was noted at the start comes before this line.
    runner.until_infer_answered(1);
    let warnings = runner.stderr();
    assert_eq!(warnings.matches("set AUTH_TOKEN").count(), 1, "{warnings}");
}

#[test]
fn two_settings_that_differ_are_logged_once_and_the_flag_counts() {
    let stage = Stage::new()
        .arg("--runner-version", "3.0.0")
        .env("FRAMERILL_RUNNER_VERSION", "2.0.0")
        .env("VERSION", "3.0.0");
    let runner = Runner::well(stage);
    assert_eq!(runner.get("/version").json()["version"], "3.0.0");
    let said = runner.stderr();
    let note = "`--runner-version` is `3.0.0` and `FRAMERILL_RUNNER_VERSION` is `2.0.0`";
    assert_eq!(said.matches(note).count(), 1, "{said}");
    assert!(!said.contains("`VERSION`"), "{said}");
}

#[test]
fn dotenv_comes_after_the_environment() {
    let stage = Stage::new().env("VERSION", "1.0.0");
    let text = "VERSION=9.9.9\nMODEL_ID='noop'\nPIPELINE=live-video-to-video\n";
    fs::write(stage.path(".env"), text).expect("a file");
    let runner = stage.start();
    let version = runner.get("/version").json();
    assert_eq!(
        version,
        json!({"pipeline": "live-video-to-video", "model_id": "noop", "version": "1.0.0"})
    );
}

#[test]
fn d21_the_pipeline_may_be_named_by_pipeline_itself() {
    let stage = Stage::new()
        .env("PIPELINE", "my-pipeline")
        .env("MODEL_ID", "my-pipeline");
    let runner = stage.start();
    runner.until_infer_answered(1);
    let version = runner.get("/version").json();
    assert_eq!(version["pipeline"], "my-pipeline");
    let mut body = least();
    body["model_id"] = json!("my-pipeline");
    assert_eq!(runner.post(&body).status, 200);
}

#[test]
fn d34_a_model_id_beside_the_pipelines_own_name_is_shown_and_warned_of() {
    let stage = Stage::new()
        .arg("--pipeline", "pkg.mod:GreenPipeline")
        .env("MODEL_ID", "red");
    let runner = stage.start();
    runner.until_infer_answered(1);
    assert_eq!(runner.get("/version").json()["model_id"], "red");
    let said = runner.stderr();
    assert_eq!(said.matches("the pipeline's name is `green`").count(), 1);
    let mut body = least();
    body["model_id"] = json!("red");
    let reply = runner.post(&body);
    assert_eq!(
        reply.msg(),
        "pipeline configured with green but called with red."
    );
}

#[test]
fn a_token_is_never_logged() {
    let stage = Stage::new()
        .env("AUTH_TOKEN", "hush-hush")
        .env("FRAMERILL_AUTH_TOKEN", "very-quiet");
    let runner = Runner::well(stage);
    let said = runner.stderr();
    assert!(said.contains("`FRAMERILL_AUTH_TOKEN` and `AUTH_TOKEN` differ"));
    assert!(!said.contains("hush-hush") && !said.contains("very-quiet"));
}
