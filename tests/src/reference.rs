//! What an output is compared with: the source's times, flashes and beeps, by counter.

use crate::{
    mark::Size,
    recording::{Recording, Sound},
    source::Source,
    timeline::{FLASH_AT_SECONDS, Flash},
    tone::Beep,
};

/// A beep is looked for so far from its flash; beyond, the pitch is that of another second.
const FARTHEST_BEEP_SECONDS: f64 = 2.0;
/// A source's times may be rounded by its container.
const ROUNDED_SECONDS: f64 = 0.002;

/// The source as it should come out.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// When each picture is shown, in seconds, by counter.
    pub(crate) at_seconds: Vec<f64>,
    /// Whether each flashes.
    pub(crate) lit: Vec<bool>,
    pub(crate) flashes: Vec<Flash>,
    /// How late each flash's beep is in the source itself; `None` if the source has no sound.
    pub(crate) late_seconds: Option<Vec<Option<f64>>>,
    /// Seconds a tick of the source's time base; 0 if its times are exact.
    pub(crate) tick_seconds: f64,
    /// Usual distance of two pictures.
    pub(crate) interval_seconds: f64,
    pub(crate) tag: u8,
    pub(crate) size: Size,
}

/// Why a file is no source to compare with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Nothing in it.
    #[error("the source has no pictures")]
    Empty,
    /// A picture that is not the next one.
    #[error(
        "the source's picture {0} is not number {0} of a test source; make one with `checker make`"
    )]
    Broken(usize),
}

impl Reference {
    /// Of a source as it is drawn, without looking at a file. Times are exact: a container that rounds them, like
    /// Matroska, is better read.
    #[must_use]
    pub fn drawn(source: &Source) -> Self {
        let timeline = source.timeline();
        let flashes = timeline.flashes();
        let lasting = timeline.flash_frames();
        let lit = |counter: u32| {
            flashes
                .iter()
                .any(|flash| (flash.counter..flash.counter + lasting).contains(&counter))
        };
        Self {
            at_seconds: (0..timeline.frames)
                .map(|counter| timeline.at_seconds(counter))
                .collect(),
            lit: (0..timeline.frames).map(lit).collect(),
            late_seconds: source.sound.then(|| vec![Some(0.0); flashes.len()]),
            flashes,
            tick_seconds: 0.0,
            interval_seconds: source.rate.interval(),
            tag: source.tag,
            size: source.size,
        }
    }

    /// Of a source's file.
    ///
    /// # Errors
    ///
    /// If it is not a whole test source.
    pub fn recorded(recording: &Recording) -> Result<Self, ReferenceError> {
        let first = recording.pictures.first().ok_or(ReferenceError::Empty)?;
        let tag = first.mark.ok_or(ReferenceError::Broken(0))?.tag;
        let (mut at_seconds, mut lit, mut flashes) = (Vec::new(), Vec::new(), Vec::new());
        for (index, picture) in recording.pictures.iter().enumerate() {
            let mark = picture.mark.filter(|mark| {
                usize::try_from(mark.counter) == Ok(index) && mark.tag == tag && !mark.inverted
            });
            let mark = mark
                .filter(|_| picture.pts.is_some())
                .ok_or(ReferenceError::Broken(index))?;
            if mark.flash && lit.last() != Some(&true) {
                let since = picture.at_seconds - first.at_seconds;
                flashes.push(Flash {
                    second: whole_seconds(since - FLASH_AT_SECONDS + ROUNDED_SECONDS),
                    counter: mark.counter,
                    at_seconds: picture.at_seconds,
                });
            }
            at_seconds.push(picture.at_seconds);
            lit.push(mark.flash);
        }
        let mut distances: Vec<_> = at_seconds.windows(2).map(|two| two[1] - two[0]).collect();
        distances.sort_by(f64::total_cmp);
        let late_seconds = recording.sound.as_ref().map(|sound: &Sound| {
            flashes
                .iter()
                .map(|flash| beep_of(flash.second, flash.at_seconds, &sound.beeps))
                .map(|beep| beep.map(|(_, late)| late))
                .collect()
        });
        Ok(Self {
            at_seconds,
            lit,
            flashes,
            late_seconds,
            tick_seconds: recording.tick_seconds,
            interval_seconds: distances.get(distances.len() / 2).copied().unwrap_or(0.04),
            tag,
            size: recording.size,
        })
    }

    /// Size of the source's pictures.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// When the picture of that counter is shown.
    pub(crate) fn time_of(&self, counter: u32) -> Option<f64> {
        self.at_seconds.get(usize::try_from(counter).ok()?).copied()
    }

    /// How many pictures there are.
    pub(crate) fn frames(&self) -> u32 {
        u32::try_from(self.at_seconds.len()).unwrap_or(u32::MAX)
    }

    /// The counter of the picture shown at that time, give or take `tolerance` seconds.
    pub(crate) fn shown_at(&self, at_seconds: f64, tolerance: f64) -> Option<u32> {
        let from = at_seconds - tolerance;
        let index = self.at_seconds.partition_point(|&time| time < from);
        let time = self.at_seconds.get(index)?;
        let near = *time <= at_seconds + tolerance;
        near.then(|| u32::try_from(index).ok()).flatten()
    }
}

/// The beep of that second nearest to `at_seconds`: its index, and how late it is.
pub(crate) fn beep_of(second: u32, at_seconds: f64, beeps: &[Beep]) -> Option<(usize, f64)> {
    beeps
        .iter()
        .enumerate()
        .filter(|(_, beep)| beep.phase == second % 4)
        .map(|(index, beep)| (index, beep.at_seconds - at_seconds))
        .filter(|(_, late)| late.abs() < FARTHEST_BEEP_SECONDS)
        .min_by(|(_, one), (_, other)| one.abs().total_cmp(&other.abs()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, and a video is shorter than 2^32 seconds"
)]
fn whole_seconds(seconds: f64) -> u32 {
    seconds as u32
}
