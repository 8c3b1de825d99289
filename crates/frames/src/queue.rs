//! What waits between two stages: bounded, with a named policy, and every loss counted.

use std::{collections::VecDeque, num::NonZeroUsize};

/// What happens when one more comes to a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// One place; the newest wins.
    Latest,
    /// As many places; the oldest goes.
    DropOldest(NonZeroUsize),
    /// As many places; whoever brings more has to wait.
    Block(NonZeroUsize),
}

impl Policy {
    /// Places.
    #[must_use]
    pub fn capacity(self) -> usize {
        match self {
            Self::Latest => 1,
            Self::DropOldest(places) | Self::Block(places) => places.get(),
        }
    }
}

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// It waits.
    Queued,
    /// It waits, and this one went for it.
    Displaced(T),
    /// It has to be brought again later.
    Full(T),
}

/// A bounded queue.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: VecDeque<T>,
    policy: Policy,
    dropped: u64,
}

impl<T> Queue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            waiting: VecDeque::with_capacity(policy.capacity()),
            policy,
            dropped: 0,
        }
    }

    /// Adds one at the end, by the policy.
    pub fn push(&mut self, item: T) -> Pushed<T> {
        if self.waiting.len() < self.policy.capacity() {
            self.waiting.push_back(item);
            return Pushed::Queued;
        }
        if matches!(self.policy, Policy::Block(_)) {
            return Pushed::Full(item);
        }
        let oldest = self.waiting.pop_front();
        self.waiting.push_back(item);
        match oldest {
            Some(oldest) => {
                self.dropped += 1;
                Pushed::Displaced(oldest)
            }
            None => Pushed::Queued,
        }
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// The oldest, left where it is.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.waiting.front()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a push would be refused or displace another.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= self.policy.capacity()
    }

    /// How many the policy has dropped since the beginning.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    #[test]
    fn latest_keeps_the_newest_and_counts_the_rest() {
        let mut queue = Queue::new(Policy::Latest);
        assert_eq!(queue.push(1), Pushed::Queued);
        assert_eq!(queue.push(2), Pushed::Displaced(1));
        assert_eq!((queue.pop(), queue.dropped()), (Some(2), 1));
    }

    #[test]
    fn block_gives_back_what_does_not_fit() {
        let mut queue = Queue::new(Policy::Block(TWO));
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.push(3), Pushed::Full(3));
        assert_eq!(queue.dropped(), 0);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_uncounted_and_order_is_kept(
            pushes in proptest::collection::vec(any::<bool>(), 0..200), places in 1usize..5, pick in 0usize..3,
        ) {
            let places = NonZeroUsize::new(places).unwrap();
            let policy = [Policy::Latest, Policy::DropOldest(places), Policy::Block(places)][pick];
            let mut queue = Queue::new(policy);
            let (mut next, mut popped, mut refused) = (0u64, Vec::new(), 0);
            for push in pushes {
                if push {
                    refused += u64::from(matches!(queue.push(next), Pushed::Full(_)));
                    next += 1;
                } else {
                    popped.extend(queue.pop());
                }
                prop_assert!(queue.len() <= policy.capacity());
            }
            prop_assert!(popped.is_sorted());
            prop_assert_eq!(next, popped.len() as u64 + queue.len() as u64 + queue.dropped() + refused);
        }
    }
}
