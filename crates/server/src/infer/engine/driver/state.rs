//! Everything that the driver owns, and how its parts are found.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
    path::PathBuf,
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{Receiver, SyncSender},
    },
    time::{Duration, Instant},
};

use framerill_supervisor::{ChildId, guardian::Moment};
use tokio::sync::watch;

use super::{
    sizes::Sizing,
    start::{Check, Start},
};
use crate::{
    failure::Failure,
    infer::{
        engine::{
            Ended, Incoming, Number, Snapshot, StreamView,
            flow::Flow,
            quarantined::Quarantined,
            seat::Seat,
            seating::{Load, Seating, StartId},
            snapshot::Recovery,
            stream::Stream,
            wall_ms,
            worker::Worker,
        },
        leftover::Notes,
        settings::Settings,
    },
    program,
};

/// Owns everything that runs.
pub(in crate::infer::engine) struct Driver {
    pub(super) settings: Settings,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) owner: SyncSender<Incoming>,
    pub(super) incoming: Receiver<Incoming>,
    pub(super) tell: watch::Sender<Arc<Snapshot>>,
    /// It was told to end everything.
    pub(super) is_to_leave: Arc<AtomicBool>,
    pub(super) media_program: PathBuf,
    pub(super) epoch: Instant,
    pub(super) seats: Vec<Seat>,
    pub(super) workers: Vec<Worker>,
    /// Streams whose place is taken, or that are told to end.
    pub(super) leaving: Vec<Stream>,
    /// The last streams that are over.
    pub(super) over: VecDeque<Arc<StreamView>>,
    /// Who sits where.
    pub(super) seating: Seating,
    /// What it wants is being done.
    pub(super) is_placing: bool,
    /// When it wants to be asked.
    pub(super) place_by: Option<Duration>,
    /// Starts that are not answered yet.
    pub(super) starts: BTreeMap<StartId, Start>,
    pub(super) last_start: StartId,
    pub(super) checks: Vec<Check>,
    pub(super) sizings: Vec<Sizing>,
    last_media: u32,
    pub(super) notes: Notes,
    /// Parameters that no worker is given.
    pub(super) quarantined: Quarantined,
    /// The initial parameters could not be loaded; the pipeline's own stand in for them.
    pub(super) initial_gave_way: bool,
    pub(super) started: u64,
    pub(super) ended: Option<Ended>,
    pub(super) restarts: BTreeMap<(&'static str, String), u64>,
    pub(super) pipeline_faults: BTreeMap<&'static str, u64>,
    /// Lines of children that the log does not have, by role.
    pub(super) log_left_out: BTreeMap<&'static str, u64>,
    pub(super) recovery: Recovery,
}

impl Driver {
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(in crate::infer::engine) fn new(
        settings: Settings,
        runtime: tokio::runtime::Handle,
        owner: SyncSender<Incoming>,
        incoming: Receiver<Incoming>,
        tell: watch::Sender<Arc<Snapshot>>,
        is_to_leave: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        let (capacity, pipeline) = (settings.capacity as usize, settings.pipeline.clone());
        let (seating, worker, key) = Seating::new(capacity, pipeline.clone(), first_number());
        let mut this = Self {
            media_program: program::media()?,
            settings,
            runtime,
            owner,
            incoming,
            tell,
            is_to_leave,
            epoch: Instant::now(),
            seats: Vec::new(),
            workers: Vec::new(),
            leaving: Vec::new(),
            over: VecDeque::new(),
            seating,
            is_placing: false,
            place_by: None,
            starts: BTreeMap::new(),
            last_start: 0,
            checks: Vec::new(),
            sizings: Vec::new(),
            last_media: u32::MAX,
            notes: Notes::start()?,
            quarantined: Quarantined::default(),
            initial_gave_way: false,
            started: 0,
            ended: None,
            restarts: BTreeMap::new(),
            pipeline_faults: BTreeMap::new(),
            log_left_out: BTreeMap::new(),
            recovery: Recovery::default(),
        };
        this.seats
            .push(Seat::new(this.moment(), &this.settings.name));
        let initial = this.initial_for(&pipeline).map_err(|why| {
            Failure::usage("initial_params", format!("the initial parameters: {why}"))
        })?;
        let seat = &mut this.seats[0];
        seat.extras.show(initial.given(), &initial.hash);
        seat.worker = Some(worker);
        let flow = Flow::new(initial, this.now());
        let worker = Worker::start(
            worker,
            key,
            flow,
            Load::Initial,
            &this.settings,
            this.owner.clone(),
        )?;
        this.workers.push(worker);
        this.publish();
        Ok(this)
    }

    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(super) fn now(&self) -> Duration {
        Instant::now().duration_since(self.epoch)
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            at: self.now(),
            wall_ms: wall_ms(),
        }
    }

    /// Media processes are numbered from the end, workers from the beginning.
    pub(super) fn new_media(&mut self) -> ChildId {
        self.last_media -= 1;
        ChildId(self.last_media)
    }

    pub(super) fn worker(&self, id: ChildId) -> Option<&Worker> {
        self.workers.iter().find(|it| it.id == id)
    }

    pub(super) fn worker_mut(&mut self, id: ChildId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|it| it.id == id)
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams_in_seats().map(|(_, stream)| stream)
    }

    /// With the seat of each; those that leave have none any more.
    pub(super) fn streams_in_seats(&self) -> impl Iterator<Item = (Option<&Seat>, &Stream)> {
        let running = self
            .seats
            .iter()
            .filter_map(|it| Some((Some(it), it.stream.as_ref()?)));
        running.chain(self.leaving.iter().map(|it| (None, it)))
    }

    pub(super) fn streams_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        let running = self.seats.iter_mut().filter_map(|it| it.stream.as_mut());
        running.chain(&mut self.leaving)
    }

    pub(super) fn stream_mut(&mut self, number: Number) -> Option<&mut Stream> {
        self.streams_mut().find(|it| it.number == number)
    }

    /// The seat of a stream that runs.
    pub(super) fn seat_of(&self, number: Number) -> Option<usize> {
        let is_there = |it: &Seat| it.stream.as_ref().is_some_and(|it| it.number == number);
        self.seats.iter().position(is_there)
    }

    pub(super) fn seats_with(&self, worker: ChildId) -> Vec<usize> {
        let seats = self.seats.iter().enumerate();
        seats
            .filter(|(_, it)| it.worker == Some(worker))
            .map(|(at, _)| at)
            .collect()
    }
}

/// Numbers do not begin anew with infer: a name of a stream stands for one.
fn first_number() -> Number {
    RandomState::new().build_hasher().finish() % 1_000_000 * 1000
}
