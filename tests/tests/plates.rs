//! `framerill plates` as users meet it: real files, real processes, real kills.

#[path = "plates/commands.rs"]
mod commands;
#[path = "plates/edges.rs"]
mod edges;
#[path = "plates/faults.rs"]
mod faults;
#[path = "plates/scene.rs"]
mod scene;
#[path = "plates/videos.rs"]
mod videos;
