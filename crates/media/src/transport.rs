//! What is in a transport stream (ISO/IEC 13818-1), packet by packet: which packets belong to one picture or one piece of
//! sound, its times, and when its first and last bytes came.
//!
//! For who measures and judges streams from outside; it decodes nothing. One programme, one video and one audio track, as
//! live streams have.

/// Bytes of a packet.
pub const TRANSPORT_PACKET_BYTES: usize = 188;

/// First number that is no time: the clock of transport streams has 33 bits.
pub const TRANSPORT_CLOCK: u64 = 1 << 33;

const SYNC: u8 = 0x47;
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
    partial: Vec<u8>,
    map: Option<u16>,
    tracks: Vec<Known<T>>,
    /// Bytes that belong to no packet.
    skipped: u64,
}

impl<T> Default for TransportScanner<T> {
    fn default() -> Self {
        Self {
            partial: Vec::with_capacity(TRANSPORT_PACKET_BYTES),
            map: None,
            tracks: Vec::new(),
            skipped: 0,
        }
    }
}

impl<T: Copy> TransportScanner<T> {
    /// Bytes so far that stood between packets.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes bytes, and tells each [`Pes`] that the next one of its track has ended.
    pub fn push(&mut self, mut bytes: &[u8], mark: T, mut found: impl FnMut(Pes<T>)) {
        while !bytes.is_empty() {
            if self.partial.is_empty() {
                let noise = bytes.iter().take_while(|&&byte| byte != SYNC).count();
                self.skipped += u64::try_from(noise).unwrap_or(0);
                bytes = &bytes[noise..];
            }
            let wanted = TRANSPORT_PACKET_BYTES - self.partial.len();
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            self.partial.extend_from_slice(now);
            bytes = later;
            if self.partial.len() == TRANSPORT_PACKET_BYTES {
                let packet = std::mem::take(&mut self.partial);
                self.packet(&packet, mark, &mut found);
                self.partial = packet;
                self.partial.clear();
            }
        }
    }

    /// Everything is there, as at the end of a segment: tells what is open.
    pub fn finish(&mut self, mut found: impl FnMut(Pes<T>)) {
        self.skipped += u64::try_from(self.partial.len()).unwrap_or(0);
        self.partial.clear();
        for known in &mut self.tracks {
            if let Some(pes) = known.open.take() {
                found(pes);
            }
        }
    }

    fn packet(&mut self, packet: &[u8], mark: T, found: &mut impl FnMut(Pes<T>)) {
        let Some(view) = PacketView::of(packet) else {
            return;
        };
        if view.pid == PROGRAMMES {
            self.map = programme_map(&view).or(self.map);
        } else if Some(view.pid) == self.map {
            self.learn(&view, found);
        } else if let Some(known) = self.tracks.iter_mut().find(|it| it.pid == view.pid) {
            if view.starts {
                if let Some(pes) = known.open.take() {
                    found(pes);
                }
                known.open = Some(Pes {
                    track: known.track,
                    stream_type: known.stream_type,
                    pts: pts_of(view.payload),
                    keyframe: view.random_access,
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
    fn learn(&mut self, view: &PacketView<'_>, found: &mut impl FnMut(Pes<T>)) {
        let Some(listed) = tracks(view) else { return };
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

struct PacketView<'a> {
    pid: u16,
    starts: bool,
    random_access: bool,
    payload: &'a [u8],
}

impl<'a> PacketView<'a> {
    fn of(packet: &'a [u8]) -> Option<Self> {
        let &[SYNC, high, low, control, ref rest @ ..] = packet else {
            return None;
        };
        let adapted = control & 0x20 != 0;
        let length = if adapted {
            1 + usize::from(*rest.first()?)
        } else {
            0
        };
        let has_payload = control & 0x10 != 0;
        Some(Self {
            pid: u16::from_be_bytes([high & 0x1f, low]),
            starts: high & 0x40 != 0,
            random_access: length > 1 && rest[1] & 0x40 != 0,
            payload: if has_payload {
                rest.get(length..)?
            } else {
                &[]
            },
        })
    }

    /// A table that begins in this packet, from its first byte to before its checksum.
    fn table(&self) -> Option<&'a [u8]> {
        if !self.starts {
            return None;
        }
        let pointer = usize::from(*self.payload.first()?);
        let table = self.payload.get(1 + pointer..)?;
        let length = usize::from(u16::from_be_bytes([table.get(1)? & 0x0f, *table.get(2)?]));
        // What follows the length, without the checksum.
        table.get(..(3 + length).checked_sub(4)?)
    }
}

/// Where the map of the first programme is.
fn programme_map(view: &PacketView<'_>) -> Option<u16> {
    let entries = view.table()?.get(8..)?.chunks_exact(4);
    let entry = entries.into_iter().find(|it| it[..2] != [0, 0])?;
    Some(u16::from_be_bytes([entry[2] & 0x1f, entry[3]]))
}

/// Type, PID and kind of the first video and the first audio track.
fn tracks(view: &PacketView<'_>) -> Option<Vec<(u8, u16, Track)>> {
    let table = view.table()?;
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

fn pts_of(payload: &[u8]) -> Option<u64> {
    let &[0, 0, 1, _, _, _, _, flags, _, ref times @ ..] = payload else {
        return None;
    };
    let stamp: [u8; 5] = (flags & 0x80 != 0)
        .then(|| times.get(..5))??
        .try_into()
        .ok()?;
    Some(transport_stamp(stamp))
}

/// The time in a stamp of five bytes.
#[must_use]
pub fn transport_stamp(stamp: [u8; 5]) -> u64 {
    let [a, b, c, d, e] = stamp.map(u64::from);
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, starts: bool, key: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let stuffing = TRANSPORT_PACKET_BYTES - 4 - 2 - payload.len();
        let start = if starts { 0x40 } else { 0 };
        let mut bytes = vec![SYNC, high | start, low, 0x30];
        bytes.push(u8::try_from(stuffing + 1).expect("small"));
        bytes.push(if key { 0x40 } else { 0 });
        bytes.extend(std::iter::repeat_n(0xff, stuffing));
        bytes.extend_from_slice(payload);
        bytes
    }

    fn section(body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len() + 4).expect("small");
        let mut table = vec![0, 0, 0xb0, length];
        table.extend_from_slice(body);
        table.extend([0; 4]);
        table
    }

    fn tables() -> Vec<u8> {
        let programmes = section(&[0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]);
        let map = section(&[
            0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x06, 0xe1, 1, 0xf0, 2, 5,
            0,
        ]);
        [
            packet(0, true, false, &programmes),
            packet(0x1000, true, false, &map),
        ]
        .concat()
    }

    fn head(pts: u64) -> Vec<u8> {
        let part = |shift: u32, mask: u64| u8::try_from(pts >> shift & mask).expect("masked");
        let stamp = [
            0x21 | part(30, 7) << 1,
            part(22, 0xff),
            part(15, 0x7f) << 1 | 1,
            part(7, 0xff),
            part(0, 0x7f) << 1 | 1,
        ];
        let mut bytes = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
        bytes.extend(stamp);
        bytes
    }

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
}
