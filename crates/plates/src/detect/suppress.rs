//! One box of each thing.

use super::columns::Found;

/// Keeps of boxes that overlap by more than `most` (intersection over union) the first one, and at most `count` in all.
/// `all` is by falling score.
pub(super) fn suppress(all: Vec<Found>, most: f32, count: usize) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::new();
    for it in all {
        if kept.len() >= count {
            break;
        }
        if kept.iter().all(|other| other.bbox.iou(&it.bbox) <= most) {
            kept.push(it);
        }
    }
    kept
}
