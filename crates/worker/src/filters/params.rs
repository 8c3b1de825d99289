//! From JSON to typed parameters. The JSON Schema that is derived from the type is the only place
//! where a rule is written: [`validate`] checks it, the console draws it.

use std::marker::PhantomData;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::validate;
use crate::message::Problem;

/// Parameters: a struct with a default and a rule for each field.
pub(super) trait Params: Default + Serialize + DeserializeOwned + JsonSchema + Send {}

impl<P: Default + Serialize + DeserializeOwned + JsonSchema + Send> Params for P {}

/// Of a filter that has nothing to set.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParams {}

/// The JSON Schema (draft 2020-12) of `P`, without references.
pub(super) fn schema<P: Params>() -> Value {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<P>()
        .to_value()
}

/// What `P` is when nothing is given.
pub(super) fn defaults<P: Params>() -> Map<String, Value> {
    match serde_json::to_value(P::default()) {
        Ok(Value::Object(values)) => values.into_iter().map(whole).collect(),
        _ => unreachable!("parameters are structs of JSON values"),
    }
}

/// The parameters in force.
pub(super) struct Settings<P> {
    schema: Value,
    values: Map<String, Value>,
    typed: PhantomData<fn() -> P>,
}

impl<P: Params> Settings<P> {
    /// The defaults with `given` over them.
    pub(super) fn new(given: &Map<String, Value>) -> Result<(Self, P), Vec<Problem>> {
        let mut settings = Self {
            schema: schema::<P>(),
            values: defaults::<P>(),
            typed: PhantomData,
        };
        let params = settings.merge(given)?;
        Ok((settings, params))
    }

    /// Takes the keys that change. On problems nothing changes.
    pub(super) fn merge(&mut self, changes: &Map<String, Value>) -> Result<P, Vec<Problem>> {
        let (values, params) = self.merged(changes)?;
        self.values = values;
        Ok(params)
    }

    /// Whether [`Settings::merge`] would take them.
    pub(super) fn check(&self, changes: &Map<String, Value>) -> Result<(), Vec<Problem>> {
        self.merged(changes).map(drop)
    }

    fn merged(
        &self,
        changes: &Map<String, Value>,
    ) -> Result<(Map<String, Value>, P), Vec<Problem>> {
        let problems = validate::check(&self.schema, changes);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut values = self.values.clone();
        values.extend(changes.clone().into_iter().map(whole));
        let params = serde_json::from_value(Value::Object(values.clone())).map_err(|error| {
            vec![Problem {
                field: String::new(),
                rule: "readable".into(),
                value: Value::Null,
                message: format!("the parameters cannot be read: {error}"),
            }]
        })?;
        Ok((values, params))
    }
}

/// JSON Schema counts 4.0 as an integer, serde does not: write it as 4.
fn whole((key, value): (String, Value)) -> (String, Value) {
    let number = value.as_f64().filter(|_| value.is_f64());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and below 2^53, so the cast is exact"
    )]
    match number {
        Some(n) if n.fract() == 0.0 && n.abs() < 9e15 => (key, Value::from(n as i64)),
        _ => (key, value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        #[schemars(range(min = 0, max = 64))]
        radius: f64,
        #[schemars(range(min = 1, max = 9))]
        count: u32,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self {
                radius: 2.5,
                count: 3,
            }
        }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_not_given_keeps_its_value() {
        let (mut settings, first) = Settings::<Sample>::new(&map(json!({"count": 5}))).unwrap();
        assert_eq!((first.radius, first.count), (2.5, 5));
        let second = settings.merge(&map(json!({"radius": 1}))).unwrap();
        assert_eq!((second.radius, second.count), (1.0, 5));
    }

    #[test]
    fn one_wrong_key_keeps_the_right_ones_out() {
        let (mut settings, _) = Settings::<Sample>::new(&Map::new()).unwrap();
        let problems = settings
            .merge(&map(json!({"radius": 1, "count": 10})))
            .unwrap_err();
        assert_eq!(problems.len(), 1);
        let after = settings.merge(&Map::new()).unwrap();
        assert_eq!(after, Sample::default());
    }

    #[test]
    fn a_whole_float_is_an_integer() {
        let (_, sample) = Settings::<Sample>::new(&map(json!({"count": 4.0}))).unwrap();
        assert_eq!(sample.count, 4);
        assert!(Settings::<Sample>::new(&map(json!({"count": 4.5}))).is_err());
    }
}
