//! The work link: what an orchestrator and a plates worker say to each other beside the control socket.
//!
//! A worker asks for work ([`FromWorker::Take`]) and is given some when there is some ([`ToWorker::Tasks`]); its next `take`
//! says what came of it. Pools of frames travel as descriptors, once, before the first task that needs them. A link that ends
//! takes the worker's lease with it.

mod end;
mod message;

pub use end::{Told, WorkLink, WorkLinkError};
pub use message::{Done, FromWorker, MAX_BATCH, Outcome, ToWorker};
