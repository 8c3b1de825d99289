//! Finding vehicles, and plates on them.
//!
//! Read in this order: [`VehicleDetector`], [`PlateDetector`] (pictures in, boxes out), `columns` (how a layout's numbers are
//! understood), `suppress` (one box of each thing).

mod columns;
mod detector;
mod plate;
mod suppress;
mod vehicle;

pub use plate::{PlateDetector, PlateSettings};
pub use vehicle::{VehicleDetector, VehicleSettings};
