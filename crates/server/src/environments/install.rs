//! Making an environment: beside what is there, and counted only when it is whole.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{
    fingerprint::{digest, of_sources},
    home::Home,
    installer::{Installer, Order},
    litter,
    name::{Name, normal},
    record::{self, Record},
    renew,
    scan::{EntryPoint, Place, Requested, Scan},
    spec::{Kind, Spec, Wish},
    subprocess::Subprocesses,
    wheels,
};
use crate::{failure::Failure, program};

/// What is to be installed, and how.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Package, path or repository.
    pub(crate) spec: String,
    /// The environment's name; none takes the package's.
    pub(crate) env: Option<String>,
    /// The Python to make it with.
    pub(crate) python: Option<PathBuf>,
    /// Whether an index may be asked.
    pub(crate) index: bool,
    /// Folders and pages to look for packages in.
    pub(crate) find_links: Vec<String>,
    pub(crate) editable: bool,
    /// Even if it is there.
    pub(crate) upgrade: bool,
    pub(crate) within: Duration,
}

/// An environment as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) record: Record,
    pub(crate) interpreter: PathBuf,
    /// Those of the package.
    pub(crate) pipelines: Vec<EntryPoint>,
    /// It was there already; nothing was installed.
    pub(crate) was_there: bool,
}

/// Installs it, unless it is there; what the installer says goes to `say`, a line each.
pub(crate) fn install(wanted: &Wanted, mut say: impl FnMut(&str)) -> Result<Made, Failure> {
    let home = Home::find()?;
    let here = env::current_dir().map_err(|error| {
        Failure::cannot_start(
            "home",
            format!("the current folder cannot be used: {error}"),
        )
    })?;
    let spec = Spec::parse(&wanted.spec, &here)?;
    if wanted.editable && spec.folder().is_none() {
        let text = format!(
            "`{}` is no folder, and only a folder can be edited",
            spec.shown()
        );
        return Err(
            Failure::usage("install_spec", text).hint("leave --editable out, or give a folder")
        );
    }
    let asked = wanted.env.as_deref().map(Name::parse).transpose();
    let asked = asked.map_err(|why| Failure::usage("environment_name", why))?;
    let links = find_links(&wanted.find_links, &here)?;
    if !wanted.upgrade
        && let Some(made) = is_there(&home, &spec, asked.as_ref(), wanted)?
    {
        return Ok(made);
    }
    let shelf = wheels::put(&home)?;
    let base = program::python(wanted.python.as_deref());
    let mut site = litter::Site::new(&home)?;
    let mut subprocesses = Subprocesses::begin(wanted.within)?;
    let installer = Installer::find();
    installer.make(&mut subprocesses, &base, &site.folder, &mut say)?;
    let order = Order {
        spec: &spec.argument,
        editable: wanted.editable,
        index: wanted.index,
        find_links: &links,
        shelf: &shelf,
        upgrade: wanted.upgrade,
    };
    installer.install(&mut subprocesses, &site.folder, &order, &mut say)?;
    let interpreter = site.folder.join("bin/python");
    let scan = Place::Own(interpreter.clone()).scan(&home)?;
    subprocesses.check()?;
    let (distribution, version) = distribution_of(&spec, &scan)?;
    let pipelines = pipelines_of(&distribution, &scan)?;
    let name = match asked {
        Some(name) => name,
        None => Name::of_package(&distribution).map_err(|why| {
            Failure::usage("environment_name", why).hint("name the environment with --env")
        })?,
    };
    let earlier = record::of(&home, &name);
    keeps_its_promise(earlier.as_ref(), &pipelines, &name)?;
    let record = Record {
        name,
        folder: site.name(),
        spec: spec.shown(),
        spec_digest: digest_of(&spec, wanted.editable),
        distribution,
        version,
        editable: wanted.editable,
        python: scan.python.clone(),
        base,
        installer: installer.name().to_owned(),
        runtime: wheels::DIGEST.to_owned(),
        pipelines: pipelines.iter().map(|it| it.name.clone()).collect(),
    };
    record.write(&home)?;
    site.keep();
    record.link(&home);
    litter::clear(&home);
    Ok(Made {
        record,
        interpreter,
        pipelines,
        was_there: false,
    })
}

/// Removes an environment. Whether there was one.
pub(crate) fn remove(name: &str) -> Result<bool, Failure> {
    let home = Home::find()?;
    let name = Name::parse(name).map_err(|why| Failure::usage("environment_name", why))?;
    let was_there = record::remove(&home, &name)?;
    if was_there {
        fs::remove_file(home.environments().join(name.as_str())).ok();
        litter::clear(&home);
    }
    Ok(was_there)
}

