//! `framerill trickle subscribe`.

use std::path::PathBuf;

use framerill_trickle::{
    http::client::{SubscribeError, Subscriber, SubscriberOptions},
    subscriber::Event,
};
use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{exit::Exit, failure::Failure, runtime, signals::Stop, terminal};

/// A channel and where its bytes go.
pub(crate) struct Subscribe {
    pub(crate) url: String,
    /// `-` is stdout.
    pub(crate) output: PathBuf,
    pub(crate) options: SubscriberOptions,
    pub(crate) json: bool,
}

#[derive(Default)]
struct Counts {
    segments: u64,
    bytes: u64,
    missing: u64,
    cut: u64,
    restarts: u64,
}

/// Reads until the channel ends or a signal comes.
pub(crate) fn subscribe(asked: Subscribe) -> Result<Exit, Failure> {
    let runtime = runtime::of_one_thread()?;
    let done = runtime.block_on(pump(asked));
    // A write that nobody takes may still wait; nobody needs it.
    runtime.shutdown_background();
    done
}

async fn output(path: &PathBuf) -> Result<Box<dyn AsyncWrite + Unpin>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(tokio::io::stdout()));
    }
    let file = tokio::fs::File::create(path).await.map_err(|error| {
        let text = format!("cannot write `{}`: {error}", path.display());
        Failure::cannot_start("output_open", text).hint("name another place with -o")
    })?;
    Ok(Box::new(file))
}

async fn pump(asked: Subscribe) -> Result<Exit, Failure> {
    let url = asked.url;
    let mut stop = Stop::listen()?;
    let mut subscriber = Subscriber::connect(&url, asked.options).map_err(|error| {
        Failure::usage("url", format!("`{url}` is no channel to read: {error}"))
    })?;
    let mut out = output(&asked.output).await?;
    let mut counts = Counts::default();
    let exit = tokio::select! {
        done = copy(&mut subscriber, &mut out, &mut counts) => {
            done.map_err(|failure| failure.about(&url))?;
            Exit::Done
        }
        exit = stop.next() => exit,
    };
    if asked.json {
        terminal::answer(json!({
            "segments": counts.segments,
            "bytes": counts.bytes,
            "missing": counts.missing,
            "cut": counts.cut,
            "restarts": counts.restarts,
        }));
    } else {
        terminal::tell(format_args!(
            "{} segments, {} bytes; {} segments missing, {} cut off",
            counts.segments, counts.bytes, counts.missing, counts.cut
        ));
    }
    Ok(exit)
}

enum CopyError {
    Channel(SubscribeError),
    Output(std::io::Error),
}

impl CopyError {
    fn about(self, url: &str) -> Failure {
        match self {
            Self::Channel(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or(String::new(), |it| format!(": {it}"));
                Failure::failed("subscribe", format!("cannot read `{url}`: {error}{cause}"))
                    .hint(hint(&error, url))
            }
            Self::Output(error) => {
                Failure::failed("output", format!("cannot write what was read: {error}"))
                    .hint("the program that reads the output went away, or the disk is full")
            }
        }
    }
}

fn hint(error: &SubscribeError, url: &str) -> &'static str {
    match error {
        SubscribeError::Unreachable(_) if url.starts_with("https:") => {
            "check the address, that a server is there, and who signed its certificate: --trickle-ca"
        }
        SubscribeError::Unreachable(_) => {
            "check the address, and that a server is there: framerill trickle serve"
        }
        SubscribeError::Refused(_) => "ask whoever runs the server",
        _ => "check the name, and that somebody publishes there",
    }
}

async fn copy(
    subscriber: &mut Subscriber,
    out: &mut (impl AsyncWrite + Unpin),
    counts: &mut Counts,
) -> Result<(), CopyError> {
    while let Some(event) = subscriber.next().await.map_err(CopyError::Channel)? {
        match event {
            Event::Bytes(bytes) => {
                out.write_all(&bytes).await.map_err(CopyError::Output)?;
                out.flush().await.map_err(CopyError::Output)?;
                counts.bytes += bytes.len() as u64;
            }
            Event::End {
                complete, bytes, ..
            } => {
                // A publisher closes its channel behind an empty one.
                counts.segments += u64::from(bytes > 0);
                counts.cut += u64::from(!complete);
            }
            Event::Gap { from, to } => {
                counts.missing += to.get().saturating_sub(from.get());
                terminal::tell(format_args!(
                    "framerill: segments {} to {} are missing",
                    from.get(),
                    to.get() - 1
                ));
            }
            Event::Restarted { from, to } => {
                counts.restarts += 1;
                terminal::tell(format_args!(
                    "framerill: the channel began again at {} after {}",
                    to.get(),
                    from.get()
                ));
            }
            Event::Trouble(failure) => {
                terminal::tell(format_args!("framerill: {failure}; trying again"))
            }
            _ => {}
        }
    }
    Ok(())
}
