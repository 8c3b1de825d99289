//! Whom a worker is for.

use crate::{infer::asked::Binding, run::Pipeline};

/// Whom a worker is for: streams with the same key may share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::infer::engine) struct Key {
    pub(in crate::infer::engine) pipeline: Pipeline,
    pub(in crate::infer::engine) scope: Scope,
}

/// How far it is shared (DESIGN, Processes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::infer::engine) enum Scope {
    Shared,
    Seat(usize),
    /// Hash of the parameters.
    Prompt(String),
}

impl Key {
    /// Of a seat's own worker.
    pub(in crate::infer::engine) fn of_seat(pipeline: &Pipeline, seat: usize) -> Self {
        Self {
            pipeline: pipeline.clone(),
            scope: Scope::Seat(seat),
        }
    }

    /// Of the worker for a stream on a seat whose worker is loaded with parameters of this hash.
    pub(super) fn of_stream(
        pipeline: &Pipeline,
        binding: Binding,
        seat: usize,
        params: &str,
    ) -> Self {
        Self {
            pipeline: pipeline.clone(),
            scope: match binding {
                Binding::Shared => Scope::Shared,
                Binding::Stream => Scope::Seat(seat),
                Binding::Prompt => Scope::Prompt(params.to_owned()),
            },
        }
    }
}
