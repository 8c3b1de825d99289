//! What filters say of themselves is true.

use framerill_worker::filters;
use serde_json::Value;

#[test]
fn every_filter_is_found_by_its_name_once() {
    let names: Vec<_> = filters::all().iter().map(|kind| kind.name()).collect();
    assert_eq!(
        names,
        ["noop", "invert", "grayscale", "blur", "edges", "overlay"]
    );
    for name in names {
        assert_eq!(filters::find(name).unwrap().name(), name);
    }
    assert!(filters::find("Invert").is_none());
}

#[test]
fn every_filter_loads_with_its_own_defaults() {
    for kind in filters::all() {
        assert!(kind.load(&kind.defaults()).is_ok(), "{}", kind.name());
        assert!(
            kind.load(&serde_json::Map::new()).is_ok(),
            "{}",
            kind.name()
        );
    }
}

#[test]
fn the_schema_names_every_default_and_explains_it() {
    for kind in filters::all() {
        let schema = kind.params_schema();
        let properties = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let defaults = kind.defaults();
        assert!(defaults.keys().eq(properties.keys()), "{}", kind.name());
        for (name, property) in properties {
            let told = &property["default"];
            assert!(
                told == &defaults[&name] || told.as_f64() == defaults[&name].as_f64(),
                "{} {name}: {told}",
                kind.name()
            );
            assert!(
                property["description"].is_string(),
                "{} {name}",
                kind.name()
            );
        }
    }
}

/// A rule that the validator does not know would be a promise that nobody keeps.
#[test]
fn every_rule_of_every_filter_is_one_that_is_checked() {
    const CHECKED: [&str; 13] = [
        "type",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "enum",
        "const",
        "oneOf",
        "anyOf",
        "items",
        "properties",
        "additionalProperties",
        "format",
    ];
    const NO_RULES: [&str; 4] = ["$schema", "title", "description", "default"];
    fn walk(schema: &Value) {
        for (key, value) in schema.as_object().unwrap() {
            match key.as_str() {
                "properties" => value.as_object().unwrap().values().for_each(walk),
                "oneOf" | "anyOf" => value.as_array().unwrap().iter().for_each(walk),
                // Those of numbers follow from the type and the range.
                "format" => assert!(
                    ["color", "float", "uint8", "uint16"].contains(&value.as_str().unwrap()),
                    "format {value}"
                ),
                // The same rule as the format, for other readers.
                "pattern" => assert_eq!(schema["format"], "color"),
                other => assert!(
                    CHECKED.contains(&other) || NO_RULES.contains(&other),
                    "`{other}` is not checked: {schema}"
                ),
            }
        }
    }
    for kind in filters::all() {
        walk(&kind.params_schema());
    }
}
