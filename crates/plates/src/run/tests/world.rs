//! Everything around a run machine: a clock, processes that work, read, die and come back, and a judge of what they see.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use super::fake_flow::{FakeFlow, Seen};
use crate::{
    bbox::BBox,
    category::Category,
    detection::{Plate, Reading, Thumbnail, Vehicle, VehicleClass, Vehicles},
    flow::{SourceEnd, SourceStatus, Taken},
    run::{
        DeadLetter, Event, Input, LeaseId, Machine, Outcome, Output, Prepared, ReaderId,
        ReaderSaid, RunEnd, Settings, Signal, VideoNo, WorkerId, WorkerSaid,
    },
    task::{self, Failure, Payload, Task, TaskId},
    track::TrackStep,
};

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// xorshift64*: enough for tests.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound.max(1)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }
}

/// What is to go wrong, and how fast things are.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    /// Frames of each video.
    pub(super) videos: Vec<u64>,
    /// Vehicles in each frame; by its number if 0.
    pub(super) vehicles: u64,
    pub(super) seed: u64,
    /// Readers deliver every n-th frame.
    pub(super) every: u64,
    /// Tasks at once.
    pub(super) batch: u32,
    /// A worker dies once in so many leases; never if 0. It spares tasks that were begun before.
    pub(super) worker_deaths: u64,
    /// A reader dies once in so many frames; never if 0.
    pub(super) reader_deaths: u64,
    /// A task fails for the moment once in so many; never if 0. It spares tasks that were begun before.
    pub(super) failures: u64,
    /// Every worker dies with vehicles of this frame in hand.
    pub(super) poison: Option<u64>,
    /// Reading this frame kills every reader.
    pub(super) bad_frame: Option<u64>,
    /// Tasks of this category fail always: `true` for the moment, `false` for good.
    pub(super) failing: Option<(Category, bool)>,
    /// Nothing of this category can be loaded.
    pub(super) unloadable: Option<Category>,
    /// Workers hang, instead of dying, with this frame's vehicles in hand, the first time.
    pub(super) hangs: Option<u64>,
    /// Signals at these times.
    pub(super) signals: Vec<Duration>,
    /// Tasks take up to this long.
    pub(super) task_time: Duration,
    /// Workers and readers do not leave when they are asked, only when they are killed.
    pub(super) are_stubborn: bool,
    /// Readers' videos break off: they end as partial.
    pub(super) is_truncated: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            videos: vec![20, 7, 1, 13],
            vehicles: 0,
            seed: 0,
            every: 1,
            batch: 1,
            worker_deaths: 0,
            reader_deaths: 0,
            failures: 0,
            poison: None,
            bad_frame: None,
            failing: None,
            unloadable: None,
            hangs: None,
            signals: Vec::new(),
            task_time: ms(30),
            are_stubborn: false,
            is_truncated: false,
        }
    }
}

#[derive(Debug)]
enum Happens {
    Prepared(VideoNo),
    ReaderOpens(ReaderId),
    ReaderReads(ReaderId),
    ReaderGone(ReaderId),
    WorkerJoins(WorkerId),
    WorkerDoes(WorkerId, LeaseId),
    WorkerDies(WorkerId, u64),
    Heartbeats,
    SchedulerGone,
    Signal,
    Wake,
}

#[derive(Debug, Default)]
struct Worker {
    incarnation: u64,
    is_alive: bool,
    is_leaving: bool,
    is_hung: bool,
    pools: HashSet<ReaderId>,
    lease: Option<(LeaseId, Vec<Arc<Task>>)>,
}

#[derive(Debug)]
struct Reader {
    video: VideoNo,
    next: u64,
    slots: Vec<bool>,
    is_over: bool,
    is_waiting: bool,
}

