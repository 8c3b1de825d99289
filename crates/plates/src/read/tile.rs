//! Where a plate is searched anew.

use super::settings::SecondLook;
use crate::{bbox::BBox, picture::Picture};

/// A square around `plate`, in whole pixels, in which it is `plate_width` pixels wide on a canvas of `canvas` pixels; moved
/// into the picture, not cut, where it fits.
pub(super) fn tile(plate: &BBox, picture: &Picture<'_>, canvas: u32, look: &SecondLook) -> BBox {
    let whole = BBox::whole(picture.width(), picture.height());
    #[expect(clippy::cast_precision_loss, reason = "no canvas is 2^24 pixels wide")]
    let wanted = plate.width() * canvas as f32 / look.plate_width;
    let side = wanted
        .round_ties_even()
        .max(look.least_side)
        .min(whole.x2.max(whole.y2));
    let [x, y] = plate.centre();
    let placed = |middle: f32, end: f32| {
        let start = (middle - side / 2.0).round_ties_even();
        let start = start.min(end - side).max(0.0);
        (start, (start + side).min(end))
    };
    let ((x1, x2), (y1, y2)) = (placed(x, whole.x2), placed(y, whole.y2));
    BBox { x1, y1, x2, y2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_moved_into_the_picture_and_cut_only_where_it_does_not_fit() {
        let rgb = vec![0; 1280 * 400 * 3];
        let picture = Picture::new(1280, 400, &rgb).unwrap();
        let of = |sides: [f32; 4]| tile(&sides.into(), &picture, 320, &SecondLook::default());
        assert_eq!(
            of([600.0, 190.0, 640.0, 202.0]),
            [520.0, 96.0, 720.0, 296.0].into()
        );
        assert_eq!(
            of([0.0, 390.0, 40.0, 400.0]),
            [0.0, 200.0, 200.0, 400.0].into()
        );
        assert_eq!(
            of([1240.0, 0.0, 1280.0, 10.0]),
            [1080.0, 0.0, 1280.0, 200.0].into()
        );
        assert_eq!(
            of([500.0, 100.0, 600.0, 130.0]),
            [300.0, 0.0, 800.0, 400.0].into()
        );
        assert_eq!(
            of([500.0, 100.0, 504.0, 102.0]),
            [454.0, 53.0, 550.0, 149.0].into()
        );
    }
}
