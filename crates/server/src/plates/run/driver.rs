//! The loop of a run: what happened goes into [`Machine`], what it says is done. Everything that waits waits elsewhere.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use framerill_plates::{
    flow::VideoStatus,
    run::{self, Input, Machine, Output, Prepared, ReaderId, RunEnd, Signal, VideoNo},
};
use framerill_worker::message::ReaderPlan;

use super::{
    crew::{self, Crew, CrewEvent},
    inbox::{Inbox, Incoming},
    workdir::{self, WorkDir},
};
use crate::{
    exit::Exit,
    failure::Failure,
    plates::{
        inputs::{
            Video,
            prepare::{self, Flow, Looks},
        },
        log::{Level, Rotated, teller::Teller, voice::Voice},
        readers::{Readers, ReadersEvent, reader::Files},
        status::{
            board::Board,
            scheduler::Ask,
            shown::{Speed, shown},
            snapshot::Snapshot,
            watcher::{self, Watcher},
        },
    },
    signals::Told,
};

/// Notices taken before deadlines are looked at again.
const BATCH: usize = 256;
/// Between two looks at how the run stands.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Videos that wait for a look; the machine asks for a few ahead.
const LOOKS: usize = 1024;
const LOOKER_LEAVES: Duration = Duration::from_secs(5);
const SCHEDULER_LEAVES: Duration = Duration::from_secs(2);

/// What a run is made of, before it begins.
pub(in crate::plates) struct Plan {
    pub(in crate::plates) videos: Vec<Video>,
    pub(in crate::plates) settings: run::Settings,
    pub(in crate::plates) looks: Looks,
    pub(in crate::plates) crew: Vec<(run::WorkerId, crew::Job)>,
    pub(in crate::plates) every: u32,
    /// Bytes of frames of one reader.
    pub(in crate::plates) reader_bytes: u64,
    pub(in crate::plates) shows: bool,
    pub(in crate::plates) status_json: Option<std::path::PathBuf>,
    /// Sees each look; once it says no, the run stops, as by a signal.
    pub(in crate::plates) observer: Option<Observer>,
    pub(in crate::plates) board: Option<Board>,
    /// Hears what happens to vehicles.
    pub(in crate::plates) teller: Option<Teller>,
}

/// Looks at a run from outside and says whether it is to go on.
pub(in crate::plates) type Observer = Box<dyn FnMut(&Snapshot) -> bool + Send>;

/// A run at work.
pub(in crate::plates) struct Driver<'a> {
    machine: Machine<Flow>,
    videos: Vec<Video>,
    /// Each video's file while it is read, and its content.
    files: BTreeMap<VideoNo, (OwnedFd, String)>,
    looks: Arc<Looks>,
    looker: Looker,
    settings: run::Settings,
    every: u32,
    reader_bytes: u64,
    crew: Crew,
    readers: Readers,
    watcher: Option<Watcher>,
    incoming: Receiver<Incoming>,
    pending: VecDeque<Input<Flow>>,
    began: Instant,
    wake: Option<Duration>,
    status_at: Duration,
    speed: Speed,
    latest: Snapshot,
    status_json: Option<std::path::PathBuf>,
    observer: Option<Observer>,
    board: Option<Board>,
    teller: Option<Teller>,
    letters: Option<Rotated>,
    ended: Option<RunEnd>,
    cannot_start: Option<String>,
    work_dir: &'a WorkDir,
    voice: &'a mut Voice,
    /// Listens to signals for as long as it lives.
    _told: Told,
}

