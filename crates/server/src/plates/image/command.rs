//! Every picture in its turn: the next album is decoded while one is read.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use framerill_plates::{
    bbox::BBox,
    models::{Choice, ModelError, Models},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    failure::Failure,
    plates::{
        inputs,
        models::FOLDER,
        pictures::{
            album::{self, Album, Picture},
            still_reader::{Incoming, NotRead, Seen, SeenPlate, StillReader},
        },
    },
    program,
    signals::Told,
    terminal,
};

/// Names of pictures in a folder end so, in any case.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "jpe", "png", "webp", "bmp"];
/// While an album is decoded, signals are looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Pictures in a row with which the reading process may die.
const MOST_DEATHS: u32 = 3;

/// Pictures that are asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) models: Option<PathBuf>,
    pub(crate) choice: Choice,
    pub(crate) recursive: bool,
    pub(crate) json: bool,
}

/// A plate of a picture, as it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Read {
    /// Empty where nothing could be read.
    text: String,
    /// Of the weakest character, 0 to 1; 0 for an empty text.
    confidence: f32,
    /// Of each character.
    characters: Vec<f32>,
    /// Left, top, right, bottom in pixels of the upright picture.
    bbox: BBox,
    /// From the top left on, clockwise.
    corners: Option<[[f32; 2]; 4]>,
    /// That it is a plate at all, 0 to 1.
    detection_confidence: f32,
    /// Of text.
    lines: u8,
}

impl From<SeenPlate> for Read {
    fn from(SeenPlate { plate, reading }: SeenPlate) -> Self {
        Self {
            text: reading.text,
            confidence: reading.conf,
            characters: reading.chars,
            bbox: plate.bbox,
            corners: plate.corners,
            detection_confidence: plate.conf,
            lines: plate.lines,
        }
    }
}

/// Reads the pictures that are asked for, and prints what is on them.
pub(crate) fn read(asked: &Asked) -> Result<Exit, Failure> {
    let pictures = inputs::files(&asked.paths, asked.recursive, &EXTENSIONS)?;
    program::media()?;
    let (mut reader, owner) = StillReader::new(
        models(asked.models.as_deref(), &asked.choice)?,
        asked.choice.clone(),
    );
    let _told = Told::listen(move |exit| owner.send(Incoming::Signal(exit)).is_ok())?;
    let albums = decode_ahead(pictures.clone())?;
    // What is missing is told before the first picture.
    reader.ready()?;
    let (mut failed, mut deaths) = (0_u64, 0);
    let mut rest = pictures.iter();
    while !rest.as_slice().is_empty() {
        let album = match albums.recv_timeout(LOOK_AGAIN) {
            Ok(album) => album?,
            Err(RecvTimeoutError::Timeout) => match reader.look() {
                Some(exit) => return Ok(exit),
                None => continue,
            },
            Err(RecvTimeoutError::Disconnected) => {
                let text = "no picture is decoded any more";
                return Err(Failure::failed("internal", text));
            }
        };
        for (picture, path) in album.pictures.iter().zip(rest.by_ref()) {
            let seen = match one(&mut reader, &album, picture) {
                Ok(seen) => {
                    deaths = 0;
                    Ok(seen)
                }
                Err(NotRead::Failed(failure)) => {
                    deaths += u32::from(failure.code == "worker_lost");
                    if deaths > MOST_DEATHS {
                        return Err(failure);
                    }
                    failed += 1;
                    Err(failure)
                }
                Err(NotRead::Stopped(exit)) => return Ok(exit),
                Err(NotRead::CannotStart(failure)) => return Err(failure),
            };
            tell(path, seen, asked.json);
        }
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

/// What is on a picture of an album.
fn one(
    reader: &mut StillReader,
    album: &Album,
    picture: &Result<Picture, Failure>,
) -> Result<(Picture, Vec<Read>), NotRead> {
    let picture = *picture
        .as_ref()
        .map_err(|failure| NotRead::Failed(failure.clone()))?;
    let Seen { plates, .. } = reader.read(album, picture, false)?;
    Ok((picture, plates.into_iter().map(Read::from).collect()))
}

/// Decodes album after album on a thread of its own, one ahead of whoever takes them.
fn decode_ahead(paths: Vec<PathBuf>) -> Result<Receiver<Result<Album, Failure>>, Failure> {
    let (decoded, albums) = sync_channel(0);
    let decode = move || {
        let mut paths: &[&Path] = &paths.iter().map(PathBuf::as_path).collect::<Vec<_>>();
        while !paths.is_empty() {
            let album = album::decode(paths);
            let pictures = album.as_ref().map_or(paths.len(), |it| it.pictures.len());
            paths = paths.get(pictures..).unwrap_or_default();
            if decoded.send(album).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("decode".into());
    let started = thread.spawn(decode);
    started.map(|_| albums).map_err(|error| {
        Failure::cannot_start("no_thread", format!("cannot start a thread: {error}"))
    })
}

/// The folder with models, all of which are there.
fn models(folder: Option<&Path>, choice: &Choice) -> Result<PathBuf, Failure> {
    let refused = |error: ModelError| {
        Failure::cannot_start("models", error.to_string())
            .or_hint("or name the folder that has them with `--models DIR`")
    };
    let folder = folder.unwrap_or(Path::new(FOLDER));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let models = Models::open(&folder, choice.clone()).map_err(refused)?;
    models.verify().map_err(refused)?;
    Ok(folder)
}

fn tell(path: &Path, seen: Result<(Picture, Vec<Read>), Failure>, as_json: bool) {
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

fn object(file: &str, seen: Result<(Picture, Vec<Read>), Failure>) -> Value {
    match seen {
        Ok((picture, plates)) => json!({
            "file": file, "width": picture.width, "height": picture.height, "plates": plates,
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
