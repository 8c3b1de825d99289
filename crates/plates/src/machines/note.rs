//! What workers tell about items and about themselves.

use serde::{Deserialize, Serialize};

use super::{MOST_BYTES, item::VERSION};

/// A sentence in a note has so many characters.
const LONGEST: usize = 500;

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every frame was read.
    Complete,
    /// It is truncated or corrupt; what could be read is stored.
    Partial,
    /// The database had it already.
    Skipped,
    /// It could not be read.
    Failed,
    /// Set aside: no worker could do it, or it is no item.
    Dead,
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits; also when a worker gave it back.
    Queued,
    /// A worker has it.
    Working,
    /// It is over.
    Over(End),
}

/// How an item stands. The newest one of each item is kept in the queue's server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// [`VERSION`].
    pub v: u32,
    /// The item's.
    pub round: u32,
    /// Which delivery of the item it is about, from 1; 0 before the first one.
    pub delivery: u64,
    /// Deliveries that workers gave back because they were told to stop: they do not count as tries.
    #[serde(default)]
    pub excused: u64,
    /// Where it is.
    pub state: State,
    /// As shown to people.
    #[serde(default)]
    pub video_id: String,
    /// Which worker says so; empty for the submitter.
    #[serde(default)]
    pub worker: String,
    /// One sentence, where something is wrong.
    #[serde(default)]
    pub reason: Option<String>,
    /// Frames that are settled.
    #[serde(default)]
    pub frames: u64,
    /// Of these, as the container says it.
    #[serde(default)]
    pub of: Option<u64>,
    /// Vehicles with a final plate.
    #[serde(default)]
    pub plates: u64,
    /// Vehicles.
    #[serde(default)]
    pub tracks: u64,
    /// Frames a second.
    #[serde(default)]
    pub fps: f64,
    /// Tasks and rows of it that were set aside.
    #[serde(default)]
    pub dead_letters: u64,
}

impl Note {
    /// A new one without counts.
    #[must_use]
    pub fn new(round: u32, delivery: u64, state: State, video_id: &str) -> Self {
        Self {
            v: VERSION,
            round,
            delivery,
            excused: 0,
            state,
            video_id: video_id.to_owned(),
            worker: String::new(),
            reason: None,
            frames: 0,
            of: None,
            plates: 0,
            tracks: 0,
            fps: 0.0,
            dead_letters: 0,
        }
    }

    /// From bytes of the queue; none if they are no note of this version. Its texts are plain and bounded.
    #[must_use]
    pub fn parsed(bytes: &[u8]) -> Option<Self> {
        let mut it: Self = parsed(bytes, |it: &Self| it.v)?;
        it.video_id = plain(&it.video_id);
        it.worker = plain(&it.worker);
        it.reason = it.reason.as_deref().map(plain);
        it.fps = if it.fps.is_finite() { it.fps } else { 0.0 };
        Some(it)
    }

    /// As it is published.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let plain = Self {
            video_id: plain(&self.video_id),
            worker: plain(&self.worker),
            reason: self.reason.as_deref().map(plain),
            ..self.clone()
        };
        // Numbers and words always are JSON.
        serde_json::to_vec(&plain).unwrap_or_default()
    }

    /// Notes of one item in the order in which they hold: of two the greater one says how it stands, in whatever order they
    /// come. What is over stays over, until the next round.
    #[must_use]
    pub fn order(&self) -> (u32, bool, u64, u8) {
        let is_over = matches!(self.state, State::Over(_));
        let rank = match self.state {
            State::Queued if self.delivery > 0 => 1,
            _ => 0,
        };
        (self.round, is_over, self.delivery, rank)
    }
}

/// A worker tells that it is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// [`VERSION`].
    pub v: u32,
    /// Unique; may stand in a subject.
    pub worker: String,
    /// The machine's own name.
    #[serde(default)]
    pub host: String,
    /// Items that it does at once.
    #[serde(default)]
    pub slots: u32,
    /// Of these, at work.
    #[serde(default)]
    pub busy: u32,
    /// Items that it ended.
    #[serde(default)]
    pub done: u64,
    /// Unix seconds at which it said so.
    #[serde(default)]
    pub at: u64,
}

impl Presence {
    /// From bytes of the queue; none if they are none of this version.
    #[must_use]
    pub fn parsed(bytes: &[u8]) -> Option<Self> {
        let mut it: Self = parsed(bytes, |it: &Self| it.v)?;
        it.worker = plain(&it.worker);
        it.host = plain(&it.host);
        Some(it)
    }

    /// As it is published.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn parsed<'a, T: Deserialize<'a>>(bytes: &'a [u8], version: impl Fn(&T) -> u32) -> Option<T> {
    let bytes = Some(bytes).filter(|it| it.len() <= MOST_BYTES)?;
    let it = serde_json::from_slice(bytes).ok()?;
    (version(&it) == VERSION).then_some(it)
}

/// Bounded, and without what a terminal would obey.
fn plain(text: &str) -> String {
    let plain = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it });
    plain.take(LONGEST).collect()
}
