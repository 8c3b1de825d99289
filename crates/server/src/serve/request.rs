//! A start request: what `POST /live-video-to-video` takes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::{infer::json, log::Ids};

/// A valid start request. It is written as infer takes it: without `model_id`, and with its own word for the request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Start {
    pub(super) subscribe_url: String,
    pub(super) publish_url: String,
    pub(super) control_url: String,
    pub(super) events_url: String,
    /// Empty is not compared.
    #[serde(skip)]
    pub(super) model_id: String,
    /// As it came, to the last digit.
    pub(super) params: Box<RawValue>,
    #[serde(rename = "request_id")]
    pub(super) gateway_request_id: String,
    pub(super) manifest_id: String,
    pub(super) stream_id: String,
}

impl Start {
    /// For the log.
    pub(super) fn ids(&self) -> Ids {
        Ids {
            request: self.gateway_request_id.clone(),
            manifest: self.manifest_id.clone(),
            stream: self.stream_id.clone(),
        }
    }
}

/// A body that is no start request: what is wrong with it, and whose it is as far as it says so.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(super) ids: Ids,
    pub(super) problems: Vec<Problem>,
}

impl From<Problem> for Invalid {
    fn from(problem: Problem) -> Self {
        Self {
            ids: Ids::default(),
            problems: vec![problem],
        }
    }
}

/// Reads a body. No content type at all is JSON.
pub(super) fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Start, Invalid> {
    if body.is_empty() {
        return Err(Problem::no_body().into());
    }
    if content_type.is_some_and(|it| !it.is_empty() && !is_json(it)) {
        let text = String::from_utf8_lossy(body);
        let text = serde_json::value::to_raw_value(&text);
        let text = text.unwrap_or_else(|_| RawValue::NULL.to_owned());
        return Err(Problem::not_an_object(&text).into());
    }
    json::check_values(body).map_err(|why| Problem::too_many(&why))?;
    let raw: &RawValue = serde_json::from_slice(body).map_err(|error| {
        let at = offset(body, error.line(), error.column());
        Problem::not_json(at, &bare(&error.to_string()))
    })?;
    match raw.get() {
        "null" => return Err(Problem::no_body().into()),
        text if text.starts_with('{') => {}
        _ => return Err(Problem::not_an_object(raw).into()),
    }
    let mut fields = Fields {
        // The last of a name counts.
        values: serde_json::from_str(raw.get()).map_err(|error| {
            let at = offset(body, error.line(), error.column());
            Problem::not_json(at, &bare(&error.to_string()))
        })?,
        body: raw,
        problems: Vec::new(),
    };
    let start = Start {
        subscribe_url: fields.required("subscribe_url"),
        publish_url: fields.required("publish_url"),
        control_url: fields.text("control_url"),
        events_url: fields.text("events_url"),
        model_id: fields.text("model_id"),
        params: fields.object("params"),
        gateway_request_id: fields.text("gateway_request_id"),
        manifest_id: fields.text("manifest_id"),
        stream_id: fields.text("stream_id"),
    };
    match fields.problems {
        none if none.is_empty() => Ok(start),
        problems => Err(Invalid {
            ids: start.ids(),
            problems,
        }),
    }
}

struct Fields<'a> {
    values: BTreeMap<String, &'a RawValue>,
    body: &'a RawValue,
    problems: Vec<Problem>,
}

impl Fields<'_> {
    fn required(&mut self, name: &'static str) -> String {
        if !self.values.contains_key(name) {
            self.problems.push(Problem::missing(name, self.body));
        }
        self.text(name)
    }

    fn text(&mut self, name: &'static str) -> String {
        let Some(value) = self.values.get(name) else {
            return String::new();
        };
        serde_json::from_str(value.get()).unwrap_or_else(|_| {
            self.problems.push(Problem::not_a_string(name, value));
            String::new()
        })
    }

    fn object(&mut self, name: &'static str) -> Box<RawValue> {
        match self.values.get(name) {
            Some(value) if value.get().starts_with('{') => return (*value).to_owned(),
            Some(value) => self.problems.push(Problem::not_a_dictionary(name, value)),
            None => {}
        }
        RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// `application/json`, or any other kind of JSON (`application/problem+json`).
fn is_json(content_type: &str) -> bool {
    let mime = content_type.split(';').next().unwrap_or_default();
    let mime = mime.trim().to_ascii_lowercase();
    mime.strip_prefix("application/")
        .is_some_and(|it| it == "json" || it.ends_with("+json"))
}

/// Characters before the place that a parser names by line and column, both from 1.
fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let text = String::from_utf8_lossy(body);
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(|it| it.chars().count())
        .sum();
    (before + column.saturating_sub(1)).min(text.chars().count())
}

