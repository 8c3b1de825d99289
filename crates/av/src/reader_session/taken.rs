//! Where a recording was taken: by its own boxes, else by a text beside it.

use std::{
    io::{self, Read, Seek, SeekFrom},
    os::fd::{AsFd, OwnedFd},
};

use framerill_media::gps;
use framerill_worker::message::{MAX_PLACES, TakenAt};
use rustix::{
    fs::fstat,
    io::{pread, retry_on_intr},
};

/// A descriptor that is read at a place of its own: whoever else has it is not disturbed.
struct At<'a> {
    fd: &'a OwnedFd,
    position: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = retry_on_intr(|| pread(self.fd.as_fd(), &mut *into, self.position))?;
        self.position += got as u64;
        Ok(got)
    }
}

impl Seek for At<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let length = || Ok::<_, io::Error>(u64::try_from(fstat(self.fd)?.st_size).unwrap_or(0));
        let moved = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => length()?.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = moved.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Places, at most [`MAX_PLACES`]; none where nobody says them or they cannot be read: records go without.
pub(super) fn places(video: &OwnedFd, beside: Option<(OwnedFd, bool)>) -> Vec<TakenAt> {
    let at = |fd| At { fd, position: 0 };
    let mut boxes = io::BufReader::new(at(video));
    let mut fixes = gps::inside(&mut boxes).unwrap_or_default();
    if let Some((text, is_subtitles)) = beside.filter(|_| fixes.is_empty()) {
        fixes = gps::beside(at(&text), is_subtitles).unwrap_or_default();
    }
    let fixes = gps::thinned(fixes, MAX_PLACES);
    let place = |it: &gps::Fix| (rounded(it.at_ms), it.lat, it.lon, it.speed_mps, it.bearing);
    fixes.iter().map(place).collect()
}

/// To whole microseconds: shorter as text.
fn rounded(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;

    fn file(bytes: &[u8]) -> OwnedFd {
        let mut file: File = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.into()
    }

    #[test]
    fn a_text_beside_a_video_counts_where_the_video_says_nothing() {
        let video = file(b"no mp4 at all");
        assert_eq!(places(&video, None), []);
        let text = file(b"1\n00:00:01,000 --> 00:00:02,000\nlat=1.5 lon=2.5\n");
        let found = places(&video, Some((text, true)));
        assert_eq!(found, [(1000.0, 1.5, 2.5, None, None)]);
    }

    #[test]
    fn the_most_places_fit_into_one_message() {
        let longest = (
            1_234_567.891,
            -12.345_678_901_234_567,
            -123.456_789_012_345_67,
            Some(12.345_678_901_234_567),
            Some(123.456_789_012_345_67),
        );
        let all = serde_json::to_string(&vec![longest; MAX_PLACES]).unwrap();
        assert!(
            all.len() + 4096 < framerill_worker::message::MAX_MESSAGE,
            "{}",
            all.len()
        );
    }
}
