//! What the end of a reading is called. Pure.

use framerill_worker::message::{ReaderStats, ReaderStatus};

use crate::{error::AvError, source::End};

/// Why no more is read.
#[derive(Debug)]
pub(super) enum Ending {
    /// The end of the file.
    End(End),
    /// Somebody asked, or nobody is at the link any more.
    Stopped,
    /// It cannot go on.
    Failed(AvError),
}

/// Fills in status, reason and the counts of what is broken. `claimed` is how many frames the header says there are.
pub(super) fn conclude(stats: &mut ReaderStats, ending: &Ending, claimed: Option<u64>) {
    let (status, reason) = match ending {
        Ending::End(end) => {
            stats.failed = end.undecodable + end.unreadable;
            stats.concealed = end.concealed;
            if end.is_truncated {
                (ReaderStatus::Partial, Some(truncated(stats, claimed)))
            } else if stats.failed > 0 {
                (ReaderStatus::Partial, end.warning())
            } else {
                (ReaderStatus::Complete, end.warning())
            }
        }
        Ending::Stopped => (ReaderStatus::Stopped, Some("it was stopped".to_owned())),
        Ending::Failed(AvError::Interrupted) => {
            (ReaderStatus::Stopped, Some("it was stopped".to_owned()))
        }
        Ending::Failed(error @ AvError::NoMemory(_)) => {
            (ReaderStatus::NoMemory, Some(error.to_string()))
        }
        Ending::Failed(error) => {
            let is_rest = matches!(error, AvError::SourceRead { .. }) && stats.decoded > 0;
            let status = if is_rest {
                ReaderStatus::Partial
            } else {
                ReaderStatus::Failed
            };
            (status, Some(error.to_string()))
        }
    };
    stats.status = status;
    stats.reason = reason;
}

fn truncated(stats: &ReaderStats, claimed: Option<u64>) -> String {
    let decoded = stats.decoded;
    match claimed.filter(|claimed| *claimed > decoded) {
        Some(claimed) => format!("the file is cut off: {decoded} of {claimed} frames are there"),
        None => format!("the file is cut off: {decoded} frames are there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn concluded(decoded: u64, ending: &Ending, claimed: Option<u64>) -> ReaderStats {
        let mut stats = ReaderStats {
            decoded,
            ..ReaderStats::default()
        };
        conclude(&mut stats, ending, claimed);
        stats
    }

    #[test]
    fn a_clean_end_is_complete_and_needs_no_reason() {
        let stats = concluded(30, &Ending::End(End::default()), Some(30));
        assert_eq!((stats.status, stats.reason), (ReaderStatus::Complete, None));
    }

    #[test]
    fn damage_that_costs_frames_is_partial_and_damage_that_the_decoder_mends_is_not() {
        let end = End {
            undecodable: 2,
            concealed: 3,
            unreadable: 1,
            ..End::default()
        };
        let stats = concluded(58, &Ending::End(end), Some(60));
        assert_eq!(stats.status, ReaderStatus::Partial);
        assert_eq!((stats.failed, stats.concealed), (3, 3));
        assert!(stats.reason.unwrap().contains("could not be decoded: 2"));
        let mended = End {
            concealed: 3,
            ..End::default()
        };
        let stats = concluded(60, &Ending::End(mended), Some(60));
        assert_eq!(stats.status, ReaderStatus::Complete);
        assert!(stats.reason.unwrap().contains("made up by the decoder: 3"));
    }

    #[test]
    fn a_file_that_is_cut_off_is_partial_and_says_how_much_is_there() {
        let end = End {
            is_truncated: true,
            ..End::default()
        };
        let stats = concluded(40, &Ending::End(end), Some(60));
        assert_eq!(stats.status, ReaderStatus::Partial);
        assert_eq!(
            stats.reason.unwrap(),
            "the file is cut off: 40 of 60 frames are there"
        );
    }

    #[test]
    fn a_disk_that_fails_is_partial_after_the_first_frame_and_failed_before_it() {
        let lost = || {
            Ending::Failed(AvError::SourceRead {
                name: "a.mp4".to_owned(),
                fault: Fault::INVALID,
            })
        };
        assert_eq!(concluded(7, &lost(), None).status, ReaderStatus::Partial);
        assert_eq!(concluded(0, &lost(), None).status, ReaderStatus::Failed);
    }

    #[test]
    fn an_interrupted_reading_is_stopped() {
        let stats = concluded(7, &Ending::Failed(AvError::Interrupted), None);
        assert_eq!(stats.status, ReaderStatus::Stopped);
    }
}
