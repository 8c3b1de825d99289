//! Whom a server on loopback answers. A page of any site reaches it under a name that the site has made this machine's, or by
//! a request of the page's own: the one shows in `Host`, or in a target that is a whole URL, the other in `Origin`.

use std::{fmt, net::IpAddr};

use axum::http::{HeaderMap, Uri, header};

/// Why a request is none of this machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// It is for a host of this name.
    Host(String),
    /// It comes from a page of there.
    Origin(String),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => {
                write!(
                    f,
                    "this server listens on loopback, and is not called `{name}`"
                )
            }
            Self::Origin(page) => {
                write!(
                    f,
                    "this server listens on loopback, and takes nothing from pages of `{page}`"
                )
            }
        }
    }
}

/// Whether only this machine reaches it.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// Whether a request to a server on loopback is this machine's. HTTP/1.0 has no `Host`, and only pages have an `Origin`.
pub(crate) fn check(target: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
    let hosts = headers.get_all(header::HOST).into_iter();
    let hosts = hosts.map(|it| String::from_utf8_lossy(it.as_bytes()));
    let within = target.authority().map(|it| it.as_str().into());
    for host in hosts.chain(within) {
        let name = name_of(&host);
        if !host.is_empty() && !is_loopback(name) {
            return Err(Foreign::Host(name.to_owned()));
        }
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let is_own = |(_, host): (&str, &str)| is_loopback(name_of(host));
        // `null` is a page that hides where it is from.
        if !origin.split_once("://").is_some_and(is_own) {
            return Err(Foreign::Origin(origin.into_owned()));
        }
    }
    Ok(())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn check_one(name: HeaderName, value: &'static str) -> Result<(), Foreign> {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        check(&Uri::from_static("/v1/streams"), &headers)
    }

    #[test]
    fn names_of_loopback_are_this_machines_with_and_without_a_port_and_so_is_none() {
        assert_eq!(check(&Uri::default(), &HeaderMap::new()), Ok(()));
        for host in [
            "",
            "127.0.0.1",
            "127.0.0.1:8888",
            "localhost",
            "LocalHost:8888",
            "[::1]",
            "[::1]:8888",
        ] {
            assert_eq!(check_one(header::HOST, host), Ok(()), "{host}");
        }
    }

    #[test]
    fn any_other_name_is_foreign_however_it_looks() {
        for host in [
            "evil.example",
            "evil.example:8888",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8888",
            "127.0.0.1@evil.example",
            "evil.example:1@localhost",
            "0.0.0.0:8888",
            "10.0.0.1",
            "[::2]:8888",
        ] {
            let refused = check_one(header::HOST, host);
            assert!(matches!(refused, Err(Foreign::Host(_))), "{host}");
        }
        let both = ["localhost", "evil.example"].map(|it| (header::HOST, it.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in both {
            headers.append(name, value);
        }
        assert!(check(&Uri::default(), &headers).is_err());
    }

    #[test]
    fn a_target_that_is_a_whole_url_names_a_host_too() {
        let host = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        for (target, is_own) in [
            ("http://127.0.0.1:8888/v1/streams", true),
            ("http://localhost/v1/streams", true),
            ("http://evil.example/v1/streams", false),
            ("http://127.0.0.1@evil.example/v1/streams", false),
            ("http://evil.example:1@localhost/v1/streams", false),
        ] {
            let checked = check(&target.parse().unwrap(), &host);
            assert_eq!(checked.is_ok(), is_own, "{target}");
        }
    }

    #[test]
    fn only_pages_of_this_machine_may_ask() {
        for page in [
            "http://localhost:8000",
            "http://127.0.0.1",
            "https://[::1]:8888",
        ] {
            assert_eq!(check_one(header::ORIGIN, page), Ok(()), "{page}");
        }
        for page in [
            "",
            "null",
            "localhost",
            "http://evil.example",
            "http://localhost.evil.example:8000",
            "file://",
        ] {
            let refused = check_one(header::ORIGIN, page);
            assert!(matches!(refused, Err(Foreign::Origin(_))), "{page}");
        }
    }
}
