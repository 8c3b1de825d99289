//! Whether bytes are a transport stream. Pure.

use framerill_media::TRANSPORT_PACKET_BYTES as PACKET;

/// What each packet begins with.
const SYNC: u8 = 0x47;

/// Whether bytes are a transport stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniff {
    /// They are, from that byte on.
    Transport(usize),
    /// They are something else.
    Container,
    /// More have to come first.
    Unclear,
}

/// What bytes at the beginning of a stream are. `is_all`: no more will come.
pub(super) fn sniff(bytes: &[u8], is_all: bool) -> Sniff {
    /// Packets in a row that show it, at the first byte and behind others.
    const SURE: [usize; 2] = [3, 5];
    let shows = |at: usize, count: usize| {
        let places = (0..count).map(|n| at + n * PACKET);
        let seen = places.clone().take_while(|place| *place < bytes.len());
        let all = seen.clone().all(|place| bytes[place] == SYNC);
        (all, seen.count() == count)
    };
    match shows(0, SURE[0]) {
        (true, true) => return Sniff::Transport(0),
        (true, false) if is_all && bytes.len() >= PACKET => return Sniff::Transport(0),
        (true, false) if !is_all => return Sniff::Unclear,
        _ => {}
    }
    for at in 1..PACKET {
        if shows(at, SURE[1]) == (true, true) {
            return Sniff::Transport(at);
        }
    }
    if is_all || bytes.len() >= PACKET * (SURE[1] + 1) {
        Sniff::Container
    } else {
        Sniff::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_stream_is_told_from_a_page_and_from_a_file() {
        let mut packet = vec![SYNC, 0, 0, 0x10];
        packet.resize(PACKET, 0);
        let stream = packet.repeat(5);
        assert_eq!(sniff(&stream, false), Sniff::Transport(0));
        assert_eq!(sniff(&stream[100..], false), Sniff::Unclear);
        assert_eq!(sniff(&stream[..200], false), Sniff::Unclear);
        assert_eq!(sniff(&stream[..200], true), Sniff::Transport(0));
        assert_eq!(sniff(b"<html>not found</html>", true), Sniff::Container);
        assert_eq!(sniff(&[b'x'; 2000], false), Sniff::Container);
        assert_eq!(sniff(b"GIF89a", true), Sniff::Container);
    }
}
