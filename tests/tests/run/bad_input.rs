//! Bad input gets one line that says what is wrong and what to do, and leaves nothing under the final name.

use std::{fs, process::Command};

use crate::scene::{Scene, pipeline};

/// Runs and checks code and line, and that only `left` is in the folder.
fn refuses(scene: &Scene, args: &[&str], code: i32, words: &[&str], left: &[&str]) {
    let ended = scene.run(args);
    assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
    let complaint = ended.complaint();
    for word in words {
        assert!(
            complaint.contains(word),
            "{args:?}: `{word}` in `{complaint}`"
        );
    }
    assert!(
        complaint.contains(';'),
        "{args:?}: says what to do: `{complaint}`"
    );
    assert_eq!(scene.names(), left, "{args:?}");
}

#[test]
fn inputs_that_are_no_video() {
    let scene = Scene::new();
    fs::write(scene.path("empty.mp4"), b"").expect("a file");
    fs::write(scene.path("text.mp4"), "this is text\n".repeat(500)).expect("a file");
    scene.clip("sound.m4a", 1, &["-vn"]);
    fs::rename(scene.path("sound.m4a"), scene.path("sound.mp4")).expect("a file");
    fs::create_dir(scene.path("folder.mp4")).expect("a folder");
    let left = ["empty.mp4", "folder.mp4", "sound.mp4", "text.mp4"];
    let cases: [(&str, i32, &[&str]); 5] = [
        ("none.mp4", 2, &["none.mp4"]),
        ("folder.mp4", 1, &["folder.mp4", "directory"]),
        ("empty.mp4", 1, &["empty.mp4", "empty"]),
        ("text.mp4", 1, &["text.mp4"]),
        ("sound.mp4", 1, &["sound.mp4"]),
    ];
    for (input, code, words) in cases {
        refuses(
            &scene,
            &[input, "-p", "noop", "-o", "out.mp4"],
            code,
            words,
            &left,
        );
    }
}

#[test]
fn a_truncated_input_fails_and_what_could_be_decoded_plays() {
    let scene = Scene::new();
    let fragments = ["-movflags", "+frag_keyframe+empty_moov", "-g", "15"];
    for (name, options, percent) in [
        ("faststart.mp4", ["-movflags", "+faststart"].as_slice(), 60),
        ("fragments.mp4", &fragments, 77),
        ("cut.mkv", &[], 95),
        ("cut.webm", &["-deadline", "realtime"], 95),
    ] {
        let path = scene.clip(name, 4, options);
        let bytes = fs::read(&path).expect("a file");
        fs::write(&path, &bytes[..bytes.len() * percent / 100]).expect("a file");
        let ended = scene.run(&[name, "-p", "noop", "-o", "out.mp4"]);
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.stderr);
        assert!(ended.complaint().contains("truncated"), "{}", ended.stderr);
        assert!(!scene.path("out.mp4").exists());
        let frames = crate::video::pts(&scene.path("out.partial.mp4")).len();
        assert!((30..120).contains(&frames), "{name}: {frames}");
    }
}

#[test]
fn an_unknown_pipeline_suggests_a_near_name() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    refuses(
        &scene,
        &["clip.mp4", "-p", "invrt"],
        2,
        &["invrt", "`invert`"],
        &["clip.mp4"],
    );
    refuses(
        &scene,
        &["clip.mp4", "-p", "./none.py"],
        2,
        &["none.py"],
        &["clip.mp4"],
    );
    let file = pipeline("Invert").replace(":Invert", ":Invrt");
    refuses(
        &scene,
        &["clip.mp4", "-p", &file],
        2,
        &["Invrt"],
        &["clip.mp4"],
    );
}

