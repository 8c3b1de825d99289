//! What this FFmpeg can do, for `framerill doctor`.

use crate::ffi::{any_encoder_exists, decoder_exists, library};

/// Encoders that the containers use when nothing else is asked for.
const ENCODERS: [&str; 4] = ["libx264", "libvpx-vp9", "aac", "libopus"];

/// Decoders of what cameras write.
const DECODERS: [&str; 8] = [
    "h264",
    "hevc",
    "mpeg4",
    "mjpeg",
    "mpeg2video",
    "vp8",
    "vp9",
    "av1",
];

/// Lines: the codec library's version and licence, the encoders that are there, and those that are missing, if any; the
/// same for decoders.
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
    let (there, missing): (Vec<_>, Vec<_>) =
        DECODERS.into_iter().partition(|name| decoder_exists(name));
    lines.push(format!("decoders: {}", there.join(" ")));
    if !missing.is_empty() {
        lines.push(format!("missing decoders: {}", missing.join(" ")));
    }
    lines
}
