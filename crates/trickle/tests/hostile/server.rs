//! A server in a process of its own: this program again, told by its environment to serve.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

use framerill_trickle::http::server::{Config, Observer, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::oneshot;

use crate::wire::{Raw, eventually};

/// Settings of the server, as `key=value` with blanks between them. Without it there is none.
const SETTINGS: &str = "FRAMERILL_HOSTILE";
/// What it says first: its address, and its certificate if it has one.
const HELLO: &str = "serving ";
/// What it says when it is asked for its counts.
const COUNTS: &str = "counts ";

/// A server process. It ends with this.
pub(crate) struct Process {
    pub(crate) addr: SocketAddr,
    /// Its certificate, if it has one.
    pub(crate) certificate: Vec<u8>,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// Counts of the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    pub(crate) refused: u64,
    pub(crate) channels: u64,
    pub(crate) readers: u64,
    pub(crate) writers: u64,
    pub(crate) held_bytes: u64,
    pub(crate) bytes_in: u64,
}

impl Process {
    pub(crate) fn start(settings: &str) -> Self {
        raise_descriptors();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "server::the_server", "--ignored", "--nocapture"])
            .env(SETTINGS, settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self {
            addr: ([127, 0, 0, 1], 0).into(),
            certificate: Vec::new(),
            child,
            stdin,
            stdout,
        };
        let hello = process.line(HELLO);
        let (addr, certificate) = hello.split_once(' ').unwrap();
        process.addr = addr.parse().unwrap();
        process.certificate = (0..certificate.len() / 2)
            .map(|at| u8::from_str_radix(&certificate[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        process
    }

    pub(crate) fn connect(&self) -> Raw {
        Raw::connect(self.addr)
    }

    /// A connection with this sent on it.
    pub(crate) fn send(&self, text: &str) -> Raw {
        let mut raw = self.connect();
        raw.send(text);
        raw
    }

    pub(crate) fn counts(&mut self) -> Counts {
        self.stdin.write_all(b"\n").unwrap();
        let line = self.line(COUNTS);
        let mut numbers = line.split(' ').map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Counts {
            connections: next(),
            refused: next(),
            channels: next(),
            readers: next(),
            writers: next(),
            held_bytes: next(),
            bytes_in: next(),
        }
    }

    /// Looks at the counts until they are so.
    pub(crate) fn eventually(&mut self, what: &str, is_so: impl Fn(&Counts) -> bool) {
        eventually(what, || is_so(&self.counts()));
    }

    /// Resident memory now, in bytes. From here on [`Process::peak`] counts.
    pub(crate) fn memory(&self) -> u64 {
        // Where the peak cannot be reset it is that of the whole life, which is no less.
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").ok();
        self.status("VmRSS:")
    }

    /// The most resident memory since [`Process::memory`].
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kilobytes: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .unwrap();
        kilobytes * 1024
    }

    fn line(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.stdout.read_line(&mut line).unwrap();
            assert!(count > 0, "the server ended");
            // The first line stands behind what the test harness says.
            if let Some(at) = line.find(start) {
                return line[at + start.len()..].trim_end_matches('\n').to_owned();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// As many open files as this process may have. The server inherits it.
pub(crate) fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).ok();
    let current = getrlimit(Resource::Nofile).current;
    usize::try_from(current.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
}

/// Says on stderr, and in the file that `FRAMERILL_SKIPS` names, what the running test does not check here.
pub(crate) fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    let line = format!("SKIPPED {test}: {reason}");
    eprintln!("{line}");
    if let Some(list) = env::var_os("FRAMERILL_SKIPS") {
        let list = fs::OpenOptions::new().create(true).append(true).open(list);
        writeln!(list.unwrap(), "{line}").unwrap();
    }
}

/// Prints what was measured, and holds it to its bound.
pub(crate) fn hold(what: &str, grew: u64, bound: u64) {
    println!("{what}: {} KiB more, at most {}", grew / 1024, bound / 1024);
    assert!(grew <= bound, "{what}: {grew} bytes more, {bound} allowed");
}

#[test]
#[ignore = "the server of the other tests, which start it themselves"]
fn the_server() {
    let Ok(settings) = env::var(SETTINGS) else {
        return;
    };
    let mut config = config(&settings);
    let certificate = secure(&mut config, &settings);
    let (ready, started) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let server = Server::bind("127.0.0.1:0", config).await.unwrap();
            let addr = server.local_addr().unwrap();
            ready.send((addr, server.observer())).unwrap();
            let stopped = async { stopped.await.unwrap_or_default() };
            server.run_until(stopped).await;
        });
    });
    let (addr, observer) = started.recv().unwrap();
    println!("{HELLO}{addr} {certificate}");
    // The end of the input is the end of who started this.
    for _ in std::io::stdin().lines() {
        println!("{COUNTS}{}", counts(&observer));
    }
    drop(stop);
    thread.join().unwrap();
}

fn config(settings: &str) -> Config {
    let mut config = Config::default();
    config.relay.autocreate = true;
    for setting in settings.split_whitespace() {
        let (key, value) = setting.split_once('=').unwrap();
        let number = || value.parse::<usize>().unwrap();
        let limits = &mut config.relay.limits;
        match key {
            "channels" => limits.channels = number(),
            "segment_bytes" => limits.segment_bytes = number() as u64,
            "connections" => config.connections = number(),
            "head_ms" => config.head_timeout = Duration::from_millis(number() as u64),
            "linger_ms" => config.linger = Duration::from_millis(number() as u64),
            "tls" => {}
            _ => panic!("no setting `{key}`"),
        }
    }
    config
}

/// Turns TLS on if that is set. Returns the certificate, in hexadecimal.
#[cfg(feature = "tls")]
fn secure(config: &mut Config, settings: &str) -> String {
    if !settings.contains("tls=") {
        return String::new();
    }
    let (server, certificate) = crate::secure::server();
    config.tls = Some(server);
    certificate
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(not(feature = "tls"))]
fn secure(_: &mut Config, _: &str) -> String {
    String::new()
}

fn counts(observer: &Observer) -> String {
    let stats = observer.stats();
    let relay = stats.relay;
    let numbers = [
        stats.connections,
        stats.refused,
        relay.channels,
        relay.readers,
        relay.writers,
        relay.held_bytes,
        relay.bytes_in,
    ];
    numbers.map(|number| number.to_string()).join(" ")
}
