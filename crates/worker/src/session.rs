//! The child's side of the protocol as a pure machine: which request is in order, and when it is over.
//!
//! ```text
//! fresh ──load──> loading ──ready──> loaded ──drain──> draining ──drained──> over
//!   │                └──error──> fresh                    any ──bye, end of file──> over
//!   └── describe, drain and bye are in order everywhere before `draining`
//! ```
//!
//! [`Session::accept`] takes what came; the caller does what it says. No clock, no socket.

use serde_json::Value;

use crate::message::{ErrorReport, FromChild, ToChild};

/// Where a child stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Loaded,
    Draining,
}

/// What to do with what came.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// In order: do it and answer it.
    Do(ToChild),
    /// Not in order: say this and go on.
    Say(FromChild),
    /// The parent wants the child gone.
    Leave,
}

/// Which requests are in order.
#[derive(Debug)]
pub struct Session {
    state: State,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            state: State::Fresh,
        }
    }
}

impl Session {
    /// Judges one message. A text that is no request of this version is answered, not fatal.
    pub fn accept(&mut self, value: Value) -> Verdict {
        let id = value.get("id").and_then(Value::as_u64);
        let kind = value
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned();
        let request = match serde_json::from_value::<ToChild>(value) {
            Ok(request) => request,
            Err(error) if KNOWN.contains(&kind.as_str()) => {
                return refuse(id, "protocol", format!("a wrong `{kind}`: {error}"));
            }
            Err(_) => {
                return refuse(
                    id,
                    "unknown_message",
                    format!("no message is called `{kind}`"),
                );
            }
        };
        match (&request, self.state) {
            (ToChild::Bye, _) => Verdict::Leave,
            (_, State::Draining) => refuse(id, "draining", format!("`{kind}` came after `drain`")),
            (ToChild::Drain { .. }, _) => {
                self.state = State::Draining;
                Verdict::Do(request)
            }
            (ToChild::Load { .. }, State::Loaded) => {
                refuse(id, "already_loaded", "a second `load`".into())
            }
            (ToChild::Load { .. }, State::Fresh) => {
                self.state = State::Loaded;
                Verdict::Do(request)
            }
            (ToChild::Describe { .. }, _) | (_, State::Loaded) => Verdict::Do(request),
            (_, State::Fresh) => refuse(id, "not_loaded", format!("`{kind}` came before `load`")),
        }
    }

    /// The load failed: another one may follow.
    pub fn load_failed(&mut self) {
        if self.state == State::Loaded {
            self.state = State::Fresh;
        }
    }
}

const KNOWN: [&str; 8] = [
    "describe", "load", "update", "attach", "detach", "flush", "drain", "bye",
];

fn refuse(id: Option<u64>, code: &str, message: String) -> Verdict {
    Verdict::Say(FromChild::Error(ErrorReport {
        id,
        code: code.into(),
        message,
        hint: None,
        problems: Vec::new(),
        traceback: None,
        fatal: false,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn code(verdict: Verdict) -> String {
        match verdict {
            Verdict::Say(FromChild::Error(report)) => report.code,
            Verdict::Do(_) => "do".into(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn requests_before_load_are_refused_but_describe_and_drain() {
        let mut session = Session::default();
        for kind in ["update", "detach", "flush"] {
            let message = json!({"type": kind, "id": 1, "params": {}, "stream": "s"});
            assert_eq!(code(session.accept(message)), "not_loaded");
        }
        let describe = json!({"type": "describe", "id": 1, "pipeline": "noop"});
        assert_eq!(code(session.accept(describe)), "do");
    }

    #[test]
    fn load_is_in_order_once_and_again_after_it_failed() {
        let mut session = Session::default();
        let load = || json!({"type": "load", "id": 1, "pipeline": "noop"});
        assert_eq!(code(session.accept(load())), "do");
        assert_eq!(code(session.accept(load())), "already_loaded");
        session.load_failed();
        assert_eq!(code(session.accept(load())), "do");
    }

    #[test]
    fn an_unknown_message_is_answered_with_its_id() {
        let Verdict::Say(FromChild::Error(report)) =
            Session::default().accept(json!({"type": "sing", "id": 9}))
        else {
            panic!("it is answered");
        };
        assert_eq!(
            (report.id, report.code.as_str(), report.fatal),
            (Some(9), "unknown_message", false)
        );
    }

    proptest! {
        #[test]
        fn nothing_but_bye_makes_a_child_leave(
            kinds in proptest::collection::vec(0usize..KNOWN.len(), 0..20), id: u64,
        ) {
            let mut session = Session::default();
            for kind in kinds {
                let message = json!({"type": KNOWN[kind], "id": id, "pipeline": "x", "params": {}, "stream": "s", "incarnation": 1});
                let left = matches!(session.accept(message), Verdict::Leave);
                prop_assert_eq!(left, KNOWN[kind] == "bye");
            }
        }
    }
}
