//! Which pipeline is served, and by which names it is known.

use framerill_worker::filters;

use super::source::{Layer, Name, Sourced};
use crate::{
    failure::Failure,
    run::{PipelineSpec, is_path, public_name},
};

/// What is installed before anything is served.
pub(super) const INSTALL: Name = Name::new(
    "--install",
    "FRAMERILL_INSTALL",
    Some("AUTO_INSTALL_PIPELINE"),
);

/// What `PIPELINE` says in images whose pipeline `MODEL_ID` names.
pub(super) const ROUTE: &str = "live-video-to-video";

/// The pipeline that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    /// What infer is told to run: a name, `module:Class`, a file, or a specification.
    pub(super) target: String,
    /// What a request's `model_id` is compared with.
    pub(super) name: String,
    /// `pipeline` of `/version`.
    pub(super) shown_pipeline: String,
    /// `model_id` of `/version`.
    pub(super) shown_model: String,
}

/// From `--pipeline` and `--model-id`, their twins, `PIPELINE` and `MODEL_ID`. With what a reader should know.
///
/// `MODEL_ID` names the pipeline; `PIPELINE` is `live-video-to-video`, or names the pipeline itself. In a container both
/// have to be set; said to framerill, one of them is enough.
///
/// Where a package was installed at the start, its one entry point is served unless something else is named.
pub(super) fn pipeline(
    pipeline: Option<Sourced>,
    model: Option<Sourced>,
    installed: Option<&[String]>,
) -> Result<(Pipeline, Vec<String>), Failure> {
    let names_none = pipeline.as_ref().is_none_or(|it| it.value == ROUTE) && model.is_none();
    if let Some(installed) = installed {
        return match (names_none, installed) {
            (false, _) => named(pipeline, model),
            (true, [only]) if filters::find(only).is_some() => Err(hidden(only)),
            (true, [only]) => named(pipeline, Some(of_package(only))),
            (true, several) => Err(undecided(several)),
        };
    }
    all_named(&pipeline, &model)?;
    named(pipeline, model)
}

fn of_package(name: &str) -> Sourced {
    Sourced {
        value: name.to_owned(),
        layer: INSTALL
            .contract
            .map_or(Layer::Flag(INSTALL.flag), Layer::Contract),
    }
}

fn hidden(only: &str) -> Failure {
    let text = format!(
        "the pipeline `{only}` of the package that was installed has a built-in one's name, which hides it"
    );
    Failure::usage("no_pipeline", text).hint(
        "name it by its class, MODEL_ID=package.module:Class, and the Python that has it with FRAMERILL_PYTHON; \
         `framerill pipelines list` tells both",
    )
}

fn undecided(several: &[String]) -> Failure {
    let text = format!(
        "the package that was installed registers several pipelines: {}",
        several.join(", ")
    );
    Failure::usage("no_pipeline", text).hint("name one with MODEL_ID or `--pipeline`")
}

/// Whether enough is named: in a container both variables are.
fn all_named(pipeline: &Option<Sourced>, model: &Option<Sourced>) -> Result<(), Failure> {
    let explicit =
        |found: &Option<Sourced>| found.as_ref().is_some_and(|it| it.layer.is_explicit());
    if !explicit(pipeline) && !explicit(model) {
        for (found, variable) in [(pipeline, "PIPELINE"), (model, "MODEL_ID")] {
            if found.is_none() {
                return Err(no_pipeline(variable));
            }
        }
    }
    Ok(())
}

fn named(
    pipeline: Option<Sourced>,
    model: Option<Sourced>,
) -> Result<(Pipeline, Vec<String>), Failure> {
    let route = pipeline.as_ref().is_some_and(|it| it.value == ROUTE);
    let own = pipeline.as_ref().filter(|_| !route);
    let target = match (own, &model) {
        (Some(own), _) if own.layer.is_explicit() || is_path(&own.value) => &own.value,
        (_, Some(model)) => &model.value,
        (Some(own), None) => &own.value,
        (None, None) => return Err(no_pipeline("MODEL_ID")),
    };
    let name = name_of(target)?;
    let from_image = |it: &&Sourced| !it.layer.is_explicit();
    let shown_pipeline = pipeline.as_ref().filter(from_image);
    let it = Pipeline {
        target: target.clone(),
        shown_pipeline: shown_pipeline.map_or_else(|| ROUTE.to_owned(), |it| it.value.clone()),
        shown_model: model
            .as_ref()
            .map_or_else(|| name.clone(), |it| it.value.clone()),
        name,
    };
    let named = [own, model.as_ref()].into_iter().flatten();
    let notes = named
        .filter(|found| found.value != it.name && found.value != it.target)
        .map(|found| {
            let Sourced { value, layer } = found;
            format!(
                "{layer} is `{value}`, and the pipeline's name is `{}`; requests are compared with its name",
                it.name
            )
        })
        .collect();
    Ok((it, notes))
}

fn no_pipeline(variable: &str) -> Failure {
    let text = format!("no pipeline is named: `{variable}` is not set");
    Failure::usage("no_pipeline", text).hint(
        "give `--pipeline noop`, or FRAMERILL_PIPELINE=noop, or set PIPELINE=live-video-to-video and MODEL_ID=noop, both of them",
    )
}

