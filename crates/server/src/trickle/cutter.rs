//! Where a stream of bytes is cut into segments: MPEG-TS (ISO/IEC 13818-1) before the tables of its keyframes, anything
//! else by the time.
//!
//! A machine: takes bytes and the time, and says what goes out. No byte is lost, changed or moved; a segment that would
//! begin without tables gets the latest ones in front.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use framerill_media::{Piece, TRANSPORT_PACKET_BYTES as PACKET, TransportPacket};

const SYNC: u8 = 0x47;
const PAT: u16 = 0;
const SDT: u16 = 0x11;

/// What the stream is.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    Unknown,
    Transport,
    Other,
}

/// Cuts one stream.
#[derive(Debug)]
pub(crate) struct Cutter {
    longest: Duration,
    form: Form,
    /// Not yet a whole packet.
    rest: BytesMut,
    /// Tables that came last: they belong in front of what follows.
    tables: BytesMut,
    /// The latest tables, for a segment that would begin without any.
    latest_tables: Bytes,
    table_pid: Option<u16>,
    has_video: bool,
    /// When the segment began; none before its first byte.
    began: Option<Duration>,
}

impl Cutter {
    /// Without keyframes a segment lasts `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            form: Form::Unknown,
            rest: BytesMut::new(),
            tables: BytesMut::new(),
            latest_tables: Bytes::new(),
            table_pid: None,
            has_video: false,
            began: None,
        }
    }

    /// Takes bytes as they come, at the time `now` of any clock that does not go back.
    pub(super) fn push(&mut self, now: Duration, bytes: &[u8]) -> Vec<Piece> {
        self.rest.extend_from_slice(bytes);
        if self.form == Form::Unknown {
            self.form = match (self.rest.first(), self.rest.get(PACKET)) {
                (Some(&SYNC), Some(&SYNC)) => Form::Transport,
                (Some(&SYNC), None) => return Vec::new(),
                _ => Form::Other,
            };
        }
        let mut out = Vec::new();
        if self.form == Form::Other {
            self.cut_when_due(now, &mut out);
            let all = self.rest.split();
            self.give(now, all, &mut out);
            return out;
        }
        let mut run = BytesMut::new();
        while self.rest.len() >= PACKET {
            let packet = self.rest.split_to(PACKET);
            if packet[0] != SYNC {
                // Broken in the middle: from here on it is only bytes.
                self.form = Form::Other;
                run.unsplit(std::mem::take(&mut self.tables));
                run.unsplit(packet);
                run.unsplit(self.rest.split());
                break;
            }
            // What cannot be read is no table and no keyframe.
            let seen = TransportPacket::parse(&packet);
            if seen.is_some_and(|seen| self.is_table(&seen)) {
                self.tables.unsplit(packet);
                continue;
            }
            let is_keyframe = seen.is_some_and(|seen| self.is_keyframe(&seen));
            let may_cut = self.began.is_some() || !run.is_empty();
            let is_due = !self.has_video && !self.tables.is_empty() && self.is_due(now);
            if may_cut && (is_keyframe || is_due) {
                self.give(now, run.split(), &mut out);
                out.push(Piece::Cut);
                self.began = None;
                if self.tables.is_empty() {
                    run.extend_from_slice(&self.latest_tables);
                }
            }
            if !self.tables.is_empty() {
                let tables = self.tables.split().freeze();
                run.extend_from_slice(&tables);
                self.latest_tables = tables;
            }
            run.unsplit(packet);
        }
        self.give(now, run, &mut out);
        out
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        let mut left = self.tables.split();
        left.unsplit(self.rest.split());
        (!left.is_empty()).then(|| left.freeze())
    }

    fn is_due(&self, now: Duration) -> bool {
        let age = self.began.map(|began| now.saturating_sub(began));
        age.is_some_and(|age| age >= self.longest)
    }

    fn cut_when_due(&mut self, now: Duration, out: &mut Vec<Piece>) {
        if self.is_due(now) {
            out.push(Piece::Cut);
            self.began = None;
        }
    }

    fn give(&mut self, now: Duration, bytes: BytesMut, out: &mut Vec<Piece>) {
        if !bytes.is_empty() {
            self.began.get_or_insert(now);
            out.push(Piece::Bytes(bytes.freeze()));
        }
    }

    /// Whether it carries a table that a decoder needs first. Learns from the PAT where the PMT is.
    fn is_table(&mut self, packet: &TransportPacket<'_>) -> bool {
        if packet.pid == PAT
            // pointer_field 0, 8 bytes of header, then program_number and PID of the first program.
            && let Some(entry) = packet.payload.get(1 + 8 + 2..1 + 8 + 4)
        {
            self.table_pid = Some(u16::from_be_bytes([entry[0] & 0x1F, entry[1]]));
        }
        packet.pid == PAT || packet.pid == SDT || Some(packet.pid) == self.table_pid
    }

    /// Whether a picture begins here that can be decoded alone. Learns whether there is video.
    fn is_keyframe(&mut self, packet: &TransportPacket<'_>) -> bool {
        let is_video = packet.begins_picture();
        self.has_video |= is_video;
        is_video && packet.is_random_access()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn packet(pid: u16, begins: bool, random_access: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let flag = if begins { 0x40 } else { 0 };
        let mut packet = vec![SYNC, flag | high, low, 0x30, 1];
        packet.push(if random_access { 0x40 } else { 0 });
        packet.extend_from_slice(payload);
        packet.resize(PACKET, 0xFF);
        packet
    }

    fn tables() -> Vec<u8> {
        // The only program's PMT is at 0x1000.
        let pat = [0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0];
        [
            packet(PAT, true, false, &pat),
            packet(0x1000, true, false, &[0, 2]),
        ]
        .concat()
    }

    fn picture(key: bool) -> Vec<u8> {
        let begin = packet(0x100, true, key, &[0, 0, 1, 0xE0]);
        [begin, packet(0x100, false, false, b"more")].concat()
    }

    /// The segments of a stream that comes in pieces of `size` bytes.
    fn segments(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(SECOND);
        let mut all = vec![Vec::new()];
        let mut take = |piece| match piece {
            Piece::Cut => all.push(Vec::new()),
            Piece::Bytes(bytes) => all.last_mut().unwrap().extend_from_slice(&bytes),
        };
        for bytes in stream.chunks(size) {
            cutter
                .push(Duration::ZERO, bytes)
                .into_iter()
                .for_each(&mut take);
        }
        cutter
            .finish()
            .map(Piece::Bytes)
            .into_iter()
            .for_each(&mut take);
        all
    }

    #[test]
    fn a_transport_stream_is_cut_before_the_tables_of_its_keyframes() {
        let one = [tables(), picture(true), picture(false)].concat();
        let stream = [one.clone(), one.clone(), one.clone()].concat();
        for size in [1, 7, 188, 1000, stream.len()] {
            assert_eq!(segments(&stream, size), [&one[..], &one, &one], "{size}");
        }
    }

    #[test]
    fn a_keyframe_without_tables_gets_the_latest_ones() {
        let stream = [tables(), picture(true), picture(true)].concat();
        let whole = [tables(), picture(true)].concat();
        assert_eq!(segments(&stream, 188), [whole.clone(), whole]);
    }

    #[test]
    fn other_bytes_are_cut_by_the_time_and_none_is_lost() {
        let mut cutter = Cutter::new(SECOND);
        let bytes = |text: &'static str| Piece::Bytes(Bytes::from_static(text.as_bytes()));
        assert_eq!(cutter.push(Duration::ZERO, b"a"), [bytes("a")]);
        assert_eq!(cutter.push(SECOND / 2, b"b"), [bytes("b")]);
        assert_eq!(cutter.push(SECOND, b"c"), [Piece::Cut, bytes("c")]);
        assert_eq!(cutter.finish(), None);
    }

    #[test]
    fn a_stream_that_breaks_in_the_middle_goes_on_as_bytes() {
        let mut stream = [tables(), picture(true)].concat();
        stream.extend_from_slice(&[1; 400]);
        assert_eq!(segments(&stream, 100), [stream]);
    }

    #[test]
    fn a_first_byte_of_a_packet_that_is_all_there_is_is_not_lost() {
        assert_eq!(segments(&[SYNC], 1), [[SYNC]]);
    }
}
