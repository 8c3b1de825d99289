//! How a stream gets its seat. Order of steps: everything is validated first, then a former stream ends, then the new one
//! begins (runner contract §2.1, D8). Nothing waits for a network or a model.

use std::time::Duration;

use framerill_supervisor::ChildId;

use super::{
    key::Key,
    machine::{Seat, Seating},
    message::{Load, Output, StartId, Wanted},
};
use crate::infer::{asked::Binding, engine::Number, refusal::Refusal};

/// A worker that is busy is not waited for longer; what it thinks of parameters comes as an event then.
pub(super) const CHECK_WITHIN: Duration = Duration::from_millis(1500);
/// Streams beyond the capacity that may still be ending, and starts beyond it that may wait.
pub(super) const MOST_BEYOND: usize = 8;

/// A start that is not answered yet. Its seat is promised to it, and its worker stays.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) wanted: Wanted,
    pub(super) seat: usize,
    pub(super) worker: ChildId,
    pub(super) step: Step,
}

/// What a start waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its worker is there.
    Worker,
    /// Its worker's word on its parameters.
    Check { until: Duration },
    /// The stream.
    Stream,
}

impl Pending {
    /// When its worker's word is waited for no longer.
    pub(super) fn checked_until(&self) -> Option<Duration> {
        match self.step {
            Step::Check { until } => Some(until),
            Step::Worker | Step::Stream => None,
        }
    }
}

impl Seating {
    pub(super) fn start(&mut self, now: Duration, wanted: Wanted, refusals: &[Option<String>]) {
        let start = wanted.start;
        let found = self.find_seat(&wanted, refusals).and_then(|seat| {
            let worker = self.worker_for(&wanted, seat)?;
            Ok((seat, worker))
        });
        match found {
            Ok((seat, worker)) => {
                self.starts.push(Pending {
                    wanted,
                    seat,
                    worker,
                    step: Step::Worker,
                });
                self.with_worker(now, start);
            }
            Err(why) => self.refuse(start, why),
        }
    }

    /// The seat for a stream. At capacity 1 a start on the runner's route takes the place of what runs there.
    fn find_seat(
        &mut self,
        wanted: &Wanted,
        refusals: &[Option<String>],
    ) -> Result<usize, Refusal> {
        if self.is_leaving() {
            return Err(Refusal::Stopping);
        }
        let most = self.capacity + MOST_BEYOND;
        if self.starts.len() >= most {
            return Err(Refusal::StartsWait { most });
        }
        if self.displaced.len() >= most {
            return Err(Refusal::StreamsEnd { most });
        }
        let refusal = |seat: usize| refusals.get(seat).and_then(Option::as_ref);
        if let Some(why) = refusal(0).filter(|_| self.capacity == 1) {
            return Err(Refusal::FailedForGood { why: why.clone() });
        }
        if self.takes_the_place(wanted) {
            return Ok(0);
        }
        let is_promised = |at: usize| self.starts.iter().any(|it| it.seat == at);
        let is_free = |at: &usize| self.seats[*at].running().is_none() && !is_promised(*at);
        let free: Vec<_> = (0..self.seats.len()).filter(is_free).collect();
        if let Some(well) = free.iter().find(|it| refusal(**it).is_none()) {
            return Ok(*well);
        }
        if self.seats.len() < self.capacity {
            self.seats.push(Seat::default());
            self.out.push_back(Output::AddSeat);
            return Ok(self.seats.len() - 1);
        }
        if let Some(failed) = free.iter().find(|it| self.begins_anew(**it)) {
            return Ok(*failed);
        }
        // Here every seat that is free is refused.
        let Some(why) = free.first().and_then(|it| refusal(*it)) else {
            return Err(self.in_use());
        };
        if free.len() == self.capacity {
            return Err(Refusal::AllFailed);
        }
        Err(Refusal::FailedForGood { why: why.clone() })
    }

    /// Whether a seat that failed for good can have a fresh worker: what the last one died of may have been its stream's.
    pub(super) fn begins_anew(&self, seat: usize) -> bool {
        let worker = self.seats[seat].worker.and_then(|it| self.worker(it));
        worker.is_none_or(|it| it.is_over && !it.is_hopeless)
    }

    fn takes_the_place(&self, wanted: &Wanted) -> bool {
        self.capacity == 1 && wanted.replaces
    }

    fn in_use(&self) -> Refusal {
        Refusal::Capacity {
            most: self.capacity,
        }
    }

