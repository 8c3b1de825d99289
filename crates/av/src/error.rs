//! What can go wrong with a source or a sink.

use rustix::io::Errno;

pub use crate::ffi::Fault;
use crate::lavfi::GraphError;

/// Why a source cannot be read or a sink not be written. The text is one line; [`AvError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AvError {
    /// The plan contradicts itself, or asks for what cannot be.
    #[error("{0}")]
    Plan(String),
    /// A descriptor that the plan names did not come with it.
    #[error("no descriptor for `{name}` came with the plan")]
    NoDescriptor {
        /// Of the source or sink.
        name: String,
    },
    /// Nothing that FFmpeg knows.
    #[error("`{name}` is not a video that can be read: {fault}")]
    SourceOpen {
        /// Of the file.
        name: String,
        /// FFmpeg's reason.
        fault: Fault,
    },
    /// A recognised file whose index was never written.
    #[error("`{name}` has no index (`moov`): its recording was cut off")]
    SourceNoIndex {
        /// Of the file.
        name: String,
    },
    /// A picture of which only a part is there.
    #[error("the picture `{name}` stops before its end")]
    PictureCutOff {
        /// Of the file.
        name: String,
    },
    /// No bytes, or no pictures.
    #[error("`{name}` {what}")]
    SourceEmpty {
        /// Of the file.
        name: String,
        /// E.g. `is empty`.
        what: &'static str,
    },
    /// Sound or data only.
    #[error("`{name}` has no pictures, only {what}")]
    SourceNoVideo {
        /// Of the file.
        name: String,
        /// What it has.
        what: &'static str,
    },
    /// Pictures too large to be taken.
    #[error("the pictures of `{name}` are {width}x{height}: up to 16384 pixels a side can be read")]
    SourceTooLarge {
        /// Of the file.
        name: String,
        /// Pixels.
        width: i32,
        /// Pixels.
        height: i32,
    },
    /// There is no decoder, or it refuses the stream.
    #[error("cannot decode the {codec} pictures of `{name}`: {fault}")]
    Decoder {
        /// Of the file.
        name: String,
        /// FFmpeg's name.
        codec: String,
        /// FFmpeg's reason.
        fault: Fault,
    },
    /// Reading failed.
    #[error("cannot read `{name}`: {fault}")]
    SourceRead {
        /// Of the file.
        name: String,
        /// The system's reason.
        fault: Fault,
    },
    /// A generator that is not allowed, or not understood.
    #[error(transparent)]
    Generator(#[from] GraphError),
    /// FFmpeg refuses a generator.
    #[error("cannot generate `{graph}`: {fault}")]
    Generate {
        /// As it was given.
        graph: String,
        /// FFmpeg's reason.
        fault: Fault,
    },
    /// The sink cannot be begun.
    #[error("cannot begin `{name}`: {fault}")]
    SinkOpen {
        /// Of the sink.
        name: String,
        /// FFmpeg's reason.
        fault: Fault,
    },
    /// The sink cannot be written.
    #[error("cannot write `{name}`: {fault}")]
    SinkWrite {
        /// Of the sink.
        name: String,
        /// The system's reason.
        fault: Fault,
    },
    /// The finished file cannot be made of the fragments.
    #[error("cannot complete `{name}`: {fault}")]
    Remux {
        /// Of the sink.
        name: String,
        /// The reason.
        fault: Fault,
    },
    /// No such encoder.
    #[error("there is no video encoder `{name}` in this FFmpeg")]
    EncoderMissing {
        /// As it was given.
        name: String,
    },
    /// The container does not take what the encoder makes.
    #[error("{container} does not take {codec}, which `{encoder}` makes")]
    EncoderMismatch {
        /// FFmpeg's name.
        container: &'static str,
        /// FFmpeg's name.
        codec: String,
        /// As it was given.
        encoder: String,
    },
    /// The encoder refuses its settings or a frame.
    #[error("`{name}` cannot encode: {what}")]
    Encode {
        /// Of the encoder.
        name: String,
        /// Its reason.
        what: String,
    },
    /// [`crate::source::Interrupt`] was triggered.
    #[error("interrupted")]
    Interrupted,
    /// What a reader may use does not hold one picture.
    #[error(
        "the pictures of `{name}` are {width}x{height}: one takes {needed} MB, and a reader may use {allowed} MB"
    )]
    ReaderBudget {
        /// Of the file.
        name: String,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// For one picture.
        needed: u32,
        /// For all of them.
        allowed: u64,
    },
    /// The kernel has no memory for a reader's pool.
    #[error("{0}")]
    NoMemory(String),
    /// FFmpeg failed where it should not.
    #[error("cannot {step}: {fault}")]
    Internal {
        /// What was tried.
        step: &'static str,
        /// FFmpeg's reason.
        fault: Fault,
    },
}

impl AvError {
    /// Of the pictures of `name`, by the width and height that they claim.
    pub(crate) fn too_large(name: &str) -> impl Fn((i32, i32)) -> Self {
        move |(width, height)| Self::SourceTooLarge {
            name: name.to_owned(),
            width,
            height,
        }
    }

    /// The child protocol's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plan(_) => "params",
            Self::NoDescriptor { .. } => "protocol",
            Self::SourceOpen { .. }
            | Self::SourceTooLarge { .. }
            | Self::ReaderBudget { .. }
            | Self::Decoder { .. }
            | Self::SourceRead { .. }
            | Self::Generator(_)
            | Self::Generate { .. } => "source_open",
            Self::SourceNoIndex { .. } | Self::PictureCutOff { .. } => "source_truncated",
            Self::SourceEmpty { .. } => "source_empty",
            Self::SourceNoVideo { .. } => "source_no_video",
            Self::SinkOpen { fault, .. }
            | Self::SinkWrite { fault, .. }
            | Self::Remux { fault, .. } => sink_code(*fault),
            Self::EncoderMissing { .. } | Self::EncoderMismatch { .. } | Self::Encode { .. } => {
                "encode"
            }
            Self::NoMemory(_) | Self::Interrupted | Self::Internal { .. } => "internal",
        }
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::SourceOpen { .. } => {
                "give a video file: mp4, mov, mkv, webm, ts or avi; `ffprobe FILE` shows what a file holds"
            }
            Self::SourceNoIndex { .. } => {
                "record it again, or repair it from an intact file of the same camera"
            }
            Self::PictureCutOff { .. } => "copy it again, whole",
            Self::SourceEmpty { .. } => {
                "check that the file was copied whole; where a start is given, that it lies inside"
            }
            Self::SourceNoVideo { .. } => "give a file with a video stream",
            Self::SourceTooLarge { .. } | Self::ReaderBudget { .. } => "scale it down first",
            Self::SourceRead { .. } => "check the disk or the network share",
            Self::EncoderMissing { .. } => "`ffmpeg -encoders` lists what there is",
            Self::EncoderMismatch { .. } => {
                "mp4 takes libx264, webm takes libvpx and libvpx-vp9, mkv takes anything"
            }
            Self::Generator(error) => return Some(error.hint()),
            Self::SinkOpen { .. } | Self::SinkWrite { .. } | Self::Remux { .. } => {
                match self.code() {
                    "sink_full" => "make room, or write to another disk",
                    "sink_closed" => "the program that reads the output went away",
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn sink_code(fault: Fault) -> &'static str {
    match fault.errno().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => "sink_full",
        Some(Errno::PIPE | Errno::CONNRESET) => "sink_closed",
        _ => "sink_open",
    }
}
