//! `framerill plates serve`: plates, tracks, pictures and clips over HTTP (contract §17).
//!
//! It reads the database and the videos that rows name, and writes nothing but pictures and clips that it made. It touches no
//! pixel: a media process makes each of them, confined.
//!
//! Read in this order: [`query`] (what may be asked), [`routes`] (what is answered where), [`render`] (pictures and clips)
//! over [`source`] (which file), [`overlay`] (which boxes) and [`snippets`] (what was made before); [`turns`] and
//! [`file_body`] (bounds), [`command`] (the wiring).

mod command;
mod file_body;
mod overlay;
mod query;
mod render;
mod routes;
mod snippets;
mod source;
mod turns;

pub(crate) use command::{Serve, serve};

/// What a database has of a vehicle, for tests.
#[cfg(test)]
fn record(value: serde_json::Value) -> framerill_plates::store::Record {
    match value {
        serde_json::Value::Object(it) => it,
        _ => panic!("no record"),
    }
}
