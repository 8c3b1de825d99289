//! Which streams a transport stream says it holds: its tables (2.4.4). Pure.

use super::{
    TransportPacket,
    codec::{AudioCodec, VideoCodec},
};

/// The longest section that any table may have.
const LONGEST: usize = 4096;

/// The pid of the table that lists programs.
const PROGRAMS: u16 = 0;

/// Follows what a stream says of its first program.
#[derive(Debug, Default)]
pub struct ProgramTables {
    of_stream: Sections,
    of_program: Sections,
    /// Where the program's own table is.
    pid: Option<u16>,
}

impl ProgramTables {
    /// Whether packets of this pid carry one of the tables.
    #[must_use]
    pub fn hold(&self, pid: u16) -> bool {
        pid == PROGRAMS || Some(pid) == self.pid
    }

    /// Takes a packet of a table; what the program holds, each time it is said.
    pub fn push(&mut self, packet: &TransportPacket<'_>) -> Option<Program> {
        let (mut pid, mut program) = (None, None);
        if packet.pid == PROGRAMS {
            self.of_stream
                .push(packet.is_start, packet.payload, |section| {
                    pid = pid.or(first_program(section));
                });
        } else if Some(packet.pid) == self.pid {
            self.of_program
                .push(packet.is_start, packet.payload, |section| {
                    program = Program::parse(section).or(program);
                });
        }
        if pid.is_some() && pid != self.pid {
            self.pid = pid;
            self.of_program = Sections::default();
        }
        program
    }
}

/// Puts the sections of one pid together.
#[derive(Debug, Default)]
struct Sections {
    bytes: Vec<u8>,
    is_open: bool,
}

impl Sections {
    /// Takes a packet's payload and tells each section that is complete and whose check sum is right.
    fn push(&mut self, is_start: bool, mut payload: &[u8], mut tell: impl FnMut(&[u8])) {
        if is_start {
            let Some((pointer, rest)) = payload.split_first() else {
                return;
            };
            let end = usize::from(*pointer).min(rest.len());
            self.take(&rest[..end], &mut tell);
            self.bytes.clear();
            self.is_open = true;
            payload = &rest[end..];
        }
        self.take(payload, &mut tell);
    }

    fn take(&mut self, payload: &[u8], tell: &mut impl FnMut(&[u8])) {
        if !self.is_open {
            return;
        }
        self.bytes.extend_from_slice(payload);
        loop {
            let [table, high, low, ..] = self.bytes[..] else {
                return;
            };
            let length = 3 + usize::from(u16::from_be_bytes([high & 0x0f, low]));
            if table == 0xff || length > LONGEST {
                // The rest is stuffing, or nothing that can be read.
                self.bytes.clear();
                self.is_open = false;
                return;
            }
            let Some(section) = self.bytes.get(..length) else {
                return;
            };
            if crc(section) == 0 {
                tell(section);
            }
            self.bytes.drain(..length);
        }
    }
}

/// CRC-32/MPEG-2: 0 over a section with its check sum.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// What lies between head and check sum of a current section of a table, and its number.
fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let is_current = section.get(5)? & 1 == 1;
    let end = section.len().checked_sub(4)?;
    (section[0] == table && is_current).then(|| section.get(8..end))?
}

/// The pid of the first program's own table.
fn first_program(section: &[u8]) -> Option<u16> {
    let mut entries = body(section, 0x00)?.chunks_exact(4);
    let program = entries.find(|entry| entry[..2] != [0, 0])?;
    Some(pid(program[2], program[3]))
}

/// What a program holds: of each kind the first that can be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Pictures.
    pub video: Option<(u16, VideoCodec)>,
    /// Sound.
    pub audio: Option<(u16, AudioCodec)>,
}

impl Program {
    /// Reads a program's table.
    fn parse(section: &[u8]) -> Option<Self> {
        let body = body(section, 0x02)?;
        let skip = usize::from(u16::from_be_bytes([body.get(2)? & 0x0f, *body.get(3)?]));
        let mut streams = body.get(4 + skip..)?;
        let mut program = Self::default();
        while let [kind, high, low, more, length, rest @ ..] = streams {
            let length = usize::from(u16::from_be_bytes([more & 0x0f, *length]));
            let descriptors = &rest[..length.min(rest.len())];
            let pid = pid(*high, *low);
            if let Some(codec) = video(*kind, descriptors) {
                program.video.get_or_insert((pid, codec));
            } else if let Some(codec) = audio(*kind, descriptors) {
                program.audio.get_or_insert((pid, codec));
            }
            streams = &rest[descriptors.len()..];
        }
        Some(program)
    }
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}

