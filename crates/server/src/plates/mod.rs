//! `framerill plates`: number plates from recorded video.

pub mod excerpt;
pub mod reader;
