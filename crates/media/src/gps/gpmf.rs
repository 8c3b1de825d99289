//! GPMF: what GoPro cameras write into a track of their own, `gpmd`. Key, length, value, nested; big end first.
//!
//! Facts: the published format of gpmf-parser (GoPro, MIT or Apache-2.0). `GPS5` holds latitude, longitude, altitude and two
//! speeds, each divided by its `SCAL`; `GPS9` adds day, second, dilution and fix.

use std::io::{self, Read, Seek, SeekFrom};

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    Fix, MOST_FIXES,
    boxes::{Span, be32, be64, content, inside, path, whole},
};

/// Entries of a sample table that are looked at.
const MOST_SAMPLES: usize = 400_000;

/// Bytes of one sample.
const MOST_BYTES: u64 = 1 << 20;

/// Bytes of all samples together: what a table says twice is read twice.
const MOST_TOGETHER: usize = 256 << 20;

/// Nesting of real files is 3.
const MOST_DEPTH: usize = 8;

/// A sample of the track: where it lies, when it is, in ms.
struct Sample {
    at: u64,
    size: u64,
    start_ms: f64,
    length_ms: f64,
}

/// All fixes of a file's `gpmd` track; none where there is none.
pub(super) fn read(source: &mut (impl Read + Seek)) -> io::Result<Vec<Fix>> {
    let file = whole(source)?;
    let Some(moov) = path(source, file, &[b"moov"])? else {
        return Ok(Vec::new());
    };
    for track in inside(source, moov)?
        .into_iter()
        .filter(|it| it.kind == *b"trak")
        .take(64)
    {
        let Some(table) = path(source, track, &[b"mdia", b"minf", b"stbl"])? else {
            continue;
        };
        let Some(kinds) = path(source, table, &[b"stsd"])? else {
            continue;
        };
        if content(source, kinds)?.get(12..16) != Some(b"gpmd".as_slice()) {
            continue;
        }
        let scale = match path(source, track, &[b"mdia", b"mdhd"])? {
            Some(it) => time_scale(&content(source, it)?),
            None => 1000,
        };
        let (mut fixes, mut read) = (Vec::new(), 0);
        for sample in samples(source, table, scale)? {
            source.seek(SeekFrom::Start(sample.at))?;
            let mut bytes = Vec::new();
            source
                .take(sample.size.min(MOST_BYTES))
                .read_to_end(&mut bytes)?;
            read += bytes.len();
            payload(&bytes, sample.start_ms, sample.length_ms, &mut fixes);
            if fixes.len() >= MOST_FIXES || read >= MOST_TOGETHER {
                break;
            }
        }
        return Ok(fixes);
    }
    Ok(Vec::new())
}

/// Of a media header: ticks a second.
fn time_scale(mdhd: &[u8]) -> u32 {
    let at = if mdhd.first() == Some(&1) { 20 } else { 12 };
    be32(mdhd, at).max(1)
}

/// Samples by the tables of their sizes, chunks and durations.
fn samples(source: &mut (impl Read + Seek), table: Span, scale: u32) -> io::Result<Vec<Sample>> {
    let mut named = |kind: &[u8; 4]| match path(source, table, &[kind])? {
        Some(it) => content(source, it),
        None => Ok(Vec::new()),
    };
    let (sizes, chunks, times) = (named(b"stsz")?, named(b"stsc")?, named(b"stts")?);
    let (near, far) = (named(b"stco")?, named(b"co64")?);
    let offset = |chunk: usize| {
        if near.is_empty() {
            be64(&far, 8 + 8 * chunk)
        } else {
            u64::from(be32(&near, 8 + 4 * chunk))
        }
    };
    let entries = |bytes: &[u8], at: usize, each: usize| {
        let fit = bytes.len().saturating_sub(at + 4) / each;
        fit.min(be32(bytes, at) as usize)
    };
    let chunk_count = if near.is_empty() {
        entries(&far, 4, 8)
    } else {
        entries(&near, 4, 4)
    };
    let one_size = be32(&sizes, 4);
    let count = if one_size == 0 {
        entries(&sizes, 8, 4)
    } else {
        be32(&sizes, 8) as usize
    };
    let count = count.min(MOST_SAMPLES);
    let durations = (0..entries(&times, 4, 8)).flat_map(|it| {
        std::iter::repeat_n(be32(&times, 12 + 8 * it), be32(&times, 8 + 8 * it) as usize)
    });
    let mut durations = durations.take(MOST_SAMPLES);
    let runs = entries(&chunks, 4, 12);
    let mut out = Vec::new();
    let (mut run, mut ticks) = (0, 0_u64);
    for chunk in 0..chunk_count {
        // Runs say from which chunk on, counted from 1, how many samples a chunk has.
        while run + 1 < runs && be32(&chunks, 8 + 12 * (run + 1)) as usize <= chunk + 1 {
            run += 1;
        }
        let mut at = offset(chunk);
        for _ in 0..be32(&chunks, 12 + 12 * run) {
            if out.len() >= count {
                return Ok(out);
            }
            let size = if one_size == 0 {
                be32(&sizes, 12 + 4 * out.len())
            } else {
                one_size
            };
            let length = durations.next().unwrap_or(scale);
            let ms = |ticks: u64| {
                #[expect(clippy::cast_precision_loss, reason = "below 2^53 ticks for ages")]
                let ticks = ticks as f64;
                ticks * 1000.0 / f64::from(scale)
            };
            out.push(Sample {
                at,
                size: u64::from(size),
                start_ms: ms(ticks),
                length_ms: ms(u64::from(length)),
            });
            ticks += u64::from(length);
            at = at.saturating_add(u64::from(size));
        }
    }
    Ok(out)
}

