//! The usual distance between things that come one after the other, a bounded median, and what is late beside it. Pure.

use std::collections::VecDeque;

/// What takes longer than twice the usual distance is late, and this long at least.
pub(crate) const LATE_AT_LEAST_NS: u64 = 80_000_000;
/// Fewer distances than this say little of the usual one.
const FEW: u64 = 4;

/// The last `MOST` distances. Of few, a change of pace is believed soon: of nine, after five.
#[derive(Debug, Default)]
pub(crate) struct Usual<const MOST: usize = 9> {
    distances: VecDeque<u64>,
}

impl<const MOST: usize> Usual<MOST> {
    /// One more.
    pub(crate) fn add(&mut self, distance: u64) {
        if self.distances.len() == MOST {
            self.distances.pop_front();
        }
        self.distances.push_back(distance);
    }

    /// Their mean; none before there are a few.
    pub(crate) fn mean(&self) -> Option<u64> {
        let count = self.distances.len() as u64;
        (count >= FEW).then(|| self.distances.iter().sum::<u64>() / count)
    }

    /// Their median; none before the first.
    pub(crate) fn median(&self) -> Option<u64> {
        let mut sorted: Vec<u64> = self.distances.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_distance_is_not_usual_and_five_are() {
        let mut usual: Usual = Usual::default();
        assert_eq!(usual.median(), None);
        for distance in [40, 40, 40, 40, 40, 40, 40, 40, 40, 400] {
            usual.add(distance);
        }
        assert_eq!(usual.median(), Some(40));
        (0..4).for_each(|_| usual.add(400));
        assert_eq!(usual.median(), Some(400));
    }
}
