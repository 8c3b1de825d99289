//! `framerill plates` as users meet it: real files, real processes, real kills.

#[path = "plates/bench.rs"]
mod bench;
#[path = "plates/commands.rs"]
mod commands;
#[path = "plates/faults.rs"]
mod faults;
#[path = "plates/own_stage.rs"]
mod own_stage;
#[path = "plates/scene.rs"]
mod scene;
#[path = "plates/videos.rs"]
mod videos;
