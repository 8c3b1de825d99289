//! The words and lines that show how a run stands. Pure: a snapshot in, text out.

use std::{collections::BTreeMap, fmt::Write};

use framerill_media::counted;

use super::standing::{Standing, VideoLine, WorkerLine};
use crate::log::one_line;

/// Videos that are named.
const VIDEOS: usize = 8;

/// For whoever has the run on a terminal.
pub(crate) const HOW_TO_STOP: &str = "Ctrl-C stops after what is begun; a second one at once";

/// The whole picture, a line each.
pub(crate) fn screen(it: &Standing) -> Vec<String> {
    let mut lines = vec![
        format!(
            "framerill plates: {}, {}, {} of {}, {}",
            it.state,
            clock(it.seconds),
            it.videos_done,
            counted(it.videos_total, "video", "videos"),
            counted(it.plates, "plate", "plates")
        ),
        format!(
            "queued {}   frames {} ({:.1}/s)   store {} frames, {}   skipped {}   dead letters {}",
            it.queued,
            it.frames_settled,
            it.fps,
            it.store_frames,
            bytes(it.store_bytes),
            it.skipped,
            it.dead_letters
        ),
    ];
    let backed_up = if it.backed_up.is_empty() {
        "none".to_owned()
    } else {
        it.backed_up.join(", ")
    };
    lines.push(format!("backed up: {backed_up}"));
    lines.push(format!(
        "{:<16}{:>8}{:>11}{:>9}",
        "category", "queued", "in flight", "workers"
    ));
    for line in &it.categories {
        lines.push(format!(
            "{:<16}{:>8}{:>11}{:>9}",
            line.name, line.queued, line.in_flight, line.workers
        ));
    }
    if it.workers.is_empty() {
        lines.push("no workers registered".into());
    }
    lines.extend(it.workers.iter().map(worker));
    for reader in &it.readers {
        let state = if reader.is_paused {
            "paused"
        } else {
            "running"
        };
        lines.push(format!(
            "reader {}: {} {state} (paused {:.1} s so far)",
            reader.id, reader.video_id, reader.paused_s
        ));
    }
    lines.extend(it.videos.iter().take(VIDEOS).map(video));
    if it.videos.len() > VIDEOS {
        let more = (it.videos.len() - VIDEOS) as u64;
        lines.push(format!("… and {} more", counted(more, "video", "videos")));
    }
    lines.extend(it.said.iter().map(|it| format!("> {it}")));
    lines
}

fn worker(it: &WorkerLine) -> String {
    let pid = it.pid.map_or_else(|| "-".into(), |pid| pid.to_string());
    let category = it.category.as_deref().unwrap_or("idle");
    let mut line = format!(
        "worker {} ({}) pid {pid}: {category}, heard {:.2} s ago, {} done",
        it.id, it.kind, it.age_s, it.done
    );
    if !matches!(it.state.as_str(), "idle" | "busy") {
        write!(line, ", {}", it.state).ok();
    }
    if it.is_stale {
        line.push_str(", stale");
    }
    let told = [
        (it.errors, "error", "errors"),
        (it.restarts, "restart", "restarts"),
    ];
    for (count, one, more) in told.into_iter().filter(|it| it.0 > 0) {
        write!(line, ", {}", counted(count, one, more)).ok();
    }
    line
}

fn video(it: &VideoLine) -> String {
    let mut line = format!("{}: frame {}", it.video_id, it.frames);
    if let Some(of) = it.of {
        let percent = (it.frames * 100).checked_div(of).unwrap_or(100).min(100);
        write!(line, " of {of} ({percent} %)").ok();
    }
    if let Some(eta) = it.eta_s {
        write!(line, ", {} left", clock(eta)).ok();
    }
    line
}

/// One line, for whoever reads a log.
pub(crate) fn line(it: &Standing) -> String {
    let names = |keep: fn(&WorkerLine) -> bool| {
        let mut active = BTreeMap::new();
        let kept = it.workers.iter().filter(|it| keep(it));
        for category in kept.filter_map(|it| it.category.as_deref()) {
            *active.entry(category).or_insert(0_u32) += 1;
        }
        active
    };
    let active = names(|it| it.state == "busy" || it.state == "loading");
    let active: Vec<_> = active.iter().map(|(it, n)| format!("{it}={n}")).collect();
    let backlog = it.categories.iter().filter(|it| it.queued > 0);
    let backlog: Vec<_> = backlog
        .map(|it| format!("{}={}", it.name, it.queued))
        .collect();
    let or_none = |words: Vec<String>| match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(","),
    };
    let paused = it.readers.iter().filter(|it| it.is_paused).count();
    format!(
        "{} {} videos={}/{} frames={} fps={:.1} plates={} queued={} backlog={} backed_up={} active={} readers={} paused={paused} store={} dead_letters={}",
        it.state,
        clock(it.seconds),
        it.videos_done,
        it.videos_total,
        it.frames_settled,
        it.fps,
        it.plates,
        it.queued,
        or_none(backlog),
        or_none(it.backed_up.clone()),
        or_none(active),
        it.readers.len(),
        it.store_frames,
        it.dead_letters
    )
}

