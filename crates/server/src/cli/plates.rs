//! `framerill plates`.

mod bench;
mod chosen;
mod denoise;
mod doctor;
mod image;
mod machines;
mod privacy;
mod serve;

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use framerill_plates::store::Selection;

use crate::{
    exit::Exit,
    failure::Failure,
    plates::{self, Asked, models, records},
};
use privacy::{Erase, Retain};

/// Read number plates off videos: one record for every vehicle with a readable plate.
///
/// Without a sub-command it is `framerill plates run`. Each setting comes from its flag, else from its variable FRAMERILL_…,
/// else from the original's own variable, else from `.env` in this folder, else from the table `[plates]` of `framerill.toml`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Plates {
    #[command(subcommand)]
    command: Option<PlatesCommand>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum PlatesCommand {
    /// Read videos, and end
    Run(Box<Run>),
    /// Take videos from a queue that machines share, and read them
    Work(Box<machines::Work>),
    /// Say how the run in a work directory, or a queue that machines share, stands
    Status(Status),
    /// Find vehicles by plate
    Search(Search),
    /// Write records as a file that others read
    Export(Export),
    /// Take a plate out of the database, for good
    Erase(Erase),
    /// Take out of the database what is older than an age
    Retain(Retain),
    /// Say whether a run would work here, and what to do where it would not
    Doctor(Box<doctor::Doctor>),
    /// Read number plates off pictures
    Image(image::Image),
    /// Serve plates, tracks, pictures and clips over HTTP until Ctrl-C
    Serve(serve::Serve),
    /// Name models, and say whether they are there
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Say what is read right and how fast, on material with truths
    Bench(bench::Bench),
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Name every model with its licence, and whether its file is there
    List(Models),
    /// Say whether every file that a run needs is there and is the one that was declared
    Check(Models),
    /// Get the files that a run needs and that are not there, and verify them
    Pull(Pull),
}

/// Get models.
#[derive(Debug, Args)]
struct Pull {
    /// Names of models [default: those that a run needs]
    names: Vec<String>,
    #[command(flatten)]
    of: Models,
}

/// Models of a folder.
#[derive(Debug, Args)]
struct Models {
    /// Folder with model files
    #[arg(long, value_name = "DIR", env = "FRAMERILL_MODELS")]
    models: Option<PathBuf>,
    #[command(flatten)]
    named: chosen::Named,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
}

