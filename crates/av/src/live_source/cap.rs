//! Which pictures of a fast source are taken (runner contract §8.2, item 7). Pure.

/// Ticks a second.
const RATE: f64 = 90_000.0;
/// Half a tick, so that a source of just the rate loses nothing.
const TOLERANCE: f64 = 0.5;
/// Half a millisecond. Times that passed through RTMP are rounded to one.
const MILLI_TOLERANCE: f64 = 45.5;
const MILLI: i64 = 90;

/// The machine.
#[derive(Debug)]
pub(super) struct Cap {
    /// Ticks between two pictures; none takes all.
    interval: Option<f64>,
    next: f64,
    last: Option<i64>,
    /// So far all times were whole milliseconds.
    is_milli: bool,
}

impl Cap {
    /// Takes `max_fps` pictures a second; 0 takes all.
    pub(super) fn new(max_fps: f64) -> Self {
        Self {
            interval: (max_fps.is_finite() && max_fps > 0.0).then(|| RATE / max_fps),
            next: 0.0,
            last: None,
            is_milli: true,
        }
    }

    /// Whether the picture at this time is taken.
    #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are 3000 years")]
    pub(super) fn takes(&mut self, pts: i64) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        let time = pts as f64;
        self.is_milli &= pts % MILLI == 0;
        let went_back = |last: i64| (last as f64) - time > interval;
        if self.last.replace(pts).is_none_or(went_back) {
            self.next = time;
        }
        let tolerance = if self.is_milli {
            MILLI_TOLERANCE
        } else {
            TOLERANCE
        };
        if time + tolerance < self.next {
            return false;
        }
        self.next = if time > self.next + interval {
            time + interval
        } else {
            self.next + interval
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use framerill_media::TimeBase;
    use proptest::prelude::*;

    use super::*;

    /// Indices of the pictures that are taken, of a source that begins at 10 s.
    fn taken(step: f64, count: u32) -> Vec<u32> {
        let mut cap = Cap::new(24.0);
        let at = |n: u32| TimeBase::MPEG.at(10.0 + f64::from(n) * step / RATE).0;
        (0..count).filter(|n| cap.takes(at(*n))).collect()
    }

    #[test]
    fn of_thirty_and_of_sixty_the_contracts_own_are_taken() {
        let thirty = [
            0, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 20, 22, 23,
        ];
        assert_eq!(taken(3000.0, 24), thirty);
        assert_eq!(
            taken(1500.0, 36),
            [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 33, 35]
        );
    }

    #[test]
    fn a_source_of_twenty_four_or_less_loses_nothing_even_with_rounded_times() {
        let all: Vec<u32> = (0..1000).collect();
        for step in [3750.0, 3753.75, 3600.0 * 25.0 / 24.0, 6000.0] {
            assert_eq!(taken(step, 1000), all, "{step}");
        }
        let mut cap = Cap::new(24.0);
        let milli = |n: i64| (n * 1000 + 12) / 24 * MILLI;
        assert!((0..1000).all(|n| cap.takes(milli(n))));
        assert!((0..1000).all(|n| Cap::new(0.0).takes(n)));
    }

    #[test]
    fn a_time_that_falls_back_begins_anew() {
        let mut cap = Cap::new(24.0);
        assert!(cap.takes(9_000_000));
        assert!(!cap.takes(8_999_000), "within one interval");
        assert!(cap.takes(90_000));
        assert!(!cap.takes(91_500));
        assert!(cap.takes(93_750));
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate(steps in proptest::collection::vec(1i64..6000, 2..300), fps in 1u32..60) {
            let mut cap = Cap::new(f64::from(fps));
            let mut at = 900_000;
            let taken: Vec<i64> = steps.iter().filter_map(|step| { at += step; cap.takes(at).then_some(at) }).collect();
            let (first, last) = (taken[0], taken[taken.len() - 1]);
            let most = (last - first) as f64 * f64::from(fps) / RATE + 2.01;
            prop_assert!(taken.len() as f64 <= most, "{} of {most}", taken.len());
        }
    }
}
