//! What one run is to do, checked before anything is started.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use framerill_media::Size;
use framerill_worker::{filters, message::LinkPolicy};
use serde_json::{Map, Value};

use super::spec::{PipelineSpec, is_path, public_name};
use crate::{
    environments::{self, Effort},
    failure::Failure,
    near,
};

/// The longest parameters that are read from a file.
const PARAMS_MAX: u64 = 512 << 10;

/// What one run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A file, or `lavfi:GRAPH`.
    pub input: String,
    /// Which pipeline.
    pub pipeline: Pipeline,
    /// Its parameters.
    pub params: Map<String, Value>,
    /// Where finished pictures go; `-` is stdout.
    pub output: PathBuf,
    /// Centre crop and scale; none keeps the source's.
    pub size: Option<Size>,
    /// Frames a second as a fraction; none keeps the source's.
    pub fps: Option<[u32; 2]>,
    /// What happens while the worker is busy.
    pub policy: LinkPolicy,
    /// How fast the source is read.
    pub pace: Pace,
    /// Seconds to leave out.
    pub start: f64,
    /// Seconds to take.
    pub duration: Option<f64>,
    /// Write a before/after picture to this path.
    pub preview: Option<PathBuf>,
    /// Restarts of the worker before the run fails.
    pub max_restarts: u32,
    /// Seconds without an output after which the worker counts as hung; none takes the pipeline's.
    pub max_frame_time: Option<Duration>,
    /// Bytes that the worker may use, with all that it starts.
    pub worker_memory: Option<u64>,
    /// The Python to run pipelines with; none looks for one.
    pub python: Option<PathBuf>,
    /// One pipeline in the foreground, without deadlines.
    pub in_process: bool,
    /// The pipeline's code is loaded anew whenever it is saved.
    pub reload: bool,
}

/// How fast the source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as it goes.
    Free,
    /// By the frames' times.
    RealTime,
}

/// Which pipeline, and in which language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pipeline {
    /// A built-in filter.
    BuiltIn(String),
    /// `FILE.py`, `module:Class` or an installed entry point.
    Python(String),
    /// An entry point that a recorded environment has.
    Installed {
        /// The entry point's name, or that of a variant.
        name: String,
        /// The environment's name.
        environment: String,
    },
    /// A class, told whole.
    Spec(Box<PipelineSpec>),
}

impl Pipeline {
    /// What the user names: a built-in filter, a Python file, a class, a specification, or an installed package's entry
    /// point.
    pub fn find(named: &str) -> Result<Self, Failure> {
        if filters::find(named).is_some() {
            return Ok(Self::BuiltIn(named.to_owned()));
        }
        if PipelineSpec::is_one(named) {
            return PipelineSpec::parse(named).map(|it| Self::Spec(Box::new(it)));
        }
        let found = Self::Python(named.to_owned());
        let Some(place) = found.place() else {
            return Ok(found);
        };
        let shown = place.display();
        let why = match fs::metadata(place) {
            Ok(it) if it.is_dir() => {
                let has = |file| place.join(file).is_file();
                let is_pipeline = has("pipeline.py") || has("__init__.py");
                (!is_pipeline).then(|| {
                    format!("the folder `{shown}` has neither pipeline.py nor __init__.py")
                })
            }
            Ok(_) if is_python_file(place) => None,
            Ok(_) => Some(format!("`{shown}` is no Python file")),
            Err(_) if is_python_file(place) => Some(format!("there is no file `{shown}`")),
            Err(_) => Some(format!("there is no folder `{shown}`")),
        };
        match why {
            None => Ok(found),
            Some(why) => {
                Err(Failure::usage("unknown_pipeline", why).hint("check the path of the pipeline"))
            }
        }
    }

    /// The Python file, or the folder, that the pipeline is named by.
    #[must_use]
    pub fn place(&self) -> Option<&Path> {
        let Self::Python(target) = self else {
            return None;
        };
        let path = target
            .split_once(".py:")
            .map(|(stem, _)| &target[..stem.len() + 3]);
        let path = path.unwrap_or(target);
        if path.ends_with(".py") {
            return Some(Path::new(path));
        }
        // A folder is told from a name by its slash.
        let folder = match path.rsplit_once(':') {
            Some((folder, class)) if !class.contains('/') => folder,
            _ => path,
        };
        let is_folder = folder.contains('/') || matches!(folder, "." | "..");
        is_folder.then(|| Path::new(folder))
    }

    /// The same, with the environment that it lives in. Fails only when it is interrupted.
    pub(crate) fn placed(self, python: Option<&Path>, effort: Effort) -> Result<Self, Failure> {
        let environment = match &self {
            Self::Python(name) if self.is_plain_name() => {
                environments::environment_of(name, python, effort)?
            }
            _ => None,
        };
        Ok(match (self, environment) {
            (Self::Python(name), Some(environment)) => Self::Installed {
                name,
                environment: environment.to_string(),
            },
            (it, _) => it,
        })
    }

