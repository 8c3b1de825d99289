//! A place for a stream: its guardian, its worker and what the status object shows.

use std::time::Duration;

use framerill_supervisor::{
    ChildId,
    guardian::{Guardian, Moment},
};

use super::{Number, stream::Stream};
use crate::{
    infer::status::{Extras, StatusView},
    log::Ids,
};

/// A place for a stream.
pub(super) struct Seat {
    pub(super) guardian: Guardian,
    /// When its guardian wants to be asked.
    pub(super) wake: Duration,
    pub(super) worker: Option<ChildId>,
    pub(super) stream: Option<Stream>,
    pub(super) extras: Extras,
    /// Of the stream, for the log; empty without one.
    pub(super) ids: Ids,
}

impl Seat {
    pub(super) fn new(now: Moment, pipeline: &str) -> Self {
        Self {
            guardian: Guardian::new(now),
            wake: now.at,
            worker: None,
            stream: None,
            extras: Extras {
                pipeline: pipeline.to_owned(),
                ..Extras::default()
            },
            ids: Ids::default(),
        }
    }

    /// What it shows.
    pub(super) fn status(&self) -> StatusView {
        StatusView {
            status: self.guardian.status().clone(),
            extras: self.extras.clone(),
        }
    }

    /// Of its stream.
    pub(super) fn number(&self) -> Option<Number> {
        self.stream.as_ref().map(|it| it.number)
    }
}
