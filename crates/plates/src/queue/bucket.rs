//! What waits of one category.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::limits::Limits;
use crate::category::Category;

/// The place that an item had: with it, the item goes back there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which bucket.
    pub category: Category,
    /// Higher is sooner.
    pub priority: i32,
    /// When it was pushed.
    pub since: Duration,
    /// Order of pushes.
    pub(super) seq: u64,
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub struct Popped<T> {
    /// What was pushed.
    pub item: T,
    /// Where it was.
    pub ticket: Ticket,
}

/// First in, first out among equal priorities. An item that went back is as old as it was.
#[derive(Debug)]
pub(super) struct Bucket<T> {
    /// By falling priority; none is empty. In each, tickets increase.
    lanes: BTreeMap<Reverse<i32>, VecDeque<Popped<T>>>,
    count: usize,
    is_backed_up: bool,
    pub(super) in_flight: usize,
}

impl<T> Default for Bucket<T> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            count: 0,
            is_backed_up: false,
            in_flight: 0,
        }
    }
}

impl<T> Bucket<T> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_backed_up(&self) -> bool {
        self.is_backed_up
    }

    /// Back comes what does not fit.
    pub(super) fn insert(&mut self, limits: &Limits, ticket: Ticket, item: T) -> Result<(), T> {
        if self.count >= limits.hard {
            self.is_backed_up = true;
            return Err(item);
        }
        let lane = self.lanes.entry(Reverse(ticket.priority)).or_default();
        let at = lane.partition_point(|it| it.ticket.seq < ticket.seq);
        lane.insert(at, Popped { item, ticket });
        self.count += 1;
        self.is_backed_up |= self.count >= limits.soft;
        Ok(())
    }

    pub(super) fn pop(&mut self, limits: &Limits) -> Option<Popped<T>> {
        let mut lane = self.lanes.first_entry()?;
        let popped = lane.get_mut().pop_front()?;
        if lane.get().is_empty() {
            lane.remove();
        }
        self.count -= 1;
        self.in_flight += 1;
        if self.count >= limits.soft {
            self.is_backed_up = true;
        } else if self.count <= limits.recovered() {
            self.is_backed_up = false;
        }
        Some(popped)
    }

    pub(super) fn peek(&self) -> Option<&T> {
        let (_, lane) = self.lanes.first_key_value()?;
        lane.front().map(|it| &it.item)
    }

    /// Since when the oldest item waits.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let fronts = self.lanes.values().filter_map(VecDeque::front);
        fronts.map(|it| it.ticket.since).min()
    }
}
