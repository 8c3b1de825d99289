//! Pictures from afar.

use super::Picture;
use crate::detection::Thumbnail;

const COLUMNS: usize = 16;
const ROWS: usize = 9;
/// Rows of each area that are looked at: enough to tell a cut, and cheap.
const ROWS_SEEN: usize = 8;

/// Luma of 16 × 9 areas, row by row.
#[must_use]
pub fn thumbnail(picture: &Picture<'_>) -> Thumbnail {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut luma = Vec::with_capacity(COLUMNS * ROWS);
    for row in 0..ROWS {
        let (top, bottom) = span(row, ROWS, height);
        let step = (bottom - top).div_ceil(ROWS_SEEN);
        let seen: Vec<&[u8]> = (top..bottom)
            .step_by(step)
            .map(|y| &picture.rgb()[y * width * 3..][..width * 3])
            .collect();
        for column in 0..COLUMNS {
            let (left, right) = span(column, COLUMNS, width);
            let sums = seen.iter().fold([0_u64; 3], |sums, row| {
                let of = channels(&row[left * 3..right * 3]);
                [0, 1, 2].map(|it| sums[it] + of[it])
            });
            let count = ((right - left) * seen.len()) as u64;
            let it = (77 * sums[0] + 150 * sums[1] + 29 * sums[2]) / (count << 8);
            luma.push(u8::try_from(it).unwrap_or(u8::MAX));
        }
    }
    Thumbnail(luma)
}

/// The part `index` of `parts` of `pixels`; never empty.
fn span(index: usize, parts: usize, pixels: usize) -> (usize, usize) {
    let start = (index * pixels / parts).min(pixels - 1);
    (start, ((index + 1) * pixels / parts).max(start + 1))
}

fn channels(row: &[u8]) -> [u64; 3] {
    let mut sums = [0_u64; 3];
    // Short runs in 16 bits a channel: the compiler turns them into vector code.
    for run in row.chunks(3 * 256) {
        let mut part = [0_u32; 3];
        for pixel in run.as_chunks::<3>().0 {
            for (sum, &sample) in part.iter_mut().zip(pixel) {
                *sum += u32::from(sample);
            }
        }
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum += u64::from(part);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_area_is_told_in_its_place() {
        let (width, height) = (160, 90);
        let rgb: Vec<u8> = (0..width * height)
            .flat_map(|it| [u8::try_from((it % width) / 10 * 10 + (it / width) / 10).unwrap(); 3])
            .collect();
        let picture = Picture::new(160, 90, &rgb).unwrap();
        let expected: Vec<u8> = (0..144).map(|it| it % 16 * 10 + it / 16).collect();
        assert_eq!(thumbnail(&picture).0, expected);
    }

    #[test]
    fn the_smallest_pictures_have_one_too() {
        for (width, height) in [(1, 1), (3, 2), (15, 8), (17, 10)] {
            let rgb = vec![255; width * height * 3];
            let (width, height) = (width.try_into().unwrap(), height.try_into().unwrap());
            let it = thumbnail(&Picture::new(width, height, &rgb).unwrap());
            assert_eq!(it.0, [255; 144]);
        }
    }
}
