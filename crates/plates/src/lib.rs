//! Number plates from video: for every vehicle with a readable plate one record.
//!
//! Read in this order: [`category`] and [`task`] (what work there is), [`detection`] and [`bbox`] (what stages find), [`run`]
//! (who does what, when: the queue, leases and frames of a run), [`flow`] (what becomes of a video, frame by frame), then the
//! stages: [`detect`] and [`read`] on [`onnx`] and [`models`], [`track`], [`vote`], [`store`].
//!
//! Invariant: decisions are machines without a clock, a socket or a process; ONNX Runtime is opened in workers alone.

mod base64;
pub mod bbox;
pub mod category;
pub mod detect;
pub mod detection;
pub mod export;
pub mod fetch;
pub mod flow;
pub mod gps;
pub mod ledger;
pub mod link;
pub mod machines;
pub mod models;
pub mod onnx;
pub mod picture;
pub mod queue;
pub mod read;
pub mod run;
pub mod store;
pub mod task;
pub mod text;
pub mod track;
pub mod vote;
pub mod worker;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
