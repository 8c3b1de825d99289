//! The vote as a stage.

use crate::{
    task::{Failure, Output, Payload},
    text::{Format, Formats, PatternError, UnknownPreset},
};

use super::{decision::decide, settings::Settings};

/// A format in the settings that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It looks like a preset's name and is none.
    #[error(transparent)]
    Preset(#[from] UnknownPreset),
    /// It is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// Why samples could not be voted over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The payload is another stage's.
    #[error("plate_smooth was given the payload of another stage: queue it under its own category")]
    Payload,
    /// A format in the settings.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl From<RunError> for Failure {
    fn from(it: RunError) -> Self {
        Self {
            reason: it.to_string(),
            is_transient: false,
        }
    }
}

/// The formats that are named, presets and patterns.
///
/// # Errors
/// One of them is neither.
pub fn formats<T: AsRef<str>>(named: &[T]) -> Result<Formats, FormatError> {
    let mut all = Formats::default();
    for it in named.iter().map(AsRef::as_ref) {
        all = match Formats::preset(it) {
            Ok(preset) => all.and(preset),
            // Two or three letters are meant as a preset, unless they are a pattern.
            Err(unknown) => match Format::parse(it) {
                Ok(format) => all.and(Formats::new(vec![format])),
                Err(_) if it.len() <= 3 => return Err(unknown.into()),
                Err(bad) => return Err(bad.into()),
            },
        };
    }
    Ok(all)
}

/// Votes over the samples of a `plate_smooth` task.
///
/// Where they are of two vehicles, only that is said: the samples before and from that frame on are to be voted over apart.
///
/// # Errors
/// The payload is another stage's, or a format in the settings cannot be read.
pub fn run(payload: &Payload, settings: &Settings) -> Result<Output, RunError> {
    let Payload::PlateSmooth { samples, .. } = payload else {
        return Err(RunError::Payload);
    };
    let it = decide(samples, settings)?;
    Ok(Output::PlateSmooth {
        r#final: it.plate,
        is_certain: it.is_certain,
        split_at: it.split_at,
    })
}
