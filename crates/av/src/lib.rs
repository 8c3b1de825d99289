//! The media process: compressed bytes in, frames out to a worker, frames back, compressed bytes out.
//!
//! Two halves. Codecs: [`source`] (demux, decode), [`scale`], [`sink`] (encode, mux, remux), [`preview`], all over `ffi`.
//! Streams: `exchange` decides which frame is where; `ingress`, `attach` and `egress` are the threads
//! around it; [`Media`] answers the parent. `reader_session` delivers a file's frames and
//! writes nothing; `excerpt` takes one picture or clip out of a file.
//!
//! Invariant: the only room that knows FFmpeg. It opens no path and no socket; every file comes as a descriptor.

mod about;
mod attach;
mod control;
mod conversion;
mod copy;
mod decode;
mod demux;
mod egress;
mod encode;
pub mod error;
mod excerpt;
mod exchange;
#[expect(unsafe_code, reason = "FFmpeg; each block says why it is sound")]
mod ffi;
mod fit;
mod generate;
mod histogram;
mod index;
mod ingress;
mod interleaver;
mod kept;
mod lavfi;
mod live_session;
mod live_source;
mod mux;
mod pace;
pub mod preview;
mod rate;
mod reader_session;
mod remux;
mod resample;
pub mod scale;
pub mod sink;
pub mod source;
mod stream;
mod tally;
mod timeline;
mod turn;
mod usual;

pub use about::about;
pub use control::Media;
pub use ffi::quieten;
