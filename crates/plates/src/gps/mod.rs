//! Where a camera was: from the video itself or from a file beside it.
//!
//! Read in this order: [`Fix`], [`Route`], [`of_video`]. Parsers take bytes of any kind: they never panic, never hold more than
//! they say, and skip what they do not understand.

mod boxes;
mod gpmf;
mod nmea;
mod novatek;
mod route;
mod srt;

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

pub use route::Route;

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
    fn new(at_ms: f64, lat: f64, lon: f64) -> Option<Self> {
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

    fn with_speed(mut self, speed: f64) -> Self {
        self.speed_mps = Some(speed).filter(|it| (0.0..500.0).contains(it));
        self
    }

    fn with_bearing(mut self, bearing: f64) -> Self {
        self.bearing = Some(bearing).filter(|it| (0.0..=360.0).contains(it));
        self
    }
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read where {} was taken: {error}", file.display())]
pub struct GpsError {
    file: PathBuf,
    error: io::Error,
}

/// Endings of side files, as cameras and users write them.
const SIDE_FILES: [&str; 4] = ["nmea", "NMEA", "srt", "SRT"];

/// Where a video was taken: by what is in it (GPMF of GoPro, `gps ` of Novatek), else by a file of the same name that ends in
/// `.nmea` or `.srt`. None where nobody says. It blocks.
///
/// # Errors
/// The video or a side file is there and cannot be read.
pub fn of_video(video: &Path) -> Result<Option<Route>, GpsError> {
    let told = |file: &Path| {
        let file = file.to_owned();
        move |error| GpsError { file, error }
    };
    let mut source = BufReader::new(File::open(video).map_err(told(video))?);
    let found = inside(&mut source).map_err(told(video))?;
    if let Some(route) = Route::new(found) {
        return Ok(Some(route));
    }
    for ending in SIDE_FILES {
        let file = video.with_extension(ending);
        let source = match File::open(&file) {
            Ok(it) => it,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(told(&file)(error)),
        };
        if fs::metadata(&file).is_ok_and(|it| it.is_dir()) {
            continue;
        }
        let mut bytes = Vec::new();
        source
            .take(MOST_TEXT)
            .read_to_end(&mut bytes)
            .map_err(told(&file))?;
        let text = String::from_utf8_lossy(&bytes);
        let is_srt = file
            .extension()
            .is_some_and(|it| it.eq_ignore_ascii_case(OsStr::new("srt")));
        let fixes = if is_srt {
            srt::read(&text)
        } else {
            nmea::read(&text)
        };
        if let Some(route) = Route::new(fixes) {
            return Ok(Some(route));
        }
    }
    Ok(None)
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

#[cfg(test)]
mod tests;
