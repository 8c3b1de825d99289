//! A committed description of an API, and whether an answer is what it says.

use serde_json::Value;

use crate::repository;

/// An OpenAPI description.
#[derive(Debug, Clone)]
pub struct Description(Value);

impl Description {
    /// The one in this file of the repository.
    ///
    /// # Panics
    ///
    /// If it is not there, or is no JSON.
    #[must_use]
    pub fn read(file: &str) -> Self {
        let file = repository().join(file);
        let text = std::fs::read(file).expect("it is committed");
        Self(serde_json::from_slice(&text).expect("JSON"))
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// Fails unless `value` is what the component of this name says: every key known, every required key there, every type
    /// right.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn assert_is(&self, value: &Value, component: &str) {
        let schema = &self.0["components"]["schemas"][component];
        assert!(schema.is_object(), "no component `{component}`");
        check(&self.0, value, schema, component);
    }

    /// The same by the answer to GET of a path with this status.
    ///
    /// # Panics
    ///
    /// If the description knows no such answer, or this is another one.
    pub fn assert_answers(&self, value: &Value, path: &str, status: u16) {
        let answer = &self.0["paths"][path]["get"]["responses"][status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} answers no {status}: {value}");
        check(&self.0, value, schema, path);
    }
}

fn check(api: &Value, value: &Value, schema: &Value, at: &str) {
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().expect("a name");
        return check(api, value, &api["components"]["schemas"][name], at);
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    if let Some(any) = schema["anyOf"].as_array() {
        // One of them may be null; a value that is not has to be what the other one says.
        let is_null = |it: &&Value| it["type"] == "null";
        if value.is_null() && any.iter().any(|it| is_null(&it)) {
            return;
        }
        let other = any.iter().find(|it| !is_null(it)).expect("another one");
        return check(api, value, other, at);
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => Vec::from_iter(kind.as_str()),
    };
    if value.is_null() && kinds.contains(&"null") {
        return;
    }
    match kinds.into_iter().find(|it| *it != "null") {
        Some("string") => assert!(value.is_string(), "{at}: {value}"),
        Some("integer") => assert!(value.is_i64() || value.is_u64(), "{at}: {value}"),
        Some("number") => assert!(value.is_number(), "{at}: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: {value}"),
        Some("array") => {
            for it in value.as_array().unwrap_or_else(|| panic!("{at}: {value}")) {
                check(api, it, &schema["items"], at);
            }
        }
        Some("object") => object(api, value, schema, at),
        Some(other) => panic!("{at}: type {other}"),
        None => {}
    }
}

fn object(api: &Value, value: &Value, schema: &Value, at: &str) {
    let fields = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().expect("a name");
        assert!(fields.contains_key(name), "{at}: no `{name}`");
    }
    for (name, it) in fields {
        let at = format!("{at}.{name}");
        let known = &schema["properties"][name];
        let any = &schema["additionalProperties"];
        match (known.is_object(), any.is_object()) {
            (true, _) => check(api, it, known, &at),
            (false, true) => check(api, it, any, &at),
            // An object about which nothing is said may hold anything.
            (false, false) => assert!(
                schema["properties"].is_null() || *any == Value::Bool(true),
                "{at} is not described"
            ),
        }
    }
}
