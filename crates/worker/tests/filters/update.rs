//! Parameters at the door: what is right is taken, what is wrong changes nothing and is explained.

use framerill_worker::filters;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::stage::{Frame, load, map};

fn gradient() -> Frame {
    let pixels = (0..16 * 8 * 3u32).map(|n| n.to_le_bytes()[0]).collect();
    Frame::new(16, 8, pixels, 0)
}

fn refusal(name: &str, params: &Value) -> Vec<[String; 3]> {
    let kind = filters::find(name).unwrap();
    let problems = kind.load(&map(params)).err().unwrap_or_default();
    problems
        .into_iter()
        .map(|problem| [problem.field, problem.rule, problem.message])
        .collect()
}

#[test]
fn a_broken_rule_is_told_with_field_rule_and_remedy() {
    let cases = [
        (
            "blur",
            json!({"radius": 99}),
            [
                "radius",
                "maximum 64",
                "`radius` is 99; it has to be at most 64",
            ],
        ),
        (
            "blur",
            json!({"raduis": 3}),
            [
                "raduis",
                "known_field",
                "there is no parameter `raduis`; did you mean `radius`?",
            ],
        ),
        (
            "invert",
            json!({"strength": 3}),
            [
                "strength",
                "known_field",
                "there is no parameter `strength`; there is nothing to set",
            ],
        ),
        (
            "grayscale",
            json!({"standard": "bt2020"}),
            [
                "standard",
                "one_of bt601, bt709",
                "`standard` is \"bt2020\"; it has to be one of `bt601`, `bt709`",
            ],
        ),
        (
            "edges",
            json!({"threshold": "low"}),
            [
                "threshold",
                "type integer",
                "`threshold` is \"low\"; it has to be a whole number",
            ],
        ),
        (
            "overlay",
            json!({"size": 300}),
            [
                "size",
                "maximum 256",
                "`size` is 300; it has to be at most 256",
            ],
        ),
    ];
    for (name, params, expected) in cases {
        assert_eq!(refusal(name, &params), [expected.map(str::to_owned)]);
    }
    let long = json!({"text": "x".repeat(201)});
    assert_eq!(refusal("overlay", &long)[0][1], "maxLength 200");
}

#[test]
fn noop_takes_what_orchestrators_send_to_other_pipelines() {
    assert!(refusal("noop", &json!({"prompt": "flowers", "width": 512})).is_empty());
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let mut updated = load("edges", &json!({"threshold": 200}));
    updated.update(&map(&json!({"mode": "binary"}))).unwrap();
    let mut whole = load("edges", &json!({"threshold": 200, "mode": "binary"}));
    assert!(
        gradient().through(updated.as_mut()).unwrap()
            == gradient().through(whole.as_mut()).unwrap()
    );
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut blur = load("blur", &json!({"radius": 3}));
    let before = gradient().through(blur.as_mut()).unwrap().to_vec();
    let problems = blur
        .update(&map(&json!({"radius": 1, "x": 1})))
        .unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(gradient().through(blur.as_mut()).unwrap() == before);
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-300i64..300).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-2.0..300.0f64).prop_map(Value::from),
        (-1i32..70).prop_map(|n| Value::from(f64::from(n))),
        prop::sample::select(vec!["bt601", "binary", "top", "#ff0000", "#ff000", ""])
            .prop_map(Value::from),
        "\\PC{0,210}".prop_map(Value::from),
        Just(json!([1])),
        Just(json!({"a": 1})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(600)))]

    /// The schema and the types agree: nothing that the schema lets through fails to be read.
    #[test]
    fn what_the_schema_allows_can_be_read(
        which in 0..filters::all().len(),
        values in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 0..4),
    ) {
        let kind = filters::all()[which];
        let names: Vec<String> = kind.defaults().keys().cloned().collect();
        let params: Map<String, Value> = values
            .into_iter()
            .filter(|_| !names.is_empty())
            .map(|(index, value)| (index.get(&names).clone(), value))
            .collect();
        if let Err(problems) = kind.load(&params) {
            prop_assert!(problems.iter().all(|problem| problem.rule != "readable"), "{problems:?}");
        }
    }
}
