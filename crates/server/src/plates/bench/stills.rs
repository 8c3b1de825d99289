//! Pictures: a media process decodes them, a worker reads them, as one does for `plates image`.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use framerill_plates::models::Choice;

use super::{
    material::Still,
    report::Row,
    score::{Found, StillScore},
};
use crate::{
    bench::usage,
    failure::Failure,
    plates::pictures::{
        album,
        still_reader::{Seen, StillReader},
    },
};

/// What a pass over all pictures came to.
pub(super) struct Pass {
    pub(super) score: StillScore,
    /// CPU time of everything, loading of models left out.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    /// CPU time of the workers' stages, and of the same inferences by themselves; of a measuring pass.
    pub(super) stage: Duration,
    pub(super) bare: Duration,
    pub(super) inferences: u64,
}

impl Pass {
    /// Pictures a second of CPU time.
    pub(super) fn rate(&self) -> f64 {
        count(self.score.pictures) / self.cpu.as_secs_f64()
    }
}

/// Reads all pictures with so many workers, each of which has its own share and its own decoder.
#[expect(clippy::disallowed_methods, reason = "it measures")]
pub(super) fn pass(
    models: &Path,
    stills: &[Still],
    workers: usize,
    measure: bool,
) -> Result<Pass, Failure> {
    let before = usage::cpu_of_children();
    let started: Result<Vec<StillReader>, Failure> =
        (0..workers).map(|_| start(models.to_owned())).collect();
    let started = started?;
    let pids = started.iter().filter_map(StillReader::pid);
    let loading: Duration = pids.map(usage::cpu).sum();
    let share = stills.len().div_ceil(workers.max(1)).max(1);
    let began = Instant::now();
    let seen: Vec<Result<Vec<Option<Seen>>, Failure>> = thread::scope(|scope| {
        let shares = stills.chunks(share).zip(started);
        let threads: Vec<_> = shares
            .map(|(stills, reader)| scope.spawn(move || read(reader, stills, measure)))
            .collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .map(|it| it.unwrap_or_else(|_| Err(crate::bench::broken("a thread panicked"))))
            .collect()
    });
    let wall = began.elapsed();
    // Everyone is gone by now: the kernel has counted all of it.
    let cpu = usage::cpu_of_children()
        .saturating_sub(before)
        .saturating_sub(loading);
    let mut pass = Pass {
        score: StillScore::default(),
        cpu,
        wall,
        stage: Duration::ZERO,
        bare: Duration::ZERO,
        inferences: 0,
    };
    let mut stills = stills.iter();
    for seen in seen {
        for (seen, still) in seen?.into_iter().zip(stills.by_ref()) {
            let found = seen.as_ref().map(found).unwrap_or_default();
            pass.score.add(&still.truth, &found);
            if let Some(seen) = seen {
                pass.stage += Duration::from_nanos(seen.stage_ns);
                pass.bare += Duration::from_nanos(seen.bare_ns);
                pass.inferences += seen.inferences;
            }
        }
    }
    Ok(pass)
}

/// One that has its models loaded.
fn start(models: PathBuf) -> Result<StillReader, Failure> {
    let (mut reader, _) = StillReader::new(models, Choice::default());
    reader.ready()?;
    Ok(reader)
}

/// What is on each picture; none where one could not be decoded.
fn read(
    mut reader: StillReader,
    stills: &[Still],
    measure: bool,
) -> Result<Vec<Option<Seen>>, Failure> {
    let mut seen = Vec::with_capacity(stills.len());
    let paths: Vec<&Path> = stills.iter().map(|it| &*it.path).collect();
    while let Some(rest) = paths.get(seen.len()..).filter(|it| !it.is_empty()) {
        let album = album::decode(rest)?;
        for picture in &album.pictures {
            let picture = picture.as_ref().ok();
            let it = picture.map(|it| reader.read(&album, *it, measure));
            seen.push(it.transpose()?);
        }
    }
    reader.close();
    Ok(seen)
}

fn found(seen: &Seen) -> Vec<Found> {
    let plates = seen.plates.iter();
    let found = plates.map(|it| Found {
        bbox: it.plate.bbox,
        text: it.reading.text.clone(),
    });
    found.collect()
}

/// The rows of passes with one worker, with one that measures, and with two.
pub(super) fn rows(one: &Pass, measured: &Pass, two: &Pass) -> Vec<Row> {
    let [exact, characters, located] = one.score.percent();
    let [exact_of_two, ..] = two.score.percent();
    let bare = measured.bare.as_secs_f64() / measured.stage.as_secs_f64();
    vec![
        Row::at_least("stills, plates exact", exact, "%", 92.0),
        Row::at_least("stills, characters", characters, "%", 97.5),
        Row::at_least("stills, located", located, "%", 98.5),
        Row::told(
            "stills, readings beside the known plate",
            count(one.score.others),
            "",
        ),
        Row::at_least("stills, images a CPU second", one.rate(), "/s", 28.0),
        Row::told("stills, CPU an image", 1e3 / one.rate(), "ms"),
        Row::told(
            "stills, images a second of the clock, one worker",
            count(one.score.pictures) / one.wall.as_secs_f64(),
            "/s",
        ),
        Row::at_least(
            "stills, two workers: images in a second of two cores",
            2.0 * two.rate(),
            "/s",
            56.0,
        ),
        Row::at_least(
            "stills, two workers to one",
            2.0 * two.rate() / one.rate(),
            "×",
            1.8,
        ),
        Row::at_least(
            "stills, two workers: exact as with one",
            exact_of_two,
            "%",
            exact,
        ),
        Row::told(
            "stills, images a second of the clock, two workers",
            count(two.score.pictures) / two.wall.as_secs_f64(),
            "/s",
        ),
        Row::at_least(
            "stills, bare inferences' CPU in that of the stage",
            bare,
            "×",
            0.95,
        ),
        Row::told(
            "stills, inferences an image",
            measured.inferences as f64 / count(measured.score.pictures),
            "",
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
