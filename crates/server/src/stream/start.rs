//! `framerill stream start`.

use std::{path, time::Duration};

use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{Server, stop, text};
use crate::{exit::Exit, failure::Failure, runtime, signals::Stop, terminal};

/// How often a stream that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A stream that is asked for. What is none, the server decides.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) server: Server,
    pub(crate) source: String,
    pub(crate) sink: String,
    pub(crate) pipeline: Option<String>,
    pub(crate) params: Option<Map<String, Value>>,
    pub(crate) binding: Option<String>,
    pub(crate) egress: Option<String>,
    pub(crate) on_worker_loss: Option<String>,
    pub(crate) max_fps: Option<f64>,
    pub(crate) control_url: Option<String>,
    pub(crate) events_url: Option<String>,
    /// Until it is over.
    pub(crate) wait: bool,
    pub(crate) json: bool,
}

/// Starts a stream; waits for its end, if asked to.
pub(crate) fn start(asked: Start) -> Result<Exit, Failure> {
    let runtime = runtime::of_one_thread()?;
    runtime.block_on(async {
        let body = body(&asked);
        let mut signals = Stop::listen()?;
        let stream = tokio::select! {
            stream = asked.server.create(&body) => stream?,
            exit = signals.next() => return Ok(exit),
        };
        let Some(id) = stream["id"].as_u64() else {
            return Err(Failure::failed(
                "server",
                "the server's answer names no stream",
            ));
        };
        if !asked.wait {
            tell_start(&asked, &stream, id);
            return Ok(Exit::Done);
        }
        terminal::tell(format_args!("stream {id} runs; Ctrl-C stops it"));
        wait(&asked, stream, id, &mut signals).await
    })
}

fn body(asked: &Start) -> Value {
    let is_local = asked.server.is_local();
    let optional = [
        (
            "pipeline",
            asked
                .pipeline
                .as_ref()
                .map(|it| json!(pipeline(it, is_local))),
        ),
        ("params", asked.params.as_ref().map(|it| json!(it))),
        ("binding", asked.binding.as_ref().map(|it| json!(it))),
        ("egress", asked.egress.as_ref().map(|it| json!(it))),
        (
            "on_worker_loss",
            asked.on_worker_loss.as_ref().map(|it| json!(it)),
        ),
        ("max_fps", asked.max_fps.map(|it| json!(it))),
        (
            "control_url",
            asked.control_url.as_ref().map(|it| json!(it)),
        ),
        ("events_url", asked.events_url.as_ref().map(|it| json!(it))),
    ];
    let mut body =
        json!({"source": place(&asked.source, is_local), "sink": place(&asked.sink, is_local)});
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    body
}

/// A file is meant as seen from this folder; the server works in another one.
fn place(text: &str, is_local: bool) -> String {
    if !is_local || text.is_empty() || text.contains("://") || text.starts_with("lavfi:") {
        return text.to_owned();
    }
    absolute(text)
}

fn pipeline(text: &str, is_local: bool) -> String {
    let is_file = text.ends_with(".py") || text.contains(".py:");
    if is_local && is_file {
        return absolute(text);
    }
    text.to_owned()
}

fn absolute(text: &str) -> String {
    let absolute = path::absolute(text);
    absolute.map_or_else(|_| text.to_owned(), |it| it.display().to_string())
}

fn tell_start(asked: &Start, stream: &Value, id: u64) {
    if asked.json {
        return terminal::answer(stream);
    }
    terminal::answer(format_args!(
        "stream {id} runs: {} → {}, pipeline {}",
        text(stream, "source"),
        text(stream, "sink"),
        text(stream, "pipeline")
    ));
    terminal::answer(format_args!("stop it with: framerill stream stop {id}"));
}

/// Looks at it until it is over. A signal stops it, in order; another one at once.
async fn wait(
    asked: &Start,
    mut last: Value,
    id: u64,
    signals: &mut Stop,
) -> Result<Exit, Failure> {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = None;
    loop {
        let seen = async {
            look.tick().await;
            asked.server.look(Some(id)).await
        };
        tokio::select! {
            seen = seen => match seen {
                Ok(stream) => {
                    last = stream;
                    if last["is_over"] == true {
                        break;
                    }
                }
                Err(failure) if failure.code == "unknown_stream" => break,
                Err(failure) => return Err(failure),
            },
            signal = signals.next() => {
                if stopped.is_some() {
                    return Ok(signal);
                }
                stopped = Some(signal);
                stop::end(&asked.server, id).await?;
            }
        }
    }
    let segments = |name: &str| last[name].as_u64().unwrap_or(0);
    let is_undelivered = segments("segments_out") == 0 && segments("segments_lost") > 0;
    let is_lost = last["state"] == "ERROR" || last["fault"].is_string() || is_undelivered;
    let frames = &last["stats"];
    let fault = last["fault"].as_str();
    let undelivered = is_undelivered.then_some("nothing of its output could be delivered");
    let why = fault
        .or(undelivered)
        .or(last["status"]["inference_status"]["last_error"].as_str());
    if asked.json {
        let status = match (stopped, is_lost) {
            (Some(_), _) => "interrupted",
            (None, true) => "failed",
            (None, false) => "done",
        };
        let error = why.filter(|_| status == "failed");
        let error = error.map(|it| json!({"code": "stream_lost", "message": it}));
        terminal::answer(json!({"status": status, "error": error, "stream": last}));
    } else {
        terminal::tell(format_args!(
            "stream {id} is over; when last seen {} frames in, {} out, {} in place of finished ones",
            frames["decoded"], frames["encoded"], frames["filler"]
        ));
    }
    match stopped {
        Some(signal) => Ok(signal),
        None if is_lost => {
            let why = why.unwrap_or("its worker is lost for good");
            let mut failure = Failure::failed("stream_lost", format!("stream {id} failed: {why}"))
                .hint("the server's own lines say more");
            failure.is_reported = asked.json;
            Err(failure)
        }
        None => Ok(Exit::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_meant_from_this_folder_and_urls_as_they_are() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            place("clip.mp4", true),
            here.join("clip.mp4").display().to_string()
        );
        assert_eq!(place("clip.mp4", false), "clip.mp4");
        for same in ["http://a/b", "lavfi:testsrc2=size=64x64", "/tmp/a.ts", ""] {
            assert_eq!(place(same, true), same);
        }
        assert_eq!(pipeline("noop", true), "noop");
        let file = here.join("mine.py:Mine").display().to_string();
        assert_eq!(pipeline("mine.py:Mine", true), file);
    }
}
