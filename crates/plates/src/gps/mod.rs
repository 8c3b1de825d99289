//! Where a camera was through a video, and the place of a record.
//!
//! The confined media process finds [`Fix`]es (`framerill_media::gps`); a [`Route`] answers by the time of a record.

mod route;

pub use framerill_media::gps::Fix;
pub use route::Route;

#[cfg(test)]
mod tests;
