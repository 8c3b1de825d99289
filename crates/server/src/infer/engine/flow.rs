//! Which parameters a worker has, gets next, and may never get again. Pure.
//!
//! ```text
//! queue ──> wanted ──next (ready, nothing under way)──> under way ──applied──> in force ──well for a while──> good
//!             │newest wins                                  └──rejected──> gone; what is in force stays
//! worker lost soon after a set came: suspect; lost twice so: quarantined, and the good ones come back
//! ```

use std::{collections::VecDeque, time::Duration};

use super::Number;
use crate::infer::base_params::Params;

/// A worker that dies within this time of a set's coming died of it.
const SUSPECT_WITHIN: Duration = Duration::from_secs(30);
/// A set whose worker lives so long is good.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// Deaths that quarantine a set.
const DEATHS: u32 = 2;
/// Sets that are remembered as suspects.
const REMEMBERED: usize = 64;

/// A whole set of parameters.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::infer) struct Set {
    pub(in crate::infer) params: Params,
    /// Of the set as it was given.
    pub(in crate::infer) hash: String,
    /// The stream that it was given for; a worker may have several.
    pub(in crate::infer) of: Option<Number>,
}

impl Set {
    /// Whether it concerns a stream.
    pub(super) fn is_of(&self, stream: Number) -> bool {
        self.of.is_none_or(|it| it == stream)
    }
}

/// What is to be told of a lost worker's parameters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quarantine {
    /// What killed it twice.
    pub(super) set: Set,
    /// What comes back.
    pub(super) restored: Set,
}

/// The machine of one worker.
#[derive(Debug)]
pub(super) struct Flow {
    initial: Set,
    wanted: Option<Set>,
    under_way: Option<(u64, Set)>,
    in_force: Set,
    since: Duration,
    good: Set,
    /// By hash, the newest suspect first.
    deaths: VecDeque<(String, u32)>,
}

impl Flow {
    /// A worker that is loaded with these.
    pub(super) fn new(initial: Set) -> Self {
        Self {
            wanted: None,
            under_way: None,
            in_force: initial.clone(),
            since: Duration::ZERO,
            good: initial.clone(),
            initial,
            deaths: VecDeque::new(),
        }
    }

    /// The set that a worker without a stream has.
    pub(super) fn initial(&self) -> &Set {
        &self.initial
    }

    /// What the worker was last given and took.
    pub(super) fn in_force(&self) -> &Set {
        &self.in_force
    }

    /// A new stream: what an earlier one's parameters did, and what they were, is forgotten.
    pub(super) fn begin_stream(&mut self) {
        self.deaths.clear();
        self.good = self.initial.clone();
    }

    /// The newest set that is wanted. False: it killed the worker before, and is not taken.
    pub(super) fn queue(&mut self, set: Set) -> bool {
        if self.is_quarantined(&set.hash) {
            return false;
        }
        self.wanted = Some(set);
        true
    }

    /// The set to send to a worker that is ready, with this id; none while one is under way or nothing changes.
    pub(super) fn next(&mut self, id: impl FnOnce() -> u64) -> Option<(u64, Set)> {
        if self.under_way.is_some() {
            return None;
        }
        let set = self.wanted.take()?;
        let id = id();
        self.under_way = Some((id, set.clone()));
        Some((id, set))
    }

    /// The worker took the set of this request. None if it is not under way.
    pub(super) fn applied(&mut self, id: u64, now: Duration) -> Option<&Set> {
        let (_, set) = self.under_way.take_if(|(under_way, _)| *under_way == id)?;
        self.in_force = set;
        self.since = now;
        Some(&self.in_force)
    }

    /// The worker refused it: what is in force stays.
    pub(super) fn rejected(&mut self, id: u64) -> Option<Set> {
        let under_way = self.under_way.take_if(|(under_way, _)| *under_way == id);
        under_way.map(|(_, set)| set)
    }

    /// The worker has been there for a while.
    pub(super) fn well(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= GOOD_AFTER && self.good != self.in_force {
            self.good = self.in_force.clone();
        }
    }

