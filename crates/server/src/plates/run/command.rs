//! `framerill plates run`: the wiring.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use framerill_media::counted;
use framerill_plates::{
    category::{Category, Class},
    flow::{FlowSettings, VideoEnd, VideoStatus},
    models::{Models, Role, sha256_of},
    run::{self, RunEnd, VideoNo, Why, WorkerId},
    store::{Options, Store},
    track, vote,
    worker::Setup,
};
use io::IsTerminal;
use serde_json::{Map, Value, json};

use super::{
    crew::Job,
    driver::{self, Driver, Plan},
    inbox::Inbox,
    workdir::WorkDir,
};
use crate::{
    exit::Exit,
    failure::Failure,
    log::Level,
    plates::{
        inputs::{self, Inputs, Video, download::Downloads, prepare::Looks},
        log::{teller::Teller, voice::Voice},
        machines,
        models::FOLDER,
        settings::{Settings, config, is_program},
        status::{board::Board, standing::Standing},
    },
    serve, terminal,
};

/// Workers of the CPU class have ids from this one on.
const FIRST_CPU_WORKER: u32 = 100;
/// Where rows wait while the database is away.
pub(in crate::plates) const OUTBOX: &str = "outbox";
/// What a run's end waits for a database to take the last rows.
const FLUSH: Duration = Duration::from_secs(3);
/// Rows that the database did not take, shown at the end of a run.
const REFUSALS: u32 = 10;

/// A run that is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) paths: Vec<PathBuf>,
    /// Read what is done once more.
    pub(crate) force: bool,
    /// A video that could be read only in part fails the run.
    pub(crate) strict: bool,
    pub(crate) recursive: bool,
    pub(crate) limit: Option<usize>,
    /// Put videos into the queue's own store.
    pub(crate) upload: bool,
    pub(crate) config: Option<PathBuf>,
    /// Whether `.env` in this folder counts.
    pub(crate) dotenv: bool,
    pub(crate) status_json: Option<PathBuf>,
    /// Where it is written what happens to vehicles; `-` is stdout.
    pub(crate) events: Option<PathBuf>,
    /// Where `/status` and the like are answered.
    pub(crate) http: Option<SocketAddr>,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    /// Settings by the names of their flags.
    pub(crate) flags: BTreeMap<&'static str, String>,
}

impl Asked {
    /// Nothing but settings.
    pub(crate) fn of(flags: BTreeMap<&'static str, String>) -> Self {
        Self {
            paths: Vec::new(),
            force: false,
            strict: false,
            recursive: false,
            limit: None,
            upload: false,
            config: None,
            dotenv: true,
            status_json: None,
            events: None,
            http: None,
            json: false,
            quiet: false,
            flags,
        }
    }
}

/// All settings of a command.
pub(in crate::plates) fn settings(asked: &mut Asked) -> Result<Settings, Failure> {
    let mut sources = serve::sources(std::mem::take(&mut asked.flags), asked.dotenv)?;
    sources.file = config::read(asked.config.as_deref())?;
    Settings::load(sources)
}

