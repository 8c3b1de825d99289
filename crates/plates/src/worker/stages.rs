//! The table of built-in stages.

mod clean;
mod crop;
mod look;
mod saved;
mod still;
mod store;
mod think;

use super::StageKind;

pub use still::STILL;

/// The stages of the categories, and those for which tasks are made elsewhere than in the flow of a video.
pub(super) fn all() -> Vec<&'static dyn StageKind> {
    let mut all = stages();
    all.push(&still::Still);
    all
}

/// The stages that every worker knows, in the order of their categories.
#[must_use]
pub fn stages() -> Vec<&'static dyn StageKind> {
    vec![
        &look::VehicleDetect,
        &look::PlateDetect,
        &look::Ocr,
        &think::VehicleTrack,
        &clean::PlateDenoise,
        &think::PlateSmooth,
        &think::Summary,
        &store::FinalWrite,
    ]
}

/// All that an error says, with what lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |&it| it.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::category::Category;

    #[test]
    fn every_category_has_its_stage_of_its_class() {
        let all = stages();
        assert_eq!(all.len(), Category::ALL.len());
        for (stage, category) in all.iter().zip(Category::ALL) {
            assert_eq!(
                (stage.name(), stage.class()),
                (category.name(), category.class())
            );
        }
    }
}