    /// The worker is lost. What it dies of twice is quarantined.
    pub(super) fn worker_lost(&mut self, now: Duration) -> Option<Quarantine> {
        let sent = self.under_way.take();
        let is_new = now.saturating_sub(self.since) < SUSPECT_WITHIN;
        let suspect = match sent {
            Some((_, set)) => {
                // The next worker begins with what is wanted.
                self.in_force = set.clone();
                set
            }
            None if is_new => self.in_force.clone(),
            None => return None,
        };
        self.since = now;
        if suspect == self.initial || suspect == self.good {
            return None;
        }
        if !self.deaths.iter().any(|(hash, _)| *hash == suspect.hash) {
            self.deaths.truncate(REMEMBERED - 1);
            self.deaths.push_front((suspect.hash.clone(), 0));
        }
        let known = self
            .deaths
            .iter_mut()
            .find(|(hash, _)| *hash == suspect.hash);
        let deaths = known.map_or(0, |(_, deaths)| {
            *deaths += 1;
            *deaths
        });
        if deaths < DEATHS {
            return None;
        }
        self.in_force = self.good.clone();
        self.wanted.take_if(|it| it.hash == suspect.hash);
        Some(Quarantine {
            restored: self.good.clone(),
            set: suspect,
        })
    }

    /// What the next worker is loaded with: a set that a worker took. One that none has seen yet follows as an update, which
    /// may be refused and costs no worker.
    pub(super) fn load(&self) -> Set {
        self.in_force.clone()
    }

    /// The worker has loaded.
    pub(super) fn loaded(&mut self, now: Duration) {
        self.since = now;
    }

    fn is_quarantined(&self, hash: &str) -> bool {
        let mut known = self.deaths.iter();
        known.any(|(it, deaths)| it == hash && *deaths >= DEATHS)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn set(name: &str) -> Set {
        let mut given = Map::new();
        given.insert("prompt".into(), json!(name));
        Set {
            params: Params::read(given.into()).unwrap(),
            hash: name.into(),
            of: None,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Sends what is wanted, which the worker takes.
    fn take(flow: &mut Flow, id: u64, now: Duration) -> Option<String> {
        let (id, _) = flow.next(|| id)?;
        flow.applied(id, now).map(|it| it.hash.clone())
    }

    #[test]
    fn of_many_sets_the_newest_is_sent_and_one_at_a_time() {
        let mut flow = Flow::new(set("initial"));
        for name in ["a", "b", "c"] {
            assert!(flow.queue(set(name)));
        }
        assert_eq!(flow.next(|| 1).unwrap().1.hash, "c");
        flow.queue(set("d"));
        assert!(flow.next(|| 2).is_none());
        flow.applied(1, at(1));
        assert_eq!(flow.next(|| 2).unwrap().1.hash, "d");
    }

    #[test]
    fn a_rejected_set_leaves_the_running_one() {
        let mut flow = Flow::new(set("initial"));
        flow.queue(set("a"));
        take(&mut flow, 1, at(1));
        flow.queue(set("bad"));
        flow.next(|| 2);
        assert_eq!(flow.rejected(2).unwrap().hash, "bad");
        assert_eq!(flow.in_force().hash, "a");
        assert!(flow.rejected(2).is_none());
    }

    #[test]
    fn the_same_set_that_kills_twice_is_quarantined_and_the_good_one_restored() {
        let mut flow = Flow::new(set("initial"));
        flow.queue(set("good"));
        take(&mut flow, 1, at(1));
        flow.well(at(12));
        flow.queue(set("killer"));
        flow.next(|| 2);
        assert_eq!(flow.worker_lost(at(13)), None);
        assert_eq!(flow.load().hash, "killer", "once is no proof");
        flow.loaded(at(14));
        let quarantine = flow.worker_lost(at(15)).unwrap();
        assert_eq!(
            (
                quarantine.set.hash.as_str(),
                quarantine.restored.hash.as_str()
            ),
            ("killer", "good")
        );
        assert_eq!(flow.load().hash, "good");
        assert!(!flow.queue(set("killer")));
        flow.begin_stream();
        assert!(flow.queue(set("killer")));
    }

    #[test]
    fn deaths_long_after_a_set_came_are_not_its_doing() {
        let mut flow = Flow::new(set("initial"));
        flow.queue(set("a"));
        take(&mut flow, 1, at(1));
        for n in 1..5 {
            assert_eq!(flow.worker_lost(at(100 * n)), None);
            assert_eq!(flow.load().hash, "a");
            flow.loaded(at(100 * n));
            flow.well(at(100 * n + 50));
        }
    }

    #[test]
    fn initial_parameters_are_never_quarantined() {
        let mut flow = Flow::new(set("initial"));
        for _ in 0..5 {
            assert_eq!(flow.worker_lost(at(1)), None);
            assert_eq!(flow.load().hash, "initial");
        }
    }
}