/// Reads the videos that are asked for, here or, with a queue, on other machines.
pub(crate) fn run(mut asked: Asked) -> Result<Exit, Failure> {
    let mut settings = settings(&mut asked)?;
    check_events(&asked, &settings)?;
    if settings.queue.url.is_some() {
        return machines::submit(asked, &settings);
    }
    if asked.upload {
        return Err(Failure::usage("setting", "`--upload` needs `--queue`")
            .hint("name the queue, or leave `--upload` out"));
    }
    // A signal is heard from here on: whatever is open is closed in order.
    let inbox = Inbox::listen()?;
    if asked.paths.is_empty() {
        asked.paths.push(settings.input.clone());
    }
    let Inputs { videos, notes } = inputs::find(&asked.paths, asked.recursive, asked.limit)?;
    let work_dir = WorkDir::open(&settings.work_dir)?;
    settings.prepare_saves();
    let is_drawn = io::stderr().is_terminal() && !asked.quiet;
    let mut voice = Voice::new(work_dir.logs(), is_drawn, asked.quiet);
    for note in settings.notes.iter().chain(&notes) {
        voice.say(Level::Warning, note);
    }
    let shown: Vec<_> = asked.paths.iter().map(|it| inputs::shown(it)).collect();
    let said = format!(
        "{} in {}; settings {}",
        counted(videos.len() as u64, "video", "videos"),
        shown.join(", "),
        settings.to_json()
    );
    voice.say(Level::Info, &said);
    if videos.is_empty() {
        voice.say(Level::Warning, "there is no video: nothing to do");
        if asked.json {
            terminal::answer(json!({"status": "done", "videos": []}));
        }
        return Ok(Exit::Done);
    }
    let mut plan = plan(&asked, &settings, &work_dir, videos.clone())?;
    plan.board = asked.http.map(Board::start).transpose()?;
    if let Some(board) = &plan.board {
        let line = format!("the run's state is at http://{}/status", board.addr);
        voice.say(Level::Info, &line);
    }
    let store = plan.looks.store.clone();
    if let Some(Err(error)) = store.as_ref().map(|it| it.now()) {
        let line = format!("rows wait in the work directory for now: {error}");
        voice.say(Level::Warning, &line);
    }
    let ended = match inbox.stopped() {
        Some(exit) => {
            voice.say(Level::Info, "Shutdown complete: no video was begun");
            Ok((not_begun(exit, &videos), Standing::default()))
        }
        None => Driver::start(plan, inbox, &work_dir, &mut voice).and_then(Driver::run),
    };
    voice.undraw();
    if let Some(store) = store {
        tell_what_waits(&store, &mut voice);
    }
    let (end, snapshot) = ended?;
    report(&asked, &videos, &end, &snapshot, &mut voice)
}

/// Events have stdout for themselves, and are of videos that are read here.
fn check_events(asked: &Asked, settings: &Settings) -> Result<(), Failure> {
    let is_stdout = asked.events.as_deref() == Some(Path::new("-"));
    if is_stdout && asked.json {
        let text = "`--events -` and `--json` both write to stdout";
        return Err(Failure::usage("setting", text).hint("name a file: `--events events.jsonl`"));
    }
    if asked.events.is_some() && settings.queue.url.is_some() {
        let text = "`--events` is of videos that are read here, and `--queue` gives them to others";
        return Err(Failure::usage("setting", text).hint("leave one of the two out"));
    }
    Ok(())
}

/// The end of a run that was stopped before it began.
fn not_begun(exit: Exit, videos: &[Video]) -> RunEnd {
    RunEnd {
        why: Why::Stopped(driver::signal(exit)),
        videos: Vec::new(),
        not_begun: videos.len() as u64,
        dead_letters: 0,
        unfinished: Vec::new(),
    }
}

