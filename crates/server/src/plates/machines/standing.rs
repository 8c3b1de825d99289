//! `framerill plates status --queue`.

use std::{collections::BTreeMap, time::Duration};

use framerill_plates::machines::{
    Board, State,
    nats::{Queue, Seen},
};
use serde_json::json;

use super::{QueueSettings, cannot_start, failed, screen};
use crate::{exit::Exit, failure::Failure, terminal};

/// Without a word for so long all were heard.
const SILENCE: Duration = Duration::from_secs(1);
/// Items at most; older ones are not looked at.
const MOST: usize = 100_000;
/// `status` asks once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says how all items and workers of a queue stand.
pub(crate) fn status(settings: &QueueSettings, as_json: bool) -> Result<Exit, Failure> {
    let settings = QueueSettings {
        patience: PATIENCE,
        ..settings.clone()
    };
    let queue = Queue::open(&settings.options()).map_err(|it| cannot_start(&it))?;
    let depth = queue.depth().map_err(|it| failed(&it))?;
    let (mut board, mut workers, mut watch) = (Board::default(), BTreeMap::new(), queue.watch());
    let mut keys = BTreeMap::new();
    while keys.len() < MOST
        && let Some(seen) = watch.next(SILENCE)
    {
        match seen {
            Seen::Item(key, note) => {
                let video_id = note.video_id.clone();
                // The newest round counts, whatever came before.
                if keys.insert(key.clone(), note.round).is_none() {
                    board.add(key, &video_id, 0, Some(note));
                } else {
                    board.noted(&key, note);
                }
            }
            Seen::Worker(it) => drop(workers.insert(it.worker.clone(), it)),
        }
    }
    if as_json {
        let items = board.rows().map(|(key, row)| {
            let mut value = json!(row.note);
            value["key"] = json!(key.as_str());
            value
        });
        let counts = board.counts();
        terminal::answer_json(&json!({
            "queue": settings.shown(),
            "in_queue": depth.items,
            "dead_letters": depth.dead,
            "queued": counts.queued, "working": counts.working, "done": counts.done,
            "failed": counts.failed, "dead": counts.dead,
            "items": items.collect::<Vec<_>>(),
            "workers": workers.values().collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    let counts = board.counts();
    terminal::answer(format_args!(
        "{}: {} in the queue ({} wait, {} at work); {} done, {} failed, {} dead; {} dead letters",
        settings.shown().unwrap_or_default(),
        depth.items,
        counts.queued,
        counts.working,
        counts.done,
        counts.failed,
        counts.dead,
        depth.dead
    ));
    let lines = screen::screen(&board, &workers, 0.0);
    for line in lines.iter().skip(1) {
        terminal::answer(line);
    }
    let over = board.rows().filter_map(|(_, row)| row.note.as_ref());
    for note in over.filter(|it| it.reason.is_some()) {
        let word = match note.state {
            State::Over(end) => screen::word(end),
            State::Working => "working",
            State::Queued => "queued",
        };
        let reason = note.reason.as_deref().unwrap_or_default();
        terminal::answer(format_args!("{}: {word}: {reason}", note.video_id));
    }
    Ok(Exit::Done)
}
