//! One track that is not over.

use serde::{Deserialize, Serialize};

use crate::{bbox::BBox, text::normalised};

use super::{
    kinematics::{Moment, Motion, seconds_between},
    memory::{Memory, Seen},
    row::{Item, MotionRow},
    settings::Settings,
};

/// Pixels from the origin that a box reaches at most.
const MAX_REACH: f32 = 1e6;

/// Whether a box can be reckoned with.
pub(super) fn is_sound(it: &BBox) -> bool {
    let all: [f32; 4] = (*it).into();
    all.iter().all(|v| v.abs() <= MAX_REACH) && it.area() > 0.0
}

/// A usable item of the current frame.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// Its place among the frame's items.
    pub(super) item: usize,
    /// The vehicle, or a box around the plate.
    pub(super) car: BBox,
    /// The plate.
    pub(super) plate: Option<BBox>,
    /// 0 to 1.
    pub(super) conf: f32,
    /// A vehicle was found, not only a plate.
    pub(super) is_vehicle: bool,
    /// What was read, if it is worth a look.
    pub(super) seen: Option<Seen>,
}

impl Sight {
    /// None for what has no sound box.
    pub(super) fn of(item: usize, it: &Item, settings: &Settings) -> Option<Self> {
        if !is_sound(&it.car_bbox) {
            return None;
        }
        let share = |v: f32| {
            if v.is_finite() {
                v.clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        let seen = it.reading.as_ref().map(|reading| Seen {
            text: normalised(&reading.text),
            conf: share(reading.conf),
        });
        Some(Self {
            item,
            car: it.car_bbox,
            plate: it.plate_bbox.filter(is_sound),
            conf: share(it.conf),
            is_vehicle: it.class.is_some(),
            seen: seen.filter(|seen| {
                seen.conf >= settings.weak_conf && seen.text.len() >= settings.min_len
            }),
        })
    }

    /// Sure enough to begin a track.
    pub(super) fn may_start(&self, settings: &Settings) -> bool {
        let is_read = |seen: &Seen| seen.conf >= settings.strong_conf;
        self.conf >= settings.start_conf || self.seen.as_ref().is_some_and(is_read)
    }
}

/// A row that waits for its track's confirmation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Without an id.
    pub(super) row: MotionRow,
    /// Which item of its frame.
    pub(super) item: usize,
}

/// A track that may go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    /// From 1; none while it is tentative.
    pub(super) id: Option<u32>,
    /// Last sight of the vehicle.
    pub(super) car: BBox,
    /// Last sight of the plate, carried along with the vehicle since.
    pub(super) plate: Option<BBox>,
    /// Last seen as a vehicle, not only as a plate.
    pub(super) is_vehicle: bool,
    /// Last sight.
    pub(super) last: Moment,
    /// Only an agreeing reading brings it back.
    pub(super) is_suspended: bool,
    /// Its readings.
    pub(super) memory: Memory,
    /// Pixels a second, for the prediction.
    velocity: [f64; 2],
    motion: Motion,
    hits: u32,
    pub(super) waiting: Vec<Waiting>,
}

impl Open {
    /// Begins with a first sight.
    pub(super) fn begin(at: Moment, sight: &Sight, settings: &Settings) -> Self {
        let (motion, row) = Motion::begin(at, sight.car, sight.conf);
        let mut it = Self {
            id: None,
            car: sight.car,
            plate: sight.plate,
            is_vehicle: sight.is_vehicle,
            last: at,
            is_suspended: false,
            memory: Memory::default(),
            velocity: [0.0; 2],
            motion,
            hits: 1,
            waiting: vec![Waiting {
                row,
                item: sight.item,
            }],
        };
        if let Some(seen) = &sight.seen {
            it.memory.note(seen, settings);
        }
        it
    }

    /// Goes on with a sight.
    pub(super) fn follow(&mut self, at: Moment, sight: &Sight, fps: f64, settings: &Settings) {
        let seconds = seconds_between(self.last, at, fps);
        let row = self.motion.next(at, sight.car, sight.conf, fps);
        let (from, to) = self.landmarks(sight);
        let raw = [0, 1].map(|i| (f64::from(to[i]) - f64::from(from[i])) / seconds);
        self.velocity = if self.hits == 1 {
            raw
        } else {
            [0, 1].map(|i| 0.5 * raw[i] + 0.5 * self.velocity[i])
        };
        self.plate = sight.plate.or_else(|| {
            let [dx, dy] = [0, 1].map(|i| to[i] - from[i]);
            self.plate.map(|it| it.moved(dx, dy)).filter(is_sound)
        });
        self.car = sight.car;
        self.is_vehicle = sight.is_vehicle;
        self.last = at;
        self.is_suspended = false;
        self.hits = self.hits.saturating_add(1);
        self.waiting.push(Waiting {
            row,
            item: sight.item,
        });
        if let Some(seen) = &sight.seen {
            self.memory.note(seen, settings);
        }
    }

    /// Where the same point was and is: the plate's middle where both know it, else the vehicle's.
    fn landmarks(&self, sight: &Sight) -> ([f32; 2], [f32; 2]) {
        match (self.plate, sight.plate) {
            (Some(from), Some(to)) => (from.centre(), to.centre()),
            _ => (self.car.centre(), sight.car.centre()),
        }
    }

    /// Seen often enough to count.
    pub(super) fn is_due(&self, settings: &Settings) -> bool {
        self.id.is_none() && self.hits >= settings.confirm_hits
    }

    /// How far it will have moved.
    pub(super) fn drift(&self, now: Moment, fps: f64, settings: &Settings) -> [f32; 2] {
        let seconds = seconds_between(self.last, now, fps).min(settings.lost_s);
        #[expect(clippy::cast_possible_truncation, reason = "pixels need no more")]
        self.velocity.map(|it| (it * seconds) as f32)
    }

    /// Nothing in it is larger than it may be, or no number.
    pub(super) fn is_sound(&self, settings: &Settings) -> bool {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        is_sound(&self.car)
            && self.plate.as_ref().is_none_or(is_sound)
            && self.memory.is_bounded()
            && waiting <= settings.confirm_hits
    }
}
