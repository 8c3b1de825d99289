//! A whole stream, cut into what a camera writes at once.

use std::ops::Range;

use super::{Pes, TRANSPORT_PACKET_BYTES, TransportScanner};

/// Each picture and each piece of sound, in the order of the stream, with its bytes: its packets, and the tables in front
/// of them. Behind the last one nothing is left out.
#[must_use]
pub fn transport_pieces(stream: &[u8]) -> Vec<(Range<usize>, Pes<usize>)> {
    let mut found = Vec::new();
    let mut scanner = TransportScanner::default();
    for (index, packet) in stream.chunks(TRANSPORT_PACKET_BYTES).enumerate() {
        scanner.push(packet, TRANSPORT_PACKET_BYTES * index, |pes| {
            found.push(pes);
        });
    }
    scanner.finish(|pes| found.push(pes));
    found.sort_by_key(|pes| pes.first);
    let mut begin = 0;
    let last = found.len().saturating_sub(1);
    let cut = |(index, pes): (usize, Pes<usize>)| {
        // Behind the last packet of a piece are the next one's tables.
        let end = if index == last {
            stream.len()
        } else {
            pes.last + TRANSPORT_PACKET_BYTES
        };
        (std::mem::replace(&mut begin, end)..end, pes)
    };
    found.into_iter().enumerate().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Track,
            fixture::{head, packet, tables},
        },
        *,
    };

    #[test]
    fn every_byte_is_in_one_piece_and_tables_go_with_what_follows_them() {
        let stream = [
            tables(),
            packet(0x100, true, true, &head(1)),
            packet(0x100, false, false, &[9; 100]),
            tables(),
            packet(0x101, true, false, &head(2)),
            packet(0x101, false, false, &[9; 10]),
            tables(),
        ]
        .concat();
        let pieces = transport_pieces(&stream);
        let told: Vec<_> = pieces
            .iter()
            .map(|(bytes, pes)| (bytes.clone(), pes.track, pes.pts, pes.keyframe))
            .collect();
        let packets = |count: usize| TRANSPORT_PACKET_BYTES * count;
        assert_eq!(
            told,
            [
                (0..packets(4), Track::Video, Some(1), true),
                (packets(4)..stream.len(), Track::Audio, Some(2), false),
            ]
        );
        assert!(transport_pieces(b"").is_empty());
    }
}
