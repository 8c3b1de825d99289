//! How soon the kernel ends a process where memory runs out.

use std::{fs, io};

const SCORE: &str = "/proc/self/oom_score_adj";
/// The kernel ends such a process before any other.
const MOST: i32 = 1000;

/// Adds to this process's own score. What it starts inherits the sum.
pub(super) fn raise(by: u16) -> io::Result<()> {
    if by == 0 {
        return Ok(());
    }
    let text = fs::read_to_string(SCORE)?;
    let own: i32 = text.trim().parse().map_err(io::Error::other)?;
    fs::write(SCORE, (own + i32::from(by)).min(MOST).to_string())
}
