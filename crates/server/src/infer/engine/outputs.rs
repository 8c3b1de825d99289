//! Outputs that answer no frame or are no picture, as workers count them.

use serde_json::Value;

/// What is counted, as workers call it (`schema/child-protocol.md`).
const KINDS: [&str; 5] = ["late", "duplicate", "unmatched", "dropped", "not_a_number"];

/// The counters of one worker, which begin anew with each of its lives.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    incarnation: u32,
    seen: [u64; KINDS.len()],
}

impl Outputs {
    /// What its `stats` have more than the last time, by kind.
    pub(super) fn grown(&mut self, incarnation: u32, stats: &Value) -> Vec<(&'static str, u64)> {
        if self.incarnation != incarnation {
            *self = Self {
                incarnation,
                ..Self::default()
            };
        }
        let mut grown = Vec::new();
        for (kind, seen) in KINDS.into_iter().zip(&mut self.seen) {
            let count = stats.get(kind).and_then(Value::as_u64).unwrap_or(*seen);
            if count > *seen {
                grown.push((kind, count - *seen));
                *seen = count;
            }
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_life_counts_is_added_once_and_the_next_life_begins_at_nothing() {
        let mut outputs = Outputs::default();
        let one = json!({"late": 2, "frames": 7, "not_a_number": 1});
        assert_eq!(outputs.grown(1, &one), [("late", 2), ("not_a_number", 1)]);
        assert_eq!(outputs.grown(1, &one), []);
        assert_eq!(outputs.grown(1, &json!({"late": 5})), [("late", 3)]);
        assert_eq!(outputs.grown(2, &json!({"late": 5})), [("late", 5)]);
        assert_eq!(outputs.grown(2, &json!({"late": "many"})), []);
        assert_eq!(outputs.grown(2, &json!({"late": 4})), []);
    }
}