/// What is run, by whom. The models are there, and the database is open.
pub(in crate::plates) fn plan(
    asked: &Asked,
    settings: &Settings,
    work_dir: &WorkDir,
    videos: Vec<Video>,
) -> Result<Plan, Failure> {
    // Without it nothing can be read.
    crate::program::media()?;
    let models = models(settings)?;
    programs(settings)?;
    let Identity {
        flow,
        stages,
        settings_hash,
    } = identity(settings, &models)?;

    let checkpoints = work_dir.checkpoints();
    fs::create_dir_all(&checkpoints).map_err(|error| {
        let text = format!("cannot make `{}`: {error}", checkpoints.display());
        Failure::cannot_start("work_dir", text).hint("name another folder with `--work-dir`")
    })?;
    let store = Store::open(Options {
        outbox: Some(work_dir.path().join(OUTBOX)),
        privacy: settings.privacy()?,
        ..Options::new(settings.database.clone())
    });
    let store = store.map_err(|error| {
        Failure::cannot_start("database", error.to_string())
            .hint("name another database with `--db`")
    })?;
    let teller = match asked.events.as_deref() {
        Some(to) => Some(Teller::new(to, settings.privacy()?)),
        None => None,
    };
    let every = flow.every;
    let run_id = format!(
        "{}-{}",
        jiff::Timestamp::now().as_second(),
        std::process::id()
    );
    Ok(Plan {
        crew: crew(settings, &models, work_dir.path(), &stages),
        settings: settings.to_run(),
        looks: Looks {
            flow: Arc::new(flow),
            settings_hash,
            run_id,
            force: asked.force,
            is_live: settings.live,
            checkpoints,
            store: Some(Arc::new(store)),
            wanted: None,
            begun: Mutex::default(),
            downloads: Downloads::new(
                &work_dir.downloads(),
                settings.max_download,
                settings.keep_downloads,
            ),
        },
        every,
        reader_bytes: settings.frame_bytes / u64::from(settings.video_readers.max(1)),
        shows: !asked.quiet,
        status_json: asked.status_json.clone(),
        observer: None,
        board: None,
        teller,
        videos,
    })
}

/// Everything that can change a record, and its hash.
pub(in crate::plates) struct Identity {
    pub(in crate::plates) flow: FlowSettings,
    pub(in crate::plates) stages: Map<String, Value>,
    pub(in crate::plates) settings_hash: String,
}

/// Of a run with these settings and models. What computes the models is no part of it.
///
/// # Errors
/// A model that is declared without a hash cannot be read.
pub(in crate::plates) fn identity(
    settings: &Settings,
    models: &Models,
) -> Result<Identity, Failure> {
    let usual = FlowSettings::of(settings.mode);
    let flow = FlowSettings {
        every: settings.every.unwrap_or(usual.every),
        denoise: settings.denoise,
        ..usual
    };
    let stages = stages(settings);
    let mut all = Vec::new();
    for role in Role::ALL {
        all.push((role.to_string(), model_hash(models, role)?));
    }
    let told = stages
        .iter()
        .map(|(name, it)| (name.clone(), it.to_string()));
    let own = settings.own_stages.iter();
    let own = own.map(|(category, target)| (format!("own {category}"), target.clone()));
    all.extend(told.chain(own));
    let settings_hash = flow.hash(&all);
    Ok(Identity {
        flow,
        stages,
        settings_hash,
    })
}

/// The declared hash of a role's model, else that of its file.
fn model_hash(models: &Models, role: Role) -> Result<String, Failure> {
    let refused = |text: String| {
        Failure::cannot_start("models", text)
            .hint("name the folder that has it with `--models DIR`")
    };
    let entry = models.entry(role).map_err(|it| refused(it.to_string()))?;
    if let Some(hash) = &entry.sha256 {
        return Ok(hash.clone());
    }
    let file = models.dir().join(&entry.file);
    let shown = file.display().to_string();
    sha256_of(&file).map_err(|error| refused(format!("`{shown}` cannot be read: {error}")))
}

/// Programs of `--stage` that could not be started.
fn programs(settings: &Settings) -> Result<(), Failure> {
    let programs = settings.own_stages.iter().filter(|(_, it)| is_program(it));
    for (category, target) in programs {
        let wrong = match fs::metadata(target) {
            Ok(it) if it.is_file() && it.permissions().mode() & 0o111 != 0 => continue,
            Ok(_) => "it is no program".to_owned(),
            Err(error) => error.to_string(),
        };
        let text = format!("`--stage {category}={target}`: {wrong}");
        return Err(Failure::cannot_start("load_failed", text)
            .hint("build it, and name it by its path; a Python class is named FILE.py:CLASS"));
    }
    Ok(())
}

