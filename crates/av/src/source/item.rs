//! What comes out of a source.

use framerill_media::{Pts, TimeBase};

use crate::ffi::{Frame, Packet, Parameters};

/// What [`super::SourceReader::next`] returns.
#[derive(Debug)]
pub enum Item {
    /// A picture.
    Picture(DecodedPicture),
    /// Sound.
    Audio(AudioPacket),
    /// Nothing more comes.
    Eos(End),
}

/// What a file or a generator delivers; times in the pictures' or the sound's own ticks.
pub(crate) enum Raw {
    /// A picture and its pts.
    Picture {
        frame: Frame,
        pts: i64,
        /// The time is the source's own, not a guess.
        is_timed: bool,
        jumped: bool,
    },
    /// Sound.
    Audio(Packet),
    /// Nothing more comes.
    End(End),
}

/// A picture as the decoder left it, in FFmpeg's memory.
pub struct DecodedPicture {
    pub(crate) frame: Frame,
    pub(crate) pts: Pts,
    pub(crate) discontinuity: bool,
}

impl DecodedPicture {
    /// When it is shown, in the reader's time base.
    #[must_use]
    pub fn pts(&self) -> Pts {
        self.pts
    }

    /// Whether the source's times jumped before it.
    #[must_use]
    pub fn discontinuity(&self) -> bool {
        self.discontinuity
    }

    /// Pixels as they are stored, before cropping and turning.
    #[must_use]
    pub fn stored_size(&self) -> Option<framerill_media::Size> {
        self.frame.size()
    }
}

impl std::fmt::Debug for DecodedPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodedPicture")
            .field("pts", &self.pts)
            .finish_non_exhaustive()
    }
}

/// Compressed sound (or samples, from a generator), in the time base of [`AudioParams`].
pub struct AudioPacket {
    pub(crate) packet: Packet,
}

impl AudioPacket {
    /// When it is heard.
    #[must_use]
    pub fn pts(&self) -> Pts {
        Pts(self.packet.pts().unwrap_or(0))
    }

    /// Ticks that it lasts; 0 when unknown.
    #[must_use]
    pub fn duration(&self) -> i64 {
        self.packet.duration()
    }

    /// Compressed bytes that it holds in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.packet.bytes()
    }
}

impl std::fmt::Debug for AudioPacket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioPacket")
            .field("pts", &self.pts())
            .field("bytes", &self.bytes())
            .finish()
    }
}

/// What a sink has to know of the sound.
pub struct AudioParams {
    pub(crate) parameters: Parameters,
    pub(crate) time_base: TimeBase,
    /// Samples of a generator, which nobody wants uncompressed.
    pub(crate) generated: bool,
}

impl AudioParams {
    /// FFmpeg's name of the codec.
    #[must_use]
    pub fn codec(&self) -> String {
        self.parameters.codec_name()
    }

    /// The length of a tick of its packets' times.
    #[must_use]
    pub fn time_base(&self) -> TimeBase {
        self.time_base
    }
}

/// How a source ended. Counts are of the whole reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// Less was there than the header says.
    pub is_truncated: bool,
    /// Pictures of which the decoder made up a part.
    pub concealed: u64,
    /// Packets that the decoder refused.
    pub undecodable: u64,
    /// Packets that the demuxer flagged as damaged.
    pub damaged: u64,
    /// Reads that failed within the file.
    pub unreadable: u64,
    /// Pictures dropped because their pts did not increase.
    pub misordered: u64,
    /// Packets of sound dropped because too many came before the first picture.
    pub sound_dropped: u64,
    /// Jumps of the source's times that were closed.
    pub jumps: u64,
}

impl End {
    /// One line for the log, unless all went well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let mut said = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                said.push(format!("{what}: {count}"));
            }
        };
        say(self.concealed, "pictures partly made up by the decoder");
        say(self.undecodable, "packets that could not be decoded");
        say(self.damaged, "damaged packets");
        say(self.unreadable, "places that could not be read");
        say(
            self.misordered,
            "pictures dropped because their time did not increase",
        );
        say(
            self.sound_dropped,
            "packets of sound dropped before the first picture",
        );
        say(self.jumps, "closed jumps in time");
        if self.is_truncated {
            said.insert(0, "the source ends before its header says".to_owned());
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_end_warns_of_nothing() {
        assert_eq!(End::default().warning(), None);
        let end = End {
            is_truncated: true,
            concealed: 2,
            ..End::default()
        };
        assert_eq!(
            end.warning().unwrap(),
            "the source ends before its header says; pictures partly made up by the decoder: 2"
        );
    }
}
