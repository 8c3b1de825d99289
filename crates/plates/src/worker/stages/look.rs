//! The stages that look at frames: vehicles, plates, texts.

use std::sync::Arc;

use super::{super::frames::Pixels, chain, crop};
use crate::{
    bbox::BBox,
    category::{Category, Class},
    detect::{PlateDetector, PlateSettings, VehicleDetector, VehicleSettings},
    detection::{Plate, Reading, Vehicles},
    models::{ModelError, Models},
    onnx::NetError,
    picture::{Picture, Region, sharpness, thumbnail},
    read::{ReadSettings, Reader},
    task::{Failure, Output, Payload, Task},
    worker::{Frames, LoadError, Setup, Stage, StageKind},
};

/// About what a model takes with what it computes in.
pub(super) const MODEL_BYTES: u64 = 256 << 20;

pub(super) struct VehicleDetect;
pub(super) struct PlateDetect;
pub(super) struct Ocr;

impl StageKind for VehicleDetect {
    fn name(&self) -> &'static str {
        Category::VehicleDetect.name()
    }

    fn class(&self) -> Class {
        Class::Gpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let detector = models(setup)?.vehicle_detector(VehicleSettings::default());
        Ok(Box::new(Finder(detector.map_err(|it| wrong(&it))?)))
    }

    fn memory(&self) -> u64 {
        MODEL_BYTES
    }
}

impl StageKind for PlateDetect {
    fn name(&self) -> &'static str {
        Category::PlateDetect.name()
    }

    fn class(&self) -> Class {
        Class::Gpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let detector = models(setup)?.plate_detector(None, PlateSettings::default());
        Ok(Box::new(Plates(detector.map_err(|it| wrong(&it))?)))
    }

    fn memory(&self) -> u64 {
        MODEL_BYTES
    }
}

impl StageKind for Ocr {
    fn name(&self) -> &'static str {
        Category::Ocr.name()
    }

    fn class(&self) -> Class {
        Class::Gpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let reader = models(setup)?.reader(ReadSettings::default());
        Ok(Box::new(Texts(reader.map_err(|it| wrong(&it))?)))
    }

    fn memory(&self) -> u64 {
        MODEL_BYTES
    }
}

pub(super) fn models(setup: &Setup) -> Result<Models, LoadError> {
    let folder = setup.models.as_deref().ok_or_else(|| {
        LoadError::permanent("no folder of models is set: name it with `--models DIR`")
    })?;
    Models::open(folder, setup.choice.clone()).map_err(|it| wrong(&it))
}

pub(super) fn wrong(error: &ModelError) -> LoadError {
    LoadError::permanent(chain(error))
}

struct Finder(VehicleDetector);
struct Plates(PlateDetector);
struct Texts(Reader);

