//! Drivers of the client machines.
