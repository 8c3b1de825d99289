//! The 128-byte notice of the frame link. `schema/frame-link.md` is its reference page.

use framerill_media::{Caps, PixelFormat, Pts, Size, TimeBase};

/// Bytes of every message.
pub const BYTES: usize = 128;
/// The most input frames that one output answers.
pub const MAX_PARENTS: usize = 4;
const MAGIC: u32 = u32::from_le_bytes(*b"FRL1");

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageType {
    /// The sender's pool; its memfd comes with the message.
    Pool,
    /// A frame lies in a slot.
    #[default]
    Frame,
    /// The reader is done with a slot.
    Release,
    /// The frame has no answer.
    Skip,
    /// Forget what is held.
    Flush,
    /// No more frames.
    Eos,
    /// The pipeline has taken a frame in, and answers it on its own time.
    Taken,
}

/// Picture or sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A picture.
    #[default]
    Video,
    /// A block of sound.
    Audio,
}

/// Facts about a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The slot is of the receiver's own pool: the output is the input picture itself.
    pub passthrough: bool,
    /// The source jumped before this frame.
    pub discontinuity: bool,
}

/// Why a frame has no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SkipReason {
    /// The pipeline chose so.
    #[default]
    Chosen,
    /// It came too late.
    Late,
    /// It was flushed.
    Flushed,
    /// The pipeline failed with it; the worker of a live stream goes on.
    Failed,
}

/// One message of the frame link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// What this message is.
    pub message: MessageType,
    /// Picture or sound.
    pub kind: Kind,
    /// Facts about the frame.
    pub flags: Flags,
    /// Slot number; in `pool` the number of slots.
    pub slot: u32,
    /// Bytes used in the slot; in `pool` bytes a slot.
    pub bytes: u32,
    /// Frame id; in `flush` the serial.
    pub frame: u64,
    /// In ticks of the time base.
    pub pts: Pts,
    /// Numerator and denominator of the time base.
    pub time_base: (u32, u32),
    /// Sample format's code.
    pub format: u32,
    /// Pixels, or samples a second.
    pub width: u32,
    /// Pixels, or channels.
    pub height: u32,
    /// In `skip`.
    pub reason: SkipReason,
    /// This output is `index` of `of` answers to its last parent.
    pub index: u32,
    /// How many answers; 0 while nobody knows, and then `pts` is this output's own.
    pub of: u32,
    /// How many of `parents` count.
    pub parents_len: u32,
    /// Ids of the frames that this output answers.
    pub parents: [u64; MAX_PARENTS],
    /// `CLOCK_MONOTONIC` when sent.
    pub sent_ns: u64,
    /// Time inside `process`; in `taken`, until the pipeline was free for the next frame.
    pub process_ns: u64,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// Not [`BYTES`] bytes.
    #[error("a message of {0} bytes instead of 128")]
    Length(usize),
    /// The first four bytes differ.
    #[error("a message without the link's magic number")]
    Magic,
    /// A code that this version does not know.
    #[error("unknown {field} {code}")]
    Code {
        /// Which field.
        field: &'static str,
        /// What it holds.
        code: u32,
    },
    /// Caps that cannot be.
    #[error("impossible caps: format {format}, {width}x{height}")]
    Caps {
        /// Format code.
        format: u32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A time base with a zero.
    #[error("a time base with a zero")]
    TimeBase,
}

impl Descriptor {
    /// A frame of `caps` in `slot`.
    #[must_use]
    pub fn frame(slot: u32, caps: Caps, frame: u64, pts: Pts, time_base: TimeBase) -> Self {
        Self {
            message: MessageType::Frame,
            slot,
            frame,
            pts,
            time_base: (time_base.num(), time_base.den()),
            ..Self::of_caps(caps)
        }
    }

    /// A pool of `slots` slots of `slot_bytes` for `caps`.
    #[must_use]
    pub fn pool(slots: u32, slot_bytes: u32, caps: Caps) -> Self {
        Self {
            message: MessageType::Pool,
            slot: slots,
            bytes: slot_bytes,
            ..Self::of_caps(caps)
        }
    }

    /// The reader is done with `slot`.
    #[must_use]
    pub fn release(slot: u32) -> Self {
        Self {
            message: MessageType::Release,
            slot,
            ..Self::default()
        }
    }

