//! The flow of one video.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde_json::Value;

use super::{
    Count, FlowOutput, FrameArrived, Key, NewTask, SourceEnd, Taken, VideoFacts, VideoFlow,
    checkpoint::Settled,
    ending::Ending,
    frame::{Frame, Stage},
    ledger::Write,
    lineage::LineageId,
    plan::Planner,
    rows,
    settings::{FlowSettings, Mode},
    spawn,
    taken::WhenWhere,
    view::Moment,
    voting::{Vote, Voting},
};
use crate::{
    category::Category,
    detection::Thumbnail,
    task::{Failure, Output, Payload},
};

/// Frames a second of a video that does not say.
pub(super) const DEFAULT_FPS: f64 = 30.0;
/// Frames after which a checkpoint is wanted, whatever the time.
const CHECKPOINT_FRAMES: u64 = 250;

/// What a task is for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Job {
    Detect { frame_idx: u64 },
    Search { frame_idx: u64, search: usize },
    Clean { frame_idx: u64, read: usize },
    Read { frame_idx: u64, read: usize },
    Track { first: u64, frames: usize },
    LastTrack,
    Vote { lineage: LineageId },
    Write { write: Write },
    Summary,
}

/// The decisions about one video.
#[derive(Debug)]
pub struct Flow {
    pub(super) video: VideoFacts,
    pub(super) settings: Arc<FlowSettings>,
    /// All there is to know of frames that are settled.
    pub(super) settled: Settled,
    /// The tracker after the last settled frame is known: a checkpoint can be made.
    pub(super) is_exact: bool,
    /// Frames that arrived and are not settled, in order.
    pub(super) window: VecDeque<Frame>,
    /// After the last planned frame.
    pub(super) planner: Planner,
    /// After the last tracked frame.
    pub(super) tracker: Value,
    pub(super) is_tracking: bool,
    pub(super) voting: Option<Voting>,
    pub(super) ending: Ending,
    pub(super) end: Option<SourceEnd>,
    /// Vehicles have rows before they are over.
    pub(super) is_live: bool,
    /// Sampled frames that never came since the last one that did.
    pub(super) lost: u64,
    when_where: WhenWhere,
    jobs: BTreeMap<Key, Job>,
    next_key: u64,
    arrived: u64,
    last_arrived: Option<u64>,
    checkpointed: u64,
    is_checkpoint_wanted: bool,
    outputs: VecDeque<FlowOutput>,
}

impl Flow {
    /// A video from its beginning.
    #[must_use]
    pub fn new(video: VideoFacts, settings: Arc<FlowSettings>) -> Self {
        Self::of(video, settings, Settled::default())
    }

