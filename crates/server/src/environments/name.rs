//! What an environment is called. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest one; folders are made of them.
const MAX_CHARS: usize = 64;

/// The name of an environment: small letters, digits and single hyphens, so that it is a folder's name and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Name(String);

impl Name {
    /// Takes a name as it stands.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_letter = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
        let has_ends = text.starts_with(is_letter) && text.ends_with(is_letter);
        let is_right = text.chars().all(|it| is_letter(it) || it == '-') && !text.contains("--");
        if has_ends && is_right && text.len() <= MAX_CHARS {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(MAX_CHARS).collect();
        Err(format!(
            "`{shown}` is no name of an environment: give small letters, digits and single hyphens, {MAX_CHARS} at most"
        ))
    }

    /// The name of a package, as indexes compare them: `My_Pipeline` is `my-pipeline`.
    pub(crate) fn of_package(package: &str) -> Result<Self, String> {
        Self::parse(&normal(package))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A distribution's name as packaging tools compare them.
pub(crate) fn normal(package: &str) -> String {
    let words = package.split(['-', '_', '.']);
    let words: Vec<_> = words.filter(|it| !it.is_empty()).collect();
    words.join("-").to_lowercase()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_but_to_its_own_folder() {
        for wrong in [
            "", ".", "..", "../up", "a/b", "/etc", ".hidden", "-flag", "a-", "a--b", "A", "a b",
            "a\0b", "ä", "a.json",
        ] {
            assert!(Name::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(Name::parse(&"a".repeat(MAX_CHARS)).is_ok());
        assert!(Name::parse(&"a".repeat(MAX_CHARS + 1)).is_err());
    }

    #[test]
    fn a_package_lends_its_name_as_indexes_compare_it() {
        for package in [
            "My_Pipeline",
            "my.pipeline",
            "my--pipeline",
            "MY-_.PIPELINE",
        ] {
            assert_eq!(Name::of_package(package).unwrap().as_str(), "my-pipeline");
        }
    }

    #[test]
    fn a_record_with_a_wrong_name_is_not_read() {
        assert!(serde_json::from_str::<Name>(r#""../x""#).is_err());
        let name: Name = serde_json::from_str(r#""my-pipeline""#).unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""my-pipeline""#);
    }
}
