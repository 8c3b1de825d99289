//! The channel that tells of channels: one segment of JSON for each that comes or goes.

use std::fmt::Write as _;
use std::time::Instant;

use bytes::Bytes;

use super::channel::{Channel, Open};
use crate::wire::Wanted;

/// Name of the channel.
pub(crate) const CHANGES: &str = "_changes";
pub(crate) const MIME: &str = "application/json";

/// Writes one event as a segment of its own.
pub(crate) fn publish(channel: &mut Channel, now: Instant, key: &str, name: &str) {
    if let Open::Writing { writer, .. } = channel.open(now, Wanted::Upcoming, false) {
        channel.append(now, writer, Bytes::from(event(key, name)));
        channel.finish(now, writer);
    }
}

fn event(key: &str, name: &str) -> String {
    let mut json = format!("{{\"{key}\":[\"");
    for letter in name.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            '\u{0}'..='\u{1f}' => write!(json, "\\u{:04x}", u32::from(letter)).unwrap_or_default(),
            _ => json.push(letter),
        }
    }
    json.push_str("\"]}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(event("added", "_changes"), r#"{"added":["_changes"]}"#);
        assert_eq!(
            event("removed", "a\"\\\n/ü"),
            r#"{"removed":["a\"\\\u000a/ü"]}"#
        );
    }
}
