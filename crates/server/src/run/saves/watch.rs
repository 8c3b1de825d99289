//! When a place is looked at, and which look shows a save. Pure.

use std::time::Duration;

use super::look::Snapshot;

/// How often files are looked at; what is the same in two looks is complete.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Of the time at most one part in so many goes into looking: a large folder is looked at less often.
const SHARE: u32 = 20;

/// When a place is looked at, and which look shows a save.
#[derive(Debug)]
pub(super) struct Watch {
    told: Snapshot,
    last: Snapshot,
    pause: Duration,
}

impl Watch {
    /// What is there now is known.
    pub(super) fn since(now: Snapshot) -> Self {
        Self {
            told: now.clone(),
            last: now,
            pause: LOOK_EVERY,
        }
    }

    /// The time from one look to the next.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Whether this look, which took so long, shows something new of which nothing is being written any more: it is the same
    /// as the one before.
    pub(super) fn looked(&mut self, now: Snapshot, took: Duration) -> bool {
        self.pause = LOOK_EVERY.max(took * SHARE);
        let is_settled = now == self.last;
        self.last = now;
        let is_new = is_settled && self.last != self.told;
        if is_new {
            self.told.clone_from(&self.last);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use framerill_sim::{Agenda, for_each_seed};

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn of(versions: &[u64]) -> Snapshot {
        let files = versions.iter().enumerate();
        files
            .map(|(index, it)| (PathBuf::from(index.to_string()), (0, 0, *it, 0)))
            .collect()
    }

    #[test]
    fn a_save_is_told_once_and_not_while_it_is_written() {
        let mut watch = Watch::since(of(&[1, 1]));
        let looks = [
            (&[1, 1][..], false),
            (&[2, 1], false),
            (&[3, 1], false),
            (&[3, 1], true),
            (&[3, 1], false),
            (&[3, 2], false),
            (&[3, 2], true),
        ];
        for (now, is_told) in looks {
            assert_eq!(watch.looked(of(now), AT_ONCE), is_told, "{now:?}");
        }
    }

    #[test]
    fn what_is_back_as_it_was_is_no_save() {
        let mut watch = Watch::since(of(&[1]));
        for now in [&[][..], &[1], &[1]] {
            assert!(!watch.looked(of(now), AT_ONCE));
        }
    }

    enum Event {
        Written(u64),
        LookBegins,
        /// What it saw.
        LookEnds(Duration, u64),
    }

    #[test]
    fn a_save_is_told_within_three_looks_and_looking_takes_a_twentieth_of_the_time() {
        for_each_seed(500, |_, mut random| {
            let mut agenda = Agenda::new();
            let mut at = Duration::ZERO;
            let writes = random.below(30);
            for version in 2..2 + writes {
                let longest = *random.pick(&[20, 400, 5000]);
                at += random.duration(Duration::ZERO..Duration::from_millis(longest));
                agenda.at(at, Event::Written(version));
            }
            let costs = Duration::from_millis(*random.pick(&[2, 50]));
            let (mut file, mut told) = (1, 1);
            let mut looks_since = 0;
            let mut looking = Duration::ZERO;
            let mut watch = Watch::since(of(&[file]));
            agenda.after(watch.pause(), Event::LookBegins);
            while let Some(event) = agenda.pop() {
                match event {
                    Event::Written(version) => {
                        file = version;
                        looks_since = 0;
                    }
                    Event::LookBegins => {
                        let took = random.duration(costs / 2..costs);
                        looking += took;
                        agenda.after(took, Event::LookEnds(took, file));
                    }
                    Event::LookEnds(took, seen) => {
                        looks_since += 1;
                        if watch.looked(of(&[seen]), took) {
                            assert!(seen > told, "{seen} was told");
                            told = seen;
                        }
                        assert!(told == file || looks_since < 3, "{file} is not told");
                        if told < 1 + writes || agenda.now() < at {
                            agenda.after(watch.pause(), Event::LookBegins);
                        }
                    }
                }
            }
            assert_eq!(told, 1 + writes);
            assert!(looking <= agenda.now() / SHARE + costs, "{looking:?}");
        });
    }
}
