//! Videos shared out to any number of machines over NATS JetStream. The queue alone decides who works.
//!
//! Read in this order: [`Item`] (one video to read, and what may stand in it), [`SharePath`] (never a path outside of the
//! share), [`Note`] (how an item stands, as a worker tells it), [`duty`] (what a worker does with what it is handed, and what
//! it answers), [`Board`] (what a submitter knows of its items), [`nats`] (the driver: streams, a pull consumer, objects).
//!
//! Invariants: everything but [`nats`] is pure; bytes that come out of the queue are hostile: parsers are strict and bounded,
//! and nothing in an item names a file outside of the share or of the object bucket.

mod board;
pub mod duty;
mod item;
pub mod nats;
mod note;
mod share;

pub use board::{Board, Counts, Row};
pub use item::{Asked, Item, ItemError, Key, MOST_FORMATS, Source, VERSION};
pub use note::{End, Note, Presence, State};
pub use share::{Outside, SharePath};

/// The most bytes of an item, a note or a presence; the streams refuse more as well.
pub const MOST_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests;
