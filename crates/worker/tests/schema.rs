//! `schema/child-protocol.schema.json` is generated from the message types, and every language tests against it.

use framerill_worker::message::{FromChild, ToChild};
use schemars::schema_for;
use serde_json::{Value, json};

#[test]
fn the_committed_schema_is_what_the_types_say() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../schema/child-protocol.schema.json"
    );
    let value = |schema: schemars::Schema| serde_json::to_value(schema).unwrap();
    let both: Value = json!({
        "to_child": value(schema_for!(ToChild)),
        "from_child": value(schema_for!(FromChild)),
    });
    let text = serde_json::to_string_pretty(&both).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        text,
        "UPDATE_GOLDEN=1 writes it anew"
    );
}
