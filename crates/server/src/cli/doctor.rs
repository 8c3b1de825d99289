//! `framerill doctor`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    exit::Exit,
    failure::Failure,
    findings::{Finding, State, ok, tell},
    program,
    question::ask_program,
};

/// Say what is there, what is missing and what to do.
///
/// Exit code 0 when a run would work, 3 when something that it needs is missing.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Python to look into
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let python = program::python(self.python.as_deref());
        let mut findings = vec![kernel(), machine()];
        findings.extend(media());
        findings.push(isolation());
        findings.push(memory_limit());
        findings.extend(python_findings(&python));
        Ok(tell(&findings, self.json))
    }
}

fn kernel() -> Finding {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 1) {
        return ok("kernel", release);
    }
    Finding {
        name: "kernel",
        state: State::Missing,
        found: release,
        remedy: Some("frames need F_SEAL_FUTURE_WRITE: Linux 5.1 or newer".into()),
    }
}

pub(super) fn machine() -> Finding {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |key: &str| -> u64 {
        let line = meminfo.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    };
    let gib = |kib: u64| kib / (1 << 20);
    ok(
        "machine",
        format!(
            "{cores} cores, {} GiB memory, {} GiB of it available",
            gib(kib("MemTotal")),
            gib(kib("MemAvailable"))
        ),
    )
}

/// The program, and what its FFmpeg is and can.
fn media() -> Vec<Finding> {
    let missing = |found: String, remedy: &str| Finding {
        name: "framerill-media",
        state: State::Missing,
        found,
        remedy: Some(remedy.into()),
    };
    let path = match program::media() {
        Ok(path) => path,
        Err(failure) => {
            let remedy = "build both with `make build`, or set FRAMERILL_MEDIA";
            return vec![missing(failure.message, remedy)];
        }
    };
    match ask_program(&path, &["--version"]) {
        Ok(answer) if answer.success => said_by_media(&answer.out),
        Ok(answer) => vec![missing(
            answer
                .err
                .lines()
                .next()
                .unwrap_or("it does not start")
                .to_owned(),
            "install FFmpeg's libraries: apt-get install libavformat59 libavfilter8 libswscale6",
        )],
        Err(failure) => vec![missing(failure.message, "build it with `make build`")],
    }
}

/// `framerill-media --version` in findings.
fn said_by_media(lines: &str) -> Vec<Finding> {
    let first = lines.lines().next().unwrap_or_default();
    let mut findings = vec![ok("framerill-media", first)];
    for line in lines.lines() {
        match line.split_once(": ") {
            Some(("ffmpeg", found)) => findings.push(ok("ffmpeg", found)),
            Some(("encoders", found)) => findings.push(ok("encoders", found)),
            Some(("missing", found)) => findings.push(Finding {
                name: "encoders",
                state: State::Limited,
                found: format!("{found} not in this FFmpeg"),
                remedy: Some(
                    "outputs that use them fail (libx264, aac: mp4, mkv, ts; libvpx-vp9, libopus: webm): \
                     install an FFmpeg that has them"
                        .into(),
                ),
            }),
            _ => {}
        }
    }
    findings
}

fn isolation() -> Finding {
    let found = framerill_supervisor::isolation::probe();
    let name = "process isolation";
    if found.namespace.holds_grandchildren() {
        return ok(
            name,
            format!(
                "pid namespace ({}): what a pipeline starts dies with it",
                found.namespace
            ),
        );
    }
    let why = found
        .refused
        .iter()
        .map(|(which, why)| format!("{which}: {why}"));
    Finding {
        name,
        state: State::Limited,
        found: format!("process groups only ({})", why.collect::<Vec<_>>().join("; ")),
        remedy: Some(
            "a process that leaves its group may outlive its pipeline; run as root, or allow user namespaces"
                .into(),
        ),
    }
}

/// How `--worker-memory` holds here.
fn memory_limit() -> Finding {
    let name = "worker memory limit";
    let watched = "watched over all its processes, twice a second or more often";
    let above = framerill_supervisor::launch::hard_bound(0) >> 30;
    let rlimit = format!("RLIMIT_DATA bounds each of them {above} GiB above it");
    if std::fs::metadata("/proc/self/smaps_rollup").is_ok() {
        return ok(name, format!("{watched} (PSS); {rlimit}"));
    }
    Finding {
        name,
        state: State::Limited,
        found: format!("{watched}, by RSS: what they share counts in each; {rlimit}"),
        remedy: Some(
            "this kernel has no /proc/PID/smaps_rollup: allow some more for pipelines that fork"
                .into(),
        ),
    }
}

fn python_findings(python: &Path) -> Vec<Finding> {
    const SCRIPT: &str = "import sys\nprint('.'.join(map(str, sys.version_info[:3])))\n\
        from importlib.metadata import version, PackageNotFoundError\n\
        for name in ('framerill', 'numpy', 'pydantic', 'opencv-python-headless', 'torch'):\n    \
        try: print(name, version(name))\n    except PackageNotFoundError: print(name)\n";
    let name = "python";
    let answer = match ask_program(python, &["-c", SCRIPT]) {
        Ok(answer) if answer.success => answer,
        Ok(answer) => {
            let found = answer
                .err
                .lines()
                .last()
                .unwrap_or("it does not start")
                .to_owned();
            return vec![no_python(name, found)];
        }
        Err(failure) => return vec![no_python(name, failure.message)],
    };
    let mut lines = answer.out.lines();
    let version = lines.next().unwrap_or("?");
    let mut findings = vec![ok(name, format!("{version} at {}", python.display()))];
    for line in lines {
        let (package, version) = line.split_once(' ').unwrap_or((line, ""));
        findings.push(package_finding(python, package, version));
    }
    findings
}

fn no_python(name: &'static str, found: String) -> Finding {
    Finding {
        name,
        state: State::Limited,
        found,
        remedy: Some("Python pipelines need Python 3.10 or newer; name one with --python".into()),
    }
}

fn package_finding(python: &Path, package: &str, version: &str) -> Finding {
    let install = |what| format!("{} -m pip install {what}", python.display());
    let (name, whose, how) = match package {
        "framerill" => {
            let own = install("CLONE/python/framerill");
            let how = format!("`make setup` in a clone makes .venv, or {own}");
            ("python framerill", "Python pipelines", how)
        }
        "numpy" => ("python numpy", "Python pipelines", install("numpy")),
        "pydantic" => (
            "python pydantic",
            "Python pipelines",
            install("'pydantic>=2'"),
        ),
        "torch" => (
            "python torch",
            "only pipelines that use torch",
            install("torch"),
        ),
        _ => (
            "python opencv",
            "only pipelines that use OpenCV",
            install("opencv-python-headless"),
        ),
    };
    if version.is_empty() {
        let (state, found) = (State::Limited, "not installed".to_owned());
        return Finding {
            name,
            state,
            found,
            remedy: Some(format!("{whose} need it: {how}")),
        };
    }
    ok(name, version)
}
