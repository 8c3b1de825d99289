//! `framerill plates image`: pictures in, plates out.
//!
//! This process touches no pixel: confined media processes decode pictures into [albums](super::pictures::album), and a worker
//! ([`StillReader`](super::pictures::still_reader::StillReader)) reads them, with the stage that `framerill plates bench` measures.

mod command;

pub(crate) use command::{Asked, read};
