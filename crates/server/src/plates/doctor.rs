//! `framerill plates doctor`: whether a run would work here, and what to do where it would not.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use framerill_media::counted;
use framerill_plates::{
    machines::nats::Queue,
    models::{Check, Choice, Models, Role},
    onnx::{Runtime, available},
    store::{self, Address},
};
use serde::{Deserialize, Serialize};

use super::{
    models::FOLDER,
    run::command::{self, Asked},
    settings::Settings,
};
use crate::{
    exit::Exit,
    failure::Failure,
    findings::{Finding, State, ok, tell},
    program,
    question::{ask_command, ask_program},
    terminal,
};

/// Opening three models takes less.
const PROBE: Duration = Duration::from_secs(60);
/// For the queue's server.
const QUEUE: Duration = Duration::from_secs(5);
/// A disk with less is told.
const ROOM: u64 = 256 << 20;

/// What a process that opens ONNX Runtime says: this one never does.
#[derive(Debug, Serialize, Deserialize)]
struct Probed {
    library: Option<PathBuf>,
    wrong: Option<String>,
    providers: Vec<String>,
    /// By role: what is wrong with opening it.
    models: Vec<(String, Option<String>)>,
}

/// Opens ONNX Runtime and every model, and tells of it on stdout.
pub(crate) fn probe(folder: &Path, choice: Choice) {
    let mut probed = Probed {
        library: None,
        wrong: None,
        providers: Vec::new(),
        models: Vec::new(),
    };
    match Runtime::open(None) {
        Ok(runtime) => {
            probed.library = Some(runtime.path().to_owned());
            let providers = available(&runtime).into_iter();
            probed.providers = providers.map(str::to_owned).collect();
        }
        Err(error) => probed.wrong = Some(error.to_string()),
    }
    if probed.library.is_some()
        && let Ok(models) = Models::open(folder, choice)
    {
        for role in Role::ALL {
            let Ok(entry) = models.entry(role) else {
                continue;
            };
            if models.check(entry) == Check::Good {
                let wrong = models.check_shapes(entry).err().map(|it| it.to_string());
                probed.models.push((role.to_string(), wrong));
            }
        }
    }
    terminal::answer_json(&probed);
}

/// Says what is there, what is missing and what to do.
pub(crate) fn doctor(mut asked: Asked) -> Result<Exit, Failure> {
    let settings = command::settings(&mut asked)?;
    let folder = settings.models.as_deref().unwrap_or(Path::new(FOLDER));
    let mut findings = vec![processors(&settings)];
    findings.extend(media());
    let probed = probed(folder, &settings.choice);
    findings.extend(runtime(&probed));
    findings.extend(models(folder, &settings.choice, probed.as_ref().ok()));
    findings.extend(denoise(&settings));
    findings.push(work_dir(&settings.work_dir));
    findings.push(database(&settings.database));
    findings.extend(queue(&settings));
    findings.push(memory(settings.frame_bytes));
    Ok(tell(&findings, asked.json))
}

fn processors(settings: &Settings) -> Finding {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let run = settings.to_run();
    let name = "processors";
    let found = format!(
        "{} for {} for inference and {}",
        counted(cores as u64, "core", "cores"),
        counted(run.gpu_workers.into(), "worker", "workers"),
        counted(run.cpu_workers.into(), "other", "others")
    );
    if run.gpu_workers as usize > cores {
        let remedy =
            format!("more workers than cores do not make it faster: `--num-gpu-workers {cores}`");
        return Finding::new(name, State::Limited, found, remedy);
    }
    ok(name, found)
}

/// The program that reads videos, and what it can read.
fn media() -> Vec<Finding> {
    let name = "framerill-media";
    let install = "build both with `make build`, or set FRAMERILL_MEDIA";
    let path = match program::media() {
        Ok(it) => it,
        Err(failure) => return vec![Finding::new(name, State::Missing, failure.message, install)],
    };
    let said = match ask_program(&path, &["--version"]) {
        Ok(answer) if answer.success => answer.out,
        Ok(answer) => {
            let found = answer.err.lines().next().unwrap_or("it does not start");
            let remedy = "install FFmpeg's libraries: apt-get install libavformat59 libavfilter8 libswscale6";
            return vec![Finding::new(name, State::Broken, found, remedy)];
        }
        Err(failure) => return vec![Finding::new(name, State::Broken, failure.message, install)],
    };
    let mut findings = vec![ok(name, said.lines().next().unwrap_or_default())];
    for line in said.lines() {
        match line.split_once(": ") {
            Some(("ffmpeg", found)) => findings.push(ok("ffmpeg", found)),
            Some(("decoders", found)) => findings.push(ok("decoders", found)),
            Some(("missing decoders", found)) => findings.push(Finding::new(
                "decoders",
                State::Limited,
                format!("{found} not in this FFmpeg"),
                "videos in these codecs fail: install an FFmpeg that has them",
            )),
            _ => {}
        }
    }
    findings
}

