//! Whatever is lost, what comes out at a time is what was sent at that time, or the first part of it.

use std::{collections::BTreeMap, sync::OnceLock};

use framerill_media::{TRANSPORT_PACKET_BYTES as PACKET, TransportFound, TransportPackets};
use proptest::{prelude::*, sample::Index};

use crate::live_source::{
    demuxer::{Demuxer, Event},
    fixture::{H264, pictures, stream},
    pes::Unit,
};

/// Two seconds of pictures of several slices and several packets, and sound.
fn source() -> &'static [u8] {
    static SOURCE: OnceLock<Vec<u8>> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let sound = ["-f", "lavfi", "-i", "sine=440:r=48000:d=2", "-c:a", "aac"];
        let more = ["-g", "8", "-x264-params", "slices=4:sliced-threads=0"];
        stream(
            &pictures("320x240", 30, 2.0),
            &[&sound[..], H264, &more].concat(),
        )
    })
}

/// Units by track and time.
fn units(parts: &[&[u8]]) -> Vec<(bool, Unit)> {
    let mut demuxer = Demuxer::default();
    let mut units = Vec::new();
    let mut take = |demuxer: &mut Demuxer| {
        while let Some(event) = demuxer.poll() {
            match event {
                Event::Picture(unit) => units.push((true, unit)),
                Event::Sound(unit) => units.push((false, unit)),
                Event::Program(_) => {}
            }
        }
    };
    for part in parts {
        demuxer.push(part);
        take(&mut demuxer);
    }
    demuxer.finish();
    take(&mut demuxer);
    units
}

fn sent() -> &'static BTreeMap<(bool, i64), Vec<u8>> {
    static SENT: OnceLock<BTreeMap<(bool, i64), Vec<u8>>> = OnceLock::new();
    SENT.get_or_init(|| {
        let all = units(&[source()]).into_iter();
        all.map(|(is_video, unit)| ((is_video, unit.pts.unwrap()), unit.bytes))
            .collect()
    })
}

/// Packets with their pids, and those at which decoders can begin.
fn packets() -> &'static (Vec<u16>, Vec<usize>) {
    static PACKETS: OnceLock<(Vec<u16>, Vec<usize>)> = OnceLock::new();
    PACKETS.get_or_init(|| {
        let (mut pids, mut keys) = (Vec::new(), Vec::new());
        TransportPackets::default().push(source(), |found| {
            if let TransportFound::Packet { packet, .. } = found {
                if packet.begins_picture() && packet.is_random_access() {
                    keys.push(pids.len());
                }
                pids.push(packet.pid);
            }
        });
        (pids, keys)
    })
}

#[derive(Clone, Debug)]
enum Damage {
    /// A connection that breaks off; it goes on with the next keyframe, perhaps behind bytes of another kind.
    Cut(Index, Vec<u8>),
    /// Packets that are lost.
    Lost(Index, usize),
    /// Packets that come twice.
    Twice(Index),
    /// Bytes that are lost.
    Short(Index, usize),
    /// Bytes that do not belong there.
    Foreign(Index, Vec<u8>),
}

fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let chaos = [0x47, 0x1f, 0xff, 0x10, 9, 9].repeat(200);
    prop_oneof![
        Just(Vec::new()),
        Just(chaos),
        proptest::collection::vec(any::<u8>(), 1..2000)
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), foreign()).prop_map(|(at, bytes)| Damage::Cut(at, bytes)),
        (at(), 1usize..60).prop_map(|(at, count)| Damage::Lost(at, count)),
        at().prop_map(Damage::Twice),
        (at(), 1usize..2000).prop_map(|(at, count)| Damage::Short(at, count)),
        (at(), foreign()).prop_map(|(at, bytes)| Damage::Foreign(at, bytes)),
    ]
}

/// The stream as it arrives, in two parts.
fn damaged(damage: &Damage) -> Option<[Vec<u8>; 2]> {
    let (source, (pids, keys)) = (source(), packets());
    let in_packets = |at: &Index| at.index(pids.len());
    let (before, between, after) = match damage {
        Damage::Cut(at, bytes) => {
            let at = at.index(source.len());
            let next = keys.iter().find(|key| **key * PACKET >= at)?;
            (at, &bytes[..], next * PACKET)
        }
        Damage::Lost(at, count) => {
            let at = in_packets(at);
            let end = (at + count).min(pids.len());
            // Sixteen of one count, and nothing is seen.
            let are_seen = |pid: u16| {
                let lost = pids[at..end].iter().filter(|it| **it == pid).count();
                lost == 0 || lost % 16 != 0
            };
            if !pids.iter().all(|pid| are_seen(*pid)) {
                return None;
            }
            (at * PACKET, &[][..], end * PACKET)
        }
        Damage::Twice(at) => {
            let at = in_packets(at) * PACKET;
            (at + PACKET, &source[at..at + PACKET], at + PACKET)
        }
        Damage::Short(at, count) => {
            let at = at.index(source.len());
            (at, &[][..], (at + count).min(source.len()))
        }
        Damage::Foreign(at, bytes) => {
            let at = at.index(source.len());
            (at, &bytes[..], at)
        }
    };
    // What has the length of a packet where one is expected is one.
    let is_aligned = (before + between.len()) % PACKET == after % PACKET;
    if is_aligned && before % PACKET != 0 && between.len() < PACKET {
        return None;
    }
    Some([
        source[..before].to_vec(),
        [between, &source[after..]].concat(),
    ])
}

fn check(units: &[(bool, Unit)]) -> Result<(), TestCaseError> {
    for (is_video, unit) in units {
        let Some(pts) = unit.pts else {
            return Err(TestCaseError::fail("a unit without a time"));
        };
        let Some(own) = sent().get(&(*is_video, pts)) else {
            return Err(TestCaseError::fail(format!("nothing was sent at {pts}")));
        };
        prop_assert!(
            own.starts_with(&unit.bytes),
            "other bytes at {pts}, {} of {}",
            unit.bytes.len(),
            own.len()
        );
    }
    Ok(())
}

#[test]
fn all_of_an_undamaged_stream_comes_out() {
    let pictures = sent().keys().filter(|(is_video, _)| *is_video);
    assert_eq!(pictures.count(), 60);
    assert!(packets().1.len() >= 7);
    check(&units(&[source()])).unwrap();
}

#[test]
fn a_stream_that_breaks_off_anywhere_and_goes_on_with_a_keyframe_mixes_no_two_pictures() {
    let key = packets().1[2] * PACKET;
    let (pts, bytes) = keyframe(key);
    // All places in the last packets before it.
    for at in key - 12 * PACKET..key {
        let all = units(&[&source()[..at], &source()[key..]]);
        check(&all).unwrap_or_else(|fault| panic!("{at}: {fault}"));
        let came = all
            .iter()
            .any(|(_, unit)| unit.pts == Some(pts) && unit.bytes == bytes);
        assert!(came, "{at}: the keyframe does not come");
    }
}

/// The picture that begins at a place of the source.
fn keyframe(at: usize) -> (i64, Vec<u8>) {
    let before = units(&[&source()[..at]])
        .into_iter()
        .filter(|it| it.0)
        .count();
    let all = units(&[source()]);
    let unit = all.into_iter().filter(|it| it.0).nth(before).unwrap().1;
    (unit.pts.unwrap(), unit.bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_comes_out_of_a_damaged_stream_is_what_was_sent_at_its_time_or_its_first_part(damage in damage()) {
        if let Some([one, two]) = damaged(&damage) {
            check(&units(&[&one, &two]))?;
            check(&units(&[&[one, two].concat()]))?;
        }
    }
}
