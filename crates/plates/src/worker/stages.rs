//! The table of built-in stages.

use super::StageKind;

/// The stages that every worker knows.
#[must_use]
pub fn stages() -> Vec<&'static dyn StageKind> {
    Vec::new()
}
