//! The tracker: a machine over frames in order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    assignment::assign,
    cut::{Scene, Scenery},
    gate::{Fit, Round, fit},
    kinematics::{Moment, seconds_between},
    open::{Open, Sight},
    row::{Earlier, TrackFrame, TrackStep},
    settings::Settings,
    shift::shift,
};

/// Of the state's layout.
const VERSION: u32 = 1;

/// All that goes from one frame to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    version: u32,
    /// Of the next track that is confirmed; none once they are used up.
    next_id: Option<u32>,
    last: Option<Moment>,
    scenery: Scenery,
    /// In the order in which they began.
    open: Vec<Open>,
}

/// Follows the vehicles of one video.
///
/// The same frames give the same tracks, whether its state was stored between any two of them or not, and in whatever
/// order a frame's items come.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracker {
    settings: Settings,
    state: State,
}

/// A state that no tracker left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state of the tracker cannot be read ({0}): begin the video again without its checkpoint"
)]
pub struct StateError(String);

impl Tracker {
    /// At the beginning of a video.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State {
                version: VERSION,
                next_id: Some(1),
                last: None,
                scenery: Scenery::default(),
                open: Vec::new(),
            },
        }
    }

    /// As [`state`](Self::state) left it; null is the beginning.
    ///
    /// # Errors
    /// It is not a tracker's state, or one of another version.
    pub fn restore(settings: Settings, state: &Value) -> Result<Self, StateError> {
        if state.is_null() {
            return Ok(Self::new(settings));
        }
        let state = State::deserialize(state).map_err(|e| StateError(e.to_string()))?;
        if state.version != VERSION {
            let found = state.version;
            return Err(StateError(format!("version {found}, not {VERSION}")));
        }
        let is_sound = |it: &Open| it.is_sound(&settings);
        if state.open.len() > settings.max_open || !state.open.iter().all(is_sound) {
            return Err(StateError("a track in it is out of bounds".to_owned()));
        }
        Ok(Self { settings, state })
    }

    /// All that it knows, to be stored or sent. Its size is bounded by [`Settings::max_open`].
    #[must_use]
    pub fn state(&self) -> Value {
        // A state holds numbers, texts and lists, and nothing that JSON cannot say.
        serde_json::to_value(&self.state).unwrap_or(Value::Null)
    }

    /// Tracks that are open, tentative ones too.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state.open.len()
    }

    /// Takes the next frame. One that is not after the last frame changes nothing, and its items belong to no track.
    pub fn step(&mut self, frame: &TrackFrame) -> TrackStep {
        let mut step = TrackStep {
            tracks: vec![None; frame.items.len()],
            ..TrackStep::default()
        };
        let is_late = |last: Moment| last.frame_idx >= frame.frame_idx;
        if self.state.last.is_some_and(is_late) {
            return step;
        }
        let now = Moment::new(frame.frame_idx, frame.ts_ms);
        self.state.last = Some(now);
        let sights = self.sights(frame);
        let may_start = sights.iter().any(|it| it.may_start(&self.settings));
        let scenery = &mut self.state.scenery;
        match scenery.next(&frame.thumbnail, may_start, &self.settings.scene) {
            Scene::Same | Scene::Blank => {}
            Scene::Cut => {
                step.is_cut = true;
                self.suspend_all(&mut step);
            }
        }
        self.age(now, frame.fps, &mut step);
        let partners = self.associate(now, frame.fps, &sights);
        for (track, sight) in partners.iter().enumerate() {
            if let Some(sight) = *sight {
                let sight = &sights[sight];
                self.state.open[track].follow(now, sight, frame.fps, &self.settings);
            }
        }
        self.suspend_hidden(now, &sights);
        self.begin(now, &sights, &partners, &mut step);
        self.tell(now, &mut step);
        step
    }

    /// The video is over: closes every track and names those that were confirmed.
    pub fn finish(&mut self) -> Vec<u32> {
        self.state.open.drain(..).filter_map(|it| it.id).collect()
    }

    /// The usable items in an order that does not depend on theirs.
    fn sights(&self, frame: &TrackFrame) -> Vec<Sight> {
        let items = frame.items.iter().enumerate();
        let mut all: Vec<Sight> = items
            .filter_map(|(i, it)| Sight::of(i, it, &self.settings))
            .collect();
        all.sort_by(|a, b| {
            let corners = |it: &Sight| <[f32; 4]>::from(it.car);
            let boxes = corners(a).into_iter().zip(corners(b));
            let mut by_box = boxes.map(|(x, y)| x.total_cmp(&y));
            b.conf
                .total_cmp(&a.conf)
                .then(by_box.find(|it| it.is_ne()).unwrap_or(a.item.cmp(&b.item)))
        });
        all.truncate(self.settings.max_items);
        all
    }

    /// After a cut only a reading can say that a vehicle is the same: tracks without any are over.
    fn suspend_all(&mut self, step: &mut TrackStep) {
        for it in &mut self.state.open {
            it.is_suspended = true;
        }
        self.close_where(step, |it| !it.memory.is_strong());
    }

    /// Closes what was not seen for too long.
    fn age(&mut self, now: Moment, fps: f64, step: &mut TrackStep) {
        let (lost, gone) = (self.settings.lost_s, self.settings.rejoin_s);
        let unseen = |it: &Open| seconds_between(it.last, now, fps);
        for it in &mut self.state.open {
            it.is_suspended |= unseen(it) > lost;
        }
        self.close_where(step, |it| {
            let limit = if it.memory.is_strong() {
                lost.max(gone)
            } else {
                lost
            };
            unseen(it) > limit
        });
    }

    fn close_where(&mut self, step: &mut TrackStep, is_over: impl Fn(&Open) -> bool) {
        let closed = self.state.open.extract_if(.., |it| is_over(it));
        step.closed.extend(closed.filter_map(|it| it.id));
    }

    /// The sight of each open track.
    fn associate(&self, now: Moment, fps: f64, sights: &[Sight]) -> Vec<Option<usize>> {
        let open = &self.state.open;
        let live: Vec<&Open> = open.iter().filter(|it| !it.is_suspended).collect();
        let shift = shift(&live, sights, &self.settings).unwrap_or_default();
        let fits: Vec<Vec<Option<Fit>>> = open
            .iter()
            .map(|track| {
                let drift = track.drift(now, fps, &self.settings);
                let of = |sight| fit(track, sight, drift, shift, &self.settings);
                sights.iter().map(of).collect()
            })
            .collect();
        let mut partners = vec![None; open.len()];
        let mut is_taken = vec![false; sights.len()];
        for round in Round::ALL {
            let scores: Vec<Vec<Option<f64>>> = open
                .iter()
                .enumerate()
                .map(|(t, track)| {
                    // Of two that fit alike, the one seen last is meant.
                    let unseen = seconds_between(track.last, now, fps);
                    let of = |(s, sight): (usize, &Sight)| {
                        if partners[t].is_some() || is_taken[s] {
                            return None;
                        }
                        let score = round.score(track, sight, fits[t][s], &self.settings)?;
                        Some(score / (1.0 + unseen))
                    };
                    sights.iter().enumerate().map(of).collect()
                })
                .collect();
            let found = assign(&scores);
            for (track, sight) in found.into_iter().enumerate() {
                if let Some(sight) = sight {
                    partners[track] = Some(sight);
                    is_taken[sight] = true;
                }
            }
        }
        partners
    }

    /// A track in whose place another plate is read is hidden: only its own plate brings it back.
    fn suspend_hidden(&mut self, now: Moment, sights: &[Sight]) {
        for track in &mut self.state.open {
            let hides = |sight: &Sight| {
                let seen = sight.seen.as_ref();
                let fit = fit(track, sight, [0.0; 2], [0.0; 2], &self.settings);
                seen.is_some_and(|it| track.memory.contradicts(it, &self.settings))
                    && fit.is_some_and(|it| it.iou >= self.settings.min_iou)
            };
            if track.last != now && sights.iter().any(hides) {
                track.is_suspended = true;
            }
        }
    }

    /// Begins tracks with what is left.
    fn begin(
        &mut self,
        now: Moment,
        sights: &[Sight],
        partners: &[Option<usize>],
        step: &mut TrackStep,
    ) {
        for (i, sight) in sights.iter().enumerate() {
            if partners.contains(&Some(i)) || !sight.may_start(&self.settings) {
                continue;
            }
            let open = &mut self.state.open;
            if open.len() >= self.settings.max_open {
                let seen = |it: &(usize, &Open)| (it.1.last.frame_idx, it.0);
                let Some((oldest, _)) = open.iter().enumerate().min_by_key(seen) else {
                    continue;
                };
                if open[oldest].last == now {
                    continue;
                }
                step.closed.extend(open.remove(oldest).id);
            }
            open.push(Open::begin(now, sight, &self.settings));
        }
    }

    /// Confirms what was seen often enough, and says what is known of this frame.
    fn tell(&mut self, now: Moment, step: &mut TrackStep) {
        for track in &mut self.state.open {
            if track.last != now {
                continue;
            }
            if track.is_due(&self.settings) {
                let Some(id) = self.state.next_id else {
                    track.waiting.clear();
                    continue;
                };
                self.state.next_id = id.checked_add(1);
                track.id = Some(id);
            }
            let Some(id) = track.id else { continue };
            for mut it in track.waiting.drain(..) {
                it.row.track_id = id;
                if it.row.frame_idx == now.frame_idx {
                    step.tracks[it.item] = Some(id);
                } else {
                    step.earlier.push(Earlier {
                        frame_idx: it.row.frame_idx,
                        item: it.item,
                        track_id: id,
                    });
                }
                step.rows.push(it.row);
            }
        }
    }
}
