//! The subscriber in virtual time.

mod model;
mod rules;
mod storms;
