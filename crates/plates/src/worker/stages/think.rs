//! The stages that look at what others found: tracks, votes, summaries. Pure: state comes with a task and leaves with it.

use serde::de::DeserializeOwned;

use crate::{
    category::{Category, Class},
    task::{Failure, Output, Payload, Task},
    track, vote,
    worker::{Frames, LoadError, Setup, Stage, StageKind},
};

pub(super) struct VehicleTrack;
pub(super) struct PlateSmooth;
pub(super) struct Summary;

/// A stage that does one task after the other.
struct Each<F>(F);

impl<F: FnMut(&Task) -> Result<Output, Failure>> Stage for Each<F> {
    fn process(&mut self, tasks: &[Task], _: &mut Frames) -> Vec<Result<Output, Failure>> {
        tasks.iter().map(&mut self.0).collect()
    }
}

impl StageKind for VehicleTrack {
    fn name(&self) -> &'static str {
        Category::VehicleTrack.name()
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let settings: track::Settings = settings(setup, self.name())?;
        Ok(Box::new(Each(move |task: &Task| {
            Ok(track::run(&task.payload, &settings)?)
        })))
    }
}

impl StageKind for PlateSmooth {
    fn name(&self) -> &'static str {
        Category::PlateSmooth.name()
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let settings: vote::Settings = settings(setup, self.name())?;
        Ok(Box::new(Each(move |task: &Task| {
            Ok(vote::run(&task.payload, &settings)?)
        })))
    }
}

impl StageKind for Summary {
    fn name(&self) -> &'static str {
        Category::Summary.name()
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, _: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        Ok(Box::new(Each(|task: &Task| match &task.payload {
            Payload::Summary { counts } => Ok(Output::Summary {
                record: counts.as_object().cloned().unwrap_or_default(),
            }),
            _ => Err(Failure {
                reason: "a payload that `summary` does not take".into(),
                is_transient: false,
            }),
        })))
    }
}

/// What the set-up says of a stage, or its defaults.
fn settings<S: DeserializeOwned + Default>(setup: &Setup, stage: &str) -> Result<S, LoadError> {
    let Some(told) = setup.stages.get(stage) else {
        return Ok(S::default());
    };
    S::deserialize(told)
        .map_err(|error| LoadError::permanent(format!("settings of `{stage}`: {error}")))
}
