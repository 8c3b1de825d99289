//! The configuration file: settings by name in the table `[plates]` of `framerill.toml`.

use std::{collections::BTreeMap, fs, io, path::Path};

use toml_span::value::ValueInner;

use super::ALL;
use crate::failure::Failure;

/// Looked for in this folder.
const NAME: &str = "framerill.toml";
/// Longer ones are no configuration.
const LONGEST: usize = 1 << 20;

/// What the file says; nothing if none is named and none is there.
pub(in crate::plates) fn read(path: Option<&Path>) -> Result<BTreeMap<String, String>, Failure> {
    let is_named = path.is_some();
    let path = path.unwrap_or(Path::new(NAME));
    let wrong = |what: String| {
        let text = format!("`{}`: {what}", path.display());
        Failure::usage("config", text).hint("mend it, or name another one with `--config`")
    };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => Ok(BTreeMap::new()),
        Err(error) => Err(wrong(error.to_string())),
        Ok(text) if text.len() > LONGEST => Err(wrong("it is too long".into())),
        Ok(text) => parse(&text).map_err(wrong),
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let file = toml_span::parse(text).map_err(|error| error.to_string())?;
    let Some(plates) = file.pointer("/plates") else {
        return Ok(BTreeMap::new());
    };
    let table = plates.as_table().ok_or("`plates` is no table")?;
    let known = |key: &str| {
        let flags = ALL.iter().map(|it| it.flag.trim_start_matches('-'));
        flags.map(|it| it.replace('-', "_")).any(|it| it == key)
    };
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let key = key.name.to_string();
        if !known(&key) {
            return Err(format!("there is no setting `{key}`"));
        }
        let value = match value.as_ref() {
            ValueInner::String(it) => it.to_string(),
            ValueInner::Integer(it) => it.to_string(),
            ValueInner::Float(it) => it.to_string(),
            ValueInner::Boolean(it) => it.to_string(),
            _ => return Err(format!("`{key}` is neither a word nor a number")),
        };
        values.insert(key, value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_table_are_read_whatever_their_kind() {
        let text = "[plates]\nnum_gpu_workers = 1\ndb = \"x.db\"\nsingle_process = true\ndrain_timeout = 1.5\n[other]\nx = []";
        let it = parse(text).unwrap();
        let want = [
            ("db", "x.db"),
            ("drain_timeout", "1.5"),
            ("num_gpu_workers", "1"),
            ("single_process", "true"),
        ];
        let want = want.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(it, want.into());
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn a_setting_that_does_not_exist_is_named() {
        let wrong = parse("[plates]\nnum_gpus = 1").unwrap_err();
        assert!(wrong.contains("num_gpus"), "{wrong}");
        assert!(parse("[plates]\ndb = []").is_err());
        assert!(parse("plates = 1").is_err());
        assert!(parse("[plates").is_err());
    }
}
