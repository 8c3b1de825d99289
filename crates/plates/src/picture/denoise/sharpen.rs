//! Edges.

use super::mirror::mirrored;

/// Standard deviation of the blur in pixels.
const BLUR: f32 = 1.0;
/// Pixels on each side that count in it.
const REACH: usize = 3;
/// How much of what the blur takes away is added.
const AMOUNT: f32 = 0.5;

/// An unsharp mask: what differs from a Gaussian blur is made larger. Gonzalez, Woods, "Digital Image Processing", §3.6.3.
pub(super) fn sharpened(plane: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let kernel = kernel();
    let line = |length: usize, at: usize, of: &dyn Fn(usize) -> f32| -> f32 {
        let first = at.cast_signed() - REACH.cast_signed();
        let places = (first..).map(|at| mirrored(at, length));
        kernel.iter().zip(places).map(|(k, at)| k * of(at)).sum()
    };
    let mut rows = Vec::with_capacity(plane.len());
    for row in plane.chunks_exact(width) {
        rows.extend((0..width).map(|x| line(width, x, &|x| f32::from(row[x]))));
    }
    let mut out = Vec::with_capacity(plane.len());
    for (at, &level) in plane.iter().enumerate() {
        let (x, y) = (at % width, at / width);
        let blurred = line(height, y, &|y| rows[y * width + x]);
        let level = f32::from(level);
        let sharp = level + AMOUNT * (level - blurred);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast keeps what lies outside at the ends"
        )]
        out.push(sharp.round_ties_even() as u8);
    }
    out
}

fn kernel() -> [f32; 2 * REACH + 1] {
    let of = |at: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a few pixels")]
        let x = at.abs_diff(REACH) as f32;
        (-x * x / (2.0 * BLUR * BLUR)).exp()
    };
    let bell: [f32; 2 * REACH + 1] = std::array::from_fn(of);
    let all: f32 = bell.iter().sum();
    bell.map(|it| it / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_gets_steeper_and_what_is_far_from_it_stays() {
        let row: Vec<u8> = (0..24).map(|x| if x < 12 { 80 } else { 160 }).collect();
        let out = sharpened(&row.repeat(5), (24, 5));
        assert_eq!((out[0], out[23]), (80, 160));
        assert!(out[11] < 70 && out[12] > 170, "{:?}", &out[..24]);
        assert!(out.chunks(24).all(|it| it == &out[..24]));
    }

    #[test]
    fn one_pixel_stays_as_it_is() {
        assert_eq!(sharpened(&[77], (1, 1)), [77]);
    }
}
