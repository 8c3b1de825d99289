use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), kind.as_slice(), content].concat()
}

fn be(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|it| it.to_be_bytes()).collect()
}

fn element(key: &[u8; 4], kind: u8, size: u8, data: &[u8]) -> Vec<u8> {
    let count = if size == 0 {
        0
    } else {
        data.len() / usize::from(size)
    };
    let (size, count) = if kind == 0 {
        (1, data.len())
    } else {
        (size, count)
    };
    let mut out = [
        key.as_slice(),
        &[kind, size],
        &u16::try_from(count).unwrap().to_be_bytes(),
        data,
    ]
    .concat();
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn signed(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|it| it.to_be_bytes()).collect()
}

/// A sample of GPMF with two fixes, the first at `lat`.
fn gpmf_sample(lat: i32, lock: u32) -> Vec<u8> {
    let rows = signed(&[
        lat,
        -115_000_000,
        500_000,
        12_500,
        1_300,
        lat + 1000,
        -115_000_000,
        500_000,
        12_500,
        1_300,
    ]);
    let stream = [
        element(b"STNM", b'c', 1, b"GPS"),
        element(b"GPSF", b'L', 4, &be(&[lock])),
        element(b"GPSU", b'U', 16, b"260131120000.250"),
        element(
            b"SCAL",
            b'l',
            4,
            &signed(&[10_000_000, 10_000_000, 1000, 1000, 100]),
        ),
        element(b"GPS5", b'l', 20, &rows),
    ]
    .concat();
    element(b"DEVC", 0, 1, &element(b"STRM", 0, 1, &stream))
}

/// An mp4 with a `gpmd` track of three samples of a second each: one in the first chunk, two in the next; the second without lock.
fn gpmf_file() -> Vec<u8> {
    let samples = [
        gpmf_sample(481_000_000, 3),
        gpmf_sample(482_000_000, 0),
        gpmf_sample(483_000_000, 3),
    ];
    let size = u32::try_from(samples[0].len()).unwrap();
    let head = boxed(b"ftyp", b"isom");
    let first = u32::try_from(head.len() + 8).unwrap();
    let table = [
        boxed(
            b"stsd",
            &[be(&[0, 1, 16]), b"gpmd".to_vec(), vec![0; 8]].concat(),
        ),
        boxed(b"stts", &be(&[0, 1, 3, 1000])),
        boxed(b"stsc", &be(&[0, 2, 1, 1, 1, 2, 2, 1])),
        boxed(b"stsz", &be(&[0, 0, 3, size, size, size])),
        boxed(b"stco", &be(&[0, 2, first, first + size])),
    ]
    .concat();
    let media = [
        boxed(b"mdhd", &be(&[0, 0, 0, 1000, 3000, 0])),
        boxed(b"minf", &boxed(b"stbl", &table)),
    ]
    .concat();
    [
        head,
        boxed(b"mdat", &samples.concat()),
        boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", &media))),
    ]
    .concat()
}

fn novatek_block(second: u32, letters: &[u8; 3], pad: usize) -> Vec<u8> {
    let mut data = b"GPS ".to_vec();
    data.resize(data.len() + pad, 7);
    for it in [12, 0, second, 26, 1, 31] {
        data.extend(u32::to_le_bytes(it));
    }
    data.extend(letters);
    data.push(0);
    for it in [4806.0_f32, 1130.0, 10.0, 90.5] {
        data.extend(it.to_le_bytes());
    }
    boxed(b"free", &data)
}

/// An mp4 with four blocks: one without reception, and one that is not where the list says.
fn novatek_file() -> Vec<u8> {
    let blocks = [
        novatek_block(0, b"ANE", 36),
        novatek_block(1, b"VNE", 36),
        novatek_block(2, b"ASW", 4),
    ];
    let mut file = boxed(b"ftyp", b"isom");
    let mut list = vec![0, 0];
    for block in &blocks {
        list.extend([
            u32::try_from(file.len()).unwrap(),
            u32::try_from(block.len()).unwrap(),
        ]);
        file.extend(block);
    }
    list.extend([4, 100]);
    let moov = [
        boxed(b"mvhd", &be(&[0, 0, 0, 1000, 4000])),
        boxed(b"gps ", &be(&list)),
    ]
    .concat();
    file.extend(boxed(b"moov", &moov));
    file
}

fn inside_of(bytes: Vec<u8>) -> Vec<Fix> {
    inside(&mut Cursor::new(bytes)).unwrap()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-5
}

#[test]
fn gpmf_fixes_are_spread_over_their_samples() {
    let fixes = inside_of(gpmf_file());
    let times: Vec<_> = fixes.iter().map(|it| it.at_ms).collect();
    assert_eq!(times, [0.0, 500.0, 2000.0, 2500.0]);
    assert!(
        near(fixes[0].lat, 48.1) && near(fixes[0].lon, -11.5) && near(fixes[3].lat, 48.3001),
        "{fixes:?}"
    );
    assert_eq!(fixes[0].speed_mps, Some(12.5));
    assert_eq!(fixes[0].utc.unwrap().to_string(), "2026-01-31T12:00:00.25Z");
}

