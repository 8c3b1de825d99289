//! A worker with a stage of one's own, in Rust: `FLEET=fleet.txt framerill plates run trips --stage ocr=./own_stage`.
//!
//! It reads plates as the built-in stage does; what is one character from a plate of the fleet's list, a plate a line, is that
//! plate.

use std::{collections::BTreeSet, env, fs, process::ExitCode};

use framerill_plates::{
    category::{Category, Class},
    task::{Failure, Output, Task},
    text::{edits, normalised},
    worker::{Frames, LoadError, Setup, Stage, StageKind, run_with, stages},
};

/// What it is called, and how it comes to life.
struct Fleet;

/// It, with everything that it needs.
struct Known {
    reader: Box<dyn Stage>,
    plates: BTreeSet<String>,
}

impl StageKind for Fleet {
    fn name(&self) -> &'static str {
        Category::Ocr.name()
    }

    fn class(&self) -> Class {
        Category::Ocr.class()
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let file = env::var("FLEET").map_err(|_| LoadError::permanent("`FLEET` names no file"))?;
        let list = fs::read_to_string(&file)
            .map_err(|error| LoadError::permanent(format!("`{file}` cannot be read: {error}")))?;
        let mut built_in = stages().into_iter();
        let reader = built_in
            .find(|it| it.name() == self.name())
            .ok_or_else(|| LoadError::permanent("there is no built-in reader"))?;
        Ok(Box::new(Known {
            reader: reader.load(setup)?,
            plates: list.lines().map(normalised).collect(),
        }))
    }
}

impl Stage for Known {
    fn process(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>> {
        // A stage that looks for itself takes its pixels from `frames.of(task)`, and where to look from `task.payload`.
        let mut outcomes = self.reader.process(tasks, frames);
        for outcome in &mut outcomes {
            if let Ok(Output::Ocr(reading)) = outcome
                && let Some(plate) = self.plate(&reading.text)
            {
                reading.text = plate;
            }
        }
        outcomes
    }
}

impl Known {
    /// The one plate of the fleet that differs in no more than a character.
    fn plate(&self, text: &str) -> Option<String> {
        let mut near = self.plates.iter().filter(|it| edits(it, text) <= 1);
        let plate = near.next().filter(|it| !it.is_empty())?;
        near.next().is_none().then(|| plate.clone())
    }
}

fn main() -> ExitCode {
    ExitCode::from(run_with(vec![&Fleet]))
}
