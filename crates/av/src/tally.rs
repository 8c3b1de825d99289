//! What media counts beside the exchange: latencies, the rate of answers, late ones.

use std::{collections::VecDeque, time::Duration};

use framerill_worker::message::Latencies;

use crate::{
    histogram::Histogram,
    usual::{LATE_AT_LEAST_NS, Usual},
};

/// The rate is of the answers of this long.
const RATE_OVER: Duration = Duration::from_secs(3);

/// Latencies and rates. Time comes in as nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    decode: Histogram,
    queue: Histogram,
    process: Histogram,
    encode: Histogram,
    total: Histogram,
    intervals: Usual<31>,
    recent: VecDeque<u64>,
    late: u64,
}

impl Tally {
    /// A picture took so long from packet to slot.
    pub(crate) fn decoded(&mut self, (began, ended): (u64, u64)) {
        self.decode.record_ns(ended.saturating_sub(began));
    }

    /// A frame came back without a picture: when it was complete and delivered, and how long the pipeline took.
    pub(crate) fn skipped(&mut self, complete: u64, delivered: u64, process_ns: u64) {
        self.queue.record_ns(delivered.saturating_sub(complete));
        self.process.record_ns(process_ns);
    }

    /// A picture was answered: when it was complete, delivered and answered, and how long the pipeline took.
    pub(crate) fn answered(&mut self, complete: u64, delivered: u64, now: u64, process_ns: u64) {
        self.skipped(complete, delivered, process_ns);
        if let Some(&last) = self.recent.back() {
            let interval = now.saturating_sub(last);
            let usual = self.intervals.median();
            let is_late = |usual: u64| interval > (2 * usual).max(LATE_AT_LEAST_NS);
            self.late += u64::from(usual.is_some_and(is_late));
            self.intervals.add(interval);
        }
        self.recent.push_back(now);
        self.forget_before(now);
    }

    /// A finished picture went into the container.
    pub(crate) fn encoded(&mut self, answered: u64, began: u64, now: u64) {
        self.encode.record_ns(now.saturating_sub(answered));
        self.total.record_ns(now.saturating_sub(began));
    }

    /// Answers that came late.
    #[must_use]
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// Pictures that were answered a second, of late.
    pub(crate) fn fps(&mut self, now: u64) -> f64 {
        self.forget_before(now);
        let (Some(&first), Some(&last)) = (self.recent.front(), self.recent.back()) else {
            return 0.0;
        };
        let span = Duration::from_nanos(last.saturating_sub(first)).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand answers")]
        let intervals = (self.recent.len() - 1) as f64;
        if span > 0.0 { intervals / span } else { 0.0 }
    }

    /// Percentiles by stage.
    #[must_use]
    pub(crate) fn latencies(&self) -> Latencies {
        Latencies {
            decode: self.decode.percentiles_ms(),
            queue: self.queue.percentiles_ms(),
            process: self.process.percentiles_ms(),
            encode: self.encode.percentiles_ms(),
            total: self.total.percentiles_ms(),
        }
    }

    fn forget_before(&mut self, now: u64) {
        let oldest = now.saturating_sub(nanos(RATE_OVER));
        while self.recent.len() > 1 && self.recent.front().is_some_and(|&at| at < oldest) {
            self.recent.pop_front();
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn an_answer_after_twice_the_median_interval_is_late() {
        let mut tally = Tally::default();
        for at in [0, 50, 100, 150, 251] {
            tally.answered(0, 0, at * MS, MS);
        }
        assert_eq!(tally.late(), 1);
    }

    #[test]
    fn below_eighty_ms_nothing_is_late() {
        let mut tally = Tally::default();
        for at in [0, 5, 10, 89] {
            tally.answered(0, 0, at * MS, MS);
        }
        assert_eq!(tally.late(), 0);
    }

    #[test]
    fn frames_that_come_back_without_a_picture_are_no_rate() {
        let mut tally = Tally::default();
        (0..100).for_each(|_| tally.skipped(0, 0, MS));
        assert!(tally.fps(MS).abs() < f64::EPSILON);
        assert!(tally.latencies().process[0] > 0.0);
    }

    #[test]
    fn the_rate_is_of_the_last_seconds() {
        let mut tally = Tally::default();
        for n in 0..1000 {
            tally.answered(0, 0, n * 20 * MS, MS);
        }
        assert!((tally.fps(999 * 20 * MS) - 50.0).abs() < 0.01);
    }
}
