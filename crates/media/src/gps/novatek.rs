//! Cameras with Novatek chips (Viofo and many more): a box `gps ` in `moov` lists blocks, each a box `free` that begins with
//! `GPS `. Their fields stand at a place that differs from firmware to firmware, and are found by their letters.

use std::io::{self, Read, Seek};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    Fix, MOST_FIXES,
    boxes::{Span, be32, be64, content, path, whole},
};

/// Bytes of a block that are looked at.
const BLOCK: u64 = 64 * 1024;

/// Bytes of all blocks together: what a list says twice is read twice.
const MOST_TOGETHER: usize = 256 << 20;

/// Metres a second in a knot.
const KNOT: f64 = 1852.0 / 3600.0;

/// One fix a block with reception; blocks are spread evenly over the video.
pub(super) fn read(source: &mut (impl Read + Seek)) -> io::Result<Vec<Fix>> {
    let file = whole(source)?;
    let Some(list) = path(source, file, &[b"moov", b"gps "])? else {
        return Ok(Vec::new());
    };
    let list = content(source, list)?;
    let entries: Vec<_> = list
        .get(8..)
        .unwrap_or_default()
        .chunks_exact(8)
        .take(MOST_FIXES)
        .collect();
    let step = match path(source, file, &[b"moov", b"mvhd"])? {
        Some(it) => step(&content(source, it)?, entries.len()),
        None => 1000.0,
    };
    let (mut fixes, mut read) = (Vec::new(), 0);
    for (at, entry) in entries.iter().enumerate() {
        let (start, size) = (u64::from(be32(entry, 0)), u64::from(be32(entry, 4)));
        if start == 0 || size < 12 || start >= file.end {
            continue;
        }
        let end = file.end.min(start + size.min(BLOCK));
        let bytes = content(
            source,
            Span {
                kind: *b"free",
                start,
                end,
            },
        )?;
        read += bytes.len();
        if read >= MOST_TOGETHER {
            break;
        }
        if bytes.get(4..12) != Some(b"freeGPS ".as_slice()) {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^20 blocks")]
        let at_ms = at as f64 * step;
        fixes.extend(block(&bytes[12..], at_ms));
    }
    Ok(fixes)
}

/// Milliseconds from block to block: a second, unless the video's length says otherwise.
fn step(mvhd: &[u8], count: usize) -> f64 {
    let (scale, length) = if mvhd.first() == Some(&1) {
        (be32(mvhd, 20), be64(mvhd, 24))
    } else {
        (be32(mvhd, 12), u64::from(be32(mvhd, 16)))
    };
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 ticks for ages")]
    let step = length as f64 * 1000.0 / f64::from(scale) / count as f64;
    // A block for each second, and one that was begun: a whole second is meant.
    let is_second = (step - 1000.0).abs() < 100.0;
    if step.is_finite() && step > 0.0 && !is_second {
        step
    } else {
        1000.0
    }
}

/// Hour, minute, second, year, month and day, then letters: `A` for reception, north or south, east or west; then latitude,
/// longitude (degrees times 100 plus minutes), knots and degrees from north. Little end first.
fn block(bytes: &[u8], at_ms: f64) -> Option<Fix> {
    let is_letters =
        |it: &[u8]| it[0] == b'A' && matches!(it[1], b'N' | b'S') && matches!(it[2], b'E' | b'W');
    let letters = (24..bytes.len().saturating_sub(19))
        .find(|at| is_letters(&bytes[*at..*at + 3]) && moment(&bytes[*at - 24..*at]).is_some())?;
    let float = |at: usize| {
        let part = bytes.get(letters + at..).and_then(<[u8]>::first_chunk);
        part.map_or(f64::NAN, |it| f64::from(f32::from_le_bytes(*it)))
    };
    let degrees = |value: f64, is_negative: bool| {
        let whole = (value / 100.0).trunc();
        let it = whole + (value - 100.0 * whole) / 60.0;
        if is_negative { -it } else { it }
    };
    let lat = degrees(float(4), bytes[letters + 1] == b'S');
    let lon = degrees(float(8), bytes[letters + 2] == b'W');
    let fix = Fix::new(at_ms, lat, lon)?
        .with_speed(float(12) * KNOT)
        .with_bearing(float(16));
    let utc = moment(&bytes[letters - 24..letters]);
    Some(Fix { utc, ..fix })
}

fn moment(bytes: &[u8]) -> Option<Timestamp> {
    let part = |at: usize| {
        let four = bytes.get(4 * at..).and_then(<[u8]>::first_chunk)?;
        i16::try_from(u32::from_le_bytes(*four)).ok()
    };
    let small = |at: usize| i8::try_from(part(at)?).ok();
    let year = part(3)?;
    let year = if year < 100 { 2000 + year } else { year };
    let date = DateTime::new(
        year,
        small(4)?,
        small(5)?,
        small(0)?,
        small(1)?,
        small(2)?,
        0,
    )
    .ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
