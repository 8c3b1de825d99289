//! A video that is named by its address.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// Bytes of a file's name that are kept, those of its end.
const LONGEST_NAME: usize = 120;
/// Streams that do not end.
const LIVE: [&str; 9] = [
    "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "mms", "whep",
];

/// Where a server has a video: `https://` or `http://`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// With all that is secret.
    full: String,
    shown: String,
    filename: String,
}

/// Without secrets.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

impl Address {
    /// The address that a path is; none if it is one of this machine.
    pub(crate) fn of(text: &str) -> Option<Result<Self, Failure>> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        // A login stands before the host, and what follows the path may be a key.
        let shown = format!("{scheme}://{host}{path}");
        if LIVE.contains(&scheme.as_str()) {
            let text = format!("`{shown}` is a live stream: plates are read off videos that end");
            return Some(Err(Failure::usage("input", text).hint(
                "record it first, as with `ffmpeg -i ADDRESS -c copy FILE.mkv`, and name the file",
            )));
        }
        if !["https", "http"].contains(&scheme.as_str()) || host.is_empty() {
            let text = format!("`{shown}` is neither a file nor an address that is understood");
            let hint = "name a file, or an address such as https://host/a.mp4";
            return Some(Err(Failure::usage("input", text).hint(hint)));
        }
        let full = text.split('#').next().unwrap_or_default();
        let full = full.split_once("://").map_or("", |(_, rest)| rest);
        Some(Ok(Self {
            full: format!("{scheme}://{full}"),
            filename: filename(path),
            shown,
        }))
    }

    /// As a server is asked for it: with its login.
    pub(in crate::plates) fn full(&self) -> &str {
        &self.full
    }

    /// For people, logs and records: without login, query and fragment.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The last part of its path.
    pub(in crate::plates) fn filename(&self) -> &str {
        &self.filename
    }

    /// The same for the same video, whoever logs in. Nothing can be learnt from it.
    pub(in crate::plates) fn key(&self) -> String {
        let query = self.full.split_once('?').map_or("", |(_, query)| query);
        let digest = Sha256::digest(format!("{}?{query}", self.shown));
        digest
            .iter()
            .take(16)
            .map(|it| format!("{it:02x}"))
            .collect()
    }

    /// What its download is called.
    pub(in crate::plates) fn stored(&self) -> String {
        format!("{}-{}", self.key(), self.filename)
    }
}

/// A name that no file system takes amiss.
fn filename(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let plain: String = decoded(last)
        .chars()
        .filter(|it| !it.is_control() && *it != '/' && *it != '\\')
        .collect();
    let from = plain.len().saturating_sub(LONGEST_NAME);
    let from = (from..=plain.len()).find(|it| plain.is_char_boundary(*it));
    let name = plain.get(from.unwrap_or(0)..).unwrap_or_default();
    match name.trim_start_matches('.') {
        "" => "video".to_owned(),
        name => name.to_owned(),
    }
}

/// `%20` is a space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        let code = code.and_then(|it| u8::from_str_radix(it, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exit::Exit;

    fn of(text: &str) -> Address {
        Address::of(text).unwrap().unwrap()
    }

    #[test]
    fn neither_login_nor_query_is_shown_but_both_are_sent() {
        let it = of("HTTPS://me:secret@host:8443/a/clip%201.mp4?token=abc#t=1");
        assert_eq!(it.shown(), "https://host:8443/a/clip%201.mp4");
        assert_eq!(format!("{it:?}"), "\"https://host:8443/a/clip%201.mp4\"");
        assert_eq!(
            it.full(),
            "https://me:secret@host:8443/a/clip%201.mp4?token=abc"
        );
        assert_eq!(it.filename(), "clip 1.mp4");
    }

    #[test]
    fn a_video_has_one_key_whoever_logs_in_and_another_query_is_another_video() {
        let key = |text: &str| of(text).key();
        assert_eq!(key("http://a:b@h/x.mp4"), key("http://h/x.mp4#t=3"));
        assert_ne!(key("http://h/x?id=1"), key("http://h/x?id=2"));
        assert_ne!(key("http://h/x"), key("https://h/x"));
    }

    #[test]
    fn what_never_ends_and_what_is_unknown_is_refused_without_its_login() {
        for (text, word) in [
            ("rtsp://me:secret@cam/1", "live stream"),
            ("ftp://me:secret@host/a.mp4", "neither"),
            ("http:///a.mp4", "neither"),
        ] {
            let failure = Address::of(text).unwrap().unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            let told = failure.to_string();
            assert!(told.contains(word) && !told.contains("secret"), "{told}");
        }
        assert!(Address::of("trips/a.mp4").is_none());
    }

    proptest! {
        #[test]
        fn no_address_makes_a_name_that_is_a_path(text in "https?://[a-z]{0,3}/?[ -~é]{0,200}") {
            if let Some(Ok(it)) = Address::of(&text) {
                let name = it.filename();
                prop_assert!(!name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.'));
                prop_assert!(name.len() <= LONGEST_NAME);
                prop_assert_eq!(it.key().len(), 32);
            }
        }

        #[test]
        fn no_login_is_ever_shown(login in "[a-z:@%]{1,9}", path in "[a-z/.]{0,9}") {
            let text = format!("http://XX{login}XX@host/{path}");
            let it = of(&text);
            prop_assert!(!it.shown().contains("XX"));
        }
    }
}
