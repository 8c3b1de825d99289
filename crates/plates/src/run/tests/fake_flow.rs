//! A flow with the shape of the real one and none of its judgement, that notes what it saw of each frame.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    rc::Rc,
};

use serde_json::{Map, json};

use crate::{
    bbox::BBox,
    category::Category,
    detection::{Plate, Thumbnail},
    flow::{
        Count, FlowOutput, FrameArrived, Key, NewTask, SourceEnd, SourceStatus, Taken, VideoEnd,
        VideoFlow, VideoStatus,
    },
    task::{Failure, FrameSlot, Output, Payload},
    track::{Item, TrackFrame},
};

/// Plates of a frame are looked for once all frames so far before it are settled.
const LAG: usize = 3;

/// What a flow saw, frame by frame; it outlives flow and run. A frame that is seen again must look the same.
pub(super) type Seen = Rc<RefCell<BTreeMap<u64, String>>>;

#[derive(Debug)]
pub(super) struct FakeFlow {
    video_id: String,
    seen: Seen,
    out: VecDeque<FlowOutput>,
    open: HashMap<Key, Role>,
    last_key: u64,
    frames: BTreeMap<u64, Frame>,
    /// Frames that are not settled, in order.
    order: VecDeque<u64>,
    is_tracking: bool,
    tracker: u64,
    end: Option<SourceEnd>,
    is_summing_up: bool,
    is_over: bool,
    wants_checkpoint: bool,
    last_settled: Option<u64>,
    writes: BTreeSet<Key>,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Detect(u64),
    Plates(u64, usize),
    Ocr(u64, usize),
    Track(u64),
    Write,
}

#[derive(Debug)]
struct Frame {
    slot: FrameSlot,
    /// None before the vehicles are known.
    vehicles: Option<Vec<BBox>>,
    is_planned: bool,
    branches: usize,
    notes: BTreeMap<usize, String>,
}

impl FakeFlow {
    pub(super) fn new(video_id: &str, seen: Seen, tracker: u64) -> Self {
        Self {
            video_id: video_id.to_owned(),
            seen,
            out: VecDeque::new(),
            open: HashMap::new(),
            last_key: 0,
            frames: BTreeMap::new(),
            order: VecDeque::new(),
            is_tracking: false,
            tracker,
            end: None,
            is_summing_up: false,
            is_over: false,
            wants_checkpoint: false,
            last_settled: None,
            writes: BTreeSet::new(),
        }
    }

    fn spawn(&mut self, role: Role, category: Category, frame: Option<u64>, payload: Payload) {
        self.last_key += 1;
        let key = Key(self.last_key);
        self.open.insert(key, role);
        if matches!(role, Role::Write) {
            self.writes.insert(key);
        }
        let frame_idx = match role {
            Role::Detect(k) | Role::Plates(k, _) | Role::Ocr(k, _) | Role::Track(k) => Some(k),
            Role::Write => None,
        };
        let task = NewTask {
            category,
            priority: 0,
            video_id: self.video_id.clone(),
            frame_idx,
            track_id: None,
            frame: frame.map(|it| self.frames[&it].slot),
            payload,
            meta: Map::new(),
        };
        self.out.push_back(FlowOutput::Spawn { key, task });
    }

    fn go_on(&mut self) {
        for at in 0..self.order.len().min(LAG) {
            self.plan(self.order[at]);
        }
        let first = self.order.front().copied();
        if let Some(k) = first
            && !self.is_tracking
            && self
                .frames
                .get(&k)
                .is_some_and(|it| it.is_planned && it.branches == 0)
        {
            self.is_tracking = true;
            let vehicles = self.frames[&k].vehicles.clone().unwrap_or_default();
            let items = vehicles.into_iter().map(|car_bbox| Item {
                car_bbox,
                conf: 1.0,
                class: None,
                plate_bbox: None,
                plate_conf: 0.0,
                reading: None,
            });
            let frame = TrackFrame {
                frame_idx: k,
                ts_ms: None,
                fps: 30.0,
                size: [4, 2],
                thumbnail: Thumbnail::default(),
                items: items.collect(),
            };
            let payload = Payload::VehicleTrack {
                tracker: json!(self.tracker),
                frames: vec![frame],
                is_last: false,
            };
            self.spawn(Role::Track(k), Category::VehicleTrack, None, payload);
        }
        self.check_end();
    }

    fn plan(&mut self, k: u64) {
        let Some(frame) = self.frames.get_mut(&k) else {
            return;
        };
        let Some(vehicles) = frame.vehicles.clone().filter(|_| !frame.is_planned) else {
            return;
        };
        frame.is_planned = true;
        frame.branches = vehicles.len();
        for (n, car_bbox) in vehicles.into_iter().enumerate() {
            let payload = Payload::PlateDetect { car_bbox };
            self.spawn(Role::Plates(k, n), Category::PlateDetect, Some(k), payload);
        }
    }

    fn branch_ended(&mut self, k: u64, n: usize, note: String) {
        let frame = self.frames.get_mut(&k).unwrap();
        frame.branches -= 1;
        frame.notes.insert(n, note);
    }

