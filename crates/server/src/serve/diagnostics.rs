//! How the machine and the processes below this one are, for the log, when infer ended or does not say how it is (runner
//! contract §4.1).

use std::{
    fmt, fs,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::log::{Level, log};

/// Diagnostics are no closer together than this.
const EVERY: Duration = Duration::from_secs(10);
/// Processes that are told at most.
const PROCESSES: usize = 16;
const MIB: u64 = 1 << 20;

/// When they were told last, and whether a thread is at it.
static LAST: Mutex<Throttle> = Mutex::new(Throttle {
    at: None,
    is_busy: false,
});

/// Logs them, unless that was done just now. Returns at once: a disk that does not answer holds up a thread of its own and
/// nobody else.
#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
pub(super) fn tell(why: &'static str) {
    if !throttle(|it| it.begin(Instant::now())) {
        return;
    }
    let work = move || {
        log(Level::Warning, format_args!("{why}: {}", Machine::read()));
        throttle(Throttle::end);
    };
    let spawned = thread::Builder::new()
        .name("diagnostics".into())
        .spawn(work);
    if let Err(error) = spawned {
        throttle(Throttle::end);
        log(
            Level::Warning,
            format_args!("{why}: no diagnostics, a thread cannot be started: {error}"),
        );
    }
}

fn throttle<T>(act: impl FnOnce(&mut Throttle) -> T) -> T {
    act(&mut LAST.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Lets one through at a time, and not too often.
#[derive(Default)]
struct Throttle {
    at: Option<Instant>,
    is_busy: bool,
}

impl Throttle {
    fn begin(&mut self, now: Instant) -> bool {
        if self.is_busy || self.at.is_some_and(|at| now < at + EVERY) {
            return false;
        }
        *self = Self {
            at: Some(now),
            is_busy: true,
        };
        true
    }

    fn end(&mut self) {
        self.is_busy = false;
    }
}

/// How this machine stands. What cannot be read is left out.
#[derive(Default)]
struct Machine {
    /// Available and all of it, bytes.
    memory: Option<(u64, u64)>,
    /// Of a container: used and allowed, bytes.
    limit: Option<(u64, u64)>,
    /// Of 1, 5 and 15 minutes.
    load: Option<String>,
    /// Free and all of it, bytes, of the folder for temporary files.
    disk: Option<(u64, u64)>,
    processes: Vec<Process>,
}

/// A process below this one.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    name: String,
    state: String,
    resident_kib: u64,
    threads: String,
    /// Where in the kernel it waits; `0` is nowhere.
    waits_in: String,
}

impl Machine {
    fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let number = |path: &str| text(path).trim().parse::<u64>().ok();
        let used = number("/sys/fs/cgroup/memory.current");
        let load = text("/proc/loadavg");
        let load: Vec<_> = load.split(' ').take(3).collect();
        let disk = rustix::fs::statvfs(std::env::temp_dir()).ok();
        let mut machine = Self {
            memory: of_meminfo(&text("/proc/meminfo")),
            limit: used.zip(number("/sys/fs/cgroup/memory.max")),
            load: (load.len() == 3).then(|| load.join(" ")),
            disk: disk.map(|it| (it.f_bavail * it.f_frsize, it.f_blocks * it.f_frsize)),
            processes: Vec::new(),
        };
        machine.read_below(std::process::id());
        machine
    }

    /// Every process below that one, the nearest first.
    fn read_below(&mut self, parent: u32) {
        let tasks = fs::read_dir(format!("/proc/{parent}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for pid in children.split_whitespace().filter_map(|it| it.parse().ok()) {
                if self.processes.len() == PROCESSES {
                    return;
                }
                let text = |file| fs::read_to_string(format!("/proc/{pid}/{file}"));
                if let Ok(status) = text("status") {
                    let waits_in = text("wchan").unwrap_or_default();
                    self.processes.extend(process(pid, &status, &waits_in));
                }
                self.read_below(pid);
            }
        }
    }
}

fn of_meminfo(text: &str) -> Option<(u64, u64)> {
    let bytes = |name| Some(kib(field(text, name)?)? * 1024);
    Some((bytes("MemAvailable")?, bytes("MemTotal")?))
}

fn process(pid: u32, status: &str, waits_in: &str) -> Option<Process> {
    Some(Process {
        pid,
        name: field(status, "Name")?.to_owned(),
        state: field(status, "State")?.to_owned(),
        resident_kib: field(status, "VmRSS").and_then(kib).unwrap_or(0),
        threads: field(status, "Threads").unwrap_or("0").to_owned(),
        waits_in: waits_in.trim().to_owned(),
    })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|it| it.split_once(':'));
    let mut values = values.filter(|(it, _)| *it == name);
    values.next().map(|(_, value)| value.trim())
}

fn kib(value: &str) -> Option<u64> {
    value.strip_suffix("kB")?.trim().parse().ok()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("diagnostics")?;
        if let Some((available, all)) = self.memory {
            write!(
                f,
                "; memory {} of {} MiB available",
                available / MIB,
                all / MIB
            )?;
        }
        if let Some((used, allowed)) = self.limit {
            write!(
                f,
                "; this container uses {} of {} MiB",
                used / MIB,
                allowed / MIB
            )?;
        }
        if let Some(load) = &self.load {
            write!(f, "; load {load}")?;
        }
        if let Some((free, all)) = self.disk {
            write!(
                f,
                "; temporary files: {} of {} MiB free",
                free / MIB,
                all / MIB
            )?;
        }
        if self.processes.is_empty() {
            f.write_str("; no process below this one")?;
        }
        for it in &self.processes {
            write!(
                f,
                "; {} {}: {}, {} MiB resident, {} threads",
                it.name,
                it.pid,
                it.state,
                it.resident_kib / 1024,
                it.threads
            )?;
            if !matches!(it.waits_in.as_str(), "" | "0") {
                write!(f, ", waits in {}", it.waits_in)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_told_in_one_line() {
        let status = "Name:\tframerill\nState:\tT (stopped)\nVmRSS:\t   20480 kB\nThreads:\t9\n";
        let machine = Machine {
            memory: of_meminfo("MemTotal:  4194304 kB\nMemFree: 1 kB\nMemAvailable: 1048576 kB\n"),
            limit: Some((MIB, 2 * MIB)),
            load: Some("0.1 0.2 0.3".to_owned()),
            disk: Some((3 * MIB, 4 * MIB)),
            processes: process(7, status, "do_signal_stop\n").into_iter().collect(),
        };
        assert_eq!(
            machine.to_string(),
            "diagnostics; memory 1024 of 4096 MiB available; this container uses 1 of 2 MiB; load 0.1 0.2 0.3; temporary files: 3 of 4 MiB free; framerill 7: T (stopped), 20 MiB resident, 9 threads, waits in do_signal_stop"
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let machine = Machine {
            memory: of_meminfo("nonsense"),
            processes: process(7, "nonsense", "").into_iter().collect(),
            ..Machine::default()
        };
        assert_eq!(
            machine.to_string(),
            "diagnostics; no process below this one"
        );
    }

    #[test]
    fn a_machine_has_memory_and_a_load() {
        let machine = Machine::read();
        assert!(
            machine
                .memory
                .is_some_and(|(available, all)| available <= all)
        );
        assert!(machine.load.is_some() && machine.disk.is_some());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn they_are_told_once_in_ten_seconds_and_by_one_thread() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        assert!(throttle.begin(now));
        assert!(!throttle.begin(now + 2 * EVERY), "it is still at it");
        throttle.end();
        assert!(!throttle.begin(now + EVERY / 2));
        assert!(throttle.begin(now + EVERY));
    }
}
