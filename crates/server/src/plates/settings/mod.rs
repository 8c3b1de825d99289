//! What a run of plates is told, from all places (contract §2).

pub(super) mod config;
mod denoise;
mod own;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use framerill_plates::{
    category::Category,
    flow::Mode,
    machines::MOST_FORMATS,
    models::Choice,
    onnx::Provider,
    picture::Denoise,
    queue, run,
    store::{Address, privacy::Privacy},
    text::PRESETS,
    vote,
};

use serde_json::{Value, json};

pub(super) use own::is_program;
use own::own_stages;

use super::machines::QueueSettings;
use crate::{
    failure::Failure,
    serve::source::{Name, Sources},
};

/// What a run is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) gpu_workers: u32,
    pub(crate) cpu_workers: u32,
    /// Workers of either class take work of both.
    pub(crate) takes_both: bool,
    /// One worker process, which takes work of both classes.
    pub(crate) single_process: bool,
    pub(crate) video_readers: u32,
    pub(crate) max_gpu_backlog: usize,
    pub(crate) max_cpu_backlog: usize,
    pub(crate) queue_soft_limit: usize,
    pub(crate) queue_hard_limit: usize,
    /// A kind of task is no longer backed up at this part of the soft limit.
    pub(crate) queue_recover_ratio: f64,
    /// A task that waited longer goes before those of a busier kind.
    pub(crate) starvation_time: Duration,
    pub(crate) database: Address,
    /// The key of plates' hashes: plates are not stored in clear.
    pub(crate) plate_key: Option<PathBuf>,
    /// Plates that may be stored in clear.
    pub(crate) plate_list: Option<PathBuf>,
    /// Where videos are looked for when no path is given.
    pub(crate) input: PathBuf,
    pub(crate) models: Option<PathBuf>,
    /// Which of them, and what computes.
    pub(crate) choice: Choice,
    pub(crate) work_dir: PathBuf,
    /// Where plates are searched.
    pub(crate) mode: Mode,
    /// Readers deliver every n-th frame; none for what is best for the mode.
    pub(crate) every: Option<u32>,
    /// Tasks that a worker takes at once.
    pub(crate) batch: u32,
    /// Samples that a record needs.
    pub(crate) min_samples: u32,
    /// How plates are written: presets in lower case and patterns, sorted; none where everything will do.
    pub(crate) formats: Vec<String>,
    pub(crate) drain_timeout: Duration,
    /// A task that takes longer is hung: its worker is replaced.
    pub(crate) max_task_time: Duration,
    /// Bytes of frames that readers hold together.
    pub(crate) frame_bytes: u64,
    /// Bytes of a video that is downloaded, at most.
    pub(crate) max_download: u64,
    /// Downloaded videos stay when they are read.
    pub(crate) keep_downloads: bool,
    /// Stages of a user's own, FILE.py:CLASS, module:CLASS or a path of a program, in place of the built-in ones.
    pub(crate) own_stages: BTreeMap<Category, String>,
    /// Processes of each of them.
    pub(crate) stage_workers: u32,
    /// Vehicles have rows before they are over.
    pub(crate) live: bool,
    /// Raw readings that are logged of each video and worker, at most; 0 for none.
    pub(crate) ocr_debug: u32,
    /// Plates are made clean before they are read.
    pub(crate) denoise: Option<Denoise>,
    /// Where they are saved as pictures before and after.
    pub(crate) denoise_save: Option<PathBuf>,
    /// Other machines that share the work.
    pub(crate) queue: QueueSettings,
    pub(crate) video_root: PathBuf,
    pub(crate) snippet_root: PathBuf,
    /// What whoever starts it should know, a line each.
    pub(crate) notes: Vec<String>,
}

macro_rules! names {
    ($($constant:ident: $flag:literal, $twin:literal, $contract:expr;)*) => {
        $(pub(super) const $constant: Name = Name::new($flag, $twin, $contract);)*

        /// All settings.
        pub(crate) const ALL: &[Name] = &[$($constant),*];
    };
}