    /// What goes into `load`.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::BuiltIn(target) | Self::Python(target) | Self::Installed { name: target, .. } => {
                target
            }
            Self::Spec(spec) => &spec.json,
        }
    }

    /// What it brings along, beneath what was asked for.
    #[must_use]
    pub fn with_initial(&self, asked: Map<String, Value>) -> Map<String, Value> {
        let mut params = match self {
            Self::Spec(spec) => spec.initial_params.clone(),
            _ => Map::new(),
        };
        params.extend(asked);
        params
    }

    /// What requests and events call it.
    #[must_use]
    pub fn public_name(&self) -> String {
        match self {
            Self::Spec(spec) => spec.name.clone(),
            other => public_name(other.target()),
        }
    }

    /// The short name, for the output's name.
    #[must_use]
    pub fn short_name(&self) -> String {
        if let Self::Spec(spec) = self {
            return plain(&spec.name);
        }
        let target = self.target();
        let (path, class) = match target.rsplit_once(':') {
            Some((path, class)) => (path, Some(class)),
            None => (target, None),
        };
        let stem = Path::new(path)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let name = class
            .map(str::to_lowercase)
            .or(stem)
            .unwrap_or_else(|| "out".into());
        plain(&name)
    }

    /// Whether it can only be an installed package's entry point.
    #[must_use]
    pub fn is_plain_name(&self) -> bool {
        matches!(self, Self::Python(target) if !is_path(target))
    }

    /// Fails for a plain name that nothing has, before anything of it is started. What cannot be told here is not refused.
    pub(crate) fn check_known(&self, python: Option<&Path>) -> Result<(), Failure> {
        let is_unknown =
            self.is_plain_name() && environments::is_known(self.target(), python)? == Some(false);
        match is_unknown {
            true => Err(self.unknown(python)),
            false => Ok(()),
        }
    }

    /// What a reader should know before this runs: packages that a built-in name hides.
    #[must_use]
    pub(crate) fn notes(&self, python: Option<&Path>, effort: Effort) -> Vec<String> {
        match self {
            Self::BuiltIn(name) => environments::hidden(name, python, effort),
            _ => Vec::new(),
        }
    }

    /// The failure for a name that nothing has, in the words of the runner contract (§9.6), and the nearest one.
    #[must_use]
    pub fn unknown(&self, python: Option<&Path>) -> Failure {
        let named = self.target();
        let (mut known, python_error) = environments::names(python);
        known.extend(filters::all().iter().map(|kind| kind.name().to_owned()));
        known.sort();
        known.dedup();
        let near = near::nearest(named, &known).map(|near| format!("did you mean `{near}`? "));
        let shown: Vec<_> = known.iter().take(SHOWN).map(String::as_str).collect();
        let more = known.len().saturating_sub(SHOWN);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let no_python =
            python_error.map(|why| format!("; Python packages were not looked at: {why}"));
        Failure::usage(
            "unknown_pipeline",
            format!(
                "Unknown pipeline: {named}. Available pipelines: {}{more}",
                shown.join(", ")
            ),
        )
        .hint(format!(
            "{}`framerill pipelines list` tells of each, `framerill pipelines install` adds a package's, and a file is \
             named by its path, such as ./mine.py{}",
            near.unwrap_or_default(),
            no_python.unwrap_or_default()
        ))
    }
}

/// Names in one line.
const SHOWN: usize = 30;

fn plain(name: &str) -> String {
    let letter = |c: char| match c.is_alphanumeric() || c == '-' || c == '_' {
        true => c,
        false => '-',
    };
    name.chars().map(letter).collect()
}

fn is_python_file(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "py")
}

