//! Which parameters a worker has, gets next, and may never get again. Pure.
//!
//! ```text
//! queue ──> wanted ──next (ready, nothing under way)──> under way ──applied──> in force ──well for a while──> good
//!             │newest wins                                  └──rejected──> gone; what is in force stays
//! worker lost soon after a set came: suspect; replaced by a newer one meanwhile, or lost twice so: dropped, and the good
//! ones come back; lost twice: quarantined, too
//! ```
//!
//! Suspicion ends with the stream; quarantine does not, and is `quarantined`'s to remember.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use framerill_media::Size;
use framerill_worker::message::Problem;

use super::Number;
use crate::infer::{base_params::Params, status::Given};

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
    /// The size that the stream's pictures have, which the worker is to keep.
    pub(in crate::infer) keeps: Option<Size>,
}

impl Set {
    /// As it was given.
    pub(super) fn given(&self) -> Given {
        Given::Set(Arc::clone(&self.params.given))
    }

    /// Whether it concerns a stream.
    pub(super) fn is_of(&self, stream: Number) -> bool {
        self.of.is_none_or(|it| it == stream)
    }

    /// Whether it concerns a seat with that stream, or without one.
    pub(super) fn is_for(&self, stream: Option<Number>) -> bool {
        stream.map_or(self.of.is_none(), |it| self.is_of(it))
    }
}

/// Why a set cannot be taken while the worker has the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The worker is there for the set that it has.
    Bound,
    /// A stream's pictures have one size from beginning to end.
    Size { current: Size, requested: Size },
}

impl Unfit {
    /// What a worker refused because its stream's pictures would have another size.
    pub(super) fn of_size(set: &Set, problems: &[Problem]) -> Option<Self> {
        let mut problems = problems.iter();
        let problem = problems.find(|it| it.rule == Problem::OUTPUT_SIZE)?;
        Some(Self::Size {
            current: set.keeps?,
            requested: serde_json::from_value(problem.value.clone()).ok()?,
        })
    }
}

/// Of the size in the contract's words (§7).
impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound => f.write_str(
                "a worker that is bound to its parameters (`prompt`) keeps them; start another stream",
            ),
            Self::Size { current, requested } => write!(
                f,
                "Cannot change output resolution mid-stream (Current resolution: ({}, {}) requested resolution: ({}, {})). It can change only when starting a new stream",
                current.width(),
                current.height(),
                requested.width(),
                requested.height()
            ),
        }
    }
}

/// Parameters that a worker may have died of, and that the next one does not get.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dropped {
    pub(super) set: Set,
    /// What comes back.
    pub(super) restored: Set,
    /// It killed the worker twice; otherwise a newer set waits, which is why nobody misses it.
    pub(super) is_quarantined: bool,
}

impl Dropped {
    /// What a stream is told of its quarantine, if it is about that one's parameters.
    pub(super) fn told(&self, stream: Number) -> Option<String> {
        let Self { set, restored, .. } = self;
        (self.is_quarantined && set.is_of(stream)).then(|| {
            format!(
                "Error updating params: they are quarantined, the worker died of them twice (hash {}); the last good ones are restored (hash {})",
                set.hash, restored.hash
            )
        })
    }
}

/// The machine of one worker.
#[derive(Debug)]
pub(super) struct Flow {
    /// No stream changes them.
    is_bound: bool,
    initial: Set,
    wanted: Option<Set>,
    under_way: Option<(u64, Set)>,
    in_force: Set,
    /// A worker is being loaded with it.
    is_loading: bool,
    since: Duration,
    good: Set,
    /// By hash, the newest suspect first.
    deaths: VecDeque<(String, u32)>,
    /// The last death is laid to parameters.
    is_blamed: bool,
}

impl Flow {
    /// A worker that is loaded with these from now on.
    pub(super) fn new(initial: Set, now: Duration) -> Self {
        Self {
            is_bound: false,
            wanted: None,
            under_way: None,
            in_force: initial.clone(),
            is_loading: true,
            since: now,
            good: initial.clone(),
            initial,
            deaths: VecDeque::new(),
            is_blamed: false,
        }
    }

    /// It is loaded with what a stream brought, and perhaps bound to it.
    pub(super) fn loaded_with(self, first: Set, is_bound: bool) -> Self {
        Self {
            in_force: first,
            is_bound,
            ..self
        }
    }

    /// The set that a worker without a stream has.
    pub(super) fn initial(&self) -> &Set {
        &self.initial
    }

