//! What a submitter knows of its items. Pure.

use std::collections::BTreeMap;

use super::{End, Key, Note, State};

/// What is known of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// As shown to people.
    pub video_id: String,
    /// The last word on it; none while nobody said one.
    pub note: Option<Note>,
}

/// How many items are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They wait.
    pub queued: usize,
    /// Workers have them.
    pub working: usize,
    /// Complete, partial or done before.
    pub done: usize,
    /// Could not be read.
    pub failed: usize,
    /// Set aside.
    pub dead: usize,
}

impl Counts {
    /// Those that are over.
    #[must_use]
    pub fn over(&self) -> usize {
        self.done + self.failed + self.dead
    }
}

/// A submitter's items: queued, working, done, failed or dead.
#[derive(Clone, Debug, Default)]
pub struct Board {
    rows: BTreeMap<Key, Row>,
    /// The round in which each was submitted; notes of earlier ones are about the past.
    rounds: BTreeMap<Key, u32>,
}

impl Board {
    /// The round in which to submit an item of which `noted` is the last word: the same as long as it is not over, else the
    /// next one.
    #[must_use]
    pub fn round(noted: Option<&Note>) -> u32 {
        match noted {
            None => 0,
            Some(it) if matches!(it.state, State::Over(_)) => it.round.saturating_add(1),
            Some(it) => it.round,
        }
    }

    /// An item that was submitted, or that is over already.
    pub fn add(&mut self, key: Key, video_id: &str, round: u32, note: Option<Note>) {
        let row = Row {
            video_id: video_id.to_owned(),
            note: None,
        };
        self.rows.insert(key.clone(), row);
        self.rounds.insert(key.clone(), round);
        if let Some(note) = note {
            self.noted(&key, note);
        }
    }

    /// A worker says how an item stands. Says whether that is news of one of these items.
    pub fn noted(&mut self, key: &Key, note: Note) -> bool {
        let (Some(row), Some(round)) = (self.rows.get_mut(key), self.rounds.get(key)) else {
            return false;
        };
        let is_older = |known: &Note| note.order() < known.order();
        if note.round < *round || row.note.as_ref().is_some_and(is_older) {
            return false;
        }
        let is_news = row.note.as_ref() != Some(&note);
        row.note = Some(note);
        is_news
    }

    /// How many are where.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for row in self.rows.values() {
            let place = match row.note.as_ref().map(|it| it.state) {
                None | Some(State::Queued) => &mut counts.queued,
                Some(State::Working) => &mut counts.working,
                Some(State::Over(End::Failed)) => &mut counts.failed,
                Some(State::Over(End::Dead)) => &mut counts.dead,
                Some(State::Over(_)) => &mut counts.done,
            };
            *place += 1;
        }
        counts
    }

    /// Whether nothing is to be waited for.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.counts().over() == self.rows.len()
    }

    /// Whether all ended well; `strict` wants all frames of all videos.
    #[must_use]
    pub fn is_good(&self, strict: bool) -> bool {
        let is_good = |row: &Row| match &row.note {
            Some(note) => match note.state {
                State::Over(End::Complete | End::Skipped) => note.dead_letters == 0,
                State::Over(End::Partial) => !strict && note.dead_letters == 0,
                _ => false,
            },
            None => false,
        };
        self.rows.values().all(is_good)
    }

    /// All items, by key.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.rows.iter()
    }
}