fn probed(folder: &Path, choice: &Choice) -> Result<Probed, String> {
    let own = std::env::current_exe().map_err(|it| it.to_string())?;
    let mut command = Command::new(own);
    let choice = serde_json::to_string(choice).map_err(|it| it.to_string())?;
    command.arg("plates-probe").arg(folder).arg(choice);
    let answer = ask_command(&mut command, PROBE).map_err(|it| it.message)?;
    let last = answer.err.lines().last().unwrap_or("it ended").to_owned();
    serde_json::from_str(&answer.out).map_err(|_| last)
}

fn runtime(probed: &Result<Probed, String>) -> Vec<Finding> {
    let name = "onnx runtime";
    let install = "`pip install onnxruntime` in the active Python environment, or name its library with ORT_DYLIB_PATH";
    let probed = match probed {
        Ok(it) => it,
        Err(why) => return vec![Finding::new(name, State::Broken, why, install)],
    };
    match (&probed.library, &probed.wrong) {
        (Some(path), _) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let version = file
                .strip_prefix("libonnxruntime.so.")
                .unwrap_or("no version in its name");
            vec![
                ok(name, format!("{version} at {}", path.display())),
                ok("providers", probed.providers.join(" ")),
            ]
        }
        (None, why) => {
            let why = why.clone().unwrap_or_default();
            vec![Finding::new(name, State::Missing, why, install)]
        }
    }
}

/// The model of each role: its file, and whether it opens.
fn models(folder: &Path, choice: &Choice, probed: Option<&Probed>) -> Vec<Finding> {
    let shown = folder.display();
    let pull = format!(
        "`framerill plates models pull --models {shown}`, or name the folder that has it with `--models`"
    );
    let models = match Models::open(folder, choice.clone()) {
        Ok(it) => it,
        Err(error) => {
            let remedy = "mend `models.toml` in that folder, or `--model`";
            return vec![Finding::new(
                "models",
                State::Broken,
                error.to_string(),
                remedy,
            )];
        }
    };
    let of = |role: Role| {
        let name = match role {
            Role::Vehicle => "model vehicle",
            Role::Plate => "model plate",
            Role::Ocr => "model ocr",
        };
        let entry = match models.entry(role) {
            Ok(it) => it,
            Err(error) => return Finding::new(name, State::Missing, error.to_string(), &*pull),
        };
        let file = &entry.file;
        match models.check(entry) {
            Check::Missing => {
                let found = format!("`{}` ({}) is not in `{shown}`", entry.name, entry.licence);
                Finding::new(name, State::Missing, found, &*pull)
            }
            Check::Bad(why) => {
                let remedy = format!("remove {file} and get it anew: {pull}");
                Finding::new(name, State::Broken, format!("{file}: {why}"), remedy)
            }
            Check::Good => {
                let opened = probed.and_then(|it| {
                    let mut all = it.models.iter();
                    all.find(|(of, _)| *of == role.to_string())
                });
                match opened {
                    Some((_, None)) => {
                        ok(name, format!("{}: {file} is good and opens", entry.name))
                    }
                    Some((_, Some(why))) => {
                        let remedy = "declare it as it is in `models.toml`, or use another one";
                        Finding::new(name, State::Broken, format!("{file}: {why}"), remedy)
                    }
                    None => Finding::new(
                        name,
                        State::Limited,
                        format!("{}: {file} is good, and was not opened", entry.name),
                        "ONNX Runtime opens it: see above",
                    ),
                }
            }
        }
    };
    Role::ALL.map(of).into()
}

/// How plates are made clean, where they are, and whether their pictures can be saved.
fn denoise(settings: &Settings) -> Option<Finding> {
    let name = "plate denoise";
    let found = settings.denoise_words()?;
    let Some(folder) = &settings.denoise_save else {
        return Some(ok(name, found));
    };
    let shown = folder.display();
    Some(match written(&nearest(folder)) {
        Ok(()) => ok(name, format!("{found}, pictures in `{shown}`")),
        Err(why) => {
            let found = format!("{found}, and `{shown}` cannot be written: {why}");
            let remedy = "name another folder with `--plate-denoise-debug-save`";
            Finding::new(name, State::Limited, found, remedy)
        }
    })
}

