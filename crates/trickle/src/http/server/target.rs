//! Which route a request takes. Pure.

use percent_encoding::percent_decode_str;

use crate::wire::names;

/// A request that has a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Name of the channel, decoded.
    pub(super) channel: String,
    /// What to do.
    pub(super) action: Action,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// POST of the channel.
    Create,
    /// DELETE of the channel.
    Delete,
    /// GET or HEAD of the next number.
    Next,
    /// GET of a segment.
    Read { seq: String },
    /// HEAD of a segment.
    Peek { seq: String },
    /// POST of a segment.
    Write { seq: String },
    /// DELETE of a segment.
    Close { seq: String },
}

/// A request that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// There is no such path.
    NotFound,
    /// The path cannot be decoded.
    Undecodable,
    /// There is the path, for these methods.
    OtherMethods(&'static str),
}

impl NoRoute {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::NotFound => names::NOT_FOUND,
            Self::Undecodable => names::BAD_REQUEST,
            Self::OtherMethods(_) => names::METHOD_NOT_ALLOWED,
        }
    }
}

/// Finds the route of a method and a request target below `base`, which begins and ends with a slash.
pub(super) fn route(base: &str, method: &str, target: &str) -> Result<Target, NoRoute> {
    let path = path_of(target)
        .strip_prefix(base)
        .ok_or(NoRoute::NotFound)?;
    let (channel, seq) = match path.split_once('/') {
        Some((channel, seq)) => (channel, Some(seq)),
        None => (path, None),
    };
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('/');
    if !is_plain(channel) || !seq.is_none_or(is_plain) {
        return Err(NoRoute::NotFound);
    }
    let channel = decode(channel)?;
    let Some(seq) = seq.map(decode).transpose()? else {
        return match method {
            "POST" => Ok(Target {
                channel,
                action: Action::Create,
            }),
            "DELETE" => Ok(Target {
                channel,
                action: Action::Delete,
            }),
            _ => Err(NoRoute::OtherMethods("DELETE, POST")),
        };
    };
    let action = match method {
        "GET" | "HEAD" if seq == "next" => Action::Next,
        "GET" => Action::Read { seq },
        "HEAD" => Action::Peek { seq },
        "POST" => Action::Write { seq },
        "DELETE" => Action::Close { seq },
        _ => return Err(NoRoute::OtherMethods("DELETE, GET, HEAD, POST")),
    };
    Ok(Target { channel, action })
}

/// The path of a request target, which is a path with a query or, from clients of a proxy, a whole URL.
fn path_of(target: &str) -> &str {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    }
}

fn decode(part: &str) -> Result<String, NoRoute> {
    let bytes = part.as_bytes();
    let well_formed = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        });
    let decoded = percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| NoRoute::Undecodable)?;
    if well_formed {
        Ok(decoded.into_owned())
    } else {
        Err(NoRoute::Undecodable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(channel: &str, seq: &str) -> Result<Target, NoRoute> {
        Ok(Target {
            channel: channel.to_owned(),
            action: Action::Read {
                seq: seq.to_owned(),
            },
        })
    }

    #[test]
    fn names_are_decoded_and_queries_ignored() {
        assert_eq!(route("/", "GET", "/a%2Fb/-1?x=/y"), read("a/b", "-1"));
        assert_eq!(
            route("/ai/trickle/", "GET", "/ai/trickle/%C3%BC;:@/%205"),
            read("ü;:@", " 5")
        );
        assert_eq!(route("/", "GET", "http://host:1/c/3"), read("c", "3"));
        assert_eq!(route("/", "GET", "/next/3"), read("next", "3"));
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in [
            "/",
            "",
            "*",
            "/c/",
            "/c/0/1",
            "//0",
            "/c//0",
            "/./0",
            "/c/..",
            "http://host",
            "c/0",
        ] {
            assert_eq!(route("/", "GET", path), Err(NoRoute::NotFound), "{path}");
        }
        assert_eq!(route("/base/", "GET", "/c/0"), Err(NoRoute::NotFound));
    }

    #[test]
    fn what_cannot_be_decoded_is_a_bad_request() {
        for path in ["/%/0", "/%4/0", "/%zz/0", "/%ff/0", "/c/%+1"] {
            assert_eq!(route("/", "GET", path), Err(NoRoute::Undecodable), "{path}");
        }
    }

    #[test]
    fn next_is_a_word_for_reading_only() {
        let action = |method| route("/", method, "/c/next").map(|target| target.action);
        assert_eq!(action("GET"), Ok(Action::Next));
        assert_eq!(action("HEAD"), Ok(Action::Next));
        assert_eq!(
            action("POST"),
            Ok(Action::Write {
                seq: "next".to_owned()
            })
        );
        assert_eq!(
            action("PUT"),
            Err(NoRoute::OtherMethods("DELETE, GET, HEAD, POST"))
        );
        assert_eq!(
            route("/", "HEAD", "/c"),
            Err(NoRoute::OtherMethods("DELETE, POST"))
        );
    }
}
