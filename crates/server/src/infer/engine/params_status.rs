//! What became of a stream's newest parameters.

use serde::Serialize;

/// What became of a stream's newest parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::infer) enum ParamsStatus {
    /// They are on their way to the worker.
    Queued,
    /// The worker took them, and loads with them.
    Reloading,
    /// The worker has them.
    Applied,
    /// They are wrong, or the worker refused them: what it had before stays.
    Rejected,
    /// The worker died of them twice: the last good ones are back.
    Quarantined,
}

impl ParamsStatus {
    /// The word on the wire.
    pub(in crate::infer) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Reloading => "reloading",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Quarantined => "quarantined",
        }
    }

    /// After the worker has reloaded, whoever's parameters that was for.
    pub(super) fn reloaded(self) -> Self {
        match self {
            Self::Reloading => Self::Applied,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ParamsStatus; 5] = [
        ParamsStatus::Queued,
        ParamsStatus::Reloading,
        ParamsStatus::Applied,
        ParamsStatus::Rejected,
        ParamsStatus::Quarantined,
    ];

    #[test]
    fn the_word_of_an_event_is_that_of_the_api() {
        for it in ALL {
            assert_eq!(serde_json::to_value(it).unwrap(), it.as_str());
        }
    }

    #[test]
    fn a_reload_settles_the_parameters_that_it_was_for_and_no_others() {
        for it in ALL {
            let settled = it.reloaded();
            if it == ParamsStatus::Reloading {
                assert_eq!(settled, ParamsStatus::Applied);
            } else {
                assert_eq!(settled, it);
            }
        }
    }
}
