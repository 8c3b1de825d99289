//! What is to be installed, as an installer understands it. Pure but for the look whether a path is there.

use std::path::{Path, PathBuf};

use super::name::normal;
use crate::failure::Failure;

const MAX_BYTES: usize = 2000;
/// What begins the address of a repository for installers.
const GIT: &str = "git+";
const ARCHIVES: [&str; 3] = [".whl", ".tar.gz", ".zip"];

/// A package, a path or a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// For the installer, a single argument.
    pub(crate) argument: String,
    pub(crate) kind: Kind,
}

/// Where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From an index: the distribution's name, and the version if one is asked for exactly, or `None` for other wishes.
    Index { name: String, wish: Wish },
    /// A folder or an archive.
    Path(PathBuf),
    /// A repository or another address.
    Url,
}

/// Which version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Any,
    Exactly(String),
    /// A range, extras or markers, which installers alone understand.
    Other,
}

impl Spec {
    /// Takes `PACKAGE`, `PATH` or `GIT`; a path counts from `here`.
    pub(crate) fn parse(text: &str, here: &Path) -> Result<Self, Failure> {
        let text = text.trim();
        let wrong = |why: &str| {
            let shown: String = shown(text).chars().take(80).collect();
            Failure::usage("install_spec", format!("`{shown}` cannot be installed: {why}")).hint(
                "give a package (my-pipeline, my-pipeline==1.2), a path (./my-pipeline) or a repository \
                 (git+https://…/my-pipeline.git)",
            )
        };
        if text.is_empty() {
            return Err(wrong("it is empty"));
        }
        if text.starts_with('-') {
            return Err(wrong("it begins like a flag"));
        }
        if text.len() > MAX_BYTES || text.contains(char::is_control) {
            return Err(wrong("it is too long, or holds control characters"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return of_address(text, scheme, rest).ok_or_else(|| wrong("no such address is known"));
        }
        if is_path(text) {
            let home = text.strip_prefix("~/").zip(std::env::var_os("HOME"));
            let path = match home {
                Some((rest, home)) => PathBuf::from(home).join(rest),
                None => here.join(text),
            };
            let path = path
                .canonicalize()
                .map_err(|error| wrong(&error.to_string()))?;
            let argument = path
                .to_str()
                .ok_or_else(|| wrong("its path is no text"))?
                .to_owned();
            return Ok(Self {
                argument,
                kind: Kind::Path(path),
            });
        }
        of_index(text).ok_or_else(|| wrong("it is no package's name, path or address"))
    }

    /// Without the words that open a private repository.
    pub(crate) fn shown(&self) -> String {
        shown(&self.argument)
    }

    /// Whether what it names is known to be a folder of sources.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Path(path) if path.is_dir() => Some(path),
            _ => None,
        }
    }
}

/// The same, fit for a screen or a log.
fn shown(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{before}://{}", &rest[at + 1..]),
        None => text.to_owned(),
    }
}

fn of_address(text: &str, scheme: &str, rest: &str) -> Option<Spec> {
    // `NAME @ ADDRESS` is one, too.
    let scheme = match scheme.split_once('@') {
        Some((name, scheme)) if is_name(name.trim()) => scheme.trim(),
        Some(_) => return None,
        None => scheme,
    };
    let is_known = matches!(
        scheme,
        "https" | "http" | "file" | "git+https" | "git+http" | "git+ssh" | "git+file" | "git+git"
    );
    if !is_known || rest.is_empty() || rest.contains(char::is_whitespace) {
        return None;
    }
    let path = rest.split(['#', '?']).next().unwrap_or(rest);
    let is_repository = !text.contains(GIT) && path.ends_with(".git");
    let argument = match is_repository {
        true => text.replacen(&format!("{scheme}://"), &format!("{GIT}{scheme}://"), 1),
        false => text.to_owned(),
    };
    Some(Spec {
        argument,
        kind: Kind::Url,
    })
}

fn is_path(text: &str) -> bool {
    let is_archive = ARCHIVES.iter().any(|end| text.ends_with(end));
    text == "." || text == ".." || text.contains('/') || is_archive
}

fn is_name(text: &str) -> bool {
    let is_end = |it: char| it.is_ascii_alphanumeric();
    text.starts_with(is_end)
        && text.ends_with(is_end)
        && text
            .chars()
            .all(|it| is_end(it) || matches!(it, '-' | '_' | '.'))
}

fn of_index(text: &str) -> Option<Spec> {
    let end = text.find(['[', '=', '<', '>', '!', '~', ';', ' ', '(']);
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim();
    let allowed = |it: char| it.is_ascii_alphanumeric() || " .,*+-_!=<>~()[];'\"".contains(it);
    if !is_name(name) || !rest.chars().all(allowed) {
        return None;
    }
    let exact = rest.strip_prefix("==").map(str::trim);
    let is_version = |it: &&str| {
        it.chars()
            .all(|it| it.is_ascii_alphanumeric() || ".+-_!".contains(it))
    };
    let wish = match (rest, exact.filter(is_version)) {
        ("", _) => Wish::Any,
        (_, Some(version)) => Wish::Exactly(version.to_owned()),
        _ => Wish::Other,
    };
    let starts_right =
        rest.is_empty() || rest.starts_with(['[', '=', '<', '>', '!', '~', ';', '(']);
    starts_right.then(|| Spec {
        argument: text.to_owned(),
        kind: Kind::Index {
            name: normal(name),
            wish,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn parse(text: &str) -> Result<Spec, Failure> {
        Spec::parse(text, Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    #[test]
    fn a_package_has_its_name_and_the_version_that_is_asked_for() {
        for (text, wish) in [
            ("My_Pipeline", Wish::Any),
            (" my.pipeline == 1.2 ", Wish::Exactly("1.2".into())),
            ("my-pipeline>=1,<2", Wish::Other),
            ("my-pipeline[gpu]", Wish::Other),
            ("my-pipeline==1.*", Wish::Other),
            ("my-pipeline; python_version > '3.9'", Wish::Other),
        ] {
            let name = "my-pipeline".to_owned();
            assert_eq!(
                parse(text).unwrap().kind,
                Kind::Index { name, wish },
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_is_made_whole_and_has_to_be_there() {
        let it = parse("./src").unwrap();
        assert!(Path::new(&it.argument).is_absolute());
        assert!(matches!(it.kind, Kind::Path(path) if path.ends_with("src")));
        assert_eq!(parse("./nothing-here").unwrap_err().exit, Exit::Usage);
        assert!(parse("gone-1.0-py3-none-any.whl").is_err());
    }

    #[test]
    fn repositories_and_addresses_are_taken_and_their_passwords_not_shown() {
        let it = parse("https://example.org/mine.git").unwrap();
        assert_eq!(it.argument, "git+https://example.org/mine.git");
        let it = parse("mine @ git+https://user:hush@example.org/mine@v1").unwrap();
        assert_eq!(it.kind, Kind::Url);
        assert_eq!(it.shown(), "mine @ git+https://example.org/mine@v1");
        assert!(parse("git+ssh://git@example.org/mine.git").is_ok());
    }

    #[test]
    fn flags_and_what_is_no_package_are_refused() {
        for wrong in [
            "",
            "  ",
            "-r x",
            "--index-url=x",
            "-e .",
            "a b",
            "a\nb",
            "my pipeline==1",
            "$(x)",
            "a;`x`",
            "a|b",
            "ftp://x/y",
            "https://",
            "@ https://x",
            "a&b",
        ] {
            assert_eq!(parse(wrong).unwrap_err().exit, Exit::Usage, "{wrong:?}");
        }
    }
}