#[test]
fn gps9_says_when_and_whether_it_is_fixed() {
    let row = |fix: u16| {
        let mut row = signed(&[481_000_000, 115_000_000, 0, 2000, 200, 9527, 43_200_500]);
        row.extend([0, 99]);
        row.extend(fix.to_be_bytes());
        row
    };
    let scales = signed(&[10_000_000, 10_000_000, 1000, 1000, 100, 1, 1000, 100, 1]);
    let stream = [
        element(b"SCAL", b'l', 4, &scales),
        element(b"GPS9", b'?', 32, &[row(3), row(0)].concat()),
    ]
    .concat();
    let mut fixes = Vec::new();
    gpmf::payload(&element(b"STRM", 0, 1, &stream), 0.0, 1000.0, &mut fixes);
    assert_eq!(fixes.len(), 1);
    assert_eq!(fixes[0].utc.unwrap().to_string(), "2026-01-31T12:00:00.5Z");
    assert_eq!(fixes[0].speed_mps, Some(2.0));
}

#[test]
fn novatek_blocks_are_found_wherever_their_firmware_puts_the_fields() {
    let fixes = inside_of(novatek_file());
    assert_eq!(fixes.len(), 2, "{fixes:?}");
    assert!(near(fixes[0].lat, 48.1) && near(fixes[0].lon, 11.5));
    assert!(near(fixes[1].lat, -48.1) && near(fixes[1].lon, -11.5));
    assert_eq!(
        fixes.iter().map(|it| it.at_ms).collect::<Vec<_>>(),
        [0.0, 2000.0]
    );
    assert!(near(fixes[0].speed_mps.unwrap(), 5.144_44) && fixes[0].bearing == Some(90.5));
    assert_eq!(fixes[1].utc.unwrap().to_string(), "2026-01-31T12:00:02Z");
}

fn summed(body: &str) -> String {
    format!("${body}*{:02X}\r\n", body.bytes().fold(0, |a, b| a ^ b))
}

#[test]
fn nmea_counts_from_its_first_sentence_and_leaves_out_what_is_damaged() {
    let log = summed("GPRMC,115959.00,V,,,,,,,310126,,,N")
        + "[1] "
        + &summed("GNRMC,120000.50,A,4806.0000,N,01130.0000,W,10.0,90.5,310126,,,A")
        + &summed("GNRMC,120001.50,A,4806.0000,S,01130.0000,E,,,310126,,,A")
            .replace("4806", "4807")
        + &summed("GPGGA,120000.50,4806.0000,N,01130.0000,W,1,08,0.9,545.4,M,46.9,M,,");
    let fixes = nmea::read(&log);
    assert_eq!(fixes.len(), 1, "{fixes:?}");
    assert!(near(fixes[0].at_ms, 1500.0) && near(fixes[0].lat, 48.1) && near(fixes[0].lon, -11.5));
    assert_eq!(fixes[0].bearing, Some(90.5));
}

#[test]
fn subtitles_say_where_in_several_ways() {
    let text = "1\n00:00:01,500 --> 00:00:02,500\nF/2.8 [latitude: 48.1] [longitude: -11.5]\n\n\
        2\r\n00:01:00,000 --> 00:01:01,000\r\nGPS(11.5, 48.1, 500)\r\n\r\n\
        3\n01:00:00.250 --> 01:00:01,000\nS48.1 E11.5 50 km/h\n\n4\n00:00:09,000 --> 00:00:10,000\nno place\n";
    let fixes = srt::read(text);
    let told: Vec<_> = fixes.iter().map(|it| (it.at_ms, it.lat, it.lon)).collect();
    assert_eq!(
        told,
        [
            (1500.0, 48.1, -11.5),
            (60_000.0, 48.1, 11.5),
            (3_600_250.0, -48.1, 11.5)
        ]
    );
}

#[test]
fn a_text_beside_a_video_is_read_as_what_it_is() {
    let log = summed("GNRMC,120000.50,A,4806.0000,N,01130.0000,W,10.0,90.5,310126,,,A");
    assert_eq!(beside(log.as_bytes(), false).unwrap().len(), 1);
    assert_eq!(beside(log.as_bytes(), true).unwrap(), []);
    let text = "1\n00:00:00,000 --> 00:00:01,000\nlat=1.0 lon=2.0\n";
    assert_eq!(beside(text.as_bytes(), true).unwrap().len(), 1);
}

#[test]
fn too_many_fixes_are_spread_over_the_whole_video() {
    let fix = |at: u32| Fix::new(f64::from(at), 1.0, 1.0).unwrap();
    let all: Vec<_> = (0..100).rev().map(fix).collect();
    let times = |fixes: Vec<Fix>| fixes.iter().map(|it| it.at_ms).collect::<Vec<_>>();
    assert_eq!(times(thinned(all.clone(), 4)), [0.0, 25.0, 50.0, 75.0]);
    assert_eq!(thinned(all, 100).len(), 100);
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut fixes = Vec::new();
        gpmf::payload(&bytes, 0.0, 1.0, &mut fixes);
        fixes.extend(inside_of(bytes));
        fixes.extend(nmea::read(&text));
        fixes.extend(srt::read(&text));
        for it in fixes {
            prop_assert!(it.lat.abs() <= 90.0 && it.lon.abs() <= 180.0);
        }
    }

    #[test]
    fn damaged_files_are_read_without_a_panic(is_gpmf: bool, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut: prop::sample::Index) {
        let mut bytes = if is_gpmf { gpmf_file() } else { novatek_file() };
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        for it in inside_of(bytes) {
            prop_assert!(it.lat.abs() <= 90.0 && it.lon.abs() <= 180.0);
        }
    }

    #[test]
    fn damaged_texts_are_read_without_a_panic(text in "(\\$?[A-Z]{2}RMC[,0-9.A-Z*]{0,60}|[0-9:,> -]{0,30}|(lat|GPS|N)[^a]{0,20}|\n){0,12}") {
        drop((nmea::read(&text), srt::read(&text)));
    }
}
