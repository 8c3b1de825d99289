//! What can change a record, apart from the models.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::picture::Denoise;

/// Where plates are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// In vehicles; in the whole frame where there are none.
    #[default]
    Cascade,
    /// In whole frames: no vehicles are detected.
    Frame,
}

/// How frames are sampled, which work is done on them and which is skipped. Every field can change records, so all are in
/// the [`hash`](Self::hash) that records are keyed by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowSettings {
    /// Where plates are searched.
    pub mode: Mode,
    /// Every n-th decoded frame is looked at, from 0 on.
    pub every: u32,
    /// Decisions about a sampled frame use what is known of frames at least this many sampled frames before it. More lets more
    /// workers run at once on one video and makes skipping later.
    pub lag: u32,
    /// Rows are written this many sampled frames late; a track that turns out to be two vehicles within that time is split
    /// where the second one begins.
    pub hold: u32,
    /// Plates are searched in vehicles at least this wide, in pixels: a plate is about a third of a car.
    pub min_vehicle_width: f32,
    /// And at least this high.
    pub min_vehicle_height: f32,
    /// A vehicle's crop grows by this share of its size on each side before plates are searched in it.
    pub crop_pad: f32,
    /// Where a frame shows no vehicle of that size, its whole is searched, every n-th sampled frame; 0 for never.
    pub whole_every: u32,
    /// A box stands for the vehicle where only a plate was found: from the plate's middle so many of its widths to the left, up,
    /// to the right and down.
    pub plate_to_car: [f32; 4],
    /// Plates less certain than this are not read, 0 to 1.
    pub min_plate_conf: f32,
    /// Plates narrower than this are not read, in pixels.
    pub min_plate_width: f32,
    /// Readings whose weakest character is less certain than this are no samples, 0 to 1.
    pub min_reading_conf: f32,
    /// A vehicle whose plate is certain is looked at again after this many ms, so that another one in its place is noticed.
    pub recheck_ms: f64,
    /// A vehicle that has not moved since its last search is searched again after this many ms.
    pub unchanged_ms: f64,
    /// It has not moved if its box overlaps the searched one by at least this much (intersection over union).
    pub unchanged_iou: f32,
    /// After this many searches without a plate a vehicle that does not come nearer is searched in every `barren_every`-th sampled
    /// frame.
    pub barren_after: u32,
    /// See `barren_after`.
    pub barren_every: u32,
    /// A track with this many readings is read again only where its plate is no smaller than `smaller` times the best one's width.
    pub enough_readings: u32,
    /// See `enough_readings`.
    pub smaller: f32,
    /// Plates are made clean before they are read; none for as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denoise: Option<Denoise>,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Cascade,
            every: 4,
            lag: 3,
            hold: 48,
            min_vehicle_width: 60.0,
            min_vehicle_height: 48.0,
            crop_pad: 0.05,
            whole_every: 1,
            plate_to_car: [1.5, 1.8, 1.5, 0.8],
            min_plate_conf: 0.25,
            min_plate_width: 20.0,
            min_reading_conf: 0.15,
            recheck_ms: 400.0,
            unchanged_ms: 250.0,
            unchanged_iou: 0.97,
            barren_after: 6,
            barren_every: 2,
            enough_readings: 6,
            smaller: 0.6,
            denoise: None,
        }
    }
}

impl FlowSettings {
    /// The defaults of a mode: whole frames are cheap to search and come nearer together.
    #[must_use]
    pub fn of(mode: Mode) -> Self {
        let every = match mode {
            Mode::Cascade => 4,
            Mode::Frame => 3,
        };
        Self {
            mode,
            every,
            ..Self::default()
        }
    }

    /// SHA-256 over these settings and `others`, in hexadecimal: whatever else can change a record, by name (hashes of models,
    /// settings of stages), in any order.
    #[must_use]
    pub fn hash(&self, others: &[(String, String)]) -> String {
        let mut others = others.to_vec();
        others.sort();
        let all = serde_json::json!({ "flow": self, "others": others }).to_string();
        let digest = Sha256::digest(all.as_bytes());
        digest.iter().map(|it| format!("{it:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_knows_every_setting_and_every_model_but_no_order() {
        let settings = FlowSettings::default();
        let models = [
            ("plate".to_owned(), "aa".to_owned()),
            ("ocr".to_owned(), "bb".to_owned()),
        ];
        let turned = [models[1].clone(), models[0].clone()];
        let hash = settings.hash(&models);
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, settings.hash(&turned));
        assert_ne!(hash, settings.hash(&models[..1]));
        let plain = serde_json::to_value(&settings).unwrap();
        for (name, value) in plain.as_object().unwrap() {
            let mut other = plain.clone();
            other[name] = match value {
                it if it.is_u64() => serde_json::json!(it.as_u64().unwrap() + 1),
                it if it.is_string() => serde_json::json!("frame"),
                it if it.is_array() => serde_json::json!([0.0, 0.0, 1.0, 1.0]),
                it => serde_json::json!(it.as_f64().unwrap() + 1.0),
            };
            let other: FlowSettings = serde_json::from_value(other).unwrap();
            assert_ne!(hash, other.hash(&models), "{name}");
        }
    }

    #[test]
    fn plates_that_are_not_made_clean_have_the_hash_that_they_always_had() {
        let plain = FlowSettings::default();
        let text = serde_json::to_string(&plain).unwrap();
        assert!(!text.contains("denoise"), "{text}");
        let of = |h: f32, enhance: bool| {
            let denoise = Some(Denoise {
                h,
                enhance,
                ..Denoise::default()
            });
            let plain = plain.clone();
            FlowSettings { denoise, ..plain }.hash(&[])
        };
        let all = [
            of(8.0, true),
            of(9.0, true),
            of(8.0, false),
            plain.hash(&[]),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        let it = serde_json::from_str::<FlowSettings>(r#"{"evry": 3}"#);
        assert!(it.unwrap_err().to_string().contains("evry"));
    }
}
