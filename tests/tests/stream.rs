//! Streams by our own API, as users meet them: real servers, real infers, `framerill stream` and `/v1/streams`.

#[path = "stream/answers.rs"]
mod answers;
#[path = "stream/commands.rs"]
mod commands;
#[path = "stream/dashboard.rs"]
mod dashboard;
#[path = "stream/demo.rs"]
mod demo;
#[path = "stream/inner.rs"]
mod inner;
#[path = "stream/rig.rs"]
mod rig;
#[expect(dead_code, reason = "shared with the tests of serve")]
#[path = "serve/schema.rs"]
mod schema;
