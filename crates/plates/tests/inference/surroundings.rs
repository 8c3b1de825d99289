//! What is there on this machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use framerill_plates::{
    models::{Choice, Models},
    onnx::{Provider, Runtime},
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn tiny_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

pub(crate) fn choice() -> Choice {
    Choice {
        provider: Provider::Cpu,
        ..Choice::default()
    }
}

fn has_runtime() -> bool {
    Runtime::open(None)
        .inspect_err(|it| eprintln!("skipped: {it}"))
        .is_ok()
}

/// The tiny models, if ONNX Runtime is there.
pub(crate) fn tiny() -> Option<Models> {
    has_runtime().then(|| Models::open(&tiny_dir(), choice()).expect("the registry is good"))
}

/// The test material and its models, if both and ONNX Runtime are there.
pub(crate) fn material() -> Option<(PathBuf, Models)> {
    let named = std::env::var_os("FRAMERILL_MATERIAL").map(PathBuf::from);
    let dir = named.unwrap_or_else(|| root().join("../shared/material"));
    if !dir.join("models").is_dir() {
        eprintln!("skipped: no test material at {}", dir.display());
        return None;
    }
    let models = Models::open(&dir.join("models"), choice()).expect("the registry is good");
    has_runtime().then_some((dir, models))
}

/// Frames of a video or a picture as `rgb24`, by the `ffmpeg` command.
pub(crate) fn frames(path: &Path, (width, height): (u32, u32)) -> Vec<Vec<u8>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s"])
        .arg(format!("{width}x{height}"))
        .arg("-")
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "{}", path.display());
    let bytes = width as usize * height as usize * 3;
    output.stdout.chunks_exact(bytes).map(Vec::from).collect()
}
