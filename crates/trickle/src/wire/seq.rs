//! Numbers of segments, as paths and headers carry them.

use std::fmt;

/// Number of a segment: 0 to 2^63 - 1, so that every peer can hold it in a signed 64-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

impl Seq {
    /// The first number of every channel.
    pub const ZERO: Self = Self(0);
    /// The greatest number. It can be named; it cannot be written, because nothing could come after it.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// A number, unless it is greater than [`Seq::MAX`].
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number as such.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one; [`Seq::MAX`] is followed by itself.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < Self::MAX.0 {
            Self(self.0 + 1)
        } else {
            self
        }
    }

    /// The number before this one; 0 is preceded by itself.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The value of a header such as `Lp-Trickle-Seq`. `None` for a missing number and for negative ones.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        u64::try_from(parse_number(text)?).ok().and_then(Self::new)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a reader asks for, or a publisher writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// This segment.
    Exact(Seq),
    /// `-1`: the first segment that has not begun.
    Upcoming,
    /// `-2`: the newest segment that has begun. For readers only.
    Newest,
}

impl Wanted {
    /// Reads the number of a GET. `None` for everything that is not a number that can be asked for.
    pub fn parse_read(text: &str) -> Option<Self> {
        match parse_number(text)? {
            -1 => Some(Self::Upcoming),
            -2 => Some(Self::Newest),
            number => u64::try_from(number)
                .ok()
                .and_then(Seq::new)
                .map(Self::Exact),
        }
    }

    /// Reads the number of a POST. `None` for everything that cannot be written to, also for [`Seq::MAX`].
    pub fn parse_write(text: &str) -> Option<Self> {
        match Self::parse_read(text)? {
            Self::Newest | Self::Exact(Seq::MAX) => None,
            wanted => Some(wanted),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(seq) => seq.fmt(f),
            Self::Upcoming => f.write_str("-1"),
            Self::Newest => f.write_str("-2"),
        }
    }
}

/// A decimal number with an optional sign and any leading zeros, if it fits 64 bits signed.
pub fn parse_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(number: u64) -> Option<Wanted> {
        Seq::new(number).map(Wanted::Exact)
    }

    #[test]
    fn signs_and_leading_zeros_are_numbers() {
        assert_eq!(Wanted::parse_read("+3"), exact(3));
        assert_eq!(Wanted::parse_read("007"), exact(7));
        assert_eq!(Wanted::parse_read("-0"), exact(0));
        assert_eq!(Wanted::parse_read("-1"), Some(Wanted::Upcoming));
        assert_eq!(Wanted::parse_read("-02"), Some(Wanted::Newest));
        assert_eq!(
            Wanted::parse_read("9223372036854775807"),
            exact(i64::MAX as u64)
        );
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let no_numbers = [
            "", "+", "-", "+-1", "abc", "1.5", "0x1", " 5", "5 ", "1_0", "٣", "next",
        ];
        for text in no_numbers.into_iter().chain([
            "12345678901234567890",
            "9223372036854775808",
            "-3",
            "-5",
        ]) {
            assert_eq!(Wanted::parse_read(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_newest_and_the_last_number_cannot_be_written() {
        assert_eq!(Wanted::parse_write("-1"), Some(Wanted::Upcoming));
        assert_eq!(Wanted::parse_write("-2"), None);
        assert_eq!(Wanted::parse_write("9223372036854775807"), None);
        assert_eq!(
            Wanted::parse_write("9223372036854775806"),
            exact(i64::MAX as u64 - 1)
        );
    }

    #[test]
    fn a_header_holds_a_number_or_nothing() {
        assert_eq!(Seq::from_header(b" 12 "), Seq::new(12));
        assert_eq!(Seq::from_header(b"-4"), None);
        assert_eq!(Seq::from_header(b"\xff"), None);
        assert_eq!(Seq::from_header(b""), None);
    }
}
