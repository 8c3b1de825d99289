//! The parameters that every pipeline of the runner has (runner contract §9.4). Pure.

use std::sync::Arc;

use framerill_media::Size;
use framerill_worker::message::BaseValues;
use serde_json::{Map, Value};

/// Pixels of a side.
const SIDES: std::ops::RangeInclusive<i64> = 384..=1024;
const MULTIPLE: i64 = 64;
const USUAL: i64 = 512;

/// Size and overlay of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BaseParams {
    /// Of pictures to and from the worker.
    pub(super) size: Size,
    /// An overlay while the worker reloads.
    pub(super) show_reloading_frame: bool,
}

/// A full set of parameters: the runner's own, and what the pipeline gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Params {
    /// As they came; what status shows.
    pub(super) given: Arc<Map<String, Value>>,
    /// The runner's part.
    pub(super) base: BaseParams,
    /// The rest.
    pub(super) own: Arc<Map<String, Value>>,
}

impl Params {
    /// Reads a set; names of the runner's part are taken out of what the pipeline gets. An error is one line.
    pub(super) fn read(given: Arc<Map<String, Value>>) -> Result<Self, String> {
        let mut own = Map::clone(&given);
        let mut problems = Vec::new();
        let mut side = |name: &str| {
            let value = own.remove(name);
            let side = value.as_ref().map_or(Ok(USUAL), |value| side(name, value));
            side.unwrap_or_else(|problem| {
                problems.push(problem);
                USUAL
            })
        };
        let (width, height) = (side("width"), side("height"));
        let flag = own.remove("show_reloading_frame");
        let show_reloading_frame = match flag.as_ref().map(boolean) {
            None => true,
            Some(Some(it)) => it,
            Some(None) => {
                problems.push("show_reloading_frame should be a boolean".to_owned());
                true
            }
        };
        let pixels = |side: i64| u32::try_from(side).unwrap_or(0);
        let size = Size::new(pixels(width), pixels(height));
        match size {
            Ok(size) if problems.is_empty() => Ok(Self {
                given,
                base: BaseParams {
                    size,
                    show_reloading_frame,
                },
                own: Arc::new(own),
            }),
            Ok(_) => Err(problems.join("; ")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The runner's part, for a pipeline that has parameters of the same names.
    pub(super) fn base_values(&self) -> BaseValues {
        let BaseParams {
            size,
            show_reloading_frame,
        } = self.base;
        let values = [
            ("width", size.width().into()),
            ("height", size.height().into()),
            ("show_reloading_frame", show_reloading_frame.into()),
        ];
        let values = values.map(|(name, it): (&str, Value)| (name.to_owned(), it));
        let values = Map::from_iter(values);
        let given = values.keys().filter(|it| self.given.contains_key(*it));
        BaseValues {
            given: given.cloned().collect(),
            values,
        }
    }

    /// The size is the runner's choice: `comfyui` works at 512×512 whatever is asked for (§2.1, step 6).
    pub(super) fn at_512(mut given: Map<String, Value>) -> Map<String, Value> {
        given.insert("width".into(), USUAL.into());
        given.insert("height".into(), USUAL.into());
        given
    }
}

/// An integer, a float that is whole, or either as text.
fn side(name: &str, value: &Value) -> Result<i64, String> {
    let whole = |float: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        (float.fract() == 0.0 && float.abs() < 1e9).then_some(float as i64)
    };
    let number = match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    };
    let Some(number) = number else {
        return Err(format!("{name} should be an integer, not {}", short(value)));
    };
    if !SIDES.contains(&number) || number % MULTIPLE != 0 {
        let (least, most) = (SIDES.start(), SIDES.end());
        return Err(format!(
            "{name} should be a multiple of {MULTIPLE} from {least} to {most}, not {number}"
        ));
    }
    Ok(number)
}

/// As the contract's data models take it: also 0 and 1, and words.
fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(it) => Some(*it),
        Value::Number(number) => match number.as_f64()? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Params, String> {
        Params::read(Arc::new(value.as_object().unwrap().clone()))
    }

    #[test]
    fn nothing_given_is_512_by_512_with_an_overlay() {
        let params = read(&json!({})).unwrap();
        assert_eq!(params.base.size, Size::new(512, 512).unwrap());
        assert!(params.base.show_reloading_frame && params.own.is_empty());
    }

    #[test]
    fn sides_are_multiples_of_64_from_384_to_1024() {
        for right in [
            json!(384),
            json!(1024),
            json!(640.0),
            json!("704"),
            json!("704.0"),
        ] {
            assert!(read(&json!({"width": right})).is_ok(), "{right}");
        }
        for wrong in [
            json!(500),
            json!(320),
            json!(1088),
            json!(512.5),
            json!("x"),
            json!(null),
            json!(true),
            json!([512]),
        ] {
            let problem = read(&json!({"height": wrong})).unwrap_err();
            assert!(problem.starts_with("height should be"), "{problem}");
        }
    }

    #[test]
    fn the_pipeline_gets_the_rest() {
        let given = json!({"width": 576, "prompt": "x", "show_reloading_frame": false});
        let params = read(&given).unwrap();
        assert_eq!(json!(*params.own), json!({"prompt": "x"}));
        assert_eq!(json!(*params.given), given);
        assert!(!params.base.show_reloading_frame);
    }

    #[test]
    fn every_problem_is_named() {
        let problem =
            read(&json!({"width": 1, "height": 2, "show_reloading_frame": 3})).unwrap_err();
        for name in ["width", "height", "show_reloading_frame"] {
            assert!(problem.contains(name), "{problem}");
        }
    }
}
