//! The queue itself.

use std::{collections::BTreeMap, time::Duration};

use super::{
    bucket::{Bucket, Popped, Ticket},
    limits::Limits,
};
use crate::category::{Category, Class};

/// What waits for workers, by category.
///
/// A bucket's count is what can be popped from it, at every moment, and never above the hard limit.
#[derive(Debug)]
pub struct CentralTaskQueue<T> {
    limits: Limits,
    buckets: [Bucket<T>; Category::ALL.len()],
    next_seq: u64,
}

impl<T> CentralTaskQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buckets: Default::default(),
            next_seq: 0,
        }
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn bucket(&self, category: Category) -> &Bucket<T> {
        &self.buckets[category as usize]
    }

    /// Appends an item behind all of its priority.
    ///
    /// # Errors
    ///
    /// The item comes back when the bucket is at its hard limit; then the category is backed up, and nothing else changed.
    pub fn push(
        &mut self,
        now: Duration,
        category: Category,
        priority: i32,
        item: T,
    ) -> Result<(), T> {
        let ticket = Ticket {
            category,
            priority,
            since: now,
            seq: self.next_seq,
        };
        self.put_back(ticket, item)?;
        self.next_seq += 1;
        Ok(())
    }

    /// Puts an item that was popped where it was. It still counts as in flight until [`finished`](Self::finished).
    ///
    /// # Errors
    ///
    /// The item comes back when the bucket is at its hard limit.
    pub fn put_back(&mut self, ticket: Ticket, item: T) -> Result<(), T> {
        self.buckets[ticket.category as usize].insert(&self.limits, ticket, item)
    }

    /// Takes the next item of a category; none if there is none. It is in flight until [`finished`](Self::finished).
    pub fn pop(&mut self, category: Category) -> Option<Popped<T>> {
        self.buckets[category as usize].pop(&self.limits)
    }

    /// What [`pop`](Self::pop) would take.
    #[must_use]
    pub fn peek(&self, category: Category) -> Option<&T> {
        self.bucket(category).peek()
    }

    /// One item that was popped is no longer in flight. More of these than of pops are left alone.
    pub fn finished(&mut self, category: Category) {
        let bucket = &mut self.buckets[category as usize];
        bucket.in_flight = bucket.in_flight.saturating_sub(1);
    }

    /// Items of a category that wait.
    #[must_use]
    pub fn backlog(&self, category: Category) -> usize {
        self.bucket(category).len()
    }

    /// Items of a category that were popped and are not finished.
    #[must_use]
    pub fn in_flight(&self, category: Category) -> usize {
        self.bucket(category).in_flight
    }

    /// Items that wait.
    #[must_use]
    pub fn total_backlog(&self) -> usize {
        self.buckets.iter().map(Bucket::len).sum()
    }

    /// Items that wait for workers of a class.
    #[must_use]
    pub fn total_of(&self, class: Class) -> usize {
        let categories = Category::ALL.into_iter().filter(|it| it.class() == class);
        categories.map(|it| self.backlog(it)).sum()
    }

    /// Items that wait for the GPU class.
    #[must_use]
    pub fn total_gpu_backlog(&self) -> usize {
        self.total_of(Class::Gpu)
    }

    /// Items that wait for the CPU class.
    #[must_use]
    pub fn total_cpu_backlog(&self) -> usize {
        self.total_of(Class::Cpu)
    }

    /// What waits of every category, at one moment.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<Category, usize> {
        let all = Category::ALL.into_iter();
        all.map(|it| (it, self.backlog(it))).collect()
    }

    /// The category with the most items; none if there is nothing at all.
    #[must_use]
    pub fn busiest_category(&self) -> Option<Category> {
        self.busiest_of(Category::ALL)
    }

    /// Whether a category reached its soft limit and has not recovered since.
    #[must_use]
    pub fn is_backed_up(&self, category: Category) -> bool {
        self.bucket(category).is_backed_up()
    }

    /// All that are backed up, in the order of categories.
    #[must_use]
    pub fn backed_up_categories(&self) -> Vec<Category> {
        let all = Category::ALL.into_iter();
        all.filter(|it| self.is_backed_up(*it)).collect()
    }

    /// Where a worker that does these categories should take from at `now`: the one that starves for the longest, else the
    /// busiest; the earlier of two that are equal. None if nothing waits.
    pub fn choose(
        &self,
        now: Duration,
        categories: impl IntoIterator<Item = Category> + Clone,
    ) -> Option<Category> {
        let waits = |it: Category| Some((self.bucket(it).oldest()?, it));
        let oldest = categories.clone().into_iter().filter_map(waits).min();
        oldest
            .filter(|(since, _)| now.saturating_sub(*since) > self.limits.starved_after)
            .map(|(_, category)| category)
            .or_else(|| self.busiest_of(categories))
    }

    fn busiest_of(&self, categories: impl IntoIterator<Item = Category>) -> Option<Category> {
        let mut best = None;
        for category in categories {
            let count = self.backlog(category);
            if count > best.map_or(0, |(_, most)| most) {
                best = Some((category, count));
            }
        }
        best.map(|(category, _)| category)
    }
}
