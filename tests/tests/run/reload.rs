//! `--reload`: what is saved is what runs, and no picture is missing.

use std::{fs, path::Path};

use serde_json::Value;

use crate::scene::{Ended, Scene, Watched, pipeline, wait_until};

const FRAMES: usize = 400;
/// Ten seconds of video, as fast as it goes. Each version that is not the last takes its time, so that the next one comes long
/// before the end.
const SOURCE: &str = "lavfi:testsrc2=size=64x64:rate=40:duration=10";
const SLOWLY: &str = "0.2";
const AT_ONCE: &str = "0";

/// A pipeline whose pictures are all of one level, and which notes that it has begun.
fn of_level(level: u8, pause: &str) -> String {
    format!(
        "import pathlib, time\n\
         import framerill\n\
         import numpy as np\n\n\
         @framerill.pipeline\n\
         def gray(frame):\n    \
             pathlib.Path('begun-{level}').touch()\n    \
             time.sleep({pause})\n    \
             return np.full(frame.pixels.shape, {level}, np.uint8)\n"
    )
}

/// As editors do: another file under the same name.
fn save(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).expect("a file");
    fs::rename(draft, path).expect("a file");
}

fn begun(scene: &Scene, level: u8) {
    let mark = scene.path(&format!("begun-{level}"));
    wait_until("the pipeline has begun", || mark.exists().then_some(()));
}

fn start(scene: &Scene, pipeline: &str, more: &[&str]) -> Watched {
    let args = [
        SOURCE,
        "--pipeline",
        pipeline,
        "--reload",
        "-o",
        "out.mkv",
        "--json",
    ];
    Watched::start(scene, &[&args, more].concat())
}

fn report(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.stdout).expect("a report")
}

/// The levels of the output's pictures, each once for as often as it follows itself.
fn levels(scene: &Scene) -> Vec<(u8, usize)> {
    let decoded = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(scene.path("out.mkv"))
        .args([
            "-vf",
            "scale=1:1",
            "-pix_fmt",
            "gray",
            "-f",
            "rawvideo",
            "-",
        ])
        .output()
        .expect("ffmpeg runs");
    let mut levels: Vec<(u8, usize)> = Vec::new();
    for level in decoded.stdout {
        // What the encoder makes of it.
        let level = (u16::from(level) + 25) / 50 * 50;
        let level = u8::try_from(level).expect("a level");
        match levels.last_mut() {
            Some((last, count)) if *last == level => *count += 1,
            _ => levels.push((level, 1)),
        }
    }
    levels
}

/// Every picture came once and in order: those of each level stand together.
fn all_came(scene: &Scene, ended: &Ended, expected: &[u8], reloads: u64) -> Value {
    let report = report(ended);
    assert_eq!(ended.code, Some(0), "{report:#}");
    assert_eq!(report["reloads"], reloads, "{report:#}");
    assert_eq!(report["restarts"], 0);
    assert_eq!(report["frames"]["held"], 0);
    assert_eq!(report["frames"]["out"], FRAMES);
    let levels = levels(scene);
    assert_eq!(levels.iter().map(|it| it.0).collect::<Vec<_>>(), expected);
    assert_eq!(levels.iter().map(|it| it.1).sum::<usize>(), FRAMES);
    report
}

#[test]
fn what_is_saved_takes_over_and_no_picture_is_missing() {
    let scene = Scene::new();
    let file = scene.path("gray.py");
    save(&file, &of_level(100, SLOWLY));
    let run = start(&scene, "./gray.py", &[]);
    begun(&scene, 100);
    save(&file, &of_level(200, SLOWLY));
    begun(&scene, 200);
    // Of the same length, within the same second: no compiled file may stand for it.
    save(&file, &of_level(150, AT_ONCE));
    all_came(&scene, &run.into_run().end(), &[100, 200, 150], 2);
}