names! {
    GPU_WORKERS: "--num-gpu-workers", "FRAMERILL_NUM_GPU_WORKERS", Some("NUM_GPU_WORKERS");
    CPU_WORKERS: "--num-cpu-workers", "FRAMERILL_NUM_CPU_WORKERS", Some("NUM_CPU_WORKERS");
    READERS: "--num-video-readers", "FRAMERILL_NUM_VIDEO_READERS", Some("NUM_VIDEO_READERS");
    MAX_GPU: "--max-gpu-backlog", "FRAMERILL_MAX_GPU_BACKLOG", Some("MAX_GPU_BACKLOG");
    MAX_CPU: "--max-cpu-backlog", "FRAMERILL_MAX_CPU_BACKLOG", Some("MAX_CPU_BACKLOG");
    SOFT: "--queue-soft-limit", "FRAMERILL_QUEUE_SOFT_LIMIT", Some("QUEUE_SOFT_LIMIT");
    HARD: "--queue-hard-limit", "FRAMERILL_QUEUE_HARD_LIMIT", Some("QUEUE_HARD_LIMIT");
    RECOVER: "--queue-recover-ratio", "FRAMERILL_QUEUE_RECOVER_RATIO", None;
    STARVATION: "--starvation-time", "FRAMERILL_STARVATION_TIME", None;
    PLATE_KEY: "--plate-key", "FRAMERILL_PLATE_KEY", None;
    PLATE_LIST: "--plate-list", "FRAMERILL_PLATE_LIST", None;
    DATABASE: "--db", "FRAMERILL_DB", None;
    PG_HOST: "--postgres-host", "FRAMERILL_POSTGRES_HOST", Some("POSTGRES_HOST");
    PG_PORT: "--postgres-port", "FRAMERILL_POSTGRES_PORT", Some("POSTGRES_PORT");
    PG_DB: "--postgres-db", "FRAMERILL_POSTGRES_DB", Some("POSTGRES_DB");
    PG_USER: "--postgres-user", "FRAMERILL_POSTGRES_USER", Some("POSTGRES_USER");
    PG_PASSWORD: "--postgres-password", "FRAMERILL_POSTGRES_PASSWORD", Some("POSTGRES_PASSWORD");
    MODELS: "--models", "FRAMERILL_MODELS", None;
    MODEL: "--model", "FRAMERILL_MODEL", None;
    PROVIDER: "--provider", "FRAMERILL_PROVIDER", None;
    WORK_DIR: "--work-dir", "FRAMERILL_WORK_DIR", None;
    MODE: "--mode", "FRAMERILL_MODE", None;
    EVERY: "--every", "FRAMERILL_EVERY", None;
    BATCH: "--batch", "FRAMERILL_BATCH", None;
    MIN_SAMPLES: "--min-samples", "FRAMERILL_MIN_SAMPLES", None;
    PLATE_FORMAT: "--plate-format", "FRAMERILL_PLATE_FORMAT", None;
    DRAIN: "--drain-timeout", "FRAMERILL_DRAIN_TIMEOUT", None;
    TASK_TIME: "--max-task-time", "FRAMERILL_MAX_TASK_TIME", None;
    FRAME_MEMORY: "--frame-memory", "FRAMERILL_FRAME_MEMORY", None;
    MAX_DOWNLOAD: "--max-download", "FRAMERILL_MAX_DOWNLOAD", None;
    KEEP_DOWNLOADS: "--keep-downloads", "FRAMERILL_KEEP_DOWNLOADS", None;
    STAGE: "--stage", "FRAMERILL_STAGE", None;
    STAGE_WORKERS: "--stage-workers", "FRAMERILL_STAGE_WORKERS", None;
    LIVE: "--live", "FRAMERILL_LIVE", None;
    SINGLE: "--single-process", "FRAMERILL_SINGLE_PROCESS", None;
    BOTH: "--workers-take-both", "FRAMERILL_WORKERS_TAKE_BOTH", None;
    QUEUE: "--queue", "FRAMERILL_QUEUE", None;
    QUEUE_CREDS: "--queue-creds", "FRAMERILL_QUEUE_CREDS", None;
    QUEUE_CA: "--queue-ca", "FRAMERILL_QUEUE_CA", None;
    QUEUE_PATIENCE: "--queue-patience", "FRAMERILL_QUEUE_PATIENCE", None;
    SHARE: "--share", "FRAMERILL_SHARE", None;
    VIDEO_ROOT: "--video-root", "FRAMERILL_VIDEO_ROOT", Some("VIDEO_ROOT");
    SNIPPET_ROOT: "--snippet-root", "FRAMERILL_SNIPPET_ROOT", Some("SNIPPET_ROOT");
    OCR_DEBUG: "--ocr-debug-results", "FRAMERILL_OCR_DEBUG_RESULTS", Some("OCR_DEBUG_RESULTS");
    OCR_DEBUG_MAX: "--ocr-debug-max", "FRAMERILL_OCR_DEBUG_MAX", Some("OCR_DEBUG_MAX");
    DENOISE: "--plate-denoise", "FRAMERILL_PLATE_DENOISE", Some("PLATE_DENOISE");
    DENOISE_H: "--plate-denoise-h", "FRAMERILL_PLATE_DENOISE_H", Some("PLATE_DENOISE_H");
    DENOISE_HCOLOR: "--plate-denoise-hcolor", "FRAMERILL_PLATE_DENOISE_HCOLOR", Some("PLATE_DENOISE_HCOLOR");
    DENOISE_ENHANCE: "--plate-denoise-enhance", "FRAMERILL_PLATE_DENOISE_ENHANCE", Some("PLATE_DENOISE_ENHANCE");
    DENOISE_SAVE: "--plate-denoise-debug-save", "FRAMERILL_PLATE_DENOISE_DEBUG_SAVE", Some("PLATE_DENOISE_DEBUG_SAVE");
}

