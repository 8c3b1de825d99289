//! The URL of a channel.

/// Why a text is not the URL of a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// It does not begin with `http://`, `https://`, `ws://` or `wss://`.
    #[error("`{0}` does not begin with `http://` or `https://`")]
    Scheme(String),
    /// There is no host, or it holds what no host does. User names and passwords are not taken.
    #[error("`{0}` has no host that can be connected to")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` has a port that is none")]
    Port(String),
    /// The path names no channel.
    #[error("`{0}` names no channel")]
    Channel(String),
    /// The path holds something that has to be percent-encoded.
    #[error("`{0}` has a path that is not percent-encoded")]
    Path(String),
}

/// Where a channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) is_tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// What `Host` says.
    pub(super) authority: String,
    path: String,
    /// With its question mark, or empty.
    query: String,
}

/// Whether a text is the URL of a channel that a client can be made for.
pub fn check_url(url: &str) -> Result<(), TargetError> {
    Target::parse(url).map(drop)
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, TargetError> {
        let told = || url.to_owned();
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| TargetError::Scheme(told()))?;
        // Some callers write a channel's address as that of a web socket: the same host and path speak trickle.
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(TargetError::Scheme(told())),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = match rest.find('?') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority).ok_or_else(|| TargetError::Host(told()))?;
        let port = match port {
            Some(text) => text
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| TargetError::Port(told()))?,
            None if is_tls => 443,
            None => 80,
        };
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Err(TargetError::Channel(told()));
        }
        if !(path.bytes().chain(query.bytes())).all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Path(told()));
        }
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// What a request for the channel names.
    pub(super) fn channel(&self) -> String {
        format!("{}{}", self.path, self.query)
    }

    /// What a request for something in the channel names.
    pub(super) fn inside(&self, name: &str) -> String {
        format!("{}/{name}{}", self.path, self.query)
    }
}

/// The host without brackets, and the text of the port.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, port, is_allowed): (_, _, fn(u8) -> bool) =
        if let Some(rest) = authority.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return None,
            };
            (host, port, |byte| {
                byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
            })
        } else {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            (host, port, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
            })
        };
    let is_host = !host.is_empty() && host.bytes().all(is_allowed);
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    is_host.then_some((host, if is_port { port } else { Some("") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("HTTPS://example.org/ai/trickle/a%2Fb?key=1#part").unwrap();
        assert!(target.is_tls);
        assert_eq!((target.host.as_str(), target.port), ("example.org", 443));
        assert_eq!(target.channel(), "/ai/trickle/a%2Fb?key=1");
        assert_eq!(target.inside("-1"), "/ai/trickle/a%2Fb/-1?key=1");
    }

    #[test]
    fn ports_and_addresses_are_understood() {
        let target = Target::parse("http://[::1]:3389/c/").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 3389));
        assert_eq!(target.authority, "[::1]:3389");
        assert_eq!(target.channel(), "/c");
        assert_eq!(Target::parse("http://10.0.0.1/c").unwrap().port, 80);
    }

    #[test]
    fn an_address_of_a_web_socket_is_the_channel_of_that_host_and_path() {
        for (text, is_tls, port) in [("ws://h/c", false, 80), ("WSS://h/c", true, 443)] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.is_tls, target.port), (is_tls, port), "{text}");
            assert_eq!(target.channel(), "/c");
        }
    }

    #[test]
    fn what_is_no_channel_is_refused() {
        let url = |text: &str| Target::parse(text).unwrap_err();
        let told = |text: &str| text.to_owned();
        for text in ["", "/c", "ftp://h/c", "h/c", "http:/h/c"] {
            assert_eq!(url(text), TargetError::Scheme(told(text)));
        }
        for text in [
            "http:///c",
            "http://user@h/c",
            "http://u:p@h/c",
            "http://[::1/c",
            "http://[::1]x/c",
            "http://a b/c",
        ] {
            assert!(
                matches!(url(text), TargetError::Host(_) | TargetError::Port(_)),
                "{text}"
            );
        }
        for text in [
            "http://h:/c",
            "http://h:0/c",
            "http://h:65536/c",
            "http://h:+1/c",
            "http://h:x/c",
        ] {
            assert_eq!(url(text), TargetError::Port(told(text)));
        }
        for text in ["http://h", "http://h/", "http://h//", "http://h?c"] {
            assert_eq!(url(text), TargetError::Channel(told(text)));
        }
        for text in [
            "http://h/a b",
            "http://h/c\r\nX: y",
            "http://h/ä",
            "http://h/c?\n",
        ] {
            assert_eq!(url(text), TargetError::Path(told(text)));
        }
    }
}
