//! The stage that reads a whole picture: all its plates, with a finer detector where the fast one finds nothing sure.

use serde_json::{Value, json};

use super::look::{MODEL_BYTES, models, over, wrong};
use crate::{
    category::Class,
    onnx::bare::{self, thread_time},
    read::{StillReader, StillSettings},
    task::{Failure, Output, Payload, Task},
    worker::{Frames, LoadError, Setup, Stage, StageKind},
};

/// The stage's name. Its output is `{"plates": [{"plate", "reading"}]}`. With the input `{"measure": true}` it also says
/// what the picture took, `stage_ns`, and what the same inferences take by themselves, `bare_ns`.
pub const STILL: &str = "plates_of_picture";

pub(super) struct Still;

impl StageKind for Still {
    fn name(&self) -> &'static str {
        STILL
    }

    fn class(&self) -> Class {
        Class::Gpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let reader = models(setup)?.still_reader(StillSettings::default());
        Ok(Box::new(Stills(reader.map_err(|it| wrong(&it))?)))
    }

    fn memory(&self) -> u64 {
        3 * MODEL_BYTES
    }
}

struct Stills(StillReader);

impl Stage for Stills {
    fn process(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>> {
        let pixels = |task: &Task| frames.of_one_look(task);
        let ask = |task: &Task| match &task.payload {
            Payload::Custom { input, .. } => Some(is_set(input, "measure")),
            _ => None,
        };
        over(tasks, pixels, ask, |asked| {
            let of = |(picture, measures): &(_, bool)| {
                let began = thread_time();
                let plates = self.0.read(picture)?;
                let took = thread_time().saturating_sub(began);
                let plates: Vec<_> = plates
                    .iter()
                    .map(|(plate, reading)| json!({"plate": plate, "reading": reading}))
                    .collect();
                let mut output = json!({"plates": plates});
                if *measures {
                    let (read, bare) = bare::repeated(|| self.0.read(picture));
                    read?;
                    let nanos = |it: std::time::Duration| u64::try_from(it.as_nanos()).ok();
                    output["stage_ns"] = json!(nanos(took));
                    output["bare_ns"] = json!(nanos(bare.time));
                    output["inferences"] = json!(bare.runs);
                }
                Ok(Output::Custom { output })
            };
            asked.iter().map(of).collect()
        })
    }
}

fn is_set(input: &Value, name: &str) -> bool {
    input.get(name).and_then(Value::as_bool) == Some(true)
}
