//! The publisher in virtual time.

mod rules;
mod storms;
mod world;
