//! Contrast.

use super::mirror::mirrored;

const LEVELS: usize = 256;

/// Contrast-limited adaptive histogram equalisation: each of `columns` × `rows` tiles spreads its levels over the whole range,
/// no level steeper than `steepest` times the mean, and between the middles of tiles their curves are mixed.
///
/// Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994, as OpenCV's `createCLAHE` computes
/// it.
pub(super) fn equalised(
    plane: &[u8],
    (width, height): (usize, usize),
    (columns, rows): (usize, usize),
    steepest: f32,
) -> Vec<u8> {
    let tile = (width.div_ceil(columns), height.div_ceil(rows));
    let mut curves = Vec::with_capacity(columns * rows);
    for (column, row) in (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row))) {
        let mut histogram = [0; LEVELS];
        for y in row * tile.1..(row + 1) * tile.1 {
            let line = &plane[mirrored(y.cast_signed(), height) * width..][..width];
            for x in column * tile.0..(column + 1) * tile.0 {
                histogram[usize::from(line[mirrored(x.cast_signed(), width)])] += 1;
            }
        }
        curves.push(curve(histogram, tile.0 * tile.1, steepest));
    }
    let across: Vec<Between> = (0..width)
        .map(|x| Between::of(x, tile.0, columns))
        .collect();
    let down = (0..height).map(|y| Between::of(y, tile.1, rows));
    let mut out = Vec::with_capacity(plane.len());
    for (line, down) in plane.chunks_exact(width).zip(down) {
        for (&level, across) in line.iter().zip(&across) {
            let level = |column: usize, row: usize| {
                f32::from(curves[row * columns + column][usize::from(level)])
            };
            let mixed = |row| across.mix(|column| level(column, row));
            out.push(rounded(down.mix(mixed)));
        }
    }
    out
}

/// What becomes of each level.
fn curve(mut histogram: [usize; LEVELS], pixels: usize, steepest: f32) -> [u8; LEVELS] {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a tile has far fewer than 2^24 pixels"
    )]
    let (most, scale) = (
        ((steepest * pixels as f32 / LEVELS as f32) as usize).max(1),
        (LEVELS - 1) as f32 / pixels as f32,
    );
    let mut cut = 0;
    for count in &mut histogram {
        cut += count.saturating_sub(most);
        *count = (*count).min(most);
    }
    // What is cut off goes to all levels; what does not divide goes to some, evenly spread.
    let (each, rest) = (cut / LEVELS, cut % LEVELS);
    histogram.iter_mut().for_each(|it| *it += each);
    let step = (LEVELS / rest.max(1)).max(1);
    let some = histogram.iter_mut().step_by(step).take(rest);
    some.for_each(|it| *it += 1);
    let mut sum = 0;
    histogram.map(|count| {
        sum += count;
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let sum = sum as f32;
        rounded(sum * scale)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast keeps what lies outside at the ends"
)]
fn rounded(it: f32) -> u8 {
    it.round_ties_even() as u8
}

/// A place between the middles of two tiles.
struct Between {
    first: usize,
    second: usize,
    /// How far it is on the way to the second one.
    share: f32,
}

impl Between {
    fn of(at: usize, tile: usize, tiles: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no side has 2^24 pixels")]
        let place = (at as f32 / tile as f32 - 0.5).max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative, and fewer than there are tiles"
        )]
        let first = place as usize;
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let share = place - first as f32;
        Self {
            first: first.min(tiles - 1),
            second: (first + 1).min(tiles - 1),
            share,
        }
    }

    fn mix(&self, of: impl Fn(usize) -> f32) -> f32 {
        of(self.first) * (1.0 - self.share) + of(self.second) * self.share
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn little_contrast_becomes_more_and_an_order_of_levels_stays() {
        let plane: Vec<u8> = (0..64 * 32)
            .map(|it| 100 + u8::try_from(it % 64 / 4).unwrap())
            .collect();
        let out = equalised(&plane, (64, 32), (1, 1), 8.0);
        assert!(out[..64].is_sorted());
        let spread = |it: &[u8]| it[63] - it[0];
        assert!(spread(&out) > 3 * spread(&plane), "{:?}", &out[..64]);
        let limited = equalised(&plane, (64, 32), (1, 1), 1.0);
        assert!(spread(&limited) < spread(&out));
    }

    proptest! {
        #[test]
        fn one_level_everywhere_stays_one_level(width in 1_usize..40, height in 1_usize..20, level: u8) {
            let out = equalised(&vec![level; width * height], (width, height), (4, 2), 2.0);
            prop_assert!(out.iter().all(|it| *it == out[0]));
        }
    }
}
