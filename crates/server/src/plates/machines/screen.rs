//! What a submitter shows. Pure: what it knows in, lines out.

use std::collections::BTreeMap;

use framerill_media::counted;
use framerill_plates::machines::{Board, End, Note, Presence, State};

/// Items that are named.
const ITEMS: usize = 12;
/// Workers that are named.
const WORKERS: usize = 16;

/// What is said of an end.
pub(super) fn word(end: End) -> &'static str {
    match end {
        End::Complete => "complete",
        End::Partial => "partial",
        End::Skipped => "skipped",
        End::Failed => "failed",
        End::Dead => "dead",
    }
}

/// For whoever looks on at a terminal.
pub(super) const HOW_TO_LEAVE: &str = "Ctrl-C leaves the queue as it is; the same command looks on";

/// The whole picture, a line each.
pub(super) fn screen(
    board: &Board,
    workers: &BTreeMap<String, Presence>,
    seconds: f64,
) -> Vec<String> {
    let mut lines = vec![format!(
        "framerill plates: {}",
        line(board, workers, seconds)
    )];
    for it in workers.values().take(WORKERS) {
        lines.push(format!(
            "worker {} on {}: {} of {} at work, {} done",
            it.worker, it.host, it.busy, it.slots, it.done
        ));
    }
    if workers.is_empty() {
        lines.push("no worker is there: `framerill plates work --queue …` is one".into());
    }
    let working = board.rows().filter_map(|(_, row)| row.note.as_ref());
    let working: Vec<_> = working.filter(|it| it.state == State::Working).collect();
    lines.extend(working.iter().take(ITEMS).map(|it| item(it)));
    if working.len() > ITEMS {
        let more = (working.len() - ITEMS) as u64;
        lines.push(format!("… and {} more", counted(more, "video", "videos")));
    }
    lines
}

/// One line, for whoever reads a log.
pub(super) fn line(board: &Board, workers: &BTreeMap<String, Presence>, seconds: f64) -> String {
    let counts = board.counts();
    let notes = || board.rows().filter_map(|(_, row)| row.note.as_ref());
    let (frames, plates) = notes().fold((0, 0), |sum, it| (sum.0 + it.frames, sum.1 + it.plates));
    let working = notes().filter(|it| it.state == State::Working);
    let fps = working.fold(0.0, |sum, it| sum + it.fps);
    format!(
        "queued={} working={} done={} failed={} dead={} videos={} workers={} frames={frames} fps={fps:.1} plates={plates} seconds={seconds:.0}",
        counts.queued,
        counts.working,
        counts.done,
        counts.failed,
        counts.dead,
        board.rows().count(),
        workers.len(),
    )
}

/// An item at work.
pub(super) fn item(it: &Note) -> String {
    let mut line = format!("{}: frame {}", it.video_id, it.frames);
    if let Some(of) = it.of {
        line += &format!(" of {of}");
    }
    line += &format!(" on {}", it.worker);
    if it.delivery > 1 {
        line += &format!(", try {}", it.delivery - it.excused.min(it.delivery - 1));
    }
    line
}

#[cfg(test)]
mod tests {
    use framerill_plates::machines::{Key, VERSION};

    use super::*;

    #[test]
    fn the_picture_names_workers_and_what_is_at_work() {
        let mut board = Board::default();
        let key = |it: &str| Key::of(&it.repeat(64), &"0".repeat(64));
        for name in ["a", "b", "c"] {
            board.add(key(name), name, 0, None);
        }
        let working = Note {
            worker: "box-1".into(),
            frames: 40,
            of: Some(300),
            fps: 12.5,
            ..Note::new(0, 2, State::Working, "a")
        };
        board.noted(&key("a"), working);
        board.noted(&key("b"), Note::new(0, 1, State::Over(End::Dead), "b"));
        let presence = Presence {
            v: VERSION,
            worker: "box-1".into(),
            host: "box".into(),
            slots: 2,
            busy: 1,
            done: 4,
            at: 0,
        };
        let workers = BTreeMap::from([("box-1".to_owned(), presence)]);
        let expected = "\
framerill plates: queued=1 working=1 done=0 failed=0 dead=1 videos=3 workers=1 frames=40 fps=12.5 plates=0 seconds=3
worker box-1 on box: 1 of 2 at work, 4 done
a: frame 40 of 300 on box-1, try 2";
        assert_eq!(screen(&board, &workers, 3.0).join("\n"), expected);
        let none = screen(&board, &BTreeMap::new(), 3.0).join("\n");
        assert!(none.contains("plates work"), "{none}");
    }
}
