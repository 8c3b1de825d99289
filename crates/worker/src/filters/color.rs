//! A color as people write it: `#rrggbb`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Red, green and blue, 0 to 255, written `#rrggbb` in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Color(pub(super) [u8; 3]);

/// The text is no color.
#[derive(Debug, thiserror::Error)]
#[error("a color is written like #ffcc00")]
pub(super) struct ColorError;

impl FromStr for Color {
    type Err = ColorError;

    fn from_str(text: &str) -> Result<Self, ColorError> {
        let digits = text.strip_prefix('#').ok_or(ColorError)?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ColorError);
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| ColorError)?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl TryFrom<String> for Color {
    type Error = ColorError;

    fn try_from(text: String) -> Result<Self, ColorError> {
        text.parse()
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.to_string()
    }
}

impl JsonSchema for Color {
    fn schema_name() -> Cow<'static, str> {
        "Color".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "color", "pattern": "^#[0-9a-fA-F]{6}$"})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_color_agree(rgb: [u8; 3]) {
            let color = Color(rgb);
            prop_assert_eq!(color.to_string().parse::<Color>().unwrap(), color);
            let upper = color.to_string().to_uppercase();
            prop_assert_eq!(upper.parse::<Color>().unwrap(), color);
        }
    }

    #[test]
    fn what_is_not_hash_and_six_digits_is_no_color() {
        for wrong in [
            "",
            "#",
            "fff",
            "#fff",
            "#12345g",
            "#+12345",
            "#1234567",
            "#éééé",
            "red",
        ] {
            assert!(wrong.parse::<Color>().is_err(), "{wrong}");
        }
    }
}