/// Puts `lines` where the `before` lines of the last picture are, at most `height` of them, none longer than `width`.
pub(crate) fn redraw(
    before: usize,
    lines: &[String],
    width: usize,
    height: usize,
) -> (String, usize) {
    let shown = lines.len().min(height.saturating_sub(1).max(1));
    let mut text = String::new();
    if before > 0 {
        write!(text, "\u{1b}[{before}A").ok();
    }
    // Lines that are too wide are cut, not wrapped: the next picture finds its place again.
    text.push_str("\r\u{1b}[J\u{1b}[?7l");
    for line in &lines[..shown] {
        // What is shown came out of names of files.
        text.extend(one_line(line).chars().take(width.saturating_sub(1).max(1)));
        text.push('\n');
    }
    text.push_str("\u{1b}[?7h");
    (text, shown)
}

/// Whether nothing is queued, in flight or read.
pub(crate) fn is_idle(it: &Standing) -> bool {
    let is_busy = it.categories.iter().any(|it| it.queued + it.in_flight > 0);
    !is_busy && it.queued == 0 && it.readers.is_empty()
}

fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let whole = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    format!("{hours}:{minutes:02}:{seconds:02}")
}

fn bytes(it: u64) -> String {
    format!("{} MiB", it >> 20)
}

#[cfg(test)]
mod tests {
    use super::{
        super::standing::{CategoryLine, EventsLine, ReaderLine},
        *,
    };

    fn snapshot() -> Standing {
        let category = |name: &str, queued, in_flight, workers| CategoryLine {
            name: name.into(),
            queued,
            in_flight,
            workers,
            done: 0,
        };
        Standing {
            events: EventsLine::default(),
            state: "running".into(),
            seconds: 3725.9,
            queued: 70,
            backed_up: vec!["ocr".into(), "vehicle_yolo".into()],
            categories: vec![
                category("vehicle_yolo", 64, 2, 1),
                category("plate_yolo", 6, 0, 0),
            ],
            workers: vec![
                WorkerLine {
                    id: 0,
                    kind: "gpu".into(),
                    pid: Some(41),
                    state: "busy".into(),
                    category: Some("vehicle_yolo".into()),
                    age_s: 0.125,
                    done: 9,
                    restarts: 1,
                    ..WorkerLine::default()
                },
                WorkerLine {
                    id: 100,
                    kind: "cpu".into(),
                    state: "starting".into(),
                    age_s: 11.0,
                    is_stale: true,
                    ..WorkerLine::default()
                },
            ],
            readers: vec![ReaderLine {
                id: 3,
                video_id: "a".into(),
                is_paused: true,
                paused_s: 1.25,
            }],
            videos: vec![VideoLine {
                video_id: "a".into(),
                frames: 50,
                of: Some(200),
                eta_s: Some(61.0),
            }],
            videos_done: 1,
            videos_total: 4,
            frames_settled: 50,
            fps: 12.34,
            plates: 2,
            store_frames: 5,
            store_bytes: 14 << 20,
            dead_letters: 0,
            skipped: 7,
            said: vec!["worker 0 is process 41".into()],
        }
    }

    #[test]
    fn the_screen_shows_queue_workers_readers_and_videos() {
        let expected = "\
framerill plates: running, 1:02:05, 1 of 4 videos, 2 plates
queued 70   frames 50 (12.3/s)   store 5 frames, 14 MiB   skipped 7   dead letters 0
backed up: ocr, vehicle_yolo
category          queued  in flight  workers
vehicle_yolo          64          2        1
plate_yolo             6          0        0
worker 0 (gpu) pid 41: vehicle_yolo, heard 0.12 s ago, 9 done, 1 restart
worker 100 (cpu) pid -: idle, heard 11.00 s ago, 0 done, starting, stale
reader 3: a paused (paused 1.2 s so far)
a: frame 50 of 200 (25 %), 0:01:01 left
> worker 0 is process 41";
        assert_eq!(screen(&snapshot()).join("\n"), expected);
        let none = screen(&Standing::default());
        assert!(none.contains(&"no workers registered".to_owned()));
    }

    #[test]
    fn without_a_terminal_it_is_one_line_without_escape_codes() {
        let line = line(&snapshot());
        let expected = "running 1:02:05 videos=1/4 frames=50 fps=12.3 plates=2 queued=70 \
backlog=vehicle_yolo=64,plate_yolo=6 backed_up=ocr,vehicle_yolo active=vehicle_yolo=1 readers=1 paused=1 store=5 dead_letters=0";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_picture_takes_the_place_of_the_last_one_and_fits_the_terminal() {
        let lines: Vec<String> = ["long\u{1b}[2Jline", "b", "c"].map(String::from).into();
        let (first, shown) = redraw(0, &lines, 6, 3);
        assert_eq!(
            (first.as_str(), shown),
            ("\r\u{1b}[J\u{1b}[?7llong \nb\n\u{1b}[?7h", 2)
        );
        let (second, shown) = redraw(2, &lines[..1], 80, 24);
        assert!(second.starts_with("\u{1b}[2A\r\u{1b}[J"), "{second:?}");
        assert_eq!(shown, 1);
    }

    #[test]
    fn idle_is_nothing_queued_in_flight_or_read() {
        let mut it = snapshot();
        assert!(!is_idle(&it));
        it.readers.clear();
        it.queued = 0;
        assert!(!is_idle(&it));
        for category in &mut it.categories {
            (category.queued, category.in_flight) = (0, 0);
        }
        assert!(is_idle(&it));
    }
}
