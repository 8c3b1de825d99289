//! The readings that are kept of one track.

use serde::{Deserialize, Serialize};

use crate::vote::Sample;

/// Most samples of one track: the first one, the last [`RECENT`] and the weightiest others.
pub(super) const KEPT: usize = 24;
/// How many of the newest samples stay whatever they weigh: a second vehicle in the same track shows in these first.
pub(super) const RECENT: usize = 8;
/// Most crops of one track, those of its weightiest samples.
pub(super) const CROPS: usize = 3;
/// Longest crop that is kept, in characters of base64. A plate is a few thousand.
pub(super) const CROP_CHARS: usize = 32 * 1024;

/// A sample with what a vote need not see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Without a crop.
    pub sample: Sample,
    /// Corners of the plate in frame pixels: top left, top right, bottom right, bottom left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corners: Option<[[f32; 2]; 4]>,
    /// The plate as JPEG in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<String>,
}

impl Kept {
    /// Takes the crop out of the sample's reading.
    #[must_use]
    pub(super) fn new(mut sample: Sample, corners: Option<[[f32; 2]; 4]>) -> Self {
        let crop = sample.reading.crop.take();
        Self {
            sample,
            corners,
            crop: crop.filter(|it| it.len() <= CROP_CHARS),
        }
    }

    fn weight(&self) -> f64 {
        weight(&self.sample)
    }
}

/// How much a reading is worth keeping: its weakest character times the plate's width in pixels.
#[must_use]
pub(super) fn weight(sample: &Sample) -> f64 {
    let it = f64::from(sample.reading.conf) * f64::from(sample.plate_bbox.width());
    if it.is_finite() { it } else { 0.0 }
}

/// Samples of one track in frame order, at most [`KEPT`] of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Samples {
    kept: Vec<Kept>,
    total: u32,
}

impl Samples {
    /// Adds the newest one.
    pub(super) fn push(&mut self, it: Kept) {
        self.total = self.total.saturating_add(1);
        self.kept.push(it);
        self.trim();
    }

    /// Adds those of another track.
    pub(super) fn merge(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.kept.extend(other.kept);
        self.kept.sort_by_key(|it| it.sample.frame_idx);
        self.trim();
    }

    fn trim(&mut self) {
        while self.kept.len() > KEPT {
            let old = 1..self.kept.len() - RECENT;
            let Some(lightest) = self.lightest(old, |_| true) else {
                break;
            };
            self.kept.remove(lightest);
        }
        while self.kept.iter().filter(|it| it.crop.is_some()).count() > CROPS {
            let all = 0..self.kept.len();
            let Some(lightest) = self.lightest(all, |it| it.crop.is_some()) else {
                break;
            };
            self.kept[lightest].crop = None;
        }
    }

