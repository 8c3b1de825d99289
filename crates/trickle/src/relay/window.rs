//! The segments that a channel can still be asked for: segment `n` has the place `n mod 5`.

use crate::wire::Seq;

/// Segments that a channel keeps.
pub(crate) const WINDOW: u64 = 5;

/// Keys of segments by their place.
#[derive(Debug, Default)]
pub(crate) struct Window {
    places: [Option<(Seq, usize)>; 5],
}

impl Window {
    /// The number and key that hold the place of a segment.
    pub(crate) fn occupant(&self, seq: Seq) -> Option<(Seq, usize)> {
        self.places[place(seq)]
    }

    /// The key of a segment, if it is here.
    pub(crate) fn get(&self, seq: Seq) -> Option<usize> {
        self.occupant(seq)
            .filter(|(held, _)| *held == seq)
            .map(|(_, key)| key)
    }

    pub(crate) fn put(&mut self, seq: Seq, key: usize) {
        self.places[place(seq)] = Some((seq, key));
    }

    pub(crate) fn clear(&mut self, seq: Seq) -> Option<usize> {
        self.places[place(seq)].take().map(|(_, key)| key)
    }

    /// All that are here, in no order of numbers.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Seq, usize)> + use<> {
        self.places.into_iter().flatten()
    }
}

fn place(seq: Seq) -> usize {
    usize::try_from(seq.get() % WINDOW).unwrap_or_default()
}
