//! What whole-system tests stand on.
//!
//! The checker judges a finished video from outside: it knows what was drawn ([`source`]), decodes what came out
//! ([`recording`]) and compares the two ([`judge`]). It talks to the `ffmpeg` command line through pipes and shares no
//! code with the product's own media process, so that both cannot be wrong in the same way.
//!
//! Beside it: descriptions of APIs ([`Description`]), programs of this build ([`bin`], [`serving`]), wheels ([`packer`]), HTTP ([`http`]), running processes ([`process`]), waiting with a deadline
//! ([`wait_until`]), the folder of test material ([`material()`]), and everything that stands around a live runner
//! ([`live`]).
//!
//! Reading order: [`timeline`], [`mark`], [`source`], [`recording`], [`judge`], [`live`].

mod description;
pub mod dice;
pub mod http;
pub mod judge;
pub mod live;
pub mod mark;
mod material;
pub mod packer;
mod paint;
pub mod process;
mod program;
pub mod recording;
pub mod reference;
pub mod serving;
pub mod source;
pub mod timeline;
mod tone;
mod tool;
mod wait;

pub use description::Description;
pub use material::{material, skip};
pub use program::{bin, python, repository};
pub use tool::{ToolError, ffmpeg_is_here};
pub use wait::{wait_for, wait_until};
