//! ONNX Runtime, opened while the program runs: the program is built and starts without it.
//!
//! Read in this order: [`library`] (where it is looked for), [`Runtime`] (opened, once a process), [`Provider`] (what it
//! computes on), [`Net`] (a model, ready to run).

pub mod library;
mod net;
mod provider;
mod runtime;

pub use net::{Element, Input, Net, NetError, Tensor, Threads};
pub use provider::{Provider, UnknownProvider, available};
pub use runtime::{Runtime, RuntimeError};
