//! Tasks of a video, with what every one of them carries.

use serde_json::{Map, Value, json};

use super::{NewTask, VideoFacts, rows, view::Moment};
use crate::{
    category::Category,
    task::{FrameSlot, Payload},
};

/// A task of this video. `at` is its frame, `slot` the pixels that it needs.
#[must_use]
pub(super) fn task(
    video: &VideoFacts,
    at: Option<&Moment>,
    slot: Option<FrameSlot>,
    category: Category,
    payload: Payload,
) -> NewTask {
    let mut meta = Map::new();
    meta.insert("video_path".into(), json!(video.path));
    meta.insert("video_filename".into(), json!(video.filename));
    if let Some(at) = at {
        meta.insert("video_ts_frame".into(), json!(at.frame_idx));
        meta.insert("video_ts_ms".into(), json!(at.ts_ms));
        meta.insert("fps".into(), json!(at.fps));
        if slot.is_some() {
            let reference = format!("{}:{}", rows::escaped(&video.video_id), at.frame_idx);
            meta.insert("payload_ref".into(), json!(reference));
            meta.insert("dependencies".into(), Value::Array(vec![json!(reference)]));
        }
    }
    NewTask {
        category,
        priority: 0,
        video_id: video.video_id.clone(),
        frame_idx: at.map(|it| it.frame_idx),
        track_id: None,
        frame: slot,
        payload,
        meta,
    }
}
