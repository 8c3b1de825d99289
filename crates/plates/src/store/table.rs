//! The tables, by name and column. Every identifier that reaches SQL comes from here.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits.
    Int,
    /// A finite number.
    Real,
    /// True or false.
    Bool,
    /// Text without NUL.
    Text,
    /// Any JSON.
    Json,
    /// A moment, RFC 3339; kept as UTC with microseconds.
    Time,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in SQL and in records.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// A record without it is refused.
    pub is_required: bool,
}

/// What a row does to one that is there with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// Replaces the columns that it names.
    Update,
    /// Nothing: the first one stays.
    Keep,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name in SQL and in payloads.
    pub name: &'static str,
    /// All columns but `id` and `created_at`.
    pub columns: &'static [Column],
    /// What makes a row the same row: expressions of its unique index.
    pub key: &'static [&'static str],
    /// What happens when the key is there already.
    pub clash: Clash,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        is_required: false,
    }
}

const fn required(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        is_required: true,
    }
}

use Kind::{Bool, Int, Json, Real, Text, Time};

/// One row a vehicle with a plate.
pub const VEHICLES: Table = Table {
    name: "vehicles",
    columns: &[
        required("content_sha256", Text),
        required("settings_hash", Text),
        required("untracked_key", Text),
        column("run_id", Text),
        column("global_id", Text),
        column("track_id", Int),
        required("video_id", Text),
        required("frame_idx", Int),
        required("ts", Time),
        column("video_ts_frame", Int),
        column("video_ts_ms", Real),
        column("first_frame_idx", Int),
        column("last_frame_idx", Int),
        column("first_ts_ms", Real),
        column("last_ts_ms", Real),
        column("video_path", Text),
        column("video_filename", Text),
        required("final_plate", Text),
        column("raw_plate", Text),
        required("plate_confidence", Real),
        column("is_uncertain", Bool),
        column("samples", Int),
        column("readings", Json),
        column("vehicle_class", Text),
        required("car_bbox", Json),
        required("plate_bbox", Json),
        column("plate_corners", Json),
        column("crop", Text),
        column("lat", Real),
        column("lon", Real),
        column("gps_speed_mps", Real),
        column("gps_bearing", Real),
        column("plate_search", Text),
        column("plate_fold", Text),
        column("plate_hash", Text),
        column("fold_hash", Text),
    ],
    key: &[
        "content_sha256",
        "COALESCE(track_id, -1)",
        "settings_hash",
        "untracked_key",
    ],
    clash: Clash::Update,
};

/// One row a track, from its first frame on.
pub const TRACKS: Table = Table {
    name: "tracks",
    columns: &[
        required("content_sha256", Text),
        required("settings_hash", Text),
        column("run_id", Text),
        required("global_id", Text),
        required("video_id", Text),
        required("track_id", Int),
        column("frame_idx", Int),
        required("first_frame_idx", Int),
        column("video_ts_frame", Int),
        column("video_ts_ms", Real),
        column("video_path", Text),
        column("video_filename", Text),
        column("lat", Real),
        column("lon", Real),
        column("gps_speed_mps", Real),
        column("gps_bearing", Real),
    ],
    key: &["content_sha256", "track_id", "settings_hash"],
    clash: Clash::Keep,
};

/// One row a track and frame.
pub const TRACK_MOTION: Table = Table {
    name: "track_motion",
    columns: &[
        required("content_sha256", Text),
        required("settings_hash", Text),
        column("run_id", Text),
        required("global_id", Text),
        required("track_id", Int),
        required("video_id", Text),
        required("frame_idx", Int),
        column("video_ts_frame", Int),
        column("video_ts_ms", Real),
        column("bbox", Json),
        column("vx", Real),
        column("vy", Real),
        column("speed_px_s", Real),
        column("heading_deg", Real),
        column("age_frames", Int),
        column("conf", Real),
        column("is_new", Bool),
        column("bbox_w", Real),
        column("bbox_h", Real),
        column("bbox_area", Real),
        column("scale_rate", Real),
        column("scale_ratio", Real),
        column("video_path", Text),
        column("video_filename", Text),
        column("lat", Real),
        column("lon", Real),
        column("gps_speed_mps", Real),
        column("gps_bearing", Real),
    ],
    key: &["content_sha256", "track_id", "settings_hash", "frame_idx"],
    clash: Clash::Update,
};

/// One row a file. Two files with one content are two rows here, and one video everywhere else.
pub const VIDEOS: Table = Table {
    name: "videos",
    columns: &[
        required("content_sha256", Text),
        required("settings_hash", Text),
        column("run_id", Text),
        required("video_id", Text),
        required("path", Text),
        column("size", Int),
        column("frames", Int),
        column("fps", Real),
        column("duration", Real),
        column("status", Text),
        column("started", Time),
        column("finished", Time),
        column("counts", Json),
        column("error", Text),
        column("recorded_at", Time),
        column("recorded_by", Text),
    ],
    key: &["content_sha256", "settings_hash", "path"],
    clash: Clash::Update,
};

/// One row a video: what it held.
pub const VIDEO_SUMMARY: Table = Table {
    name: "video_summary",
    columns: &[
        required("content_sha256", Text),
        required("settings_hash", Text),
        column("run_id", Text),
        required("video_id", Text),
        column("frames_read", Int),
        column("frames_decoded", Int),
        column("frames_failed", Int),
        column("duration", Real),
        column("vehicles", Int),
        column("tracks", Int),
        column("plates", Int),
        column("unreadable_plates", Int),
        column("stage_seconds", Json),
        column("skipped", Json),
        column("counts", Json),
        column("status", Text),
    ],
    key: &["content_sha256", "settings_hash"],
    clash: Clash::Update,
};

/// What was erased, hashed or left out, and when. Never which plate, in clear.
pub const AUDIT: Table = Table {
    name: "audit",
    columns: &[
        required("event_id", Text),
        required("ts", Time),
        required("action", Text),
        required("rows_affected", Int),
        column("detail", Json),
    ],
    key: &["event_id"],
    clash: Clash::Keep,
};

/// All of them.
pub const ALL: [&Table; 6] = [
    &VEHICLES,
    &TRACKS,
    &TRACK_MOTION,
    &VIDEOS,
    &VIDEO_SUMMARY,
    &AUDIT,
];

impl Table {
    /// The table of a name that may come from outside; audit rows are the store's own to write.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|it| it.name == name)
    }

    /// The column of a name that may come from outside.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|it| it.name == name)
    }
}
