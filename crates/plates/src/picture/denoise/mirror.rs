//! Pixels beyond the sides of a picture.

/// Where on a line of `length` pixels the pixel `at` is seen if both ends are mirrors: `c b | a b c d | c b`. OpenCV calls it
/// `BORDER_REFLECT_101`. `length` is at least 1.
pub(super) fn mirrored(at: isize, length: usize) -> usize {
    let period = (2 * length - 2).max(1);
    let at = at.rem_euclid(period.cast_signed()).cast_unsigned();
    at.min(period - at) % length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_mirrors_however_far_it_is() {
        let line = |length| (-7..9).map(|at| mirrored(at, length)).collect::<Vec<_>>();
        assert_eq!(line(4), [1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!(line(1), [0; 16]);
        assert_eq!(line(2), [1, 0].repeat(8));
    }
}
