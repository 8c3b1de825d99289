//! What runners before have left: found, taken away, and its channels ended.

use std::{fs, path::Path, time::Duration};

use framerill_trickle::http::client::{Publisher, PublisherOptions, Transport};
use serde_json::Value;
use tokio::time::timeout;

use super::note::{all, is_alive, read, turn};
use crate::{
    infer::asked::Endpoint,
    log::{Level, log},
};

/// Notes that are looked at.
const MOST_NOTES: usize = 1024;
/// How long a channel may take to be ended.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Notes of runners that live no more, taken away. It blocks.
pub(in crate::infer) fn take() -> Vec<Value> {
    take_from(&std::env::temp_dir())
}

fn take_from(folder: &Path) -> Vec<Value> {
    let left = all(folder).filter_map(|path| {
        let _turn = turn();
        let note = read(&path).filter(|note| !is_alive(note))?;
        // Whoever takes it away ends the channels.
        fs::remove_file(&path).ok().map(|()| note)
    });
    left.take(MOST_NOTES).collect()
}

/// Ends the channels that notes name: what goes out, and the events. A stream that has begun meanwhile may go out where
/// one before it did: its channels are its own.
pub(in crate::infer) async fn end(
    notes: Vec<Value>,
    tls: Transport,
    is_taken: impl Fn(&str) -> bool,
) {
    for note in notes {
        for url in channels(&note) {
            if note["publish_url"].as_str().is_some_and(&is_taken) {
                log(
                    Level::Info,
                    format_args!("a channel that was left behind is in use again: {url}"),
                );
                continue;
            }
            match close(url, &tls).await {
                Ok(()) => log(
                    Level::Info,
                    format_args!("a channel that was left behind is ended: {url}"),
                ),
                Err(why) => log(
                    Level::Warning,
                    format_args!("a channel that was left behind could not be ended: {why}: {url}"),
                ),
            }
        }
    }
}

fn channels(note: &Value) -> impl Iterator<Item = &str> {
    let named = ["publish_url", "events_url"].map(|name| note[name].as_str().unwrap_or_default());
    let is_channel = |url: &&str| matches!(Endpoint::parse((*url).to_owned()), Endpoint::Trickle(url) if !url.is_empty());
    named.into_iter().filter(is_channel)
}

async fn close(url: &str, tls: &Transport) -> Result<(), String> {
    let options = PublisherOptions {
        transport: tls.clone(),
        ..PublisherOptions::default()
    };
    let publisher = Publisher::connect(url, options).map_err(|error| error.to_string())?;
    match timeout(END_WITHIN, publisher.close()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it does not answer in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::{
        super::note::{first, own, sign, write},
        *,
    };

    #[test]
    fn a_stream_that_began_before_the_folder_was_looked_through_keeps_its_note() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut note = json!({"publish_url": "http://a/new"});
        sign(&mut note, 1);
        write(&first(folder), &note).unwrap();
        // The runner before had the same number.
        let mut before = json!({"publish_url": "http://a/old"});
        sign(&mut before, 2);
        before["started"] = json!("another boot+7");
        write(&own(folder, &json!(2)), &before).unwrap();
        assert_eq!(take_from(folder), [before]);
        assert_eq!(read(&first(folder)), Some(note));
    }

    /// A server that answers each request with this status; where it is.
    async fn answers(status: u16) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    drop(stream.read(&mut head).await);
                    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                    drop(stream.write_all(answer.as_bytes()).await);
                });
            }
        });
        format!("http://{addr}/channel")
    }

    #[tokio::test]
    async fn a_channel_is_ended_only_if_its_server_says_so() {
        let tls = Transport::default();
        let closed = close(&answers(200).await, &tls).await;
        assert_eq!(closed, Ok(()));
        assert!(close(&answers(403).await, &tls).await.is_err());
        assert!(close("no url", &tls).await.is_err());
    }

    #[tokio::test]
    async fn channels_that_a_stream_has_taken_again_are_left_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/out", listener.local_addr().unwrap());
        let note = json!({"publish_url": url, "events_url": format!("{url}-events")});
        end(vec![note], Transport::default(), |taken| taken == url).await;
        let asked = timeout(Duration::ZERO, listener.accept()).await;
        assert!(asked.is_err(), "its server was asked");
    }
}
