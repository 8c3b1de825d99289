//! What `framerill serve` is told, from all places.

use std::{fmt, net::SocketAddr, path::PathBuf};

use serde_json::{Map, Value};

use super::{
    pipeline::{self, INSTALL, Pipeline},
    source::{Name, Sourced, Sources},
};
use crate::{failure::Failure, http::loopback::is_loopback};

/// A word that only its readers see.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What `framerill serve` is told.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// An address or a host's name; loopback unless someone says otherwise.
    pub(super) host: String,
    /// 0 is any free one.
    pub(super) port: u16,
    /// Infer's, on 127.0.0.1; 0 is any free one.
    pub(super) internal_port: u16,
    pub(super) pipeline: Pipeline,
    /// Merged over the pipeline's own.
    pub(super) initial_params: Map<String, Value>,
    pub(super) token: Option<Secret>,
    /// `version` of `/version`.
    pub(super) version: String,
    pub(super) model_dir: Option<PathBuf>,
    /// Streams at the same time.
    pub(super) capacity: u32,
    pub(super) verbose: bool,
    /// Where a trickle server listens beside this one.
    pub(super) trickle: Option<SocketAddr>,
    /// Started as infer.
    pub(super) infer_program: Option<PathBuf>,
    /// The pipeline prepares its models, and nothing is served.
    pub(super) prepares: bool,
    /// The Python to run pipelines with.
    pub(super) python: Option<PathBuf>,
    /// What only infer reads: its variables and their values.
    pub(super) for_infer: Vec<(&'static str, String)>,
    /// What whoever starts it should know, a line each.
    pub(super) notes: Vec<String>,
}

/// What `ai-runner-base` says for `--host` where nobody says anything.
const DEFAULT_HOST: &str = "FRAMERILL_DEFAULT_HOST";
pub(super) const HOST: Name = Name::new("--host", "FRAMERILL_HOST", Some("HOST"));
pub(super) const PORT: Name = Name::new("--port", "FRAMERILL_PORT", Some("PORT"));
pub(super) const INTERNAL_PORT: Name =
    Name::new("--internal-port", "FRAMERILL_INTERNAL_PORT", None);
pub(super) const PIPELINE: Name = Name::new("--pipeline", "FRAMERILL_PIPELINE", Some("PIPELINE"));
pub(super) const MODEL_ID: Name = Name::new("--model-id", "FRAMERILL_MODEL_ID", Some("MODEL_ID"));
pub(super) const INITIAL_PARAMS: Name = Name::new(
    "--initial-params",
    "FRAMERILL_INITIAL_PARAMS",
    Some("INFERPY_INITIAL_PARAMS"),
);
pub(super) const AUTH_TOKEN: Name =
    Name::new("--auth-token", "FRAMERILL_AUTH_TOKEN", Some("AUTH_TOKEN")).secret();
pub(super) const RUNNER_VERSION: Name = Name::new(
    "--runner-version",
    "FRAMERILL_RUNNER_VERSION",
    Some("VERSION"),
);
pub(super) const MODEL_DIR: Name =
    Name::new("--model-dir", "FRAMERILL_MODEL_DIR", Some("MODEL_DIR"));
pub(super) const CAPACITY: Name = Name::new("--capacity", "FRAMERILL_CAPACITY", None);
pub(super) const VERBOSE: Name =
    Name::new("--verbose", "FRAMERILL_VERBOSE", Some("VERBOSE_LOGGING"));
pub(super) const TRICKLE: Name = Name::new("--trickle", "FRAMERILL_TRICKLE", None);
pub(super) const PREPARE_MODELS: Name = Name::new(
    "--prepare-models",
    "FRAMERILL_PREPARE_MODELS",
    Some("PREPARE_MODELS"),
);
pub(super) const INFER_PROGRAM: Name =
    Name::new("--infer-program", "FRAMERILL_INFER_PROGRAM", None);

pub(super) const PYTHON: Name = Name::new("--python", "FRAMERILL_PYTHON", None);

