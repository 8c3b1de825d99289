//! `framerill plates`: number plates from recorded video.

pub mod reader;
