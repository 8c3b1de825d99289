//! Reads a channel of transport streams: keeps the bytes, and notes when the last byte of each picture came.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use framerill_media::{Pes, Track, TransportScanner};
use framerill_trickle::{
    http::client::{Subscriber, SubscriberOptions},
    subscriber::{Event, Join},
    wire::Seq,
};
use tokio::task::JoinHandle;

use super::{channels::Channels, clip::distance, lock, now};
use crate::wait_until;

/// Bytes of a transport packet.
const PACKET: usize = 188;

/// A picture or a piece of sound as it came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Its time, in 1/90000 s modulo 2^33.
    pub pts: Option<u64>,
    /// When its last byte was read.
    pub at: Instant,
    /// Whether a decoder can begin here.
    pub keyframe: bool,
}

/// A segment as it came.
#[derive(Debug, Clone)]
pub struct SegmentSeen {
    /// Its number.
    pub seq: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When its first byte was read.
    pub began: Option<Instant>,
    /// `None` while it goes on, false if it broke off.
    pub complete: Option<bool>,
}

/// What was seen so far.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Segments, in order.
    pub segments: Vec<SegmentSeen>,
    /// Pictures, in order; the last one when the next has begun, or its segment ended.
    pub pictures: Vec<Arrival>,
    /// Pieces of sound, likewise.
    pub sounds: Vec<Arrival>,
    /// Numbers of segments that could not be had, and that numbers went back.
    pub gaps: Vec<String>,
    /// How the channel ended, once it has.
    pub ended: Option<String>,
    /// When that was seen.
    pub ended_at: Option<Instant>,
}

impl Watched {
    /// All whole packets, segment behind segment. A publisher that is cut off may leave a part of one, with which a decoder
    /// would lose the beginning of the next segment.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let whole = |it: &SegmentSeen| it.bytes.len() - it.bytes.len() % PACKET;
        let parts = self.segments.iter().map(|it| &it.bytes[..whole(it)]);
        parts.collect::<Vec<_>>().concat()
    }

    /// By how many milliseconds each piece of sound came before its picture, which is the first one that is not shown before
    /// it is heard; negative if after. Of what no picture followed nothing is told.
    ///
    /// # Panics
    ///
    /// If a picture or a piece of sound has no time.
    #[must_use]
    pub fn sound_ahead_ms(&self) -> Vec<f64> {
        let pts = |it: &Arrival| it.pts.expect("a time");
        let ahead = |sound: &Arrival| {
            let due = |it: &&Arrival| distance(pts(sound), pts(it)) >= 0;
            let picture = self.pictures.iter().find(due)?;
            let ahead = picture.at.saturating_duration_since(sound.at).as_secs_f64();
            let behind = sound.at.saturating_duration_since(picture.at).as_secs_f64();
            Some((ahead - behind) * 1e3)
        };
        self.sounds.iter().filter_map(ahead).collect()
    }

    /// Segments that do not begin with tables and a keyframe, and why.
    #[must_use]
    pub fn segments_that_do_not_play_alone(&self) -> Vec<String> {
        let wrong = |segment: &SegmentSeen| {
            let mut scanner = TransportScanner::default();
            let mut first = None;
            scanner.push(&segment.bytes, (), |pes| {
                if pes.track == Track::Video {
                    first.get_or_insert(pes);
                }
            });
            scanner.finish(|pes| {
                if pes.track == Track::Video {
                    first.get_or_insert(pes);
                }
            });
            match first {
                Some(Pes { keyframe: true, .. }) if scanner.skipped() == 0 => None,
                Some(_) => Some(format!("segment {} begins without a keyframe", segment.seq)),
                None => Some(format!(
                    "segment {} has no picture behind tables",
                    segment.seq
                )),
            }
        };
        let whole = self
            .segments
            .iter()
            .filter(|it| it.complete == Some(true) && !it.bytes.is_empty());
        whole.filter_map(wrong).collect()
    }
}

/// A subscriber that notes what it reads.
#[derive(Debug)]
pub struct Viewer {
    watched: Arc<Mutex<Watched>>,
    task: JoinHandle<()>,
}

