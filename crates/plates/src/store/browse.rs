//! What whoever looks at one track or one video asks for.

use super::{
    Store, StoreError,
    row::{Cell, Record},
    table::{self, Kind},
};

/// Most rows of a part of a track's motion.
const MOST_MOTION: u32 = 2000;

impl Store {
    /// The newest row of a track. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn track(&self, global_id: &str) -> Result<Option<Record>, StoreError> {
        let global_id = Cell::Text(global_id.to_owned());
        let tail = "WHERE global_id = $1 ORDER BY id DESC LIMIT 1";
        let found = self.ask(&table::TRACKS, tail, &[(Kind::Text, &global_id)])?;
        Ok(found.into_iter().next())
    }

    /// The rows of the motion of a record's track between two frames, both inside, by frame: those of the same content
    /// and settings alone. None for a record without a track. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn motion_between(
        &self,
        record: &Record,
        first: i64,
        last: i64,
    ) -> Result<Vec<Record>, StoreError> {
        let text = |name: &str| Some(Cell::Text(record.get(name)?.as_str()?.to_owned()));
        let (Some(content), Some(settings), Some(track)) = (
            text("content_sha256"),
            text("settings_hash"),
            record.get("track_id").and_then(serde_json::Value::as_i64),
        ) else {
            return Ok(Vec::new());
        };
        let [track, first, last] = [track, first, last].map(Cell::Int);
        let tail = format!(
            "WHERE content_sha256 = $1 AND settings_hash = $2 AND track_id = $3 \
             AND frame_idx >= $4 AND frame_idx <= $5 ORDER BY frame_idx LIMIT {MOST_MOTION}"
        );
        let cells = [
            (Kind::Text, &content),
            (Kind::Text, &settings),
            (Kind::Int, &track),
            (Kind::Int, &first),
            (Kind::Int, &last),
        ];
        self.ask(&table::TRACK_MOTION, &tail, &cells)
    }
}
