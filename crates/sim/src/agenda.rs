use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Virtual time and what is to happen in it. Time passes only when something happens.
#[derive(Debug)]
pub struct Agenda<E> {
    now: Duration,
    count: u64,
    entries: BinaryHeap<Reverse<Entry<E>>>,
}

#[derive(Debug)]
struct Entry<E> {
    at: Duration,
    order: u64,
    event: E,
}

impl<E> Agenda<E> {
    /// Nothing to happen, at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: Duration::ZERO,
            count: 0,
            entries: BinaryHeap::new(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// `event` happens `after` from now. Events of the same time happen in the order they were put down.
    pub fn after(&mut self, after: Duration, event: E) {
        self.at(self.now + after, event);
    }

    /// `event` happens at this time, or now if that has passed.
    pub fn at(&mut self, at: Duration, event: E) {
        self.count += 1;
        self.entries.push(Reverse(Entry {
            at: at.max(self.now),
            order: self.count,
            event,
        }));
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }

    /// Goes to the next event.
    pub fn pop(&mut self) -> Option<E> {
        let Reverse(entry) = self.entries.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }

    /// Goes to this time, past no event; never back.
    pub fn advance(&mut self, to: Duration) {
        let next = self.next_at().unwrap_or(to);
        self.now = to.min(next).max(self.now);
    }

    /// Events of which `is_void` is true do not happen.
    pub fn cancel(&mut self, is_void: impl Fn(&E) -> bool) {
        self.entries.retain(|Reverse(entry)| !is_void(&entry.event));
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn events_happen_in_time_order_and_then_in_the_order_they_were_put_down() {
        let mut agenda = Agenda::new();
        agenda.after(SECOND * 2, 'c');
        agenda.after(SECOND, 'a');
        agenda.after(SECOND, 'b');
        let all: String = std::iter::from_fn(|| agenda.pop()).collect();
        assert_eq!((all.as_str(), agenda.now()), ("abc", SECOND * 2));
    }

    #[test]
    fn time_never_goes_back_nor_past_an_event() {
        let mut agenda = Agenda::new();
        agenda.after(SECOND * 2, 'x');
        agenda.advance(SECOND * 5);
        assert_eq!(agenda.now(), SECOND * 2);
        agenda.advance(SECOND);
        assert_eq!(agenda.now(), SECOND * 2);
    }
}
