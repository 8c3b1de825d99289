//! One text out of several readings.

mod sample;

pub use sample::{Final, Sample, Variant};