/// Variables of the original that mean nothing here.
const HISTORICAL: [&str; 2] = ["NUM_DISPATCHERS", "DISPATCH_FETCH_LIMIT"];
/// Workers of one class at most.
const MOST_WORKERS: u32 = 64;
/// Bytes in which a frame has room.
const LEAST_FRAME_MEMORY: u64 = 1 << 20;

impl Settings {
    /// Takes every setting from the first place that has it. Opens nothing.
    pub(crate) fn load(mut from: Sources) -> Result<Self, Failure> {
        let from = &mut from;
        let single_process = flag(from, SINGLE)?;
        let takes_both = single_process || flag(from, BOTH)?;
        let gpu_workers = workers(from, GPU_WORKERS, 2)?;
        let cpu_workers = workers(from, CPU_WORKERS, 4)?;
        let usual = queue::Limits::default();
        let settings = Self {
            gpu_workers,
            cpu_workers,
            takes_both,
            single_process,
            video_readers: number(from, READERS, "a number from 1 to 16", 1..=16)?.unwrap_or(2),
            max_gpu_backlog: tasks(from, MAX_GPU, 0)?.unwrap_or(8),
            max_cpu_backlog: tasks(from, MAX_CPU, 0)?.unwrap_or(16),
            queue_soft_limit: tasks(from, SOFT, 1)?.unwrap_or(64),
            queue_hard_limit: tasks(from, HARD, 1)?.unwrap_or(128),
            queue_recover_ratio: ratio(from, RECOVER)?.unwrap_or(usual.recover_ratio),
            starvation_time: seconds(from, STARVATION, 0.0, usual.starved_after.as_secs())?,
            plate_key: file(from, PLATE_KEY),
            plate_list: file(from, PLATE_LIST),
            models: from.find(MODELS).map(|it| it.value.into()),
            choice: choice(from)?,
            work_dir: from
                .find(WORK_DIR)
                .map_or_else(|| "framerill-plates".into(), |it| it.value.into()),
            database: Address::Sqlite(PathBuf::new()),
            input: "inputs".into(),
            mode: from
                .parse(MODE, "cascade or frame", |text| match text {
                    "cascade" => Some(Mode::Cascade),
                    "frame" => Some(Mode::Frame),
                    _ => None,
                })?
                .unwrap_or_default(),
            every: number(from, EVERY, "a number of frames from 1 to 1000", 1..=1000)?,
            batch: number(from, BATCH, "a number from 1 to 64", 1..=64)?.unwrap_or(1),
            min_samples: number(from, MIN_SAMPLES, "a number from 1 to 100", 1..=100)?.unwrap_or(2),
            formats: formats(from)?,
            drain_timeout: seconds(from, DRAIN, 0.0, 60)?,
            max_task_time: seconds(from, TASK_TIME, 0.1, 60)?,
            frame_bytes: from
                .parse(
                    FRAME_MEMORY,
                    "a size of at least 1M, such as 512M",
                    |text| {
                        let bytes = crate::memory_size::memory_limit(text).ok()?;
                        (bytes >= LEAST_FRAME_MEMORY).then_some(bytes)
                    },
                )?
                .unwrap_or(512 << 20),
            max_download: from
                .parse(MAX_DOWNLOAD, "a size such as 20G", |text| {
                    crate::memory_size::memory_limit(text).ok()
                })?
                .unwrap_or(20 << 30),
            keep_downloads: flag(from, KEEP_DOWNLOADS)?,
            own_stages: from
                .parse(
                    STAGE,
                    "ocr=FILE.py:CLASS, plate_yolo=module:CLASS or ocr=./PROGRAM",
                    own_stages,
                )?
                .unwrap_or_default(),
            stage_workers: number(from, STAGE_WORKERS, "a number from 1 to 16", 1..=16)?
                .unwrap_or(1),
            live: flag(from, LIVE)?,
            ocr_debug: ocr_debug(from)?,
            denoise: denoise::denoise(from)?,
            denoise_save: file(from, DENOISE_SAVE),
            queue: QueueSettings::load(from)?,
            video_root: from
                .find(VIDEO_ROOT)
                .map_or_else(|| "inputs".into(), |it| it.value.into()),
            snippet_root: from
                .find(SNIPPET_ROOT)
                .map_or_else(|| "frame_store/snippets".into(), |it| it.value.into()),
            notes: Vec::new(),
        };
        settings.to_run().checked().map_err(|wrong| {
            Failure::usage("setting", wrong.to_string()).hint(match wrong.variable {
                "QUEUE_SOFT_LIMIT" => {
                    "set `--queue-soft-limit` to no more than `--queue-hard-limit`"
                }
                _ => "set it to 1 or more, or give `--workers-take-both` or `--single-process`",
            })
        })?;
        let database = database(from, &settings.work_dir)?;
        let historical = HISTORICAL.into_iter();
        let set: Vec<_> = historical
            .filter(|it| from.env.contains_key(*it) || from.dotenv.contains_key(*it))
            .collect();
        if !set.is_empty() {
            from.notes.push(format!(
                "{} mean nothing here: there is no dispatcher",
                set.join(", ")
            ));
        }
        Ok(Self {
            database,
            notes: std::mem::take(&mut from.notes),
            ..settings
        })
    }