/// Which database.
#[derive(Debug, Args)]
struct Place {
    /// Key file of hashed plates [env: FRAMERILL_PLATE_KEY]
    #[arg(long, value_name = "FILE")]
    plate_key: Option<String>,
    /// File of SQLite's or postgres:// URL [default: plates.db in the work directory] [env: FRAMERILL_DB]
    #[arg(long, value_name = "URL")]
    db: Option<String>,
    /// The run's own folder [default: framerill-plates] [env: FRAMERILL_WORK_DIR]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<String>,
    /// Configuration file [default: framerill.toml in this folder, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Find vehicles by plate.
#[derive(Debug, Args)]
struct Search {
    /// What is looked for; without it the newest ones are shown
    plate: Option<String>,
    /// similar, exact, substring, or look-alike (0/O, 1/I, 5/S, 8/B and 2/Z are one)
    #[arg(long, value_name = "HOW", default_value = "similar", value_parser = records::how)]
    how: framerill_plates::store::search::How,
    /// Show so many
    #[arg(long, value_name = "N", default_value_t = 25)]
    limit: u32,
    /// Leave out so many first
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u32,
    /// In this video alone
    #[arg(long, value_name = "ID")]
    video_id: Option<String>,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Write records as a file that others read.
#[derive(Debug, Args)]
struct Export {
    /// jsonl, csv, parquet, geojson or gpx
    #[arg(short, long, value_name = "FORMAT", default_value = "jsonl", value_parser = records::format)]
    format: framerill_plates::export::Format,
    /// vehicles, tracks, track_motion, videos or video_summary
    #[arg(long, value_name = "TABLE", default_value = "vehicles")]
    table: String,
    /// Of this video alone
    #[arg(long, value_name = "ID")]
    video_id: Option<String>,
    /// With pictures of plates
    #[arg(long)]
    crops: bool,
    /// File to write [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Read number plates off videos, and end.
#[derive(Debug, Args)]
struct Run {
    /// Videos, folders with videos, patterns such as 'trips/2025*.mp4', or addresses such as https://host/a.mp4
    /// [default: inputs]
    paths: Vec<PathBuf>,
    /// Read what is done once more, and replace its records
    #[arg(long)]
    force: bool,
    /// A video that could be read only in part fails the run
    #[arg(long)]
    strict: bool,
    /// Look into folders of folders, too
    #[arg(short, long)]
    recursive: bool,
    /// Read so many videos at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// With `--queue`: put the videos into the queue's own store, for machines that share no folder
    #[arg(long)]
    upload: bool,
    #[command(flatten)]
    common: Common,
    /// Keep how the run stands in this file, as JSON, anew each second
    #[arg(long, value_name = "FILE")]
    status_json: Option<PathBuf>,
    /// Write what happens to vehicles to the end of this file, as JSON Lines, while it is read: new, update, end; - is stdout
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// IP address and port at which `/status`, `/metrics` and `/health` say how the run stands; port 0 is any free one
    #[arg(long, value_name = "ADDR", env = "FRAMERILL_PLATES_HTTP")]
    http: Option<std::net::SocketAddr>,
}

/// What whoever reads videos is told, here or for other machines.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    tuning: Tuning,
    /// Configuration file [default: framerill.toml in this folder, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Pass over `.env` in this folder
    #[arg(long, hide = true)]
    no_dotenv: bool,
    /// End with one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// Show nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

impl Common {
    fn asked(self) -> Asked {
        Asked {
            config: self.config,
            dotenv: !self.no_dotenv,
            json: self.json,
            quiet: self.quiet,
            ..Asked::of(self.tuning.flags())
        }
    }
}

/// Settings, each with its twins.
#[derive(Debug, Args)]
struct Tuning {
    /// File of SQLite's or postgres:// URL for records [default: plates.db in the work directory] [env: FRAMERILL_DB]
    #[arg(long, value_name = "URL")]
    db: Option<String>,
    /// Folder with model files; `framerill plates models list` names them [env: FRAMERILL_MODELS]
    #[arg(long, value_name = "DIR")]
    models: Option<String>,
    /// Another model than the first one of its role: vehicle=NAME, plate=NAME or ocr=NAME; may be given for each
    /// [env: FRAMERILL_MODEL]
    #[arg(long, value_name = "ROLE=NAME")]
    model: Vec<String>,
    /// What models are computed on: auto (CUDA where it is there, else cpu), cpu, cuda or tensorrt [default: auto]
    /// [env: FRAMERILL_PROVIDER]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The run's own folder: lock, logs, checkpoints [default: framerill-plates] [env: FRAMERILL_WORK_DIR]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<String>,
    /// Readings that a record needs [default: 2] [env: FRAMERILL_MIN_SAMPLES]
    #[arg(long, value_name = "N")]
    min_samples: Option<String>,
    /// Put look-alikes (0/O, 1/I, 5/S, 8/B, 2/Z) right by how plates are written: at au be br ca ch cn cz de es eu fr gb in
    /// it mx nl pl pt us vn, or patterns of a (letter), d (digit) and x (either); several by commas
    /// [env: FRAMERILL_PLATE_FORMAT]
    #[arg(long, value_name = "NAME")]
    plate_format: Vec<String>,
    /// Search plates in vehicles (cascade), or in whole frames (frame) [default: cascade] [env: FRAMERILL_MODE]
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Look at every n-th frame [default: 4, 3 with --mode frame] [env: FRAMERILL_EVERY]
    #[arg(long, value_name = "N")]
    every: Option<String>,
    /// Tasks that a worker takes at once [default: 1] [env: FRAMERILL_BATCH]
    #[arg(long, value_name = "N")]
    batch: Option<String>,
    /// A stage of your own: ocr=FILE.py:CLASS, plate_yolo=module:CLASS or ocr=./PROGRAM; may be given for both
    /// [env: FRAMERILL_STAGE]
    #[arg(long, value_name = "WHAT")]
    stage: Vec<String>,
    /// Worker processes for each stage of your own [default: 1] [env: FRAMERILL_STAGE_WORKERS]
    #[arg(long, value_name = "N")]
    stage_workers: Option<String>,
    /// Write a vehicle's row as soon as its plate is stable, and again when that changes, not at the vehicle's end alone
    /// [env: FRAMERILL_LIVE]
    #[arg(long)]
    live: bool,
    /// One worker process, which does all work [env: FRAMERILL_SINGLE_PROCESS]
    #[arg(long)]
    single_process: bool,
    /// Workers of one class do the work of the other one where that has none [env: FRAMERILL_WORKERS_TAKE_BOTH]
    #[arg(long)]
    workers_take_both: bool,
    /// Seconds that a stop leaves to what is begun [default: 60] [env: FRAMERILL_DRAIN_TIMEOUT]
    #[arg(long, value_name = "S")]
    drain_timeout: Option<String>,
    /// Seconds after which a task is hung, and its worker replaced [default: 60] [env: FRAMERILL_MAX_TASK_TIME]
    #[arg(long, value_name = "S")]
    max_task_time: Option<String>,
    /// Memory that frames may take together, such as 512M [default: 512M] [env: FRAMERILL_FRAME_MEMORY]
    #[arg(long, value_name = "SIZE")]
    frame_memory: Option<String>,
    /// Bytes of a video at an address that is downloaded, at most; 0 is no limit [default: 20G]
    /// [env: FRAMERILL_MAX_DOWNLOAD]
    #[arg(long, value_name = "SIZE")]
    max_download: Option<String>,
    /// Keep downloaded videos in the work directory when they are read [env: FRAMERILL_KEEP_DOWNLOADS]
    #[arg(long)]
    keep_downloads: bool,
    /// Worker processes for inference [default: 2] [env: FRAMERILL_NUM_GPU_WORKERS, NUM_GPU_WORKERS]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    num_gpu_workers: Option<String>,
    /// Worker processes for everything else [default: 4] [env: FRAMERILL_NUM_CPU_WORKERS, NUM_CPU_WORKERS]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    num_cpu_workers: Option<String>,
    /// Videos that are read at once [default: 2] [env: FRAMERILL_NUM_VIDEO_READERS, NUM_VIDEO_READERS]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    num_video_readers: Option<String>,
    /// Readers wait while more tasks than this are queued for inference [default: 8]
    /// [env: FRAMERILL_MAX_GPU_BACKLOG, MAX_GPU_BACKLOG]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    max_gpu_backlog: Option<String>,
    /// The same for all other tasks [default: 16] [env: FRAMERILL_MAX_CPU_BACKLOG, MAX_CPU_BACKLOG]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    max_cpu_backlog: Option<String>,
    /// Tasks of one kind at which it is told as backed up [default: 64] [env: FRAMERILL_QUEUE_SOFT_LIMIT, QUEUE_SOFT_LIMIT]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    queue_soft_limit: Option<String>,
    /// Tasks of one kind at which more of them are refused [default: 128] [env: FRAMERILL_QUEUE_HARD_LIMIT, QUEUE_HARD_LIMIT]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    queue_hard_limit: Option<String>,
    /// Part of the soft limit at or below which a kind of task is backed up no longer [default: 0.8]
    /// [env: FRAMERILL_QUEUE_RECOVER_RATIO]
    #[arg(long, value_name = "PART", allow_hyphen_values = true)]
    queue_recover_ratio: Option<String>,
    /// Seconds after which a task that waits goes before those of a busier kind [default: 2] [env: FRAMERILL_STARVATION_TIME]
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    starvation_time: Option<String>,
    /// Store plates as hashes with the key in this file, not in clear [env: FRAMERILL_PLATE_KEY]
    #[arg(long, value_name = "FILE")]
    plate_key: Option<String>,
    /// Store plates of this list alone in clear, a plate a line; others are hashed with the key, or left out without one
    /// [env: FRAMERILL_PLATE_LIST]
    #[arg(long, value_name = "FILE")]
    plate_list: Option<String>,
    /// PostgreSQL's host [default: localhost] [env: FRAMERILL_POSTGRES_HOST, POSTGRES_HOST]
    #[arg(long, value_name = "HOST")]
    postgres_host: Option<String>,
    /// PostgreSQL's port [default: 5432] [env: FRAMERILL_POSTGRES_PORT, POSTGRES_PORT]
    #[arg(long, value_name = "PORT")]
    postgres_port: Option<String>,
    /// PostgreSQL's database [default: dashcam_final] [env: FRAMERILL_POSTGRES_DB, POSTGRES_DB]
    #[arg(long, value_name = "NAME")]
    postgres_db: Option<String>,
    /// PostgreSQL's user [default: dashcam] [env: FRAMERILL_POSTGRES_USER, POSTGRES_USER]
    #[arg(long, value_name = "NAME")]
    postgres_user: Option<String>,
    /// PostgreSQL's password; better in `.env` [env: FRAMERILL_POSTGRES_PASSWORD, POSTGRES_PASSWORD]
    #[arg(long, value_name = "WORD", hide = true)]
    postgres_password: Option<String>,
    /// Share the work with other machines over NATS JetStream: nats://HOST:PORT or tls://HOST:PORT, with a login before
    /// HOST [env: FRAMERILL_QUEUE]
    #[arg(long, value_name = "URL")]
    queue: Option<String>,
    /// Credentials file of NATS [env: FRAMERILL_QUEUE_CREDS]
    #[arg(long, value_name = "FILE")]
    queue_creds: Option<String>,
    /// Certificates of authorities for TLS, besides the system's [env: FRAMERILL_QUEUE_CA]
    #[arg(long, value_name = "FILE")]
    queue_ca: Option<String>,
    /// Seconds that the queue's server may be away [default: 300] [env: FRAMERILL_QUEUE_PATIENCE]
    #[arg(long, value_name = "S")]
    queue_patience: Option<String>,
    /// The folder with videos that all machines see, wherever it is here [env: FRAMERILL_SHARE]
    #[arg(long, value_name = "DIR")]
    share: Option<String>,
    /// Where `serve` looks for videos [default: inputs] [env: FRAMERILL_VIDEO_ROOT, VIDEO_ROOT]
    #[arg(long, value_name = "DIR", hide = true)]
    video_root: Option<String>,
    /// Where previews and clips go [env: FRAMERILL_SNIPPET_ROOT, SNIPPET_ROOT]
    #[arg(long, value_name = "DIR", hide = true)]
    snippet_root: Option<String>,
    /// Log what OCR says of the first plates [default: 0] [env: FRAMERILL_OCR_DEBUG_RESULTS, OCR_DEBUG_RESULTS]
    #[arg(long, value_name = "0|1")]
    ocr_debug_results: Option<String>,
    /// Log so many results of each video and worker [default: 5] [env: FRAMERILL_OCR_DEBUG_MAX, OCR_DEBUG_MAX]
    #[arg(long, value_name = "N")]
    ocr_debug_max: Option<String>,
    #[command(flatten)]
    denoise: denoise::Denoise,
}

/// Say how the run in a work directory stands.
#[derive(Debug, Args)]
struct Status {
    /// The run's own folder
    #[arg(
        long,
        value_name = "DIR",
        env = "FRAMERILL_WORK_DIR",
        default_value = "framerill-plates"
    )]
    work_dir: PathBuf,
    #[command(flatten)]
    queue: machines::Where,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl From<Place> for records::Place {
    fn from(it: Place) -> Self {
        let flags = [
            ("--db", it.db),
            ("--work-dir", it.work_dir),
            ("--plate-key", it.plate_key),
        ];
        let flags = flags.into_iter();
        Self {
            flags: flags
                .filter_map(|(flag, value)| Some((flag, value?)))
                .collect(),
            config: it.config,
        }
    }
}

impl Plates {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Some(PlatesCommand::Run(run)) => run.run(),
            Some(PlatesCommand::Work(work)) => work.run(),
            Some(PlatesCommand::Doctor(doctor)) => doctor.run(),
            Some(PlatesCommand::Status(status)) => match status.queue.address() {
                Some(queue) => plates::machines::status(&queue, status.json),
                None => plates::status(&status.work_dir, status.json),
            },
            Some(PlatesCommand::Search(it)) => {
                let search = framerill_plates::store::search::Search {
                    text: it.plate,
                    how: it.how,
                    limit: it.limit,
                    offset: it.offset,
                    video_id: it.video_id,
                };
                records::search(it.place.into(), &search, it.json)
            }
            Some(PlatesCommand::Export(it)) => {
                let selection = Selection {
                    video_id: it.video_id,
                    with_crop: it.crops,
                    ..Selection::of(&it.table)
                };
                records::export(it.place.into(), &selection, it.format, it.output.as_deref())
            }
            Some(PlatesCommand::Erase(it)) => it.run(),
            Some(PlatesCommand::Retain(it)) => it.run(),
            Some(PlatesCommand::Image(image)) => image.run(),
            Some(PlatesCommand::Serve(serve)) => serve.run(),
            Some(PlatesCommand::Models(ModelsCommand::List(it))) => {
                models::list(it.models.as_deref(), it.named.into(), it.json)
            }
            Some(PlatesCommand::Models(ModelsCommand::Check(it))) => {
                models::check(it.models.as_deref(), it.named.into(), it.json)
            }
            Some(PlatesCommand::Models(ModelsCommand::Pull(it))) => {
                let of = it.of;
                models::pull(of.models.as_deref(), of.named.into(), &it.names, of.json)
            }
            Some(PlatesCommand::Bench(it)) => it.run(),
            None => self.run.run(),
        }
    }
}

