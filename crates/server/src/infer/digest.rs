//! The hash of parameters: MD5 over JSON as Python writes it (runner contract §6.1).

use std::fmt::Write;

use md5::{Digest, Md5};
use serde_json::{Map, Number, Value};

/// Lower-case hex of the MD5 of `params`, keys sorted at every level.
pub(super) fn digest(params: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_object(&mut text, params);
    md5(&text)
}

/// Lower-case hex of the MD5 of a text.
pub(super) fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes())
        .iter()
        .fold(String::with_capacity(32), |mut hex, byte| {
            // Writing to a string does not fail.
            write!(hex, "{byte:02x}").ok();
            hex
        })
}

/// JSON with every character beyond ASCII escaped, on one line (§6.2).
pub(super) fn ascii(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => write_object(out, map),
    }
}

fn write_object(out: &mut String, map: &Map<String, Value>) {
    let mut entries: Vec<_> = map.iter().collect();
    // Python sorts by code points, which is the order of UTF-8.
    entries.sort_unstable_by_key(|(key, _)| *key);
    out.push('{');
    for (n, (key, value)) in entries.into_iter().enumerate() {
        out.push_str(if n > 0 { ", " } else { "" });
        write_string(out, key);
        out.push_str(": ");
        write_value(out, value);
    }
    out.push('}');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'"') => out.push_str("\\\""),
            Ok(b'\\') => out.push_str("\\\\"),
            Ok(b'\n') => out.push_str("\\n"),
            Ok(b'\r') => out.push_str("\\r"),
            Ok(b'\t') => out.push_str("\\t"),
            Ok(0x08) => out.push_str("\\b"),
            Ok(0x0C) => out.push_str("\\f"),
            Ok(plain @ 0x20..=0x7E) => out.push(char::from(plain)),
            // Writing to a string does not fail.
            _ => drop(write!(out, "\\u{unit:04x}")),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) if number.is_f64() => out.push_str(&float_repr(float)),
        // Writing to a string does not fail.
        _ => drop(write!(out, "{number}")),
    }
}

/// A float as Python's `repr`: the shortest digits that give it back, an exponent below 1e-4 and from 1e16 on.
fn float_repr(float: f64) -> String {
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{float}");
    if plain.contains('.') {
        plain
    } else {
        plain + ".0"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_contracts_vectors() {
        assert_eq!(digest(&Map::new()), "99914b932bd37a50b983c5e7c90ae93b");
        let params = json!({"prompt": "café", "width": 512, "delta": 0.7});
        assert_eq!(
            digest(params.as_object().unwrap()),
            "7a4351d7c608a4c53ad2e94de104231a"
        );
    }

    #[test]
    fn floats_are_written_as_python_does() {
        for (float, text) in [
            (0.7, "0.7"),
            (1.0, "1.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (123_456.789, "123456.789"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(float_repr(float), text);
        }
    }

    /// Doubles by chance as Python prints them, and the hash of `{"values": [...]}` there.
    const VALUES: &str = "\
        -1.989032661366619e+244, 0.15084917392450192, 301868.9460797075, 72436286.66754276, 9.081404891174467e+142, \
        0.5827880059033551, 819408.1262862044, 2.1469818083566171e-07, 4.708325160387546e+207, 0.06985542357461894, \
        -818573.9733122699, 4.24519189142514e+17, 5.094081006146714e-156, 0.9474497007074875, 261251.83146347408, \
        5.829969044604073e-08, -3.51527970626667e-203, 0.39668047465078016, 952510.2111858402, 4.6582680617756275e+17, \
        1.449394711257504e+49, 0.41913904357146525, 81371.77106428496, 570913689.6467344, -3.0536383926309363e-84, \
        0.18072637992393747, 163200.32732493244, 638.913468926184, -8.722783496930154e-250, 0.7121107657461536, \
        128736.58626677329, 6190095.931735539, -1.4583679262758548e-269, 0.4275923056694029, -371705.659246417, \
        585561.8635076387, 4.745286283141869e+61, 0.24842658485754932, -640466.5008337136, 7.798296305842437e-07, \
        1.8721667527122837e+62, 0.5251965038114514, 750274.9911468579, 7.294452894392176, -1.3354873312811948e+284, \
        0.07320086745966803, 23865.661295098253, 16.49621036435732";
    const HASH: &str = "e14d90d92be8e181d9006d599e00ab5e";

    #[test]
    fn random_doubles_come_out_as_python_prints_them() {
        let text = format!("{{\"values\": [{VALUES}]}}");
        let read: Value = crate::infer::json::read(text.as_bytes()).unwrap();
        assert_eq!(ascii(&read), text);
        assert_eq!(digest(read.as_object().unwrap()), HASH);
    }

    #[test]
    fn keys_are_sorted_at_every_level_and_text_is_escaped() {
        let value = json!({"b": [{"z": 1, "a": null}], "a": "\"\\\n\u{1}é𝄞\u{7f}", "B": true});
        assert_eq!(
            ascii(&value),
            "{\"B\": true, \"a\": \"\\\"\\\\\\n\\u0001\\u00e9\\ud834\\udd1e\\u007f\", \"b\": [{\"a\": null, \"z\": 1}]}"
        );
    }
}
