//! NMEA 0183 as receivers write it: sentences `RMC` of any talker, each with its checksum.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{Fix, MOST_FIXES};

/// Metres a second in a knot.
const KNOT: f64 = 1852.0 / 3600.0;

/// The fixes of a log that begins with its video. Sentences that are void, damaged or of another kind are left out.
pub(super) fn read(text: &str) -> Vec<Fix> {
    let mut first: Option<Timestamp> = None;
    let mut fixes = Vec::new();
    for line in text.lines() {
        // Some loggers put their own words before the sentence.
        let Some(start) = line.find('$') else {
            continue;
        };
        let Some((utc, fix)) = sentence(line[start + 1..].trim_end()) else {
            continue;
        };
        let first = *first.get_or_insert(utc);
        let Some(mut fix) = fix else { continue };
        fix.at_ms = utc.duration_since(first).as_secs_f64() * 1000.0;
        if fix.at_ms >= 0.0 && fixes.len() < MOST_FIXES {
            fixes.push(fix);
        }
    }
    fixes
}

/// One sentence without its `$`: when, and where if there was reception.
fn sentence(text: &str) -> Option<(Timestamp, Option<Fix>)> {
    let (body, sum) = text.split_once('*')?;
    let sum = u8::from_str_radix(sum.get(..2)?, 16).ok()?;
    if body.bytes().fold(0, |a, b| a ^ b) != sum {
        return None;
    }
    let mut fields = body.split(',');
    let kind = fields.next()?;
    if kind.len() != 5 || !kind.ends_with("RMC") {
        return None;
    }
    let fields: Vec<_> = fields.collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let utc = moment(field(8), field(0))?;
    if field(1) != "A" {
        return Some((utc, None));
    }
    let number = |at: usize| field(at).parse::<f64>().unwrap_or(f64::NAN);
    let lat = degrees(field(2), field(3) == "S");
    let lon = degrees(field(4), field(5) == "W");
    let fix = lat.zip(lon).and_then(|(lat, lon)| Fix::new(0.0, lat, lon));
    let fix = fix.map(|it| it.with_speed(number(6) * KNOT).with_bearing(number(7)));
    Some((
        utc,
        fix.map(|it| Fix {
            utc: Some(utc),
            ..it
        }),
    ))
}

/// `ddmm.mmmm`.
fn degrees(text: &str, is_negative: bool) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let whole = (value / 100.0).trunc();
    let it = whole + (value - 100.0 * whole) / 60.0;
    Some(if is_negative { -it } else { it })
}

/// `ddmmyy` and `hhmmss.ss`.
fn moment(date: &str, time: &str) -> Option<Timestamp> {
    let two = |text: &str, at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let fraction: f64 = time
        .get(6..)
        .filter(|it| !it.is_empty())
        .map_or(Some(0.0), |it| it.parse().ok())?;
    if !(0.0..1.0).contains(&fraction) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 10^9")]
    let nanos = (fraction * 1e9) as i32;
    let year = 2000 + i16::from(two(date, 4)?);
    let (month, day) = (two(date, 2)?, two(date, 0)?);
    let it = DateTime::new(
        year,
        month,
        day,
        two(time, 0)?,
        two(time, 2)?,
        two(time, 4)?,
        nanos,
    )
    .ok()?;
    Some(it.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