/// The models, all of which are there.
pub(in crate::plates) fn models(settings: &Settings) -> Result<Models, Failure> {
    let refused = |error: framerill_plates::models::ModelError| {
        Failure::cannot_start("models", error.to_string())
    };
    let folder = settings.models.as_deref().unwrap_or(Path::new(FOLDER));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let models = Models::open(&folder, settings.choice.clone()).map_err(refused)?;
    models
        .verify()
        .map_err(refused)
        .map_err(|it| it.or_hint("or name the folder that has it with `--models DIR`"))?;
    Ok(models)
}

/// Settings of stages that differ from their own defaults.
fn stages(settings: &Settings) -> Map<String, Value> {
    let track = track::Settings {
        confirm_hits: track::Settings::default()
            .confirm_hits
            .min(settings.min_samples),
        ..track::Settings::default()
    };
    let vote = vote::Settings {
        min_samples: settings.min_samples as usize,
        formats: settings.formats.clone(),
        ..vote::Settings::default()
    };
    // Numbers and words always are JSON.
    let (track, vote) = (serde_json::to_value(track), serde_json::to_value(vote));
    let all = [
        (Category::VehicleTrack, track.unwrap_or_default()),
        (Category::PlateSmooth, vote.unwrap_or_default()),
    ];
    let all = all.into_iter();
    all.map(|(it, settings)| (it.name().into(), settings))
        .collect()
}

/// Every worker and what it is told.
fn crew(
    settings: &Settings,
    models: &Models,
    work_dir: &Path,
    stages: &Map<String, Value>,
) -> Vec<(WorkerId, Job)> {
    let run = settings.to_run();
    let is_ours = |it: &Category| !settings.own_stages.contains_key(it);
    let names = |takes: run::Takes| -> Vec<String> {
        let all = run.categories().filter(|it| takes.does(*it) && is_ours(it));
        all.map(|it| it.name().into()).collect()
    };
    let setup = |class, load_first| Setup {
        class,
        load_first,
        batch: settings.batch,
        memory: 4 << 30,
        models: Some(models.dir().to_owned()),
        choice: settings.choice.clone(),
        database: settings.database_text(),
        plate_key: settings.plate_key.clone(),
        plate_list: settings.plate_list.clone(),
        denoise_save: settings.denoise_save.clone(),
        work_dir: work_dir.to_owned(),
        stages: stages.clone(),
    };
    let gpu =
        (0..run.gpu_workers).map(|id| (WorkerId(id), setup(Class::Gpu, names(run.gpu_takes()))));
    let cpu = (0..run.cpu_workers).map(|at| {
        let id = FIRST_CPU_WORKER + at;
        (WorkerId(id), setup(Class::Cpu, names(run.cpu_takes())))
    });
    let usual = gpu.chain(cpu).map(|(id, setup)| (id, Job::Stages(setup)));
    let python = crate::program::python(None);
    let own = run.own_workers().into_iter().map(|(id, category)| {
        let target = settings.own_stages.get(&category).cloned();
        let target = target.unwrap_or_default();
        let job = if is_program(&target) {
            let program = std::path::absolute(&target).unwrap_or_else(|_| target.into());
            let setup = setup(category.class(), vec![category.name().to_owned()]);
            Job::Program { program, setup }
        } else {
            Job::Python {
                python: python.clone(),
                category,
                target,
            }
        };
        (id, job)
    });
    usual.chain(own).collect()
}

/// Gives rows that the database has not taken yet a last chance, and tells of those that it has not.
fn tell_what_waits(store: &Store, voice: &mut Voice) {
    // An outbox that cannot be read is told by whoever reads it next.
    let waiting = store
        .waiting()
        .and_then(|it| if it > 0 { store.flush(FLUSH) } else { Ok(0) });
    if let Ok(waiting @ 1..) = waiting {
        let line = format!(
            "{} for {}: the next command with this work directory delivers them",
            counted(waiting, "row waits", "rows wait"),
            store.address()
        );
        voice.say(Level::Warning, &line);
    }
    for it in store.refused(REFUSALS).unwrap_or_default() {
        let line = format!("{} did not take a row: {}", it.table, it.reason);
        voice.say(Level::Error, &line);
    }
}