impl<'a> Driver<'a> {
    /// Starts every worker and the scheduler.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(in crate::plates) fn start(
        plan: Plan,
        inbox: Inbox,
        work_dir: &'a WorkDir,
        voice: &'a mut Voice,
    ) -> Result<Self, Failure> {
        let (owner, incoming, told) = inbox.begin();
        let mut crew = Crew::new(owner.clone());
        for (id, job) in plan.crew {
            crew.start(id, job)?;
        }
        let watcher = plan
            .shows
            .then(|| Watcher::start(owner.clone()))
            .transpose()?;
        let looks = Arc::new(plan.looks);
        let looker = look_elsewhere(Arc::clone(&looks), owner.clone())?;
        let ids = plan.videos.iter().map(|it| it.video_id.clone()).collect();
        Ok(Self {
            machine: Machine::new(plan.settings.clone(), ids, Duration::ZERO),
            videos: plan.videos,
            files: BTreeMap::new(),
            looks,
            looker,
            settings: plan.settings,
            every: plan.every,
            reader_bytes: plan.reader_bytes,
            crew,
            readers: Readers::new(owner.clone()),
            watcher,
            incoming,
            pending: VecDeque::new(),
            began: Instant::now(),
            wake: None,
            status_at: Duration::ZERO,
            speed: Speed::default(),
            latest: Snapshot::default(),
            status_json: plan.status_json,
            observer: plan.observer,
            board: plan.board,
            teller: plan.teller,
            letters: None,
            ended: None,
            cannot_start: None,
            work_dir,
            voice,
            _told: told,
        })
    }

    /// Runs to the end.
    pub(in crate::plates) fn run(mut self) -> Result<(RunEnd, Snapshot), Failure> {
        loop {
            self.events();
            self.advance();
            if let Some(why) = self.cannot_start.take() {
                return Err(Failure::cannot_start("load_failed", why));
            }
            self.look(self.ended.is_some());
            if let Some(end) = self.ended.take() {
                drop(self.looks);
                self.looker.end();
                return Ok((end, self.latest));
            }
            self.wait()?;
        }
    }

    /// Hands in what happened, and does what the machine says, until there is nothing more.
    fn advance(&mut self) {
        loop {
            let now = self.now();
            if let Some(input) = self.pending.pop_front() {
                self.machine.handle(now, input);
            } else if self.wake.is_some_and(|at| at <= now) {
                self.wake = None;
                self.machine.handle(now, Input::Deadline);
            }
            loop {
                match self.machine.poll() {
                    Output::WakeAt(at) => {
                        self.wake = Some(at);
                        break;
                    }
                    Output::Idle => {
                        self.wake = None;
                        break;
                    }
                    output => self.act(output),
                }
            }
            self.events();
            // What is due at once comes after what children say meanwhile.
            if self.pending.is_empty() {
                return;
            }
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Prepare { video } => self.prepare(video),
            Output::Read {
                reader,
                video,
                from,
                slots,
            } => self.read(reader, video, from, slots),
            Output::Free { reader, slot } => self.readers.release(reader, slot),
            Output::StopReader { reader } => self.readers.stop(reader),
            Output::KillReader { reader } => self.readers.kill(reader),
            Output::DropPool { reader } => self.readers.drop_pool(reader),
            Output::Pool { worker, reader } => {
                if let Some(it) = self.readers.pool(reader) {
                    self.crew.lend(worker, reader.0, it.geometry, &it.memory);
                }
            }
            Output::PoolGone { worker, reader } => {
                let gone = framerill_plates::link::ToWorker::PoolGone { pool: reader.0 };
                self.crew.tell_plain(worker, &gone);
            }
            Output::Give {
                worker,
                lease,
                category,
                tasks,
            } => self
                .crew
                .give(worker, &crew::tasks(lease, category, &tasks)),
            Output::Terminate { worker } => {
                self.crew
                    .terminate(worker, self.settings.timing.workers_leave);
            }
            Output::KillWorker { worker } => self.crew.kill(worker),
            Output::Checkpoint { video, state, .. } => {
                let content = self.files.get(&video).map(|(_, content)| content.clone());
                if let Some(content) = content
                    && let Err(error) = self.looks.keep(&content, &state)
                {
                    let line = format!("a checkpoint cannot be kept: {error}");
                    self.voice.say(Level::Warning, &line);
                }
            }
            Output::VideoEnded { video, end } => {
                if let Some((_, content)) = self.files.remove(&video)
                    && matches!(end.status, VideoStatus::Complete | VideoStatus::Partial)
                {
                    self.looks.drop_checkpoint(&content);
                }
                let url = self
                    .videos
                    .get(video.0 as usize)
                    .and_then(|it| it.url.as_ref());
                if let Some(url) = url.filter(|_| end.status != VideoStatus::Stopped) {
                    self.looks.downloads.finished(url);
                }
            }
            Output::Vehicle { event, .. } => {
                if let Some(teller) = &mut self.teller {
                    teller.tell(*event);
                    self.heed_teller();
                }
            }
            Output::DeadLetter(letter) => self.letter(&letter),
            Output::Log(event) => {
                let level = match event.level() {
                    run::Level::Info => Level::Info,
                    run::Level::Warn => Level::Warning,
                    run::Level::Error => Level::Error,
                };
                self.voice.say(level, &event.to_string());
            }
            Output::StopScheduler => match &mut self.watcher {
                Some(watcher) => watcher.stop(SCHEDULER_LEAVES),
                None => self.pending.push_back(Input::SchedulerGone),
            },
            Output::Finished(end) => self.ended = Some(end),
            Output::WakeAt(_) | Output::Idle => {}
        }
    }

    fn prepare(&mut self, video: VideoNo) {
        let found = self.videos.get(video.0 as usize).cloned();
        let is_asked = found.is_some_and(|it| self.looker.ask.try_send((video, it)).is_ok());
        if !is_asked {
            let prepared = Prepared::Failed("it cannot be looked at".into());
            self.pending.push_back(Input::Prepared { video, prepared });
        }
    }

    fn read(&mut self, reader: ReaderId, video: VideoNo, from: u64, slots: u32) {
        let name = self.videos.get(video.0 as usize);
        let name = name.map(|it| it.filename.clone()).unwrap_or_default();
        let file = self.files.get(&video).map(|(file, _)| file.try_clone());
        let local = self.videos.get(video.0 as usize);
        let local = local.filter(|it| it.url.is_none());
        let path = local.map(|it| it.path.clone());
        match file {
            Some(Ok(file)) => {
                let plan = ReaderPlan {
                    every: self.every,
                    from,
                    slots: slots.min(framerill_frames::MAX_SLOTS),
                    max_bytes: self.reader_bytes,
                    taken: true,
                    ..ReaderPlan::default()
                };
                let files = Files {
                    video: file,
                    beside: path.and_then(|it| prepare::beside(&it)),
                };
                self.readers.start(reader, &name, files, plan);
            }
            Some(Err(error)) => self.readers.fail(reader, &error.to_string()),
            None => self.readers.fail(reader, "the file is not open"),
        }
    }

    fn letter(&mut self, letter: &run::DeadLetter) {
        let line = serde_json::to_string(letter).unwrap_or_default();
        let opened = match self.letters.take() {
            Some(it) => Ok(it),
            None => Rotated::open(self.work_dir.path(), "dead-letters.jsonl"),
        };
        let written = opened.and_then(|mut it| {
            it.write(format!("{line}\n").as_bytes())?;
            Ok(it)
        });
        match written {
            Ok(it) => self.letters = Some(it),
            Err(error) => {
                let line = format!("a dead letter cannot be kept: {error}: {line}");
                self.voice.say(Level::Error, &line);
            }
        }
    }

    /// Takes what has come, or waits for it until something is due.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn wait(&mut self) -> Result<(), Failure> {
        let own = [self.wake, Some(self.status_at)].into_iter().flatten();
        let children = [
            self.crew.next_deadline(),
            self.readers.next_deadline(),
            self.watcher.as_ref().and_then(Watcher::next_deadline),
        ];
        let next = own
            .map(|at| self.began + at)
            .chain(children.into_iter().flatten());
        let wait = next.min().map_or(STATUS_EVERY, |at| {
            at.saturating_duration_since(Instant::now())
                .min(STATUS_EVERY)
        });
        match self.incoming.recv_timeout(wait) {
            Ok(first) => {
                self.take(first);
                for _ in 1..BATCH {
                    match self.incoming.try_recv() {
                        Ok(incoming) => self.take(incoming),
                        Err(_) => break,
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::failed("internal", "the children's channel closed"));
            }
        }
        self.crew.on_deadline();
        self.readers.on_deadline();
        if let Some(watcher) = &mut self.watcher {
            watcher.on_deadline();
        }
        Ok(())
    }

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Child(notice) if notice.child == watcher::CHILD => {
                if let Some(watcher) = &mut self.watcher {
                    watcher.handle(notice);
                }
            }
            Incoming::Child(notice) => {
                if let Some(notice) = self.crew.handle(notice) {
                    // One that is over may have had a last word.
                    drop(self.readers.handle(notice));
                }
            }
            Incoming::Frames(notice) => self.readers.frames(notice),
            Incoming::Work {
                worker,
                incarnation,
                said,
            } => self.crew.said(worker, incarnation, said),
            Incoming::Asked { incarnation, ask } => self.asked(incarnation, ask),
            Incoming::Line(level, line) => self.voice.say(level, &line),
            Incoming::Prepared { video, looked } => {
                let looked = *looked;
                for note in &looked.notes {
                    self.voice.say(Level::Info, note);
                }
                if let Some(it) = looked.file {
                    self.files.insert(video, it);
                }
                let prepared = looked.prepared;
                self.pending.push_back(Input::Prepared { video, prepared });
            }
            Incoming::Signal(exit) => {
                self.looks.downloads.stop();
                self.pending.push_back(Input::Stop(signal(exit)));
            }
        }
        self.events();
    }

    fn asked(&mut self, incarnation: u32, ask: Ask) {
        match ask {
            Ask::Snapshot => {
                self.refresh();
                if let Some(watcher) = &mut self.watcher {
                    watcher.answer(incarnation, &self.latest);
                }
            }
            Ask::Warn { message } => self.voice.component("scheduler", Level::Warning, &message),
            // The machine knows by itself when everything is done.
            Ask::Idle => self
                .voice
                .component("scheduler", Level::Info, "everything is idle"),
        }
    }

    /// What children said since the last look.
    fn events(&mut self) {
        while let Some(event) = self.crew.next_event() {
            match event {
                CrewEvent::Said(worker, said) => {
                    self.pending.push_back(Input::Worker { worker, said });
                }
                CrewEvent::Log(worker, level, line) => {
                    let component = format!("worker-{}", worker.0);
                    self.voice.component(&component, level, &line);
                }
                CrewEvent::CannotStart(why) => self.cannot_start = Some(why),
            }
        }
        while let Some(event) = self.readers.next_event() {
            match event {
                ReadersEvent::Said(reader, said) => {
                    self.pending.push_back(Input::Reader { reader, said });
                }
                ReadersEvent::Log(reader, level, line) => {
                    let line = format!("reader {}: {line}", reader.0);
                    self.voice.component("readers", level, &line);
                }
            }
        }
        if let Some(watcher) = &mut self.watcher {
            for line in watcher.take_lines() {
                self.voice.component("scheduler", Level::Warning, &line);
            }
            if watcher.is_over() {
                self.watcher = None;
                self.pending.push_back(Input::SchedulerGone);
            }
        }
    }

    fn heed_teller(&mut self) {
        if let Some(warning) = self.teller.as_mut().and_then(Teller::warning) {
            self.voice.say(Level::Warning, &warning);
        }
    }

    /// Writes how the run stands once a second, and at its end.
    fn look(&mut self, is_over: bool) {
        let now = self.now();
        if now < self.status_at && !is_over {
            return;
        }
        self.status_at = now + STATUS_EVERY;
        if let Some(teller) = &mut self.teller {
            if is_over {
                teller.finish();
            } else {
                teller.flush();
            }
            self.heed_teller();
        }
        self.refresh();
        let json = serde_json::to_vec(&self.latest).unwrap_or_default();
        // A disk that is full costs the look, not the run.
        drop(self.work_dir.write_status(&json));
        if let Some(path) = &self.status_json {
            drop(workdir::replace(path, &json));
        }
        if let Some(board) = &self.board {
            board.show(&self.latest);
        }
        if let Some(observer) = &mut self.observer
            && !observer(&self.latest)
            && !is_over
        {
            // A second stop would end what is begun at once.
            self.observer = None;
            let drain = self.settings.timing.drain.as_secs();
            let line = format!("the run is told to stop: what is begun has {drain} s");
            self.voice.say(Level::Warning, &line);
            self.looks.downloads.stop();
            self.pending.push_back(Input::Stop(Signal::Terminate));
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "driver: for people, not for decisions"
    )]
    fn refresh(&mut self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix = unix.unwrap_or_default().as_secs_f64();
        let snapshot = self.machine.snapshot(self.now());
        let told = self.teller.as_ref().map_or([0; 2], Teller::counts);
        let said = self.voice.newest();
        self.latest = shown(&snapshot, &mut self.speed, unix, said, told);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// The run machine's word for it.
pub(in crate::plates) fn signal(exit: Exit) -> Signal {
    match exit {
        Exit::Interrupted => Signal::Interrupt,
        _ => Signal::Terminate,
    }
}

/// The thread that looks at videos.
struct Looker {
    ask: SyncSender<(VideoNo, Video)>,
    /// Closed at its end.
    over: Receiver<()>,
}

impl Looker {
    /// Waits until it has let go of the database, unless it is in the middle of a large file.
    fn end(self) {
        drop(self.ask);
        // Nothing is ever sent: it is closed, or it takes too long.
        let _closed = self.over.recv_timeout(LOOKER_LEAVES);
    }
}

/// Looks at videos on a thread of its own, one after the other: of two with one content the first one is read.
fn look_elsewhere(looks: Arc<Looks>, owner: SyncSender<Incoming>) -> Result<Looker, Failure> {
    let (ask, asked) = sync_channel::<(VideoNo, Video)>(LOOKS);
    let (tell, over) = sync_channel::<()>(1);
    let look = move || {
        for (video, found) in asked {
            let tell = |level, line| drop(owner.send(Incoming::Line(level, line)));
            // Without an answer it is not begun.
            let Some(looked) = looks.look(&found, &tell) else {
                break;
            };
            let looked = Box::new(looked);
            if owner.send(Incoming::Prepared { video, looked }).is_err() {
                break;
            }
        }
        // The database is closed before the end is told.
        drop(looks);
        drop(tell);
    };
    let thread = thread::Builder::new().name("look".into());
    let started = thread.spawn(look);
    started
        .map(|_| Looker { ask, over })
        .map_err(|error| Failure::cannot_start("thread", format!("cannot start a thread: {error}")))
}