    /// What the run machine is told.
    pub(crate) fn to_run(&self) -> run::Settings {
        let old = run::Settings::default();
        run::Settings {
            gpu_workers: if self.single_process {
                1
            } else {
                self.gpu_workers
            },
            cpu_workers: if self.single_process {
                0
            } else {
                self.cpu_workers
            },
            video_readers: self.video_readers,
            max_gpu_backlog: self.max_gpu_backlog,
            max_cpu_backlog: self.max_cpu_backlog,
            queue: queue::Limits {
                soft: self.queue_soft_limit,
                hard: self.queue_hard_limit,
                recover_ratio: self.queue_recover_ratio,
                starved_after: self.starvation_time,
            },
            takes_over: self.takes_both,
            denoises: self.denoise.is_some(),
            ocr_debug: self.ocr_debug,
            own_stages: self
                .own_stages
                .keys()
                .map(|it| (*it, self.stage_workers))
                .collect(),
            timing: run::Timing {
                drain: self.drain_timeout,
                task: self.max_task_time,
                ..old.timing
            },
            ..old
        }
    }

    /// Which plates are stored in clear.
    pub(crate) fn privacy(&self) -> Result<Privacy, Failure> {
        Privacy::of(self.plate_key.as_deref(), self.plate_list.as_deref()).map_err(|error| {
            Failure::cannot_start("privacy", error.to_string())
                .hint("correct the file of `--plate-key` or `--plate-list`")
        })
    }

