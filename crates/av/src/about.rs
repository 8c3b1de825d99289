//! What this FFmpeg can do, for `framerill doctor`.

use crate::ffi::{any_encoder_exists, library};

/// Encoders that the containers use when nothing else is asked for.
const ENCODERS: [&str; 4] = ["libx264", "libvpx-vp9", "aac", "libopus"];

/// Lines: the codec library's version and licence, the encoders that are there, and those that are missing, if any.
#[must_use]
pub fn about() -> Vec<String> {
    let (version, licence) = library();
    let (there, missing): (Vec<_>, Vec<_>) = ENCODERS
        .into_iter()
        .partition(|name| any_encoder_exists(name));
    let mut lines = vec![
        format!("ffmpeg: libavcodec {version}, {licence}"),
        format!("encoders: {}", there.join(" ")),
    ];
    if !missing.is_empty() {
        lines.push(format!("missing: {}", missing.join(" ")));
    }
    lines
}