/// What infer reads as well; it says itself what is wrong with a value.
const FOR_INFER: [Name; 9] = [
    Name::new("--max-fps", "FRAMERILL_MAX_FPS", None),
    Name::new("--max-restarts", "FRAMERILL_MAX_RESTARTS", None),
    Name::new("--max-frame-time", "FRAMERILL_MAX_FRAME_TIME", None),
    Name::new("--worker-memory", "FRAMERILL_WORKER_MEMORY", None),
    PYTHON,
    Name::new("--params-file", "FRAMERILL_PARAMS_FILE", None),
    Name::new("--params-events", "FRAMERILL_PARAMS_EVENTS", None),
    Name::new("--verify-tls", "FRAMERILL_VERIFY_TLS", None),
    Name::new("--trickle-ca", "FRAMERILL_TRICKLE_CA", None),
];

/// Read by infer itself, whoever starts it.
const OF_INFER: &str = "STREAM_PROTOCOL";

/// All variables that say what is served, and how.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    let own = [
        HOST,
        PORT,
        INTERNAL_PORT,
        PIPELINE,
        MODEL_ID,
        INITIAL_PARAMS,
        AUTH_TOKEN,
        RUNNER_VERSION,
        MODEL_DIR,
        CAPACITY,
        VERBOSE,
        TRICKLE,
        INSTALL,
        PREPARE_MODELS,
        INFER_PROGRAM,
    ];
    let names = own.into_iter().chain(FOR_INFER);
    let names = names.flat_map(|it| [Some(it.twin), it.contract]);
    names.flatten().chain([OF_INFER])
}

impl Settings {
    /// Takes every setting from the first place that has it. Opens no port and starts nothing.
    ///
    /// `installed` are the names that a package has which was installed before.
    pub(super) fn load(mut from: Sources, installed: Option<&[String]>) -> Result<Self, Failure> {
        let (named, model) = (from.find(PIPELINE), from.find(MODEL_ID));
        let (pipeline, mut notes) = pipeline::pipeline(named, model, installed)?;
        let port = |text: &str| text.parse().ok();
        let a_port = "a port from 0 to 65535";
        let object = |text: &str| serde_json::from_str(text).ok();
        let host = from.find(HOST).map(|it| it.value);
        let token = from.find(AUTH_TOKEN).map(|it| Secret::new(it.value));
        // Whoever starts this in a container has another default; a `.env` file still comes before it.
        let usual = from.env.get(DEFAULT_HOST).filter(|it| !it.is_empty());
        let host = host.or_else(|| usual.cloned());
        let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
        if token.is_none() && !is_loopback(&host) {
            notes.push(format!(
                "whoever reaches `{host}` may start streams; set AUTH_TOKEN to ask for a token"
            ));
        }
        let settings = Self {
            host,
            port: from.parse(PORT, a_port, port)?.unwrap_or(8000),
            internal_port: from.parse(INTERNAL_PORT, a_port, port)?.unwrap_or(8888),
            pipeline,
            initial_params: from
                .parse(INITIAL_PARAMS, "a JSON object", object)?
                .unwrap_or_default(),
            token,
            version: from
                .find(RUNNER_VERSION)
                .map_or_else(|| "undefined".to_owned(), |it| it.value),
            model_dir: from.find(MODEL_DIR).map(|it| it.value.into()),
            capacity: from
                .parse(CAPACITY, "a number of streams from 1 to 1024", |text| {
                    text.parse().ok().filter(|it| (1..=1024).contains(it))
                })?
                .unwrap_or(1),
            verbose: from.find(VERBOSE).is_some_and(|it| it.value == "1"),
            trickle: from.parse(
                TRICKLE,
                "an IP address and a port, such as 127.0.0.1:3389",
                |text| text.parse().ok(),
            )?,
            for_infer: FOR_INFER
                .into_iter()
                .filter_map(|name| Some((name.twin, from.find(name)?.value)))
                .collect(),
            infer_program: from.find(INFER_PROGRAM).map(|it| it.value.into()),
            prepares: from.find(PREPARE_MODELS).is_some_and(|it| it.value == "1"),
            python: from.find(PYTHON).map(|it| it.value.into()),
            notes,
        };
        let notes = from.notes.into_iter().chain(settings.notes);
        Ok(Self {
            notes: notes.collect(),
            ..settings
        })
    }
}

