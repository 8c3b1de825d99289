//! `framerill plates` as users meet it: real files, real processes, real kills.

#[path = "plates/commands.rs"]
mod commands;
#[path = "plates/faults.rs"]
mod faults;
#[path = "plates/records.rs"]
mod records;
#[path = "plates/scene.rs"]
mod scene;
#[path = "plates/videos.rs"]
mod videos;
