//! The fields of a JSON object, read one by one, so that what is wrong with one is told by its name. Pure.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::json;

/// Fields that nobody has read yet.
#[derive(Debug)]
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Of a name that comes again the last counts, as in the runner's own framework.
    pub(super) fn last_counts(body: &'a [u8]) -> Result<Self, String> {
        Ok(Self(members(body)?.into_iter().collect()))
    }

    /// A name that comes again is wrong: readers differ about which one counts.
    pub(super) fn each_once(body: &'a [u8]) -> Result<Self, String> {
        let mut fields = BTreeMap::new();
        for (name, value) in members(body)? {
            if fields.contains_key(&name) {
                return Err(format!("`{name}` is there twice"));
            }
            fields.insert(name, value);
        }
        Ok(Self(fields))
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<String, String> {
        let text = self.text(name)?;
        text.ok_or_else(|| format!("`{name}` is missing"))
    }

    pub(super) fn text_or_empty(&mut self, name: &str) -> Result<String, String> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        self.one(name, '"', "a string")
    }

    /// One of several words.
    pub(super) fn word<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        self.one(name, '"', "a string")
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, String> {
        let Some(raw) = self.0.remove(name) else {
            return Ok(None);
        };
        let is_number = raw
            .get()
            .starts_with(|it: char| it == '-' || it.is_ascii_digit());
        if !is_number {
            return Err(format!("`{name}` should be a number"));
        }
        read(name, raw).map(Some)
    }

    /// An object, whose members are told by name, too.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, String> {
        let members: Option<BTreeMap<String, &RawValue>> = match self.0.remove(name) {
            Some(raw) if raw.get().starts_with('{') => Some(read(name, raw)?),
            Some(_) => return Err(format!("`{name}` should be an object")),
            None => None,
        };
        let Some(members) = members else {
            return Ok(None);
        };
        let values = members.into_iter().map(|(member, raw)| {
            let value = read(&format!("{name}.{member}"), raw)?;
            Ok((member, value))
        });
        values.collect::<Result<_, _>>().map(Some)
    }

    /// A null that stands for nothing.
    pub(super) fn without_null(mut self, names: &[&str]) -> Self {
        for name in names {
            if self.0.get(*name).is_some_and(|it| it.get() == "null") {
                self.0.remove(*name);
            }
        }
        self
    }

    /// There is none left.
    pub(super) fn end(self) -> Result<(), String> {
        match self.0.into_keys().next() {
            Some(name) => Err(format!("`{name}` is no field of this request")),
            None => Ok(()),
        }
    }

    fn one<T: DeserializeOwned>(
        &mut self,
        name: &str,
        begins: char,
        kind: &str,
    ) -> Result<Option<T>, String> {
        match self.0.remove(name) {
            Some(raw) if raw.get().starts_with(begins) => read(name, raw).map(Some),
            Some(_) => Err(format!("`{name}` should be {kind}")),
            None => Ok(None),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(name: &str, raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let why = error.to_string();
        // Its place is one within the field.
        let why = why.split(" at line ").next().unwrap_or_default();
        format!("`{name}`: {why}")
    })
}

/// Every member of an object, as it comes.
fn members(body: &[u8]) -> Result<Vec<(String, &RawValue)>, String> {
    let body = body.trim_ascii();
    if body.first() != Some(&b'{') {
        // What is no JSON at all is told as that.
        let other: Result<&RawValue, _> = serde_json::from_slice(body);
        return Err(other.map_or_else(
            |error| error.to_string(),
            |_| "the body should be a JSON object".to_owned(),
        ));
    }
    let members: Members<'_> = json::read(body)?;
    Ok(members.0)
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each)
    }
}

struct Each;

impl<'de> Visitor<'de> for Each {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_has_fields() {
        for (body, word) in [
            ("[]", "a JSON object"),
            ("\"x\"", "a JSON object"),
            ("null", "a JSON object"),
            ("{", "EOF"),
            ("", "EOF"),
            ("{} {}", "trailing"),
            ("{\"a\":\"\u{1}\"}", "control character"),
        ] {
            let problem = Fields::last_counts(body.as_bytes()).unwrap_err();
            assert!(problem.contains(word), "{body}: {problem}");
        }
        assert!(Fields::last_counts(b"{\"a\": \"\xff\"}").is_err());
        assert!(Fields::each_once(b" \n{} ").unwrap().end().is_ok());
    }

    #[test]
    fn of_two_of_a_name_the_last_counts_or_both_are_wrong() {
        let twice = br#"{"a": "one", "\u0061": "two"}"#;
        let mut fields = Fields::last_counts(twice).unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("two"));
        assert_eq!(Fields::each_once(twice).unwrap_err(), "`a` is there twice");
    }

    #[test]
    fn whatever_is_wrong_with_a_field_is_told_by_its_name() {
        let body = br#"{"t": null, "u": "\ud800", "n": "x", "m": 1e400, "o": [], "p": {"width": 1e400}, "z": 1}"#;
        let mut fields = Fields::each_once(body).unwrap();
        assert_eq!(fields.text("t").unwrap_err(), "`t` should be a string");
        assert!(fields.text("u").unwrap_err().starts_with("`u`: "));
        assert_eq!(fields.number("n").unwrap_err(), "`n` should be a number");
        assert_eq!(fields.number("m").unwrap_err(), "`m`: number out of range");
        assert_eq!(fields.object("o").unwrap_err(), "`o` should be an object");
        assert_eq!(
            fields.object("p").unwrap_err(),
            "`p.width`: number out of range"
        );
        assert_eq!(fields.required_text("s").unwrap_err(), "`s` is missing");
        assert_eq!(fields.end().unwrap_err(), "`z` is no field of this request");
    }

    #[test]
    fn what_is_deep_is_wrong_and_breaks_nothing() {
        let deep = format!(
            r#"{{"p": {{"a": {}}}}}"#,
            "[".repeat(100_000) + &"]".repeat(100_000)
        );
        let mut fields = Fields::each_once(deep.as_bytes()).unwrap();
        assert!(fields.object("p").unwrap_err().starts_with("`p.a`: "));
    }
}
