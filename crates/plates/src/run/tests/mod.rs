//! The run machine in virtual time, with workers, readers and flows that are not there.

mod any;
mod chaos;
mod ends;
mod fake_flow;
mod limits;
mod single;
mod troubles;
mod world;
