//! What containers take and how they are written. Pure.

use framerill_worker::message::Container;

/// FFmpeg's name.
pub(crate) fn format(container: Container) -> &'static str {
    match container {
        Container::Mp4 => "mp4",
        Container::Matroska => "matroska",
        Container::Webm => "webm",
        Container::Mpegts | Container::Segments => "mpegts",
    }
}

/// How a container is written so that what is there plays, whatever happens next.
pub(crate) fn options(container: Container) -> &'static [(&'static str, &'static str)] {
    match container {
        // A fragment begins with each keyframe. The index waits for the first fragment, so that it can say where each
        // stream begins; without that, sound and pictures would be shifted to 0.
        Container::Mp4 => &[(
            "movflags",
            "frag_keyframe+empty_moov+delay_moov+default_base_moof",
        )],
        Container::Matroska | Container::Webm => &[("cluster_time_limit", "2000")],
        // What is written goes out packet by packet: who reads it is waiting.
        Container::Segments => &[("flush_packets", "1"), ("pes_payload_size", "0")],
        Container::Mpegts => &[],
    }
}

/// Whether it is an MPEG transport stream, whole or in segments.
pub(crate) fn is_transport_stream(container: Container) -> bool {
    matches!(container, Container::Mpegts | Container::Segments)
}

/// Whether the container's muxer says itself which pictures it takes.
pub(crate) fn knows_codecs(container: Container) -> bool {
    !is_transport_stream(container)
}

/// Whether pictures of a codec go into MPEG-TS.
pub(crate) fn mpegts_takes_pictures(codec: &str) -> bool {
    matches!(
        codec,
        "h264" | "hevc" | "mpeg2video" | "mpeg4" | "mpeg1video"
    )
}

/// Whether sound of a codec is carried over as it is. `muxer_takes` is what the muxer says.
pub(crate) fn copies_sound(container: Container, codec: &str, muxer_takes: bool) -> bool {
    match container {
        Container::Mp4 => matches!(codec, "aac" | "mp3" | "ac3" | "eac3" | "alac" | "opus"),
        Container::Matroska => muxer_takes,
        Container::Webm => matches!(codec, "opus" | "vorbis"),
        Container::Mpegts | Container::Segments => {
            matches!(codec, "aac" | "mp3" | "mp2" | "ac3" | "eac3")
        }
    }
}

/// The encoder of sound that cannot be carried over.
pub(crate) fn sound_encoder(container: Container) -> &'static str {
    match container {
        Container::Webm => "libopus",
        Container::Mp4 | Container::Matroska | Container::Mpegts | Container::Segments => "aac",
    }
}

/// Whether times before 0 can be said.
pub(crate) fn takes_negative_times(container: Container) -> bool {
    container == Container::Mp4
}