#[test]
fn parameters_that_break_a_rule_name_field_rule_and_value() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    let tunable = pipeline("Tunable");
    for (name, params, words) in [
        ("blur", r#"{"radius": 99}"#, ["radius", "99", "64"]),
        ("blur", r#"{"radios": 1}"#, ["radios", "1", "radius"]),
        (
            tunable.as_str(),
            r#"{"amount": 11}"#,
            ["amount", "11", "10"],
        ),
        (
            tunable.as_str(),
            r#"{"amount": "x"}"#,
            ["amount", "x", "int"],
        ),
    ] {
        refuses(
            &scene,
            &["clip.mp4", "-p", name, "--params", params],
            2,
            &words,
            &["clip.mp4"],
        );
    }
    refuses(
        &scene,
        &["clip.mp4", "-p", "blur", "--params", "radius=3"],
        2,
        &["JSON"],
        &["clip.mp4"],
    );
}

#[test]
fn outputs_that_cannot_be_written() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    let before = fs::read(scene.path("clip.mp4")).expect("a file");
    let cases: [(&str, i32); 4] = [
        ("no/such/out.mp4", 3),
        ("out.xyz", 2),
        ("clip.mp4", 2),
        ("./clip.mp4", 2),
    ];
    for (output, code) in cases {
        refuses(
            &scene,
            &["clip.mp4", "-p", "noop", "-o", output],
            code,
            &[],
            &["clip.mp4"],
        );
    }
    assert_eq!(fs::read(scene.path("clip.mp4")).expect("a file"), before);
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing_under_the_final_name() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 8, &[]);
    fs::create_dir(scene.path("full")).expect("a folder");
    // A file system of its own that holds a few frames.
    let script = r#"mount -t tmpfs -o size=128k tmpfs full || exit 77
        "$0" run clip.mp4 -p noop --quiet -o full/out.mp4; code=$?
        test ! -e full/out.mp4 || exit 78
        exit $code"#;
    let command = scene.command(&[]);
    let mut inside = Command::new("unshare");
    inside
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(command.get_program())
        .current_dir(scene.path(""));
    let ended = inside.output().expect("unshare runs");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    if ended.status.code() == Some(77) || stderr.contains("unshare:") {
        return framerill_tests::skip("no file system of its own is to be had");
    }
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("space"), "{stderr}");
}

#[test]
fn a_stdout_that_is_full_is_named() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &[]);
    let out = fs::File::options().write(true).open("/dev/full");
    let mut command = scene.command(&["run", "clip.mp4", "-p", "noop", "-o", "-"]);
    let command = command.stdout(out.expect("Linux has one"));
    let ended = command.output().expect("framerill runs");
    assert_eq!(ended.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(stderr.contains("space"), "{stderr}");
    assert_eq!(scene.names(), ["clip.mp4"]);
}

#[test]
fn usage_errors_have_code_two() {
    let scene = Scene::new();
    scene.clip("x.mp4", 1, &[]);
    for [option, value] in [
        ["--size", "0x0"],
        ["--fps", "0"],
        ["--start", "-1"],
        ["--policy", "perhaps"],
    ] {
        let ended = scene.run(&["x.mp4", "-p", "noop", &format!("{option}={value}")]);
        assert_eq!(ended.code, Some(2), "{option}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.complaint().contains(option), "{}", ended.stderr);
    }
    assert_eq!(scene.names(), ["x.mp4"]);
}

#[test]
fn a_pipeline_that_cannot_start_says_so_once_and_is_not_tried_again() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    let raises = "from framerill import Pipeline\n\n\nclass A(Pipeline):\n    def load(self):\n        raise ValueError('no model here')\n\n    def process(self, frame):\n        return frame\n";
    fs::write(scene.path("raises.py"), raises).expect("a file");
    // A Python of the system has no package; `-S` in a wrapper is the same on every machine.
    fs::write(scene.path("bare"), "#!/bin/sh\nexec python3 -I -S \"$@\"\n").expect("a file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scene.path("bare"), executable).expect("it is ours");
    let run = ["clip.mp4", "-p", "./raises.py", "-o", "out.mp4"];
    for (python, word) in [
        (None, "no model here"),
        (Some("./bare"), "--python"),
        (Some("/not/there"), "--python"),
    ] {
        let more = python.map(|it| ["--python", it]);
        let args = [
            run.as_slice(),
            more.as_ref().map_or(&[], |it| it.as_slice()),
        ]
        .concat();
        let (ended, report) = scene.report(&args);
        assert_eq!(ended.code, Some(3), "{args:?}: {}", ended.stderr);
        assert_eq!(report["restarts"], 0, "{args:?}");
        assert!(ended.stderr.contains(word), "{args:?}: {}", ended.stderr);
        assert!(!scene.path("out.mp4").exists());
    }
}