    /// The database as the store takes it.
    pub(crate) fn database_text(&self) -> String {
        match &self.database {
            Address::Sqlite(file) => {
                let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                file.display().to_string()
            }
            Address::Postgres { url } => url.clone(),
        }
    }

    /// Without secrets.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "num_gpu_workers": self.gpu_workers,
            "num_cpu_workers": self.cpu_workers,
            "single_process": self.single_process,
            "workers_take_both": self.takes_both,
            "num_video_readers": self.video_readers,
            "max_gpu_backlog": self.max_gpu_backlog,
            "max_cpu_backlog": self.max_cpu_backlog,
            "queue_soft_limit": self.queue_soft_limit,
            "queue_hard_limit": self.queue_hard_limit,
            "queue_recover_ratio": self.queue_recover_ratio,
            "starvation_time": self.starvation_time.as_secs_f64(),
            "db": self.database.to_string(),
            "plate_key": self.plate_key,
            "plate_list": self.plate_list,
            "models": self.models,
            "model": self.choice,
            "work_dir": self.work_dir,
            "mode": self.mode,
            "every": self.every,
            "batch": self.batch,
            "min_samples": self.min_samples,
            "plate_formats": self.formats,
            "stages": self.own_stages,
            "live": self.live,
            "ocr_debug": self.ocr_debug,
            "plate_denoise": self.denoise,
            "plate_denoise_debug_save": self.denoise_save,
            "drain_timeout": self.drain_timeout.as_secs_f64(),
            "max_task_time": self.max_task_time.as_secs_f64(),
            "frame_memory": self.frame_bytes,
            "max_download": self.max_download,
            "keep_downloads": self.keep_downloads,
            "queue": self.queue.shown(),
        })
    }
}

/// `--provider`, and `ROLE=NAME` of `--model`, several of them by commas.
fn choice(from: &mut Sources) -> Result<Choice, Failure> {
    let named = |text: &str| {
        let mut choice = Choice::default();
        for one in text.split(',') {
            let (role, name) = one.trim().split_once('=')?;
            let (role, name) = (role.trim().parse().ok()?, name.trim());
            if name.is_empty() || choice.of(role).is_some() {
                return None;
            }
            choice.set(role, name.to_owned());
        }
        Some(choice)
    };
    let wanted = "vehicle=NAME, plate=NAME or ocr=NAME, each once";
    let choice = from.parse(MODEL, wanted, named)?.unwrap_or_default();
    let provider = from.parse(PROVIDER, "auto, cpu, cuda or tensorrt", |text| {
        text.parse::<Provider>().ok()
    })?;
    Ok(Choice {
        provider: provider.unwrap_or_default(),
        ..choice
    })
}

