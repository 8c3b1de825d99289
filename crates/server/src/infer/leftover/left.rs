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

/// Ends the channels that notes name: what goes out, and the events. A stream that has begun meanwhile may use any of
/// them for its output or its events: those are its own.
pub(in crate::infer) async fn end(
    notes: Vec<Value>,
    tls: Transport,
    is_taken: impl Fn(&str) -> bool,
) {
    for note in notes {
        for url in channels(&note) {
            if is_taken(url) {
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

    /// Answers the next request with this status.
    async fn answer_next(listener: &TcpListener, status: u16) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        drop(stream.read(&mut head).await);
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        drop(stream.write_all(answer.as_bytes()).await);
    }

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/channel", listener.local_addr().unwrap());
        (listener, url)
    }

    /// A server that answers each request with this status; where it is.
    async fn answers(status: u16) -> String {
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            loop {
                answer_next(&listener, status).await;
            }
        });
        url
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
    async fn each_channel_that_a_stream_has_taken_again_is_left_alone_and_the_other_is_ended() {
        let ((taken, url), (other, other_url)) = (listen().await, listen().await);
        for note in [
            json!({"publish_url": url, "events_url": other_url}),
            json!({"publish_url": other_url, "events_url": url}),
        ] {
            let ending = end(vec![note], Transport::default(), |it| it == url);
            let both = async { tokio::join!(ending, answer_next(&other, 200)) };
            assert!(timeout(END_WITHIN, both).await.is_ok(), "it is left");
            let asked = timeout(Duration::ZERO, taken.accept()).await;
            assert!(asked.is_err(), "its server was asked");
        }
    }
}
