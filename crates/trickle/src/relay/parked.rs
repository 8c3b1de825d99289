//! Who waits for a segment: a list of wakers that is left as cheaply as it is joined.

use std::task::Waker;

/// Wakers under the keys of those who wait.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    list: Vec<(usize, Waker)>,
}

/// Where somebody stood in the list when it last joined. It may be out of date, which is found out by the key.
pub(crate) type Place = usize;

impl Parked {
    /// Joins, or renews the waker of who is here already.
    pub(crate) fn join(&mut self, key: usize, place: Place, waker: &Waker) -> Place {
        match self.list.get_mut(place) {
            Some((other, parked)) if *other == key => {
                parked.clone_from(waker);
                place
            }
            _ => {
                self.list.push((key, waker.clone()));
                self.list.len() - 1
            }
        }
    }

    /// Leaves. The answer is who moved to the place that became free.
    pub(crate) fn leave(&mut self, key: usize, place: Place) -> Option<usize> {
        if self.list.get(place).is_none_or(|(other, _)| *other != key) {
            return None;
        }
        self.list.swap_remove(place);
        self.list.get(place).map(|(moved, _)| *moved)
    }

    /// Empties the list into another one, to be called when no lock is held.
    pub(crate) fn wake_into(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.list.drain(..).map(|(_, waker)| waker));
    }
}
