//! `framerill stream stop`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Server, streams};
use crate::{exit::Exit, failure::Failure, runtime, signals::Stop, terminal};

/// A stream ends in order within 6 s.
const OVER_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    One(u64),
    All,
}

/// Stops streams, and returns when they are over.
pub(crate) fn stop(server: &Server, which: Which, json: bool) -> Result<Exit, Failure> {
    let runtime = runtime::of_one_thread()?;
    let done = runtime.block_on(async {
        let mut signals = Stop::listen()?;
        tokio::select! {
            stopped = all(server, which) => stopped.map(Ok),
            exit = signals.next() => Ok(Err(exit)),
        }
    })?;
    let stopped = match done {
        Ok(stopped) => stopped,
        Err(exit) => return Ok(exit),
    };
    if json {
        terminal::answer(json!({"stopped": stopped}));
    } else if stopped.is_empty() {
        terminal::answer("no stream runs");
    } else {
        for id in stopped {
            terminal::answer(format_args!("stream {id} is over"));
        }
    }
    Ok(Exit::Done)
}

async fn all(server: &Server, which: Which) -> Result<Vec<u64>, Failure> {
    let ids = match which {
        Which::One(id) => vec![id],
        Which::All => numbers(&server.look(None).await?),
    };
    for id in &ids {
        match end(server, *id).await {
            // One of all that ended by itself meanwhile is over, too.
            Err(failure) if failure.code == "unknown_stream" && matches!(which, Which::All) => {}
            ended => ended?,
        }
    }
    let until = Instant::now() + OVER_WITHIN;
    loop {
        let there = numbers(&server.look(None).await?);
        let left: Vec<_> = ids.iter().filter(|it| there.contains(it)).collect();
        if left.is_empty() {
            return Ok(ids);
        }
        if Instant::now() > until {
            let text = format!("still there after {} s: {left:?}", OVER_WITHIN.as_secs());
            return Err(Failure::failed("stop", text).hint("the server's own lines say why"));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn numbers(list: &Value) -> Vec<u64> {
    let ids = streams(list).iter().map(|it| it["id"].as_u64());
    ids.flatten().collect()
}

/// Asks for the end of one.
pub(super) async fn end(server: &Server, id: u64) -> Result<(), Failure> {
    server.delete(id).await.map(drop)
}
