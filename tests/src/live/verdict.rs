//! Compares what a viewer saw with what a camera sent, picture by picture: by what is drawn in them, never by counters of
//! the product.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use framerill_media::TRANSPORT_CLOCK;

use super::{
    camera::Sent,
    clip::{Clip, distance},
    viewer::Watched,
};
use crate::{
    judge::{Expectation, Report, judge},
    mark::Size,
    recording::Recording,
    reference::Reference,
};

/// The runner takes so many pictures a second at most.
const CAP: i64 = 24;
const CLOCK: i64 = 90_000;
/// Of 30 pictures a second every fifth is left out.
const RHYTHM: usize = 4;
/// A picture that is shown too early is so by less.
const EARLY_TICKS: i64 = 2 * CLOCK;

/// What a picture of the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The picture that was sent with this pts, processed.
    Finished,
    /// An older one, or this one unprocessed: it stands in.
    Held,
    /// Without a readable mark: an overlay, or broken.
    Unreadable,
    /// A newer one than was sent with this pts.
    Early,
    /// No picture was sent with this pts.
    Unsent,
    /// A picture of another source.
    Foreign,
}

/// A picture of the output.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Modulo 2^33.
    pub pts: u64,
    /// When its last byte was read, where it is known.
    pub at: Option<Instant>,
    /// What it is.
    pub kind: Kind,
    /// The number drawn into it.
    pub counter: Option<u32>,
    /// How far its pts is from that of the picture with its number, in 1/90000 s, output less source.
    pub moved_ticks: Option<i64>,
}

/// How an output compares.
#[derive(Debug)]
pub struct Verdict {
    /// Pictures in order.
    pub shown: Vec<Shown>,
    /// Positions of pictures whose pts is not after the one before.
    pub not_rising: Vec<usize>,
    /// What the decoder complained about.
    pub complaints: (u64, Vec<String>),
    /// Pictures that should have come between the first and the last, by pts.
    pub missing: Vec<u64>,
    /// Segments that do not play alone.
    pub segments: Vec<String>,
    /// Size of the last picture.
    pub size: Size,
    /// The output, for further questions.
    pub recording: Recording,
}

/// How pictures of the output look when they are finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// As they were sent.
    #[default]
    Same,
    /// As negatives.
    Negative,
}

