//! Where a camera was: by boxes of an mp4 (GPMF of GoPro, `gps ` of Novatek) or by the text of a file beside the video.
//!
//! Parsers take bytes of any kind: they never panic, never hold more than they say, and skip what they do not understand.

mod boxes;
mod gpmf;
mod nmea;
mod novatek;
mod srt;

use std::io::{self, Read, Seek};

use jiff::Timestamp;

/// Fixes that are kept of one video: ten hours at 18 a second, and more.
const MOST_FIXES: usize = 1_000_000;

/// Bytes of a side file that are read.
const MOST_TEXT: u64 = 256 << 20;

/// One place at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Of the video, in ms from its start.
    pub at_ms: f64,
    /// By the satellites.
    pub utc: Option<Timestamp>,
    /// Degrees, WGS 84; north is positive.
    pub lat: f64,
    /// Degrees, WGS 84; east is positive.
    pub lon: f64,
    /// Metres a second over ground.
    pub speed_mps: Option<f64>,
    /// Degrees from north, clockwise, 0 to 360.
    pub bearing: Option<f64>,
}

impl Fix {
    /// None where that is no place on the globe; 0, 0 is what receivers without reception say.
    #[must_use]
    pub fn new(at_ms: f64, lat: f64, lon: f64) -> Option<Self> {
        let is_place = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        let is_known = lat != 0.0 || lon != 0.0;
        (is_place && is_known && at_ms.is_finite()).then_some(Self {
            at_ms,
            utc: None,
            lat,
            lon,
            speed_mps: None,
            bearing: None,
        })
    }

    /// With a speed in metres a second, if it is one.
    #[must_use]
    pub fn with_speed(mut self, speed: f64) -> Self {
        self.speed_mps = Some(speed).filter(|it| (0.0..500.0).contains(it));
        self
    }

    /// With a direction in degrees from north, if it is one.
    #[must_use]
    pub fn with_bearing(mut self, bearing: f64) -> Self {
        self.bearing = Some(bearing).filter(|it| (0.0..=360.0).contains(it));
        self
    }
}

/// What an mp4 says itself. What is no mp4 says nothing.
///
/// # Errors
/// The source cannot be read.
pub fn inside(source: &mut (impl Read + Seek)) -> io::Result<Vec<Fix>> {
    let found = gpmf::read(source)?;
    if found.is_empty() {
        novatek::read(source)
    } else {
        Ok(found)
    }
}

/// What a text beside a video says: sentences of NMEA 0183, or subtitles that name places.
///
/// # Errors
/// The source cannot be read.
pub fn beside(source: impl Read, is_subtitles: bool) -> io::Result<Vec<Fix>> {
    let mut bytes = Vec::new();
    source.take(MOST_TEXT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(if is_subtitles {
        srt::read(&text)
    } else {
        nmea::read(&text)
    })
}

/// At most `most` of them, in the order of the video, spread evenly.
#[must_use]
pub fn thinned(mut fixes: Vec<Fix>, most: usize) -> Vec<Fix> {
    fixes.retain(|it| it.at_ms.is_finite());
    fixes.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    let (count, most) = (fixes.len(), most.max(1));
    if count <= most {
        return fixes;
    }
    (0..most).map(|it| fixes[it * count / most]).collect()
}

#[cfg(test)]
mod tests;
