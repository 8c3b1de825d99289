//! Where a setting may come from, and which layer wins.

use std::{collections::BTreeMap, fmt};

use crate::failure::Failure;

/// How our own variables begin.
const OWN: &str = "FRAMERILL_";

/// What a setting is called in each layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    /// `--flag`.
    pub(crate) flag: &'static str,
    /// `FRAMERILL_…`.
    pub(crate) twin: &'static str,
    /// The contract's own variable.
    pub(crate) contract: Option<&'static str>,
    /// Its value is not for logs.
    pub(crate) is_secret: bool,
}

impl Name {
    pub(crate) const fn new(
        flag: &'static str,
        twin: &'static str,
        contract: Option<&'static str>,
    ) -> Self {
        Self {
            flag,
            twin,
            contract,
            is_secret: false,
        }
    }

    pub(crate) const fn secret(self) -> Self {
        Self {
            is_secret: true,
            ..self
        }
    }
}

/// A value, and what it is called where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sourced {
    pub(crate) value: String,
    pub(crate) layer: Layer,
}

/// Where a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Flag(&'static str),
    Twin(&'static str),
    Contract(&'static str),
    Dotenv(&'static str),
    /// By its flag.
    File(&'static str),
}

impl Layer {
    /// Whether it was said to framerill, not to any runner.
    pub(crate) fn is_explicit(self) -> bool {
        match self {
            Self::Flag(_) | Self::Twin(_) => true,
            Self::Contract(_) => false,
            Self::File(_) => true,
            Self::Dotenv(name) => name.starts_with(OWN),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Twin(name) | Self::Contract(name) => write!(f, "`{name}`"),
            Self::Dotenv(name) => write!(f, "`{name}` in `.env`"),
            Self::File(flag) => write!(f, "`{}` in the configuration file", key(flag)),
        }
    }
}

/// What a setting is called in a configuration file.
fn key(flag: &str) -> String {
    flag.trim_start_matches('-').replace('-', "_")
}

/// All places: flags, the environment, `.env`, a configuration file.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) flags: BTreeMap<&'static str, String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dotenv: BTreeMap<String, String>,
    /// By the flag's words with underscores.
    pub(crate) file: BTreeMap<String, String>,
    /// What was said twice, differently.
    pub(crate) notes: Vec<String>,
}

impl Sources {
    /// The value of the layer that comes first. An empty one counts as none.
    pub(crate) fn find(&mut self, name: Name) -> Option<Sourced> {
        let Name {
            flag,
            twin,
            contract,
            is_secret,
        } = name;
        let names = [Some(twin), contract].into_iter().flatten();
        let mut found = Vec::new();
        let mut see = |layer, value: Option<&String>| {
            let value = value.filter(|it| !it.is_empty());
            found.extend(value.map(|value| Sourced {
                value: value.clone(),
                layer,
            }));
        };
        see(Layer::Flag(flag), self.flags.get(flag));
        see(Layer::Twin(twin), self.env.get(twin));
        if let Some(contract) = contract {
            see(Layer::Contract(contract), self.env.get(contract));
        }
        for name in names {
            see(Layer::Dotenv(name), self.dotenv.get(name));
        }
        see(Layer::File(flag), self.file.get(&key(flag)));
        let mut found = found.into_iter();
        let first = found.next()?;
        for other in found.filter(|other| other.value != first.value) {
            let (wins, loses) = (first.layer, other.layer);
            self.notes.push(if is_secret {
                format!("{wins} and {loses} differ; {wins} counts")
            } else {
                format!(
                    "{wins} is `{}` and {loses} is `{}`; {wins} counts",
                    first.value, other.value
                )
            });
        }
        Some(first)
    }

    /// The same, in the form that `parse` makes of it; `wanted` says what it has to be.
    pub(crate) fn parse<T>(
        &mut self,
        name: Name,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(found) = self.find(name) else {
            return Ok(None);
        };
        let Sourced { value, layer } = found;
        match parse(&value) {
            Some(it) => Ok(Some(it)),
            None => {
                let text = format!("{layer} is `{value}`, which is not {wanted}");
                let hint = format!("give {wanted} with `{}`", name.flag);
                Err(Failure::usage("setting", text).hint(hint))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Name = Name::new("--port", "FRAMERILL_PORT", Some("PORT"));

    fn strings(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        let all = all.iter();
        all.map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn a_flag_beats_its_twin_beats_the_contract_beats_dotenv_beats_the_file() {
        let mut sources = Sources {
            flags: [("--port", "1".into())].into(),
            env: strings(&[("FRAMERILL_PORT", "2"), ("PORT", "3")]),
            dotenv: strings(&[("FRAMERILL_PORT", "4"), ("PORT", "5")]),
            file: strings(&[("port", "6")]),
            notes: vec![],
        };
        let mut order = Vec::new();
        for drop in ["flag", "twin", "contract", "dotenv twin", "dotenv", "file"] {
            order.push(sources.find(PORT).unwrap().value);
            match drop {
                "flag" => sources.flags.clear(),
                "twin" => drop_one(&mut sources.env, "FRAMERILL_PORT"),
                "contract" => drop_one(&mut sources.env, "PORT"),
                "dotenv twin" => drop_one(&mut sources.dotenv, "FRAMERILL_PORT"),
                "dotenv" => drop_one(&mut sources.dotenv, "PORT"),
                _ => drop_one(&mut sources.file, "port"),
            }
        }
        assert_eq!(order, ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(sources.find(PORT), None);
    }

    fn drop_one(all: &mut BTreeMap<String, String>, name: &str) {
        all.remove(name).unwrap();
    }

    #[test]
    fn two_that_differ_are_noted_and_two_that_agree_are_not() {
        let mut sources = Sources {
            env: strings(&[("FRAMERILL_PORT", "1"), ("PORT", "2")]),
            ..Sources::default()
        };
        sources.find(PORT).unwrap();
        assert_eq!(
            sources.notes,
            ["`FRAMERILL_PORT` is `1` and `PORT` is `2`; `FRAMERILL_PORT` counts"]
        );
        sources.env = strings(&[("FRAMERILL_PORT", "1"), ("PORT", "1")]);
        sources.notes.clear();
        sources.find(PORT).unwrap();
        assert!(sources.notes.is_empty());
    }

    #[test]
    fn a_secret_is_in_no_note() {
        let mut sources = Sources {
            env: strings(&[("FRAMERILL_PORT", "hush"), ("PORT", "quiet")]),
            ..Sources::default()
        };
        sources.find(PORT.secret()).unwrap();
        let note = sources.notes.concat();
        assert!(
            !note.is_empty() && !note.contains("hush") && !note.contains("quiet"),
            "{note}"
        );
    }

    #[test]
    fn an_empty_value_is_none() {
        let mut sources = Sources {
            env: strings(&[("FRAMERILL_PORT", ""), ("PORT", "2")]),
            ..Sources::default()
        };
        assert_eq!(sources.find(PORT).unwrap().value, "2");
        assert!(sources.notes.is_empty());
    }
}
