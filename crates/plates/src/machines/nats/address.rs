//! Addresses of NATS servers, with and without their login.

/// A URL in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Without a login.
    pub(super) url: String,
    pub(super) login: Option<Login>,
}

/// Who connects.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Token(String),
    User(String, String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(***)")
    }
}

/// From `nats://HOST:PORT`, `nats://TOKEN@…` or `nats://USER:PASSWORD@…`; `tls://` wants TLS. None if it is none of them.
pub(super) fn parsed(text: &str) -> Option<Address> {
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme, "nats" | "tls") {
        return None;
    }
    let (login, host) = match rest.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, rest),
    };
    let host = host.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', ' ', ',']) {
        return None;
    }
    let login = match login.map(|it| it.split_once(':')) {
        None => None,
        Some(Some((user, password))) => Some(Login::User(decoded(user), decoded(password))),
        Some(None) => login.map(|it| Login::Token(decoded(it))),
    };
    Some(Address {
        url: format!("{scheme}://{host}"),
        login,
    })
}

/// For logs: without its login.
#[must_use]
pub fn shown(url: &str) -> String {
    match parsed(url) {
        Some(it) => it.url,
        None => "the queue's address".into(),
    }
}

/// Whether a server is on this machine: then all of its workers may be, too.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Some(address) = parsed(url) else {
        return false;
    };
    let host = address.url.split_once("://").map_or("", |it| it.1);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_own = |it: std::net::IpAddr| it.is_loopback();
    name == "localhost" || name.parse().is_ok_and(is_own)
}

/// Percent-encoding taken away.
fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_taken_out_and_never_shown() {
        let user = parsed("nats://bob:p%40ss@host:4222").unwrap();
        assert_eq!(user.url, "nats://host:4222");
        assert_eq!(user.login, Some(Login::User("bob".into(), "p@ss".into())));
        assert!(!format!("{user:?}").contains("p@ss"));
        let token = parsed("tls://s3cret@host").unwrap();
        assert_eq!(token.login, Some(Login::Token("s3cret".into())));
        assert_eq!(shown("nats://bob:p@host:4222"), "nats://host:4222");
        for bad in [
            "host:4222",
            "http://host",
            "nats://",
            "nats://a b",
            "nats://h/x",
            "%",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }

    #[test]
    fn a_server_on_this_machine_is_known_as_such() {
        for own in [
            "nats://127.0.0.1:4222",
            "nats://u:p@localhost",
            "tls://[::1]:4222",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["nats://10.0.0.1", "nats://localhost.example.org", "x"] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
