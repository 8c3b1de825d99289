//! Texts of plates: how they are written, how far apart they are, what a country's look like.

mod distance;
mod format;
mod look_alike;
mod normal;
mod plausible;
mod presets;
mod trigram;

pub use distance::{edit_similarity, edits};
pub use format::{Format, Formats, PatternError, UnknownPreset};
pub use look_alike::{look_alike_key, twin};
pub use normal::{MAX_LEN, normalised, spelled};
pub use plausible::{Implausible, Plausible};
pub use presets::PRESETS;
pub use trigram::trigram_similarity;
