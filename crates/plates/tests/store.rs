//! One suite for both databases, and a server of its own for PostgreSQL.
//!
//! Each claim of `conformance` and `privacy` runs for SQLite and for PostgreSQL; of search also without trigrams there.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a claim that cannot be tried fails; one that is skipped says so"
)]

#[path = "store/conformance.rs"]
mod conformance;
#[path = "store/outages.rs"]
mod outages;
#[path = "store/place.rs"]
mod place;
#[path = "store/privacy.rs"]
mod privacy;
#[path = "store/server.rs"]
mod server;
