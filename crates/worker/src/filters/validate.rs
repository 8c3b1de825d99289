//! Parameters against their JSON Schema: every broken rule becomes a [`Problem`].
//!
//! It knows the part of JSON Schema 2020-12 that parameters use: `type`, `minimum`, `maximum`,
//! `minLength`, `maxLength`, `enum`, `const`, `oneOf`/`anyOf` of constants, `format: color`,
//! `items`, `properties` and `additionalProperties`. Other keywords are ignored; `required` too,
//! because parameters come in part. A test over the built-in filters holds that they use no rule
//! that is not checked here.

use serde_json::{Map, Value};

use super::color::Color;
use crate::message::Problem;

/// The most problems in one report; how many more there are is said in the last one.
pub const MOST_PROBLEMS: usize = 16;
/// The longest text of a user's that a report repeats, in characters.
const LONGEST_QUOTE: usize = 64;

/// What is wrong with `params` by `schema`, the schema of an object. Keys that are not given are
/// no problem.
#[must_use]
pub fn check(schema: &Value, params: &Map<String, Value>) -> Vec<Problem> {
    let mut report = Report::default();
    check_object("", schema, params, &mut report);
    report.finish()
}

#[derive(Default)]
struct Report {
    problems: Vec<Problem>,
    more: usize,
}

impl Report {
    fn add(&mut self, field: &str, rule: String, value: &Value, message: String) {
        if self.problems.len() == MOST_PROBLEMS {
            self.more += 1;
            return;
        }
        self.problems.push(Problem {
            field: cut(field),
            rule,
            value: quotable(value),
            message,
        });
    }

    fn finish(mut self) -> Vec<Problem> {
        if self.more > 0
            && let Some(last) = self.problems.last_mut()
        {
            last.message += &format!(" (and {} more problems)", self.more);
        }
        self.problems
    }
}

fn check_object(path: &str, schema: &Value, object: &Map<String, Value>, report: &mut Report) {
    let properties = schema["properties"].as_object();
    for (key, value) in object {
        let field = join(path, key);
        if let Some(property) = properties.and_then(|known| known.get(key)) {
            check_value(&field, property, value, report);
            continue;
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => {
                let known = properties.into_iter().flat_map(Map::keys);
                let message = unknown(&field, key, known.map(String::as_str));
                report.add(&field, "known_field".into(), value, message);
            }
            Some(other) => check_value(&field, other, value, report),
            None => {}
        }
    }
}

fn check_value(field: &str, schema: &Value, value: &Value, report: &mut Report) {
    let mut broken = |rule: String, have_to: String| {
        let message = format!("`{}` is {}; it has to {have_to}", cut(field), shown(value));
        report.add(field, rule, value, message);
    };

    if let Some(choices) = choices(schema) {
        if !choices.contains(&value) {
            let names = |quote: &str| {
                let name = |choice: &&Value| format!("{quote}{}{quote}", bare(choice));
                choices.iter().map(name).collect::<Vec<_>>().join(", ")
            };
            broken(
                format!("one_of {}", names("")),
                format!("be one of {}", names("`")),
            );
        }
        return;
    }
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| is_type(name, value)) {
        let words = types.iter().copied().map(in_words).collect::<Vec<_>>();
        broken(
            format!("type {}", types.join(" or ")),
            format!("be {}", words.join(" or ")),
        );
        return;
    }
    match value {
        Value::Number(number) => {
            let given = number.as_f64().unwrap_or(f64::NAN);
            if let Some(least) = schema["minimum"].as_f64()
                && given < least
            {
                broken(format!("minimum {least}"), format!("be at least {least}"));
            }
            if let Some(most) = schema["maximum"].as_f64()
                && given > most
            {
                broken(format!("maximum {most}"), format!("be at most {most}"));
            }
        }
        Value::String(text) => {
            let length = text.chars().count() as u64;
            if let Some(least) = schema["minLength"].as_u64()
                && length < least
            {
                broken(
                    format!("minLength {least}"),
                    format!("have at least {least} characters, not {length}"),
                );
            }
            if let Some(most) = schema["maxLength"].as_u64()
                && length > most
            {
                broken(
                    format!("maxLength {most}"),
                    format!("have at most {most} characters, not {length}"),
                );
            }
            if schema["format"] == "color" && text.parse::<Color>().is_err() {
                broken(
                    "format color".into(),
                    "be a color like `#ffcc00`: red, green and blue in hexadecimal".into(),
                );
            }
        }
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                for (index, item) in list.iter().enumerate() {
                    check_value(&join(field, &index.to_string()), items, item, report);
                }
            }
        }
        Value::Object(object) => check_object(field, schema, object, report),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The constants that `schema` allows, when it is a list of constants.
