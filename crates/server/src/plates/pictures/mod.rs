//! Pictures, made and read by other processes: a still or a clip out of a video ([`excerpt`]), picture files that a worker can
//! be lent (`album`), and the worker that reads the plates on them (`still_reader`).

pub(super) mod album;
pub mod excerpt;
pub(super) mod still_reader;
