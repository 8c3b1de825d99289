//! `framerill stream`: streams of a server that runs, started, listed and stopped from a terminal.
//!
//! Read in this order: [`server`] (one question and what its answer means), [`start`], [`list`] and [`stop`].

mod list;
mod server;
mod start;
mod stop;

pub(crate) use list::list;
pub(crate) use server::Server;
pub(crate) use start::{Start, start};
pub(crate) use stop::{Which, stop};

use serde_json::Value;

/// A text of an answer; empty if there is none.
fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

/// The streams of a list.
fn streams(list: &Value) -> &[Value] {
    list["streams"].as_array().map_or(&[], Vec::as_slice)
}
