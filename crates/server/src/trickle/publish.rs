//! `framerill trickle publish`.

use std::time::Duration;

use framerill_media::Piece;
use framerill_trickle::{
    http::client::{PublishError, Publisher, PublisherOptions, Segment},
    publisher::{Backpressure, End, Event, Loss},
};
use serde_json::json;

use super::source::Source;
use crate::{
    exit::Exit, failure::Failure, log::Level, run::Tell, runtime, signals::Stop, terminal,
};

/// A source and the channel that it goes to.
pub(crate) struct Publish {
    pub(crate) url: String,
    pub(crate) input: String,
    /// How long a segment lasts where there are no keyframes.
    pub(crate) segment: Duration,
    pub(crate) options: PublisherOptions,
    pub(crate) json: bool,
}

fn ended(url: &str, error: &PublishError) -> Failure {
    let first = std::error::Error::source(error);
    let causes = std::iter::successors(first, |it| it.source());
    let cause: String = causes.map(|it| format!(": {it}")).collect();
    Failure::failed(
        "publish",
        format!("cannot publish to `{url}`: {error}{cause}"),
    )
    .hint(advice(error))
}

fn advice(error: &PublishError) -> &'static str {
    match error {
        PublishError::Ended(End::Closed | End::Finished) => {
            "somebody closed the channel; publish to another one, or once more"
        }
        PublishError::Ended(End::NotFound) => {
            "create the channel first, or serve with --autocreate; a channel's name is one part of a path"
        }
        PublishError::Ended(End::Refused(_)) => {
            "the server is there and says no; look at its limits and at the channel's name"
        }
        _ => "check that a server is there: framerill trickle serve",
    }
}

/// Publishes until the source ends or a signal comes.
pub(crate) fn publish(asked: Publish) -> Result<Exit, Failure> {
    let runtime = runtime::of_one_thread()?;
    let done = runtime.block_on(pump(asked));
    // A read of stdin may still wait; nobody needs it.
    runtime.shutdown_background();
    done
}

async fn pump(asked: Publish) -> Result<Exit, Failure> {
    let url = asked.url;
    let asked_policy = asked.options.config.backpressure;
    let mut stop = Stop::listen()?;
    let wrong = |error: framerill_trickle::http::client::ConnectError| {
        Failure::usage(
            "url",
            format!("`{url}` is no channel to publish to: {error}"),
        )
    };
    let mut publisher = Publisher::connect(&url, asked.options).map_err(wrong)?;
    let mut source = match asked.input.as_str() {
        "-" => Source::stdin(asked.segment),
        video => Source::video(video, to_terminal())?,
    };
    let mut segment = None;
    let mut exit = Exit::Done;
    let mut fault = None;
    loop {
        tokio::select! {
            read = source.next() => {
                let pieces = match read {
                    Some(Ok(pieces)) => pieces,
                    Some(Err(failure)) => {
                        fault = Some(failure);
                        break;
                    }
                    None => break,
                };
                for piece in pieces {
                    put(&mut publisher, &mut segment, piece).await.map_err(|it| ended(&url, &it))?;
                }
            }
            event = publisher.event() => match event {
                Some(event) => tell(&event),
                None => break,
            },
            signal = stop.next() => {
                if exit != Exit::Done {
                    return Ok(signal);
                }
                exit = signal;
                source.stop();
            }
        }
    }
    if let Some(piece) = source.rest() {
        put(&mut publisher, &mut segment, piece)
            .await
            .map_err(|it| ended(&url, &it))?;
    }
    if let Some(segment) = segment {
        segment.finish().await.map_err(|it| ended(&url, &it))?;
    }
    let counters = publisher.close().await.map_err(|it| ended(&url, &it))?;
    let nothing_arrived = counters.segments_sent == 0 && counters.segments_lost > 0;
    let may_lose = asked_policy != Backpressure::Block;
    let exit = match fault {
        _ if exit != Exit::Done => exit,
        Some(fault) => {
            terminal::tell(format_args!("framerill: {fault}"));
            fault.exit
        }
        None if nothing_arrived || (counters.segments_lost > 0 && !may_lose) => Exit::Failed,
        None => Exit::Done,
    };
    if asked.json {
        let status = match exit {
            Exit::Done => "done",
            Exit::Interrupted | Exit::Terminated => "interrupted",
            _ => "failed",
        };
        let error = (status == "failed").then(|| {
            json!({"code": "publish", "message": "not all of the source was published; stderr says why"})
        });
        terminal::answer(json!({
            "status": status,
            "error": error,
            "segments": counters.segments_sent,
            "segments_lost": counters.segments_lost,
            "bytes": counters.bytes_sent,
            "bytes_dropped": counters.bytes_dropped,
            "failures": counters.failures,
        }));
    } else {
        terminal::tell(format_args!(
            "{} segments, {} bytes published; {} segments lost",
            counters.segments_sent, counters.bytes_sent, counters.segments_lost
        ));
    }
    Ok(exit)
}

/// What a video's run says beyond its progress.
fn to_terminal() -> Tell {
    Box::new(|level, line| {
        if matches!(level, Level::Warning | Level::Error) {
            terminal::tell(line);
        }
    })
}

async fn put(
    publisher: &mut Publisher,
    segment: &mut Option<Segment>,
    piece: Piece,
) -> Result<(), PublishError> {
    match piece {
        Piece::Bytes(bytes) => {
            let open = match segment {
                Some(open) => open,
                None => segment.insert(publisher.segment().await?),
            };
            open.write(bytes).await
        }
        Piece::Cut => match segment.take() {
            Some(open) => open.finish().await,
            None => Ok(()),
        },
    }
}

fn tell(event: &Event) {
    match event {
        Event::Lost { seq, why, .. } => {
            let why = match why {
                Loss::Overflow => "there was no room for it".to_owned(),
                Loss::Superseded => "a newer one had begun".to_owned(),
                Loss::Abandoned | Loss::Ended => "the end came first".to_owned(),
                Loss::CutByServer => "the server ended it".to_owned(),
                Loss::Failed(failure) => failure.to_string(),
                why => format!("{why:?}"),
            };
            terminal::tell(format_args!("framerill: segment {seq} was lost: {why}"));
        }
        Event::Trouble(failure) => {
            terminal::tell(format_args!("framerill: {failure}; trying again"));
        }
        _ => {}
    }
}
