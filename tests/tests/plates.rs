//! `framerill plates` as users meet it: real files, real processes, real kills.

#[path = "plates/addresses.rs"]
mod addresses;
#[path = "plates/api.rs"]
mod api;
#[path = "plates/bench.rs"]
mod bench;
#[path = "plates/board.rs"]
mod board;
#[path = "plates/chaos.rs"]
mod chaos;
#[path = "plates/commands.rs"]
mod commands;
#[path = "plates/denoise.rs"]
mod denoise;
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "tests of the library draw more"
)]
#[path = "../../crates/plates/tests/inference/scene.rs"]
mod drawn;
#[path = "plates/edges.rs"]
mod edges;
#[path = "plates/events.rs"]
mod events;
#[path = "plates/faults.rs"]
mod faults;
#[path = "plates/films.rs"]
mod films;
#[path = "plates/image.rs"]
mod image;
#[path = "plates/live.rs"]
mod live;
#[path = "plates/machines.rs"]
mod machines;
#[path = "plates/own_stage.rs"]
mod own_stage;
#[path = "../../crates/plates/tests/store/server.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "shared with the tests of the store"
)]
mod postgres;
#[path = "plates/records.rs"]
mod records;
#[path = "plates/scene.rs"]
mod scene;
#[path = "plates/truth.rs"]
mod truth;
#[path = "plates/videos.rs"]
mod videos;
