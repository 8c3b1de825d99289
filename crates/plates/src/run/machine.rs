//! The run machine itself: who is told what, and when.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    counters::Counters,
    crew::Crew,
    dead_letter::DeadLetter,
    end::Why,
    ending::Phase,
    event::Event,
    gate::{Gate, Load},
    ids::ReaderId,
    input::Input,
    output::Output,
    readers::Readers,
    settings::Settings,
    tasks::{Pressure, Tasks},
    videos::Videos,
};
use crate::{
    category::{Category, Class},
    flow::VideoFlow,
};

/// Dead letters that a snapshot shows.
const RECENT_LETTERS: usize = 100;
/// A category whose refusals were told is not told of again sooner.
const TELLS_EVERY: Duration = Duration::from_secs(1);

/// A run. See the [module](super).
#[derive(Debug)]
pub struct Machine<F> {
    pub(super) settings: Settings,
    pub(super) started: Duration,
    pub(super) phase: Phase,
    pub(super) why: Why,
    /// How often someone asked for an end.
    pub(super) stops: u32,
    pub(super) tasks: Tasks,
    pub(super) crew: Crew,
    pub(super) readers: Readers,
    pub(super) videos: Videos<F>,
    pub(super) gate: Gate,
    pub(super) counters: Counters,
    pub(super) recent_letters: VecDeque<DeadLetter>,
    /// Since when there is no memory for frames.
    pub(super) no_store: Option<Duration>,
    /// When refusals of a category were told; whether its recovery is to be told, too.
    pressures_told: BTreeMap<Category, (Duration, bool)>,
    out: VecDeque<Output>,
}

impl<F: VideoFlow> Machine<F> {
    /// A run over `videos`, named as shown to people, in the order in which they are to be read. `settings` are
    /// [checked](Settings::checked).
    #[must_use]
    pub fn new(settings: Settings, videos: Vec<String>, now: Duration) -> Self {
        let mut machine = Self {
            started: now,
            phase: Phase::Running,
            why: Why::Done,
            stops: 0,
            tasks: Tasks::new(settings.queue),
            crew: Crew::new(&settings, now),
            readers: Readers::default(),
            videos: Videos::new(videos),
            gate: Gate::default(),
            counters: Counters::default(),
            recent_letters: VecDeque::new(),
            no_store: None,
            pressures_told: BTreeMap::new(),
            out: VecDeque::new(),
            settings,
        };
        machine.settle(now);
        machine
    }

    /// Takes in what happened at `now`, which never goes back.
    pub fn handle(&mut self, now: Duration, input: Input<F>) {
        if self.phase == Phase::Finished {
            return;
        }
        match input {
            Input::Prepared { video, prepared } => self.prepared(now, video, prepared),
            Input::Reader { reader, said } => self.reader_said(now, reader, said),
            Input::Worker { worker, said } => self.worker_said(now, worker, said),
            Input::SchedulerGone => self.scheduler_gone(now),
            Input::Stop(signal) => self.asked_to_stop(now, signal),
            Input::Deadline => {}
        }
        self.settle(now);
    }

    /// What to do next; call until [`Output::WakeAt`] or [`Output::Idle`].
    pub fn poll(&mut self) -> Output {
        match (self.out.pop_front(), self.due()) {
            (Some(output), _) => output,
            (None, Some(at)) => Output::WakeAt(at),
            (None, None) => Output::Idle,
        }
    }

    /// Whether [`Output::Finished`] was said, or is about to be.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    pub(super) fn say(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(super) fn log(&mut self, event: Event) {
        self.out.push_back(Output::Log(event));
    }

    pub(super) fn odd(&mut self, what: String) {
        self.log(Event::Odd { what });
    }

    pub(super) fn letter(&mut self, letter: DeadLetter) {
        self.counters.dead_letters += 1;
        if self.recent_letters.len() == RECENT_LETTERS {
            self.recent_letters.pop_front();
        }
        self.recent_letters.push_back(letter.clone());
        self.say(Output::DeadLetter(letter));
    }

    /// Does everything that can be done now.
    fn settle(&mut self, now: Duration) {
        self.tasks.resume_delayed(now);
        self.look_at_workers(now);
        self.look_at_readers(now);
        self.ask_for_checkpoints(now);
        loop {
            let mut has_moved = self.begin_frames(now);
            has_moved |= self.end_sources(now);
            has_moved |= self.give(now);
            self.let_go(now);
            has_moved |= self.start_readers(now);
            has_moved |= self.advance(now);
            if !has_moved {
                break;
            }
        }
    }

    /// Looks at what waits, and tells of changes.
    pub(super) fn look_at_gate(&mut self, now: Duration) {
        let load = |class, limit| Load {
            class,
            count: self.tasks.waiting_of(class),
            limit,
        };
        let loads = [
            load(Class::Gpu, self.settings.max_gpu_backlog),
            load(Class::Cpu, self.settings.max_cpu_backlog),
        ];
        let mut told = Vec::new();
        let has_overflow = self.tasks.has_overflow();
        let shut_for = self
            .gate
            .look(now, loads, has_overflow, |event| told.push(event));
        if let Some(shut_for) = shut_for {
            for reader in self.readers.live.values_mut() {
                reader.paused += shut_for;
            }
        }
        told.into_iter().for_each(|event| self.log(event));
    }

    /// Hands on what the tasks let go of.
    fn let_go(&mut self, now: Duration) {
        for slot in std::mem::take(&mut self.tasks.freed) {
            let reader = ReaderId(slot.pool);
            if let Some(it) = self.readers.live.get_mut(&reader) {
                it.moved = now;
                self.say(Output::Free {
                    reader,
                    slot: slot.slot,
                });
            }
        }
        for reader in self.readers.take_unneeded_pools(&self.tasks.ledger) {
            self.drop_pool(reader);
        }
        for pressure in std::mem::take(&mut self.tasks.pressures) {
            self.tell_pressure(now, &pressure);
        }
    }

    pub(super) fn drop_pool(&mut self, reader: ReaderId) {
        let mut told = Vec::new();
        for (id, worker) in &mut self.crew.workers {
            if worker.pools.remove(&reader) {
                told.push(*id);
            }
        }
        for worker in told {
            self.say(Output::PoolGone { worker, reader });
        }
        self.say(Output::DropPool { reader });
    }

    fn tell_pressure(&mut self, now: Duration, pressure: &Pressure) {
        match *pressure {
            Pressure::Refused(category) => {
                let last = self.pressures_told.get(&category);
                let is_due = last.is_none_or(|(at, _)| now >= *at + TELLS_EVERY);
                if is_due {
                    self.pressures_told.insert(category, (now, true));
                    let limit = self.settings.queue.hard;
                    self.log(Event::PushRefused { category, limit });
                }
            }
            Pressure::Recovered(category) => {
                let told = self.pressures_told.get_mut(&category);
                if told.is_some_and(|(_, is_told)| std::mem::take(is_told)) {
                    self.log(Event::PushRecovered { category });
                }
            }
        }
    }

    /// When something is due although nothing happens.
    fn due(&self) -> Option<Duration> {
        let phase = self.phase.until();
        if self.phase == Phase::Finished {
            return None;
        }
        [
            phase,
            self.tasks.next_delayed(),
            self.workers_due(),
            self.readers_due(),
            self.videos_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
