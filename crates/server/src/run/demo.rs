//! `framerill demo`: the whole thing at work, on a source that needs no file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use framerill_worker::message::LinkPolicy;
use serde_json::Map;

use super::{
    Pace, Pipeline, Plan,
    command::{execute, print_report},
};
use crate::{exit::Exit, failure::Failure};

const PIPELINE: &str = include_str!("demo_pipeline.py");

/// Runs `seconds` of a generated real-time source through a Python pipeline in a worker of its own.
pub fn demo(
    seconds: u32,
    folder: &Path,
    python: Option<PathBuf>,
    json: bool,
) -> Result<Exit, Failure> {
    let broken = |error: std::io::Error| {
        let shown = folder.display();
        Failure::cannot_start(
            "output_open",
            format!("cannot write into `{shown}`: {error}"),
        )
        .hint("name another folder with --output")
    };
    fs::create_dir_all(folder).map_err(broken)?;
    let pipeline = folder.join("demo_pipeline.py");
    let is_edited = fs::read_to_string(&pipeline).is_ok_and(|text| text != PIPELINE);
    if !is_edited {
        fs::write(&pipeline, PIPELINE).map_err(broken)?;
    }
    let plan = Plan {
        input: format!(
            "lavfi:testsrc2=size=1280x720:rate=30:duration={seconds};sine=frequency=330:duration={seconds}"
        ),
        pipeline: Pipeline::Python(pipeline.display().to_string()),
        params: Map::new(),
        output: folder.join("demo.mp4"),
        size: Some(
            framerill_media::Size::new(512, 512)
                .map_err(|error| Failure::failed("internal", error.to_string()))?,
        ),
        fps: None,
        policy: LinkPolicy::Latest,
        pace: Pace::RealTime,
        start: 0.0,
        duration: Some(f64::from(seconds)),
        preview: Some(folder.join("demo.png")),
        max_restarts: 3,
        max_frame_time: None,
        python,
        in_process: false,
        segments: false,
    };
    introduce(seconds, json);
    if is_edited && !json {
        say_edited(folder);
    }
    let (report, outcome) = execute(plan, json);
    print_report(&report, json);
    if outcome.is_ok() && !json {
        where_to_look(folder);
    }
    outcome.map_err(|failure| Failure {
        is_reported: json,
        ..failure
    })
}

fn introduce(seconds: u32, json: bool) {
    if !json {
        crate::terminal::tell(format_args!(
            "a 1280x720 source at 30 fps, in real time for {seconds} s, through a Python pipeline of its own process"
        ));
    }
}

fn say_edited(folder: &Path) {
    let shown = folder.display();
    crate::terminal::tell(format_args!(
        "with your {shown}/demo_pipeline.py; remove it to have the demo's own again"
    ));
}

fn where_to_look(folder: &Path) {
    let shown = folder.display();
    crate::terminal::answer(format_args!(
        "\nlook at       {shown}/demo.png   before and after"
    ));
    crate::terminal::answer(format_args!(
        "play          {shown}/demo.mp4   with any player"
    ));
    crate::terminal::answer(format_args!(
        "change        {shown}/demo_pipeline.py, then: framerill run YOUR.mp4 --pipeline {shown}/demo_pipeline.py"
    ));
}
