//! The loop: notices of children, news of transports, requests, deadlines.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use framerill_supervisor::{
    ChildId, Notice,
    guardian::{Input, Moment},
};
use tokio::sync::watch;

use super::{
    Command, Ended, Incoming, Number, Snapshot, StreamView,
    flow::Flow,
    quarantined::Quarantined,
    seat::Seat,
    seating::{self, Seating, StartId},
    snapshot::Recovery,
    start::{Check, Start},
    stream::Stream,
    wall_ms,
    worker::Worker,
};
use crate::{
    failure::Failure,
    http::AnswerBy,
    infer::{leftover::Notes, refusal::Refusal, settings::Settings},
    program,
};

/// Children want to be looked at so often, whether they say anything or not.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Notices taken before deadlines are looked at again.
const BATCH: usize = 64;

/// Owns everything that runs.
pub(super) struct Driver {
    pub(super) settings: Settings,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) owner: SyncSender<Incoming>,
    incoming: Receiver<Incoming>,
    tell: watch::Sender<Arc<Snapshot>>,
    /// It was told to end everything.
    is_to_leave: Arc<AtomicBool>,
    pub(super) media_program: PathBuf,
    epoch: Instant,
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
    last_media: u32,
    pub(super) notes: Notes,
    /// Parameters that no worker is given.
    pub(super) quarantined: Quarantined,
    pub(super) started: u64,
    pub(super) ended: Option<Ended>,
    pub(super) restarts: BTreeMap<(&'static str, String), u64>,
    pub(super) recovery: Recovery,
}

impl Driver {
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(super) fn new(
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
            last_media: u32::MAX,
            notes: Notes::start()?,
            quarantined: Quarantined::default(),
            started: 0,
            ended: None,
            restarts: BTreeMap::new(),
            recovery: Recovery::default(),
        };
        this.seats
            .push(Seat::new(this.moment(), &this.settings.name));
        let initial = this.initial_for(&pipeline).map_err(|why| {
            Failure::usage("initial_params", format!("the initial parameters: {why}"))
        })?;
        let seat = &mut this.seats[0];
        seat.extras.show(&initial.params.given, &initial.hash);
        seat.worker = Some(worker);
        let flow = Flow::new(initial, this.now());
        let worker = Worker::start(worker, key, flow, &this.settings, this.owner.clone())?;
        this.workers.push(worker);
        this.publish();
        Ok(this)
    }

    pub(super) fn run(&mut self) -> Ended {
        // Waits for as long as infer runs.
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        if let Some(asked) = self.settings.stream.take() {
            self.start(asked, wall_ms(), AnswerBy::NEVER, reply);
            // Without parameters of its own it is answered at once.
            if let Ok(Err(why)) = answer.try_recv() {
                return Ended::Failed(Failure::usage("stream", why.to_string()));
            }
        }
        loop {
            if self.is_to_leave.swap(false, Ordering::Acquire) {
                self.leave();
            }
            self.updates();
            self.publish();
            if let Some(ended) = self.ended.take() {
                return ended;
            }
            if self.seating.is_over() {
                return Ended::Done;
            }
            self.wait();
        }
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

    /// Takes what has come, or waits for it until the next deadline.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn wait(&mut self) {
        let now = Instant::now();
        let own = |at: Duration| self.epoch + at;
        let mut next = now + LOOKS_EVERY;
        let children = self
            .workers
            .iter()
            .filter_map(|it| it.child.next_deadline());
        let streams = self.streams().filter_map(|it| it.media.next_deadline());
        let seats = self.seats.iter().map(|it| own(it.wake));
        let seating = self.place_by.map(own);
        for at in children.chain(streams).chain(seats).chain(seating) {
            next = next.min(at);
        }
        match self
            .incoming
            .recv_timeout(next.saturating_duration_since(now))
        {
            Ok(incoming) => {
                self.take(incoming);
                for _ in 1..BATCH {
                    let Ok(incoming) = self.incoming.try_recv() else {
                        break;
                    };
                    self.take(incoming);
                }
            }
            // The sender is a field of this.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.deadlines();
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> {
        let running = self.seats.iter().filter_map(|it| it.stream.as_ref());
        running.chain(&self.leaving)
    }

    fn streams_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
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

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Child(notice) => self.take_notice(notice),
            Incoming::Transport(number, news) => self.take_news(number, news),
            Incoming::Command(command) => self.take_command(command),
        }
        // A notice of one child comes before what follows from it for another.
        self.updates();
    }

    fn take_notice(&mut self, notice: Notice) {
        if let Some(worker) = self.workers.iter_mut().find(|it| it.id == notice.child) {
            worker.child.handle(notice);
        } else if let Some(stream) = self.streams_mut().find(|it| it.media_id == notice.child) {
            stream.media.handle(notice);
        }
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Start {
                asked,
                received_ms,
                by,
                reply,
            } => self.start(*asked, received_ms, by, reply),
            Command::Params {
                to,
                value,
                by,
                reply,
            } => {
                let answer = if by.is_past() {
                    Err(Refusal::Late)
                } else {
                    self.take_params(to, value)
                };
                // Whoever asked may have gone.
                reply.send(answer).ok();
            }
            Command::Stop { by, reply, .. } if by.is_past() => {
                reply.send(Err(Refusal::Late)).ok();
            }
            Command::Stop { number, reply, .. } => {
                // One that has left its seat ends already.
                if let Some(seat) = self.seat_of(number) {
                    self.end_stream(seat, "it was asked for");
                }
                reply.send(Ok(())).ok();
            }
            Command::Trouble(what) => self.trouble_of_newest(what),
            // The loop looks now.
            Command::Leave => {}
        }
    }

    /// Ends everything, in order.
    pub(super) fn leave(&mut self) {
        self.place(seating::Input::Leave);
    }

    fn updates(&mut self) {
        loop {
            if let Some((id, update)) = self
                .workers
                .iter_mut()
                .find_map(|it| Some((it.id, it.child.next_update()?)))
            {
                self.worker_update(id, update);
                continue;
            }
            let medias = self.streams_mut();
            let update = medias
                .filter_map(|it| Some((it.number, it.media.next_update()?)))
                .next();
            match update {
                Some((number, update)) => self.media_update(number, update),
                None => return,
            }
        }
    }

    fn deadlines(&mut self) {
        let now = self.now();
        for worker in &mut self.workers {
            worker.child.on_deadline();
            if worker.is_ready {
                worker.flow.well(now);
            }
        }
        for stream in self.streams_mut() {
            stream.media.on_deadline();
        }
        self.updates();
        for seat in 0..self.seats.len() {
            self.tell_worker_state(seat);
            if self.seats[seat].wake <= self.now() {
                self.guard(seat, Input::Deadline);
            }
        }
        if self.place_by.is_some_and(|at| at <= now) {
            self.place(seating::Input::Deadline);
        }
    }

    fn publish(&mut self) {
        let snapshot = super::view::snapshot(self);
        self.tell.send_replace(Arc::new(snapshot));
    }

    pub(super) fn all_streams(&self) -> impl Iterator<Item = (Option<&Seat>, &Stream)> {
        let running = self
            .seats
            .iter()
            .filter_map(|it| Some((Some(it), it.stream.as_ref()?)));
        running.chain(self.leaving.iter().map(|it| (None, it)))
    }
}

/// Numbers do not begin anew with infer: a name of a stream stands for one.
fn first_number() -> Number {
    RandomState::new().build_hasher().finish() % 1_000_000 * 1000
}
