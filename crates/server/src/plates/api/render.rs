//! A picture or a clip of a record: found among those that were made, or made by a media process.

use std::time::Duration;

use framerill_plates::store::{Record, Store, StoreError};
use framerill_worker::message::{ClipPlan, ExcerptPlan, Place, StillFormat, StillPlan};

use super::{
    overlay,
    query::Clip,
    snippets::{self, Extent, Snippet, Snippets},
    source::{Missing, Sources},
};
use crate::{
    failure::Failure,
    plates::pictures::excerpt::{self, Excerpt},
};

const STILL_WITHIN: Duration = Duration::from_secs(20);
const CLIP_WITHIN: Duration = Duration::from_secs(60);
/// Where nobody says how many frames a second there are (contract §3).
const USUAL_FPS: f64 = 30.0;
/// The longest part of a clip on each side of its frame.
const MOST_SECONDS: f64 = 120.0;
/// Rows of motion this many frames around a clip say where the vehicle is at its ends.
const AROUND: i64 = 32;

/// Why there is nothing to show.
#[derive(Debug)]
pub(super) enum Refused {
    /// No such row.
    Unknown(&'static str),
    /// No such video.
    Video(Missing),
    /// The database does not answer.
    Store(StoreError),
    /// It could not be made.
    Failed(Failure),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Makes pictures and clips.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) store: Store,
    pub(super) sources: Sources,
    pub(super) snippets: Snippets,
}

impl Maker {
    /// The frame of a row, with its boxes. It blocks.
    pub(super) fn still(&self, record: &Record) -> Result<Snippet, Refused> {
        let frame = frame(record)?;
        let video = self.sources.find(record).map_err(Refused::Video)?;
        let at = Place {
            frame: Some(frame),
            seconds: overlay::seconds(record),
        };
        let boxes = overlay::still(record);
        let key = snippets::key(&("still", video.identity, at, &boxes));
        if let Some(made) = self.snippets.get(&key) {
            return Ok(made);
        }
        let plan = ExcerptPlan::Still(StillPlan {
            at,
            fd: 0,
            format: StillFormat::Jpeg,
            boxes,
            crop: None,
            max_side: None,
        });
        let made = excerpt::take_of(video.file, &video.name, plan, STILL_WITHIN);
        let made = made.map_err(Refused::Failed)?;
        self.keep(&key, "jpg", Extent::default(), made)
    }

    /// The frames around that of a row. It blocks.
    pub(super) fn clip(&self, record: &Record, clip: Clip) -> Result<Snippet, Refused> {
        let frame = frame(record)?;
        let video = self.sources.find(record).map_err(Refused::Video)?;
        let fps = self.fps(record)?;
        let half = i64::from(clip.window / 2);
        let boxes = if clip.layers.is_empty() {
            Vec::new()
        } else {
            let at = i64::try_from(frame).unwrap_or(i64::MAX);
            let around = half + AROUND;
            let first = at.saturating_sub(around);
            let motion = self
                .store
                .motion_between(record, first, at.saturating_add(around))?;
            overlay::clip(record, &motion, clip.layers)
        };
        #[expect(clippy::cast_precision_loss, reason = "no video has 2^52 frames")]
        let (seconds, span) = (
            overlay::seconds(record).unwrap_or(frame as f64 / fps),
            (half as f64 / fps).min(MOST_SECONDS),
        );
        let at = Place {
            frame: Some(frame),
            seconds: Some(seconds),
        };
        let key = snippets::key(&("clip", video.identity, at, span, &boxes));
        if let Some(made) = self.snippets.get(&key) {
            return Ok(made);
        }
        let plan = ExcerptPlan::Clip(ClipPlan {
            at,
            before: span,
            after: span,
            fd: 0,
            part_fd: None,
            boxes,
        });
        let made = excerpt::take_of(video.file, &video.name, plan, CLIP_WITHIN);
        let made = made.map_err(Refused::Failed)?;
        let stats = &made.stats;
        let start = frame.saturating_sub(stats.before);
        let extent = Extent {
            start,
            end: start + stats.frames.saturating_sub(1),
            fps: match stats.fps {
                [0, _] | [_, 0] => [30, 1],
                fps => fps,
            },
        };
        self.keep(&key, "mp4", extent, made)
    }

    fn keep(
        &self,
        key: &str,
        end: &str,
        extent: Extent,
        made: Excerpt,
    ) -> Result<Snippet, Refused> {
        let kept = self.snippets.put(key, end, extent, made.file);
        kept.map_err(|error| {
            let text = format!("the excerpt cannot be read: {error}");
            Refused::Failed(Failure::failed("media_lost", text))
        })
    }

    /// Frames a second of a record's video.
    fn fps(&self, record: &Record) -> Result<f64, Refused> {
        let text = |name: &str| record.get(name).and_then(serde_json::Value::as_str);
        let (Some(content), Some(settings)) = (text("content_sha256"), text("settings_hash"))
        else {
            return Ok(USUAL_FPS);
        };
        let rows = self.store.videos(content, settings)?;
        let told = rows.iter().find_map(|it| it.get("fps")?.as_f64());
        Ok(told
            .filter(|it| (0.5..=1000.0).contains(it))
            .unwrap_or(USUAL_FPS))
    }
}

fn frame(record: &Record) -> Result<u64, Refused> {
    let frame = record.get("frame_idx").and_then(serde_json::Value::as_u64);
    frame.ok_or(Refused::Unknown("the row names no frame"))
}
