//! `noop`: every picture passes as it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use crate::{Answer, FrameMeta, Picture};

/// Nothing to set. Keys that are unknown are ignored, as by the live runner's `noop`: orchestrators
/// send it what they send to other pipelines.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct NoopParams {}

/// Answers every frame with its input; no pixel is read or copied.
pub(super) struct Noop;

impl Filter for Noop {
    const NAME: &'static str = "noop";
    const SUMMARY: &'static str = "passes pictures through unchanged";
    type Params = NoopParams;

    fn new(_: NoopParams) -> Self {
        Self
    }

    fn process(&mut self, _: &FrameMeta, _: &mut dyn Picture) -> Result<Answer, String> {
        Ok(Answer::Passed)
    }
}
