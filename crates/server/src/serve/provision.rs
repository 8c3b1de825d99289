//! What is done before anything is served: installing a package, preparing a pipeline's models.

use std::time::Duration;

use super::{
    settings::{self, Settings},
    source::Sources,
};
use crate::{
    environments::{self, EntryPoint, Wanted},
    exit::Exit,
    failure::Failure,
    log::{Level, log, speak_as},
    prepare,
    run::Pipeline,
    terminal,
};

/// An orchestrator waits longer for images; what does not come within this does not come.
const INSTALL_WITHIN: Duration = Duration::from_secs(1800);

/// Installs what the settings ask for, unless it is there: the names that it has. None where nothing is asked for.
pub(super) fn install(from: &mut Sources) -> Result<Option<Vec<String>>, Failure> {
    let Some((asked, python)) = settings::auto_install(from) else {
        return Ok(None);
    };
    speak_as("serve", false);
    if let Some(found) = environments::in_usual_python(&asked.value, python.as_deref()) {
        return names(&found).map(Some);
    }
    let wanted = Wanted {
        spec: asked.value,
        env: None,
        python,
        index: true,
        find_links: Vec::new(),
        editable: false,
        upgrade: false,
        within: INSTALL_WITHIN,
    };
    let made = environments::install(&wanted, |line| {
        log(Level::Info, format_args!("installing: {line}"))
    });
    // A wrong value is the user's to mend; whatever else happens, the start ends here.
    let made = made.map_err(|failure| Failure {
        exit: match failure.exit {
            Exit::Failed => Exit::CannotStart,
            other => other,
        },
        ..failure
    })?;
    let it = &made.record;
    let done = if made.was_there {
        "is there"
    } else {
        "was installed"
    };
    log(
        Level::Info,
        format_args!(
            "{} {} {done} in environment `{}`",
            it.distribution, it.version, it.name
        ),
    );
    names(&made.pipelines).map(Some)
}

/// Of those that can be used. What is wrong with the others is told.
fn names(found: &[EntryPoint]) -> Result<Vec<String>, Failure> {
    for it in found {
        if let Some(error) = &it.error {
            log(
                Level::Error,
                format_args!("`{}` cannot be used: {error}", it.name),
            );
        }
    }
    let usable = found.iter().filter(|it| it.error.is_none());
    let names: Vec<_> = usable.map(|it| it.name.clone()).collect();
    match (names.is_empty(), found.first()) {
        (
            true,
            Some(EntryPoint {
                name,
                error: Some(error),
                ..
            }),
        ) => {
            let text = format!("`{name}` cannot be used: {error}");
            Err(Failure::cannot_start("import_failed", text))
        }
        _ => Ok(names),
    }
}

/// Has the pipeline prepare its models; nothing is served.
pub(super) fn prepare(settings: &Settings, json: bool) -> Result<Exit, Failure> {
    let pipeline = Pipeline::find(&settings.pipeline.target)?;
    let models = settings.model_dir.clone();
    prepare::prepare(pipeline, settings.python.as_deref(), models, json)?;
    if json {
        terminal::answer(
            serde_json::json!({"event": "prepared", "pipeline": settings.pipeline.name}),
        );
    }
    Ok(Exit::Done)
}