impl Verdict {
    /// Decodes what was seen and compares it with what was sent.
    ///
    /// # Panics
    ///
    /// If nothing can be decoded.
    #[must_use]
    pub fn of(watched: &Watched, sent: &[Sent], drawn: Size, look: Look) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("output.ts");
        fs::write(&file, watched.bytes()).expect("a file");
        let recording = Recording::read(&file, Some(drawn)).expect("the output can be decoded");
        let came: BTreeMap<u64, Instant> = watched
            .pictures
            .iter()
            .filter_map(|it| Some((it.pts?, it.at)))
            .collect();
        let by_pts: BTreeMap<u64, &Sent> = sent.iter().map(|it| (it.pts, it)).collect();
        let mut shown = Vec::new();
        for picture in &recording.pictures {
            let pts = picture.pts.map_or(0, wrapped);
            let own = by_pts.get(&pts);
            let kind = match (picture.mark, own) {
                (_, None) => Kind::Unsent,
                (None, _) => Kind::Unreadable,
                (Some(mark), Some(own)) if mark.tag != own.tag => Kind::Foreign,
                (Some(mark), Some(own)) if mark.counter == own.counter => {
                    let finished = mark.inverted == (look == Look::Negative);
                    if finished { Kind::Finished } else { Kind::Held }
                }
                (Some(mark), Some(own)) => {
                    let source = nearest(sent, mark.counter, mark.tag, pts);
                    match source.map(|it| distance(own.pts, it.pts)) {
                        Some(ticks) if ticks < 0 => Kind::Held,
                        Some(_) => Kind::Early,
                        None => Kind::Foreign,
                    }
                }
            };
            let source = picture
                .mark
                .and_then(|mark| nearest(sent, mark.counter, mark.tag, pts));
            shown.push(Shown {
                pts,
                at: came.get(&pts).copied(),
                kind,
                counter: picture.mark.map(|mark| mark.counter),
                moved_ticks: source.map(|it| distance(it.pts, pts)),
            });
        }
        let rises = |two: &[Shown]| distance(two[0].pts, two[1].pts) > 0;
        let not_rising = shown
            .windows(2)
            .enumerate()
            .filter(|(_, two)| !rises(two))
            .map(|(index, _)| index + 1)
            .collect();
        Self {
            missing: missing(&shown, sent),
            not_rising,
            complaints: recording.complaints.clone(),
            segments: watched.segments_that_do_not_play_alone(),
            size: recording.size,
            shown,
            recording,
        }
    }

    /// How many pictures are of this kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.shown.iter().filter(|it| it.kind == kind).count()
    }

    /// How many pictures are none of those that belong at their pts: unsent, early or of another source.
    #[must_use]
    pub fn of_another_place(&self) -> usize {
        [Kind::Unsent, Kind::Early, Kind::Foreign]
            .into_iter()
            .map(|kind| self.count(kind))
            .sum()
    }

    /// Whether the last so many pictures are finished ones. On a busy machine one in ten may stand in for them, or be
    /// unreadable; none may be wrong.
    #[must_use]
    pub fn ends_finished(&self, pictures: usize) -> bool {
        let last = &self.shown[self.shown.len().saturating_sub(pictures)..];
        let count = |kind| last.iter().filter(|it| it.kind == kind).count();
        let finished = count(Kind::Finished);
        let stand_in = count(Kind::Held) + count(Kind::Unreadable);
        last.len() == pictures
            && finished + stand_in == pictures
            && stand_in <= pictures / 10
            && finished > 0
    }

    /// Everything that is wrong with an output that stands for an undisturbed input, fillers and all; nothing is good.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.faults_beside_times();
        let unsent: Vec<_> = self.of_kind(Kind::Unsent);
        if !unsent.is_empty() {
            faults.push(format!(
                "{} pts that were not sent: {:?}",
                unsent.len(),
                few(&unsent)
            ));
        }
        if !self.missing.is_empty() {
            let missing = few(&self.missing);
            faults.push(format!(
                "{} pts are missing: {missing:?}",
                self.missing.len()
            ));
        }
        faults
    }

    /// The same, where times may have been moved by a discontinuity of the source.
    #[must_use]
    pub fn faults_beside_times(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.shown.is_empty() {
            faults.push("no picture".to_owned());
        }
        for kind in [Kind::Early, Kind::Foreign] {
            let wrong = self.of_kind(kind);
            if !wrong.is_empty() {
                faults.push(format!(
                    "{} pictures are {kind:?}: {:?}",
                    wrong.len(),
                    few(&wrong)
                ));
            }
        }
        if !self.not_rising.is_empty() {
            faults.push(format!("pts do not rise at {:?}", few(&self.not_rising)));
        }
        if self.complaints.0 > 0 {
            let words = self.complaints.1.last();
            faults.push(format!(
                "the decoder complains {} times: {words:?}",
                self.complaints.0
            ));
        }
        faults.extend(self.segments.iter().take(3).cloned());
        faults
    }

    fn of_kind(&self, kind: Kind) -> Vec<u64> {
        let wanted = self.shown.iter().filter(|it| it.kind == kind);
        wanted.map(|it| it.pts).collect()
    }

    /// Runs of pictures that stand in: the pts of the first one, and how long until the next finished one in 1/90000 s.
    #[must_use]
    pub fn fillers(&self) -> Vec<(u64, i64)> {
        let mut runs = Vec::new();
        let mut open = None;
        for it in &self.shown {
            match (it.kind, open) {
                (Kind::Held | Kind::Unreadable, None) => open = Some(it.pts),
                (Kind::Finished, Some(from)) => {
                    runs.push((from, distance(from, it.pts)));
                    open = None;
                }
                _ => {}
            }
        }
        let last = self.shown.last().map_or(0, |it| it.pts);
        runs.extend(open.map(|from| (from, distance(from, last))));
        runs
    }

    /// From the last byte written to the last byte read, of finished pictures.
    #[must_use]
    pub fn delays(&self, sent: &[Sent]) -> Vec<Duration> {
        let by_pts: BTreeMap<u64, Instant> = sent.iter().map(|it| (it.pts, it.at)).collect();
        let finished = self.shown.iter().filter(|it| it.kind == Kind::Finished);
        finished
            .filter_map(|it| Some(it.at?.saturating_duration_since(*by_pts.get(&it.pts)?)))
            .collect()
    }

    /// Flash and beep of an output of one round of a clip without jumps; of it, only the sound is of interest.
    ///
    /// # Panics
    ///
    /// If the clip cannot be decoded.
    #[must_use]
    pub fn sound(&self, clip: &Clip) -> Report {
        let source = Recording::read(&clip.path, None).expect("the clip can be decoded");
        let reference = Reference::recorded(&source).expect("a whole source");
        let expected = Expectation {
            allow_missing: true,
            allow_filler: true,
            partial: true,
            ..Expectation::default()
        };
        judge(&self.recording, &reference, &expected)
    }
}

fn few<T: Copy>(all: &[T]) -> Vec<T> {
    all.iter().copied().take(5).collect()
}

fn wrapped(pts: i64) -> u64 {
    pts.rem_euclid(TRANSPORT_CLOCK.cast_signed())
        .cast_unsigned()
}

/// The picture with that number that was sent last before a pts, or little after it: a clip goes round, and what stands in
/// for long must not be taken for what is still to come.
fn nearest(sent: &[Sent], counter: u32, tag: u8, pts: u64) -> Option<&Sent> {
    let same = sent
        .iter()
        .filter(|it| it.counter == counter && it.tag == tag);
    let late = |it: &&Sent| distance(it.pts, pts);
    let near = same.clone().filter(|it| late(it) >= -EARLY_TICKS);
    near.min_by_key(|it| late(it).abs())
        .or_else(|| same.min_by_key(|it| late(it).abs()))
}

