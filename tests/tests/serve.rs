//! `framerill serve` as orchestrators meet it: the real program, raw requests, and an infer that does what a test says.

#[path = "serve/answers.rs"]
mod answers;
#[path = "serve/first_process.rs"]
mod first_process;
#[path = "serve/hardware.rs"]
mod hardware;
#[path = "serve/health.rs"]
mod health;
#[path = "serve/hostile.rs"]
mod hostile;
#[path = "serve/life.rs"]
mod life;
#[path = "serve/runner.rs"]
mod runner;
#[path = "serve/schema.rs"]
mod schema;
#[path = "serve/settings.rs"]
mod settings;
#[path = "serve/start.rs"]
mod start;
#[path = "serve/streams.rs"]
mod streams;
