//! Whole packets of sound out of units that hold several, or parts of them. Pure.

use framerill_media::AudioCodec;

use super::{
    pes::Unit,
    sound_head::{self, SoundSpec},
};

/// Bytes that may wait for the rest of a packet; no codec here has longer ones.
const LONGEST: usize = 64 * 1024;
/// Ticks a second.
const RATE: u64 = 90_000;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// The source's time, in ticks of 1/90000 s.
    pub(super) pts: i64,
    /// Ticks.
    pub(super) duration: i64,
    /// Header included, except for Opus, whose header is the transport stream's.
    pub(super) bytes: Vec<u8>,
    pub(super) spec: SoundSpec,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Splitter {
    codec: AudioCodec,
    rest: Vec<u8>,
    /// A time that was given, and samples since then.
    from: Option<(i64, u64)>,
    /// Places where no packet was found.
    damaged: u64,
}

impl Splitter {
    pub(super) fn new(codec: AudioCodec) -> Self {
        Self {
            codec,
            rest: Vec::new(),
            from: None,
            damaged: 0,
        }
    }

    /// Takes a unit and tells each packet that is complete. A unit's time is that of the first packet that begins in it.
    pub(super) fn push(&mut self, unit: &Unit, mut tell: impl FnMut(Packet)) {
        if unit.is_damaged {
            self.rest.clear();
        }
        let begin = self.rest.len();
        self.rest.extend_from_slice(&unit.bytes);
        let (mut at, mut time, mut is_lost) = (0, unit.pts, false);
        while at < self.rest.len() {
            if at >= begin
                && let Some(pts) = time.take()
            {
                self.from = Some((pts, 0));
            }
            match sound_head::read(self.codec, &self.rest[at..]) {
                sound_head::Read::Found(found) if at + found.whole <= self.rest.len() => {
                    let bytes = &self.rest[at + found.skip..at + found.whole];
                    if let Some(packet) = self.packet(bytes.to_vec(), found.spec) {
                        tell(packet);
                    }
                    at += found.whole;
                    is_lost = false;
                }
                sound_head::Read::Found(_) | sound_head::Read::Short => break,
                sound_head::Read::Nothing => {
                    self.damaged += u64::from(!is_lost);
                    is_lost = true;
                    at += 1;
                }
            }
        }
        self.rest.drain(..at);
        if let Some(pts) = time {
            // Nothing begins in it as yet: what comes first has its time.
            self.from = if self.rest.is_empty() || begin == 0 {
                Some((pts, 0))
            } else {
                self.from
            };
        }
        if self.rest.len() > LONGEST {
            self.rest.clear();
            self.damaged += 1;
        }
    }

    /// Places where no packet was found.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    fn packet(&mut self, bytes: Vec<u8>, spec: SoundSpec) -> Option<Packet> {
        let (from, samples) = self.from.as_mut()?;
        let ticks = |samples: u64| {
            let rate = u64::from(spec.rate.max(1));
            i64::try_from((samples * RATE + rate / 2) / rate).unwrap_or(0)
        };
        let begin = ticks(*samples);
        *samples += u64::from(spec.samples);
        Some(Packet {
            pts: *from + begin,
            duration: ticks(*samples) - begin,
            bytes,
            spec,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODECS: [AudioCodec; 5] = [
        AudioCodec::Aac,
        AudioCodec::Mpeg { layer: 0 },
        AudioCodec::Ac3,
        AudioCodec::Eac3,
        AudioCodec::Opus { channels: 2 },
    ];

    fn adts(body: usize) -> Vec<u8> {
        let length = body + 7;
        let [_, _, _, _, _, _, high, low] = (length << 5).to_be_bytes();
        let top = u8::try_from(length >> 11).unwrap();
        let mut bytes = vec![0xff, 0xf1, 0x4c, 0x80 | top, high, low | 0x1f, 0xfc];
        bytes.resize(length, 0);
        bytes
    }

    fn unit(pts: Option<i64>, bytes: &[u8]) -> Unit {
        Unit {
            pts,
            dts: pts,
            bytes: bytes.to_vec(),
            is_damaged: false,
        }
    }

    fn push(splitter: &mut Splitter, unit: &Unit) -> Vec<(i64, i64, usize)> {
        let mut all = Vec::new();
        splitter.push(unit, |packet| {
            all.push((packet.pts, packet.duration, packet.bytes.len()))
        });
        all
    }

    #[test]
    fn several_packets_of_a_unit_follow_each_other_and_one_may_span_two_units() {
        let mut splitter = Splitter::new(AudioCodec::Aac);
        let bytes = [adts(100), adts(50), adts(30)].concat();
        let found = push(&mut splitter, &unit(Some(9000), &bytes[..180]));
        assert_eq!(found, [(9000, 1920, 107), (10920, 1920, 57)]);
        let rest = [&bytes[180..], &adts(10)].concat();
        let found = push(&mut splitter, &unit(Some(14_760), &rest));
        assert_eq!(found, [(12_840, 1920, 37), (14_760, 1920, 17)]);
        assert_eq!(splitter.damaged(), 0);
    }

    #[test]
    fn packets_behind_bytes_that_are_none_are_found_again() {
        let mut splitter = Splitter::new(AudioCodec::Aac);
        let bytes = [vec![1, 2, 3], adts(100), vec![4], adts(100)].concat();
        assert_eq!(push(&mut splitter, &unit(Some(0), &bytes)).len(), 2);
        assert_eq!(splitter.damaged(), 2);
    }

    #[test]
    fn the_header_of_opus_is_taken_off_and_its_first_byte_tells_how_long_it_lasts() {
        let mut splitter = Splitter::new(AudioCodec::Opus { channels: 1 });
        // 20 ms of CELT in 3 bytes, then the same with a trim.
        let bytes = [
            0x7f, 0xe0, 3, 0xf8, 1, 2, 0x7f, 0xf0, 3, 0x01, 0x38, 0xf8, 1, 2,
        ];
        assert_eq!(
            push(&mut splitter, &unit(Some(0), &bytes)),
            [(0, 1800, 3), (1800, 1800, 3)]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_harm(units in proptest::collection::vec(
            (any::<Option<i32>>(), proptest::collection::vec(prop_oneof![Just(0xff), Just(0x0b), Just(0x77), Just(0x7f), any::<u8>()], 0..300)), 0..20)) {
            for codec in CODECS {
                let mut splitter = Splitter::new(codec);
                for (pts, bytes) in &units {
                    splitter.push(&unit(pts.map(i64::from), bytes), |packet| {
                        assert!(packet.spec.rate > 0 && packet.spec.channels > 0);
                    });
                    prop_assert!(splitter.rest.len() <= LONGEST);
                }
            }
        }
    }
}