/// What the cap of the rate lets through, and did not come.
fn missing(shown: &[Shown], sent: &[Sent]) -> Vec<u64> {
    let seen: BTreeSet<u64> = shown.iter().map(|it| it.pts).collect();
    let at = |pts: u64| sent.iter().position(|it| it.pts == pts);
    let first = shown.iter().find_map(|it| at(it.pts));
    let last = shown.iter().rev().find_map(|it| at(it.pts));
    let (Some(first), Some(last)) = (first, last) else {
        return Vec::new();
    };
    // Where the rhythm began is not known: the first pictures may have been dropped on the way.
    let missed = |from: usize| {
        let between = sent.get(from..=last).unwrap_or_default();
        let times: Vec<u64> = between.iter().map(|it| it.pts).collect();
        let kept = capped(&times)
            .into_iter()
            .map(|index| (from + index, times[index]));
        let due = kept.filter(|(index, pts)| *index >= first && !seen.contains(pts));
        due.map(|(_, pts)| pts).collect::<Vec<u64>>()
    };
    (first.saturating_sub(RHYTHM)..=first)
        .map(missed)
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

/// The rule of 24 pictures a second (runner contract, §8.2): which of these times it keeps.
///
/// A time before the one before it, or more than ten seconds after, begins anew.
#[must_use]
pub fn capped(times: &[u64]) -> Vec<usize> {
    // In 1/(24 × 90000) s, so that an interval of 1/24 s is a whole number; half a tick is tolerated.
    let (interval, tolerance) = (CLOCK, CAP / 2);
    let mut kept = Vec::new();
    let (mut now, mut next) = (0, 0);
    for (index, &time) in times.iter().enumerate() {
        let since = index
            .checked_sub(1)
            .map(|before| distance(times[before], time));
        let goes_on = since.is_some_and(|ticks| (0..=10 * CLOCK).contains(&ticks));
        if goes_on {
            now += since.unwrap_or(0) * CAP;
            if now + tolerance < next {
                continue;
            }
            next = if now > next + interval + tolerance {
                now + interval
            } else {
                next + interval
            };
        } else {
            (now, next) = (0, interval);
        }
        kept.push(index);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_kinds(kinds: &[Kind]) -> Verdict {
        let shown = |kind: &Kind| Shown {
            pts: 0,
            at: None,
            kind: *kind,
            counter: None,
            moved_ticks: None,
        };
        Verdict {
            shown: kinds.iter().map(shown).collect(),
            not_rising: Vec::new(),
            complaints: (0, Vec::new()),
            missing: Vec::new(),
            segments: Vec::new(),
            size: (512, 512),
            recording: Recording {
                pictures: Vec::new(),
                size: (512, 512),
                sizes: vec![(512, 512)],
                tick_seconds: 1.0 / 90_000.0,
                sound: None,
                complaints: (0, Vec::new()),
            },
        }
    }

    #[test]
    fn an_output_of_which_nothing_can_be_read_ends_in_nothing_finished() {
        let ends = |kinds: &[Kind]| of_kinds(kinds).ends_finished(12);
        assert!(!ends(&[]));
        assert!(!ends(&[Kind::Finished; 11]));
        assert!(!ends(&[Kind::Unreadable; 24]));
        let (good, mut kinds) = ([Kind::Finished; 12], vec![Kind::Finished; 12]);
        assert!(ends(&good));
        for stands_in in [Kind::Unreadable, Kind::Held] {
            kinds[11] = stands_in;
            assert!(ends(&kinds), "{stands_in:?}");
        }
        kinds[10] = Kind::Unreadable;
        assert!(!ends(&kinds));
        for wrong in [Kind::Early, Kind::Unsent, Kind::Foreign] {
            let mut kinds = good;
            kinds[0] = wrong;
            assert!(!ends(&kinds), "{wrong:?}");
        }
    }

    fn kept(rate: u64, count: u64) -> Vec<usize> {
        let times: Vec<u64> = (0..count).map(|n| 900_000 + n * 90_000 / rate).collect();
        capped(&times)
    }

    #[test]
    fn the_cap_keeps_what_the_contract_says() {
        let of_30 = [
            0, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 20, 22, 23,
        ];
        assert_eq!(kept(30, 24), of_30);
        let of_60 = [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 33, 35];
        assert_eq!(kept(60, 37), of_60);
        assert_eq!(kept(24, 100).len(), 100);
    }

    #[test]
    fn the_cap_goes_on_over_the_wrap_of_the_clock() {
        let from = TRANSPORT_CLOCK - 15_000;
        let times: Vec<u64> = (0..24)
            .map(|n| (from + n * 3000) % TRANSPORT_CLOCK)
            .collect();
        assert_eq!(capped(&times), kept(30, 24));
    }
}