    /// A new stream: it gets what it brings, or what the worker had at first. What an earlier one's parameters were is
    /// forgotten, and what they are suspected of. Where others are at work, theirs stay, unless it brings some. `is_sent`
    /// where the worker gets it though it has it already.
    pub(super) fn begin_stream(&mut self, set: Set, is_sent: bool, is_alone: bool) {
        if is_alone {
            self.deaths.clear();
            self.good = self.initial.clone();
        }
        if is_sent || (is_alone && self.in_force != self.initial) {
            self.queue(set);
        }
    }

    /// Nobody is at work: the worker gets the initial set, unless it is bound to another one; `again` if it has it already.
    pub(super) fn reset(&mut self, again: bool) {
        if !self.is_bound && (again || self.in_force != self.initial) {
            self.queue(self.initial.clone());
        }
    }

    /// Whether it has the initial set and nothing else is on its way.
    pub(super) fn is_initial(&self) -> bool {
        let is_quiet = self.wanted.is_none() && self.under_way.is_none();
        is_quiet && self.in_force == self.initial
    }

    /// A set for a stream whose frames and pictures have this size; none where the worker says what size a set asks for,
    /// or there is no stream.
    pub(super) fn change(&mut self, set: Set, size: Option<Size>) -> Result<(), Unfit> {
        let requested = set.params.base.size;
        if self.is_bound {
            return Err(Unfit::Bound);
        }
        if let Some(current) = size.filter(|it| *it != requested) {
            return Err(Unfit::Size { current, requested });
        }
        self.queue(set);
        Ok(())
    }

    /// A stream's pictures have this size: what is wanted of the stream is to keep it.
    pub(super) fn keep(&mut self, stream: Number, size: Size) {
        if let Some(set) = self.wanted.as_mut().filter(|it| it.of == Some(stream)) {
            set.keeps.get_or_insert(size);
        }
    }

    /// The newest set that is wanted.
    fn queue(&mut self, set: Set) {
        self.wanted = Some(set);
    }

