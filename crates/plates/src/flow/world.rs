//! A road without pixels: vehicles that drive as scripted, and stages that see them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    FileTimes, Flow, FlowOutput, FlowSettings, FrameArrived, Key, NewTask, SourceEnd, SourceStatus,
    VehicleEvent, VideoEnd, VideoFacts, VideoFlow,
};
use crate::{
    bbox::BBox,
    detection::{Cleaned, Plate, Reading, Thumbnail, Vehicle, VehicleClass, Vehicles},
    picture::Region,
    task::{Failure, FrameSlot, Output, Payload, Refused},
    track, vote,
};

/// 2026-11-22T12:00:00Z.
pub(super) const BEGUN_MS: i64 = 1_795_348_800_000;
pub(super) const SIZE: [u32; 2] = [1280, 720];

/// A vehicle that is seen from frame `from` to frame `to`, going from one box to another.
#[derive(Clone, Debug)]
pub(super) struct Car {
    pub text: &'static str,
    pub from: u64,
    pub to: u64,
    pub boxes: [[f32; 4]; 2],
    /// Of readings that are right, 0 to 1; the others have one wrong character and little confidence.
    pub clear: f64,
    /// No detector finds the vehicle, only its plate.
    pub is_hidden: bool,
    /// The detector finds it twice, as it does with what may be a car or a truck.
    pub is_double: bool,
}

impl Car {
    pub(super) fn new(text: &'static str, from: u64, to: u64, boxes: [[f32; 4]; 2]) -> Self {
        Self {
            text,
            from,
            to,
            boxes,
            clear: 0.8,
            is_hidden: false,
            is_double: false,
        }
    }

    fn bbox(&self, frame: u64) -> Option<BBox> {
        if frame < self.from || frame > self.to {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "short videos")]
        let share = (frame - self.from) as f32 / (self.to - self.from).max(1) as f32;
        let [a, b] = self.boxes;
        let at: [f32; 4] = std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share);
        BBox::from(at).clipped(&BBox::whole(SIZE[0], SIZE[1]))
    }

    fn plate(&self, frame: u64) -> Option<BBox> {
        let car = self.bbox(frame)?;
        let [x, _] = car.centre();
        let (half, y) = (car.width() * 0.15, car.y1 + car.height() * 0.75);
        Some(BBox::from([
            x - half,
            y - half * 0.3,
            x + half,
            y + half * 0.3,
        ]))
    }
}

/// A road.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub cars: Vec<Car>,
    pub frames: u64,
    /// The first frame of each further scene.
    pub cuts: Vec<u64>,
    /// Frames of which every detection fails for good.
    pub poison: Vec<u64>,
    /// Frames that never come.
    pub lost: Vec<u64>,
    /// The tracker is blind to readings: what it mixes is the vote's to tell apart.
    pub is_tracker_blind: bool,
    /// The container says no times.
    pub is_untimed: bool,
    /// The table of which the store takes no row.
    pub refused: Option<&'static str>,
    /// Plates cannot be read as they are.
    pub is_noisy: bool,
    /// What comes of making plates clean.
    pub cleans: Cleans,
}

/// What comes of making plates clean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cleans {
    /// They are clean.
    #[default]
    All,
    /// No pixel is there.
    Nothing,
    /// It fails for good.
    Fails,
}

