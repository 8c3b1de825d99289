//! Texts of plates: how they are written, how far apart they are, what a country's look like.

mod distance;
mod format;
mod look_alike;
mod normal;
mod plausible;
mod presets;

pub use distance::{edits, similarity};
pub use format::{Format, Formats, PatternError, UnknownPreset};
pub use look_alike::{look_alike_edits, look_alike_key, twin};
pub use normal::{MAX_LEN, normalised};
pub use plausible::{Implausible, Plausible};
pub use presets::PRESETS;
