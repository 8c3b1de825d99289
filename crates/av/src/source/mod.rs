//! A source: pictures and sound of a file or a generator, on one timeline.
//!
//! [`SourceReader`] reads; [`DecodedPicture`], [`AudioPacket`] and [`End`] are what comes out. Pts are the file's own and
//! strictly increase, with these exceptions: with a start, the first picture is at 0; a first picture before 0 is moved
//! to 0; transport streams that begin later than 10 s begin at 0, and their jumps are closed. Sound moves with the
//! pictures. With a frame rate, pts count pictures of that rate.

mod item;
mod reader;
mod window;

pub use crate::ffi::Interrupt;
pub(crate) use item::Raw;
pub use item::{AudioPacket, AudioParams, DecodedPicture, End, Item};
pub use reader::SourceReader;
pub(crate) use reader::{Traits, take_fd};
