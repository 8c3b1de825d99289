//! What a new package may be called, and the forms of that name.

use framerill_worker::filters;

use crate::{environments, failure::Failure};

/// Modules of Python's own library, which a package of the same name would never be found beside.
const STDLIB: &str = include_str!("stdlib.txt");
/// Modules that a pipeline's package imports, or that stand for folders of it.
const TAKEN: [&str; 20] = [
    "ai_runner_base",
    "annotated_types",
    "app",
    "comfystream",
    "cv2",
    "framerill",
    "numpy",
    "pip",
    "pkg_resources",
    "pydantic",
    "pydantic_core",
    "pytest",
    "runner",
    "setuptools",
    "src",
    "tests",
    "torch",
    "typing_extensions",
    "uv",
    "wheel",
];
const KEYWORDS: &str = "False None True and as assert async await break class continue def del elif else except finally for \
    from global if import in is lambda nonlocal not or pass raise return try while with yield";
const MAX_CHARS: usize = 64;

/// What a package is called: as a distribution, in Python, and as a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Normalised: lower case, words joined by hyphens.
    pub(crate) distribution: String,
    /// An identifier.
    pub(crate) module: String,
    /// Words in capitals.
    pub(crate) class: String,
}

impl Name {
    /// A name that package indexes, Python and `--pipeline` all take; else why not.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str, hint: &str| {
            let text: String = text.chars().take(MAX_CHARS + 1).collect();
            Err(Failure::usage(
                "new_name",
                format!("`{text}` cannot be a pipeline's name: {why}"),
            )
            .hint(hint))
        };
        let words = "write words of letters and digits, joined by hyphens, such as warm-glow";
        if text.is_empty() {
            return wrong("it is empty", words);
        }
        if text.chars().count() > MAX_CHARS {
            return wrong(&format!("it is longer than {MAX_CHARS} characters"), words);
        }
        if let Some(odd) = text
            .chars()
            .find(|it| !it.is_ascii_alphanumeric() && !"-_.".contains(*it))
        {
            return wrong(&format!("it has a `{}`", odd.escape_default()), words);
        }
        let ends = [text.chars().next(), text.chars().last()];
        if !ends.iter().flatten().all(char::is_ascii_alphanumeric) {
            return wrong("it begins or ends with no letter or digit", words);
        }
        let distribution = environments::normal(text);
        let module = distribution.replace('-', "_");
        if module.starts_with(|it: char| it.is_ascii_digit()) {
            return wrong(
                "a Python package cannot begin with a digit",
                "begin with a letter",
            );
        }
        let another = "add a word, such as my-glow";
        if KEYWORDS
            .split_whitespace()
            .any(|it| it.eq_ignore_ascii_case(&module))
        {
            return wrong("it is a word of Python's own", another);
        }
        if STDLIB
            .split_whitespace()
            .any(|it| it.eq_ignore_ascii_case(&module))
        {
            return wrong("Python's library has a module of that name", another);
        }
        if TAKEN.contains(&module.as_str()) {
            return wrong("another package has that name", another);
        }
        if filters::find(&distribution).is_some() {
            return wrong("a built-in pipeline is called so, and goes first", another);
        }
        let class = distribution.split('-').map(capital).collect();
        Ok(Self {
            distribution,
            module,
            class,
        })
    }
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_written_in_three_ways() {
        for (given, distribution, module, class) in [
            ("warm-glow", "warm-glow", "warm_glow", "WarmGlow"),
            ("Warm_Glow", "warm-glow", "warm_glow", "WarmGlow"),
            ("a.b--c2", "a-b-c2", "a_b_c2", "ABC2"),
            ("x", "x", "x", "X"),
        ] {
            let name = Name::parse(given).unwrap();
            assert_eq!(
                (&*name.distribution, &*name.module, &*name.class),
                (distribution, module, class)
            );
        }
    }

    #[test]
    fn a_name_that_somebody_could_not_take_is_refused_with_what_to_do() {
        let long = "a".repeat(MAX_CHARS + 1);
        for (given, why) in [
            ("", "empty"),
            (&*long, "longer than 64"),
            ("warm glow", "has a ` `"),
            ("wärm", "has a `\\u{e4}`"),
            ("../up", "has a `/`"),
            ("-glow", "begins or ends"),
            ("glow_", "begins or ends"),
            (".", "begins or ends"),
            ("3d-glow", "digit"),
            ("class", "a word of Python's own"),
            ("none", "a word of Python's own"),
            ("json", "Python's library"),
            ("TORCH", "another package"),
            ("invert", "built-in"),
        ] {
            let failure = Name::parse(given).unwrap_err();
            assert_eq!(failure.code, "new_name");
            assert!(
                failure.message.contains(why),
                "{given}: {}",
                failure.message
            );
            assert!(failure.hint.is_some());
        }
    }
}