impl Run {
    fn run(self) -> Result<Exit, Failure> {
        plates::run(Asked {
            paths: self.paths,
            force: self.force,
            strict: self.strict,
            recursive: self.recursive,
            limit: self.limit,
            upload: self.upload,
            status_json: self.status_json,
            events: self.events,
            http: self.http,
            ..self.common.asked()
        })
    }
}

impl Tuning {
    /// Settings by the names of their flags.
    fn flags(self) -> BTreeMap<&'static str, String> {
        let yes = |it: bool| it.then(|| "true".to_owned());
        let all = |it: Vec<String>| (!it.is_empty()).then(|| it.join(","));
        let flags = [
            ("--db", self.db),
            ("--models", self.models),
            ("--model", all(self.model)),
            ("--provider", self.provider),
            ("--work-dir", self.work_dir),
            ("--min-samples", self.min_samples),
            ("--mode", self.mode),
            ("--every", self.every),
            ("--batch", self.batch),
            ("--plate-format", all(self.plate_format)),
            ("--stage", all(self.stage)),
            ("--stage-workers", self.stage_workers),
            ("--live", yes(self.live)),
            ("--single-process", yes(self.single_process)),
            ("--workers-take-both", yes(self.workers_take_both)),
            ("--drain-timeout", self.drain_timeout),
            ("--max-task-time", self.max_task_time),
            ("--frame-memory", self.frame_memory),
            ("--max-download", self.max_download),
            ("--keep-downloads", yes(self.keep_downloads)),
            ("--num-gpu-workers", self.num_gpu_workers),
            ("--num-cpu-workers", self.num_cpu_workers),
            ("--num-video-readers", self.num_video_readers),
            ("--max-gpu-backlog", self.max_gpu_backlog),
            ("--max-cpu-backlog", self.max_cpu_backlog),
            ("--queue-soft-limit", self.queue_soft_limit),
            ("--queue-hard-limit", self.queue_hard_limit),
            ("--queue-recover-ratio", self.queue_recover_ratio),
            ("--starvation-time", self.starvation_time),
            ("--plate-key", self.plate_key),
            ("--plate-list", self.plate_list),
            ("--postgres-host", self.postgres_host),
            ("--postgres-port", self.postgres_port),
            ("--postgres-db", self.postgres_db),
            ("--postgres-user", self.postgres_user),
            ("--postgres-password", self.postgres_password),
            ("--queue", self.queue),
            ("--queue-creds", self.queue_creds),
            ("--queue-ca", self.queue_ca),
            ("--queue-patience", self.queue_patience),
            ("--share", self.share),
            ("--video-root", self.video_root),
            ("--snippet-root", self.snippet_root),
            ("--ocr-debug-results", self.ocr_debug_results),
            ("--ocr-debug-max", self.ocr_debug_max),
        ];
        let flags = flags.into_iter().chain(self.denoise.flags());
        flags
            .filter_map(|(flag, value)| Some((flag, value?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Long flags of a command and of those below it.
    fn flags_of(command: &clap::Command, into: &mut BTreeSet<String>) {
        let own = command.get_arguments().filter_map(clap::Arg::get_long);
        into.extend(own.map(|it| format!("--{it}")));
        for below in command.get_subcommands() {
            flags_of(below, into);
        }
    }

    /// All words of a text that look like flags.
    fn named_in(text: &str) -> impl Iterator<Item = String> {
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
        let is_flag = |it: &&str| {
            let name = it.strip_prefix("--").unwrap_or_default();
            name.starts_with(|it: char| it.is_ascii_lowercase())
        };
        words.filter(is_flag).map(str::to_owned)
    }

    #[test]
    fn every_flag_that_a_source_of_plates_names_is_there() {
        /// Of cargo and of other programs of ours.
        const OTHERS: [&str; 3] = ["--workspace", "--bins", "--version"];
        let mut flags = BTreeSet::from(OTHERS.map(str::to_owned));
        flags_of(
            &Plates::augment_args(clap::Command::new("plates")),
            &mut flags,
        );
        let server = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![server.join("src/plates"), server.join("../plates/src")];
        let (mut files, mut missing) = (0, Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                // What a bench starts has flags of its own.
                if path.is_dir() && !path.ends_with("bench") {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "rs") {
                    files += 1;
                    let text = std::fs::read_to_string(&path).unwrap();
                    let unknown = named_in(&text).filter(|it| !flags.contains(it));
                    missing.extend(unknown.map(|it| format!("{it} in {}", path.display())));
                }
            }
        }
        assert!(files > 100, "{files}");
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn every_setting_is_a_flag_whose_help_names_its_variables() {
        let command = Run::augment_args(clap::Command::new("run"));
        let mut seen = BTreeSet::new();
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let Some((_, named)) = help.split_once("[env: ") else {
                continue;
            };
            let flag = format!("--{}", arg.get_long().unwrap_or_default());
            let setting = plates::settings().iter().find(|it| it.flag == flag);
            let setting = setting.unwrap_or_else(|| panic!("`{flag}` is no setting"));
            let twins = [Some(setting.twin), setting.contract];
            let names: Vec<_> = twins.into_iter().flatten().collect();
            assert_eq!(named.trim_end_matches(']'), names.join(", "), "{flag}");
            seen.insert(setting.flag);
        }
        let all: BTreeSet<_> = plates::settings().iter().map(|it| it.flag).collect();
        assert_eq!(seen, all);
    }
}
