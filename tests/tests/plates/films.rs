//! Pictures and videos that are made here, and what is in their pixels: by the `ffmpeg` command.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Four seconds of a blue picture with 10 frames a second, a keyframe each second.
pub(crate) fn blue(path: &Path) {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i"])
        .arg("color=c=blue:s=320x240:r=10:d=4")
        .args([
            "-c:v",
            "libx264",
            "-g",
            "10",
            "-bf",
            "0",
            "-sc_threshold",
            "0",
            "-pix_fmt",
            "yuv420p",
        ])
        .arg(path)
        .status();
    assert!(made.expect("ffmpeg is here").success());
}

/// Makes a picture of `rgb24`, in the format that its name ends with.
pub(crate) fn picture(path: &Path, (width, height): (u32, u32), rgb: &[u8]) {
    let size = format!("{width}x{height}");
    let mut child = Command::new("ffmpeg")
        .args([
            "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size,
        ])
        .args(["-i", "-", "-update", "1", "-frames:v", "1", "-q:v", "1"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("ffmpeg is here");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(rgb).expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("it is ours").success());
}

/// Frames of what ffmpeg can read, as `rgb24`.
pub(crate) fn frames(bytes: &[u8], (width, height): (usize, usize)) -> Vec<Vec<u8>> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("room");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(file.path())
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("ffmpeg is here");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let all = output.stdout.chunks_exact(width * height * 3);
    assert!(all.remainder().is_empty(), "another size");
    all.map(Vec::from).collect()
}

/// Whether a pixel is about of that colour.
pub(crate) fn is_about(frame: &[u8], width: usize, at: (usize, usize), colour: [u8; 3]) -> bool {
    let from = (at.1 * width + at.0) * 3;
    let pixel = &frame[from..from + 3];
    let apart = pixel.iter().zip(colour).map(|(a, b)| a.abs_diff(b)).max();
    apart.is_some_and(|it| it < 90)
}
