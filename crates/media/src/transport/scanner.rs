//! What is in a transport stream, packet by packet: which packets belong to one picture or one piece of sound, its times,
//! and when its first and last bytes came.
//!
//! For who measures and judges streams from outside; it decodes nothing. One programme, one video and one audio track, as
//! live streams have.

use super::{PesHead, TransportFound, TransportPacket, TransportPackets};

const PROGRAMMES: u16 = 0;

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
    /// The type of its stream in the programme's map: 0x1b is H.264, 0x24 HEVC, 0x0f AAC.
    pub stream_type: u8,
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
    stream_type: u8,
    open: Option<Pes<T>>,
}

/// Finds the [`Pes`] in bytes that come in any pieces.
#[derive(Debug)]
pub struct TransportScanner<T> {
    packets: TransportPackets,
    programme: Programme<T>,
    /// Of the newest bytes.
    mark: Option<T>,
}

#[derive(Debug)]
struct Programme<T> {
    map: Option<u16>,
    tracks: Vec<Known<T>>,
}

impl<T> Default for TransportScanner<T> {
    fn default() -> Self {
        Self {
            packets: TransportPackets::default(),
            programme: Programme {
                map: None,
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
        let programme = &mut self.programme;
        self.packets.push(bytes, |it| {
            if let TransportFound::Packet { packet, .. } = it {
                programme.take(&packet, mark, &mut found);
            }
        });
    }

    /// Everything is there, as at the end of a segment: tells what is open.
    pub fn finish(&mut self, mut found: impl FnMut(Pes<T>)) {
        let (programme, mark) = (&mut self.programme, self.mark);
        self.packets.finish(|it| {
            if let (TransportFound::Packet { packet, .. }, Some(mark)) = (it, mark) {
                programme.take(&packet, mark, &mut found);
            }
        });
        let open = self.programme.tracks.iter_mut();
        open.filter_map(|known| known.open.take()).for_each(found);
    }
}

impl<T: Copy> Programme<T> {
    fn take(&mut self, packet: &TransportPacket<'_>, mark: T, found: &mut impl FnMut(Pes<T>)) {
        if packet.pid == PROGRAMMES {
            self.map = programme_map(packet).or(self.map);
        } else if Some(packet.pid) == self.map {
            self.learn(packet, found);
        } else if let Some(known) = self.tracks.iter_mut().find(|it| it.pid == packet.pid) {
            if packet.is_start {
                if let Some(pes) = known.open.take() {
                    found(pes);
                }
                known.open = Some(Pes {
                    track: known.track,
                    stream_type: known.stream_type,
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

    /// Takes the tracks out of the programme's map; what is open of a track that is no longer there ends.
    fn learn(&mut self, packet: &TransportPacket<'_>, found: &mut impl FnMut(Pes<T>)) {
        let Some(listed) = tracks(packet) else { return };
        let mut before = std::mem::take(&mut self.tracks);
        for (stream_type, pid, track) in listed {
            let old = before.iter_mut().find(|it| it.pid == pid);
            let open = old.and_then(|old| old.open.take());
            self.tracks.push(Known {
                pid,
                track,
                stream_type,
                open,
            });
        }
        before.into_iter().filter_map(|it| it.open).for_each(found);
    }
}

/// A table that begins in this packet, from its first byte to before its checksum.
fn table<'a>(packet: &TransportPacket<'a>) -> Option<&'a [u8]> {
    if !packet.is_start {
        return None;
    }
    let (pointer, rest) = packet.payload.split_first()?;
    let table = rest.get(usize::from(*pointer)..)?;
    let length = usize::from(u16::from_be_bytes([table.get(1)? & 0x0f, *table.get(2)?]));
    // What follows the length, without the checksum.
    table.get(..(3 + length).checked_sub(4)?)
}

/// Where the map of the first programme is.
fn programme_map(packet: &TransportPacket<'_>) -> Option<u16> {
    let entries = table(packet)?.get(8..)?.chunks_exact(4);
    let entry = entries.into_iter().find(|it| it[..2] != [0, 0])?;
    Some(u16::from_be_bytes([entry[2] & 0x1f, entry[3]]))
}

/// Type, PID and kind of the first video and the first audio track.
fn tracks(packet: &TransportPacket<'_>) -> Option<Vec<(u8, u16, Track)>> {
    let table = table(packet)?;
    let length = |high: u8, low: u8| usize::from(u16::from_be_bytes([high & 0x0f, low]));
    let mut rest = table.get(12 + length(*table.get(10)?, *table.get(11)?)..)?;
    let mut found: Vec<(u8, u16, Track)> = Vec::new();
    while let &[
        stream_type,
        pid_high,
        pid_low,
        info_high,
        info_low,
        ref more @ ..,
    ] = rest
    {
        let pid = u16::from_be_bytes([pid_high & 0x1f, pid_low]);
        let track = match stream_type {
            0x01 | 0x02 | 0x1b | 0x24 => Some(Track::Video),
            // Opus comes as private data.
            0x03 | 0x04 | 0x06 | 0x0f | 0x11 => Some(Track::Audio),
            _ => None,
        };
        if let Some(track) = track
            && found.iter().all(|(_, _, other)| *other != track)
        {
            found.push((stream_type, pid, track));
        }
        rest = more.get(length(info_high, info_low)..)?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            TRANSPORT_CLOCK,
            fixture::{head, packet, tables},
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
                .map(|it| (it.track, it.stream_type, it.pts, it.keyframe, it.packets))
                .collect();
            assert_eq!(
                told,
                [
                    (Track::Video, 0x1b, Some(pts), true, 2),
                    (Track::Video, 0x1b, Some(1), false, 1),
                    (Track::Audio, 0x06, Some(44), false, 1),
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
