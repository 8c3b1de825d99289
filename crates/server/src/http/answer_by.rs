//! Until when whoever asks waits, on the clock that all processes of a machine share.

use std::time::Duration;

use axum::http::HeaderMap;
use framerill_worker::runtime::monotonic_ns;

/// The header with it, in milliseconds.
pub(crate) const ANSWER_BY_HEADER: &str = "framerill-answer-by";

/// A time after which nobody waits any more: what is done then is done behind the caller's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AnswerBy {
    millis: u64,
}

impl AnswerBy {
    /// Nobody waits, and it is never too late.
    pub(crate) const NEVER: Self = Self { millis: u64::MAX };

    /// So long from now on.
    pub(crate) fn within(wait: Duration) -> Self {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self {
            millis: now().saturating_add(wait),
        }
    }

    /// What a request says. Who says nothing waits for ever; what cannot be read is over.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let said = headers.get_all(ANSWER_BY_HEADER).iter();
        let said = said.map(|it| it.to_str().ok().and_then(|it| it.parse().ok()));
        let earliest = said.map(Option::unwrap_or_default).min();
        earliest.map_or(Self::NEVER, |millis| Self { millis })
    }

    pub(crate) fn is_past(self) -> bool {
        self.millis <= now()
    }

    /// As the header has it.
    pub(crate) fn millis(self) -> u64 {
        self.millis
    }
}

fn now() -> u64 {
    monotonic_ns() / 1_000_000
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(said: &[&'static str]) -> AnswerBy {
        let mut headers = HeaderMap::new();
        for it in said {
            headers.append(ANSWER_BY_HEADER, HeaderValue::from_static(it));
        }
        AnswerBy::of(&headers)
    }

    #[test]
    fn who_says_nothing_waits_for_ever_and_what_is_no_time_is_over() {
        assert_eq!(of(&[]), AnswerBy::NEVER);
        assert!(!AnswerBy::NEVER.is_past());
        for wrong in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert!(of(&[wrong]).is_past(), "{wrong}");
        }
        assert!(of(&["18446744073709551615", "1"]).is_past());
    }

    #[test]
    fn it_is_past_when_the_wait_is_over() {
        assert!(AnswerBy::within(Duration::ZERO).is_past());
        let later = AnswerBy::within(Duration::from_secs(60));
        assert!(!later.is_past());
        let mut headers = HeaderMap::new();
        headers.insert(ANSWER_BY_HEADER, later.millis().into());
        assert_eq!(AnswerBy::of(&headers), later);
    }
}
