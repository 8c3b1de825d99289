//! A folder with videos, a work directory, and runs over them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use framerill_plates::store::{Address, Options, Record, Store};
use framerill_tests::{bin, material, process, python, repository, skip, wait_for, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A run of a short clip, on a machine that is busy with other tests.
pub(crate) const LONGEST: Duration = Duration::from_secs(240);
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A folder of its own: `in/` for videos, `work/` for the run.
pub(crate) struct Scene {
    folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The one object on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.stdout.trim())
            .unwrap_or_else(|error| panic!("{error}: {} / {}", self.stdout, self.stderr))
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("in")).expect("a folder");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a clip of the material under another name.
    pub(crate) fn clip(&self, material: &Path, clip: &str, name: &str) {
        let from = material.join("video").join(clip);
        fs::copy(&from, self.path("in").join(name)).expect("the clip is there");
    }

    /// Draws what the small models of the tests can read, a car with that plate which drives through: a video, or with one
    /// frame a picture.
    pub(crate) fn draw(&self, plate: &str, frames: u32, into: &str) {
        let path = self.path(into);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let mut draw = Command::new(python())
            .arg(repository().join("scripts/tiny_models.py"))
            .args(["draw", plate, "--frames", &frames.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python draws");
        let mut pack = Command::new("ffmpeg");
        pack.args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"])
            .args(["-s", "640x360", "-r", "25", "-i", "-"])
            .stdin(draw.stdout.take().expect("a pipe"));
        if path.extension().is_some_and(|it| it == "mp4") {
            pack.args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "10"])
                .args(["-pix_fmt", "yuv420p"]);
        }
        let packed = pack.arg(path).status().expect("ffmpeg packs");
        assert!(packed.success() && draw.wait().expect("it ends").success());
    }

    /// A command without the settings of whoever runs the tests.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("framerill"));
        command
            .arg("plates")
            .args(args)
            .current_dir(self.folder.path())
            .env("VIRTUAL_ENV", repository().join(".venv"))
            .stdin(Stdio::null());
        for (name, _) in std::env::vars() {
            let is_setting = ["POSTGRES_", "NUM_", "QUEUE_", "MAX_"];
            if is_setting.iter().any(|it| name.starts_with(it)) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn plates(&self, args: &[&str]) -> Ended {
        ended(self.start(args))
    }

    /// Starts a command; its words go to files that [`ended`] reads.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_command(self.command(args))
    }

    /// The same with a command that was changed.
    pub(crate) fn start_command(&self, mut command: Command) -> Running {
        let name = format!("{}", std::process::id());
        let unique = fs::read_dir(self.folder.path()).map_or(0, Iterator::count);
        let words = ["out", "err"].map(|it| self.path(&format!("{name}-{unique}.{it}")));
        let files = [&words[0], &words[1]].map(|it| fs::File::create(it).expect("a file"));
        let [out, err] = files;
        let child = command.stdout(out).stderr(err).spawn();
        Running {
            child: child.expect("it starts"),
            words,
        }
    }

    /// Runs over `in/` with few processes.
    pub(crate) fn run(&self, material: &Path, more: &[&str]) -> Ended {
        ended(self.begin(material, more))
    }

    pub(crate) fn begin(&self, material: &Path, more: &[&str]) -> Running {
        let models = material.join("models");
        let models = models.to_str().expect("text");
        let mut args = vec![
            "run",
            "in",
            "--work-dir",
            "work",
            "--models",
            models,
            "--json",
        ];
        if !more.contains(&"--num-gpu-workers") && !more.contains(&"--single-process") {
            args.extend(["--num-gpu-workers", "1", "--num-cpu-workers", "1"]);
        }
        args.extend(more);
        self.start(&args)
    }

    /// All rows of a table, without what differs from run to run.
    pub(crate) fn rows(&self, table: &str) -> Vec<Record> {
        let file = self.path("work/plates.db");
        let store = Store::open(Options::new(Address::Sqlite(file))).expect("a database");
        comparable(store.page(table, 0, 100_000).expect("rows"))
    }
}

/// Rows without what differs from run to run, sorted.
pub(crate) fn comparable(mut rows: Vec<Record>) -> Vec<Record> {
    for row in &mut rows {
        for name in [
            "id",
            "ts",
            "created_at",
            "run_id",
            "started",
            "finished",
            "recorded_at",
            "stage_seconds",
            "video_path",
            "path",
        ] {
            row.remove(name);
        }
    }
    rows.sort_by_key(|row| serde_json::to_string(row).unwrap_or_default());
    rows
}

/// A command that runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    words: [PathBuf; 2],
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), signal).expect("it runs");
    }

    /// A child of it that is called so, once there is one.
    pub(crate) fn child_called(&self, word: &str) -> u32 {
        let find = || {
            let found = process::descendants_called(self.pid(), word);
            found.first().map(|it| it.pid)
        };
        wait_for(SOON, find).unwrap_or_else(|| panic!("no `{word}`: {}", self.said()))
    }

    /// What it said so far on stderr.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.words[1]).unwrap_or_default()
    }

    /// Waits until it has said something.
    pub(crate) fn says(&self, words: &str) {
        let said = wait_until(SOON, || self.said().contains(words));
        assert!(said, "`{words}` in {}", self.said());
    }
}

/// Waits for its end.
pub(crate) fn ended(mut running: Running) -> Ended {
    let mut status = None;
    let is_over = wait_until(LONGEST, || {
        status = running.child.try_wait().expect("it is ours");
        status.is_some()
    });
    if !is_over {
        running.child.kill().expect("it runs");
        panic!("it does not end: {}", running.said());
    }
    let read = |it: &PathBuf| fs::read_to_string(it).unwrap_or_default();
    Ended {
        code: status.and_then(|it| it.code()),
        stdout: read(&running.words[0]),
        stderr: read(&running.words[1]),
    }
}

/// Models, clips and ONNX Runtime; without them the test is told to be skipped.
pub(crate) fn everything() -> Option<PathBuf> {
    let material = material()?;
    if !has_onnxruntime() {
        skip("no ONNX Runtime; ORT_DYLIB_PATH names it");
        return None;
    }
    Some(material)
}

/// Whether there is an ONNX Runtime that a run finds.
pub(crate) fn has_onnxruntime() -> bool {
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut pythons = entries(repository().join(".venv/lib"));
    let is_library = |it: fs::DirEntry| {
        it.file_name()
            .to_string_lossy()
            .starts_with("libonnxruntime")
    };
    let has = |it: fs::DirEntry| {
        let folder = it.path().join("site-packages/onnxruntime/capi");
        entries(folder).any(is_library)
    };
    std::env::var_os("ORT_DYLIB_PATH").is_some() || pythons.any(has)
}
