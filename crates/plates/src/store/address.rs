//! Which database: `--db`, else any `POSTGRES_*` variable, else a SQLite file.

use std::{fmt, fs, os::unix::fs::FileTypeExt, path::PathBuf};

/// Where rows go.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A file, made if it is not there.
    Sqlite(PathBuf),
    /// A server. `url` may hold a password.
    Postgres {
        /// `postgres://…`
        url: String,
    },
}

/// An address that says neither.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database address `{0}` is not understood: use postgres://USER:PASSWORD@HOST:PORT/NAME, sqlite:FILE or a file name"
)]
pub struct BadAddress(String);

/// Variables of PostgreSQL, with what holds when another of them is set (contract §2).
const VARIABLES: [(&str, &str); 5] = [
    ("POSTGRES_HOST", "localhost"),
    ("POSTGRES_PORT", "5432"),
    ("POSTGRES_DB", "dashcam_final"),
    ("POSTGRES_USER", "dashcam"),
    ("POSTGRES_PASSWORD", "dashpass"),
];

impl Address {
    /// From `--db`, the environment (with what a `.env` file adds to it) and the file that is used when neither says.
    ///
    /// # Errors
    /// `--db` has a scheme that is no database of ours, or a port is no number.
    pub fn chosen(
        db: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
        file: PathBuf,
    ) -> Result<Self, BadAddress> {
        if let Some(db) = db {
            return Self::parsed(db);
        }
        let set = VARIABLES.map(|(name, _)| variable(name));
        if set.iter().all(Option::is_none) {
            return Ok(Self::Sqlite(file));
        }
        let [host, port, name, user, password] = std::array::from_fn(|it| {
            set[it]
                .clone()
                .unwrap_or_else(|| VARIABLES[it].1.to_owned())
        });
        if port.parse::<u16>().is_err() {
            return Err(BadAddress(format!("POSTGRES_PORT={port}")));
        }
        let (name, user, password) = (encoded(&name), encoded(&user), encoded(&password));
        // A folder is that of a unix socket.
        let url = if host.starts_with('/') {
            format!(
                "postgres://{user}:{password}@localhost:{port}/{name}?host={}",
                encoded(&host)
            )
        } else if host.contains(':') && !host.starts_with('[') {
            format!("postgres://{user}:{password}@[{host}]:{port}/{name}")
        } else {
            format!("postgres://{user}:{password}@{host}:{port}/{name}")
        };
        Ok(Self::Postgres { url })
    }

    /// From one text: a URL, `sqlite:FILE` or a file name.
    ///
    /// # Errors
    /// It has a scheme that is no database of ours, or is empty.
    pub fn parsed(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(masked(text));
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres {
                url: text.to_owned(),
            });
        }
        let file = match text.strip_prefix("sqlite:") {
            Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
            None if text.contains("://") => return Err(bad()),
            None => text,
        };
        if file.is_empty() || file == ":memory:" {
            return Err(bad());
        }
        Ok(Self::Sqlite(PathBuf::from(file)))
    }

    /// What lies where the database's file would be and never becomes one: waiting for it would last for ever.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        let Self::Sqlite(file) = self else {
            return None;
        };
        let kind = fs::metadata(file).ok()?.file_type();
        Some(match kind {
            it if it.is_file() => return None,
            it if it.is_dir() => "a folder",
            it if it.is_socket() => "a socket",
            it if it.is_fifo() => "a pipe",
            _ => "a device",
        })
    }
}

/// Without its password.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((login, rest)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{rest}")
        }
        None => url.to_owned(),
    }
}

/// Percent-encoded but for what may stand everywhere in a URL.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

/// For logs: without its password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "{}", file.display()),
            Self::Postgres { url } => f.write_str(&masked(url)),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(db: Option<&str>, set: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = set.iter().find(|it| it.0 == name);
            found.map(|it| it.1.to_owned())
        };
        match Address::chosen(db, variable, "plates.db".into()) {
            Ok(Address::Postgres { url }) => url,
            Ok(Address::Sqlite(file)) => file.display().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_option_decides_then_any_variable_then_a_file() {
        assert_eq!(chosen(None, &[]), "plates.db");
        assert_eq!(
            chosen(Some("sqlite:///tmp/a b.db"), &[("POSTGRES_HOST", "h")]),
            "/tmp/a b.db"
        );
        assert_eq!(
            chosen(None, &[("POSTGRES_DB", "cars")]),
            "postgres://dashcam:dashpass@localhost:5432/cars"
        );
        assert_eq!(
            chosen(
                None,
                &[("POSTGRES_HOST", "/run/pg"), ("POSTGRES_PASSWORD", "a@b/c")]
            ),
            "postgres://dashcam:a%40b%2Fc@localhost:5432/dashcam_final?host=%2Frun%2Fpg"
        );
        assert!(chosen(None, &[("POSTGRES_PORT", "x")]).contains("POSTGRES_PORT=x"));
        assert!(chosen(Some("mysql://u:secret@h/d"), &[]).contains("mysql://u:***@h/d"));
        assert!(chosen(Some(""), &[]).contains("not understood"));
    }

    #[test]
    fn a_password_is_never_shown() {
        let it = Address::parsed("postgres://u:secret@h/d").unwrap();
        assert_eq!(it.to_string(), "postgres://u:***@h/d");
        assert!(!format!("{it:?}").contains("secret"));
    }
}