/// A run in virtual time.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) machine: Machine<FakeFlow>,
    pub(super) now: Duration,
    pub(super) seen: Vec<Seen>,
    pub(super) events: Vec<(Duration, Event)>,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) checkpoints: BTreeMap<VideoNo, (u64, u64)>,
    pub(super) outputs: Vec<(Duration, String)>,
    pub(super) end: Option<RunEnd>,
    /// Where each video is to be gone on with.
    from: BTreeMap<VideoNo, (u64, u64)>,
    random: Random,
    agenda: BTreeMap<(Duration, u64), Happens>,
    happened: u64,
    workers: BTreeMap<WorkerId, Worker>,
    readers: BTreeMap<ReaderId, Reader>,
    /// Frames that the machine has: freed exactly once.
    in_use: BTreeSet<(ReaderId, u32)>,
    pools: BTreeSet<ReaderId>,
    /// Tasks that were answered for good.
    answered: HashSet<TaskId>,
    began: HashMap<TaskId, u32>,
    pub(super) most_in_use: usize,
    pub(super) most_outside: usize,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let seen = plan.videos.iter().map(|_| Rc::new(RefCell::default()));
        let seen = seen.collect();
        Self::going_on(plan, seen, BTreeMap::new())
    }

    /// A run that goes on where another one stopped.
    pub(super) fn going_on(
        plan: Plan,
        seen: Vec<Seen>,
        from: BTreeMap<VideoNo, (u64, u64)>,
    ) -> Self {
        let names = (0..plan.videos.len()).map(|it| format!("video{it}"));
        let settings = plan.settings.clone().checked().unwrap();
        let machine = Machine::new(settings, names.collect(), Duration::ZERO);
        let mut world = Self {
            machine,
            now: Duration::ZERO,
            seen,
            events: Vec::new(),
            letters: Vec::new(),
            checkpoints: from.clone(),
            outputs: Vec::new(),
            end: None,
            from,
            random: Random::new(plan.seed + 1),
            agenda: BTreeMap::new(),
            happened: 0,
            workers: BTreeMap::new(),
            readers: BTreeMap::new(),
            in_use: BTreeSet::new(),
            pools: BTreeSet::new(),
            answered: HashSet::new(),
            began: HashMap::new(),
            most_in_use: 0,
            most_outside: 0,
            plan,
        };
        let settings = world.plan.settings.clone();
        let cpu = (0..settings.cpu_workers).map(|it| 100 + it);
        let own = settings.own_workers().into_iter().map(|(id, _)| id.0);
        for id in (0..settings.gpu_workers).chain(cpu).chain(own) {
            world.workers.insert(WorkerId(id), Worker::default());
            world.soon(20, Happens::WorkerJoins(WorkerId(id)));
        }
        for at in world.plan.signals.clone() {
            world.at(at, Happens::Signal);
        }
        world.at(ms(1000), Happens::Heartbeats);
        world.drain();
        world
    }

    /// Until the run is over.
    pub(super) fn run(&mut self) -> RunEnd {
        while self.end.is_none() {
            self.step();
            assert!(self.happened < 2_000_000, "the run does not end");
        }
        assert_eq!(self.machine.poll(), Output::Idle);
        self.end.clone().unwrap()
    }

    /// What all flows saw.
    pub(super) fn all_seen(&self) -> Vec<BTreeMap<u64, String>> {
        self.seen.iter().map(|it| it.borrow().clone()).collect()
    }

    /// One thing that happens.
    pub(super) fn step(&mut self) {
        let ((at, _), what) = self.agenda.pop_first().expect("something is due");
        assert!(at >= self.now);
        self.now = at;
        self.happen(what);
        self.drain();
        self.judge();
    }

    fn at(&mut self, at: Duration, what: Happens) {
        self.happened += 1;
        self.agenda.insert((at, self.happened), what);
    }

    fn soon(&mut self, within_ms: u64, what: Happens) {
        let after = Duration::from_micros(1 + self.random.below(within_ms * 1000));
        self.at(self.now + after, what);
    }

    pub(super) fn hand_in(&mut self, input: Input<FakeFlow>) {
        self.machine.handle(self.now, input);
    }

    fn worker(&mut self, worker: WorkerId, said: WorkerSaid) {
        self.hand_in(Input::Worker { worker, said });
    }

    fn reader(&mut self, reader: ReaderId, said: ReaderSaid) {
        self.hand_in(Input::Reader { reader, said });
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Prepared(video) => {
                let (from, tracker) = self.from.get(&video).copied().unwrap_or_default();
                let seen = self.seen[video.0 as usize].clone();
                let flow = FakeFlow::new(&format!("video{}", video.0), seen, tracker);
                let prepared = Prepared::Read { flow, from };
                self.hand_in(Input::Prepared { video, prepared });
            }
            Happens::ReaderOpens(id) => {
                let Some(reader) = self.readers.get(&id) else {
                    return;
                };
                let said = ReaderSaid::Opened {
                    slots: u32::try_from(reader.slots.len()).unwrap(),
                    slot_bytes: 24,
                    fps: Some(25.0),
                    frames: Some(self.plan.videos[reader.video.0 as usize]),
                    taken: Taken::default(),
                };
                self.reader(id, said);
                self.soon(2, Happens::ReaderReads(id));
            }
            Happens::ReaderReads(id) => self.read(id),
            Happens::ReaderGone(id) => {
                if self.readers.remove(&id).is_some() {
                    self.reader(id, ReaderSaid::Gone("exit 0".into()));
                }
            }
            Happens::WorkerJoins(id) => {
                let worker = self.workers.get_mut(&id).unwrap();
                if worker.is_alive || worker.is_leaving {
                    return;
                }
                worker.is_alive = true;
                worker.incarnation += 1;
                let pid = id.0 * 100 + u32::try_from(worker.incarnation).unwrap();
                self.worker(id, WorkerSaid::Joined { pid });
                let max = self.plan.batch;
                self.worker(id, WorkerSaid::Takes { max });
            }
            Happens::WorkerDoes(id, lease) => self.work(id, lease),
            Happens::WorkerDies(id, incarnation) => {
                if self.workers[&id].incarnation == incarnation {
                    self.kill_worker(id, "signal 9");
                }
            }
            Happens::Heartbeats => {
                for id in self.workers.keys().copied().collect::<Vec<_>>() {
                    if self.workers[&id].is_alive && !self.workers[&id].is_hung {
                        self.worker(id, WorkerSaid::Alive { is_loading: false });
                    }
                }
                self.at(self.now + ms(1000), Happens::Heartbeats);
            }
            Happens::SchedulerGone => self.hand_in(Input::SchedulerGone),
            Happens::Signal => self.hand_in(Input::Stop(Signal::Interrupt)),
            Happens::Wake => self.hand_in(Input::Deadline),
        }
    }

    fn read(&mut self, id: ReaderId) {
        let Some(reader) = self.readers.get_mut(&id).filter(|it| !it.is_over) else {
            return;
        };
        let frames = self.plan.videos[reader.video.0 as usize];
        if reader.next >= frames {
            reader.is_over = true;
            let status = match self.plan.is_truncated {
                true => SourceStatus::Partial,
                false => SourceStatus::Complete,
            };
            let end = SourceEnd {
                status,
                reason: None,
                decoded: frames,
                failed: 0,
                fps: Some(25.0),
                duration_ms: None,
                size_bytes: None,
            };
            self.reader(id, ReaderSaid::Ended(end));
            return;
        }
        if self.plan.bad_frame == Some(reader.next) || self.random.one_in(self.plan.reader_deaths) {
            return self.kill_reader(id, "signal 11");
        }
        let Some(slot) = reader.slots.iter().position(|is_used| !is_used) else {
            reader.is_waiting = true;
            return;
        };
        reader.slots[slot] = true;
        let frame_idx = reader.next;
        reader.next += self.plan.every;
        let slot = u32::try_from(slot).unwrap();
        assert!(self.in_use.insert((id, slot)));
        let said = ReaderSaid::Frame {
            frame_idx,
            ts_ms: None,
            slot,
            width: 4,
            height: 2,
        };
        self.reader(id, said);
        self.soon(5, Happens::ReaderReads(id));
    }

    pub(super) fn kill_reader(&mut self, id: ReaderId, reason: &str) {
        if self.readers.remove(&id).is_some() {
            self.reader(id, ReaderSaid::Gone(reason.into()));
        }
    }

    fn kill_worker(&mut self, id: WorkerId, reason: &str) {
        let worker = self.workers.get_mut(&id).unwrap();
        if std::mem::take(&mut worker.is_alive) {
            worker.lease = None;
            worker.is_hung = false;
            worker.pools.clear();
            self.worker(id, WorkerSaid::Gone(reason.into()));
            self.soon(300, Happens::WorkerJoins(id));
        }
    }

    fn work(&mut self, id: WorkerId, lease: LeaseId) {
        let worker = self.workers.get_mut(&id).unwrap();
        let Some((_, tasks)) = worker.lease.take_if(|(it, _)| *it == lease) else {
            return;
        };
        if self.plan.unloadable == Some(tasks[0].category) {
            let reason = "models/x.onnx: no such file".into();
            self.worker(id, WorkerSaid::LoadFailed { lease, reason });
        } else {
            let outcomes = tasks.iter().map(|it| self.do_task(it)).collect();
            self.worker(
                id,
                WorkerSaid::Did {
                    lease,
                    outcomes,
                    stage_us: 0,
                },
            );
        }
        if self.workers[&id].is_leaving {
            return self.kill_worker(id, "exit 0");
        }
        let max = self.plan.batch;
        self.worker(id, WorkerSaid::Takes { max });
    }

    fn do_task(&mut self, it: &Arc<Task>) -> Outcome {
        let fails = match self.plan.failing {
            Some((category, is_transient)) if category == it.category => Some(is_transient),
            _ => (it.attempt == 0 && self.random.one_in(self.plan.failures)).then_some(true),
        };
        let result = match fails {
            Some(is_transient) => Err(Failure {
                reason: "it is away".into(),
                is_transient,
            }),
            None => Ok(self.result(it)),
        };
        if result.is_ok() {
            assert!(self.answered.insert(it.id), "{:?} was done twice", it.id);
        }
        Outcome {
            task: it.id,
            result,
        }
    }

    /// What a stage says: by the task alone.
    fn result(&self, it: &Task) -> task::Output {
        let k = it.frame_idx.unwrap_or_default();
        match &it.payload {
            Payload::VehicleDetect => {
                let count = match self.plan.vehicles {
                    0 => (k * 7 + it.video_id.len() as u64) % 5,
                    fixed => fixed,
                };
                let vehicle = |n: u64| Vehicle {
                    bbox: BBox::whole(u32::try_from(n + 1).unwrap(), 2),
                    conf: 1.0,
                    class: VehicleClass::Car,
                };
                task::Output::VehicleDetect(Vehicles {
                    vehicles: (0..count).map(vehicle).collect(),
                    thumbnail: Thumbnail::default(),
                })
            }
            Payload::PlateDetect { car_bbox } => {
                let width: u64 = car_bbox.x2.to_string().bytes().map(u64::from).sum();
                let has_plate = !(width + k).is_multiple_of(3);
                let plate = Plate {
                    bbox: *car_bbox,
                    conf: 1.0,
                    corners: None,
                    lines: 1,
                };
                let plates = has_plate.then_some(plate).into_iter().collect();
                task::Output::PlateDetect { plates }
            }
            Payload::Ocr { car_bbox, .. } => task::Output::Ocr(Reading {
                text: format!("{}{k}X{}", it.video_id, car_bbox.x2),
                ..Reading::default()
            }),
            Payload::VehicleTrack {
                tracker, frames, ..
            } => task::Output::VehicleTrack {
                tracker: json!(tracker.as_u64().unwrap() * 3 % 1009 + frames[0].frame_idx + 1),
                steps: frames
                    .iter()
                    .map(|frame| TrackStep {
                        tracks: vec![None; frame.items.len()],
                        ..TrackStep::default()
                    })
                    .collect(),
            },
            Payload::FinalWrite { records, .. } => task::Output::FinalWrite {
                written: records.len() as u64,
                refused: Vec::new(),
            },
            other => panic!("nobody spawns {other:?}"),
        }
    }

    fn drain(&mut self) {
        loop {
            let output = self.machine.poll();
            match &output {
                Output::WakeAt(at) => {
                    self.agenda.retain(|_, it| !matches!(it, Happens::Wake));
                    return self.at((*at).max(self.now), Happens::Wake);
                }
                Output::Idle => return,
                Output::Log(_) | Output::Give { .. } | Output::Free { .. } => {}
                other => self.outputs.push((self.now, short(other))),
            }
            self.does(output);
        }
    }

    fn does(&mut self, output: Output) {
        match output {
            Output::Prepare { video } => self.soon(10, Happens::Prepared(video)),
            Output::Read {
                reader,
                video,
                from,
                slots,
            } => {
                let it = Reader {
                    video,
                    next: from.next_multiple_of(self.plan.every),
                    slots: vec![false; slots as usize],
                    is_over: false,
                    is_waiting: false,
                };
                assert!(self.readers.insert(reader, it).is_none());
                assert!(self.pools.insert(reader), "a pool's number is used once");
                self.soon(20, Happens::ReaderOpens(reader));
            }
            Output::Free { reader, slot } => self.free(reader, slot),
            Output::StopReader { reader } => {
                if let Some(it) = self.readers.get_mut(&reader) {
                    it.is_over = true;
                    if !self.plan.are_stubborn {
                        self.soon(5, Happens::ReaderGone(reader));
                    }
                }
            }
            Output::KillReader { reader } => self.soon(2, Happens::ReaderGone(reader)),
            Output::DropPool { reader } => {
                assert!(self.pools.remove(&reader), "dropped once");
                // After a third signal nobody is waited for.
                let is_at_once = self.plan.signals.len() > 2;
                let is_needed = self.is_needed(reader, None);
                assert!(is_at_once || !is_needed, "{reader}'s pool is in use");
                self.in_use.retain(|(it, _)| *it != reader);
            }
            Output::Pool { worker, reader } => {
                assert!(self.pools.contains(&reader));
                let pools = &mut self.workers.get_mut(&worker).unwrap().pools;
                assert!(pools.insert(reader), "sent once");
            }
            Output::PoolGone { worker, reader } => {
                let pools = &mut self.workers.get_mut(&worker).unwrap().pools;
                assert!(pools.remove(&reader), "{worker} never had it");
            }
            Output::Give {
                worker,
                lease,
                category,
                tasks,
            } => self.given(worker, lease, category, tasks),
            Output::Terminate { worker } => {
                let it = self.workers.get_mut(&worker).unwrap();
                it.is_leaving = true;
                if it.is_alive && it.lease.is_none() && !self.plan.are_stubborn {
                    let incarnation = it.incarnation;
                    self.soon(5, Happens::WorkerDies(worker, incarnation));
                }
                if !it_is_alive(&self.workers, worker) {
                    self.worker(worker, WorkerSaid::Gone("never there".into()));
                }
            }
            Output::KillWorker { worker } => {
                let incarnation = self.workers[&worker].incarnation;
                self.soon(2, Happens::WorkerDies(worker, incarnation));
            }
            Output::Checkpoint {
                video,
                frame_idx,
                state,
            } => {
                let next = (frame_idx + 1, state.as_u64().unwrap());
                self.checkpoints.insert(video, next);
            }
            Output::VideoEnded { .. } | Output::Vehicle { .. } => {}
            Output::DeadLetter(letter) => self.letters.push(letter),
            Output::Log(event) => self.events.push((self.now, event)),
            Output::StopScheduler => self.soon(5, Happens::SchedulerGone),
            Output::Finished(end) => {
                assert!(self.end.replace(end).is_none(), "said once");
            }
            Output::WakeAt(_) | Output::Idle => unreachable!(),
        }
    }

    fn given(&mut self, id: WorkerId, lease: LeaseId, category: Category, tasks: Vec<Arc<Task>>) {
        assert!(!tasks.is_empty() && tasks.len() <= self.plan.batch as usize);
        let own = &self.plan.settings.own_stages;
        assert_eq!(id.0 >= 200, own.contains_key(&category));
        for it in &tasks {
            assert_eq!(it.category, category);
            assert!(!self.answered.contains(&it.id), "{:?} again", it.id);
            let began = self.began.entry(it.id).or_default();
            assert_eq!(it.attempt, *began, "{:?}", it.id);
            *began += u32::from(self.plan.unloadable != Some(category));
            if let Some(slot) = it.frame {
                let reader = ReaderId(slot.pool);
                assert!(self.in_use.contains(&(reader, slot.slot)), "freed before");
                assert!(self.workers[&id].pools.contains(&reader), "no pool");
            }
        }
        let is_fresh = tasks.iter().all(|it| it.attempt == 0);
        let is_first = category == Category::VehicleDetect;
        let is = |it: &Arc<Task>, k: Option<u64>| is_first && k.is_some() && it.frame_idx == k;
        let of_frame = |k| tasks.iter().any(|it| is(it, k));
        let hangs = is_fresh && of_frame(self.plan.hangs);
        let dies =
            of_frame(self.plan.poison) || (is_fresh && self.random.one_in(self.plan.worker_deaths));
        let worker = self.workers.get_mut(&id).unwrap();
        assert!(worker.is_alive && worker.lease.is_none());
        worker.lease = Some((lease, tasks));
        let incarnation = worker.incarnation;
        let millis = u64::try_from(self.plan.task_time.as_millis()).unwrap();
        if hangs {
            worker.is_hung = true;
        } else if dies {
            self.soon(millis, Happens::WorkerDies(id, incarnation));
        } else {
            self.soon(millis, Happens::WorkerDoes(id, lease));
        }
    }

    fn free(&mut self, reader: ReaderId, slot: u32) {
        assert!(self.in_use.remove(&(reader, slot)), "freed twice");
        assert!(!self.is_needed(reader, Some(slot)), "freed while needed");
        if let Some(it) = self.readers.get_mut(&reader) {
            it.slots[slot as usize] = false;
            if std::mem::take(&mut it.is_waiting) {
                self.soon(2, Happens::ReaderReads(reader));
            }
        }
    }

    /// Whether a worker has a task with a frame of this pool, or of this slot of it.
    fn is_needed(&self, reader: ReaderId, slot: Option<u32>) -> bool {
        let leases = self.workers.values().filter_map(|it| it.lease.as_ref());
        let mut frames = leases
            .flat_map(|(_, tasks)| tasks)
            .filter_map(|it| it.frame);
        frames.any(|it| it.pool == reader.0 && slot.is_none_or(|slot| it.slot == slot))
    }

    /// What holds at every moment.
    fn judge(&mut self) {
        let snapshot = self.machine.snapshot(self.now);
        let settings = &self.plan.settings;
        let mut in_hand = BTreeMap::new();
        for (_, tasks) in self.workers.values().filter_map(|it| it.lease.as_ref()) {
            *in_hand.entry(tasks[0].category).or_default() += tasks.len();
        }
        for row in &snapshot.categories {
            assert!(row.queued <= settings.queue.hard, "{row:?}");
            let expected = in_hand.get(&row.category).copied().unwrap_or(0);
            assert!(self.end.is_some() || row.in_flight == expected, "{row:?}");
        }
        let seats = (settings.video_readers as usize).min(self.plan.videos.len());
        let bound = 2 * seats * settings.frame_slots as usize;
        assert!(snapshot.store.frames <= bound && snapshot.store.pools <= 2 * seats);
        assert!(self.readers.len() <= seats);
        self.most_in_use = self.most_in_use.max(snapshot.store.frames);
        let outside = snapshot.categories.iter().map(|it| it.outside).sum();
        self.most_outside = self.most_outside.max(outside);
        if self.end.is_some() {
            assert_eq!(snapshot.store.frames, 0, "frames are left");
            assert!(self.pools.is_empty(), "pools are left: {:?}", self.pools);
        }
    }
}

fn it_is_alive(workers: &BTreeMap<WorkerId, Worker>, id: WorkerId) -> bool {
    workers[&id].is_alive
}

fn short(output: &Output) -> String {
    let text = format!("{output:?}");
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}