/// A specification has one; all else is as infer calls it.
fn name_of(target: &str) -> Result<String, Failure> {
    if PipelineSpec::is_one(target) {
        return Ok(PipelineSpec::parse(target)?.name);
    }
    Ok(public_name(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &'static str, value: &str) -> Option<Sourced> {
        Some(Sourced {
            value: value.into(),
            layer: Layer::Contract(name),
        })
    }

    fn flag(value: &str) -> Option<Sourced> {
        Some(Sourced {
            value: value.into(),
            layer: Layer::Flag("--pipeline"),
        })
    }

    #[test]
    fn the_images_way_names_the_pipeline_by_model_id() {
        let (it, notes) = pipeline(env("PIPELINE", ROUTE), env("MODEL_ID", "noop"), None).unwrap();
        assert_eq!((it.target.as_str(), it.name.as_str()), ("noop", "noop"));
        assert_eq!(
            (it.shown_pipeline.as_str(), it.shown_model.as_str()),
            (ROUTE, "noop")
        );
        assert!(notes.is_empty());
    }

    #[test]
    fn d21_the_briefs_way_names_it_by_both() {
        let (it, notes) = pipeline(env("PIPELINE", "mine"), env("MODEL_ID", "mine"), None).unwrap();
        assert_eq!((it.target.as_str(), it.name.as_str()), ("mine", "mine"));
        assert_eq!(it.shown_pipeline, "mine");
        assert!(notes.is_empty());
    }

    #[test]
    fn d34_names_that_differ_are_shown_as_given_and_noted() {
        let (it, notes) =
            pipeline(env("PIPELINE", "mine"), env("MODEL_ID", "other"), None).unwrap();
        assert_eq!(it.name, "other");
        assert_eq!(
            (it.shown_pipeline.as_str(), it.shown_model.as_str()),
            ("mine", "other")
        );
        assert_eq!(notes.len(), 1);
        let (it, notes) =
            pipeline(flag("pkg.mod:GreenPipeline"), env("MODEL_ID", "red"), None).unwrap();
        assert_eq!(
            (it.name.as_str(), it.shown_model.as_str()),
            ("green", "red")
        );
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn without_both_variables_a_container_does_not_start_and_the_missing_one_is_named() {
        let complaint = |p, m| pipeline(p, m, None).unwrap_err().to_string();
        assert!(complaint(None, None).contains("PIPELINE"));
        assert!(complaint(env("PIPELINE", ROUTE), None).contains("MODEL_ID"));
        assert!(complaint(None, env("MODEL_ID", "noop")).contains("PIPELINE"));
    }

    #[test]
    fn a_flag_alone_is_enough_and_may_be_a_class_or_a_file() {
        for (target, name) in [
            ("noop", "noop"),
            ("pkg.mod:GreenPipeline", "green"),
            ("./dir/mine.py", "mine"),
            ("mine.py:Invert", "invert"),
            ("p:Pipeline", "pipeline"),
        ] {
            let (it, notes) = pipeline(flag(target), None, None).unwrap();
            assert_eq!((it.target.as_str(), it.name.as_str()), (target, name));
            assert_eq!(it.shown_pipeline, ROUTE);
            assert!(notes.is_empty());
        }
    }

    #[test]
    fn the_one_pipeline_of_an_installed_package_is_served_and_several_are_named() {
        let one = ["glow".to_owned()];
        let (it, notes) = pipeline(None, None, Some(&one)).unwrap();
        assert_eq!(
            (it.target.as_str(), it.shown_model.as_str()),
            ("glow", "glow")
        );
        assert!(notes.is_empty());
        let (it, _) = pipeline(env("PIPELINE", ROUTE), None, Some(&one)).unwrap();
        assert_eq!(
            (it.target.as_str(), it.shown_pipeline.as_str()),
            ("glow", ROUTE)
        );
        let same = ["blur".to_owned()];
        let complaint = pipeline(None, None, Some(&same)).unwrap_err().to_string();
        assert!(
            complaint.contains("`blur`") && complaint.contains("module:Class"),
            "{complaint}"
        );
        let two = ["glow".to_owned(), "glow-fast".to_owned()];
        let complaint = pipeline(None, None, Some(&two)).unwrap_err().to_string();
        assert!(
            complaint.contains("glow, glow-fast") && complaint.contains("MODEL_ID"),
            "{complaint}"
        );
        let (it, _) = pipeline(env("PIPELINE", "glow-fast"), None, Some(&two)).unwrap();
        assert_eq!(it.name, "glow-fast");
        let (it, _) = pipeline(None, env("MODEL_ID", "glow"), Some(&two)).unwrap();
        assert_eq!(it.name, "glow");
    }

    #[test]
    fn a_specification_is_known_by_its_name() {
        let json = r#"{"pipeline_cls": "pkg.mod:GreenPipeline", "initial_params": {"a": "b/c:d"}}"#;
        for found in [flag(json), env("PIPELINE", json)] {
            let (it, _) = pipeline(found, env("MODEL_ID", "green"), None).unwrap();
            assert_eq!((it.target.as_str(), it.name.as_str()), (json, "green"));
        }
        assert!(pipeline(flag("{}"), None, None).is_err());
    }
}