impl Viewer {
    /// Reads the channel `name` from its first segment on.
    #[must_use]
    pub fn start(channels: &Channels, name: &str) -> Self {
        let url = channels.url(name);
        let watched = Arc::new(Mutex::new(Watched::default()));
        let notes = Arc::clone(&watched);
        let task = channels.handle().spawn(async move {
            let ended = match watch(&url, &notes).await {
                Ok(()) => "closed".to_owned(),
                Err(said) => said,
            };
            let mut notes = lock(&notes);
            notes.ended = Some(ended);
            notes.ended_at = Some(now());
        });
        Self { watched, task }
    }

    /// What it has seen so far.
    #[must_use]
    pub fn watched(&self) -> Watched {
        lock(&self.watched).clone()
    }

    /// Looks without a copy.
    pub fn look<T>(&self, look: impl FnOnce(&Watched) -> T) -> T {
        look(&lock(&self.watched))
    }

    /// How many pictures came so far.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.look(|it| it.pictures.len())
    }

    /// Whether `pictures` more come within that time.
    #[must_use]
    pub fn sees_more(&self, pictures: usize, within: Duration) -> bool {
        let goal = self.pictures() + pictures;
        wait_until(within, || self.pictures() >= goal)
    }

    /// Waits until `pictures` more came.
    ///
    /// # Panics
    ///
    /// If they do not within that time.
    pub fn until_more(&self, pictures: usize, within: Duration) {
        let before = self.pictures();
        assert!(
            self.sees_more(pictures, within),
            "{} of {pictures} pictures came within {within:?}; the channel: {:?}",
            self.pictures() - before,
            self.look(|it| it.ended.clone())
        );
    }

    /// Whether the channel ends within that time.
    #[must_use]
    pub fn ends(&self, within: Duration) -> bool {
        wait_until(within, || self.look(|it| it.ended.is_some()))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(url: &str, notes: &Mutex<Watched>) -> Result<(), String> {
    let mut options = SubscriberOptions::default();
    options.config.join = Join::At(Seq::ZERO);
    options.config.absence = Duration::from_secs(60);
    let mut subscriber = Subscriber::connect(url, options).map_err(|error| error.to_string())?;
    let mut scanner = TransportScanner::default();
    loop {
        let event = subscriber.next().await.map_err(|error| error.to_string())?;
        let Some(event) = event else { return Ok(()) };
        let at = now();
        let mut watched = lock(notes);
        let watched = &mut *watched;
        let mut found = Vec::new();
        match event {
            Event::Begin { seq, .. } => watched.segments.push(SegmentSeen {
                seq: seq.get(),
                bytes: Vec::new(),
                began: None,
                complete: None,
            }),
            Event::Bytes(bytes) => {
                scanner.push(&bytes, at, |pes| found.push(pes));
                if let Some(segment) = watched.segments.last_mut() {
                    segment.began.get_or_insert(at);
                    segment.bytes.extend_from_slice(&bytes);
                }
            }
            Event::End { complete, .. } => {
                scanner.finish(|pes| found.push(pes));
                if let Some(segment) = watched.segments.last_mut() {
                    segment.complete = Some(complete);
                }
            }
            Event::Gap { from, to } => watched.gaps.push(format!("{from} to {to} are missing")),
            Event::Restarted { from, to } => watched.gaps.push(format!("{from} became {to}")),
            _ => {}
        }
        for pes in found {
            note(watched, pes);
        }
    }
}

fn note(watched: &mut Watched, pes: Pes<Instant>) {
    let arrivals = match pes.track {
        Track::Video => &mut watched.pictures,
        Track::Audio => &mut watched.sounds,
    };
    arrivals.push(Arrival {
        pts: pes.pts,
        at: pes.last,
        keyframe: pes.keyframe,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_ahead_by_what_it_came_before_the_picture_that_follows_it() {
        let began = now();
        let came = |pts, millis| Arrival {
            pts: Some(pts),
            at: began + Duration::from_millis(millis),
            keyframe: false,
        };
        let watched = Watched {
            pictures: vec![came(9000, 500), came(12_000, 540), came(15_000, 580)],
            sounds: vec![
                came(8000, 500),
                came(10_000, 140),
                came(12_000, 550),
                came(16_000, 580),
            ],
            ..Watched::default()
        };
        let ahead: Vec<_> = watched.sound_ahead_ms();
        let rounded: Vec<_> = ahead.iter().map(|it| it.round().to_string()).collect();
        assert_eq!(rounded, ["0", "400", "-10"]);
    }
}
