//! The frame that is asked for.

use framerill_worker::message::Place;

use super::Job;
use crate::{error::AvError, ffi::Frame, source::Raw};

/// Times that differ by less than this are one: a millisecond as a reader's pts are rounded to on their way.
pub(super) const SAME: f64 = 0.0015;

/// A frame, and where it is.
pub(super) struct Found {
    pub(super) frame: Frame,
    pub(super) seconds: f64,
    /// Its index, as it was asked for or counted.
    pub(super) index: Option<u64>,
}

/// The frame at a place, or the nearest one; the first where nothing is said.
pub(super) fn find(job: &mut Job, at: Place) -> Result<Found, AvError> {
    let base = job.source.time_base();
    let mut last: Option<Found> = None;
    let mut count = 0u64;
    loop {
        let (frame, pts) = match job.source.next() {
            Ok(Raw::Picture { frame, pts, .. }) => (frame, pts),
            Ok(Raw::Audio(_)) => continue,
            Ok(Raw::End(_)) => return last.ok_or_else(|| none(job)),
            // What was asked for may lie in what cannot be read.
            Err(error) => return last.ok_or(error),
        };
        let found = Found {
            frame,
            seconds: base.seconds(framerill_media::Pts(pts)),
            index: at.frame.or((at.seconds.is_none()).then_some(count)),
        };
        match (at.seconds, at.frame) {
            (Some(wanted), _) if found.seconds + SAME >= wanted => {
                return Ok(match last {
                    Some(last) if nearer(last.seconds, found.seconds, wanted) => last,
                    _ => found,
                });
            }
            (None, None) => return Ok(found),
            (None, Some(wanted)) if count >= wanted => return Ok(found),
            _ => {}
        }
        count += 1;
        last = Some(Found {
            index: at.seconds.is_none().then(|| count - 1).or(found.index),
            ..found
        });
    }
}

fn nearer(before: f64, after: f64, wanted: f64) -> bool {
    after - wanted > SAME && wanted - before < after - wanted
}

fn none(job: &Job) -> AvError {
    AvError::SourceEmpty {
        name: job.name.clone(),
        what: "has no picture at the time that was asked for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_frames_the_nearer_one_is_meant_and_one_that_is_there_before_any() {
        assert!(!nearer(0.96, 1.0, 1.0));
        assert!(nearer(0.96, 1.04, 0.97));
        assert!(!nearer(0.96, 1.04, 1.03));
        assert!(!nearer(0.9995, 1.001, 1.0));
    }
}