    /// `frame` has no answer.
    #[must_use]
    pub fn skip(frame: u64, reason: SkipReason) -> Self {
        Self {
            message: MessageType::Skip,
            frame,
            reason,
            ..Self::default()
        }
    }

    /// Forget what is held.
    #[must_use]
    pub fn flush(serial: u64) -> Self {
        Self {
            message: MessageType::Flush,
            frame: serial,
            ..Self::default()
        }
    }

    /// No more frames.
    #[must_use]
    pub fn eos() -> Self {
        Self {
            message: MessageType::Eos,
            ..Self::default()
        }
    }

    /// The pipeline has taken `frame` in, for which it needed so long.
    #[must_use]
    pub fn taken(frame: u64, process_ns: u64) -> Self {
        Self {
            message: MessageType::Taken,
            frame,
            process_ns,
            ..Self::default()
        }
    }

    /// The same, as the `index`th of `of` answers to these frames (at most [`MAX_PARENTS`]; the last ones count).
    #[must_use]
    pub fn answering(mut self, parents: &[u64], index: u32, of: u32) -> Self {
        let last = &parents[parents.len().saturating_sub(MAX_PARENTS)..];
        self.parents[..last.len()].copy_from_slice(last);
        self.parents_len = u32::try_from(last.len()).expect("at most MAX_PARENTS");
        (self.index, self.of) = (index, of);
        self
    }

    fn of_caps(caps: Caps) -> Self {
        Self {
            format: caps.format.code(),
            width: caps.size.width(),
            height: caps.size.height(),
            bytes: u32::try_from(caps.picture_bytes()).unwrap_or(u32::MAX),
            ..Self::default()
        }
    }

    /// The frames that this output answers, oldest first.
    #[must_use]
    pub fn parents(&self) -> &[u64] {
        &self.parents[..(self.parents_len as usize).min(MAX_PARENTS)]
    }

    /// The picture caps in this message.
    pub fn caps(&self) -> Result<Caps, DescriptorError> {
        let wrong = DescriptorError::Caps {
            format: self.format,
            width: self.width,
            height: self.height,
        };
        let format = PixelFormat::from_code(self.format).ok_or(wrong)?;
        let size = Size::new(self.width, self.height).map_err(|_| wrong)?;
        Caps::new(format, size).map_err(|_| wrong)
    }