/// `JSON` or `@FILE`.
pub fn params(text: &str) -> Result<Map<String, Value>, Failure> {
    let json = match text.strip_prefix('@') {
        Some(path) => {
            let mut json = String::new();
            let read = fs::File::open(path)
                .and_then(|file| file.take(PARAMS_MAX).read_to_string(&mut json));
            read.map_err(|error| {
                Failure::usage(
                    "params",
                    format!("cannot read the parameters in `{path}`: {error}"),
                )
                .hint("check the path after `@`")
            })?;
            json
        }
        None => text.to_owned(),
    };
    match serde_json::from_str(&json) {
        Ok(Value::Object(params)) => Ok(params),
        Ok(other) => {
            let shown: String = other.to_string().chars().take(40).collect();
            Err(Failure::usage(
                "params",
                format!("--params is `{shown}`, not a JSON object"),
            )
            .hint(r#"write it as '{"radius": 4}'"#))
        }
        Err(error) => Err(
            Failure::usage("params", format!("--params is not JSON: {error}"))
                .hint(r#"write it as '{"radius": 4}', in single quotes"#),
        ),
    }
}

/// `30`, `29.97` or `30000/1001`.
pub fn fps(text: &str) -> Result<[u32; 2], String> {
    let wrong = || format!("`{text}` is no frame rate: write it as 30, 29.97 or 30000/1001");
    let fraction = match text.split_once('/') {
        Some((num, den)) => [
            num.parse().map_err(|_| wrong())?,
            den.parse().map_err(|_| wrong())?,
        ],
        None => {
            let rate: f64 = text.parse().map_err(|_| wrong())?;
            if !rate.is_finite() || rate <= 0.0 || rate > 1000.0 {
                return Err(wrong());
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most a million"
            )]
            let thousandths = (rate * 1000.0).round() as u32;
            match thousandths {
                23_976 => [24_000, 1001],
                29_970 => [30_000, 1001],
                59_940 => [60_000, 1001],
                whole if whole % 1000 == 0 => [whole / 1000, 1],
                other => [other, 1000],
            }
        }
    };
    let [num, den] = fraction;
    // FFmpeg counts both in 32 bits with a sign.
    let most = i32::MAX.unsigned_abs();
    if num == 0 || den == 0 || num.max(den) > most || u64::from(num) > 1000 * u64::from(den) {
        return Err(wrong());
    }
    Ok(fraction)
}

/// Seconds, or `[HH:]MM:SS[.mmm]`.
pub fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no time: write seconds as 12.5, or 1:02:03.5");
    let mut total = 0.0;
    for part in text.split(':') {
        let part: f64 = part.parse().map_err(|_| wrong())?;
        if !part.is_finite() || part < 0.0 {
            return Err(wrong());
        }
        total = total * 60.0 + part;
    }
    if text.split(':').count() > 3 || total > 1e7 {
        Err(wrong())
    } else {
        Ok(total)
    }
}

/// A time above 0, as [`seconds`].
pub fn positive_seconds(text: &str) -> Result<f64, String> {
    match seconds(text)? {
        0.0 => Err("it has to be above 0".into()),
        above => Ok(above),
    }
}

/// `clip.mp4` and `invert` → `clip.invert.mp4`, beside the input; a generator's output lies here.
#[must_use]
pub fn default_output(input: &str, pipeline: &Pipeline) -> PathBuf {
    let name = pipeline.short_name();
    match input.strip_prefix("lavfi:") {
        Some(graph) => {
            let generator: String = graph.chars().take_while(|c| c.is_alphanumeric()).collect();
            PathBuf::from(format!("{generator}.{name}.mp4"))
        }
        None => {
            let path = Path::new(input);
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{stem}.{name}.mp4"))
        }
    }
}

/// `out.mp4` → `out.png`.
#[must_use]
pub fn preview_path(output: &Path) -> PathBuf {
    match output.as_os_str() == "-" {
        true => PathBuf::from("preview.png"),
        false => output.with_extension("png"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_are_read_exactly() {
        assert_eq!(fps("30"), Ok([30, 1]));
        assert_eq!(fps("29.97"), Ok([30_000, 1001]));
        assert_eq!(fps("30000/1001"), Ok([30_000, 1001]));
        assert_eq!(fps("12.5"), Ok([12_500, 1000]));
        for wrong in [
            "0",
            "-1",
            "x",
            "1/0",
            "0/1",
            "2000",
            "nan",
            "inf",
            "1/2/3",
            "4294967295/4294967295",
        ] {
            assert!(fps(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_seconds_or_clock_times() {
        assert_eq!(seconds("12.5"), Ok(12.5));
        assert_eq!(seconds("1:02:03.5"), Ok(3723.5));
        for wrong in ["-1", "x", "1:2:3:4", "inf", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_output_lies_beside_the_input() {
        let of = |input, target: &str| default_output(input, &Pipeline::Python(target.into()));
        assert_eq!(of("a/clip.mkv", "invert"), Path::new("a/clip.invert.mp4"));
        assert_eq!(of("clip", "./my/neon.py"), Path::new("clip.neon.mp4"));
        assert_eq!(of("clip.mp4", "pkg.mod:Glow"), Path::new("clip.glow.mp4"));
        assert_eq!(
            of("lavfi:testsrc2=size=64x64", "x"),
            Path::new("testsrc2.x.mp4")
        );
    }

    #[test]
    fn parameters_are_an_object_or_a_clear_failure() {
        assert!(params(r#"{"a": 1}"#).is_ok());
        for wrong in ["", "[]", "3", "{a: 1}", "@/no/such/file"] {
            assert_eq!(
                params(wrong).unwrap_err().exit,
                crate::exit::Exit::Usage,
                "{wrong}"
            );
        }
    }
}
