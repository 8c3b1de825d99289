//! What size a stream's pictures have: its worker says so, as soon as it knows its parameters.

use framerill_media::Size;
use framerill_supervisor::ChildId;

use super::Driver;
use crate::infer::engine::{Number, flow::Set};

/// A worker that is being asked what size a stream's pictures have.
pub(super) struct Sizing {
    stream: Number,
    worker: ChildId,
    request: u64,
}

impl Driver {
    /// Asks the worker of a seat what size its stream's pictures have, where nobody knows. One that is loading can be asked
    /// as soon as it has read its parameters.
    pub(super) fn ask_size(&mut self, seat: usize) {
        let Some(id) = self.seats[seat].worker else {
            return;
        };
        let unknown = self.seats[seat].stream.as_ref();
        let Some(stream) = unknown.filter(|it| it.output().is_none() && !it.is_ending) else {
            return;
        };
        let (number, set) = (stream.number, stream.set.clone());
        let is_asked = |it: &Sizing| it.stream == number && it.worker == id;
        if self.sizings.iter().any(is_asked) {
            return;
        }
        let worker = self.worker_mut(id).filter(|it| it.tells_size());
        if let Some(request) = worker.and_then(|it| it.check(&set)) {
            self.sizings.push(Sizing {
                stream: number,
                worker: id,
                request,
            });
        }
    }

    /// A worker answered what size a stream's pictures have, if it was asked that. What it would refuse it refuses when the
    /// parameters come.
    pub(super) fn sized(&mut self, worker: ChildId, request: u64, size: Option<Size>) -> bool {
        let mut asked = self.sizings.iter();
        let Some(at) = asked.position(|it| it.worker == worker && it.request == request) else {
            return false;
        };
        let number = self.sizings.remove(at).stream;
        if let (Some(size), Some(stream)) = (size, self.stream_mut(number)) {
            stream.set_output(size);
            self.keep_size(worker, number, size);
        }
        true
    }

    /// A worker took a set: streams that did not know their size know it now.
    pub(super) fn sized_by(&mut self, worker: ChildId, set: &Set, size: Option<Size>) {
        for seat in self.seats_with(worker) {
            let stream = self.seats[seat].stream.as_mut();
            let stream = stream.filter(|it| set.is_of(it.number));
            if let (Some(stream), Some(size)) = (stream, size) {
                let number = stream.number;
                stream.set_output(size);
                self.keep_size(worker, number, size);
            }
        }
    }

    /// Parameters that came before anybody knew the size are to keep it as well.
    fn keep_size(&mut self, worker: ChildId, stream: Number, size: Size) {
        if let Some(worker) = self.worker_mut(worker) {
            worker.flow.keep(stream, size);
        }
    }

    /// A worker is lost, and with it what it was asked.
    pub(super) fn forget_sizes(&mut self, worker: ChildId) {
        self.sizings.retain(|it| it.worker != worker);
    }
}
