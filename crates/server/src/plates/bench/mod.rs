//! `framerill plates bench`: what is read right, how fast, and in how much memory, on material with truths.
//!
//! Stills go through a media process and a worker as anybody's do, clips through `framerill plates run`; a plain loop in Python
//! over the same models runs beside them. Speed is per CPU second, of all processes together as the kernel counts it, so that
//! other work on the machine does not count.
//!
//! Read in this order: [`material`] and [`score`] (what is right), [`stills`] with [`worker`], [`clips`], [`peer`], [`report`].

mod clips;
mod material;
mod peer;
mod report;
mod score;
mod stills;
mod within;

use std::path::{Path, PathBuf};

use framerill_plates::models::{Choice, Models};

use crate::{exit::Exit, failure::Failure, program};
use peer::{Peer, Ran};
use report::{Report, Row};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) models: Option<PathBuf>,
    pub(crate) material: Option<PathBuf>,
    pub(crate) only: Option<String>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) no_peer: bool,
    pub(crate) json: bool,
}

const PARTS: [&str; 2] = ["stills", "clips"];
/// The second one is the faster way, without vehicles.
const MODES: [&str; 2] = ["cascade", "frame"];

/// Measures and prints.
pub(crate) fn bench(asked: &Asked) -> Result<Exit, Failure> {
    let wanted = |part: &str| asked.only.as_ref().is_none_or(|only| only == part);
    if !PARTS.iter().any(|part| wanted(part)) {
        let text = format!("no such measurement; they are: {}", PARTS.join(", "));
        return Err(Failure::usage("no_measurement", text));
    }
    let material = material::folder(asked.material.as_deref()).ok_or_else(|| {
        let text =
            "there is no material: a folder with `images/openalpr_*/*.txt` and `video/*.mp4`";
        Failure::cannot_start("material", text)
            .hint("name it with `--material DIR`, or set FRAMERILL_MATERIAL")
    })?;
    let models = models(asked.models.as_deref(), &material)?;
    program::media()?;
    let python = program::python(asked.python.as_deref());
    let bench = Bench {
        peer: (!asked.no_peer).then_some(Peer {
            python: &python,
            models: &models,
            material: &material,
        }),
        models: &models,
        material: &material,
    };
    let mut report = Report::new(asked.json);
    if wanted("stills") {
        bench.stills(&mut report)?;
    }
    if wanted("clips") {
        bench.clips(&mut report)?;
    }
    Ok(report.conclude())
}

/// The folder with model files, all of which are there: the one that is named, or that of the material.
fn models(named: Option<&Path>, material: &Path) -> Result<PathBuf, Failure> {
    let beside = material.join("models");
    let folder = named.unwrap_or(&beside);
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let refused = |error: framerill_plates::models::ModelError| {
        Failure::cannot_start("models", error.to_string())
    };
    let models = Models::open(&folder, Choice::default()).map_err(refused)?;
    models
        .verify()
        .map_err(refused)
        .map_err(|it| it.or_hint("or name the folder that has it with `--models DIR`"))?;
    Ok(folder)
}

struct Bench<'a> {
    peer: Option<Peer<'a>>,
    models: &'a Path,
    material: &'a Path,
}

impl Bench<'_> {
    fn stills(&self, report: &mut Report) -> Result<(), Failure> {
        let stills = material::stills(self.material);
        if stills.is_empty() {
            let folder = self.material.join("images");
            let why = format!("stills: there are none in `{}`", folder.display());
            report.skipped.push(why);
            return Ok(());
        }
        report.begin(&format!("{} stills, one worker", stills.len()));
        let one = stills::pass(self.models, &stills, 1, false)?;
        report.begin("the same, with every inference repeated by itself");
        let measured = stills::pass(self.models, &stills, 1, true)?;
        report.begin("the same, two workers");
        let two = stills::pass(self.models, &stills, 2, false)?;
        report.add(stills::rows(&one, &measured, &two));
        self.beside("stills", report, |peer| peer::stills(peer, one.rate()))
    }

    fn clips(&self, report: &mut Report) -> Result<(), Failure> {
        let clips = material::clips(self.material);
        if clips.is_empty() {
            let folder = self.material.join("video");
            let why = format!("clips: there are none in `{}`", folder.display());
            report.skipped.push(why);
            return Ok(());
        }
        let mut rate = f64::NAN;
        for mode in MODES {
            report.begin(&format!("{} clips, {mode}, one worker", clips.len()));
            let how = clips::How {
                models: self.models,
                mode,
                gpu_workers: 1,
                watch_memory: false,
            };
            let one = clips::run(&clips, how)?;
            let two = if mode == MODES[0] {
                rate = one.rate();
                report.begin("the same, two workers");
                let how = clips::How {
                    gpu_workers: 2,
                    watch_memory: true,
                    ..how
                };
                Some(clips::run(&clips, how)?)
            } else {
                None
            };
            report.add(clips::rows(mode, &one, two.as_ref()));
        }
        self.beside("clips", report, |peer| peer::clips(peer, rate))
    }

    /// The peer's rows.
    fn beside(
        &self,
        part: &str,
        report: &mut Report,
        rows: impl FnOnce(&serde_json::Value) -> Vec<Row>,
    ) -> Result<(), Failure> {
        let Some(peer) = &self.peer else {
            report.skipped.push(format!("{part}: the plain loop"));
            return Ok(());
        };
        report.begin("the plain loop in Python");
        match peer.run(part)? {
            Ran::Numbers(numbers) => report.add(rows(&numbers)),
            Ran::Cannot(why) => report.skipped.push(format!(
                "{part}: the plain loop, which needs onnxruntime and opencv-python-headless in `{}`: {why}",
                peer.python.display()
            )),
        }
        Ok(())
    }
}
