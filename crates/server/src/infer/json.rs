//! JSON from outside, without a number that would lose its value: the contract's hash is over integers as Python prints
//! them, whatever their length (runner contract §6.1), and 64 bits are all that is kept of one; and without more values
//! than memory is there for: each costs a hundred bytes, and may have come as two. Pure.

use std::fmt;

use serde::Deserialize;

/// Values in one text, at most; a large graph has some thousands.
const VALUES_MOST: usize = 200_000;

/// A text has more values than are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it should have at most {VALUES_MOST} JSON values")
    }
}

/// Reads it. An error is one line for whoever sent it.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    check_values(text).map_err(|it| it.to_string())?;
    let value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match too_long(text) {
        None => Ok(value),
        Some(field) => Err(format!(
            "`{field}` should be a whole number of 64 bits or a float"
        )),
    }
}

/// Whether a text, which may be none of JSON, has no more values than are read.
pub(crate) fn check_values(text: &[u8]) -> Result<(), TooMany> {
    // The outermost one, one behind each comma, and the first one of each object and array that has any.
    let (mut at, mut values, mut has_begun) = (0, 1, false);
    while let Some(byte) = text.get(at) {
        at += if *byte == b'"' {
            string(&text[at..])
        } else {
            1
        };
        if byte.is_ascii_whitespace() {
            continue;
        }
        values += usize::from(*byte == b',');
        values += usize::from(has_begun && !matches!(byte, b'}' | b']'));
        has_begun = matches!(byte, b'{' | b'[');
        if values > VALUES_MOST {
            return Err(TooMany);
        }
    }
    Ok(())
}

/// The field of the first whole number beyond 64 bits in a valid text.
fn too_long(text: &[u8]) -> Option<String> {
    let (mut at, mut field) = (0, "");
    // Of the objects and arrays around; a valid text has no more of them than the parser takes.
    let mut outer = Vec::new();
    while let Some(byte) = text.get(at) {
        let length = match byte {
            b'"' => string(&text[at..]),
            b'-' | b'0'..=b'9' => number(&text[at..]),
            _ => 1,
        };
        let token = std::str::from_utf8(&text[at..at + length]).unwrap_or_default();
        at += length;
        match byte {
            b'{' | b'[' => outer.push(field),
            b'}' | b']' => field = outer.pop().unwrap_or_default(),
            b'"' if text[at..].trim_ascii_start().first() == Some(&b':') => field = token,
            b'-' | b'0'..=b'9' if !is_kept(token) => {
                return Some(serde_json::from_str(field).unwrap_or_default());
            }
            _ => {}
        }
    }
    None
}

/// Bytes of a string with its quotes.
fn string(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let inside = text.iter().skip(1).position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    inside.map_or(text.len(), |it| it + 2)
}

/// Bytes of a number.
fn number(text: &[u8]) -> usize {
    let is_of_it = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
    text.iter().take_while(|it| is_of_it(it)).count()
}

fn is_kept(number: &str) -> bool {
    let is_float = number.contains(['.', 'e', 'E']);
    is_float || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn whole_numbers_beyond_64_bits_are_refused_by_the_name_of_their_field() {
        for (text, field) in [
            (r#"{"level":12345678901234567890123}"#, "level"),
            (r#"{"a":[{"b":1,"c":"\"\\"},18446744073709551616]}"#, "a"),
            (r#"{"a":{"b":2},"x\"y" : -9223372036854775809}"#, "x\"y"),
            ("[99999999999999999999]", ""),
        ] {
            let problem = read::<Value>(text.as_bytes()).unwrap_err();
            assert!(problem.starts_with(&format!("`{field}` ")), "{problem}");
        }
    }

    #[test]
    fn as_many_values_as_there_may_be_are_read_and_not_one_more() {
        let most = VALUES_MOST - 1;
        for (value, is_dense) in [
            ("[]", true),
            ("{}", true),
            ("1", true),
            ("\",,[[{\\\"\"", false),
        ] {
            for (count, fits) in [(most, true), (most + 1, false)] {
                let list = format!(
                    "[{}]",
                    vec![value; count].join(if is_dense { "," } else { " , \n" })
                );
                let checked = check_values(list.as_bytes());
                assert_eq!(checked.is_ok(), fits, "{count} of {value}");
                let problem = read::<Value>(list.as_bytes()).err();
                assert_eq!(problem.is_none(), fits);
                assert!(problem.is_none_or(|it| it.contains("at most 200000 JSON values")));
            }
        }
        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\": [ ]")).collect();
            check_values(format!("{{{}}}", members.join(",")).as_bytes())
        };
        assert_eq!((members(most), members(most + 1)), (Ok(()), Err(TooMany)));
        let nested = |count: usize| check_values(&b"[".repeat(count));
        assert_eq!(
            (nested(VALUES_MOST), nested(VALUES_MOST + 2)),
            (Ok(()), Err(TooMany))
        );
        assert_eq!(check_values(b"\"no end of it, [,[,"), Ok(()));
    }

    #[test]
    fn what_keeps_its_value_is_taken() {
        for text in [
            r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":1e22}"#,
            r#"{"a":12345678901234567890123.0,"b":"12345678901234567890123","12345678901234567890123":1}"#,
            r#""12345678901234567890123""#,
            "7",
        ] {
            assert!(read::<Value>(text.as_bytes()).is_ok(), "{text}");
        }
        assert!(read::<Value>(b"{").is_err());
    }
}