/// A number that depends on its parts alone, 0 to 1.
fn chance(parts: [u64; 3]) -> f64 {
    let mut it = 0x9e37_79b9_7f4a_7c15u64;
    for part in parts {
        it = (it ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it ^= it >> 29;
    }
    #[expect(clippy::cast_precision_loss, reason = "53 bits are enough")]
    let it = (it >> 11) as f64;
    it / 9_007_199_254_740_992.0
}

/// What stands for a part of a frame that was made clean.
fn cleaned(frame: u64, part: &BBox) -> Cleaned {
    let region = Region::within(part, SIZE[0], SIZE[1]).unwrap();
    let rgb = format!("frame {frame}: {region:?}");
    Cleaned { region, rgb }
}

impl World {
    fn thumbnail(&self, frame: u64) -> Thumbnail {
        let scene = self.cuts.iter().filter(|it| **it <= frame).count();
        let area = |i: usize| u8::try_from((i * (7 + scene * 31)) % 200).unwrap();
        Thumbnail((0..144).map(area).collect())
    }

    fn vehicles(&self, frame: u64) -> Vehicles {
        let shown = self.cars.iter().filter(|it| !it.is_hidden);
        let mut vehicles = Vec::new();
        for car in shown {
            let Some(bbox) = car.bbox(frame) else {
                continue;
            };
            vehicles.push(Vehicle {
                bbox,
                conf: 0.8,
                class: VehicleClass::Car,
            });
            if car.is_double {
                // Now the one, now the other is a little surer.
                let more = if frame.is_multiple_of(8) { 0.1 } else { -0.1 };
                let wider = BBox::from([bbox.x1 - 30.0, bbox.y1 - 60.0, bbox.x2 + 30.0, bbox.y2]);
                vehicles.push(Vehicle {
                    bbox: wider,
                    conf: 0.8 + more,
                    class: VehicleClass::Truck,
                });
            }
        }
        Vehicles {
            vehicles,
            thumbnail: self.thumbnail(frame),
        }
    }

    fn plates(&self, frame: u64, region: &BBox) -> Vec<Plate> {
        let plates = self.cars.iter().filter_map(|it| it.plate(frame));
        let inside = plates.filter(|it| {
            let [x, y] = it.centre();
            it.width() >= 15.0 && x > region.x1 && x < region.x2 && y > region.y1 && y < region.y2
        });
        let plates = inside.map(|it| Plate {
            bbox: it.moved(-region.x1, -region.y1),
            conf: 0.7,
            corners: None,
            lines: 1,
        });
        plates.collect()
    }

    fn read(&self, frame: u64, region: &BBox, plate: &Plate, keep_crop: bool) -> Reading {
        let bbox = plate.bbox.moved(region.x1, region.y1);
        let iou = |it: &Car| it.plate(frame).map_or(0.0, |it| it.iou(&bbox));
        let cars = self.cars.iter().enumerate();
        let Some((i, car)) = cars.max_by(|a, b| iou(a.1).total_cmp(&iou(b.1))) else {
            return Reading::default();
        };
        let mut text = car.text.to_owned();
        let luck = chance([frame, i as u64, 1]);
        let is_clear = luck < car.clear;
        if !is_clear {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small"
            )]
            let at = (chance([frame, i as u64, 2]) * text.len() as f64) as usize;
            text.replace_range(at..=at, "X");
        }
        let conf = if is_clear { 0.95 } else { 0.3 };
        let crop = keep_crop.then(|| format!("crop of {} in {frame}", car.text));
        Reading {
            chars: vec![conf; text.len()],
            text,
            conf,
            sharpness: 100.0,
            crop,
        }
    }

    fn does(&self, task: &NewTask, store: &mut Store) -> Result<Output, Failure> {
        let failure = |reason: String| Failure {
            reason,
            is_transient: false,
        };
        let frame = task.frame_idx.unwrap_or_default();
        let is_pixel = task.frame.is_some();
        if is_pixel && self.poison.contains(&frame) {
            return Err(failure("poison".to_owned()));
        }
        Ok(match &task.payload {
            Payload::VehicleDetect => Output::VehicleDetect(self.vehicles(frame)),
            Payload::Look => Output::VehicleDetect(Vehicles {
                vehicles: Vec::new(),
                thumbnail: self.thumbnail(frame),
            }),
            Payload::PlateDetect { car_bbox } => Output::PlateDetect {
                plates: self.plates(frame, car_bbox),
            },
            Payload::PlateDenoise { crop_bbox, .. } => match self.cleans {
                Cleans::All => Output::PlateDenoise {
                    cleaned: Some(cleaned(frame, crop_bbox)),
                },
                Cleans::Nothing => Output::PlateDenoise { cleaned: None },
                Cleans::Fails => return Err(failure("it does not get clean".to_owned())),
            },
            Payload::Ocr { cleaned: None, .. } if self.is_noisy => Output::Ocr(Reading::default()),
            Payload::Ocr {
                car_bbox,
                plate,
                keep_crop,
                cleaned: made,
            } => {
                if let Some(it) = made {
                    let inside = plate.bbox.moved(car_bbox.x1, car_bbox.y1);
                    assert_eq!(inside.clipped(&it.region.bbox()), Some(inside));
                    assert_eq!(*it, cleaned(frame, &it.region.bbox()), "it is this plate's");
                }
                Output::Ocr(self.read(frame, car_bbox, plate, *keep_crop))
            }
            it @ Payload::VehicleTrack { .. } => {
                let mut settings = track::Settings::default();
                if self.is_tracker_blind {
                    settings.conflict_edits = usize::MAX;
                }
                track::run(it, &settings).map_err(Failure::from)?
            }
            it @ Payload::PlateSmooth { .. } => {
                vote::run(it, &vote::Settings::default()).map_err(Failure::from)?
            }
            Payload::Summary { counts } => Output::Summary {
                record: counts.as_object().cloned().unwrap_or_default(),
            },
            Payload::FinalWrite { table, records } if self.refused == Some(table.as_str()) => {
                let refused = records.iter().map(|record| Refused {
                    table: table.clone(),
                    record: record.clone(),
                    reason: "not that one".to_owned(),
                });
                Output::FinalWrite {
                    written: 0,
                    refused: refused.collect(),
                }
            }
            Payload::FinalWrite { table, records } => {
                for record in records {
                    assert_eq!(
                        crate::store::fits(table, record),
                        Ok(()),
                        "{table}: {record:?}"
                    );
                    store.upsert(table, record);
                }
                Output::FinalWrite {
                    written: records.len() as u64,
                    refused: Vec::new(),
                }
            }
            Payload::Custom { .. } => return Err(failure("there is none".to_owned())),
        })
    }
}

