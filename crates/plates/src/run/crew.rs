//! Workers, and what they have in hand.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use super::{
    ids::{LeaseId, ReaderId, WorkerId},
    input::{Takes, WorkerState},
    settings::Settings,
};
use crate::{
    category::{Category, Class},
    task::TaskId,
};

/// Workers of the CPU class have ids from this one on.
const FIRST_CPU_WORKER: u32 = 100;
/// A worker that cannot load tries again after 1, 2, 4… seconds, and this at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A seat, and the process that has it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) takes: Takes,
    /// Categories that others do with a stage of a user's own.
    not: BTreeSet<Category>,
    /// None while the seat is empty.
    pub(super) pid: Option<u32>,
    pub(super) state: WorkerState,
    /// When it was last heard of; at first when its seat was made.
    pub(super) heard: Duration,
    /// The tasks that it asks for; none while it does not ask.
    pub(super) wants: Option<u32>,
    pub(super) lease: Option<LeaseId>,
    /// Pools that it was sent.
    pub(super) pools: BTreeSet<ReaderId>,
    pub(super) done: u64,
    pub(super) errors: u64,
    pub(super) joins: u64,
    /// It was warned of, and has said nothing since.
    pub(super) is_stale: bool,
    /// It was killed, and is not gone yet.
    pub(super) is_killed: bool,
    /// What it could not load.
    pub(super) cannot: BTreeMap<Category, Cannot>,
    /// No process will sit here again.
    pub(super) is_lost: bool,
}

impl Worker {
    fn new(takes: Takes, not: BTreeSet<Category>, now: Duration) -> Self {
        Self {
            takes,
            not,
            pid: None,
            state: WorkerState::Starting,
            heard: now,
            wants: None,
            lease: None,
            pools: BTreeSet::new(),
            done: 0,
            errors: 0,
            joins: 0,
            is_stale: false,
            is_killed: false,
            cannot: BTreeMap::new(),
            is_lost: false,
        }
    }

    /// Its seat is taken, or about to be for the first time.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, WorkerState::Dead) && !self.is_lost
    }

    /// Its process answers.
    pub(super) fn has_joined(&self) -> bool {
        self.pid.is_some()
    }

    /// The pause after one more load that failed.
    pub(super) fn load_failed(&mut self, now: Duration, category: Category) -> Duration {
        let cannot = self.cannot.entry(category).or_default();
        let pause = Duration::from_secs(1 << cannot.failures.min(5)).min(LONGEST_PAUSE);
        cannot.failures += 1;
        cannot.until = Some(now + pause);
        self.state = WorkerState::Waiting;
        pause
    }

    /// What it may be given.
    pub(super) fn categories(&self) -> impl Iterator<Item = Category> + Clone {
        let pauses = |it: &Category| self.cannot.get(it).is_some_and(|it| it.until.is_some());
        let is_its = |it: &Category| self.does(*it);
        let all = self.takes.categories().filter(is_its);
        all.filter(move |it| !pauses(it))
    }

    /// Whether tasks of this kind are for it.
    fn does(&self, category: Category) -> bool {
        self.takes.does(category) && !self.not.contains(&category)
    }

    /// Pauses that are over are over.
    pub(super) fn look(&mut self, now: Duration) {
        for it in self.cannot.values_mut() {
            it.until.take_if(|until| *until <= now);
        }
        let pauses = self.cannot.values().any(|it| it.until.is_some());
        if self.state == WorkerState::Waiting && !pauses {
            self.state = WorkerState::Idle;
        }
    }
}

/// A category that a worker could not load.
#[derive(Debug, Default)]
pub(super) struct Cannot {
    /// In a row.
    failures: u32,
    /// It is not to try before.
    pub(super) until: Option<Duration>,
}

/// Tasks in the hands of one worker.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) category: Category,
    pub(super) tasks: Vec<TaskId>,
    /// When it was given, or its worker was last seen loading.
    pub(super) since: Duration,
}

impl Lease {
    /// When its worker has had enough time for all of it.
    pub(super) fn deadline(&self, one: Duration) -> Duration {
        let tasks = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        self.since + one.saturating_mul(tasks)
    }
}

/// All seats.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) leases: HashMap<LeaseId, Lease>,
    /// Workers that ask, the one that has waited longest first.
    asking: BTreeMap<u64, WorkerId>,
    asked: u64,
    last_lease: u64,
    /// Since when each category has loaded nowhere, and how often that failed.
    cannot_load: BTreeMap<Category, (Duration, u32)>,
}

