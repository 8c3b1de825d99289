//! The same work on many machines: `framerill plates run --queue` submits videos, `framerill plates work` takes them.
//!
//! Read in this order: `settings` (which queue, which share), `rules` (what must hold before anything starts), `submit` and
//! `screen` (a submitter, and what it shows), `work` (a worker and its slots), `slot` (one item at a time, by the very run
//! that `plates run` is), `lease` (an item stays a worker's while it is read), `standing` (`plates status --queue`),
//! `wish` (signals, heard from the first moment on).

mod lease;
mod rules;
mod screen;
mod settings;
mod slot;
mod standing;
mod submit;
mod wish;
mod work;

pub(crate) use settings::QueueSettings;
pub(crate) use standing::status;
pub(crate) use submit::submit;
pub(crate) use work::{Working, work};

use framerill_plates::machines::nats::QueueError;

use crate::failure::Failure;

/// What a queue's fault is to whoever started the command.
fn failed(error: &QueueError) -> Failure {
    match error {
        QueueError::Address(_) | QueueError::Item(_) => Failure::usage("queue", error.to_string()),
        _ => Failure::failed("queue", error.to_string()),
    }
}

/// The same before anything began.
fn cannot_start(error: &QueueError) -> Failure {
    match error {
        QueueError::Address(_) | QueueError::Item(_) => failed(error),
        _ => Failure::cannot_start("queue", error.to_string()),
    }
}
