//! What a worker does with what the queue hands it. Pure.

use std::time::Duration;

use super::{End, Item, ItemError, Note, State};

/// Between two tries of an item that a machine cannot do.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What to do with a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Duty {
    /// Read it.
    Work(Item),
    /// It is over already: only its acknowledgement was lost.
    Over,
    /// Set it aside, with the reason.
    Bury(Option<Item>, String),
}

/// What became of an item in a worker's hands.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is over, and its rows are in the database.
    Over(End, Option<String>),
    /// The worker was told to stop: another one goes on.
    Stopped,
    /// This machine cannot do it; another one may.
    Unable(String),
    /// It is no work of ours, anywhere.
    Hostile(String),
    /// Another worker has it by now.
    Lost,
}

/// What is told to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done: gone from the queue.
    Ack,
    /// Hand it out again, after a while.
    Back(Duration),
    /// Never hand it out again.
    Bury,
    /// Say nothing: the lease is another one's.
    Nothing,
}

/// What to do with bytes that were handed out for the `delivery`-th time (from 1), when the last word on the item is `noted`.
///
/// A worker that died at it counts as a try; one that was told to stop does not.
#[must_use]
pub fn duty(
    bytes: &[u8],
    subject_key: &str,
    delivery: u64,
    noted: Option<&Note>,
    most: u64,
) -> Duty {
    let item = match Item::parsed(bytes) {
        Ok(it) => it,
        Err(error @ (ItemError::Form(_) | ItemError::TooLarge(_) | ItemError::Version(_))) => {
            return Duty::Bury(None, error.to_string());
        }
    };
    if item.key().as_str() != subject_key {
        return Duty::Bury(None, "its subject is another item's".into());
    }
    let noted = noted.filter(|it| it.round == item.round);
    if noted.is_some_and(|it| matches!(it.state, State::Over(_))) {
        return Duty::Over;
    }
    // A note cannot excuse more deliveries than there were.
    let excused = noted
        .map_or(0, |it| it.excused)
        .min(delivery - delivery.min(1));
    if delivery - excused > most {
        let last = noted.and_then(|it| it.reason.clone());
        let why = last.unwrap_or_else(|| "the workers that had it are gone".into());
        return Duty::Bury(Some(item), format!("{most} tries did not end it: {why}"));
    }
    Duty::Work(item)
}

/// What the queue and the note say of an outcome. `note` is the last one of this delivery.
#[must_use]
pub fn settled(note: &Note, outcome: &Outcome) -> (Answer, Option<Note>) {
    let of = |state, reason: Option<&String>| Note {
        state,
        reason: reason.cloned(),
        ..note.clone()
    };
    match outcome {
        Outcome::Over(end, reason) => (Answer::Ack, Some(of(State::Over(*end), reason.as_ref()))),
        Outcome::Stopped => {
            let excused = note.excused + 1;
            let told = Note {
                excused,
                ..of(State::Queued, None)
            };
            (Answer::Back(Duration::ZERO), Some(told))
        }
        Outcome::Unable(why) => {
            let again = wait(note.delivery);
            (Answer::Back(again), Some(of(State::Queued, Some(why))))
        }
        Outcome::Hostile(why) => (Answer::Bury, Some(of(State::Over(End::Dead), Some(why)))),
        Outcome::Lost => (Answer::Nothing, None),
    }
}

/// Doubles from try to try up to a minute.
fn wait(delivery: u64) -> Duration {
    let doublings = u32::try_from(delivery.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 1_u32.checked_shl(doublings.min(16)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
}

/// Whether another worker has the item by now: a note of a later delivery, or of a later round.
#[must_use]
pub fn is_lost(own: &Note, noted: &Note) -> bool {
    (noted.round, noted.delivery) > (own.round, own.delivery)
}
