CREATE TABLE vehicles (
    id {id},
    content_sha256 TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    untracked_key TEXT NOT NULL,
    run_id TEXT,
    global_id TEXT,
    track_id {int},
    video_id TEXT NOT NULL,
    frame_idx {int} NOT NULL,
    ts {time} NOT NULL,
    video_ts_frame {int},
    video_ts_ms {real},
    first_frame_idx {int},
    last_frame_idx {int},
    first_ts_ms {real},
    last_ts_ms {real},
    video_path TEXT,
    video_filename TEXT,
    final_plate TEXT NOT NULL,
    raw_plate TEXT,
    plate_confidence {real} NOT NULL,
    is_uncertain BOOLEAN,
    samples {int},
    readings {json},
    vehicle_class TEXT,
    car_bbox {json} NOT NULL,
    plate_bbox {json} NOT NULL,
    plate_corners {json},
    crop TEXT,
    lat {real},
    lon {real},
    gps_speed_mps {real},
    gps_bearing {real},
    plate_search TEXT,
    plate_fold TEXT,
    plate_hash TEXT,
    fold_hash TEXT,
    created_at {time} NOT NULL DEFAULT {now}
);
CREATE UNIQUE INDEX vehicles_key ON vehicles (content_sha256, COALESCE(track_id, -1), settings_hash, untracked_key);
CREATE INDEX vehicles_final_plate ON vehicles (final_plate);
CREATE INDEX vehicles_plate_search ON vehicles (plate_search);
CREATE INDEX vehicles_plate_fold ON vehicles (plate_fold);
CREATE INDEX vehicles_plate_hash ON vehicles (plate_hash);
CREATE INDEX vehicles_fold_hash ON vehicles (fold_hash);
CREATE INDEX vehicles_ts ON vehicles (ts, id);
CREATE INDEX vehicles_track_id ON vehicles (track_id);
CREATE INDEX vehicles_global_id ON vehicles (global_id);
CREATE INDEX vehicles_video_id ON vehicles (video_id);

CREATE TABLE tracks (
    id {id},
    content_sha256 TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    run_id TEXT,
    global_id TEXT NOT NULL,
    video_id TEXT NOT NULL,
    track_id {int} NOT NULL,
    frame_idx {int},
    first_frame_idx {int} NOT NULL,
    video_ts_frame {int},
    video_ts_ms {real},
    video_path TEXT,
    video_filename TEXT,
    created_at {time} NOT NULL DEFAULT {now}
);
CREATE UNIQUE INDEX tracks_key ON tracks (content_sha256, track_id, settings_hash);
CREATE INDEX tracks_global_id ON tracks (global_id);
CREATE INDEX tracks_video_id ON tracks (video_id);

CREATE TABLE track_motion (
    id {id},
    content_sha256 TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    run_id TEXT,
    global_id TEXT NOT NULL,
    track_id {int} NOT NULL,
    video_id TEXT NOT NULL,
    frame_idx {int} NOT NULL,
    video_ts_frame {int},
    video_ts_ms {real},
    bbox {json},
    vx {real},
    vy {real},
    speed_px_s {real},
    heading_deg {real},
    age_frames {int},
    conf {real},
    is_new BOOLEAN,
    bbox_w {real},
    bbox_h {real},
    bbox_area {real},
    scale_rate {real},
    scale_ratio {real},
    video_path TEXT,
    video_filename TEXT,
    created_at {time} NOT NULL DEFAULT {now}
);
CREATE UNIQUE INDEX track_motion_key ON track_motion (content_sha256, track_id, settings_hash, frame_idx);
CREATE INDEX track_motion_global_id ON track_motion (global_id, frame_idx);
CREATE INDEX track_motion_video_id ON track_motion (video_id);
CREATE INDEX track_motion_frame_idx ON track_motion (frame_idx);

CREATE TABLE videos (
    id {id},
    content_sha256 TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    run_id TEXT,
    video_id TEXT NOT NULL,
    path TEXT NOT NULL,
    size {int},
    frames {int},
    fps {real},
    duration {real},
    status TEXT,
    started {time},
    finished {time},
    counts {json},
    error TEXT,
    created_at {time} NOT NULL DEFAULT {now}
);
CREATE UNIQUE INDEX videos_key ON videos (content_sha256, settings_hash, path);
CREATE INDEX videos_video_id ON videos (video_id);

CREATE TABLE video_summary (
    id {id},
    content_sha256 TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    run_id TEXT,
    video_id TEXT NOT NULL,
    frames_read {int},
    frames_decoded {int},
    frames_failed {int},
    duration {real},
    vehicles {int},
    tracks {int},
    plates {int},
    unreadable_plates {int},
    stage_seconds {json},
    skipped {json},
    counts {json},
    status TEXT,
    created_at {time} NOT NULL DEFAULT {now}
);
CREATE UNIQUE INDEX video_summary_key ON video_summary (content_sha256, settings_hash);
CREATE INDEX video_summary_video_id ON video_summary (video_id);

CREATE TABLE audit (
    id {id},
    event_id TEXT NOT NULL,
    ts {time} NOT NULL,
    action TEXT NOT NULL,
    rows_affected {int} NOT NULL,
    detail {json},
    created_at {time} NOT NULL DEFAULT {now}
);
CREATE UNIQUE INDEX audit_key ON audit (event_id);
CREATE INDEX audit_ts ON audit (ts);