/// What is to be installed before anything else, and with which Python.
pub(super) fn auto_install(from: &mut Sources) -> Option<(Sourced, Option<PathBuf>)> {
    let asked = from.find(INSTALL)?;
    let notes = std::mem::take(&mut from.notes);
    let python = from.find(PYTHON).map(|it| it.value.into());
    // Of the Python, it is told once more.
    from.notes = notes;
    Some((asked, python))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn load(env: &[(&str, &str)]) -> Result<Settings, Failure> {
        let noop = [("PIPELINE", pipeline::ROUTE), ("MODEL_ID", "noop")];
        let env = noop.iter().chain(env);
        Settings::load(
            Sources {
                env: env
                    .map(|(name, it)| ((*name).into(), (*it).into()))
                    .collect(),
                ..Sources::default()
            },
            None,
        )
    }

    #[test]
    fn the_defaults_are_loopback_8000_and_8888_without_a_token() {
        let it = load(&[]).unwrap();
        assert_eq!((it.host.as_str(), it.port), ("127.0.0.1", 8000));
        assert_eq!((it.internal_port, it.capacity), (8888, 1));
        assert_eq!((it.token, it.verbose), (None, false));
        assert_eq!(it.version, "undefined");
        assert!(it.notes.is_empty());
    }

    #[test]
    fn the_contracts_variables_are_read() {
        let it = load(&[
            ("HOST", "0.0.0.0"),
            ("PORT", "81"),
            ("AUTH_TOKEN", "hush"),
            ("VERSION", "1.2.3"),
            ("MODEL_DIR", "/models"),
            ("VERBOSE_LOGGING", "1"),
            ("INFERPY_INITIAL_PARAMS", r#"{"prompt": "x"}"#),
        ])
        .unwrap();
        assert_eq!((it.host.as_str(), it.port), ("0.0.0.0", 81));
        assert_eq!(it.token, Some(Secret::new("hush")));
        assert_eq!((it.version.as_str(), it.verbose), ("1.2.3", true));
        assert_eq!(it.model_dir, Some("/models".into()));
        assert_eq!(it.initial_params["prompt"], "x");
        assert!(it.notes.is_empty(), "{:?}", it.notes);
    }

    #[test]
    fn an_address_that_others_reach_without_a_token_is_one_warning() {
        for host in ["0.0.0.0", "::", "10.0.0.1", "runner"] {
            assert_eq!(load(&[("HOST", host)]).unwrap().notes.len(), 1, "{host}");
        }
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(load(&[("HOST", host)]).unwrap().notes.is_empty(), "{host}");
        }
    }

    #[test]
    fn a_wrong_value_is_a_usage_error_that_names_its_field() {
        for (name, value) in [
            ("PORT", "eighty"),
            ("FRAMERILL_INTERNAL_PORT", "70000"),
            ("INFERPY_INITIAL_PARAMS", "[1]"),
            ("FRAMERILL_CAPACITY", "0"),
            ("FRAMERILL_TRICKLE", "3389"),
        ] {
            let failure = load(&[(name, value)]).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.to_string().contains(name), "{failure}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let it = load(&[("AUTH_TOKEN", "hush")]).unwrap();
        assert!(!format!("{it:?}").contains("hush"));
    }

    #[test]
    fn verbose_is_exactly_one() {
        assert!(!load(&[("VERBOSE_LOGGING", "true")]).unwrap().verbose);
    }

    #[test]
    fn preparing_is_asked_for_by_exactly_one() {
        for (value, prepares) in [("1", true), ("0", false), ("true", false)] {
            assert_eq!(
                load(&[("PREPARE_MODELS", value)]).unwrap().prepares,
                prepares
            );
        }
        assert!(!load(&[]).unwrap().prepares);
    }

    #[test]
    fn a_package_to_install_is_known_before_everything_else() {
        let sources = |value: &str| Sources {
            env: [("AUTO_INSTALL_PIPELINE".to_owned(), value.to_owned())].into(),
            flags: [("--python", "python3.12".to_owned())].into(),
            ..Sources::default()
        };
        let (asked, python) = auto_install(&mut sources("glow")).unwrap();
        assert_eq!(
            (asked.value.as_str(), python),
            ("glow", Some("python3.12".into()))
        );
        assert!(auto_install(&mut sources("")).is_none());
    }
}
