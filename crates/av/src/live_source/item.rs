//! What comes out of a live source.

use framerill_worker::message::SourceInfo;

use crate::{
    error::AvError,
    source::{AudioPacket, AudioParams, DecodedPicture, End, Traits},
};

/// What [`super::LiveSource::next`] returns.
pub(crate) enum LiveItem {
    /// What the source turned out to be: before its first picture, and whenever size, codec or sound change.
    Format(LiveFormat),
    /// A picture; its pts is in ticks of 1/90000 s and strictly increases.
    Picture(DecodedPicture),
    /// One packet that can be decoded, on the pictures' timeline and in their ticks.
    Sound(AudioPacket),
    /// Nothing more comes.
    End(LiveEnd),
}

/// What a live source is, from here on.
pub(crate) struct LiveFormat {
    /// For the parent. Width and height are the source's own; `audio` is there as soon as sound is declared, with a rate
    /// of 0 before any was heard.
    pub(crate) info: SourceInfo,
    /// None while there are no pictures.
    pub(crate) traits: Option<Traits>,
    /// None while no sound was heard, or it is not wanted.
    pub(crate) sound: Option<AudioParams>,
}

/// How a live source ended.
#[derive(Debug)]
pub(crate) struct LiveEnd {
    /// Why it was given up; none when the pipe was closed and all that came was delivered.
    pub(crate) reason: Option<AvError>,
    /// Counts of the whole reading.
    pub(crate) end: End,
}

/// Counts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveCounts {
    /// Pictures left out because there were more than the plan takes.
    pub(crate) capped: u64,
    /// Units that came incomplete, or that the decoder refused.
    pub(crate) damaged: u64,
    /// Jumps of the source's times that were closed.
    pub(crate) jumps: u64,
    /// What is added to the source's times now, in ticks of 1/90000 s.
    pub(crate) offset: i64,
    /// Pictures and packets of sound left out because their time did not increase.
    pub(crate) misordered: u64,
    /// Holes in the sound.
    pub(crate) sound_gaps: u64,
}
