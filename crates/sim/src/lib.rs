//! Virtual time for tests: a clock and its agenda, seeded randomness, a network, processes that behave as scripted, and a
//! runner for machines of the house's shape. Nothing here waits; a simulated hour takes milliseconds.
//!
//! Read in this order: [`Machine`] (what can be driven), [`World`] (what surrounds it), [`Scenario`] (drives both and
//! keeps a trace), [`Agenda`] (what happens when), [`Process`] and [`Script`] (a child process as a world sees it),
//! [`network`] (connections between nodes), [`Clock`] (what a node takes for the time), [`for_each_seed`] and [`Random`]
//! (the same run again from its number).
//!
//! Development only; no crate depends on it outside its tests. It depends on no crate.

mod agenda;
mod clock;
pub mod network;
mod process;
mod random;
mod scenario;
mod seed;

pub use agenda::Agenda;
pub use clock::Clock;
pub use process::{Act, End, Process, Script};
pub use random::Random;
pub use scenario::{Machine, Scenario, Step, World};
pub use seed::for_each_seed;
