//! What a filter has to say, and what all filters share: parameters that change in one step, and a
//! check that the picture is what its caps promise.

use std::marker::PhantomData;

use framerill_media::PixelFormat;
use serde_json::{Map, Value};

use super::params::{self, Params, Settings};
use crate::message::Problem;
use crate::{Answer, FrameMeta, Picture, Pipeline, PipelineKind};

/// A built-in filter. [`Kind`] makes a [`PipelineKind`] of it.
pub(super) trait Filter: Send + Sized + 'static {
    /// The name that users type.
    const NAME: &'static str;
    /// One line for a list.
    const SUMMARY: &'static str;
    /// What can be set.
    type Params: Params;

    /// A filter with these parameters.
    fn new(params: Self::Params) -> Self;

    /// Takes new parameters from the next frame on.
    fn set(&mut self, params: Self::Params) {
        *self = Self::new(params);
    }

    /// Answers one rgb24 frame. [`edit`] and [`replace`] give access to its pixels.
    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String>;
}

/// The output slot with the input already in it, `frame.caps.picture_bytes()` bytes.
pub(super) fn edit<'p>(
    frame: &FrameMeta,
    picture: &'p mut dyn Picture,
) -> Result<&'p mut [u8], String> {
    let pixels = picture.edit();
    let found = pixels.len();
    fits(frame, found).map(|()| pixels)
}

/// The output slot, content undefined until written, `frame.caps.picture_bytes()` bytes.
pub(super) fn replace<'p>(
    frame: &FrameMeta,
    picture: &'p mut dyn Picture,
) -> Result<&'p mut [u8], String> {
    let pixels = picture.replace();
    let found = pixels.len();
    fits(frame, found).map(|()| pixels)
}

/// Writes the output slot piece by piece: `write(input, output)` gets equally long, neighbouring
/// pieces, as long as `buffer` but for the last one. The input is read through `buffer`.
pub(super) fn in_pieces(
    frame: &FrameMeta,
    picture: &mut dyn Picture,
    buffer: &mut [u8],
    mut write: impl FnMut(&[u8], &mut [u8]),
) -> Result<(), String> {
    let length = buffer.len();
    let bytes = frame.caps.picture_bytes();
    for start in (0..bytes).step_by(length) {
        let end = bytes.min(start + length);
        let input = &mut buffer[..end - start];
        picture.read(start, input);
        write(input, &mut replace(frame, picture)?[start..end]);
    }
    Ok(())
}

/// Length of a piece: whole pixels that stay in the first-level cache, read and written.
pub(super) const PIECE: usize = 12 << 10;

fn fits(frame: &FrameMeta, found: usize) -> Result<(), String> {
    let expected = frame.caps.picture_bytes();
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "a picture of {} has {expected} bytes, this one has {found}",
        frame.caps.size
    ))
}

/// Makes a [`PipelineKind`] of a [`Filter`].
pub(super) struct Kind<F>(PhantomData<fn() -> F>);

impl<F> Kind<F> {
    pub(super) const NEW: Self = Self(PhantomData);
}

impl<F: Filter> PipelineKind for Kind<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn summary(&self) -> &'static str {
        F::SUMMARY
    }

    fn params_schema(&self) -> Value {
        params::schema::<F::Params>()
    }

    fn defaults(&self) -> Map<String, Value> {
        params::defaults::<F::Params>()
    }

    fn load(&self, given: &Map<String, Value>) -> Result<Box<dyn Pipeline>, Vec<Problem>> {
        let (settings, params) = Settings::new(given)?;
        Ok(Box::new(Running {
            filter: F::new(params),
            settings,
        }))
    }
}

/// A filter at work.
struct Running<F: Filter> {
    filter: F,
    settings: Settings<F::Params>,
}

impl<F: Filter> Pipeline for Running<F> {
    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String> {
        if frame.caps.format != PixelFormat::Rgb24 {
            return Err(format!(
                "`{}` takes rgb24 pictures, not {:?}",
                F::NAME,
                frame.caps.format
            ));
        }
        self.filter.process(frame, picture)
    }

    fn update(&mut self, changes: &Map<String, Value>) -> Result<(), Vec<Problem>> {
        let params = self.settings.merge(changes)?;
        self.filter.set(params);
        Ok(())
    }

    fn check(&self, changes: &Map<String, Value>) -> Result<(), Vec<Problem>> {
        self.settings.check(changes)
    }
}
