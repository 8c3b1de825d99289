//! Holes in the sound. Pure.

/// The machine. Times are in ticks of any one length.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    due: Option<i64>,
    count: u64,
}

impl Gaps {
    /// A packet comes. `jumped`: the source jumped before it, so that a hole means nothing.
    pub(super) fn packet(&mut self, pts: i64, duration: i64, jumped: bool) {
        let hole = self.due.map_or(0, |due| pts.saturating_sub(due));
        let is_gap = duration > 0 && hole.saturating_mul(2) > duration.saturating_mul(3);
        self.count += u64::from(is_gap && !jumped);
        self.due = Some(pts.saturating_add(duration));
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_of_more_than_one_and_a_half_packets_is_a_gap() {
        let mut gaps = Gaps::default();
        for pts in [0, 1920, 3840 + 2880] {
            gaps.packet(pts, 1920, false);
        }
        assert_eq!(gaps.count(), 0);
        gaps.packet(6720 + 1920 + 2881, 1920, false);
        assert_eq!(gaps.count(), 1);
        gaps.packet(1 << 40, 1920, true);
        assert_eq!(gaps.count(), 1);
    }
}
