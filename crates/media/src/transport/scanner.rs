//! What is in a transport stream, packet by packet: which packets belong to one picture or one piece of sound, its times,
//! and when its first and last bytes came.
//!
//! For who measures and judges streams from outside; it decodes nothing. One program, one video and one audio track, as
//! live streams have.

use super::{PesHead, Program, ProgramTables, TransportFound, TransportPacket, TransportPackets};

/// A kind of elementary stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// One picture, or one piece of sound, as it stands in the stream.
///
/// `T` is what the caller knows of a packet: when it came, or where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pes<T> {
    /// Whose.
    pub track: Track,
    /// When it is shown, in 1/90000 s.
    pub pts: Option<u64>,
    /// Whether a decoder can begin here.
    pub keyframe: bool,
    /// Packets.
    pub packets: usize,
    /// Of its first packet.
    pub first: T,
    /// Of its last packet.
    pub last: T,
}

#[derive(Debug)]
struct Known<T> {
    pid: u16,
    track: Track,
    open: Option<Pes<T>>,
}

/// Finds the [`Pes`] in bytes that come in any pieces.
#[derive(Debug)]
pub struct TransportScanner<T> {
    packets: TransportPackets,
    units: Units<T>,
    /// Of the newest bytes.
    mark: Option<T>,
}

#[derive(Debug)]
struct Units<T> {
    tables: ProgramTables,
    tracks: Vec<Known<T>>,
}

impl<T> Default for TransportScanner<T> {
    fn default() -> Self {
        Self {
            packets: TransportPackets::default(),
            units: Units {
                tables: ProgramTables::default(),
                tracks: Vec::new(),
            },
            mark: None,
        }
    }
}

impl<T: Copy> TransportScanner<T> {
    /// Bytes so far that stood between packets.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.packets.skipped()
    }

    /// Takes bytes, and tells each [`Pes`] that the next one of its track has ended.
    pub fn push(&mut self, bytes: &[u8], mark: T, mut found: impl FnMut(Pes<T>)) {
        self.mark = Some(mark);
        let units = &mut self.units;
        self.packets.push(bytes, |it| {
            if let TransportFound::Packet { packet, .. } = it {
                units.take(&packet, mark, &mut found);
            }
        });
    }

    /// Everything is there, as at the end of a segment: tells what is open.
    pub fn finish(&mut self, mut found: impl FnMut(Pes<T>)) {
        let (units, mark) = (&mut self.units, self.mark);
        self.packets.finish(|it| {
            if let (TransportFound::Packet { packet, .. }, Some(mark)) = (it, mark) {
                units.take(&packet, mark, &mut found);
            }
        });
        let open = self.units.tracks.iter_mut();
        open.filter_map(|known| known.open.take()).for_each(found);
    }
}

impl<T: Copy> Units<T> {
    fn take(&mut self, packet: &TransportPacket<'_>, mark: T, found: &mut impl FnMut(Pes<T>)) {
        if self.tables.hold(packet.pid) {
            if let Some(program) = self.tables.push(packet) {
                self.learn(program, found);
            }
        } else if let Some(known) = self.tracks.iter_mut().find(|it| it.pid == packet.pid) {
            if packet.is_start {
                if let Some(pes) = known.open.take() {
                    found(pes);
                }
                known.open = Some(Pes {
                    track: known.track,
                    pts: PesHead::parse(packet.payload).and_then(|head| head.pts),
                    keyframe: packet.is_random_access(),
                    packets: 1,
                    first: mark,
                    last: mark,
                });
            } else if let Some(open) = &mut known.open {
                open.last = mark;
                open.packets += 1;
            }
        }
    }

    /// These are the tracks from here on; what is open of one that is no longer there ends.
    fn learn(&mut self, program: Program, found: &mut impl FnMut(Pes<T>)) {
        let mut before = std::mem::take(&mut self.tracks);
        let video = program.video.map(|(pid, _)| (pid, Track::Video));
        let audio = program.audio.map(|(pid, _)| (pid, Track::Audio));
        for (pid, track) in [video, audio].into_iter().flatten() {
            let old = before.iter_mut().find(|it| it.pid == pid);
            let open = old.and_then(|old| old.open.take());
            self.tracks.push(Known { pid, track, open });
        }
        before.into_iter().filter_map(|it| it.open).for_each(found);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            TRANSPORT_CLOCK,
            fixture::{head, packet, pointed, program, section, tables},
        },
        *,
    };

    #[test]
    fn pictures_and_sound_are_told_however_the_bytes_are_cut() {
        let pts = TRANSPORT_CLOCK - 7;
        let stream = [
            tables(),
            packet(0x100, true, true, &head(pts)),
            packet(0x100, false, false, &[9; 100]),
            packet(0x101, true, false, &head(44)),
            packet(0x100, true, false, &head(1)),
        ]
        .concat();
        for cut in [1, 7, 187, 188, 189, stream.len()] {
            let mut scanner = TransportScanner::default();
            let mut found = Vec::new();
            for (index, piece) in stream.chunks(cut).enumerate() {
                scanner.push(piece, index * cut, |pes| found.push(pes));
            }
            scanner.finish(|pes| found.push(pes));
            let told: Vec<_> = found
                .iter()
                .map(|it| (it.track, it.pts, it.keyframe, it.packets))
                .collect();
            assert_eq!(
                told,
                [
                    (Track::Video, Some(pts), true, 2),
                    (Track::Video, Some(1), false, 1),
                    (Track::Audio, Some(44), false, 1),
                ]
            );
            assert_eq!(scanner.skipped(), 0);
        }
    }

    #[test]
    fn bytes_that_are_no_packets_are_counted_and_change_nothing() {
        let mut scanner = TransportScanner::default();
        scanner.push(b"<html></html>", (), |_| panic!("nothing is in it"));
        scanner.push(&tables(), (), |_| panic!("nothing is in it"));
        scanner.finish(|_| panic!("nothing is in it"));
        assert_eq!(scanner.skipped(), 13);
    }

    #[test]
    fn a_map_over_two_packets_is_read_and_a_damaged_one_is_not() {
        let long = [0xfe; 200];
        let map = pointed(program(&[(0x05, 0x200, &long), (0x1b, 0x100, &[])]));
        let (one, two) = map.split_at(150);
        let mut damaged = pointed(program(&[(0x1b, 0x300, &[])]));
        damaged[18] ^= 1;
        let programs = pointed(section(0x00, &[0, 1, 0xf0, 0]));
        let stream = [
            packet(0, true, false, &programs),
            packet(0x1000, true, false, one),
            packet(0x1000, false, false, two),
            packet(0x1000, true, false, &damaged),
            packet(0x100, true, true, &head(7)),
        ]
        .concat();
        let mut scanner = TransportScanner::default();
        let mut found = Vec::new();
        scanner.push(&stream, (), |pes| found.push(pes.pts));
        scanner.finish(|pes| found.push(pes.pts));
        assert_eq!(found, [Some(7)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_without_a_panic(
            bodies in proptest::collection::vec(
                (any::<bool>(), 0u16..3, proptest::collection::vec(any::<u8>(), 0..182)), 0..30),
        ) {
            let mut scanner = TransportScanner::default();
            scanner.push(&tables(), (), |_| {});
            for (starts, pid, body) in bodies {
                let pid = [0, 0x100, 0x1000][usize::from(pid)];
                scanner.push(&packet(pid, starts, false, &body), (), |_| {});
            }
            scanner.finish(|_| {});
        }
    }
}