/// An environment that has it already.
///
/// Fails only when it is interrupted.
fn is_there(
    home: &Home,
    spec: &Spec,
    asked: Option<&Name>,
    wanted: &Wanted,
) -> Result<Option<Made>, Failure> {
    let wished = digest_of(spec, wanted.editable);
    let fits = |record: &Record| {
        asked.is_none_or(|it| *it == record.name)
            && (record.spec_digest == wished
                || is_satisfied(spec, &record.distribution, &record.version))
            && record.editable == wanted.editable
            && wanted.python.as_ref().is_none_or(|it| *it == record.base)
            && record.interpreter(home).exists()
    };
    let Some(record) = record::all(home).into_iter().find(fits) else {
        return Ok(None);
    };
    let Some(record) = renew::if_old(home, &record)? else {
        return Ok(None);
    };
    let interpreter = record.interpreter(home);
    let scan = Place::Own(interpreter.clone()).look(home);
    let pipelines = scan.and_then(|scan| pipelines_of(&record.distribution, &scan));
    Ok(pipelines.ok().map(|pipelines| Made {
        record,
        interpreter,
        pipelines,
        was_there: true,
    }))
}

/// What the usual Python has of a package already, if it is that one.
pub(crate) fn in_usual_python(spec: &str, python: Option<&Path>) -> Option<Vec<EntryPoint>> {
    let home = Home::find().ok()?;
    let spec = Spec::parse(spec, &env::current_dir().ok()?).ok()?;
    let found = Place::Usual(program::python(python))
        .look(&home)
        .ok()?
        .pipelines;
    let fits = |it: &EntryPoint| is_satisfied(&spec, &it.distribution, &it.version);
    let all: Vec<_> = found.into_iter().filter(fits).collect();
    (!all.is_empty()).then_some(all)
}

/// Only for wishes that need no installer to understand.
fn is_satisfied(spec: &Spec, distribution: &str, version: &str) -> bool {
    match &spec.kind {
        Kind::Index { name, wish } => {
            *name == normal(distribution)
                && match wish {
                    Wish::Any => true,
                    Wish::Exactly(wished) => wished == version,
                    Wish::Other => false,
                }
        }
        Kind::Path(_) | Kind::Url => false,
    }
}

/// Of what was asked for; sources that have changed are something else, unless they are used where they lie.
fn digest_of(spec: &Spec, editable: bool) -> String {
    let state = match &spec.kind {
        Kind::Path(path) if path.is_dir() && editable => of_sources(&path.join("pyproject.toml")),
        Kind::Path(path) => of_sources(path),
        _ => String::new(),
    };
    digest(&format!("{}\n{editable}\n{state}", spec.argument))
}

fn find_links(all: &[String], here: &Path) -> Result<Vec<String>, Failure> {
    let one = |it: &String| {
        if it.contains("://") {
            return Ok(it.clone());
        }
        let path = here.join(it);
        match path.to_str().filter(|_| path.is_dir()) {
            Some(path) if !it.starts_with('-') => Ok(path.to_owned()),
            _ => Err(Failure::usage(
                "usage",
                format!("`{it}` is no folder to look for packages in"),
            )
            .hint("give a folder of wheels with --find-links")),
        }
    };
    all.iter().map(one).collect()
}

/// The distribution that was asked for: by its name, else the one that was installed from there. uv says of whatever it installs that
/// it was asked for, so that where it came from, and what it registers, decide.
fn distribution_of(spec: &Spec, scan: &Scan) -> Result<(String, String), Failure> {
    let is_it = |name: &str| match &spec.kind {
        Kind::Index { name: wished, .. } => *wished == normal(name),
        Kind::Path(_) | Kind::Url => {
            !wheels::is_ours(name) && !OF_INSTALLERS.contains(&normal(name).as_str())
        }
    };
    let registers = |it: &Requested| {
        let name = normal(&it.name);
        let mut all = scan.pipelines.iter();
        all.any(|pipeline| normal(&pipeline.distribution) == name)
    };
    let found = scan.requested.iter().filter(|it| is_it(&it.name));
    let found = found.max_by_key(|it| {
        let url = it.url.as_deref();
        (
            url.is_some_and(|url| is_from(spec, url)),
            registers(it),
            url.is_some(),
        )
    });
    found
        .map(|it| (it.name.clone(), it.version.clone()))
        .ok_or_else(|| {
            let text = format!(
                "`{}` was installed, but no package of its is there",
                spec.shown()
            );
            Failure::failed("install", text).hint("give a package that registers a pipeline")
        })
}

/// Whether an address that an installer wrote down is what was asked for.
fn is_from(spec: &Spec, url: &str) -> bool {
    match &spec.kind {
        Kind::Index { .. } => false,
        Kind::Path(path) => {
            let written = url.strip_prefix("file://").unwrap_or(url);
            let whole = percent_encode(path.as_os_str().as_encoded_bytes(), IN_PATHS);
            whole.to_string() == written.trim_end_matches('/')
        }
        Kind::Url => spec.argument.contains(url),
    }
}

/// What is written otherwise where a path stands in an address (RFC 3986, unreserved characters and the slash).
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What a fresh environment may hold already.
const OF_INSTALLERS: [&str; 4] = ["pip", "setuptools", "wheel", "uv"];

