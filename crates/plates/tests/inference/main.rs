//! Models on pictures: the project's tiny ones on drawn pictures, and real ones on the test material where that is there.
//!
//! Without ONNX Runtime, or without the material, tests say `skipped: …` on stderr.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may panic, and says what it skips"
)]

mod drawn;
mod files;
mod material;
mod scene;
mod surroundings;