    /// Writes the row of a vehicle at its first stable plate, and again whenever that changes, instead of at its end alone. The
    /// rows in the end are the same.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    pub(super) fn of(
        mut video: VideoFacts,
        settings: Arc<FlowSettings>,
        mut settled: Settled,
    ) -> Self {
        let begun_ms = settled.begun_ms.get_or_insert(video.times.begun_ms);
        video.times.begun_ms = *begun_ms;
        Self {
            when_where: WhenWhere::new(&video.filename, video.times, Taken::default()),
            video,
            settings,
            is_exact: settled.last.is_some(),
            window: VecDeque::new(),
            planner: settled.planner.clone(),
            tracker: settled.tracker.clone(),
            is_tracking: false,
            voting: None,
            ending: Ending::Running,
            end: None,
            is_live: false,
            lost: 0,
            jobs: BTreeMap::new(),
            next_key: 0,
            arrived: settled.seq,
            last_arrived: settled.last.map(|it| it.frame_idx),
            checkpointed: settled.seq,
            is_checkpoint_wanted: false,
            outputs: VecDeque::new(),
            settled,
        }
    }

    pub(super) fn say(&mut self, output: FlowOutput) {
        self.outputs.push_back(output);
    }

    pub(super) fn spawn(&mut self, job: Job, task: NewTask) -> Key {
        let key = Key(self.next_key);
        self.next_key += 1;
        self.jobs.insert(key, job);
        self.say(FlowOutput::Spawn { key, task });
        key
    }

    /// Spawns what needs no pixels and is of no frame.
    pub(super) fn spawn_plain(&mut self, job: Job, category: Category, payload: Payload) -> Key {
        let at = self.settled.last;
        let task = spawn::task(&self.video, at.as_ref(), None, category, payload);
        self.spawn(job, task)
    }

    pub(super) fn write(&mut self, writes: Vec<Write>) {
        for mut write in writes {
            if !self.falls_in(&mut write) {
                continue;
            }
            for row in &mut write.records {
                self.fill(&write.table, row);
            }
            let payload = Payload::FinalWrite {
                table: write.table.clone(),
                records: write.records.clone(),
            };
            self.spawn_plain(Job::Write { write }, Category::FinalWrite, payload);
        }
    }

    /// Workers write in any order: of one vehicle one row is under way at a time, and the newest waits for it. Says whether
    /// anything is left to write now.
    fn falls_in(&mut self, write: &mut Write) -> bool {
        if write.table != "vehicles" {
            return true;
        }
        let number = |it: &rows::Record| it.get("track_id")?.as_u64()?.try_into().ok();
        let of_vehicles = self.unwritten().filter(|it| it.table == "vehicles");
        let under_way: BTreeSet<u32> = of_vehicles
            .flat_map(|it| it.records.iter().filter_map(number))
            .collect();
        let behind = &mut self.settled.behind;
        write.records.retain(|row| match number(row) {
            Some(it) if under_way.contains(&it) => {
                behind.insert(it, row.clone());
                false
            }
            _ => true,
        });
        !write.records.is_empty()
    }

    /// Writes rows whose older ones are written.
    pub(super) fn write_behind(&mut self) {
        let records: Vec<_> = std::mem::take(&mut self.settled.behind)
            .into_values()
            .collect();
        if !records.is_empty() {
            let table = "vehicles".to_owned();
            self.write(vec![Write { table, records }]);
        }
    }

    /// Fills the time and the place of a row.
    pub(super) fn fill(&self, table: &str, row: &mut rows::Record) {
        rows::timed(row, self.settled.fps.unwrap_or(DEFAULT_FPS));
        self.when_where.fill(table, row);
    }

    /// Rows that no store has taken yet.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = &Write> {
        self.jobs.values().filter_map(|it| match it {
            Job::Write { write } => Some(write),
            _ => None,
        })
    }

    pub(super) fn frame_mut(&mut self, frame_idx: u64) -> Option<&mut Frame> {
        let at = (self.window).partition_point(|it| it.at.frame_idx < frame_idx);
        (self.window.get_mut(at)).filter(|it| it.at.frame_idx == frame_idx)
    }

    /// Makes a checkpoint where one is wanted and possible.
    pub(super) fn checkpoint(&mut self) {
        let Some(last) = self.settled.last else {
            return;
        };
        let is_due = self.is_checkpoint_wanted
            || last.frame_idx.saturating_sub(self.settled.checkpoint_frame) >= CHECKPOINT_FRAMES;
        let is_possible = self.is_exact && self.voting.is_none() && self.ending == Ending::Running;
        if !is_due || !is_possible || self.settled.seq == self.checkpointed {
            return;
        }
        self.is_checkpoint_wanted = false;
        self.checkpointed = self.settled.seq;
        self.settled.checkpoint_frame = last.frame_idx;
        let state = self.state();
        self.say(FlowOutput::Checkpoint {
            frame_idx: last.frame_idx,
            state,
        });
    }

    /// Makes a checkpoint, if there is anything new to keep.
    pub(super) fn checkpoint_now(&mut self) {
        self.is_checkpoint_wanted = true;
        self.checkpoint();
    }

    fn failed(&mut self, frame_idx: u64) {
        if let Some(frame) = self.frame_mut(frame_idx) {
            frame.counts.failed_tasks += 1;
        }
    }

    fn frame_done(&mut self, job: &Job, output: Option<Output>) {
        let settings = Arc::clone(&self.settings);
        let (Job::Detect { frame_idx }
        | Job::Search { frame_idx, .. }
        | Job::Clean { frame_idx, .. }
        | Job::Read { frame_idx, .. }) = *job
        else {
            return;
        };
        if output.is_none() {
            self.failed(frame_idx);
        }
        let Some(frame) = self.frame_mut(frame_idx) else {
            return;
        };
        match (job, output) {
            // In whole frames plates are searched whatever is known of vehicles.
            (Job::Detect { .. }, it) if settings.mode == Mode::Frame => {
                let thumbnail = match it {
                    Some(Output::VehicleDetect(it)) => it.thumbnail,
                    _ => Thumbnail::default(),
                };
                frame.looked(thumbnail);
            }
            (Job::Detect { .. }, Some(Output::VehicleDetect(it))) => frame.detected(Some(it)),
            (Job::Detect { .. }, _) => frame.detected(None),
            (Job::Search { search, .. }, output) => {
                let plates = match output {
                    Some(Output::PlateDetect { plates }) => Some(plates),
                    _ => None,
                };
                if frame.searched(*search, plates) {
                    frame.credit(&settings);
                    self.read_plates(frame_idx);
                }
            }
            (Job::Clean { read, .. }, output) => {
                let cleaned = match output {
                    Some(Output::PlateDenoise { cleaned }) => Some(cleaned),
                    _ => None,
                };
                self.cleaned(frame_idx, *read, cleaned);
            }
            (Job::Read { read, .. }, output) => {
                let reading = match output {
                    Some(Output::Ocr(reading)) => Some(reading),
                    _ => None,
                };
                frame.read(*read, reading);
            }
            _ => {}
        }
    }

    fn settle_done(&mut self, job: Job, output: Option<Output>) {
        let is_write = matches!(job, Job::Write { .. });
        if output.is_none() && !is_write {
            self.settled.counts.failed_tasks += 1;
        }
        match (job, output) {
            (Job::Track { first, frames }, Some(Output::VehicleTrack { tracker, steps })) => {
                self.tracked(first, frames, Some((tracker, steps)));
            }
            (Job::Track { first, frames }, _) => self.tracked(first, frames, None),
            (Job::LastTrack, Some(Output::VehicleTrack { steps, .. })) => self.last_tracked(&steps),
            (Job::LastTrack, _) => self.last_tracked(&[]),
            (
                Job::Vote { lineage },
                Some(Output::PlateSmooth {
                    r#final,
                    is_certain,
                    split_at,
                }),
            ) => {
                let vote = Vote {
                    plate: r#final,
                    is_certain,
                    split_at,
                };
                self.voted(lineage, vote);
            }
            (Job::Vote { lineage }, _) => self.voted(lineage, Vote::default()),
            (Job::Write { .. }, Some(Output::FinalWrite { refused, .. })) => {
                self.settled.counts.refused_rows += refused.len() as u64;
            }
            (Job::Write { write }, _) => {
                self.settled.counts.refused_rows += write.records.len() as u64;
            }
            (Job::Summary, Some(Output::Summary { record })) => self.summed_up(record),
            (Job::Summary, _) => self.summed_up(rows::Record::new()),
            _ => {}
        }
        if is_write {
            self.write_behind();
        }
    }

    /// Goes as far as it can be gone.
    pub(super) fn advance(&mut self) {
        while self.plan_next() || self.track_next() || self.settle_next() || self.end_next() {}
        self.checkpoint();
    }
}

