//! What a transport tells the engine.

use crate::infer::event::Step;

/// What a transport tells the engine.
#[derive(Debug)]
pub(in crate::infer) enum News {
    /// Nothing more comes in; why, unless the channel was closed.
    InputEnded(Option<String>),
    /// Nothing more can go out.
    OutputEnded(Option<String>),
    /// The control channel was closed.
    ControlClosed,
    /// Parameters are there; take them from [`Latest`](super::Latest).
    Params,
    /// Something that the stream's watcher should hear of.
    Trouble(String),
    /// A trace, and when it was; milliseconds since 1970.
    Trace(Step, u64),
    /// All tasks have ended, and the channels are closed.
    Closed,
}
