//! The vocabulary of media that every other room shares.
//!
//! Read in this order: [`TimeBase`] and [`Pts`] (media time), [`PixelFormat`] and [`Caps`] (what a
//! picture looks like in memory), [`Size`], [`Records`] (segments on a pipe), [`TransportPackets`] (transport streams), [`gps`]
//! (places in and beside recordings), [`counted`] (counts in sentences).
//!
//! Invariant: no I/O, no async, no unsafe, no clock. This room knows nobody.

mod caps;
mod count;
pub mod gps;
mod segments;
mod size;
mod time;
mod transport;

pub use caps::{Caps, CapsError, PixelFormat};
pub use count::counted;
pub use segments::{MAX_RECORD_BYTES, Piece, RecordError, Records, record_of, record_of_end};
pub use size::{Size, SizeError};
pub use time::{Pts, TimeBase, TimeBaseError};
pub use transport::{
    AudioCodec, Pes, PesHead, Program, ProgramTables, TRANSPORT_CLOCK, TRANSPORT_PACKET_BYTES,
    Track, TransportFound, TransportPacket, TransportPackets, TransportScanner, VideoCodec,
    transport_pieces, transport_stamp,
};
