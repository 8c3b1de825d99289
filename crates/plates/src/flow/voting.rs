//! The votes that a frame asks for: of tracks with new readings, and of those that are over.

use std::collections::BTreeMap;

use super::{
    ending::Ending,
    ledger::Closing,
    lineage::{Lineage, LineageId},
    machine::{Flow, Job},
    rows::Sighting,
    turn::stamp,
};
use crate::{category::Category, task::Payload, vote::Final};

/// An open track is voted over from so many readings on.
const ENOUGH: u32 = 2;

/// What one vote came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vote {
    pub plate: Option<Final>,
    pub is_certain: bool,
    pub split_at: Option<u64>,
}

/// The votes of one frame.
#[derive(Debug, Default)]
pub(super) struct Voting {
    /// Tracks that are over.
    pub over: BTreeMap<LineageId, Lineage>,
    votes: BTreeMap<LineageId, Vote>,
    open: usize,
}

impl Voting {
    /// Takes a track that is over: its last vote is due.
    pub(super) fn close(&mut self, id: LineageId, mut lineage: Lineage) {
        lineage.is_dirty = true;
        self.over.insert(id, lineage);
    }
}

impl Flow {
    /// Asks for the votes that are due. Without any the frame is settled.
    pub(super) fn vote(&mut self) {
        let Some(voting) = &mut self.voting else {
            return;
        };
        let mut due = Vec::new();
        for (id, lineage) in &mut voting.over {
            if std::mem::take(&mut lineage.is_dirty) && !lineage.samples.is_empty() {
                due.push((*id, lineage.samples.for_vote(), true));
            }
        }
        for (id, lineage) in self.settled.lineages.iter_mut() {
            if lineage.is_dirty && lineage.samples.total() >= ENOUGH {
                lineage.is_dirty = false;
                due.push((id, lineage.samples.for_vote(), false));
            }
        }
        if due.is_empty() {
            if self.join_fragments() {
                self.vote();
            } else {
                self.close_voting();
            }
            return;
        }
        voting.open = due.len();
        for (lineage, samples, is_closing) in due {
            let payload = Payload::PlateSmooth {
                samples,
                is_closing,
            };
            self.spawn_plain(Job::Vote { lineage }, Category::PlateSmooth, payload);
        }
    }

    /// Takes one vote. After the last one tracks are split where votes say so, and what that changed is voted over again.
    pub(super) fn voted(&mut self, lineage: LineageId, vote: Vote) {
        let Some(voting) = &mut self.voting else {
            return;
        };
        voting.votes.insert(lineage, vote);
        voting.open = voting.open.saturating_sub(1);
        if voting.open > 0 {
            return;
        }
        for (id, vote) in std::mem::take(&mut voting.votes) {
            if vote.split_at.is_some_and(|at| self.split(id, at)) {
                self.settled.counts.splits += 1;
                continue;
            }
            let over = self.voting.as_mut().and_then(|it| it.over.get_mut(&id));
            let lineage = over.or_else(|| self.settled.lineages.get_mut(id));
            if let Some(lineage) = lineage {
                lineage.is_certain = vote.is_certain;
                lineage.plate = vote.plate;
            }
        }
        self.vote();
    }

    /// Makes two vehicles of one; false where one of them would have no reading.
    fn split(&mut self, id: LineageId, frame_idx: u64) -> bool {
        let Some(voting) = &mut self.voting else {
            return false;
        };
        let lineages = &mut self.settled.lineages;
        let second = if let Some(first) = voting.over.get_mut(&id) {
            first.split(frame_idx).map(|second| {
                let fresh = lineages.fresh_closed();
                voting.over.insert(fresh, second);
                fresh
            })
        } else {
            let second = lineages.get_mut(id).and_then(|it| it.split(frame_idx));
            second.map(|second| {
                let (fresh, first) = lineages.replace(id, second);
                if let Some(first) = first {
                    voting.close(id, first);
                }
                fresh
            })
        };
        let Some(second) = second else {
            return false;
        };
        self.settled.ledger.split(id, second, frame_idx);
        true
    }

    fn close_voting(&mut self) {
        self.voting = None;
        if self.ending == Ending::Closing {
            self.release_resting(None);
            self.closed();
        } else {
            self.settle();
        }
    }
}

/// What is left of a track that is over.
pub(super) fn closing(mut lineage: Lineage) -> Closing {
    let plate = lineage.plate.take();
    Closing {
        seen: [stamp(&lineage.first), stamp(&lineage.last)],
        is_plate_seen: lineage.plates_seen > 0,
        is_vehicle: lineage.class().is_some(),
        sighting: plate.map(|plate| sighting(plate, &lineage)),
    }
}

pub(super) fn sighting(plate: Final, lineage: &Lineage) -> Sighting {
    let samples = &lineage.samples;
    let best = samples.of_frame(plate.best.frame_idx);
    let crop = best.and_then(|it| it.crop.as_deref());
    let crop = crop.or_else(|| samples.best_crop(&plate.raw_text));
    Sighting {
        crop: crop.map(ToOwned::to_owned),
        best: best.cloned(),
        samples: samples.total(),
        class: lineage.class(),
        plate,
    }
}
