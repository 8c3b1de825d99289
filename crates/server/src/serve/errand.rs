//! What is done before serving, or instead of it, by a child that then ends: install a pipeline, prepare its models.

use std::{path::PathBuf, sync::mpsc::sync_channel};

use framerill_supervisor::{Child, ChildId, Command, Event, ExitReason, Notice};

use super::settings::Settings;
use crate::{
    exit::Exit,
    failure::Failure,
    log::{Level, log},
    program, terminal,
};

/// Lines that wait for stderr; then the child does.
const WAITING: usize = 64;

/// Installs the package that the settings name, if they name one.
pub(super) fn install(settings: &Settings) -> Result<(), Failure> {
    let Some(package) = &settings.install else {
        return Ok(());
    };
    log(Level::Info, format_args!("installing {package}"));
    run(settings, ["pipelines", "install", package]).map_err(|why| {
        let text = format!("cannot install `{package}`: {why}");
        Failure::cannot_start("install", text)
            .hint("mend AUTO_INSTALL_PIPELINE, or install it into the image")
    })
}

/// Prepares the models of the pipeline. It is all that was asked for then.
pub(super) fn prepare(settings: &Settings) -> Result<Exit, Failure> {
    let target = &settings.pipeline.target;
    log(
        Level::Info,
        format_args!("preparing the models of {target}"),
    );
    let done = run(settings, ["pipelines", "prepare", target]);
    done.map(|()| Exit::Done).map_err(|why| {
        let text = format!("cannot prepare the models of `{target}`: {why}");
        Failure::failed("prepare", text).hint("the lines above say why")
    })
}

/// To its end, however long that takes. It dies with this process.
fn run(settings: &Settings, args: [&str; 3]) -> Result<(), String> {
    let this = || program::this().map_err(|failure| failure.to_string());
    let program: PathBuf = settings.infer_program.clone().map_or_else(this, Ok)?;
    let (owner, notices) = sync_channel::<Notice>(WAITING);
    let command = Command::new(program).args(args);
    // Held to the end: dropping it kills the process.
    let _child = Child::spawn(&command, ChildId(0), 1, &owner).map_err(|it| it.to_string())?;
    drop(owner);
    for notice in notices {
        match notice.event {
            Event::LogLine(line) => terminal::tell(line),
            Event::Exited(ExitReason::Left | ExitReason::Asked) => return Ok(()),
            Event::Exited(ExitReason::Protocol) => return Err("it exited with code 2".into()),
            Event::Exited(reason) => return Err(reason.to_string()),
            Event::Message(..) | Event::ChannelClosed(_) => {}
        }
    }
    Err("it left no word".into())
}
