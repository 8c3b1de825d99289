//! What is wrong with a request's body, in the words that clients of the runner know.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{http::body::Unread, infer::json::TooMany};

/// A longer input is not sent back, nor is one that a reader's parser may refuse (deep, or half a character).
const INPUT_MAX: usize = 64 << 10;

/// One entry of a 422.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Problem {
    r#type: &'static str,
    loc: Vec<Loc>,
    msg: String,
    input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Value>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Loc {
    Name(&'static str),
    Index(usize),
}

impl Problem {
    fn new(kind: &'static str, msg: impl Into<String>, input: &RawValue) -> Self {
        let input = Some(input).filter(|it| is_readable(it.get()));
        let input = input.unwrap_or(RawValue::NULL);
        Self {
            r#type: kind,
            loc: vec![Loc::Name("body")],
            msg: msg.into(),
            input: input.to_owned(),
            ctx: None,
        }
    }

    fn at(mut self, field: &'static str) -> Self {
        self.loc.push(Loc::Name(field));
        self
    }

    /// In one line, with its field.
    pub(super) fn told(&self) -> String {
        let mut fields = self.loc.iter().filter_map(|it| match it {
            Loc::Name("body") | Loc::Index(_) => None,
            Loc::Name(name) => Some(*name),
        });
        match fields.next_back() {
            Some(field) => format!("`{field}`: {}", self.msg),
            None => format!("the body: {}", self.msg),
        }
    }

    /// There is no body.
    pub(super) fn no_body() -> Self {
        Self::new("missing", "Field required", RawValue::NULL)
    }

    /// A required field is not in the body.
    pub(super) fn missing(field: &'static str, body: &RawValue) -> Self {
        Self::new("missing", "Field required", body).at(field)
    }

    /// A field is no string.
    pub(super) fn not_a_string(field: &'static str, value: &RawValue) -> Self {
        if value.get().starts_with('"') {
            let text =
                "Input should be a valid string, unable to parse raw data as a unicode string";
            return Self::new("string_unicode", text, value).at(field);
        }
        Self::new("string_type", "Input should be a valid string", value).at(field)
    }

    /// A field is no object.
    pub(super) fn not_a_dictionary(field: &'static str, value: &RawValue) -> Self {
        Self::new("dict_type", "Input should be a valid dictionary", value).at(field)
    }

    /// The body is no object.
    pub(super) fn not_an_object(body: &RawValue) -> Self {
        let text = "Input should be a valid dictionary or object to extract fields from";
        Self::new("model_attributes_type", text, body)
    }

    /// The body is no JSON from this character on.
    pub(super) fn not_json(at: usize, why: &str) -> Self {
        let mut problem = Self::new("json_invalid", "JSON decode error", RawValue::NULL);
        problem.loc.push(Loc::Index(at));
        problem.ctx = Some(serde_json::json!({"error": why}));
        if let Ok(empty) = RawValue::from_string("{}".to_owned()) {
            problem.input = empty;
        }
        problem
    }

    /// The body has more values than are read.
    pub(super) fn too_many(why: &TooMany) -> Self {
        Self::new("too_long", format!("Body: {why}"), RawValue::NULL)
    }

    /// The body is too long, or did not arrive whole.
    pub(super) fn unread(why: &Unread) -> Self {
        let text = why.to_string();
        let Unread::TooLong { most } = why else {
            return Self::new("body_incomplete", text, RawValue::NULL);
        };
        let mut problem = Self::new("too_long", text, RawValue::NULL);
        problem.ctx = Some(serde_json::json!({"max_length": most}));
        problem
    }
}

fn is_readable(text: &str) -> bool {
    text.len() <= INPUT_MAX && serde_json::from_str::<Value>(text).is_ok()
}
