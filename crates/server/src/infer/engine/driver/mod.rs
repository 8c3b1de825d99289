//! The driver: owns every child, seat and clock of the engine, hears all that happens, and does what the machines decide.
//!
//! Read in this order: [`Driver`] (what it owns), `turns` (the loop), `placing` and `guard` (what the seating and the
//! guardians want done), `start` (how a stream begins), `worker`, `media` and `news` (what follows from what workers, media
//! processes and transports say; `news` ends streams, too), `params` (parameters on their way to workers), `sizes` (what
//! size pictures have that go out), `view` (what is told of everything).

mod guard;
mod media;
mod news;
mod params;
mod placing;
mod sizes;
mod start;
mod state;
mod turns;
mod view;
mod worker;

pub(super) use state::Driver;