/// The pipelines that a package registers, or that come with it.
fn pipelines_of(distribution: &str, scan: &Scan) -> Result<Vec<EntryPoint>, Failure> {
    let is_own = |it: &&EntryPoint| normal(&it.distribution) == normal(distribution);
    let own: Vec<_> = scan.pipelines.iter().filter(is_own).cloned().collect();
    if !own.is_empty() {
        return Ok(own);
    }
    let others = scan
        .pipelines
        .iter()
        .filter(|it| !wheels::is_ours(&it.distribution));
    let others: Vec<_> = others.cloned().collect();
    if others.is_empty() {
        let text = format!("`{distribution}` registers no pipeline");
        return Err(Failure::failed("no_entry_point", text).hint(
            "its pyproject.toml needs [project.entry-points.\"ai_runner.pipelines\"] with NAME = \"module:Class\"",
        ));
    }
    Ok(others)
}

/// An environment that works is not replaced by one of which nothing does.
fn keeps_its_promise(
    earlier: Option<&Record>,
    pipelines: &[EntryPoint],
    name: &Name,
) -> Result<(), Failure> {
    let first_error = pipelines.iter().find_map(|it| it.error.as_deref());
    match (earlier, first_error) {
        (Some(_), Some(error)) if pipelines.iter().all(|it| it.error.is_some()) => {
            let text =
                format!("no pipeline of it can be used, and `{name}` stays as it was: {error}");
            Err(Failure::failed("install", text).hint(format!(
                "mend the package, or `framerill pipelines remove {name}` first"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record::example, *};

    fn found(name: &str, distribution: &str, error: Option<&str>) -> EntryPoint {
        EntryPoint {
            error: error.map(str::to_owned),
            ..EntryPoint::example(name, distribution)
        }
    }

    #[test]
    fn a_name_or_an_exact_version_is_satisfied_and_a_range_asks_an_installer() {
        let is = |text: &str, version: &str| {
            let spec = Spec::parse(text, Path::new("/")).unwrap();
            is_satisfied(&spec, "My.Pipeline", version)
        };
        assert!(is("my-pipeline", "1.0") && is("my_pipeline==1.0", "1.0"));
        assert!(
            !is("my-pipeline==1.1", "1.0") && !is("my-pipeline>=1", "1.0") && !is("other", "1.0")
        );
    }

    #[test]
    fn of_everything_that_was_asked_for_the_one_that_came_from_there_is_meant() {
        let asked = |name: &str, url: Option<&str>| Requested {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            url: url.map(str::to_owned),
        };
        let mut scan = Scan::of(&[found("glow", "glow", None), found("dep", "Dep", None)]);
        let chosen = |scan: &Scan, text: &str| {
            let spec = match text.strip_prefix("/") {
                Some(_) => Spec {
                    argument: text.to_owned(),
                    kind: Kind::Path(text.into()),
                },
                None => Spec::parse(text, Path::new("/")).unwrap(),
            };
            distribution_of(&spec, scan).unwrap().0
        };
        scan.requested = vec![
            asked("annotated-types", None),
            asked("framerill", Some("file:///shelf/framerill.whl")),
            asked("Dep", Some("https://h/dep.git")),
            asked("glow", Some("file:///wheels/glow%201.whl")),
            asked("pydantic_core", None),
        ];
        assert_eq!(chosen(&scan, "/wheels/glow 1.whl"), "glow");
        assert_eq!(chosen(&scan, "git+https://h/dep.git@v1"), "Dep");
        assert_eq!(chosen(&scan, "dep"), "Dep");
        // Nobody wrote down where it came from: what registers a pipeline is meant.
        scan.requested = vec![
            asked("annotated-types", None),
            asked("glow", None),
            asked("pydantic_core", None),
        ];
        assert_eq!(chosen(&scan, "/wheels/glow.whl"), "glow");
    }

    #[test]
    fn a_package_without_a_pipeline_is_refused_and_one_that_brings_others_is_not() {
        assert!(pipelines_of("x", &Scan::of(&[])).is_err());
        let ours = Scan::of(&[found("noop", "framerill", None)]);
        assert_eq!(pipelines_of("x", &ours).unwrap_err().code, "no_entry_point");
        let all = Scan::of(&[found("glow", "glow", None), found("x", "X", None)]);
        assert_eq!(pipelines_of("x", &all).unwrap().len(), 1);
        assert_eq!(pipelines_of("meta", &all).unwrap().len(), 2);
    }

    #[test]
    fn only_what_works_replaces_what_is_there() {
        let name = Name::parse("glow").unwrap();
        let earlier = example("glow", &["glow"]);
        let broken = [found("glow", "glow", Some("no torch"))];
        let half = [
            found("glow", "glow", Some("no torch")),
            found("glow-fast", "glow", None),
        ];
        assert!(keeps_its_promise(None, &broken, &name).is_ok());
        assert!(keeps_its_promise(Some(&earlier), &half, &name).is_ok());
        let failure = keeps_its_promise(Some(&earlier), &broken, &name).unwrap_err();
        assert!(failure.message.contains("no torch"), "{failure}");
    }
}