    /// One frame has a sample of both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        (self.kept.iter()).any(|it| other.of_frame(it.sample.frame_idx).is_some())
    }

    /// Frame and time of the first one.
    pub(super) fn begin(&self) -> Option<(u64, Option<f64>)> {
        let it = self.kept.first();
        it.map(|it| (it.sample.frame_idx, it.sample.ts_ms))
    }

    /// Frame and time of the last one.
    pub(super) fn end(&self) -> Option<(u64, Option<f64>)> {
        let it = self.kept.last();
        it.map(|it| (it.sample.frame_idx, it.sample.ts_ms))
    }

    /// Text of the weightiest one.
    pub(super) fn heaviest(&self) -> Option<&str> {
        let it = (self.kept.iter()).max_by(|a, b| a.weight().total_cmp(&b.weight()));
        it.map(|it| it.sample.reading.text.as_str())
    }

    fn lightest(
        &self,
        range: std::ops::Range<usize>,
        is_candidate: impl Fn(&Kept) -> bool,
    ) -> Option<usize> {
        range
            .filter(|&i| is_candidate(&self.kept[i]))
            .min_by(|&a, &b| self.kept[a].weight().total_cmp(&self.kept[b].weight()))
    }

    /// Takes away what was read in frame `frame_idx` and later: the samples of another vehicle.
    #[must_use]
    pub(super) fn split_off(&mut self, frame_idx: u64) -> Self {
        let at = (self.kept).partition_point(|it| it.sample.frame_idx < frame_idx);
        let kept = self.kept.split_off(at);
        let total = if self.kept.is_empty() {
            self.total
        } else {
            u32::try_from(kept.len()).unwrap_or(u32::MAX)
        };
        self.total = self.total.saturating_sub(total);
        Self { kept, total }
    }

    /// How many there were, with those no longer kept.
    #[must_use]
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// None was kept.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What a vote is held over. An empty crop says that there is one: a vote calls best what can be shown.
    #[must_use]
    pub(super) fn for_vote(&self) -> Vec<Sample> {
        let samples = self.kept.iter().map(|it| {
            let mut sample = it.sample.clone();
            sample.reading.crop = it.crop.as_ref().map(|_| String::new());
            sample
        });
        samples.collect()
    }

    /// All that is kept.
    #[must_use]
    pub(super) fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// The kept one that a vote calls best.
    #[must_use]
    pub(super) fn of_frame(&self, frame_idx: u64) -> Option<&Kept> {
        self.kept.iter().find(|it| it.sample.frame_idx == frame_idx)
    }

    /// The weightiest crop with this text, else the weightiest at all.
    #[must_use]
    pub(super) fn best_crop(&self, text: &str) -> Option<&str> {
        let with_crop = self.kept.iter().filter(|it| it.crop.is_some());
        let best = with_crop.max_by(|a, b| {
            let key = |it: &Kept| it.sample.reading.text == text;
            (key(a).cmp(&key(b))).then(a.weight().total_cmp(&b.weight()))
        });
        best.and_then(|it| it.crop.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{bbox::BBox, detection::Reading};

    fn kept(frame_idx: u64, conf: f32, crop: bool) -> Kept {
        let reading = Reading {
            text: format!("T{frame_idx}"),
            conf,
            crop: crop.then(|| format!("c{frame_idx}")),
            ..Reading::default()
        };
        let sample = Sample {
            frame_idx,
            ts_ms: None,
            car_bbox: BBox::from([0.0, 0.0, 100.0, 100.0]),
            plate_bbox: BBox::from([40.0, 70.0, 60.0, 78.0]),
            plate_conf: 0.8,
            reading,
        };
        Kept::new(sample, None)
    }

    proptest! {
        #[test]
        fn the_first_the_newest_and_the_weightiest_stay_within_the_bound(confs in prop::collection::vec(0.01f32..1.0, 1..120)) {
            let mut samples = Samples::default();
            for (i, &conf) in confs.iter().enumerate() {
                samples.push(kept(i as u64, conf, i % 2 == 0));
            }
            let frames: Vec<u64> = samples.kept().iter().map(|it| it.sample.frame_idx).collect();
            prop_assert!(frames.len() <= KEPT);
            prop_assert!(frames.is_sorted());
            prop_assert_eq!(samples.total() as usize, confs.len());
            prop_assert_eq!(frames[0], 0);
            let newest = (confs.len().saturating_sub(RECENT)..confs.len()).map(|it| it as u64);
            prop_assert!(newest.into_iter().all(|it| frames.contains(&it)));
            let best = (0..confs.len()).max_by(|&a, &b| confs[a].total_cmp(&confs[b])).unwrap() as u64;
            prop_assert!(frames.contains(&best));
            prop_assert!(samples.kept().iter().filter(|it| it.crop.is_some()).count() <= CROPS);
        }
    }

    #[test]
    fn a_split_leaves_no_reading_behind_and_counts_each_once() {
        let mut first = Samples::default();
        for i in 0..40 {
            first.push(kept(i, 0.5, false));
        }
        let second = first.split_off(37);
        assert_eq!(
            (first.total(), second.total(), second.kept().len()),
            (37, 3, 3)
        );
        assert!(first.kept().iter().all(|it| it.sample.frame_idx < 37));
    }

    #[test]
    fn the_crop_of_the_voted_text_is_shown_before_a_weightier_other() {
        let mut samples = Samples::default();
        samples.push(kept(1, 0.4, true));
        samples.push(kept(2, 0.9, true));
        assert_eq!(samples.best_crop("T1"), Some("c1"));
        assert_eq!(samples.best_crop("other"), Some("c2"));
    }

    #[test]
    fn a_crop_without_end_is_not_kept() {
        let mut it = kept(1, 0.4, false).sample;
        it.reading.crop = Some("x".repeat(CROP_CHARS + 1));
        assert_eq!(Kept::new(it, None).crop, None);
    }
}
