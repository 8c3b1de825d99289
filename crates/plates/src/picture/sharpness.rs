//! How sharp a picture is.

use super::{Picture, Region};

/// A side of at most this many pixels is looked at; of a larger region the middle.
const MOST: u32 = 512;

/// Luma of BT.601, 0 to 255.
fn luma(rgb: &[u8]) -> i32 {
    (77 * i32::from(rgb[0]) + 150 * i32::from(rgb[1]) + 29 * i32::from(rgb[2])) >> 8
}

fn middle(region: Region) -> Region {
    let (width, height) = (region.width.min(MOST), region.height.min(MOST));
    Region {
        x: region.x + (region.width - width) / 2,
        y: region.y + (region.height - height) / 2,
        width,
        height,
    }
}

/// Variance of the Laplacian (4-neighbour kernel) of a region's luma; 0 for one of fewer than 3 × 3 pixels.
///
/// Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
#[must_use]
pub fn sharpness(picture: &Picture<'_>, region: Region) -> f32 {
    let region = middle(region);
    if region.width < 3 || region.height < 3 {
        return 0.0;
    }
    let row = |y| picture.row(region, y).chunks_exact(3).map(luma);
    let mut rows: [Vec<i32>; 3] = [row(0).collect(), row(1).collect(), Vec::new()];
    let (mut sum, mut squares) = (0_i64, 0_i64);
    for y in 2..region.height {
        rows[2].clear();
        rows[2].extend(row(y));
        let [above, this, below] = &rows;
        for x in 1..this.len() - 1 {
            let it = i64::from(this[x - 1] + this[x + 1] + above[x] + below[x] - 4 * this[x]);
            sum += it;
            squares += it * it;
        }
        rows.rotate_left(1);
    }
    #[expect(clippy::cast_precision_loss, reason = "a measure, not a count")]
    let (count, sum, squares) = (
        f64::from((region.width - 2) * (region.height - 2)),
        sum as f64,
        squares as f64,
    );
    #[expect(clippy::cast_possible_truncation, reason = "at most 1020 squared")]
    let variance = (squares / count - (sum / count).powi(2)) as f32;
    variance.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pixel: impl Fn(usize, usize) -> u8) -> f32 {
        let rgb: Vec<u8> = (0..32 * 16)
            .flat_map(|it| [pixel(it % 32, it / 32); 3])
            .collect();
        let picture = Picture::new(32, 16, &rgb).unwrap();
        sharpness(&picture, picture.whole())
    }

    #[test]
    fn an_edge_is_sharper_than_a_ramp_and_a_flat_picture_is_not_sharp() {
        let flat = of(|_, _| 90);
        let ramp = of(|x, _| u8::try_from(x * 8).unwrap());
        let edge = of(|x, _| if x < 16 { 0 } else { 255 });
        assert!(flat < 1e-3 && ramp < 1.0, "{flat} {ramp}");
        assert!(edge > 1000.0, "{edge}");
    }

    #[test]
    fn less_than_three_pixels_are_not_sharp() {
        let picture = Picture::new(2, 2, &[9; 12]).unwrap();
        assert!(sharpness(&picture, picture.whole()).abs() < f32::EPSILON);
    }
}
