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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(x: f32, score: f32) -> Found {
        Found {
            bbox: [x, 0.0, x + 10.0, 10.0].into(),
            score,
            class: 0,
            corners: None,
        }
    }

    #[test]
    fn of_boxes_that_overlap_the_first_is_kept_and_no_more_than_asked_for() {
        let all = vec![
            found(0.0, 0.9),
            found(2.0, 0.8),
            found(8.0, 0.7),
            found(30.0, 0.6),
        ];
        let kept = |count| {
            let all = suppress(all.clone(), 0.45, count);
            all.iter().map(|it| it.score).collect::<Vec<_>>()
        };
        assert_eq!(kept(9), [0.9, 0.7, 0.6]);
        assert_eq!(kept(2), [0.9, 0.7]);
    }
}