/// A parser's complaint without its place.
fn bare(error: &str) -> String {
    error.split(" at line ").next().unwrap_or(error).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(content_type: Option<&str>, body: &[u8]) -> Value {
        serde_json::to_value(parse(content_type, body).unwrap_err().problems).unwrap()
    }

    fn of(body: &Value) -> Result<Start, Invalid> {
        parse(Some("application/json"), body.to_string().as_bytes())
    }

    fn least() -> Value {
        json!({"subscribe_url": "http://a/in", "publish_url": "http://a/out"})
    }

    #[test]
    fn two_urls_are_enough_and_the_rest_has_defaults() {
        let start = of(&least()).unwrap();
        assert_eq!(
            serde_json::to_value(&start).unwrap(),
            json!({
                "subscribe_url": "http://a/in", "publish_url": "http://a/out", "control_url": "", "events_url": "",
                "params": {}, "request_id": "", "manifest_id": "", "stream_id": "",
            })
        );
        assert_eq!(start.model_id, "");
    }

    #[test]
    fn all_fields_are_handed_on_in_infers_words() {
        let mut body = least();
        let all = json!({
            "control_url": "c", "events_url": "e", "model_id": "noop", "params": {"a": 1}, "gateway_request_id": "r",
            "manifest_id": "m", "stream_id": "s", "model": "ignored",
        });
        body.as_object_mut()
            .unwrap()
            .extend(all.as_object().unwrap().clone());
        let start = of(&body).unwrap();
        assert_eq!(start.model_id, "noop");
        assert_eq!(
            serde_json::to_value(&start).unwrap(),
            json!({
                "subscribe_url": "http://a/in", "publish_url": "http://a/out", "control_url": "c", "events_url": "e",
                "params": {"a": 1}, "request_id": "r", "manifest_id": "m", "stream_id": "s",
            })
        );
    }

    #[test]
    fn params_go_on_byte_by_byte() {
        let params = r#"{ "b": 1.0, "a": 123456789012345678901234567890, "c": 1e-05, "request_id": "mine" }"#;
        let body = format!(r#"{{"subscribe_url":"a","publish_url":"b","params":{params}}}"#);
        let start = parse(None, body.as_bytes()).unwrap();
        assert_eq!(start.params.get(), params);
    }

    #[test]
    fn each_required_field_that_is_missing_is_an_entry_with_the_whole_input() {
        assert_eq!(
            problems(Some("application/json"), br#"{"model": "x"}"#),
            json!([
                {"type": "missing", "loc": ["body", "subscribe_url"], "msg": "Field required", "input": {"model": "x"}},
                {"type": "missing", "loc": ["body", "publish_url"], "msg": "Field required", "input": {"model": "x"}},
            ])
        );
    }

    #[test]
    fn what_is_wrong_is_told_of_whoever_it_names() {
        let body = json!({"subscribe_url": "a", "manifest_id": "m", "stream_id": 7});
        let invalid = of(&body).unwrap_err();
        let expected = Ids {
            manifest: "m".into(),
            ..Ids::default()
        };
        assert_eq!(invalid.ids, expected);
    }

    #[test]
    fn null_is_wrong_for_every_field() {
        for field in [
            "subscribe_url",
            "publish_url",
            "control_url",
            "events_url",
            "model_id",
            "gateway_request_id",
            "manifest_id",
            "stream_id",
        ] {
            let mut body = least();
            body[field] = Value::Null;
            let got = serde_json::to_value(of(&body).unwrap_err().problems).unwrap();
            assert_eq!(
                got,
                json!([{"type": "string_type", "loc": ["body", field], "msg": "Input should be a valid string", "input": null}])
            );
        }
        let mut body = least();
        body["params"] = Value::Null;
        let got = serde_json::to_value(of(&body).unwrap_err().problems).unwrap();
        assert_eq!(
            got,
            json!([{"type": "dict_type", "loc": ["body", "params"], "msg": "Input should be a valid dictionary", "input": null}])
        );
    }

    #[test]
    fn strings_have_to_be_strings_and_params_an_object() {
        let mut body = least();
        body["stream_id"] = json!(7);
        body["params"] = json!(["a"]);
        let got = serde_json::to_value(of(&body).unwrap_err().problems).unwrap();
        assert_eq!(got[0]["loc"], json!(["body", "params"]));
        assert_eq!(got[0]["input"], json!(["a"]));
        assert_eq!(got[1]["type"], "string_type");
        assert_eq!(got[1]["input"], 7);
        let lone = br#"{"subscribe_url":"\ud800","publish_url":""}"#;
        let got = problems(None, lone);
        assert_eq!(got[0]["type"], "string_unicode");
        assert_eq!(got[0]["input"], Value::Null);
    }

    #[test]
    fn broken_json_is_one_entry_with_its_place() {
        let got = problems(Some("application/json"), "{\"é\":1,\n \"b\" 2}".as_bytes());
        assert_eq!(got.as_array().unwrap().len(), 1);
        assert_eq!(got[0]["type"], "json_invalid");
        assert_eq!(got[0]["loc"], json!(["body", 13]));
        assert_eq!(got[0]["msg"], "JSON decode error");
        assert_eq!(got[0]["input"], json!({}));
        assert!(got[0]["ctx"]["error"].is_string());
        for broken in ["{", "{]", "nul", "\u{feff}{}", "{} {}"] {
            assert_eq!(
                problems(None, broken.as_bytes())[0]["type"],
                "json_invalid",
                "{broken}"
            );
        }
        assert_eq!(
            problems(None, b"{\"a\": \"\xff\"}")[0]["type"],
            "json_invalid"
        );
    }

    #[test]
    fn a_body_that_is_no_object_says_so() {
        let text = "Input should be a valid dictionary or object to extract fields from";
        assert_eq!(
            problems(Some("application/json"), b"[1]"),
            json!([{"type": "model_attributes_type", "loc": ["body"], "msg": text, "input": [1]}])
        );
        assert_eq!(
            problems(Some("text/plain"), b"{}"),
            json!([{"type": "model_attributes_type", "loc": ["body"], "msg": text, "input": "{}"}])
        );
    }

    #[test]
    fn an_empty_body_and_null_are_a_missing_body() {
        let want =
            json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}]);
        assert_eq!(problems(Some("application/json"), b""), want);
        assert_eq!(problems(Some("application/json"), b"null"), want);
    }

    #[test]
    fn without_a_content_type_and_with_any_kind_of_json_the_body_is_json() {
        let body = least().to_string();
        for kind in [
            None,
            Some(""),
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("application/geo+json"),
        ] {
            assert!(parse(kind, body.as_bytes()).is_ok(), "{kind:?}");
        }
        for kind in ["text/plain", "json", "application/x-www-form-urlencoded"] {
            assert!(parse(Some(kind), body.as_bytes()).is_err(), "{kind}");
        }
    }

    #[test]
    fn more_values_than_are_read_are_one_entry_that_names_the_bound() {
        let body = format!(r#"{{"params": {{"x": [{}[]]}}}}"#, "[],".repeat(200_000));
        let got = problems(None, body.as_bytes());
        assert_eq!(got[0]["type"], "too_long");
        let text = got[0]["msg"].as_str().unwrap();
        assert!(text.contains("at most 200000 JSON values"), "{text}");
    }

    #[test]
    fn a_huge_input_is_not_sent_back() {
        let body = format!(r#"{{"x": "{}"}}"#, "x".repeat(100_000));
        let got = problems(None, body.as_bytes());
        assert_eq!(got[0]["input"], Value::Null);
    }
}
