//! A live stream out of a pipe: decoded pictures and whole packets of sound on one running timeline, with no delay of its
//! own.
//!
//! [`LiveSource`] reads. A transport stream (`sniff`) goes through machines of this room, over those of `framerill_media`:
//! `demuxer` (packets to their tracks), `pes` (packets into units, as soon as their end is seen), `sound` (units into
//! packets), `clock` (their times). Anything else goes through FFmpeg's demuxers (`container`). `video` decodes, `outlet` decides what is shown.
//!
//! Times are the source's own, in ticks of 1/90000 s, until it jumps; from there on they run on from the last one.

mod cap;
mod clock;
mod container;
mod demuxer;
mod failures;
#[cfg(test)]
mod fixture;
mod gaps;
mod item;
mod outlet;
mod pes;
mod pipe;
mod sniff;
mod sound;
mod sound_head;
mod source;
#[cfg(test)]
mod tests;
mod video;

pub(crate) use item::{LiveCounts, LiveEnd, LiveFormat, LiveItem};
pub(crate) use sound_head::SoundSpec;
pub(crate) use source::LiveSource;
