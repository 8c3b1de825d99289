//! The peer: FFmpeg's own command line for the same decode, rate, crop, scale, rgb24, encode, sound and all.

use std::{
    io,
    process::{Command, Stdio},
    time::Duration,
};

use super::clip::Clip;

/// CPU time of FFmpeg for a whole clip.
pub(super) fn cpu(clip: &Clip) -> io::Result<Duration> {
    let (width, height) = clip.size;
    let side = width.min(height);
    let filters = format!("fps=24,crop={side}:{side},scale=512:512:flags=bilinear,format=rgb24");
    let done = Command::new("ffmpeg")
        .args(["-v", "info", "-benchmark", "-nostdin", "-y", "-i"])
        .arg(&clip.path)
        .args(["-vf", &filters])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "superfast",
            "-tune",
            "zerolatency",
        ])
        .args(["-pix_fmt", "yuv420p", "-g", "48"])
        .args([
            "-c:a",
            "libopus",
            "-ac",
            "1",
            "-b:a",
            "64k",
            "-f",
            "mpegts",
            "/dev/null",
        ])
        .stdout(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    let seconds = |name: &str| -> Option<f64> {
        let line = said
            .lines()
            .rev()
            .find(|line| line.contains("bench: utime="))?;
        let (_, rest) = line.split_once(name)?;
        rest.split(['s', ' ']).next()?.parse().ok()
    };
    let used = seconds("utime=").zip(seconds("stime="));
    match used {
        Some((user, system)) if done.status.success() => Ok(Duration::from_secs_f64(user + system)),
        _ => Err(io::Error::other(format!(
            "`ffmpeg` cannot do the same: {said}"
        ))),
    }
}
