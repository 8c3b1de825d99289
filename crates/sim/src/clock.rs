use std::time::Duration;

/// The clocks of one node, beside the virtual time that all nodes share: a monotonic one, which may run ahead at a jump
/// and stand still but never goes back, and a wall clock, which may.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// The monotonic clock, as far as it does not come from the virtual time that passes now.
    base: Duration,
    /// Virtual time since which it runs; none while it stands still.
    runs_since: Option<Duration>,
    wall: Wall,
}

/// How far the wall clock is from the monotonic one.
#[derive(Clone, Copy, Debug, Default)]
struct Wall {
    ahead: Duration,
    behind: Duration,
}

impl Clock {
    /// A clock that shows `shows` at the virtual time `at` and runs; its wall clock shows the same.
    #[must_use]
    pub fn new(at: Duration, shows: Duration) -> Self {
        Self {
            base: shows,
            runs_since: Some(at),
            wall: Wall::default(),
        }
    }

    /// What the monotonic clock shows at the virtual time `at`.
    #[must_use]
    pub fn now(&self, at: Duration) -> Duration {
        let ran = self.runs_since.map(|since| at.saturating_sub(since));
        self.base + ran.unwrap_or_default()
    }

    /// What the wall clock shows at the virtual time `at`; never below zero.
    #[must_use]
    pub fn wall(&self, at: Duration) -> Duration {
        (self.now(at) + self.wall.ahead).saturating_sub(self.wall.behind)
    }

    /// The virtual time at which the monotonic clock shows `shows`, or `at` if that has passed. None while it stands
    /// still: it never will by itself.
    #[must_use]
    pub fn when(&self, shows: Duration, at: Duration) -> Option<Duration> {
        let left = shows.saturating_sub(self.now(at));
        (left.is_zero() || self.runs_since.is_some()).then_some(at + left)
    }

    /// Both clocks go forward by so much at once.
    pub fn jump(&mut self, by: Duration) {
        self.base += by;
    }

    /// Both clocks stand still from the virtual time `at` on.
    pub fn stop(&mut self, at: Duration) {
        self.base = self.now(at);
        self.runs_since = None;
    }

    /// Both clocks run on from the virtual time `at`.
    pub fn run(&mut self, at: Duration) {
        if self.runs_since.is_none() {
            self.runs_since = Some(at);
        }
    }

    /// Someone sets the wall clock forward.
    pub fn set_wall_forward(&mut self, by: Duration) {
        self.wall.ahead += by;
    }

    /// Someone sets the wall clock back.
    pub fn set_wall_back(&mut self, by: Duration) {
        self.wall.behind += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_jump_brings_deadlines_nearer() {
        let mut clock = Clock::new(SECOND, SECOND * 100);
        assert_eq!(clock.when(SECOND * 110, SECOND), Some(SECOND * 11));
        clock.jump(SECOND * 4);
        assert_eq!(clock.now(SECOND * 2), SECOND * 105);
        assert_eq!(clock.when(SECOND * 110, SECOND * 2), Some(SECOND * 7));
        clock.jump(SECOND * 40);
        assert_eq!(clock.when(SECOND * 110, SECOND * 2), Some(SECOND * 2));
    }

    #[test]
    fn a_clock_that_stands_still_reaches_no_deadline_until_it_runs_on() {
        let mut clock = Clock::new(Duration::ZERO, Duration::ZERO);
        clock.stop(SECOND * 3);
        assert_eq!(clock.now(SECOND * 9), SECOND * 3);
        assert_eq!(clock.when(SECOND * 5, SECOND * 9), None);
        assert_eq!(clock.when(SECOND * 3, SECOND * 9), Some(SECOND * 9));
        clock.run(SECOND * 9);
        assert_eq!(clock.when(SECOND * 5, SECOND * 9), Some(SECOND * 11));
    }

    #[test]
    fn a_wall_clock_may_go_back_and_the_monotonic_one_does_not() {
        let mut clock = Clock::new(Duration::ZERO, SECOND * 50);
        clock.set_wall_back(SECOND * 20);
        assert_eq!(
            (clock.now(SECOND), clock.wall(SECOND)),
            (SECOND * 51, SECOND * 31)
        );
        clock.set_wall_forward(SECOND * 30);
        assert_eq!(
            (clock.now(SECOND), clock.wall(SECOND)),
            (SECOND * 51, SECOND * 61)
        );
        clock.set_wall_back(SECOND * 1000);
        assert_eq!(clock.wall(SECOND), Duration::ZERO);
    }
}