    /// The time base in this message.
    pub fn time_base(&self) -> Result<TimeBase, DescriptorError> {
        TimeBase::new(self.time_base.0, self.time_base.1).map_err(|_| DescriptorError::TimeBase)
    }

    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; BYTES] {
        let mut out = [0; BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC.to_le_bytes());
        put(
            4,
            &[
                message_code(self.message),
                u8::from(self.kind == Kind::Audio),
            ],
        );
        let flags = u16::from(self.flags.passthrough) | u16::from(self.flags.discontinuity) << 1;
        put(6, &flags.to_le_bytes());
        put(8, &self.slot.to_le_bytes());
        put(12, &self.bytes.to_le_bytes());
        put(16, &self.frame.to_le_bytes());
        put(24, &self.pts.0.to_le_bytes());
        put(32, &self.time_base.0.to_le_bytes());
        put(36, &self.time_base.1.to_le_bytes());
        put(40, &self.format.to_le_bytes());
        put(44, &self.width.to_le_bytes());
        put(48, &self.height.to_le_bytes());
        let reason: u32 = match (self.message, self.reason) {
            (MessageType::Skip, SkipReason::Chosen) => 1,
            (MessageType::Skip, SkipReason::Late) => 2,
            (MessageType::Skip, SkipReason::Flushed) => 3,
            (MessageType::Skip, SkipReason::Failed) => 4,
            _ => 0,
        };
        put(52, &reason.to_le_bytes());
        put(56, &self.index.to_le_bytes());
        put(60, &self.of.to_le_bytes());
        put(64, &self.parents_len.to_le_bytes());
        for (i, parent) in self.parents.iter().enumerate() {
            put(72 + 8 * i, &parent.to_le_bytes());
        }
        put(104, &self.sent_ns.to_le_bytes());
        put(112, &self.process_ns.to_le_bytes());
        out
    }

    /// The message in `bytes`, which may come from anyone.
    pub fn decode(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let bytes: &[u8; BYTES] = bytes
            .try_into()
            .map_err(|_| DescriptorError::Length(bytes.len()))?;
        let u32_at =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at =
            |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if u32_at(0) != MAGIC {
            return Err(DescriptorError::Magic);
        }
        let message = match bytes[4] {
            1 => MessageType::Pool,
            2 => MessageType::Frame,
            3 => MessageType::Release,
            4 => MessageType::Skip,
            5 => MessageType::Flush,
            6 => MessageType::Eos,
            7 => MessageType::Taken,
            code => {
                return Err(DescriptorError::Code {
                    field: "type",
                    code: code.into(),
                });
            }
        };
        let kind = match bytes[5] {
            0 => Kind::Video,
            1 => Kind::Audio,
            code => {
                return Err(DescriptorError::Code {
                    field: "kind",
                    code: code.into(),
                });
            }
        };
        let flags = u16::from_le_bytes([bytes[6], bytes[7]]);
        if flags > 3 {
            return Err(DescriptorError::Code {
                field: "flags",
                code: flags.into(),
            });
        }
        let reason = match (message, u32_at(52)) {
            (MessageType::Skip, 1) => SkipReason::Chosen,
            (MessageType::Skip, 2) => SkipReason::Late,
            (MessageType::Skip, 3) => SkipReason::Flushed,
            (MessageType::Skip, 4) => SkipReason::Failed,
            (MessageType::Skip, code) => {
                return Err(DescriptorError::Code {
                    field: "reason",
                    code,
                });
            }
            _ => SkipReason::default(),
        };
        let parents_len = u32_at(64);
        if parents_len as usize > MAX_PARENTS {
            return Err(DescriptorError::Code {
                field: "parents_len",
                code: parents_len,
            });
        }
        Ok(Self {
            message,
            kind,
            flags: Flags {
                passthrough: flags & 1 != 0,
                discontinuity: flags & 2 != 0,
            },
            slot: u32_at(8),
            bytes: u32_at(12),
            frame: u64_at(16),
            pts: Pts(i64::from_le_bytes(
                bytes[24..32].try_into().expect("eight bytes"),
            )),
            time_base: (u32_at(32), u32_at(36)),
            format: u32_at(40),
            width: u32_at(44),
            height: u32_at(48),
            reason,
            index: u32_at(56),
            of: u32_at(60),
            parents_len,
            parents: std::array::from_fn(|i| u64_at(72 + 8 * i)),
            sent_ns: u64_at(104),
            process_ns: u64_at(112),
        })
    }
}

fn message_code(message: MessageType) -> u8 {
    match message {
        MessageType::Pool => 1,
        MessageType::Frame => 2,
        MessageType::Release => 3,
        MessageType::Skip => 4,
        MessageType::Flush => 5,
        MessageType::Eos => 6,
        MessageType::Taken => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused_and_what_decodes_round_trips(
            mut bytes in proptest::collection::vec(any::<u8>(), BYTES),
            kind in 0u8..3, message in 0u8..9, flags in 0u8..5, parents in 0u8..6, reason in 0u8..5,
        ) {
            bytes[..8].copy_from_slice(&[b'F', b'R', b'L', b'1', message, kind, flags, 0]);
            bytes[52..56].copy_from_slice(&[reason, 0, 0, 0]);
            bytes[64..68].copy_from_slice(&[parents, 0, 0, 0]);
            if let Ok(descriptor) = Descriptor::decode(&bytes) {
                prop_assert_eq!(Descriptor::decode(&descriptor.encode()).unwrap(), descriptor);
                let (_caps, _base) = (descriptor.caps(), descriptor.time_base());
            }
        }

        #[test]
        fn any_length_but_128_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assume!(bytes.len() != BYTES);
            prop_assert_eq!(Descriptor::decode(&bytes), Err(DescriptorError::Length(bytes.len())));
        }
    }

    #[test]
    fn the_last_parents_count_when_there_are_too_many() {
        let descriptor = Descriptor::eos().answering(&[1, 2, 3, 4, 5], 0, 1);
        assert_eq!(descriptor.parents(), [2, 3, 4, 5]);
    }
}
