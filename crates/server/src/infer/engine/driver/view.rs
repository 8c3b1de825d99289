//! What is told of everything that runs.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use framerill_supervisor::{
    guardian::{Guardian, State},
    lifecycle,
};

use super::Driver;
use crate::infer::{
    engine::{ChildView, Snapshot, StreamView, seat::Seat, stream::Stream},
    status::StatusView,
};

pub(super) fn snapshot(driver: &Driver) -> Snapshot {
    let streams = driver
        .streams_in_seats()
        .map(|(seat, stream)| stream_view(driver, seat, stream))
        .collect();
    let workers = driver.workers.iter().map(|it| ChildView {
        role: "worker",
        pid: it.child.pid(),
        state: it.child.state().as_str(),
    });
    let medias = driver.streams().map(|it| ChildView {
        role: "media",
        pid: it.media.pid(),
        state: it.media.state().as_str(),
    });
    let is_ready = |it: &Seat| {
        let worker = it.worker.and_then(|it| driver.worker(it));
        worker.is_some_and(|it| it.child.state() == lifecycle::State::Ready)
    };
    let guardians = || driver.seats.iter().map(|it| &it.guardian);
    Snapshot {
        status: merged(driver),
        streams,
        over: driver.over.iter().cloned().collect(),
        children: workers.chain(medias).collect(),
        capacity: driver.settings.capacity,
        started: driver.started,
        restarts: driver.restarts.clone(),
        pipeline_faults: driver.pipeline_faults.clone(),
        log_left_out: driver.log_left_out.clone(),
        errors_superseded: guardians().map(Guardian::superseded_errors).sum(),
        guardian_inputs_ignored: guardians().map(Guardian::ignored).sum(),
        recovery: driver.recovery,
        is_ready: driver.seats.iter().any(is_ready) && !driver.seating.is_leaving(),
    }
}

/// The status object of the whole process: that of the newest stream that runs; else of what is worst among the seats, but
/// one that can take a stream outweighs one that failed. Nor is it an error that all of them failed while a start would
/// get a fresh worker: whoever polls `/health` would give up a process that works.
fn merged(driver: &Driver) -> Option<StatusView> {
    let newest = driver
        .seats
        .iter()
        .filter(|it| it.stream.is_some())
        .max_by_key(|it| it.stream.as_ref().map(|it| it.number));
    let rank = |it: &&Seat| match it.guardian.state() {
        State::Loading => 3,
        State::Offline => 2,
        State::Online | State::DegradedInput | State::DegradedInference => 4,
        State::Error => 1,
    };
    let seat = newest.or_else(|| driver.seats.iter().max_by_key(rank));
    let mut view = seat.map(Seat::status)?;
    let is_idle = seat.is_some_and(|it| it.stream.is_none());
    if is_idle && view.status.state == State::Error && driver.seating.begins_anew_somewhere() {
        view.status.state = State::Offline;
    }
    Some(view)
}

pub(super) fn stream_view(driver: &Driver, seat: Option<&Seat>, stream: &Stream) -> StreamView {
    let asked = &stream.asked;
    let counters = &stream.transport.counters;
    let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
    let worker = seat
        .and_then(|it| it.worker)
        .and_then(|it| driver.worker(it));
    StreamView {
        id: stream.number,
        state: seat.map_or("OFFLINE", |it| it.guardian.state().as_str()),
        is_ending: stream.is_ending,
        is_over: false,
        fault: stream.fault.clone(),
        pipeline: worker.map_or_else(|| driver.settings.name.clone(), |it| it.name()),
        binding: asked.binding,
        source: asked.source.as_text(),
        sink: asked.sink.as_text(),
        events_url: asked.events_url.clone(),
        egress: asked.egress,
        on_worker_loss: asked.on_worker_loss,
        started_ms: stream.started_ms,
        request_id: asked.ids.request.clone(),
        manifest_id: asked.ids.manifest.clone(),
        stream_id: asked.ids.stream.clone(),
        params: Arc::clone(&stream.set.params.given),
        params_status: stream.params_status(),
        media: stream.source.clone(),
        stats: stream.stats().clone(),
        bytes_in: count(&counters.bytes_in),
        bytes_out: count(&counters.bytes_out),
        segments_missing: count(&counters.segments_missing),
        segments_out: count(&counters.segments_out),
        segments_lost: count(&counters.segments_lost),
        events_dropped: count(&counters.events_dropped),
        status: seat.map(Seat::status),
    }
}
