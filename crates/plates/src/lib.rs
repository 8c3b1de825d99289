//! Number plates from video: for every vehicle with a readable plate one record.
//!
//! Read in this order: [`category`] and [`task`] (what work there is), [`detection`] and [`bbox`] (what stages find).
//!
//! Invariant: decisions are machines without a clock, a socket or a process; ONNX Runtime is opened in workers alone.

pub mod bbox;
pub mod category;
pub mod detection;
pub mod export;
pub mod flow;
pub mod gps;
pub mod run;
pub mod store;
pub mod task;
pub mod text;
pub mod track;
pub mod vote;
