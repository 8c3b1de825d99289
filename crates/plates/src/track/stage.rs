//! Tracking as a stage: state in, state out.

use crate::task::{Failure, Output, Payload};

use super::{
    settings::Settings,
    tracker::{StateError, Tracker},
};

/// Why frames could not be tracked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The payload is another stage's.
    #[error(
        "vehicle_track was given the payload of another stage: queue it under its own category"
    )]
    Payload,
    /// The state that came with it.
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<RunError> for Failure {
    fn from(it: RunError) -> Self {
        Self {
            reason: it.to_string(),
            is_transient: false,
        }
    }
}

/// Goes on tracking with the frames of a `vehicle_track` task: one step a frame.
///
/// With `is_last` every track is closed in the last step; where there is no frame, in a step of its own.
///
/// # Errors
/// The payload is another stage's, or its state no tracker's.
pub fn run(payload: &Payload, settings: &Settings) -> Result<Output, RunError> {
    let Payload::VehicleTrack {
        tracker,
        frames,
        is_last,
    } = payload
    else {
        return Err(RunError::Payload);
    };
    let mut tracker = Tracker::restore(settings.clone(), tracker)?;
    let mut steps: Vec<_> = frames.iter().map(|it| tracker.step(it)).collect();
    if *is_last {
        let closed = tracker.finish();
        match steps.last_mut() {
            Some(last) => last.closed.extend(closed),
            None => steps.push(super::TrackStep {
                closed,
                ..super::TrackStep::default()
            }),
        }
    }
    Ok(Output::VehicleTrack {
        tracker: tracker.state(),
        steps,
    })
}
