//! The machine without a driver.

mod any;
mod desk;
mod rules;
