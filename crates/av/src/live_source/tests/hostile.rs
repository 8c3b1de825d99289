//! Bytes that are no stream, or one in pieces.

use std::io::Write;

use proptest::prelude::*;

use crate::live_source::fixture::{Seen, all, moved, open, read, small};

#[test]
fn a_page_garbage_and_nothing_end_with_a_reason_or_quietly() {
    let page = b"<!doctype html><html><body>502 bad gateway</body></html>\n";
    let seen = read(page, &all());
    assert!(
        seen.reason()
            .unwrap()
            .starts_with("`live` is not a video that can be read")
    );
    let seen = read(&page.repeat(40_000), &all());
    assert!(seen.reason().is_some() && seen.pictures.is_empty());
    let mut state = 1u32;
    let noise: Vec<u8> = (0..6_000_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let seen = read(&noise, &all());
    assert!(seen.reason().is_some() && seen.pictures.is_empty());
    assert_eq!(read(&[], &all()).reason(), None);
}

#[test]
fn a_transport_stream_of_nothing_ends_with_a_reason() {
    let mut packet = vec![0x47, 0x1f, 0xff, 0x10];
    packet.resize(188, 0xff);
    let seen = read(&packet.repeat(30_000), &all());
    assert_eq!(
        seen.reason().unwrap(),
        "`live` names no pictures and no sound that can be decoded"
    );
    let seen = read(&packet.repeat(10), &all());
    assert_eq!(
        seen.reason().unwrap(),
        "`live` held nothing that can be decoded"
    );
}

#[test]
fn a_stream_cut_in_the_middle_of_a_picture_goes_on_with_what_follows() {
    let cut = small().len() / 188 / 2 * 188;
    let seen = read(&[&small()[..cut], &moved(small(), 90_000)].concat(), &all());
    assert!(seen.pictures.len() >= 30 + 10);
    assert_eq!(seen.reason(), None);
    let cut = small().len() / 2 / 188 * 188 + 77;
    let seen = read(&[&small()[..cut], &moved(small(), 90_000)].concat(), &all());
    assert!(seen.pictures.len() >= 30 + 10);
    assert!(seen.counts.damaged >= 1);
    let seen = read(&small()[..cut], &all());
    assert!(seen.pictures.len() >= 10);
    assert_eq!(seen.reason(), None);
}

#[test]
fn pictures_that_no_decoder_takes_end_with_a_reason_at_the_third_failure() {
    let mut bytes = small().to_vec();
    // The parameters that each picture names are made a unit that means nothing.
    for at in 0..bytes.len() - 5 {
        if bytes[at..].starts_with(&[0, 0, 0, 1, 0x68]) {
            bytes[at + 4] = 0x6c;
        }
    }
    let two: Vec<u8> = (0..2).flat_map(|n| moved(&bytes, n * 90_000)).collect();
    let healed = [two, moved(small(), 180_000)].concat();
    let seen = read(&healed, &all());
    assert_eq!((seen.pictures.len(), seen.reason()), (30, None));
    assert!(seen.counts.damaged >= 22);
    let seconds: Vec<u8> = (0..4).flat_map(|n| moved(&bytes, n * 90_000)).collect();
    let seen = read(&seconds, &all());
    assert!(
        seen.reason()
            .unwrap()
            .starts_with("cannot decode the h264 pictures of `live`")
    );
    assert!(seen.pictures.is_empty());
}

#[test]
fn foreign_bytes_between_two_streams_are_passed_over() {
    let page = b"<html>".repeat(30_000);
    let seen = read(&[small(), &page, &moved(small(), 90_000)].concat(), &all());
    assert_eq!(seen.pictures.len(), 60);
    assert_eq!(seen.reason(), None);
    assert!(seen.counts.damaged >= 1);
}

#[test]
fn thirty_seconds_of_silence_are_waited_for_and_closed() {
    let (mut source, mut write) = open(&all());
    let mut seen = Seen::default();
    write.write_all(small()).unwrap();
    while seen.pictures.len() < 29 {
        assert!(seen.take(source.next().unwrap()));
    }
    // Nothing is written; what comes then is as much later.
    write.write_all(&moved(small(), 31 * 90_000)).unwrap();
    drop(write);
    while seen.take(source.next().unwrap()) {}
    assert_eq!(seen.pictures.len(), 60);
    let times = seen.times();
    assert!(
        times
            .windows(2)
            .all(|pair| (1..=9000).contains(&(pair[1] - pair[0])))
    );
    assert_eq!(source.counts().jumps, 1);
}

#[test]
fn a_closed_pipe_ends_the_source_and_stays_ended() {
    let (mut source, mut write) = open(&all());
    write.write_all(b"no").unwrap();
    drop(write);
    for _ in 0..3 {
        assert!(matches!(
            source.next(),
            Ok(crate::live_source::LiveItem::End(_))
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn damage_anywhere_ends_in_an_end_and_times_increase(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..400),
        drops in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut bytes = [small().to_vec(), moved(small(), 90_000)].concat();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for at in drops {
            let at = at.index(bytes.len());
            bytes.remove(at);
        }
        let seen = read(&bytes, &all());
        let times = seen.times();
        prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        let sound: Vec<i64> = seen.sound.iter().map(|(pts, ..)| *pts).collect();
        prop_assert!(sound.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
