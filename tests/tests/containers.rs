//! The files that images are built from, without building any: read, linted, their Python lines run in a virtual environment,
//! and what a container starts with run as it is.

#[path = "containers/dockerfile.rs"]
mod dockerfile;
#[path = "containers/environment.rs"]
mod environment;
#[path = "containers/files.rs"]
mod files;
#[path = "containers/start.rs"]
mod start;