fn report(
    asked: &Asked,
    videos: &[Video],
    end: &RunEnd,
    snapshot: &Standing,
    voice: &mut Voice,
) -> Result<Exit, Failure> {
    for it in &end.unfinished {
        let frame = it.frame_idx.map_or_else(String::new, |it| format!(":{it}"));
        let line = format!(
            "unfinished: {} of {}{frame} (task {})",
            it.category, it.video_id, it.task.0
        );
        voice.say(Level::Warning, &line);
    }
    let exit = match end.exit_code(asked.strict) {
        0 => Exit::Done,
        2 => Exit::Usage,
        3 => Exit::CannotStart,
        130 => Exit::Interrupted,
        143 => Exit::Terminated,
        _ => Exit::Failed,
    };
    let count = |status| {
        end.videos
            .iter()
            .filter(|(_, it)| it.status == status)
            .count()
    };
    let plates = end.videos.iter().map(|(_, it)| it.plates).sum();
    let frames = end.videos.iter().map(|(_, it)| it.frames).sum();
    let line = format!(
        "{}: {} complete, {} partial, {} failed, {} skipped, {} stopped, {} not begun; {}, {} in {:.1} s, {}",
        counted(videos.len() as u64, "video", "videos"),
        count(VideoStatus::Complete),
        count(VideoStatus::Partial),
        count(VideoStatus::Failed),
        count(VideoStatus::Skipped),
        count(VideoStatus::Stopped),
        end.not_begun,
        counted(plates, "plate", "plates"),
        counted(frames, "frame", "frames"),
        snapshot.seconds,
        counted(end.dead_letters, "dead letter", "dead letters")
    );
    voice.say(Level::Info, &line);
    let events = snapshot.events;
    if asked.events.is_some() {
        let line = format!(
            "{} written, {} lost",
            counted(events.written, "event", "events"),
            events.lost
        );
        let level = match events.lost {
            0 => Level::Info,
            _ => Level::Warning,
        };
        voice.say(level, &line);
    }
    if asked.json {
        let of = |(no, it): &(VideoNo, VideoEnd)| video(videos.get(no.0 as usize), it);
        terminal::answer(json!({
            "status": match (exit, &end.why) {
                (Exit::Done, _) => "done",
                (_, Why::Stopped(_)) => "interrupted",
                _ => "failed",
            },
            "exit": exit.code(),
            "videos": end.videos.iter().map(of).collect::<Vec<_>>(),
            "not_begun": end.not_begun,
            "dead_letters": end.dead_letters,
            "unfinished": end.unfinished,
            "seconds": snapshot.seconds,
            "frames": frames,
            "frames_settled": snapshot.frames_settled,
            "tasks": tasks(snapshot),
            "events": asked.events.as_ref().map(|_| json!({
                "written": events.written,
                "lost": events.lost,
            })),
        }));
    }
    if let Why::CannotGoOn(why) = &end.why {
        return Err(Failure {
            is_reported: asked.json,
            ..Failure::cannot_start("cannot_go_on", why.clone())
        });
    }
    Ok(exit)
}

/// Tasks that were done, by category.
fn tasks(snapshot: &Standing) -> Value {
    let all = snapshot.categories.iter();
    all.map(|it| (it.name.clone(), json!(it.done))).collect()
}

fn video(video: Option<&Video>, end: &VideoEnd) -> Value {
    json!({
        "video_id": video.map(|it| &it.video_id),
        "path": video.map(|it| inputs::shown(&it.path)),
        "status": end.status,
        "reason": end.reason,
        "frames": end.frames,
        "tracks": end.tracks,
        "plates": end.plates,
    })
}
