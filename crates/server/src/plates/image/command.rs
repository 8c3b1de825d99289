//! Every picture in its turn: the next ones are unpacked while one is read.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use framerill_plates::models::{Choice, ModelError, Models};
use framerill_worker::message::{ExcerptPlan, Place, StillFormat, StillPlan};
use serde_json::{Value, json};

use super::{
    Look, Read, Seen,
    reader::{Incoming, NotRead, Reader},
};
use crate::{
    exit::Exit,
    failure::Failure,
    plates::{
        excerpt::{self, Excerpt},
        inputs,
        models::FOLDER,
    },
    program,
    signals::Told,
    terminal,
};

/// Names of pictures in a folder end so, in any case.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "jpe", "png", "webp", "bmp"];
/// Pictures that are unpacked and wait.
const AHEAD: usize = 1;
const UNPACKED_WITHIN: Duration = Duration::from_secs(30);
/// Pictures in a row with which the reading process may die.
const MOST_DEATHS: u32 = 3;

/// Pictures that are asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) models: Option<PathBuf>,
    pub(crate) recursive: bool,
    pub(crate) json: bool,
}

/// Reads the pictures that are asked for, and prints what is on them.
pub(crate) fn read(asked: &Asked) -> Result<Exit, Failure> {
    let pictures = inputs::files(&asked.paths, asked.recursive, &EXTENSIONS)?;
    program::media()?;
    let models = models(asked.models.as_deref())?;
    let (mut reader, owner) = Reader::new(models);
    let _told = Told::listen(move |exit| owner.send(Incoming::Signal(exit)).is_ok())?;
    let (unpacked, incoming) = sync_channel(AHEAD);
    let paths = pictures.clone();
    let unpack = move || {
        for path in paths {
            if unpacked.send(unpack(&path)).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("unpack".into());
    thread.spawn(unpack).map_err(|error| {
        Failure::cannot_start("no_thread", format!("cannot start a thread: {error}"))
    })?;
    let (mut failed, mut deaths) = (0_u64, 0);
    // What is missing is told before the first picture.
    stopped(reader.ready())?;
    for path in &pictures {
        let Ok(picture) = incoming.recv() else {
            return Err(Failure::failed(
                "internal",
                "no picture is unpacked any more",
            ));
        };
        let seen = match picture {
            Ok(picture) => {
                let look = Look {
                    width: picture.stats.width,
                    height: picture.stats.height,
                    fds: 1,
                };
                match reader.read(look, &picture.file) {
                    Ok(Seen::Plates(plates)) => Ok((look, plates)),
                    Ok(Seen::Failed(why)) => Err(Failure::failed("read", why)),
                    Err(NotRead::Failed(why)) => {
                        deaths += 1;
                        let lost = Failure::failed("worker_lost", why);
                        if deaths > MOST_DEATHS {
                            return Err(lost);
                        }
                        Err(lost)
                    }
                    Err(NotRead::Stopped(exit)) => return Ok(exit),
                    Err(NotRead::CannotStart(failure)) => return Err(failure),
                }
            }
            Err(failure) => Err(failure),
        };
        if seen.is_ok() {
            deaths = 0;
        } else {
            failed += 1;
        }
        tell(path, seen, asked.json);
    }
    if pictures.is_empty() {
        terminal::tell("framerill: there is no picture: nothing to do");
    }
    Ok(if failed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn stopped(ready: Result<(), NotRead>) -> Result<(), Failure> {
    match ready {
        Ok(()) => Ok(()),
        Err(NotRead::CannotStart(failure)) => Err(failure),
        Err(NotRead::Failed(why)) => Err(Failure::failed("worker_lost", why)),
        Err(NotRead::Stopped(exit)) => Err(Failure {
            exit,
            ..Failure::failed("interrupted", "stopped before the first picture")
        }),
    }
}

/// The folder with models, all of which are there.
fn models(folder: Option<&Path>) -> Result<PathBuf, Failure> {
    let refused = |error: ModelError| {
        Failure::cannot_start("models", error.to_string())
            .or_hint("or name the folder that has them with `--models DIR`")
    };
    let folder = folder.unwrap_or(Path::new(FOLDER));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let models = Models::open(&folder, Choice::default()).map_err(refused)?;
    models.verify().map_err(refused)?;
    Ok(folder)
}

/// Has a media process unpack a picture.
fn unpack(path: &Path) -> Result<Excerpt, Failure> {
    let plan = ExcerptPlan::Still(StillPlan {
        at: Place::default(),
        fd: 0,
        format: StillFormat::Rgb,
        boxes: Vec::new(),
        crop: None,
        max_side: None,
    });
    excerpt::take(path, plan, UNPACKED_WITHIN)
}

fn tell(path: &Path, seen: Result<(Look, Vec<Read>), Failure>, as_json: bool) {
    let file = path.to_string_lossy();
    if as_json {
        return terminal::answer(object(&file, seen));
    }
    match seen {
        Ok((_, plates)) if plates.is_empty() => terminal::answer(format_args!("{file}: no plate")),
        Ok((_, plates)) => {
            for it in plates {
                terminal::answer(format_args!("{file}: {}", line(&it)));
            }
        }
        Err(failure) => terminal::tell(format_args!("framerill: {file}: {failure}")),
    }
}

fn object(file: &str, seen: Result<(Look, Vec<Read>), Failure>) -> Value {
    match seen {
        Ok((look, plates)) => json!({
            "file": file, "width": look.width, "height": look.height, "plates": plates,
        }),
        Err(failure) => json!({
            "file": file, "error": {"code": failure.code, "message": failure.to_string()},
        }),
    }
}

fn line(it: &Read) -> String {
    let text = if it.text.is_empty() {
        "(unreadable)"
    } else {
        &it.text
    };
    let [x1, y1, x2, y2] = <[f32; 4]>::from(it.bbox).map(f32::round);
    format!("{text:<10} {:.2}  at {x1},{y1} to {x2},{y2}", it.confidence)
}