/// What a database would hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Store(BTreeMap<(String, u64, u64), Map<String, Value>>);

impl Store {
    fn upsert(&mut self, table: &str, record: &Map<String, Value>) {
        let number = |name: &str| record.get(name).and_then(Value::as_u64).unwrap_or_default();
        let frame = if table == "track_motion" {
            number("frame_idx")
        } else {
            0
        };
        let key = (table.to_owned(), number("track_id"), frame);
        let mut record = record.clone();
        record.remove(crate::store::WHOLE);
        if record.contains_key(crate::store::WITHDRAWN) {
            self.0.remove(&key);
        } else {
            self.0.insert(key, record);
        }
    }

    pub(super) fn rows(&self, table: &str) -> Vec<&Map<String, Value>> {
        let all = self.0.iter();
        all.filter(|((of, ..), _)| of == table)
            .map(|(_, it)| it)
            .collect()
    }

    /// Plates with first and last frame of their vehicles, by text.
    pub(super) fn plates(&self) -> Vec<(String, u64, u64)> {
        let rows = self.rows("vehicles").into_iter();
        let number = |it: &Map<String, Value>, name: &str| it[name].as_u64().unwrap();
        let mut all: Vec<_> = rows
            .map(|it| {
                let text = it["final_plate"].as_str().unwrap().to_owned();
                (
                    text,
                    number(it, "first_frame_idx"),
                    number(it, "last_frame_idx"),
                )
            })
            .collect();
        all.sort();
        all
    }

    pub(super) fn summary(&self) -> &Map<String, Value> {
        self.rows("video_summary")[0]
    }
}

/// Random numbers that come out the same each time.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

