//! What holds when everybody has ended.

use std::{collections::BTreeSet, time::Duration};

use framerill_trickle::{publisher, publisher::Backpressure, subscriber};

use crate::{
    faults::{Mix, Plan},
    ledger::Ledger,
    net::Net,
    reader::Reader,
    server::{CHANNEL, Server},
    source::{Source, Told},
};

/// Segments after the recovery with which readers find out which numbers were skipped; they may miss these.
const WARM_UP: u64 = 3;

/// How things stood when the time after the recovery began.
pub(crate) struct Finale {
    /// Segments of the caller from this index on have to arrive.
    pub(crate) from: u64,
    pub(crate) lost: u64,
    pub(crate) has_publisher: bool,
    /// Who was there, and which number it waited for.
    pub(crate) readers: Vec<(usize, u64)>,
}

impl Finale {
    pub(crate) fn new(source: &Source, readers: &[Option<Reader>], ledger: &Ledger) -> Self {
        let waits = |(number, reader): (usize, &Option<Reader>)| {
            let reader = reader.as_ref().filter(|it| it.is_live())?;
            Some((number, reader.asked))
        };
        Self {
            from: ledger.written.len() as u64 + WARM_UP,
            lost: source.told.lost,
            has_publisher: !source.machine.is_over(),
            readers: readers.iter().enumerate().filter_map(waits).collect(),
        }
    }

    /// Once the faults are over and everybody had the time to find that out, everything arrives.
    pub(crate) fn judge(&self, plan: &Plan, told: &Told, readers: &[Option<Reader>]) {
        if !self.has_publisher {
            return;
        }
        assert_eq!(told.end, Some(publisher::End::Finished));
        let is_blocking = plan.publisher.backpressure == Backpressure::Block;
        if told.lost > self.lost {
            return assert!(!is_blocking, "segments are lost without a fault");
        }
        for (number, expected) in &self.readers {
            let Some(reader) = &readers[*number] else {
                continue;
            };
            let witness = &reader.witness;
            // A publisher that begins anew so near below that nobody can tell comes up to the number.
            let sent = told.whole.range(self.from..);
            let sent = sent.filter(|(_, seq)| *seq >= expected);
            let sent: BTreeSet<u64> = sent.map(|(index, _)| *index).collect();
            assert!(
                sent.is_subset(&witness.whole),
                "{number} has {:?} where {sent:?} were sent",
                witness.whole
            );
            assert_eq!(witness.end, Some(subscriber::End::Closed));
        }
    }
}

/// Where nothing is lost, nothing is.
pub(crate) fn judge_rough(plan: &Plan, source: &Source, readers: &[Option<Reader>]) {
    if plan.mix != Mix::Rough {
        return;
    }
    let told = &source.told;
    assert_eq!((told.lost, told.troubles), (0, 0));
    for reader in readers.iter().flatten().filter(|it| !it.has_left()) {
        let witness = &reader.witness;
        assert_eq!(
            (witness.troubles, witness.truncated, witness.restarts),
            (0, 0, 0)
        );
    }
}

/// An early end has its reason.
pub(crate) fn judge_ends(server: &Server, source: &Source, readers: &[Option<Reader>], over: bool) {
    let may_vanish = server.lost_channel || over;
    for reader in readers.iter().flatten().filter(|it| !it.has_left()) {
        match &reader.witness.end {
            Some(subscriber::End::Closed | subscriber::End::NotFound) => assert!(may_vanish),
            Some(subscriber::End::Unreachable(_)) => assert!(reader.witness.troubles > 0),
            end => panic!("a subscriber ends with {end:?}"),
        }
    }
    match &source.told.end {
        Some(publisher::End::Finished) => {}
        Some(publisher::End::Closed) => assert!(server.lost_channel),
        Some(publisher::End::Unreachable(_)) => assert!(source.told.troubles > 0),
        end => panic!("the publisher ends with {end:?}"),
    }
}

/// Nothing is left of anybody.
pub(crate) fn judge_rest(server: &Server, net: &Net) {
    assert_eq!(server.connections(), Vec::<u64>::new());
    assert_eq!(net.network.open_count(), 0);
    let Some(hub) = server.hub() else { return };
    let stats = hub.stats();
    assert_eq!((stats.readers, stats.writers), (0, 0));
    if !hub.has(CHANNEL) {
        assert_eq!(stats.held_bytes, 0);
    }
}

/// Longer than it takes until the last connection is known to be gone.
pub(crate) const REST: Duration = Duration::from_secs(90);
