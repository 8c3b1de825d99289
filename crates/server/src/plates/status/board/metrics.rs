//! How a run stands, in Prometheus' text format. Pure.

use std::collections::BTreeMap;

use crate::{
    exposition::{Page, label},
    plates::status::standing::Standing,
};

/// The page.
pub(super) fn text(it: &Standing) -> String {
    let mut page = Page::default();
    page.family(
        "framerill_plates_state",
        "gauge",
        "The state that the run is in: 1",
        [(format!("state=\"{}\"", label(&it.state)), 1_u32)],
    );
    work(&mut page, it);
    queue(&mut page, it);
    processes(&mut page, it);
    page.into_text()
}

/// What is done.
fn work(page: &mut Page, it: &Standing) {
    page.one(
        "framerill_plates_frames_total",
        "counter",
        "Frames that are settled, of all videos",
        it.frames_settled,
    );
    page.one(
        "framerill_plates_frames_per_second",
        "gauge",
        "Frames a second, over the last ten seconds",
        it.fps,
    );
    page.one(
        "framerill_plates_records_total",
        "counter",
        "Vehicles with a final plate",
        it.plates,
    );
    page.one(
        "framerill_plates_skipped_total",
        "counter",
        "Tasks that were left out: they could change no record",
        it.skipped,
    );
    page.one(
        "framerill_plates_dead_letters_total",
        "counter",
        "Tasks that were set aside for good",
        it.dead_letters,
    );
    let events = [
        ("new", it.events.new),
        ("update", it.events.update),
        ("end", it.events.end),
    ];
    page.family(
        "framerill_plates_vehicle_events_total",
        "counter",
        "What happened to vehicles, by event",
        events.map(|(name, count)| (format!("event=\"{name}\""), count)),
    );
    page.one(
        "framerill_plates_vehicle_events_lost_total",
        "counter",
        "Events that `--events` could not write",
        it.events.lost,
    );
    page.one(
        "framerill_plates_videos",
        "gauge",
        "Videos of the run",
        it.videos_total,
    );
    page.one(
        "framerill_plates_videos_done_total",
        "counter",
        "Videos that are over, whatever came of them",
        it.videos_done,
    );
    page.one(
        "framerill_plates_store_frames",
        "gauge",
        "Frames in shared memory that somebody needs",
        it.store_frames,
    );
    page.one(
        "framerill_plates_store_bytes",
        "gauge",
        "Bytes of frames in shared memory that somebody needs",
        it.store_bytes,
    );
}

/// What is open, by category.
fn queue(page: &mut Page, it: &Standing) {
    let of = |name: &str| format!("category=\"{}\"", label(name));
    let rows = it.categories.iter();
    page.family(
        "framerill_plates_queued_tasks",
        "gauge",
        "Tasks in the queue, by category",
        rows.clone().map(|it| (of(&it.name), it.queued)),
    );
    page.family(
        "framerill_plates_in_flight_tasks",
        "gauge",
        "Tasks in the hands of workers, by category",
        rows.clone().map(|it| (of(&it.name), it.in_flight)),
    );
    page.family(
        "framerill_plates_backed_up",
        "gauge",
        "Whether a category has reached its soft limit and not recovered",
        rows.clone()
            .map(|row| (of(&row.name), it.backed_up.contains(&row.name))),
    );
    page.family(
        "framerill_plates_done_tasks_total",
        "counter",
        "Tasks that were done, by category",
        rows.map(|it| (of(&it.name), it.done)),
    );
}

fn processes(page: &mut Page, it: &Standing) {
    let mut workers = BTreeMap::new();
    let mut restarts = BTreeMap::new();
    let mut errors = BTreeMap::new();
    for worker in &it.workers {
        let kind = format!("kind=\"{}\"", label(&worker.kind));
        let state = format!("{kind},state=\"{}\"", label(&worker.state));
        *workers.entry(state).or_insert(0_u64) += 1;
        *restarts.entry(kind.clone()).or_insert(0_u64) += worker.restarts;
        *errors.entry(kind).or_insert(0_u64) += worker.errors;
    }
    page.family(
        "framerill_plates_workers",
        "gauge",
        "Workers, by class and state",
        workers,
    );
    page.family(
        "framerill_plates_worker_restarts_total",
        "counter",
        "Workers that were replaced, by class",
        restarts,
    );
    page.family(
        "framerill_plates_task_errors_total",
        "counter",
        "Tasks that failed, by class of the worker; one may be tried again",
        errors,
    );
    let readers: u64 = it.readers.iter().map(|_| 1).sum();
    let paused: u64 = it.readers.iter().map(|it| u64::from(it.is_paused)).sum();
    page.one(
        "framerill_plates_readers",
        "gauge",
        "Readers at work",
        readers,
    );
    page.one(
        "framerill_plates_readers_paused",
        "gauge",
        "Readers that wait until workers have caught up",
        paused,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plates::status::standing::{CategoryLine, ReaderLine, WorkerLine};

    #[test]
    fn each_number_of_a_run_is_told_with_its_labels() {
        let worker = |kind: &str, restarts| WorkerLine {
            kind: kind.into(),
            state: "busy".into(),
            restarts,
            ..WorkerLine::default()
        };
        let page = text(&Standing {
            state: "running".into(),
            categories: vec![CategoryLine {
                name: "ocr".into(),
                queued: 3,
                in_flight: 2,
                workers: 1,
                done: 9,
            }],
            backed_up: vec!["ocr".into()],
            workers: vec![worker("gpu", 1), worker("gpu", 2), worker("cpu", 0)],
            readers: vec![
                ReaderLine {
                    is_paused: true,
                    ..ReaderLine::default()
                },
                ReaderLine::default(),
            ],
            frames_settled: 7,
            fps: 2.5,
            dead_letters: 4,
            ..Standing::default()
        });
        for line in [
            "framerill_plates_state{state=\"running\"} 1.0",
            "framerill_plates_queued_tasks{category=\"ocr\"} 3.0",
            "framerill_plates_in_flight_tasks{category=\"ocr\"} 2.0",
            "framerill_plates_backed_up{category=\"ocr\"} 1.0",
            "framerill_plates_done_tasks_total{category=\"ocr\"} 9.0",
            "framerill_plates_workers{kind=\"gpu\",state=\"busy\"} 2.0",
            "framerill_plates_worker_restarts_total{kind=\"gpu\"} 3.0",
            "framerill_plates_worker_restarts_total{kind=\"cpu\"} 0.0",
            "framerill_plates_readers 2.0",
            "framerill_plates_readers_paused 1.0",
            "framerill_plates_frames_total 7.0",
            "framerill_plates_frames_per_second 2.5",
            "framerill_plates_dead_letters_total 4.0",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}\n{page}");
        }
    }
}