    /// The worker for a stream; started if there is none.
    fn worker_for(&mut self, wanted: &Wanted, seat: usize) -> Result<ChildId, Refusal> {
        let key = Key::of_stream(&wanted.pipeline, wanted.binding, seat, &wanted.params);
        if let Some(worker) = self.worker_with(&key) {
            if wanted.binding == Binding::Shared && worker.shareable == Some(false) {
                let pipeline = wanted.pipeline.public_name();
                return Err(Refusal::Binding { pipeline });
            }
            return Ok(worker.id);
        }
        let load = match wanted.binding {
            Binding::Prompt => Load::Start(wanted.start),
            Binding::Shared | Binding::Stream => Load::Initial,
        };
        Ok(self.add_worker(key, load))
    }

    /// A start's worker is there, if it is: it is asked about the parameters, if it can be.
    pub(super) fn with_worker(&mut self, now: Duration, start: StartId) {
        let Some(at) = self.pending(start) else {
            return;
        };
        let worker = self.starts[at].worker;
        let Some(it) = self.worker(worker).filter(|it| it.is_added) else {
            return;
        };
        if !it.is_ready || !self.starts[at].wanted.is_checked {
            return self.begin(start);
        }
        let until = now + CHECK_WITHIN;
        self.starts[at].step = Step::Check { until };
        self.out.push_back(Output::Check { start, worker });
    }

    /// A worker answered about a start's parameters.
    pub(super) fn checked(&mut self, start: StartId, problem: Option<String>) {
        let is_asked = |at: &usize| self.starts[*at].checked_until().is_some();
        if self.pending(start).filter(is_asked).is_none() {
            return;
        }
        match problem {
            None => self.begin(start),
            Some(why) => self.refuse(start, Refusal::Params { why }),
        }
    }

    /// Starts that no longer wait for the word of a worker begin without it.
    pub(super) fn give_up_checks(&mut self, which: impl Fn(&Pending) -> bool) {
        let asked = self.starts.iter().filter(|it| it.checked_until().is_some());
        let which: Vec<_> = asked
            .filter(|it| which(it))
            .map(|it| it.wanted.start)
            .collect();
        for start in which {
            self.begin(start);
        }
    }

    /// Has a stream begun, unless its seat was taken while it waited; its worker may be another one by now.
    fn begin(&mut self, start: StartId) {
        let Some(at) = self.pending(start) else {
            return;
        };
        let (wanted, seat) = (self.starts[at].wanted.clone(), self.starts[at].seat);
        if self.seats[seat].running().is_some() && !self.takes_the_place(&wanted) {
            return self.refuse(start, self.in_use());
        }
        let worker = match self.worker_for(&wanted, seat) {
            Ok(worker) => worker,
            Err(why) => return self.refuse(start, why),
        };
        self.starts[at].worker = worker;
        if self.worker(worker).is_none_or(|it| !it.is_added) {
            self.starts[at].step = Step::Worker;
            return;
        }
        self.starts[at].step = Step::Stream;
        self.last_stream += 1;
        self.out.push_back(Output::Begin {
            start,
            stream: self.last_stream,
            seat,
            worker,
        });
    }

    pub(super) fn begun(&mut self, start: StartId, outcome: Result<Number, Refusal>) {
        let is_it = |at: &usize| self.starts[*at].step == Step::Stream;
        let Some(at) = self.pending(start).filter(is_it) else {
            return;
        };
        match outcome {
            Ok(stream) => {
                let it = self.starts.remove(at);
                self.seat(it.seat, stream, it.worker);
                self.out.push_back(Output::Accept { start, stream });
            }
            Err(why) => self.refuse(start, why),
        }
    }

    /// Starts that cannot begin any more.
    pub(super) fn refuse_those(&mut self, which: impl Fn(&Pending) -> bool, why: &Refusal) {
        let refused: Vec<_> = self.starts.extract_if(.., |it| which(it)).collect();
        for it in refused {
            self.refuse(it.wanted.start, why.clone());
        }
    }

    pub(super) fn refuse(&mut self, start: StartId, why: Refusal) {
        self.starts.retain(|it| it.wanted.start != start);
        self.out.push_back(Output::Refuse { start, why });
    }

    fn pending(&self, start: StartId) -> Option<usize> {
        self.starts.iter().position(|it| it.wanted.start == start)
    }
}