    fn settle(&mut self, k: u64, note: &str) {
        assert_eq!(self.order.pop_front(), Some(k), "frames settle in order");
        self.is_tracking = false;
        let line = match self.frames.remove(&k) {
            Some(frame) => {
                self.out.push_back(FlowOutput::Release { frame_idx: k });
                format!("{:?} {note}", frame.notes)
            }
            None => note.to_owned(),
        };
        let mut seen = self.seen.borrow_mut();
        let before = seen.entry(k).or_insert_with(|| line.clone());
        assert_eq!(*before, line, "frame {k} of {}", self.video_id);
        drop(seen);
        self.out.push_back(FlowOutput::Counted {
            what: Count::Settled,
            by: 1,
        });
        self.last_settled = Some(k);
        let payload = Payload::FinalWrite {
            table: "track_motion".into(),
            records: vec![Map::new()],
        };
        self.spawn(Role::Write, Category::FinalWrite, None, payload);
    }

    fn save(&mut self) {
        if self.wants_checkpoint
            && self.writes.is_empty()
            && let Some(frame_idx) = self.last_settled
        {
            self.wants_checkpoint = false;
            let state = json!(self.tracker);
            self.out
                .push_back(FlowOutput::Checkpoint { frame_idx, state });
        }
    }

    fn check_end(&mut self) {
        self.save();
        let Some(end) = self.end.clone() else {
            return;
        };
        if !self.order.is_empty() || !self.open.is_empty() || self.is_over {
            return;
        }
        if end.status == SourceStatus::Stopped {
            self.wants_checkpoint = true;
            self.save();
        } else if !self.is_summing_up {
            self.is_summing_up = true;
            let payload = Payload::FinalWrite {
                table: "videos".into(),
                records: vec![Map::new()],
            };
            return self.spawn(Role::Write, Category::FinalWrite, None, payload);
        }
        self.is_over = true;
        self.out.push_back(FlowOutput::Finished(VideoEnd {
            status: match end.status {
                SourceStatus::Complete => VideoStatus::Complete,
                SourceStatus::Partial => VideoStatus::Partial,
                SourceStatus::Failed => VideoStatus::Failed,
                SourceStatus::Stopped => VideoStatus::Stopped,
            },
            reason: end.reason,
            frames: end.decoded,
            tracks: 0,
            plates: 0,
        }));
    }
}

impl VideoFlow for FakeFlow {
    fn opened(&mut self, _: Taken) {}

    fn spent(&mut self, _: Category, _: u64) {}

    fn frame(&mut self, frame: FrameArrived) {
        assert!(self.end.is_none() && !self.is_over);
        let k = frame.frame_idx;
        assert!(self.order.back().is_none_or(|last| *last < k), "in order");
        assert!(self.last_settled.is_none_or(|last| last < k), "in order");
        self.order.push_back(k);
        let it = Frame {
            slot: frame.slot,
            vehicles: None,
            is_planned: false,
            branches: 0,
            notes: BTreeMap::new(),
        };
        self.frames.insert(k, it);
        let payload = Payload::VehicleDetect;
        self.spawn(Role::Detect(k), Category::VehicleDetect, Some(k), payload);
    }

    fn lost(&mut self, frame_idx: u64) {
        assert!(self.order.back().is_none_or(|last| *last < frame_idx));
        self.seen.borrow_mut().insert(frame_idx, "lost".into());
    }

    fn done(&mut self, key: Key, outcome: Result<Output, Failure>) {
        let role = self.open.remove(&key).expect("each task is done once");
        match (role, outcome) {
            (Role::Detect(k), Ok(Output::VehicleDetect(found))) => {
                let boxes = found.vehicles.iter().map(|it| it.bbox).collect();
                self.frames.get_mut(&k).unwrap().vehicles = Some(boxes);
            }
            (Role::Detect(k), Err(_)) => {
                let frame = self.frames.get_mut(&k).unwrap();
                frame.vehicles = Some(Vec::new());
                frame.notes.insert(usize::MAX, "not detected".into());
            }
            (Role::Plates(k, n), Ok(Output::PlateDetect { plates })) => match plates.first() {
                Some(plate) => {
                    let payload = ocr(self.frames[&k].vehicles.as_ref().unwrap()[n], plate.clone());
                    self.spawn(Role::Ocr(k, n), Category::Ocr, Some(k), payload);
                }
                None => self.branch_ended(k, n, "no plate".into()),
            },
            (Role::Ocr(k, n), Ok(Output::Ocr(reading))) => self.branch_ended(k, n, reading.text),
            (Role::Plates(k, n) | Role::Ocr(k, n), Err(_)) => {
                self.branch_ended(k, n, "failed".into());
            }
            (Role::Track(k), Ok(Output::VehicleTrack { tracker, .. })) => {
                self.tracker = tracker.as_u64().unwrap();
                self.settle(k, &format!("tracker {}", self.tracker));
            }
            (Role::Track(k), Err(_)) => self.settle(k, "not tracked"),
            (Role::Write, _) => drop(self.writes.remove(&key)),
            (role, outcome) => panic!("{role:?} is answered with {outcome:?}"),
        }
        self.go_on();
    }

    fn ended(&mut self, end: SourceEnd) {
        assert!(self.end.is_none(), "told once");
        self.end = Some(end);
        self.check_end();
    }

    fn want_checkpoint(&mut self) {
        self.wants_checkpoint = true;
        self.save();
    }

    fn next(&mut self) -> Option<FlowOutput> {
        self.out.pop_front()
    }
}

fn ocr(car_bbox: BBox, plate: Plate) -> Payload {
    Payload::Ocr {
        car_bbox,
        plate,
        keep_crop: false,
        cleaned: None,
    }
}
