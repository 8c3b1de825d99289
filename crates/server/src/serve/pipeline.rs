//! Which pipeline is served, and by which names it is known.

use super::source::Found;
use crate::failure::Failure;

/// What `PIPELINE` says in images whose pipeline `MODEL_ID` names.
pub(super) const ROUTE: &str = "live-video-to-video";

/// The pipeline that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    /// What infer is told to run: a name, `module:Class`, or a file.
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
pub(super) fn pipeline(
    pipeline: Option<Found>,
    model: Option<Found>,
) -> Result<(Pipeline, Vec<String>), Failure> {
    let explicit = |found: &Option<Found>| found.as_ref().is_some_and(|it| it.layer.is_explicit());
    if !explicit(&pipeline) && !explicit(&model) {
        for (found, variable) in [(&pipeline, "PIPELINE"), (&model, "MODEL_ID")] {
            if found.is_none() {
                return Err(no_pipeline(variable));
            }
        }
    }
    let route = pipeline.as_ref().is_some_and(|it| it.value == ROUTE);
    let own = pipeline.as_ref().filter(|_| !route);
    let target = match (own, &model) {
        (Some(own), _) if own.layer.is_explicit() || is_path(&own.value) => &own.value,
        (_, Some(model)) => &model.value,
        (Some(own), None) => &own.value,
        (None, None) => return Err(no_pipeline("MODEL_ID")),
    };
    let name = name_of(target);
    let from_image = |it: &&Found| !it.layer.is_explicit();
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
            let Found { value, layer } = found;
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

fn is_path(target: &str) -> bool {
    target.contains(['/', ':']) || target.ends_with(".py")
}

/// A name stands for itself. A class gives its own, in lower case, without `pipeline` at its end; a file its stem.
fn name_of(target: &str) -> String {
    if let Some((file, class)) = target.rsplit_once(':')
        && !file.is_empty()
        && !class.is_empty()
    {
        let class = class.to_lowercase();
        return match class.strip_suffix("pipeline") {
            Some(short) if !short.is_empty() => short.to_owned(),
            _ => class,
        };
    }
    if is_path(target) {
        let file = target.rsplit('/').next().unwrap_or(target);
        return file.strip_suffix(".py").unwrap_or(file).to_owned();
    }
    target.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::source::Layer, *};

    fn env(name: &'static str, value: &str) -> Option<Found> {
        Some(Found {
            value: value.into(),
            layer: Layer::Contract(name),
        })
    }

    fn flag(value: &str) -> Option<Found> {
        Some(Found {
            value: value.into(),
            layer: Layer::Flag("--pipeline"),
        })
    }

    #[test]
    fn the_images_way_names_the_pipeline_by_model_id() {
        let (it, notes) = pipeline(env("PIPELINE", ROUTE), env("MODEL_ID", "noop")).unwrap();
        assert_eq!((it.target.as_str(), it.name.as_str()), ("noop", "noop"));
        assert_eq!(
            (it.shown_pipeline.as_str(), it.shown_model.as_str()),
            (ROUTE, "noop")
        );
        assert!(notes.is_empty());
    }

    #[test]
    fn d21_the_briefs_way_names_it_by_both() {
        let (it, notes) = pipeline(env("PIPELINE", "mine"), env("MODEL_ID", "mine")).unwrap();
        assert_eq!((it.target.as_str(), it.name.as_str()), ("mine", "mine"));
        assert_eq!(it.shown_pipeline, "mine");
        assert!(notes.is_empty());
    }

    #[test]
    fn d34_names_that_differ_are_shown_as_given_and_noted() {
        let (it, notes) = pipeline(env("PIPELINE", "mine"), env("MODEL_ID", "other")).unwrap();
        assert_eq!(it.name, "other");
        assert_eq!(
            (it.shown_pipeline.as_str(), it.shown_model.as_str()),
            ("mine", "other")
        );
        assert_eq!(notes.len(), 1);
        let (it, notes) = pipeline(flag("pkg.mod:GreenPipeline"), env("MODEL_ID", "red")).unwrap();
        assert_eq!(
            (it.name.as_str(), it.shown_model.as_str()),
            ("green", "red")
        );
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn without_both_variables_a_container_does_not_start_and_the_missing_one_is_named() {
        let complaint = |p, m| pipeline(p, m).unwrap_err().to_string();
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
            let (it, notes) = pipeline(flag(target), None).unwrap();
            assert_eq!((it.target.as_str(), it.name.as_str()), (target, name));
            assert_eq!(it.shown_pipeline, ROUTE);
            assert!(notes.is_empty());
        }
    }
}
