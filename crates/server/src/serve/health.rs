//! How infer's state becomes the container's health.

use serde::Serialize;
use serde_json::Value;

/// What an orchestrator acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Health {
    /// Not yet: wait.
    Loading,
    /// At work.
    Ok,
    /// Broken: replace the container.
    Error,
    /// May be lent.
    Idle,
}

impl Health {
    /// From infer's status object. No state is as good as `OFFLINE`; an unknown one is a good one.
    pub(super) fn of(status: &Value) -> Self {
        match status.get("state").map(Value::as_str) {
            None | Some(Some("OFFLINE")) => Self::Idle,
            Some(Some("LOADING")) => Self::Loading,
            Some(Some("ERROR")) => Self::Error,
            _ => Self::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_state_of_infer_has_its_health() {
        for (state, health) in [
            ("LOADING", Health::Loading),
            ("OFFLINE", Health::Idle),
            ("ERROR", Health::Error),
            ("ONLINE", Health::Ok),
            ("DEGRADED_INPUT", Health::Ok),
            ("DEGRADED_INFERENCE", Health::Ok),
            ("SOMETHING_NEW", Health::Ok),
        ] {
            assert_eq!(Health::of(&json!({"state": state})), health, "{state}");
        }
        assert_eq!(Health::of(&json!({})), Health::Idle);
        assert_eq!(Health::of(&json!({"state": null})), Health::Ok);
    }

    #[test]
    fn the_words_are_the_contracts() {
        let all = [Health::Loading, Health::Ok, Health::Error, Health::Idle];
        assert_eq!(json!(all), json!(["LOADING", "OK", "ERROR", "IDLE"]));
    }
}
