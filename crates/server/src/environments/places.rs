//! Every Python that is looked into, and one question to all of them at the same time.

use std::{iter, path::Path, thread};

use super::{home::Home, record::Record, scan::Place};
use crate::{failure::Failure, program};

/// Children at the same time.
const AT_ONCE: usize = 8;

/// The usual Python first, then the environments' in the order of their records.
pub(super) fn places(python: Option<&Path>, records: &[Record], home: &Home) -> Vec<Place> {
    let usual = Place::Usual(program::python(python));
    let own = records.iter().map(|it| Place::Own(it.interpreter(home)));
    iter::once(usual).chain(own).collect()
}

/// An answer of each place, in their order.
pub(super) fn of_each<T: Send>(
    places: &[Place],
    ask: impl Fn(&Place) -> Result<T, Failure> + Sync,
) -> Vec<Result<T, Failure>> {
    let ask = &ask;
    let mut answers = Vec::new();
    for group in places.chunks(AT_ONCE) {
        let group: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = group
                .iter()
                .map(|place| scope.spawn(move || ask(place)))
                .collect();
            let died = || Failure::failed("internal", "a thread ended without an answer");
            threads
                .into_iter()
                .map(|it| it.join().unwrap_or_else(|_| Err(died())))
                .collect()
        });
        answers.extend(group);
    }
    answers
}