/// One element: its key, the type and size of its values, and their bytes.
struct Element<'a> {
    key: [u8; 4],
    kind: u8,
    size: usize,
    data: &'a [u8],
}

/// The elements of a level.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let head = bytes.first_chunk::<8>()?;
        let key = [head[0], head[1], head[2], head[3]];
        if key == [0; 4] {
            return None;
        }
        let (kind, size) = (head[4], usize::from(head[5]));
        let length = size * usize::from(u16::from_be_bytes([head[6], head[7]]));
        let data = bytes.get(8..8 + length)?;
        bytes = bytes
            .get(8 + length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(Element {
            key,
            kind,
            size,
            data,
        })
    })
}

/// The fixes of one sample, spread over its time.
pub(super) fn payload(bytes: &[u8], start_ms: f64, length_ms: f64, fixes: &mut Vec<Fix>) {
    let mut found = Vec::new();
    level(bytes, 0, &mut found);
    let count = found.len();
    for (at, mut fix) in found.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a sample holds few fixes")]
        let share = at as f64 / count as f64;
        fix.at_ms = start_ms + length_ms * share;
        if fixes.len() < MOST_FIXES {
            fixes.push(fix);
        }
    }
}

fn level(bytes: &[u8], depth: usize, found: &mut Vec<Fix>) {
    let mut scales: Vec<f64> = Vec::new();
    let (mut is_fixed, mut utc) = (true, None);
    for it in elements(bytes) {
        match &it.key {
            _ if it.kind == 0 && depth < MOST_DEPTH => level(it.data, depth + 1, found),
            b"SCAL" => scales = numbers(&it),
            b"GPSF" => is_fixed = be32(it.data, 0) >= 2,
            b"GPSU" => utc = moment(it.data),
            b"GPS5" if is_fixed && it.size == 20 => {
                for row in it.data.chunks_exact(20) {
                    let value = |at| scaled(row, at, &scales);
                    let fix = Fix::new(0.0, value(0), value(1));
                    found.extend(fix.map(|it| Fix {
                        utc,
                        ..it.with_speed(value(3))
                    }));
                }
            }
            b"GPS9" if it.size == 32 => {
                for row in it.data.chunks_exact(32) {
                    let value = |at| scaled(row, at, &scales);
                    let is_fixed = row.get(30..32).is_some_and(|it| it != [0, 0]);
                    let fix = Fix::new(0.0, value(0), value(1)).filter(|_| is_fixed);
                    let utc = since_2000(value(5), value(6));
                    found.extend(fix.map(|it| Fix {
                        utc,
                        ..it.with_speed(value(3))
                    }));
                }
            }
            _ => {}
        }
    }
}

/// The `at`-th number of a row by its scale.
fn scaled(row: &[u8], at: usize, scales: &[f64]) -> f64 {
    let scale = scales.get(at).or(scales.last()).copied().unwrap_or(1.0);
    f64::from(be32(row, 4 * at).cast_signed()) / scale
}

/// Whole numbers of an element: signed or not, of two or four bytes.
fn numbers(it: &Element<'_>) -> Vec<f64> {
    let all: Vec<f64> = match it.kind {
        b'l' => it
            .data
            .chunks_exact(4)
            .map(|it| f64::from(be32(it, 0).cast_signed()))
            .collect(),
        b'L' => it
            .data
            .chunks_exact(4)
            .map(|it| f64::from(be32(it, 0)))
            .collect(),
        b's' => it
            .data
            .chunks_exact(2)
            .map(|it| f64::from(i16::from_be_bytes([it[0], it[1]])))
            .collect(),
        b'S' => it
            .data
            .chunks_exact(2)
            .map(|it| f64::from(u16::from_be_bytes([it[0], it[1]])))
            .collect(),
        _ => Vec::new(),
    };
    all.into_iter()
        .map(|it| if it == 0.0 { 1.0 } else { it })
        .collect()
}

/// `yymmddhhmmss.sss`.
fn moment(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let two = |at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let nanos = text
        .get(13..16)
        .and_then(|it| it.parse::<i32>().ok())
        .unwrap_or(0)
        * 1_000_000;
    let year = 2000 + i16::from(two(0)?);
    let date = DateTime::new(year, two(2)?, two(4)?, two(6)?, two(8)?, two(10)?, nanos).ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Days from 2000-01-01 and seconds of the day.
fn since_2000(days: f64, seconds: f64) -> Option<Timestamp> {
    let span = SignedDuration::try_from_secs_f64(days * 86_400.0 + seconds).ok()?;
    Timestamp::from_second(946_684_800)
        .ok()?
        .checked_add(span)
        .ok()
}
