//! A pipeline that is told whole: the JSON of a `PipelineSpec` (runner contract §9.5). Pure.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// A class, and what it is loaded with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineSpec {
    /// What requests call it.
    pub name: String,
    /// Merged beneath what is asked for.
    pub initial_params: Map<String, Value>,
    /// All of it, for the worker.
    pub json: String,
}

impl PipelineSpec {
    /// Whether a name is one.
    #[must_use]
    pub fn is_one(named: &str) -> bool {
        named.trim_start().starts_with('{')
    }

    /// Reads it.
    pub fn parse(json: &str) -> Result<Self, Failure> {
        let wrong = |why: String| {
            Failure::usage("pipeline_spec", format!("the pipeline's specification is wrong: {why}")).hint(
                r#"write it as {"pipeline_cls": "package.module:Class", "name": "mine", "initial_params": {}}"#,
            )
        };
        let spec: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let text = |key: &str| match spec.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(wrong(format!("`{key}` is {other:.40}, not text"))),
        };
        let class =
            text("pipeline_cls")?.ok_or_else(|| wrong("`pipeline_cls` is missing".into()))?;
        let derived = class_name(class)
            .ok_or_else(|| wrong(format!("`pipeline_cls` is `{class:.80}`, not module:Class")))?;
        text("params_cls")?;
        let initial_params = match spec.get("initial_params") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params.clone(),
            Some(other) => {
                return Err(wrong(format!(
                    "`initial_params` is {other:.40}, not an object"
                )));
            }
        };
        let name = text("name")?.filter(|it| !it.is_empty());
        Ok(Self {
            name: name.map_or(derived, str::to_owned),
            initial_params,
            // YAML leaves blanks around it.
            json: json.trim().to_owned(),
        })
    }
}

/// A name stands for itself. A class gives its own, in lower case, without `pipeline` at its end; a file its stem.
pub(crate) fn public_name(target: &str) -> String {
    if let Some(name) = class_name(target) {
        return name;
    }
    if is_path(target) {
        let path = target.trim_end_matches('/');
        let file = path.rsplit('/').next().unwrap_or(path);
        return file.strip_suffix(".py").unwrap_or(file).to_owned();
    }
    target.to_owned()
}

/// Whether a target is the path of a file, a folder or a class, and no plain name.
pub(crate) fn is_path(target: &str) -> bool {
    target.contains(['/', ':']) || target.ends_with(".py") || matches!(target, "." | "..")
}

/// `package.module:GreenPipeline` is `green`.
fn class_name(target: &str) -> Option<String> {
    let (module, class) = target.rsplit_once(':')?;
    if module.is_empty() || class.is_empty() {
        return None;
    }
    let class = class.to_lowercase();
    Some(match class.strip_suffix("pipeline") {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => class,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_specification_has_a_name_of_its_own_or_its_classs() {
        let it = PipelineSpec::parse(
            r#"{"name": "mine", "pipeline_cls": "a.b:C", "params_cls": null, "initial_params": {"x": 1}}"#,
        )
        .unwrap();
        assert_eq!((it.name.as_str(), it.initial_params.len()), ("mine", 1));
        let it = PipelineSpec::parse(r#"{"pipeline_cls": "a.b:GreenPipeline"}"#).unwrap();
        assert_eq!(it.name, "green");
    }

    #[test]
    fn what_is_wrong_with_one_is_named() {
        for (json, named) in [
            ("{", "EOF"),
            ("{}", "pipeline_cls"),
            (r#"{"pipeline_cls": 3}"#, "pipeline_cls"),
            (r#"{"pipeline_cls": "no_class"}"#, "module:Class"),
            (
                r#"{"pipeline_cls": "a:B", "initial_params": []}"#,
                "initial_params",
            ),
            (r#"{"pipeline_cls": "a:B", "params_cls": []}"#, "params_cls"),
            (r#"{"pipeline_cls": "a:B", "name": 1}"#, "name"),
        ] {
            let failure = PipelineSpec::parse(json).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(named), "{failure}");
        }
    }
}