/// `NAME[,NAME…]` of `--plate-format`: presets and patterns, whatever their order and however often they are named.
fn formats(from: &mut Sources) -> Result<Vec<String>, Failure> {
    let one = |text: &str| {
        let text = text.trim();
        let mut presets = PRESETS.iter().map(|(name, _)| *name);
        let preset = presets.find(|it| it.eq_ignore_ascii_case(text));
        preset.unwrap_or(text).to_owned()
    };
    let wanted = "a country such as de, or a pattern such as aaddd, several of them by commas";
    let parse = |text: &str| {
        let mut all: Vec<String> = text.split(',').map(one).collect();
        all.sort();
        all.dedup();
        (all.len() <= MOST_FORMATS && vote::formats(&all).is_ok()).then_some(all)
    };
    Ok(from.parse(PLATE_FORMAT, wanted, parse)?.unwrap_or_default())
}

fn ratio(from: &mut Sources, name: Name) -> Result<Option<f64>, Failure> {
    let parse = |text: &str| {
        let ratio = text.parse::<f64>().ok();
        ratio.filter(|it| (0.0..=1.0).contains(it))
    };
    from.parse(name, "a number from 0 to 1", parse)
}

/// A file that other processes find from wherever they run.
fn file(from: &mut Sources, name: Name) -> Option<PathBuf> {
    let file = PathBuf::from(from.find(name)?.value);
    Some(std::path::absolute(&file).unwrap_or(file))
}

fn flag(from: &mut Sources, name: Name) -> Result<bool, Failure> {
    Ok(yes_or_no(from, name)?.unwrap_or(false))
}

fn yes_or_no(from: &mut Sources, name: Name) -> Result<Option<bool>, Failure> {
    from.parse(name, "true or false", |text| match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    })
}

/// How many readings are logged; the number alone logs none.
fn ocr_debug(from: &mut Sources) -> Result<u32, Failure> {
    let wanted = "a number of results from 0 to 1000000";
    let most = number(from, OCR_DEBUG_MAX, wanted, 0..=1_000_000)?.unwrap_or(5);
    Ok(if flag(from, OCR_DEBUG)? { most } else { 0 })
}