fn video(kind: u8, descriptors: &[u8]) -> Option<VideoCodec> {
    match kind {
        0x01 => Some(VideoCodec::Mpeg1),
        0x02 => Some(VideoCodec::Mpeg2),
        0x10 => Some(VideoCodec::Mpeg4),
        0x1b => Some(VideoCodec::H264),
        0x24 => Some(VideoCodec::Hevc),
        0x06 if is_registered(descriptors, b"HEVC") => Some(VideoCodec::Hevc),
        _ => None,
    }
}

fn audio(kind: u8, descriptors: &[u8]) -> Option<AudioCodec> {
    match kind {
        0x03 | 0x04 => Some(AudioCodec::Mpeg { layer: 0 }),
        0x0f => Some(AudioCodec::Aac),
        0x81 => Some(AudioCodec::Ac3),
        0x87 => Some(AudioCodec::Eac3),
        0x06 if is_registered(descriptors, b"Opus") => {
            // Extension descriptor 0x80: the channels, as Opus over MPEG-TS numbers them.
            let said = entries(descriptors)
                .find(|(tag, body)| *tag == 0x7f && body.first() == Some(&0x80));
            let channels = said.and_then(|(_, body)| body.get(1).copied()).unwrap_or(2);
            Some(AudioCodec::Opus { channels })
        }
        0x06 if entries(descriptors).any(|(tag, _)| tag == 0x6a) => Some(AudioCodec::Ac3),
        0x06 if entries(descriptors).any(|(tag, _)| tag == 0x7a) => Some(AudioCodec::Eac3),
        _ => None,
    }
}

fn is_registered(descriptors: &[u8], name: &[u8; 4]) -> bool {
    entries(descriptors).any(|(tag, body)| tag == 0x05 && body.starts_with(name))
}

fn entries(mut descriptors: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [tag, length, rest @ ..] = descriptors else {
            return None;
        };
        let body = rest.get(..usize::from(*length))?;
        descriptors = &rest[body.len()..];
        Some((*tag, body))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::fixture::{program, section},
        *,
    };

    #[test]
    fn the_first_pictures_and_the_first_sound_of_the_first_program_are_taken() {
        let table = section(
            0x00,
            &[0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0x00, 0, 2, 0xe2, 0x00],
        );
        assert_eq!(first_program(&table), Some(0x1000));
        let opus: &[u8] = &[0x05, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, 1];
        let table = program(&[
            (0x06, 300, opus),
            (0x1b, 256, &[]),
            (0x24, 257, &[]),
            (0x0f, 258, &[]),
        ]);
        let expected = Program {
            video: Some((256, VideoCodec::H264)),
            audio: Some((300, AudioCodec::Opus { channels: 1 })),
        };
        assert_eq!(Program::parse(&table), Some(expected));
        assert_eq!(Program::parse(&program(&[])), Some(Program::default()));
    }

    #[test]
    fn a_section_over_several_packets_is_told_once_and_a_damaged_one_never() {
        let table = program(&[(0x1b, 256, &[]), (0x0f, 258, &[])]);
        let mut payload = vec![0];
        payload.extend(&table);
        payload.extend([0xff; 30]);
        let mut told = Vec::new();
        let mut sections = Sections::default();
        sections.push(true, &payload[..12], |section| told.push(section.to_vec()));
        assert!(told.is_empty());
        sections.push(false, &payload[12..], |section| told.push(section.to_vec()));
        assert_eq!(told, [table]);
        payload[14] ^= 1;
        sections.push(true, &payload, |_| panic!("its check sum is wrong"));
    }

    proptest! {
        #[test]
        fn no_bytes_harm(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..184)), 0..60)) {
            let mut sections = Sections::default();
            for (is_start, payload) in parts {
                sections.push(is_start, &payload, |_| {});
                prop_assert!(sections.bytes.len() <= LONGEST + 184);
                let _program = Program::parse(&payload);
                let _pid = first_program(&payload);
            }
        }
    }
}
