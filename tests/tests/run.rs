//! `framerill run` as users meet it: real files, real processes, real kills.

#[path = "run/bad_input.rs"]
mod bad_input;
#[path = "run/commands.rs"]
mod commands;
#[path = "run/containment.rs"]
mod containment;
#[path = "run/faults.rs"]
mod faults;
#[path = "run/reload.rs"]
mod reload;
#[path = "run/scaffold.rs"]
mod scaffold;
#[path = "run/scene.rs"]
mod scene;
#[path = "run/shapes.rs"]
mod shapes;
#[path = "run/trickle.rs"]
mod trickle;
#[path = "run/video.rs"]
mod video;
