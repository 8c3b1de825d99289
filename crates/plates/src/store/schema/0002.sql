-- When a video was recorded, and who says so.
ALTER TABLE videos ADD COLUMN recorded_at {time};
ALTER TABLE videos ADD COLUMN recorded_by TEXT;
-- Where a track began, and where each of its rows is of.
ALTER TABLE tracks ADD COLUMN lat {real};
ALTER TABLE tracks ADD COLUMN lon {real};
ALTER TABLE tracks ADD COLUMN gps_speed_mps {real};
ALTER TABLE tracks ADD COLUMN gps_bearing {real};
ALTER TABLE track_motion ADD COLUMN lat {real};
ALTER TABLE track_motion ADD COLUMN lon {real};
ALTER TABLE track_motion ADD COLUMN gps_speed_mps {real};
ALTER TABLE track_motion ADD COLUMN gps_bearing {real};
-- Plates that were erased and stay out: HMAC-SHA256 of each, with the secret of this database or with the key of its users.
CREATE TABLE suppressed (
    id {id},
    plate_hash TEXT NOT NULL,
    created_at {time} NOT NULL DEFAULT {now}
);
CREATE UNIQUE INDEX suppressed_key ON suppressed (plate_hash);
CREATE TABLE suppression_secret (secret TEXT NOT NULL);
INSERT INTO suppression_secret (secret) VALUES ({secret});