/// A result of the wrong kind is none.
fn fits(job: &Job, output: &Output) -> bool {
    matches!(
        (job, output),
        (Job::Detect { .. }, Output::VehicleDetect(_))
            | (Job::Search { .. }, Output::PlateDetect { .. })
            | (Job::Clean { .. }, Output::PlateDenoise { .. })
            | (Job::Read { .. }, Output::Ocr(_))
            | (
                Job::Track { .. } | Job::LastTrack,
                Output::VehicleTrack { .. }
            )
            | (Job::Vote { .. }, Output::PlateSmooth { .. })
            | (Job::Write { .. }, Output::FinalWrite { .. })
            | (Job::Summary, Output::Summary { .. })
    )
}

impl VideoFlow for Flow {
    fn opened(&mut self, taken: Taken) {
        self.when_where = WhenWhere::new(&self.video.filename, self.video.times, taken);
    }

    fn spent(&mut self, category: Category, micros: u64) {
        let stage_us = &mut self.settled.stage_us;
        let it = stage_us.entry(category.name().to_owned()).or_default();
        *it = it.saturating_add(micros);
    }

    fn frame(&mut self, frame: FrameArrived) {
        let frame_idx = frame.frame_idx;
        let is_late = self.last_arrived.is_some_and(|it| frame_idx <= it);
        if is_late || self.end.is_some() {
            self.say(FlowOutput::Release { frame_idx });
            return;
        }
        if self.arrived == 0 {
            self.settled.fps = frame.fps.filter(|it| it.is_finite() && *it > 0.0);
            let row = rows::video(&self.video, &self.settled.counts, None);
            let table = "videos".to_owned();
            let records = vec![row];
            self.write(vec![Write { table, records }]);
        }
        self.count_gap(frame_idx);
        let at = Moment {
            frame_idx,
            ts_ms: frame.ts_ms.filter(|it| it.is_finite()),
            fps: self.settled.fps.unwrap_or(DEFAULT_FPS),
        };
        let mut it = Frame::new(at, self.arrived, frame.slot);
        it.counts.add(Count::Lost, std::mem::take(&mut self.lost));
        self.arrived += 1;
        let payload = if self.settings.mode == Mode::Frame {
            let skipped = Count::Skipped(Category::VehicleDetect, "frame_mode");
            it.counts.add(skipped, 1);
            Payload::Look
        } else {
            Payload::VehicleDetect
        };
        self.window.push_back(it);
        let (slot, category) = (Some(frame.slot), Category::VehicleDetect);
        let task = spawn::task(&self.video, Some(&at), slot, category, payload);
        self.spawn(Job::Detect { frame_idx }, task);
        self.advance();
    }

