//! Whether the next frame may be begun.

use std::time::Duration;

use super::event::Event;
use crate::category::Class;

/// An episode that begins sooner after the last one was told is not told: under load there is one with each frame.
const TELLS_EVERY: Duration = Duration::from_secs(1);

/// Shut while more than the limit waits for a class, or anything waits outside the queue. Equal to the limit is open.
#[derive(Debug, Default)]
pub(super) struct Gate {
    over: [bool; 2],
    /// Since when it is shut.
    shut_since: Option<Duration>,
    /// Times that it was shut.
    pub(super) episodes: u64,
    is_told: bool,
    told: Option<Duration>,
}

/// What waits for a class, and how much may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) class: Class,
    pub(super) count: usize,
    pub(super) limit: usize,
}

impl Gate {
    /// Looks at the loads of both classes. What is worth a line goes to `tell`; back comes how long it was shut, when it opens.
    pub(super) fn look(
        &mut self,
        now: Duration,
        loads: [Load; 2],
        has_overflow: bool,
        mut tell: impl FnMut(Event),
    ) -> Option<Duration> {
        let was = self.over;
        self.over = loads.map(|it| it.count > it.limit);
        let is_over = self.over.contains(&true);
        if is_over && !was.contains(&true) {
            let is_due = self.told.is_none_or(|at| now >= at + TELLS_EVERY);
            self.is_told = is_due;
            if is_due {
                self.told = Some(now);
            }
        }
        if self.is_told {
            self.changes(was, loads).into_iter().for_each(&mut tell);
        }
        match (is_over || has_overflow, self.shut_since) {
            (true, None) => {
                self.shut_since = Some(now);
                self.episodes += 1;
                None
            }
            (false, Some(since)) => {
                self.shut_since = None;
                Some(now.saturating_sub(since))
            }
            _ => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.shut_since.is_none()
    }

    pub(super) fn shut_since(&self) -> Option<Duration> {
        self.shut_since
    }

    fn changes(&self, was: [bool; 2], loads: [Load; 2]) -> Vec<Event> {
        let mut events = Vec::new();
        for (this, other) in [(0, 1), (1, 0)] {
            let load = loads[this];
            if self.over[this] && !was[this] {
                events.push(Event::BackpressureEntered {
                    class: load.class,
                    count: load.count,
                    limit: load.limit,
                });
            }
            if was[this] && !self.over[this] && self.over[other] {
                events.push(Event::BackpressureShifted {
                    recovered: load.class,
                    blocking: loads[other].class,
                });
            }
        }
        if was.contains(&true) && !self.over.contains(&true) {
            events.push(Event::BackpressureRecovered);
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(gate: &mut Gate, at: u64, gpu: usize, cpu: usize) -> Vec<Event> {
        let mut told = Vec::new();
        let load = |class, count, limit| Load {
            class,
            count,
            limit,
        };
        let loads = [load(Class::Gpu, gpu, 8), load(Class::Cpu, cpu, 16)];
        gate.look(Duration::from_secs(at), loads, false, |it| told.push(it));
        told
    }

    #[test]
    fn equal_to_the_limit_is_not_over() {
        let mut gate = Gate::default();
        assert!(look(&mut gate, 0, 8, 16).is_empty() && gate.is_open());
        assert_eq!(look(&mut gate, 0, 9, 16).len(), 1);
        assert!(!gate.is_open());
    }

    #[test]
    fn only_changes_are_told() {
        let mut gate = Gate::default();
        let (gpu, cpu) = (Class::Gpu, Class::Cpu);
        let entered = |class, count, limit| Event::BackpressureEntered {
            class,
            count,
            limit,
        };
        assert_eq!(look(&mut gate, 0, 9, 0), [entered(gpu, 9, 8)]);
        assert_eq!(look(&mut gate, 1, 12, 3), []);
        assert_eq!(look(&mut gate, 2, 12, 17), [entered(cpu, 17, 16)]);
        let shifted = Event::BackpressureShifted {
            recovered: gpu,
            blocking: cpu,
        };
        assert_eq!(look(&mut gate, 3, 2, 17), [shifted]);
        assert_eq!(look(&mut gate, 4, 2, 16), [Event::BackpressureRecovered]);
    }

    #[test]
    fn an_episode_a_moment_after_another_one_is_counted_and_not_told() {
        let mut gate = Gate::default();
        assert_eq!(look(&mut gate, 0, 9, 0).len(), 1);
        assert_eq!(look(&mut gate, 0, 8, 0).len(), 1);
        assert_eq!(look(&mut gate, 0, 9, 0).len(), 0);
        assert_eq!(look(&mut gate, 2, 8, 0).len(), 0);
        assert_eq!(look(&mut gate, 2, 9, 0).len(), 1);
        assert_eq!(gate.episodes, 3);
    }
}