impl Crew {
    pub(super) fn new(settings: &Settings, now: Duration) -> Self {
        let gpu = (0..settings.gpu_workers).map(|it| (it, settings.gpu_takes()));
        let cpu = (0..settings.cpu_workers).map(|it| (FIRST_CPU_WORKER + it, settings.cpu_takes()));
        let own: BTreeSet<Category> = settings.own_stages.keys().copied().collect();
        let usual = gpu.chain(cpu).map(|(id, takes)| {
            let worker = Worker::new(takes, own.clone(), now);
            (WorkerId(id), worker)
        });
        let of_own = settings.own_workers().into_iter().map(|(id, category)| {
            let worker = Worker::new(Takes::Own(category), BTreeSet::new(), now);
            (id, worker)
        });
        Self {
            workers: usual.chain(of_own).collect(),
            leases: HashMap::new(),
            asking: BTreeMap::new(),
            asked: 0,
            last_lease: 0,
            cannot_load: BTreeMap::new(),
        }
    }

    /// A worker asks for tasks.
    pub(super) fn asks(&mut self, id: WorkerId, max: u32) {
        if let Some(worker) = self.workers.get_mut(&id) {
            let was_asking = worker.wants.replace(max.max(1)).is_some();
            if !was_asking {
                self.asked += 1;
                self.asking.insert(self.asked, id);
            }
        }
    }

    /// It asks no more.
    fn asks_no_more(&mut self, id: WorkerId) {
        self.asking.retain(|_, it| *it != id);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.wants = None;
        }
    }

    /// Workers that ask, the one that has asked longest first.
    pub(super) fn asking(&self) -> Vec<WorkerId> {
        self.asking.values().copied().collect()
    }

    /// Workers with a process that do work of this class.
    pub(super) fn of_class(&self, class: Class) -> usize {
        let all = self.workers.values();
        all.filter(|it| it.takes.has(class) && it.has_joined())
            .count()
    }

    /// A lease for a worker that asked.
    pub(super) fn lease(
        &mut self,
        now: Duration,
        id: WorkerId,
        category: Category,
        tasks: Vec<TaskId>,
    ) -> LeaseId {
        self.asks_no_more(id);
        self.last_lease += 1;
        let lease = LeaseId(self.last_lease);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.lease = Some(lease);
            worker.state = WorkerState::Busy;
        }
        self.leases.insert(
            lease,
            Lease {
                category,
                tasks,
                since: now,
            },
        );
        lease
    }

    /// A lease is over; none if this worker does not have it.
    pub(super) fn end_lease(&mut self, id: WorkerId, lease: LeaseId) -> Option<Lease> {
        let worker = self.workers.get_mut(&id)?;
        worker.lease.take_if(|it| *it == lease)?;
        worker.state = match worker.state {
            WorkerState::Stopping => WorkerState::Stopping,
            _ => WorkerState::Idle,
        };
        self.leases.remove(&lease)
    }

    /// The seat is empty. What its process had in hand.
    pub(super) fn leaves(&mut self, id: WorkerId) -> Option<Lease> {
        self.asks_no_more(id);
        let worker = self.workers.get_mut(&id)?;
        worker.pid = None;
        worker.pools.clear();
        worker.state = WorkerState::Dead;
        worker.is_killed = false;
        worker.is_stale = false;
        worker.cannot.clear();
        let lease = worker.lease.take()?;
        self.leases.remove(&lease)
    }

    /// A category could not be loaded. Whether that has been so for `too_long`, and for more than a slip.
    pub(super) fn cannot_load(
        &mut self,
        now: Duration,
        category: Category,
        too_long: Duration,
    ) -> bool {
        let (since, failures) = self.cannot_load.entry(category).or_insert((now, 0));
        *failures += 1;
        *failures > 2 && now.saturating_sub(*since) > too_long
    }

    pub(super) fn has_loaded(&mut self, id: WorkerId, category: Category) {
        self.cannot_load.remove(&category);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.cannot.remove(&category);
        }
    }

    /// The class of a category that nobody can do any more.
    pub(super) fn lost_class(&self) -> Option<Class> {
        let is_lost = |category: &Category| {
            let mut all = self.workers.values().filter(|it| it.does(*category));
            all.all(|it| it.is_lost)
        };
        Category::ALL.into_iter().find(is_lost).map(Category::class)
    }
}