impl Stage for Finder {
    fn process(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>> {
        let pixels = |task: &Task| frames.of(task);
        let ask = |task: &Task| match task.payload {
            Payload::VehicleDetect => Some(true),
            Payload::Look => Some(false),
            _ => None,
        };
        over(tasks, pixels, ask, |asked| {
            let wanted = asked.iter().filter(|(_, wants_vehicles)| *wants_vehicles);
            let pictures: Vec<_> = wanted.map(|(picture, _)| *picture).collect();
            let found = if pictures.is_empty() {
                Vec::new()
            } else {
                self.0.detect(&pictures)?
            };
            let mut found = found.into_iter();
            let outputs = asked.iter().map(|(picture, wants_vehicles)| {
                let seen = if *wants_vehicles { found.next() } else { None };
                Output::VehicleDetect(seen.unwrap_or_else(|| Vehicles {
                    vehicles: Vec::new(),
                    thumbnail: thumbnail(picture),
                }))
            });
            Ok(outputs.collect())
        })
    }
}

impl Stage for Plates {
    fn process(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>> {
        let pixels = |task: &Task| frames.of(task);
        let ask = |task: &Task| match &task.payload {
            Payload::PlateDetect { car_bbox } => Some(*car_bbox),
            _ => None,
        };
        over(tasks, pixels, ask, |asked| {
            let found = self.0.detect(asked)?.into_iter();
            Ok(found.map(|plates| Output::PlateDetect { plates }).collect())
        })
    }
}

impl Stage for Texts {
    fn process(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>> {
        // A plate that was made clean has a copy of its frame for itself.
        let most = (tasks.iter().filter(|it| is_cleaned(it)))
            .map(Frames::most_at_once)
            .fold(tasks.len().max(1), usize::min);
        let some = tasks.chunks(most);
        some.flat_map(|tasks| self.read(tasks, frames)).collect()
    }
}

impl Texts {
    fn read(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>> {
        let pixels = |task: &Task| frames.of(task);
        let ask = |task: &Task| match &task.payload {
            Payload::Ocr {
                car_bbox, plate, ..
            } => Some((*car_bbox, plate.clone())),
            _ => None,
        };
        let mut outcomes = over(tasks, pixels, ask, |asked| {
            let plates: Vec<(Picture<'_>, BBox, Plate)> = asked
                .iter()
                .map(|(picture, (car, plate))| (*picture, *car, plate.clone()))
                .collect();
            let readings = self.0.read(&plates)?.into_iter();
            Ok(readings.map(Output::Ocr).collect())
        });
        for (task, outcome) in tasks.iter().zip(&mut outcomes) {
            if let Ok(Output::Ocr(reading)) = outcome
                && !reading.text.is_empty()
            {
                evidence(task, frames, reading);
            }
        }
        outcomes
    }
}

fn is_cleaned(task: &Task) -> bool {
    matches!(
        task.payload,
        Payload::Ocr {
            cleaned: Some(_),
            ..
        }
    )
}

/// What is kept of a plate, and how sharp it is, is of the frame as it was recorded, whatever was read.
fn evidence(task: &Task, frames: &mut Frames, reading: &mut Reading) {
    let Payload::Ocr {
        car_bbox,
        plate,
        keep_crop,
        ..
    } = &task.payload
    else {
        return;
    };
    if !*keep_crop && !is_cleaned(task) {
        return;
    }
    let Ok(recorded) = frames.recorded(task) else {
        return;
    };
    let Ok(picture) = Picture::new(recorded.width, recorded.height, &recorded.rgb) else {
        return;
    };
    let bbox = plate.bbox.moved(car_bbox.x1, car_bbox.y1);
    if *keep_crop {
        reading.crop = crop::jpeg(&picture, &bbox);
    }
    if is_cleaned(task) {
        reading.sharpness = Region::of(&bbox, &picture).map_or(0.0, |it| sharpness(&picture, it));
    }
}

/// Does tasks together that have their frames and ask for something; the others fail one by one.
pub(super) fn over<A>(
    tasks: &[Task],
    pixels: impl FnMut(&Task) -> Result<Arc<Pixels>, Failure>,
    ask: impl Fn(&Task) -> Option<A>,
    look: impl FnOnce(&[(Picture<'_>, A)]) -> Result<Vec<Output>, NetError>,
) -> Vec<Result<Output, Failure>> {
    let fail = |reason: String, is_transient| Failure {
        reason,
        is_transient,
    };
    let pixels: Vec<_> = tasks.iter().map(pixels).collect();
    let mut asked = Vec::with_capacity(tasks.len());
    let mut outcomes: Vec<Option<Failure>> = Vec::with_capacity(tasks.len());
    for (task, pixels) in tasks.iter().zip(&pixels) {
        let it = pixels.as_ref().map_err(Clone::clone).and_then(|it| {
            let wanted = ask(task).ok_or_else(|| {
                fail(
                    format!("a payload that `{}` does not take", task.category),
                    false,
                )
            })?;
            let picture = Picture::new(it.width, it.height, &it.rgb);
            Ok((picture.map_err(|it| fail(it.to_string(), false))?, wanted))
        });
        match it {
            Ok(it) => {
                asked.push(it);
                outcomes.push(None);
            }
            Err(failure) => outcomes.push(Some(failure)),
        }
    }
    let found = if asked.is_empty() {
        Ok(Vec::new())
    } else {
        look(&asked).map_err(|it| fail(chain(&it), true))
    };
    let mut found = match found {
        Ok(found) => Ok(found.into_iter()),
        Err(failure) => Err(failure),
    };
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|failed| match (failed, &mut found) {
            (Some(failure), _) => Err(failure),
            (None, Err(failure)) => Err(failure.clone()),
            (None, Ok(found)) => found
                .next()
                .ok_or_else(|| fail("the model left it out".into(), false)),
        })
        .collect()
}