pub(super) fn facts() -> VideoFacts {
    VideoFacts {
        video_id: "clip".into(),
        path: "/in/clip.mp4".into(),
        filename: "clip.mp4".into(),
        size_bytes: 1000,
        content_sha256: "c0ffee".into(),
        settings_hash: "5e77".into(),
        run_id: "run".into(),
        times: FileTimes {
            begun_ms: BEGUN_MS,
            modified_ms: None,
        },
    }
}

/// A run of one video in this world, one step at a time and in any order.
#[derive(Debug)]
pub(super) struct Run<'a> {
    world: &'a World,
    pub flow: Flow,
    pub store: Store,
    pub checkpoint: Option<(u64, Value)>,
    pub checkpoints: Vec<(u64, usize)>,
    pub end: Option<VideoEnd>,
    /// What was told of vehicles.
    pub events: Vec<VehicleEvent>,
    /// Tasks that are in hand at once.
    pub workers: usize,
    /// How many tasks there were, by category.
    pub tasks: BTreeMap<&'static str, u64>,
    open: Vec<(Key, NewTask)>,
    /// Frames whose slot is taken.
    held: Vec<u64>,
    next: u64,
    every: u64,
    is_ended: bool,
}

/// What every descendant of a frame carries (contract §4): names, and never pixels.
fn assert_carries(task: &NewTask) {
    assert_eq!(task.meta["video_path"], "/in/clip.mp4");
    assert_eq!(task.meta["video_filename"], "clip.mp4");
    if let Some(frame) = task.frame_idx {
        assert_eq!(task.meta["video_ts_frame"], frame);
    }
    if let (Some(_), Some(frame)) = (task.frame, task.frame_idx) {
        let reference = format!("clip:{frame}");
        assert_eq!(task.meta["payload_ref"], *reference);
        assert_eq!(task.meta["dependencies"], serde_json::json!([reference]));
    }
    let bytes = serde_json::to_string(&task.payload).unwrap().len();
    assert!(bytes < 256 << 10, "{} of {bytes} bytes", task.category);
}

/// Frames that the store holds at once.
const SLOTS: usize = 6;

impl<'a> Run<'a> {
    pub(super) fn new(world: &'a World, settings: &FlowSettings) -> Self {
        Self::of(
            world,
            Flow::new(facts(), settings.clone().into()),
            0,
            settings,
        )
    }

    pub(super) fn resume(
        world: &'a World,
        settings: &FlowSettings,
        checkpoint: &Value,
        store: Store,
    ) -> Self {
        let (flow, from) = Flow::resume(facts(), settings.clone().into(), checkpoint).unwrap();
        let mut it = Self::of(world, flow, from, settings);
        it.store = store;
        it.drain();
        it
    }

    /// One that is killed after so many steps, again and again, goes on from its last checkpoint each time, and is finished.
    /// What was stored and told stays. `begun` is done to each, when it begins.
    pub(super) fn killed(
        world: &'a World,
        settings: &FlowSettings,
        kills: Vec<usize>,
        dice: &mut Dice,
        begun: impl Fn(&mut Self),
    ) -> Self {
        let mut run = Self::new(world, settings);
        begun(&mut run);
        let mut last = None;
        for steps in kills {
            for _ in 0..steps {
                if run.end.is_none() {
                    run.step(dice);
                }
                if dice.below(15) == 0 {
                    run.flow.want_checkpoint();
                    run.step(dice);
                }
            }
            last = run.checkpoint.or(last);
            let (store, mut events) = (run.store, run.events);
            run = match &last {
                Some((_, state)) => Self::resume(world, settings, state, store),
                None => {
                    let mut fresh = Self::new(world, settings);
                    fresh.store = store;
                    fresh
                }
            };
            events.append(&mut run.events);
            run.events = events;
            begun(&mut run);
        }
        run.finish(dice)
    }

