//! FFmpeg behind safe types: the one module of this crate that holds unsafe code.
//!
//! Each type owns one FFmpeg object and frees it on drop. None can be cloned by accident, all may move between threads.
//! [`Fault`] is an FFmpeg error code. Values of C enumerations that a file decides (colours, codecs) are read as plain
//! integers, since a number that Rust does not know would be undefined behaviour as an `enum`.
//!
//! Invariant: no Rust panic crosses a C callback; the callbacks only make system calls ([`io`]) or count ([`log`]).

mod bitstream;
mod decoder;
mod demuxer;
mod elementary;
mod encoder;
mod fault;
mod frame;
mod graph;
mod io;
mod log;
mod muxer;
mod options;
mod packet;
mod parameters;
mod pixels;
mod swresample;
mod swscale;

pub(crate) use bitstream::BitstreamFilter;
pub(crate) use decoder::{Decoder, decoder_exists};
pub(crate) use demuxer::{Demuxer, StreamFacts};
pub(crate) use encoder::{
    AudioSpec, Encoder, VideoSpec, any_encoder_exists, encoder_exists, encoder_formats,
    encoder_rates,
};
pub use fault::Fault;
pub(crate) use frame::Frame;
pub(crate) use graph::Graph;
pub use io::Interrupt;
pub(crate) use io::Io;
pub use log::quieten;
pub(crate) use muxer::Muxer;
pub(crate) use packet::Packet;
pub(crate) use parameters::{MediaKind, Parameters};
pub(crate) use pixels::{Colour, Format, SideRange};
pub(crate) use swresample::Swresample;
pub(crate) use swscale::{Crop, Side, Swscale};

use ffmpeg_next::ffi as sys;

/// Version of FFmpeg's codec library, and its licence as it was built.
pub(crate) fn library() -> (String, String) {
    // SAFETY: both return constants of the library; the licence is a string with an end.
    let (version, licence) = unsafe {
        let licence = std::ffi::CStr::from_ptr(sys::avcodec_license());
        (sys::avcodec_version(), licence.to_string_lossy())
    };
    let [_, major, minor, micro] = version.to_be_bytes();
    // Two bytes of major, one of minor, one of micro (`AV_VERSION_INT`); the major is below 256.
    (format!("{major}.{minor}.{micro}"), licence.into_owned())
}

/// A fraction as FFmpeg has it.
fn rational((num, den): (u32, u32)) -> sys::AVRational {
    let part = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    sys::AVRational {
        num: part(num),
        den: part(den),
    }
}

/// A positive fraction of FFmpeg's; none when it is zero, negative or without meaning.
fn fraction(value: sys::AVRational) -> Option<(u32, u32)> {
    let num = u32::try_from(value.num).ok()?;
    let den = u32::try_from(value.den).ok()?;
    (num > 0 && den > 0).then_some((num, den))
}