fn choices(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only]);
    }
    if let Some(Value::Array(list)) = schema.get("enum") {
        return Some(list.iter().collect());
    }
    let branches = schema.get("oneOf").or_else(|| schema.get("anyOf"))?;
    let lists: Option<Vec<_>> = branches.as_array()?.iter().map(choices).collect();
    Some(lists?.into_iter().flatten().collect())
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn in_words(name: &str) -> &str {
    match name {
        "number" => "a number",
        "integer" => "a whole number",
        "string" => "text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn unknown<'k>(field: &str, key: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let start = format!("there is no parameter `{}`", cut(field));
    if let Some(near) = nearest(key, &known) {
        return format!("{start}; did you mean `{near}`?");
    }
    if known.is_empty() {
        return format!("{start}; there is nothing to set");
    }
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("{start}; there are {}", names.join(", "))
}

/// The known name that `key` is most likely a slip of: at most a third of its letters differ.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let length = key.chars().count();
    if length > LONGEST_QUOTE {
        return None;
    }
    let key = key.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&key, name);
    let near = known.iter().copied().min_by_key(|name| distance(name))?;
    (distance(near) <= near.chars().count().max(3) / 3).then_some(near)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        return key.to_owned();
    }
    format!("{path}.{key}")
}

/// `text`, no longer than a report wants it.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `value`, no larger than a report wants it; a cut list or object becomes text.
fn quotable(value: &Value) -> Value {
    match value {
        Value::String(text) => cut(text).into(),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.chars().count() > LONGEST_QUOTE {
                cut(&text).into()
            } else {
                value.clone()
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// `value` as JSON, short.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_) => quotable(value).to_string(),
        other => cut(&other.to_string()),
    }
}

/// A constant as a person types it.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "type": "object",
            "properties": {
                "radius": {"type": "number", "minimum": 0, "maximum": 64.0},
                "count": {"type": "integer", "minimum": 1},
                "name": {"type": "string", "minLength": 2, "maxLength": 4},
                "on": {"type": "boolean"},
                "maybe": {"type": ["number", "null"]},
                "shape": {"oneOf": [
                    {"type": "string", "const": "round"},
                    {"type": "string", "enum": ["square", "flat"]},
                ]},
                "color": {"type": "string", "format": "color"},
                "list": {"type": "array", "items": {"type": "integer"}},
                "inner": {
                    "type": "object",
                    "properties": {"depth": {"type": "number", "maximum": 1}},
                    "additionalProperties": false,
                },
            },
            "additionalProperties": false,
        })
    }

    fn problems(params: Value) -> Vec<Problem> {
        check(&sample(), params.as_object().unwrap())
    }

    fn only(params: Value) -> (String, String, String) {
        let mut found = problems(params.clone());
        assert_eq!(found.len(), 1, "{params}: {found:?}");
        let problem = found.remove(0);
        (problem.field, problem.rule, problem.message)
    }

    #[test]
    fn every_rule_is_named_with_field_value_and_what_to_do() {
        let cases = [
            (
                json!({"radius": 99}),
                "radius",
                "maximum 64",
                "`radius` is 99; it has to be at most 64",
            ),
            (
                json!({"radius": -0.5}),
                "radius",
                "minimum 0",
                "`radius` is -0.5; it has to be at least 0",
            ),
            (
                json!({"radius": "big"}),
                "radius",
                "type number",
                "`radius` is \"big\"; it has to be a number",
            ),
            (
                json!({"count": 1.5}),
                "count",
                "type integer",
                "`count` is 1.5; it has to be a whole number",
            ),
            (
                json!({"on": 1}),
                "on",
                "type boolean",
                "`on` is 1; it has to be true or false",
            ),
            (
                json!({"maybe": "x"}),
                "maybe",
                "type number or null",
                "`maybe` is \"x\"; it has to be a number or null",
            ),
            (
                json!({"name": "é"}),
                "name",
                "minLength 2",
                "`name` is \"é\"; it has to have at least 2 characters, not 1",
            ),
            (
                json!({"name": "éàüöä"}),
                "name",
                "maxLength 4",
                "`name` is \"éàüöä\"; it has to have at most 4 characters, not 5",
            ),
            (
                json!({"shape": "oval"}),
                "shape",
                "one_of round, square, flat",
                "`shape` is \"oval\"; it has to be one of `round`, `square`, `flat`",
            ),
            (
                json!({"color": "red"}),
                "color",
                "format color",
                "`color` is \"red\"; it has to be a color like `#ffcc00`: red, green and blue in \
                 hexadecimal",
            ),
            (
                json!({"inner": {"depth": 2}}),
                "inner.depth",
                "maximum 1",
                "`inner.depth` is 2; it has to be at most 1",
            ),
            (
                json!({"list": [1, null]}),
                "list.1",
                "type integer",
                "`list.1` is null; it has to be a whole number",
            ),
            (
                json!({"raduis": 1}),
                "raduis",
                "known_field",
                "there is no parameter `raduis`; did you mean `radius`?",
            ),
            (
                json!({"inner": {"zzz": 1}}),
                "inner.zzz",
                "known_field",
                "there is no parameter `inner.zzz`; there are `depth`",
            ),
        ];
        for (params, field, rule, message) in cases {
            assert_eq!(
                only(params),
                (field.to_owned(), rule.to_owned(), message.to_owned())
            );
        }
    }

    #[test]
    fn what_keeps_every_rule_is_no_problem() {
        let fine = json!({
            "radius": 64, "count": 2.0, "name": "日本", "on": true, "maybe": null,
            "shape": "flat", "color": "#00FFaa", "list": [], "inner": {"depth": 1},
        });
        assert_eq!(problems(fine), []);
        assert_eq!(problems(json!({})), []);
    }

    #[test]
    fn all_broken_rules_are_told_at_once() {
        let found = problems(json!({"radius": 65, "on": "yes", "what": 1}));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn the_report_on_a_megabyte_of_nonsense_is_small() {
        let long = "x".repeat(1 << 20);
        let mut params = Map::new();
        params.insert("name".into(), long.clone().into());
        params.insert("list".into(), json!({"deep": [long.clone()]}));
        params.insert(long, json!(1));
        for n in 0..1000 {
            params.insert(format!("unknown{n}"), json!(n));
        }
        let report = check(&sample(), &params);
        assert_eq!(report.len(), MOST_PROBLEMS);
        let bytes = serde_json::to_vec(&report).unwrap().len();
        assert!(bytes < 16_384, "{bytes} bytes");
        assert!(report[15].message.ends_with("(and 987 more problems)"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-100.0..100.0f64).prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("\\PC{0,6}", inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_schema_and_any_value_give_an_answer(
            schema in any_json(),
            keys in prop::collection::vec(("\\PC{0,8}", any_json()), 0..5),
        ) {
            let params: Map<String, Value> = keys.into_iter().collect();
            let schema = json!({"properties": {"a": schema}, "additionalProperties": schema});
            prop_assert!(check(&schema, &params).len() <= MOST_PROBLEMS);
        }

        #[test]
        fn a_number_is_refused_exactly_outside_its_range(
            low in -50i32..50, span in 0i32..50, given in -200.0..200.0f64,
        ) {
            let high = low + span;
            let schema = json!({"properties": {
                "n": {"type": "number", "minimum": low, "maximum": high}}});
            let params = json!({"n": given});
            let wrong = given < f64::from(low) || given > f64::from(high);
            let found = check(&schema, params.as_object().unwrap());
            prop_assert_eq!(found.len(), usize::from(wrong));
        }

        #[test]
        fn a_text_is_refused_exactly_outside_its_length(
            text in "\\PC{0,12}", least in 0usize..6, more in 0usize..6,
        ) {
            let most = least + more;
            let schema = json!({"properties": {
                "s": {"type": "string", "minLength": least, "maxLength": most}}});
            let params = json!({"s": text});
            let fits = (least..=most).contains(&text.chars().count());
            let found = check(&schema, params.as_object().unwrap());
            prop_assert_eq!(found.is_empty(), fits);
        }

        #[test]
        fn a_slip_of_one_letter_is_recognised(at in 0usize..6, letter in "[a-z]") {
            let mut slip = "radius".to_owned();
            slip.replace_range(at..=at, &letter);
            prop_assume!(slip != "radius");
            let found = problems(json!({slip.as_str(): 1}));
            prop_assert!(found[0].message.ends_with("did you mean `radius`?"));
        }
    }
}
