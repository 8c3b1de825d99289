//! Which vehicle is which from frame to frame.

mod row;

pub use row::{Item, MotionRow, TrackFrame, TrackStep};