    /// The newest parameters of a stream, or without one, that are on their way to the worker.
    pub(super) fn owed(&self, stream: Option<Number>) -> Option<&Set> {
        let under_way = self.under_way.iter().map(|(_, set)| set);
        let mut sets = self.wanted.iter().chain(under_way);
        sets.find(|it| it.is_for(stream))
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

    /// The worker took the set of this request, and loads with it.
    pub(super) fn reloading(&mut self, id: u64, now: Duration) -> Option<&Set> {
        self.is_loading = true;
        self.applied(id, now)
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

    /// The worker is lost. What it dies of twice is quarantined; what it may have died of once gives way to what waits.
    pub(super) fn worker_lost(&mut self, now: Duration) -> Option<Dropped> {
        self.is_blamed = false;
        let sent = self.under_way.take();
        // However long a load takes, it is this set's.
        let is_loading = std::mem::replace(&mut self.is_loading, true);
        let is_new = is_loading || now.saturating_sub(self.since) < SUSPECT_WITHIN;
        let suspect = match sent {
            Some((_, set)) => {
                // It may have been at work with it: once is no proof, so the next worker begins with it.
                self.in_force = set.clone();
                set
            }
            None if is_new => self.in_force.clone(),
            None => return None,
        };
        self.since = now;
        // The same parameters are the same, whoever brings them.
        if [&self.initial, &self.good]
            .map(|it| &it.hash)
            .contains(&&suspect.hash)
        {
            return None;
        }
        self.is_blamed = true;
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
        let is_quarantined = deaths >= DEATHS;
        if is_quarantined {
            self.deaths.retain(|(hash, _)| *hash != suspect.hash);
            self.wanted.take_if(|it| it.hash == suspect.hash);
        } else if self.wanted.is_none() {
            return None;
        }
        self.in_force = self.good.clone();
        Some(Dropped {
            restored: self.good.clone(),
            set: suspect,
            is_quarantined,
        })
    }

    /// Whether the last death is laid to parameters.
    pub(super) fn is_blamed(&self) -> bool {
        self.is_blamed
    }

    /// What the next worker is loaded with: the set that the last one took or was sent, or the good one where that was
    /// suspected and replaced. One that none was sent follows as an update, which may be refused and costs no worker.
    pub(super) fn load(&self) -> Set {
        self.in_force.clone()
    }

    /// The worker has loaded.
    pub(super) fn loaded(&mut self, now: Duration) {
        self.is_loading = false;
        self.since = now;
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
            keeps: None,
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
        let mut flow = Flow::new(set("initial"), at(0));
        for name in ["a", "b", "c"] {
            flow.queue(set(name));
        }
        assert_eq!(flow.next(|| 1).unwrap().1.hash, "c");
        flow.queue(set("d"));
        assert!(flow.next(|| 2).is_none());
        flow.applied(1, at(1));
        assert_eq!(flow.next(|| 2).unwrap().1.hash, "d");
    }

    #[test]
    fn a_suspect_that_was_replaced_gives_way_to_the_good_one_and_the_newest_follows() {
        let mut flow = Flow::new(set("initial"), at(0));
        flow.queue(set("hangs"));
        take(&mut flow, 1, at(1));
        flow.queue(set("newest"));
        let dropped = flow.worker_lost(at(2)).unwrap();
        assert_eq!(hashes(&dropped), ("hangs", "initial"));
        assert_eq!((dropped.is_quarantined, dropped.told(1)), (false, None));
        assert_eq!(flow.load().hash, "initial");
        flow.loaded(at(3));
        assert_eq!(take(&mut flow, 2, at(4)).as_deref(), Some("newest"));
    }

    #[test]
    fn a_load_is_suspect_however_long_it_takes() {
        let mut flow = Flow::new(set("initial"), at(0));
        flow.loaded(at(1));
        flow.queue(set("hangs"));
        let (id, _) = flow.next(|| 1).unwrap();
        flow.reloading(id, at(2));
        assert_eq!(flow.worker_lost(at(200)), None);
        assert_eq!(flow.load().hash, "hangs");
        let dropped = flow.worker_lost(at(400)).unwrap();
        assert_eq!(hashes(&dropped), ("hangs", "initial"));
        assert!(dropped.is_quarantined);
    }

    #[test]
    fn a_rejected_set_leaves_the_running_one() {
        let mut flow = Flow::new(set("initial"), at(0));
        flow.queue(set("a"));
        take(&mut flow, 1, at(1));
        flow.queue(set("bad"));
        flow.next(|| 2);
        assert_eq!(flow.rejected(2).unwrap().hash, "bad");
        assert_eq!(flow.in_force.hash, "a");
        assert!(flow.rejected(2).is_none());
    }

    /// Of what is quarantined, and of what comes back.
    fn hashes(quarantine: &Dropped) -> (&str, &str) {
        (&quarantine.set.hash, &quarantine.restored.hash)
    }

    #[test]
    fn the_same_set_that_kills_twice_is_quarantined_and_the_good_one_restored() {
        let mut flow = Flow::new(set("initial"), at(0));
        flow.queue(set("good"));
        take(&mut flow, 1, at(1));
        flow.well(at(12));
        flow.queue(set("killer"));
        flow.next(|| 2);
        assert_eq!(flow.worker_lost(at(13)), None);
        assert_eq!(flow.load().hash, "killer", "once is no proof");
        flow.loaded(at(14));
        let quarantine = flow.worker_lost(at(15)).unwrap();
        assert_eq!(hashes(&quarantine), ("killer", "good"));
        assert_eq!(flow.load().hash, "good");
    }

    #[test]
    fn what_is_only_suspected_is_forgotten_with_its_stream() {
        let mut flow = Flow::new(set("initial"), at(0));
        for id in 1..5 {
            flow.begin_stream(set("a"), true, true);
            take(&mut flow, id, at(id));
            assert_eq!(flow.worker_lost(at(id)), None);
        }
    }

    #[test]
    fn parameters_are_owed_to_their_stream_until_the_worker_has_them() {
        let mut flow = Flow::new(set("initial"), at(0));
        flow.begin_stream(set("initial"), false, true);
        assert!(flow.owed(Some(1)).is_none(), "the worker has them already");
        let mine = Set {
            of: Some(1),
            ..set("a")
        };
        flow.begin_stream(mine, true, true);
        assert!(flow.owed(Some(1)).is_some() && flow.owed(Some(2)).is_none());
        flow.next(|| 1);
        assert!(flow.owed(Some(1)).is_some());
        flow.applied(1, at(1));
        assert!(flow.owed(Some(1)).is_none());
    }

    #[test]
    fn deaths_long_after_a_set_came_are_not_its_doing() {
        let mut flow = Flow::new(set("initial"), at(0));
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
    fn initial_parameters_are_never_quarantined_whoever_brings_them() {
        let mut flow = Flow::new(set("initial"), at(0));
        let of = Some(1);
        flow.queue(Set {
            of,
            ..set("initial")
        });
        take(&mut flow, 1, at(1));
        for _ in 0..5 {
            assert_eq!(flow.worker_lost(at(1)), None);
            assert_eq!(flow.load().hash, "initial");
        }
    }

    #[test]
    fn what_a_stream_brought_to_its_own_worker_is_quarantined_even_if_it_never_loads() {
        for is_bound in [false, true] {
            let flow = Flow::new(set("initial"), at(100));
            let mut flow = flow.loaded_with(set("killer"), is_bound);
            assert_eq!(flow.load().hash, "killer");
            assert_eq!(flow.worker_lost(at(101)), None);
            assert_eq!(flow.load().hash, "killer", "once is no proof");
            let quarantine = flow.worker_lost(at(102)).unwrap();
            assert_eq!(hashes(&quarantine), ("killer", "initial"));
            assert_eq!(flow.load().hash, "initial");
        }
    }

    #[test]
    fn a_worker_without_streams_gets_the_initial_set_unless_it_is_bound() {
        for (is_bound, next) in [(false, Some("initial")), (true, None)] {
            let mut flow = Flow::new(set("initial"), at(0)).loaded_with(set("mine"), is_bound);
            flow.reset(false);
            assert_eq!(take(&mut flow, 1, at(1)).as_deref(), next);
        }
    }

    #[test]
    fn parameters_concern_the_stream_that_they_are_for_and_without_one_everybody() {
        let of = |of| Set { of, ..set("a") };
        assert!(of(Some(1)).is_for(Some(1)));
        assert!(!of(Some(1)).is_for(Some(2)) && !of(Some(1)).is_for(None));
        assert!(of(None).is_for(Some(1)) && of(None).is_for(None));
        let quarantine = Dropped {
            set: of(Some(1)),
            restored: of(None),
            is_quarantined: true,
        };
        assert!(quarantine.told(1).is_some() && quarantine.told(2).is_none());
    }

    #[test]
    fn a_bound_worker_and_a_size_never_change() {
        let mut flow = Flow::new(set("initial"), at(0)).loaded_with(set("mine"), true);
        assert_eq!(flow.change(set("a"), None), Err(Unfit::Bound));
        let mut flow = Flow::new(set("initial"), at(0));
        let requested = set("a").params.base.size;
        let current = Size::new(64, 64).unwrap();
        assert_eq!(
            flow.change(set("a"), Some(current)),
            Err(Unfit::Size { current, requested })
        );
        assert!(flow.next(|| 1).is_none());
        assert_eq!(flow.change(set("a"), Some(requested)), Ok(()));
        assert_eq!(flow.next(|| 1).unwrap().1.hash, "a");
    }

    #[test]
    fn what_waits_for_a_load_keeps_the_size_that_becomes_known() {
        let size = |width| Size::new(width, 480).unwrap();
        let of = |stream| Set {
            of: Some(stream),
            ..set("a")
        };
        let mut flow = Flow::new(set("initial"), at(0));
        flow.change(of(1), None).unwrap();
        flow.keep(2, size(320));
        assert_eq!(flow.owed(Some(1)).unwrap().keeps, None);
        flow.keep(1, size(640));
        flow.keep(1, size(960));
        assert_eq!(flow.owed(Some(1)).unwrap().keeps, Some(size(640)));
    }

    #[test]
    fn what_a_worker_refuses_for_its_size_is_told_in_the_contracts_words() {
        let problem = |rule: &str, value| Problem {
            field: String::new(),
            rule: rule.into(),
            value,
            message: "as the worker says".into(),
        };
        let keeps = |keeps| Set { keeps, ..set("a") };
        let current = Size::new(1024, 1024).ok();
        let refused = [problem(Problem::OUTPUT_SIZE, json!([512, 640]))];
        let said = Unfit::of_size(&keeps(current), &refused).map(|it| it.to_string());
        let words = "(Current resolution: (1024, 1024) requested resolution: (512, 640))";
        assert!(said.is_some_and(|it| it.contains(words)));
        for (keeps, problem) in [
            (keeps(None), &refused[0]),
            (keeps(current), &problem("maximum 1", json!([512, 640]))),
            (
                keeps(current),
                &problem(Problem::OUTPUT_SIZE, json!([0, 640])),
            ),
            (keeps(current), &problem(Problem::OUTPUT_SIZE, json!(null))),
        ] {
            assert_eq!(Unfit::of_size(&keeps, std::slice::from_ref(problem)), None);
        }
    }

    #[test]
    fn a_new_stream_without_parameters_gets_the_first_ones_unless_others_are_at_work() {
        let mut flow = Flow::new(set("initial"), at(0));
        flow.queue(set("a"));
        take(&mut flow, 1, at(1));
        flow.begin_stream(set("initial"), false, false);
        assert!(flow.next(|| 2).is_none());
        flow.begin_stream(set("initial"), false, true);
        assert_eq!(take(&mut flow, 2, at(2)).as_deref(), Some("initial"));
        flow.begin_stream(set("initial"), false, true);
        flow.reset(false);
        assert!(flow.is_initial() && flow.next(|| 3).is_none());
        flow.begin_stream(set("initial"), true, true);
        assert!(!flow.is_initial());
        assert_eq!(take(&mut flow, 3, at(3)).as_deref(), Some("initial"));
    }
}
