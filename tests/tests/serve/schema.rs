//! The committed description of the container API, and whether an answer is what it says.

use framerill_tests::Description;
use serde_json::Value;

fn description() -> Description {
    Description::read("schema/openapi.json")
}

/// `schema/openapi.json`.
pub(crate) fn openapi() -> Value {
    description().json().clone()
}

/// Fails unless `value` is what the component of this name says: every key known, every required key there, every type
/// right.
pub(crate) fn assert_is(value: &Value, component: &str) {
    description().assert_is(value, component);
}
