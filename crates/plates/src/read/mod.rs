//! Reading plates.
//!
//! Read in this order: [`Reader`] (plates in, texts out), [`ReadSettings`] (which crops, how they are put together, and the
//! second look at what was read weakly), [`StillReader`] (all plates of one picture), `slots` (distributions over
//! characters as a text), `crops` (parts of pictures).

mod crops;
mod ocr;
mod reader;
mod settings;
mod slots;
mod still;
mod tile;

pub use reader::Reader;
pub use settings::{Crop, Pool, ReadSettings, SecondLook, Shape, StillSettings};
pub use still::StillReader;
