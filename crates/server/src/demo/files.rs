//! The demo's files: its pipeline before, video and picture after.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    figures::Report,
    stage::{Came, Part, Stage},
};
use crate::{failure::Failure, python, terminal};

const PIPELINE: &str = include_str!("demo_pipeline.py");
/// What is shown.
pub(super) const SOURCE: &str = "lavfi:testsrc2=size=1280x720:rate=30";
/// Where there is no Python for it.
const FILTER: &str = "edges";

/// What pictures go through.
pub(super) struct Chosen {
    /// As `--pipeline` takes it.
    pub(super) pipeline: String,
    pub(super) name: String,
}

/// Writes the demo's pipeline, unless the user's own is there; without a Python, a filter takes its place.
pub(super) fn pipeline(
    folder: &Path,
    python: Option<&Path>,
    json: bool,
) -> Result<Chosen, Failure> {
    let file = folder.join("demo_pipeline.py");
    let shown = file.display().to_string();
    let is_edited = fs::read_to_string(&file).is_ok_and(|text| text != PIPELINE);
    if !is_edited {
        fs::write(&file, PIPELINE).map_err(|error| broken(folder, &error))?;
    }
    match python::ask(python, &["describe", &shown]) {
        Ok(described) => {
            if is_edited && !json {
                terminal::tell(format_args!(
                    "with your {shown}; remove it to have the demo's own again"
                ));
            }
            let name = described["name"].as_str().unwrap_or("demo_pipeline");
            Ok(Chosen {
                pipeline: shown,
                name: name.to_owned(),
            })
        }
        Err(failure) if is_no_python(&failure) => {
            terminal::tell(format_args!(
                "framerill: NO PYTHON: the built-in filter `{FILTER}` takes the pipeline's place; {failure}"
            ));
            Ok(Chosen {
                pipeline: FILTER.to_owned(),
                name: FILTER.to_owned(),
            })
        }
        Err(failure) => Err(failure),
    }
}

fn is_no_python(failure: &Failure) -> bool {
    ["no_program", "no_python", "no_python_package"].contains(&failure.code.as_str())
}

/// The failure of a folder that takes no files.
pub(super) fn broken(folder: &Path, error: &std::io::Error) -> Failure {
    let shown = folder.display();
    let text = format!("cannot write into `{shown}`: {error}");
    Failure::cannot_start("output_open", text).hint("name another folder with --output")
}

/// Makes a video of what was recorded, and a picture of the source beside what the pipeline makes of it.
pub(super) async fn make(
    stage: &mut Stage,
    folder: &Path,
    pipeline: &str,
    python: &[&str],
    report: &mut Report,
) -> Result<(), Failure> {
    let text = |path: &Path| path.display().to_string();
    let (recorded, video) = (folder.join("demo.ts"), folder.join("demo.mp4"));
    let args = [
        "run",
        &text(&recorded),
        "--pipeline",
        "noop",
        "-o",
        &text(&video),
        "--json",
    ];
    let made = run(stage, &args).await?;
    report.frames.out = made["frames"]["out"].as_u64().unwrap_or_default();
    // The stream may have been looked at for the last time before its last pictures; each that was seen came in.
    report.frames.taken = report.frames.taken.max(report.frames.out);
    report.output = Some(text(&video));

    let apart = TempDir::new_in(folder).map_err(|error| broken(folder, &error))?;
    let (scrap, picture) = (apart.path().join("demo.mp4"), folder.join("demo.png"));
    let source = format!("{SOURCE}:duration=1");
    let scrap = text(&scrap);
    let args = [
        "run",
        &source,
        "--pipeline",
        pipeline,
        "--size",
        "512x512",
        "-o",
        &scrap,
        "--preview",
        "--json",
    ];
    let made = run(stage, &[&args, python].concat()).await?;
    let preview = made["preview"].as_str().map(PathBuf::from);
    let preview = preview.ok_or_else(|| stage.failure(Part::Files, "made no picture"))?;
    fs::rename(preview, &picture).map_err(|error| broken(folder, &error))?;
    report.preview = Some(text(&picture));
    Ok(())
}

/// One run to its end; its report.
async fn run(stage: &mut Stage, args: &[&str]) -> Result<Value, Failure> {
    stage.start(Part::Files, args)?;
    let mut report = Value::Null;
    loop {
        match stage.next().await {
            Came::Said(Part::Files, said) => report = said,
            Came::Ended(Part::Files, _) if report["status"] == "done" => return Ok(report),
            Came::Ended(Part::Files, _) => {
                let why = report["error"]["message"].as_str().unwrap_or("ended");
                return Err(stage.failure(Part::Files, why));
            }
            Came::Ended(Part::Runner, reason) => {
                return Err(stage.failure(Part::Runner, &format!("ended: {reason}")));
            }
            Came::Signal(exit) => {
                return Err(Failure {
                    exit,
                    ..Failure::failed("interrupted", "interrupted before its files")
                });
            }
            _ => {}
        }
    }
}
