//! Models that are ready to run.

use std::path::{Path, PathBuf};

use ort::{
    session::Session,
    value::{Outlet, Shape, TensorElementType, TensorRef, ValueType},
};
use serde::{Deserialize, Serialize};

use super::{Provider, Runtime, bare};

/// Why a model does not run.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Not a model, or not one that this library computes.
    #[error("{} is no model that ONNX Runtime can run: {reason}", file.display())]
    Unusable {
        /// The model.
        file: PathBuf,
        /// What ONNX Runtime says.
        reason: String,
    },
    /// What was asked for cannot compute it.
    #[error("{} cannot run on {provider:?}: {reason}", file.display())]
    Provider {
        /// The model.
        file: PathBuf,
        /// What was asked for.
        provider: Provider,
        /// What ONNX Runtime says.
        reason: String,
    },
    /// Another model than was declared.
    #[error("{} has {what} {found}, but its entry in the registry says {expected}", file.display())]
    Shape {
        /// The model.
        file: PathBuf,
        /// Of what.
        what: &'static str,
        /// What the registry asks for.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// It began and failed.
    #[error("{} failed: {reason}", file.display())]
    Run {
        /// The model.
        file: PathBuf,
        /// What ONNX Runtime says.
        reason: String,
    },
}

/// What a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// Bytes.
    U8,
    /// Floats of 32 bits.
    F32,
}

/// What a model takes or gives: elements and sides, −1 where it takes any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// None: something else than bytes or floats.
    pub element: Option<Element>,
    /// Sides.
    pub shape: Vec<i64>,
}

impl std::fmt::Display for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let element = match self.element {
            Some(Element::U8) => "u8",
            Some(Element::F32) => "f32",
            None => "other",
        };
        write!(f, "{element} {:?}", self.shape)
    }
}

impl Tensor {
    fn of(value: &ValueType) -> Self {
        let (element, shape) = match value {
            ValueType::Tensor { ty, shape, .. } => {
                let element = match ty {
                    TensorElementType::Uint8 => Some(Element::U8),
                    TensorElementType::Float32 => Some(Element::F32),
                    _ => None,
                };
                (element, shape.to_vec())
            }
            _ => (None, Vec::new()),
        };
        Self { element, shape }
    }

    /// Whether a tensor of this kind can be one of `expected`: the same elements, and each side the same or any.
    #[must_use]
    pub fn fits(&self, expected: &Self) -> bool {
        let is_side = |(a, b): (&i64, &i64)| a == b || *a < 0 || *b < 0;
        self.element == expected.element
            && self.shape.len() == expected.shape.len()
            && self.shape.iter().zip(&expected.shape).all(is_side)
    }
}

/// Elements to compute on.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Bytes.
    U8(&'a [u8]),
    /// Floats.
    F32(&'a [f32]),
}

/// How many threads compute one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Threads(pub u16);

impl Default for Threads {
    /// One: workers are the unit of parallel work, and threads that spin for each other cost more than they give.
    fn default() -> Self {
        Self(1)
    }
}

/// A model with one input and one output.
#[derive(Debug)]
pub struct Net {
    file: PathBuf,
    session: Session,
    input: Tensor,
    output: Tensor,
}

impl Net {
    /// Reads a model and makes it ready.
    pub fn open(
        runtime: &Runtime,
        file: &Path,
        provider: Provider,
        Threads(threads): Threads,
    ) -> Result<Self, NetError> {
        let unusable = |reason: String| NetError::Unusable {
            file: file.to_owned(),
            reason,
        };
        let told = |it: ort::Error<_>| unusable(it.to_string());
        let builder = Session::builder(&runtime.environment)
            .map_err(|it| unusable(it.to_string()))?
            .with_intra_threads(threads.max(1).into())
            .map_err(told)?
            .with_inter_threads(1)
            .map_err(told)?
            .with_intra_op_spinning(false)
            .map_err(told)?
            .with_inter_op_spinning(false)
            .map_err(told)?
            .with_execution_providers(provider.dispatches())
            .map_err(|it| NetError::Provider {
                file: file.to_owned(),
                provider,
                reason: it.to_string(),
            })?;
        let mut builder = builder;
        let session = builder
            .commit_from_file(file)
            .map_err(|it| unusable(it.to_string()))?;
        let one = |all: &[Outlet], what| match all {
            [one] => Ok(Tensor::of(one.dtype())),
            _ => Err(unusable(format!("it has {} {what}, not one", all.len()))),
        };
        let (input, output) = (
            one(session.inputs(), "inputs")?,
            one(session.outputs(), "outputs")?,
        );
        Ok(Self {
            file: file.to_owned(),
            session,
            input,
            output,
        })
    }

    /// The model.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What it takes.
    #[must_use]
    pub fn input(&self) -> &Tensor {
        &self.input
    }

    /// What it gives.
    #[must_use]
    pub fn output(&self) -> &Tensor {
        &self.output
    }

    /// Computes; `see` is shown the sides and the floats that come out.
    pub fn run<T>(
        &mut self,
        shape: &[usize],
        input: Input<'_>,
        see: impl FnOnce(&[i64], &[f32]) -> T,
    ) -> Result<T, NetError> {
        let failed = |it: ort::Error| NetError::Run {
            file: self.file.clone(),
            reason: it.to_string(),
        };
        let outputs = match input {
            Input::U8(it) => {
                let tensor = TensorRef::from_array_view((shape, it)).map_err(failed)?;
                let inputs = || ort::inputs![tensor.view()];
                bare::repeat(|| self.session.run(inputs()).map(drop)).map_err(failed)?;
                self.session.run(inputs())
            }
            Input::F32(it) => {
                let tensor = TensorRef::from_array_view((shape, it)).map_err(failed)?;
                let inputs = || ort::inputs![tensor.view()];
                bare::repeat(|| self.session.run(inputs()).map(drop)).map_err(failed)?;
                self.session.run(inputs())
            }
        }
        .map_err(failed)?;
        let (shape, floats): (&Shape, &[f32]) = outputs[0].try_extract_tensor().map_err(failed)?;
        Ok(see(shape, floats))
    }
}