#[test]
fn code_that_does_not_run_is_told_and_the_earlier_code_goes_on() {
    let scene = Scene::new();
    let file = scene.path("gray.py");
    save(&file, &of_level(100, SLOWLY));
    let run = start(&scene, "./gray.py", &["--max-restarts", "0"]);
    begun(&scene, 100);
    save(&file, "def gray(frame:\n");
    run.said("the earlier code goes on");
    assert!(run.stderr().contains("SyntaxError"), "{}", run.stderr());
    assert!(run.stderr().contains("def gray(frame:"), "{}", run.stderr());
    save(&file, "import no_such_module_anywhere");
    run.said("no_such_module_anywhere");
    save(&file, &of_level(200, AT_ONCE));
    all_came(&scene, &run.into_run().end(), &[100, 200], 1);
}

#[test]
fn code_that_never_ran_has_the_stream_wait_for_the_next_save() {
    let scene = Scene::new();
    let file = scene.path("gray.py");
    save(&file, "1 / 0\n");
    let run = start(&scene, "./gray.py", &[]);
    run.said("the stream waits for the next save");
    assert!(
        run.stderr().contains("ZeroDivisionError"),
        "{}",
        run.stderr()
    );
    save(
        &file,
        &of_level(100, AT_ONCE).replace("def gray", "def load(self): pass\ndef gray"),
    );
    run.said("`./gray.py` cannot be imported");
    save(&file, &of_level(100, AT_ONCE));
    all_came(&scene, &run.into_run().end(), &[100], 1);
}

#[test]
fn a_pipeline_without_restarts_left_has_the_stream_wait_for_the_next_save() {
    let scene = Scene::new();
    let file = scene.path("gray.py");
    save(&file, &of_level(100, "'long'"));
    let run = start(&scene, "./gray.py", &["--max-restarts", "0"]);
    run.said("the stream waits for the next save");
    save(&file, &of_level(200, AT_ONCE));
    let ended = run.into_run().end();
    let report = report(&ended);
    assert_eq!(ended.code, Some(0), "{report:#}");
    assert_eq!(report["frames"]["held"], 1);
    assert_eq!(levels(&scene), [(200, FRAMES - 1)]);
}

#[test]
fn a_folder_is_a_pipeline_and_every_file_in_it_counts() {
    let scene = Scene::new();
    let folder = scene.path("a_package");
    fs::create_dir(&folder).expect("a folder");
    let pause = format!("{SLOWLY} if LEVEL == 100 else {AT_ONCE}");
    let code = of_level(0, &pause);
    let code = code.replace("pathlib.Path('begun-0')", "pathlib.Path(f'begun-{LEVEL}')");
    let code = code.replace(", 0, np", ", LEVEL, np");
    fs::write(folder.join("__init__.py"), "").expect("a file");
    fs::write(
        folder.join("pipeline.py"),
        format!("from .level import LEVEL\n{code}"),
    )
    .expect("a file");
    let level = folder.join("level.py");
    save(&level, "LEVEL = 100\n");
    let run = start(&scene, "./a_package", &[]);
    begun(&scene, 100);
    save(&level, "LEVEL = 200\n");
    let ended = run.into_run().end();
    assert_eq!(report(&ended)["reloads"], 1);
    let levels: Vec<u8> = levels(&scene).iter().map(|it| it.0).collect();
    assert_eq!(levels, [100, 200]);
}

#[test]
fn what_names_no_file_cannot_be_reloaded() {
    let scene = Scene::new();
    let raises = pipeline("Raises");
    for (args, said) in [
        (&["--pipeline", "noop"][..], "names none"),
        (&["--pipeline", "pkg.mod:Glow"], "names none"),
        (
            &["--pipeline", &raises, "--in-process"],
            "do not go together",
        ),
        (
            &["--pipeline", "./nowhere"],
            "there is no folder `./nowhere`",
        ),
        (
            &["--pipeline", "."],
            "has neither pipeline.py nor __init__.py",
        ),
    ] {
        let ended = scene.run(&[&[SOURCE, "--reload"], args].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    assert_eq!(scene.names(), Vec::<String>::new());
}

#[test]
fn only_run_reloads_and_the_others_say_so() {
    let scene = Scene::new();
    for command in ["serve", "infer"] {
        let args = [command, "--pipeline", "./gray.py", "--reload"];
        let ended = Ended::from(scene.command(&args).output().expect("it runs"));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let said = "--reload is for `framerill run`";
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}
