//! Reading plates.
//!
//! Read in this order: [`Reader`] (plates in, texts out), [`ReadSettings`] (which crops, and how they are put together),
//! `slots` (distributions over characters as a text).

mod crops;
mod reader;
mod settings;
mod slots;

pub use reader::Reader;
pub use settings::{Combine, Crop, ReadSettings, Shape};