    fn of(world: &'a World, flow: Flow, from: u64, settings: &FlowSettings) -> Self {
        let every = u64::from(settings.every);
        Self {
            world,
            flow,
            store: Store::default(),
            checkpoint: None,
            checkpoints: Vec::new(),
            end: None,
            events: Vec::new(),
            workers: usize::MAX,
            tasks: BTreeMap::new(),
            open: Vec::new(),
            held: Vec::new(),
            next: from.next_multiple_of(every),
            every,
            is_ended: false,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.flow.next() {
            assert!(
                self.end.is_none(),
                "nothing is said after the end: {output:?}"
            );
            match output {
                FlowOutput::Spawn { key, task } => {
                    if task.frame.is_some() {
                        assert!(self.held.contains(&task.frame_idx.unwrap()), "{task:?}");
                    }
                    assert_carries(&task);
                    assert!(self.open.iter().all(|(it, _)| *it != key));
                    *self.tasks.entry(task.category.name()).or_default() += 1;
                    self.open.push((key, task));
                }
                FlowOutput::Release { frame_idx } => {
                    let at = self.held.iter().position(|it| *it == frame_idx);
                    self.held.remove(at.expect("a frame is released once"));
                }
                FlowOutput::Checkpoint { frame_idx, state } => {
                    self.checkpoints.push((frame_idx, state.to_string().len()));
                    self.checkpoint = Some((frame_idx, state));
                }
                FlowOutput::Vehicle(event) => self.events.push(*event),
                FlowOutput::Counted { .. } => {}
                FlowOutput::Finished(end) => {
                    assert!(self.open.is_empty() && self.held.is_empty());
                    self.end = Some(end);
                }
            }
        }
    }

    /// Delivers the next frame, or the end; false if there is none or no slot for it.
    fn deliver(&mut self, fps: f64) -> bool {
        if self.is_ended || self.held.len() >= SLOTS {
            return false;
        }
        let frame_idx = self.next;
        self.next += self.every;
        if frame_idx >= self.world.frames {
            self.stop(SourceStatus::Complete);
        } else if self.world.lost.contains(&frame_idx) {
            self.flow.lost(frame_idx);
        } else {
            self.held.push(frame_idx);
            #[expect(clippy::cast_precision_loss, reason = "short videos")]
            let ts_ms = (!self.world.is_untimed).then_some(frame_idx as f64 * 1000.0 / fps);
            let slot = FrameSlot {
                pool: 1,
                slot: u32::try_from(frame_idx % 64).unwrap(),
                width: SIZE[0],
                height: SIZE[1],
            };
            self.flow.frame(FrameArrived {
                frame_idx,
                ts_ms,
                fps: Some(fps),
                slot,
            });
        }
        self.drain();
        true
    }

    /// No frame comes any more.
    pub(super) fn stop(&mut self, status: SourceStatus) {
        self.is_ended = true;
        self.flow.ended(SourceEnd {
            status,
            reason: None,
            decoded: self.world.frames,
            failed: 0,
            fps: Some(25.0),
            duration_ms: None,
            size_bytes: None,
        });
        self.drain();
    }

    /// Does one thing of those that can be done; false if there is none.
    pub(super) fn step(&mut self, dice: &mut Dice) -> bool {
        let choice = dice.below(self.open.len() + 2);
        if choice >= self.open.len() && self.deliver(25.0) {
            return true;
        }
        if self.open.is_empty() {
            return false;
        }
        let at = dice.below(self.open.len().min(self.workers));
        if dice.below(10) == 0 {
            // A worker died: the task waits for another one.
            return true;
        }
        let (key, task) = self.open.remove(at);
        let outcome = self.world.does(&task, &mut self.store);
        if dice.below(20) == 0 && matches!(task.payload, Payload::FinalWrite { .. }) {
            // It died after it wrote, before it said so.
            self.open.push((key, task));
            return true;
        }
        self.flow.done(key, outcome);
        self.drain();
        true
    }

    /// Goes on until the flow says that the video is over.
    pub(super) fn finish(mut self, dice: &mut Dice) -> Self {
        while self.end.is_none() {
            assert!(
                self.step(dice),
                "the flow waits for nothing: {:?}",
                self.flow
            );
        }
        self
    }
}