/// Whether it can be written, and has room.
fn work_dir(path: &Path) -> Finding {
    let name = "work directory";
    let shown = path.display();
    let there = &nearest(path);
    let remedy = "name one that can be written with `--work-dir`";
    if let Err(error) = written(there) {
        let found = format!("`{shown}` cannot be written: {error}");
        return Finding::new(name, State::Missing, found, remedy);
    }
    let disk = rustix::fs::statvfs(there).map(|it| it.f_bavail.saturating_mul(it.f_frsize));
    match disk {
        Ok(free) if free < ROOM => {
            let found = format!("`{shown}` can be written; {} MiB are free", free >> 20);
            Finding::new(name, State::Limited, found, "free some room on that disk")
        }
        Ok(free) => ok(
            name,
            format!("`{shown}` can be written; {} GiB are free", free >> 30),
        ),
        Err(_) => ok(name, format!("`{shown}` can be written")),
    }
}

/// The folder itself, or the one in which it will be made.
fn nearest(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = absolute.ancestors().find(|it| it.exists());
    there.unwrap_or(Path::new("/")).to_owned()
}

fn written(folder: &Path) -> io::Result<()> {
    tempfile::tempfile_in(folder).map(drop)?;
    fs::metadata(folder)?
        .is_dir()
        .then_some(())
        .ok_or(io::ErrorKind::NotADirectory.into())
}

fn database(address: &Address) -> Finding {
    let name = "database";
    match store::look(address) {
        Ok(looked) if looked.schema == 0 => {
            ok(name, format!("{address}: the first run makes its tables"))
        }
        Ok(looked) if looked.schema > looked.known => {
            let found = format!("{address} has schema version {}", looked.schema);
            let remedy = format!("this framerill knows {}: use a newer one", looked.known);
            Finding::new(name, State::Broken, found, remedy)
        }
        Ok(looked) => ok(
            name,
            format!(
                "{address}: schema version {} of {}",
                looked.schema, looked.known
            ),
        ),
        Err(error) if error.is_transient() => {
            let remedy = "start it, or name another one with `--db`";
            Finding::new(name, State::Missing, error.to_string(), remedy)
        }
        Err(error) => {
            let remedy = "correct `--db`, or the rights of its user";
            Finding::new(name, State::Broken, error.to_string(), remedy)
        }
    }
}

/// Only where one is named.
fn queue(settings: &Settings) -> Option<Finding> {
    let name = "queue";
    let shown = settings.queue.shown()?;
    let options = framerill_plates::machines::nats::Options {
        start: QUEUE,
        patience: QUEUE,
        ..settings.queue.options()
    };
    Some(match Queue::look(&options) {
        Ok(version) => ok(
            name,
            format!("{shown}: nats-server {version} with JetStream"),
        ),
        Err(error) => {
            let remedy = "start `nats-server -js` there, or correct `--queue`";
            Finding::new(name, State::Missing, error.to_string(), remedy)
        }
    })
}

/// Frames lie in memory files: neither swap nor `/dev/shm` bounds them, but memory does.
fn memory(frames: u64) -> Finding {
    let name = "shared memory";
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find(|it| it.starts_with("MemAvailable"));
    let kib = line.and_then(|it| it.split_whitespace().nth(1)?.parse::<u64>().ok());
    let available = kib.unwrap_or(0) << 10;
    let disk = rustix::fs::statvfs("/dev/shm");
    let shm = disk.map_or(0, |it| it.f_blocks.saturating_mul(it.f_frsize));
    let found = format!(
        "frames take {} MiB at most; {} MiB of memory are available (/dev/shm has {} MiB, and is not used)",
        frames >> 20,
        available >> 20,
        shm >> 20
    );
    if available < frames.saturating_mul(2) {
        let remedy = "lower `--frame-memory`, or end what takes the memory";
        return Finding::new(name, State::Limited, found, remedy);
    }
    ok(name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_model_is_named_with_its_licence_and_the_command_that_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let found = models(folder.path(), &Choice::default(), None);
        assert_eq!(found.len(), 3);
        for it in found {
            assert_eq!(it.state, State::Missing);
            assert!(it.found.contains('('), "{it:?}");
            assert!(it.remedy.unwrap().contains("models pull"));
        }
    }

    #[test]
    fn a_work_directory_that_is_not_there_yet_is_judged_by_where_it_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a/b/c");
        assert_eq!(work_dir(&inside).state, State::Ok);
        assert!(!folder.path().join("a").exists());
        fs::write(folder.path().join("file"), "").unwrap();
        let below = work_dir(&folder.path().join("file/x"));
        assert_eq!(below.state, State::Missing, "{below:?}");
    }

    #[test]
    fn a_database_that_is_away_is_missing_and_one_that_is_none_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        assert_eq!(database(&Address::Sqlite(file.clone())).state, State::Ok);
        assert!(!file.exists());
        fs::write(&file, "this is no database at all, whatever its name says").unwrap();
        assert_eq!(database(&Address::Sqlite(file)).state, State::Broken);
        let away = Address::parsed("postgres://u:secret@127.0.0.1:1/x").unwrap();
        let away = database(&away);
        assert_eq!(away.state, State::Missing, "{away:?}");
        assert!(!format!("{away:?}").contains("secret"));
    }
}
