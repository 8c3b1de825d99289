//! Subtitles that say where: cues with `latitude: 48.1` and `longitude: 11.5`, `GPS(11.5, 48.1, 500)` (longitude first) or
//! `N48.1 E11.5`, as drones and dashcams write them.

use super::{Fix, MOST_FIXES};

/// The fixes of all cues that say where.
pub(super) fn read(text: &str) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let mut at = None;
    let mut cue = String::new();
    for line in text.lines().chain([""]) {
        let line = line.trim();
        if let Some((from, _)) = line.split_once("-->") {
            (at, cue) = (time(from.trim()), String::new());
        } else if !line.is_empty() {
            // A cue is a few lines; no file makes it hold more.
            if cue.len() < 4096 {
                cue.push_str(line);
                cue.push(' ');
            }
        } else if let Some(at_ms) = at.take() {
            fixes.extend(place(&cue, at_ms));
            if fixes.len() >= MOST_FIXES {
                break;
            }
        }
    }
    fixes
}

/// `hh:mm:ss,mmm` in ms.
fn time(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |it: &str| {
        it.replace(',', ".")
            .parse::<f64>()
            .ok()
            .filter(|it| (0.0..1e6).contains(it))
    };
    Some(((number(hours)? * 60.0 + number(minutes)?) * 60.0 + number(seconds)?) * 1000.0)
}

/// What a cue says.
fn place(cue: &str, at_ms: f64) -> Option<Fix> {
    let lower = cue.to_ascii_lowercase();
    let named = |names: &[&str]| names.iter().find_map(|it| after(&lower, it));
    if let (Some(lat), Some(lon)) = (
        named(&["latitude", "lat"]),
        named(&["longitude", "longtitude", "lon"]),
    ) {
        return Fix::new(at_ms, lat, lon);
    }
    if let Some((_, rest)) = lower.split_once("gps") {
        let inner = rest.split_once('(')?.1.split_once(')')?.0;
        let mut numbers = inner.split(',').map(|it| it.trim().parse::<f64>());
        let (lon, lat) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        return Fix::new(at_ms, lat, lon);
    }
    let lettered = |positive: char, negative: char| {
        cue.split(|it: char| it.is_whitespace() || it == ',')
            .find_map(|word| {
                let first = word
                    .chars()
                    .next()
                    .filter(|it| *it == positive || *it == negative)?;
                let value: f64 = word[1..].trim_start_matches(':').parse().ok()?;
                Some(if first == negative { -value } else { value })
            })
    };
    Fix::new(at_ms, lettered('N', 'S')?, lettered('E', 'W')?)
}

/// The number that follows a word and `:`, `=` or blanks.
fn after(text: &str, word: &str) -> Option<f64> {
    let (_, rest) = text.split_once(word)?;
    let rest = rest.trim_start_matches([' ', ':', '=']);
    let end = rest
        .find(|it: char| !(it.is_ascii_digit() || "+-.".contains(it)))
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}
