//! Names of files as text, whatever bytes they have.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

/// A name or a path as text. One that is UTF-8 is its own text. In any other, each byte that is no part of a character is
/// written as `%` and two digits, and so is each `%`: two names that differ have two texts, and [`path_of`] gives them back.
pub(in crate::plates) fn text_of(name: &OsStr) -> String {
    if let Some(text) = name.to_str() {
        return text.to_owned();
    }
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text += &chunk.valid().replace('%', "%25");
        for byte in chunk.invalid() {
            // Writing to a text does not fail.
            write!(text, "%{byte:02X}").ok();
        }
    }
    text
}

/// The path that [`text_of`] wrote so, if it was none of UTF-8.
pub(in crate::plates) fn path_of(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = tail.get(..2).and_then(|it| std::str::from_utf8(it).ok());
            bytes.push(u8::from_str_radix(digits?, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    let name = OsString::from_vec(bytes);
    (name.to_str().is_none() && text_of(&name) == text).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_written_out_and_text_stays_as_it_is() {
        let text = |bytes: &[u8]| text_of(OsStr::from_bytes(bytes));
        assert_eq!(text(b"a\xFF.mp4"), "a%FF.mp4");
        assert_eq!(text("100 % süß.mp4".as_bytes()), "100 % süß.mp4");
        assert_eq!(text(b"100%\xC3\x28"), "100%25%C3(");
        assert_eq!(path_of("100 % süß.mp4"), None);
        assert_eq!(path_of("a%41.mp4"), None);
        assert_eq!(path_of("a%ff.mp4"), None);
        assert_eq!(path_of("%+F%FF"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_no_utf_8_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let name = OsStr::from_bytes(&bytes);
            let text = text_of(name);
            match name.to_str() {
                Some(plain) => prop_assert_eq!(text, plain),
                None => prop_assert_eq!(path_of(&text), Some(PathBuf::from(name))),
            }
        }

        #[test]
        fn no_text_breaks_it(text in "[%0-9A-Fa-fé]{0,12}") {
            if let Some(path) = path_of(&text) {
                prop_assert_eq!(text_of(path.as_os_str()), text);
            }
        }
    }
}
