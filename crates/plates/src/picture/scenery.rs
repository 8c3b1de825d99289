//! What thumbnails say of the places that pictures show: all measures, for both who decide by them.
//!
//! * The tracker (`track/cut.rs`) ends tracks at a cut, and what it ends it cannot take back: one car becomes two records. It
//!   asks for a large [`change`] and a low [`correlation`], so that another exposure is no cut, and by its [`deviation`] a
//!   picture is blank only while nothing was found in it. Its limits are settings.
//! * The planner (`flow/plan.rs`) asks earlier, before anything in the frame is known for sure, and only whether what was seen
//!   before may still be trusted ([`is_other`]) and whether a search is worth it ([`is_plain`]). Its measures are cruder: a
//!   picture that only got brighter counts as another one, which costs a few searches more and no record. So they take no
//!   correlation, and their limits are fixed.

use crate::detection::Thumbnail;

/// Mean change of luma (0 to 255) from which nothing that was seen before is trusted.
const OTHER: f64 = 20.0;
/// Mean distance of luma from its mean, in whole steps, below which nothing is to be found.
const PLAIN: u64 = 3;

/// Mean of the absolute differences of luma, 0 to 255. Of two thumbnails with one number of areas.
#[must_use]
pub(crate) fn change(a: &Thumbnail, b: &Thumbnail) -> f64 {
    let pairs = a.0.iter().zip(&b.0);
    mean(pairs.map(|(x, y)| f64::from(x.abs_diff(*y))), a.0.len())
}

/// −1 to 1; 0 where one of them is flat. Of two thumbnails with one number of areas.
#[must_use]
pub(crate) fn correlation(a: &Thumbnail, b: &Thumbnail) -> f64 {
    let ((ma, da), (mb, db)) = (spread(a), spread(b));
    if da * db < f64::EPSILON {
        return 0.0;
    }
    let product = |(x, y): (&u8, &u8)| (f64::from(*x) - ma) * (f64::from(*y) - mb);
    mean(a.0.iter().zip(&b.0).map(product), a.0.len()) / (da * db)
}

/// Standard deviation of luma.
#[must_use]
pub(crate) fn deviation(it: &Thumbnail) -> f64 {
    spread(it).1
}

/// The planner's: whether a picture may show another place than the one before.
#[must_use]
pub(crate) fn is_other(before: &Thumbnail, now: &Thumbnail) -> bool {
    before.0.len() != now.0.len() || change(before, now) >= OTHER
}

/// The planner's: whether there is nothing to find in it. One without areas says nothing.
#[must_use]
pub(crate) fn is_plain(it: &Thumbnail) -> bool {
    let count = it.0.len() as u64;
    let whole = |all: &mut dyn Iterator<Item = u8>| all.map(u64::from).sum::<u64>() / count.max(1);
    let middle = u8::try_from(whole(&mut it.0.iter().copied())).unwrap_or(u8::MAX);
    count > 0 && whole(&mut it.0.iter().map(|it| it.abs_diff(middle))) < PLAIN
}

/// Mean and standard deviation.
fn spread(it: &Thumbnail) -> (f64, f64) {
    let areas = || it.0.iter().map(|it| f64::from(*it));
    let middle = mean(areas(), it.0.len());
    let squares = areas().map(|it| (it - middle).powi(2));
    (middle, mean(squares, it.0.len()).sqrt())
}

#[expect(clippy::cast_precision_loss, reason = "thumbnails are small")]
fn mean(all: impl Iterator<Item = f64>, count: usize) -> f64 {
    all.sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(f: impl Fn(u8) -> u8) -> Thumbnail {
        Thumbnail((0..144).map(f).collect())
    }

    #[test]
    fn a_brighter_picture_is_another_one_to_the_planner_and_like_it_to_the_tracker() {
        let (road, brighter) = (picture(|i| i), picture(|i| i + 20));
        assert!((change(&road, &brighter) - 20.0).abs() < 1e-9);
        assert!(correlation(&road, &brighter) > 0.99);
        assert!(is_other(&road, &brighter) && !is_other(&road, &picture(|i| i + 19)));
        assert!(is_other(&road, &Thumbnail::default()));
        assert!(!is_other(&Thumbnail::default(), &Thumbnail::default()));
    }

    #[test]
    fn a_picture_is_plain_below_three_steps_from_its_mean() {
        assert!(is_plain(&picture(|_| 16)) && !is_plain(&Thumbnail::default()));
        assert!(is_plain(&picture(|i| 100 + i % 2 * 5)));
        assert!(!is_plain(&picture(|i| 100 + i % 2 * 6)));
        assert!((deviation(&picture(|i| 100 + i % 2 * 6)) - 3.0).abs() < 1e-9);
    }
}
