//! Width and height of a picture.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Width and height in pixels, both from 1 to [`Size::MAX_SIDE`], and [`Size::MAX_PIXELS`] in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    width: u32,
    height: u32,
}

/// Why something is no picture size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// The text is not `WIDTHxHEIGHT`.
    #[error("`{0}` is not a size: write WIDTHxHEIGHT, as in 512x512")]
    Syntax(String),
    /// A side is zero or too long, or both are long.
    #[error(
        "{width}x{height} is out of range: each side is 1 to {side} pixels, and {all} pixels are the most in all",
        side = Size::MAX_SIDE,
        all = Size::MAX_PIXELS
    )]
    Range {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

impl Size {
    /// The longest side in pixels that any part of the product accepts (16K video).
    pub const MAX_SIDE: u32 = 16_384;
    /// The most pixels of a picture that any part of the product accepts (16384 × 8192).
    pub const MAX_PIXELS: u32 = 1 << 27;

    /// A size whose sides are in range.
    pub fn new(width: u32, height: u32) -> Result<Self, SizeError> {
        let range = 1..=Self::MAX_SIDE;
        let is_small = width
            .checked_mul(height)
            .is_some_and(|pixels| pixels <= Self::MAX_PIXELS);
        if !range.contains(&width) || !range.contains(&height) || !is_small {
            return Err(SizeError::Range { width, height });
        }
        Ok(Self { width, height })
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(self) -> u32 {
        self.height
    }

    /// Pixels in all.
    #[must_use]
    pub fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let syntax = || SizeError::Syntax(text.chars().take(40).collect());
        let (width, height) = text.split_once(['x', 'X']).ok_or_else(syntax)?;
        let side = |part: &str| part.trim().parse::<u32>().map_err(|_| syntax());
        Self::new(side(width)?, side(height)?)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl TryFrom<[u32; 2]> for Size {
    type Error = SizeError;

    fn try_from([width, height]: [u32; 2]) -> Result<Self, SizeError> {
        Self::new(width, height)
    }
}

impl Serialize for Size {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.width, self.height].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(<[u32; 2]>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <[u32; 2]>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_size_agree() {
        assert_eq!("1280x720".parse::<Size>().unwrap().to_string(), "1280x720");
        for wrong in [
            "", "x", "12", "0x4", "4x0", "99999x2", "-1x5", "ax3", "3x4x5",
        ] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sides_and_pixels_in_all_are_bounded() {
        assert!(Size::new(16_384, 8_192).is_ok());
        for (width, height) in [(16_384, 8_193), (16_385, 1), (1, 0), (u32::MAX, u32::MAX)] {
            assert!(Size::new(width, height).is_err(), "{width}x{height}");
        }
    }
}
