//! Parameters from the control channel.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use framerill_trickle::{
    http::client::{self, SubscribeError, Subscriber, SubscriberOptions},
    subscriber::{Event, Join},
};
use serde_json::{Value, json};

use super::{News, Shared, told};
use crate::{
    infer::json,
    log::{Level, log_stream},
};

/// Bytes of one message (runner contract §12, D2).
pub(crate) const CONTROL_MOST: usize = 10 << 20;

/// The newest message that nobody has taken; older ones are superseded.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<Value>>);

impl Latest {
    /// Puts one there. Whether the place was empty.
    fn put(&self, value: Value) -> bool {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.replace(value).is_none()
    }

    /// Takes it.
    pub(crate) fn take(&self) -> Option<Value> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.take()
    }
}

pub(super) fn open(url: &str, tls: &client::Transport) -> Result<Subscriber, String> {
    let mut options = SubscriberOptions {
        transport: tls.clone(),
        ..SubscriberOptions::default()
    };
    options.config.join = Join::Newest;
    // Of messages that come faster than they are read the newest counts.
    options.config.keep_newest = true;
    Subscriber::connect(url, options).map_err(|error| told(&error))
}

/// Reads until the channel ends. A channel that cannot be read is no reason to end a stream, one that is closed is (D1).
pub(super) async fn run(
    mut subscriber: Subscriber,
    latest: std::sync::Arc<Latest>,
    shared: Shared,
) {
    let mut message = Message::default();
    loop {
        match subscriber.next().await {
            Ok(Some(Event::Begin { .. })) => message = Message::default(),
            Ok(Some(Event::Bytes(bytes))) => message.push(&bytes),
            Ok(Some(Event::End { complete, .. })) => {
                match std::mem::take(&mut message).finish(complete) {
                    Ok(None) => {}
                    Ok(Some(value)) => {
                        if latest.put(value) {
                            shared.tell(News::Params).await;
                        }
                    }
                    Err(why) => {
                        let what =
                            format!("Error updating params: a control message is left out: {why}");
                        shared.tell(News::Trouble(what)).await;
                    }
                }
            }
            Ok(Some(Event::Trouble(failure))) => {
                log_stream(
                    Level::Warning,
                    &shared.ids,
                    format_args!("control channel: {failure}; trying again"),
                );
            }
            Ok(Some(_)) => {}
            Ok(None) => return shared.tell(News::ControlClosed).await,
            Err(error) => {
                let lost = matches!(error, SubscribeError::NotFound);
                let level = if lost { Level::Warning } else { Level::Error };
                return log_stream(
                    level,
                    &shared.ids,
                    format_args!(
                        "the stream goes on without its control channel: {}",
                        told(&error)
                    ),
                );
            }
        }
    }
}

/// One segment of the channel: one JSON value.
#[derive(Default)]
struct Message {
    bytes: BytesMut,
    is_too_long: bool,
}

impl Message {
    fn push(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > CONTROL_MOST {
            self.is_too_long = true;
            self.bytes = BytesMut::new();
        }
        if !self.is_too_long {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// What it says; none for a sign of life, and for nothing. An error is why it cannot be read.
    fn finish(self, is_whole: bool) -> Result<Option<Value>, String> {
        if self.is_too_long {
            return Err(format!(
                "it is longer than {CONTROL_MOST} bytes; send a shorter one"
            ));
        }
        if !is_whole {
            return Err("it broke off".to_owned());
        }
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let value: Value = json::read(&self.bytes)
            .map_err(|why| format!("it is not JSON that is read here: {why}"))?;
        Ok((value != json!({"keep": "alive"})).then_some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]], is_whole: bool) -> Result<Option<Value>, String> {
        let mut message = Message::default();
        parts.iter().for_each(|it| message.push(it));
        message.finish(is_whole)
    }

    #[test]
    fn d2_a_message_in_pieces_is_one_message() {
        let value = read(&[b"{\"prompt\":", b" \"x\"}"], true).unwrap();
        assert_eq!(value, Some(json!({"prompt": "x"})));
    }

    #[test]
    fn a_sign_of_life_is_exactly_that_object() {
        assert_eq!(read(&[b"{\"keep\": \"alive\"}"], true), Ok(None));
        let more = read(&[b"{\"keep\": \"alive\", \"a\": 1}"], true).unwrap();
        assert!(more.is_some());
    }

    #[test]
    fn what_is_no_json_or_too_long_or_broken_off_is_told() {
        let why = |parts: &[&[u8]], is_whole| read(parts, is_whole).unwrap_err();
        assert!(why(&[b"{"], true).starts_with("it is not JSON"));
        assert_eq!(why(&[b"{}"], false), "it broke off");
        let part = vec![b' '; CONTROL_MOST / 2 + 1];
        assert!(why(&[&part, &part, b"{}"], true).starts_with("it is longer than"));
    }

    #[test]
    fn of_many_messages_the_newest_is_taken() {
        let latest = Latest::default();
        assert!(latest.put(json!(1)));
        assert!(!latest.put(json!(2)));
        assert_eq!((latest.take(), latest.take()), (Some(json!(2)), None));
    }
}
