//! `.env`: one `NAME=value` a line.

use std::{collections::BTreeMap, fs, io};

use crate::failure::Failure;

/// The file of this folder; nothing if there is none. Read before anything runs.
pub(crate) fn read() -> Result<String, Failure> {
    match fs::read_to_string(".env") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| {
            let text = format!("cannot read `.env`: {error}");
            Failure::usage("dotenv", text).hint("mend it, or take it away")
        }),
    }
}

/// Names and values, and the numbers of the lines that are neither a value nor a comment. The last of a name counts.
pub(crate) fn parse(text: &str) -> (BTreeMap<String, String>, Vec<usize>) {
    let mut values = BTreeMap::new();
    let mut odd = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match entry(line.strip_prefix("export ").unwrap_or(line)) {
            Some((name, value)) => drop(values.insert(name, value)),
            None => odd.push(index + 1),
        }
    }
    (values, odd)
}

fn entry(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    Some((name.to_owned(), unquoted(value.trim())?))
}

/// Between quotes everything is the value; without them a comment may follow.
fn unquoted(value: &str) -> Option<String> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let (inside, after) = rest.rsplit_once(quote)?;
            let after = after.trim();
            return (after.is_empty() || after.starts_with('#')).then(|| inside.to_owned());
        }
    }
    let bare = value.split(" #").next().unwrap_or_default();
    Some(bare.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_quotes_exports_and_comments_are_read_and_odd_lines_are_named() {
        let text = "# a comment\n\nA=1\nexport B = two words # why\nC=\"x # y\"\nD='{\"p\": 1}'\nno value\nA=3\n=4\n";
        let (values, odd) = parse(text);
        let want = [
            ("A", "3"),
            ("B", "two words"),
            ("C", "x # y"),
            ("D", "{\"p\": 1}"),
        ];
        let want = want.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(values, want.into());
        assert_eq!(odd, [7, 9]);
    }
}