fn number(
    from: &mut Sources,
    name: Name,
    wanted: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, Failure> {
    let parse = |text: &str| text.parse().ok().filter(|it| range.contains(it));
    from.parse(name, wanted, parse)
}

fn workers(from: &mut Sources, name: Name, default: u32) -> Result<u32, Failure> {
    let wanted = format!("a number of workers from 0 to {MOST_WORKERS}");
    Ok(number(from, name, &wanted, 0..=MOST_WORKERS)?.unwrap_or(default))
}

fn tasks(from: &mut Sources, name: Name, least: usize) -> Result<Option<usize>, Failure> {
    let wanted = format!("a number of tasks from {least} to 1000000");
    let parse = |text: &str| {
        let number = text.parse().ok();
        number.filter(|it| (least..=1_000_000).contains(it))
    };
    from.parse(name, &wanted, parse)
}

/// A time of at least `least` seconds, up to a day.
pub(super) fn seconds(
    from: &mut Sources,
    name: Name,
    least: f64,
    default: u64,
) -> Result<Duration, Failure> {
    let parse = |text: &str| {
        let seconds = text.parse::<f64>().ok()?;
        (least..=86_400.0)
            .contains(&seconds)
            .then(|| Duration::from_secs_f64(seconds))
    };
    let wanted = format!("a number of seconds from {least} to 86400");
    let found = from.parse(name, &wanted, parse)?;
    Ok(found.unwrap_or(Duration::from_secs(default)))
}

/// `--db` decides; without it any `POSTGRES_*` means PostgreSQL, the rest of them by their defaults; else SQLite in the
/// run's own folder.
fn database(from: &mut Sources, work_dir: &Path) -> Result<Address, Failure> {
    from.parse(PG_PORT, "a port from 1 to 65535", |text| {
        text.parse::<u16>().ok().filter(|it| *it > 0)
    })?;
    let given = from.find(DATABASE).map(|it| it.value);
    let names = [PG_HOST, PG_PORT, PG_DB, PG_USER, PG_PASSWORD.secret()];
    let set = names.map(|name| (name.contract, from.find(name).map(|it| it.value)));
    let get = |variable: &str| {
        let found = set.iter().find(|(name, _)| *name == Some(variable));
        found.and_then(|(_, value)| value.clone())
    };
    let wrong = |what: String| {
        Failure::usage("setting", format!("`--db`: {what}"))
            .hint("give a file, or postgres://USER:PASSWORD@HOST:PORT/NAME")
    };
    let file = work_dir.join("plates.db");
    let chosen =
        Address::chosen(given.as_deref(), get, file).map_err(|it| wrong(it.to_string()))?;
    match chosen.obstacle() {
        Some(what) => Err(wrong(format!("`{chosen}` is {what}, and no file"))),
        None => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn load(env: &[(&str, &str)]) -> Result<Settings, Failure> {
        let env = env.iter();
        Settings::load(Sources {
            env: env
                .map(|(name, it)| ((*name).into(), (*it).into()))
                .collect(),
            ..Sources::default()
        })
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let it = load(&[]).unwrap();
        assert_eq!(
            (it.gpu_workers, it.cpu_workers, it.video_readers),
            (2, 4, 2)
        );
        assert_eq!((it.max_gpu_backlog, it.max_cpu_backlog), (8, 16));
        assert_eq!((it.queue_soft_limit, it.queue_hard_limit), (64, 128));
        assert_eq!(it.drain_timeout, Duration::from_secs(60));
        let queue = it.to_run().queue;
        assert_eq!(queue, queue::Limits::default());
        assert_eq!(
            (queue.recover_ratio, queue.starved_after.as_secs()),
            (0.8, 2)
        );
        assert_eq!(
            it.database,
            Address::Sqlite("framerill-plates/plates.db".into())
        );
        assert!(it.notes.is_empty(), "{:?}", it.notes);
    }

    #[test]
    fn every_number_of_the_contract_is_read_from_its_variable() {
        let it = load(&[
            ("NUM_GPU_WORKERS", "1"),
            ("NUM_CPU_WORKERS", "3"),
            ("NUM_VIDEO_READERS", "5"),
            ("MAX_GPU_BACKLOG", "0"),
            ("MAX_CPU_BACKLOG", "9"),
            ("QUEUE_SOFT_LIMIT", "1"),
            ("QUEUE_HARD_LIMIT", "1"),
            ("FRAMERILL_QUEUE_RECOVER_RATIO", "0.5"),
            ("FRAMERILL_STARVATION_TIME", "0.25"),
        ])
        .unwrap();
        assert_eq!(
            (it.gpu_workers, it.cpu_workers, it.video_readers),
            (1, 3, 5)
        );
        assert_eq!((it.max_gpu_backlog, it.max_cpu_backlog), (0, 9));
        assert_eq!((it.queue_soft_limit, it.queue_hard_limit), (1, 1));
        let queue = it.to_run().queue;
        assert_eq!(
            (queue.recover_ratio, queue.starved_after),
            (0.5, Duration::from_millis(250))
        );
    }

    #[test]
    fn files_of_privacy_are_found_from_anywhere_and_wrong_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "too short").unwrap();
        let it = load(&[
            ("FRAMERILL_PLATE_KEY", key.to_str().unwrap()),
            ("FRAMERILL_PLATE_LIST", "plates.txt"),
        ])
        .unwrap();
        assert!(it.plate_list.as_ref().unwrap().is_absolute());
        let failure = it.privacy().unwrap_err();
        assert_eq!(failure.exit, Exit::CannotStart);
        assert!(
            failure.to_string().contains(key.to_str().unwrap()),
            "{failure}"
        );
        assert_eq!(load(&[]).unwrap().privacy().unwrap().mode(), "clear");
    }

    #[test]
    fn bad_values_are_usage_errors_that_name_their_variable() {
        for env in [
            [("NUM_GPU_WORKERS", "two")],
            [("NUM_GPU_WORKERS", "101")],
            [("NUM_CPU_WORKERS", "-1")],
            [("NUM_VIDEO_READERS", "0")],
            [("MAX_GPU_BACKLOG", "-1")],
            [("MAX_CPU_BACKLOG", "x")],
            [("FRAMERILL_DRAIN_TIMEOUT", "inf")],
            [("QUEUE_HARD_LIMIT", "0")],
            [("QUEUE_SOFT_LIMIT", "129")],
            [("FRAMERILL_QUEUE_RECOVER_RATIO", "1.5")],
            [("FRAMERILL_QUEUE_RECOVER_RATIO", "nan")],
            [("FRAMERILL_STARVATION_TIME", "-1")],
            [("POSTGRES_PORT", "x")],
            [("NUM_CPU_WORKERS", "0")],
            [("FRAMERILL_PROVIDER", "gpu")],
            [("FRAMERILL_MODEL", "plate")],
            [("FRAMERILL_MODEL", "plates=x")],
            [("FRAMERILL_MODEL", "ocr=a,ocr=b")],
            [("FRAMERILL_PLATE_FORMAT", "atlantis")],
            [("FRAMERILL_PLATE_FORMAT", "de,")],
        ] {
            let failure = load(&env).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{env:?}");
            assert!(failure.to_string().contains(env[0].0), "{failure}");
        }
        let none = load(&[("NUM_GPU_WORKERS", "0"), ("NUM_CPU_WORKERS", "0")]).unwrap_err();
        assert_eq!(none.exit, Exit::Usage);
    }

    #[test]
    fn models_what_computes_them_and_formats_are_chosen() {
        let it = load(&[
            ("FRAMERILL_MODEL", "plate=fine, ocr = own"),
            ("FRAMERILL_PROVIDER", "cpu"),
            ("FRAMERILL_PLATE_FORMAT", "FR, de,aaddaa,fr"),
        ])
        .unwrap();
        let expected = Choice {
            plate: Some("fine".into()),
            ocr: Some("own".into()),
            provider: Provider::Cpu,
            ..Choice::default()
        };
        assert_eq!(it.choice, expected);
        assert_eq!(it.formats, ["aaddaa", "de", "fr"]);
        let usual = load(&[]).unwrap();
        assert_eq!(usual.choice, Choice::default());
        assert!(usual.formats.is_empty());
    }

    #[test]
    fn a_class_may_have_no_workers_when_the_other_one_takes_both() {
        for both in ["FRAMERILL_SINGLE_PROCESS", "FRAMERILL_WORKERS_TAKE_BOTH"] {
            assert!(load(&[("NUM_GPU_WORKERS", "0"), (both, "1")]).is_ok());
        }
        let none = [
            ("NUM_GPU_WORKERS", "0"),
            ("NUM_CPU_WORKERS", "0"),
            ("FRAMERILL_WORKERS_TAKE_BOTH", "1"),
        ];
        assert!(load(&none).is_err());
    }

    #[test]
    fn any_variable_of_postgres_means_postgres_and_db_decides() {
        let it = load(&[("POSTGRES_PASSWORD", "p@ss")]).unwrap();
        let Address::Postgres { url } = &it.database else {
            panic!("{:?}", it.database);
        };
        assert!(url.contains("dashcam:p%40ss@localhost:5432/"), "{url}");
        assert!(!it.to_json().to_string().contains("p%40ss"));
        let it = load(&[("POSTGRES_HOST", "db"), ("FRAMERILL_DB", "x.db")]).unwrap();
        assert_eq!(it.database, Address::Sqlite("x.db".into()));
        assert!(load(&[("FRAMERILL_DB", "mysql://x")]).is_err());
    }

    #[test]
    fn variables_of_the_originals_dispatcher_are_one_warning() {
        let it = load(&[("NUM_DISPATCHERS", "1"), ("DISPATCH_FETCH_LIMIT", "32")]).unwrap();
        assert_eq!(it.notes.len(), 1);
        assert!(it.notes[0].contains("NUM_DISPATCHERS"));
    }
}