    fn lost(&mut self, frame_idx: u64) {
        if self.end.is_none() && self.last_arrived.is_none_or(|it| frame_idx > it) {
            self.count_gap(frame_idx);
            self.lost += 1;
        }
    }

    fn done(&mut self, key: Key, outcome: Result<Output, Failure>) {
        let Some(job) = self.jobs.remove(&key) else {
            return;
        };
        let output = outcome.ok().filter(|it| fits(&job, it));
        if matches!(
            job,
            Job::Detect { .. } | Job::Search { .. } | Job::Clean { .. } | Job::Read { .. }
        ) {
            self.frame_done(&job, output);
        } else {
            self.settle_done(job, output);
        }
        self.advance();
    }

    fn ended(&mut self, end: SourceEnd) {
        if self.end.is_none() {
            self.video.size_bytes = end.size_bytes.unwrap_or(self.video.size_bytes);
            self.end = Some(end);
            self.advance();
        }
    }

    fn want_checkpoint(&mut self) {
        self.checkpoint_now();
    }

    fn next(&mut self) -> Option<FlowOutput> {
        self.outputs.pop_front()
    }
}

impl Flow {
    /// Counts the sampled frames between the last one and this.
    fn count_gap(&mut self, frame_idx: u64) {
        let every = u64::from(self.settings.every.max(1));
        let passed = (self.last_arrived)
            .map_or(frame_idx / every, |it| (frame_idx - it).div_ceil(every) - 1);
        self.lost += passed;
        self.last_arrived = Some(frame_idx);
    }

    /// Plans the next frame, if its turn has come.
    fn plan_next(&mut self) -> bool {
        let lag = usize::try_from(self.settings.lag.max(1)).unwrap_or(usize::MAX);
        let mut turn = self.window.iter().take(lag).enumerate();
        let Some((i, frame)) =
            turn.find(|(_, it)| matches!(it.stage, Stage::Detecting | Stage::Detected))
        else {
            return false;
        };
        if frame.stage == Stage::Detecting || self.is_flooded() {
            return false;
        }
        let views = self.settled.view(lag, i);
        let size = [frame.slot.width, frame.slot.height];
        let planned = super::plan::Planned {
            at: frame.at,
            seq: frame.seq,
            size,
            vehicles: &frame.vehicles,
        };
        let plan = if frame.is_failed {
            self.planner.pass(planned)
        } else {
            self.planner.plan(planned, views, &self.settings)
        };
        let (at, slot) = (frame.at, frame.slot);
        let searches = plan.searches.clone();
        let frame = &mut self.window[i];
        frame.planned(plan, self.planner.clone());
        if searches.is_empty() {
            frame.credit(&self.settings);
            self.read_plates(at.frame_idx);
        }
        for (search, it) in searches.into_iter().enumerate() {
            let payload = Payload::PlateDetect {
                car_bbox: it.region,
            };
            let task = spawn::task(
                &self.video,
                Some(&at),
                Some(slot),
                Category::PlateDetect,
                payload,
            );
            let frame_idx = at.frame_idx;
            self.spawn(Job::Search { frame_idx, search }, task);
        }
        true
    }
}
