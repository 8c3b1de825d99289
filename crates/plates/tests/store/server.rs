//! A PostgreSQL server in a temporary folder, as a user that is not root.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// As in the contract's defaults.
const PASSWORD: &str = "dashpass";

/// A server that ends with this value, or with the test's process.
pub(crate) struct Server {
    folder: TempDir,
    user: Option<(u32, u32)>,
    running: Option<Child>,
}

/// Where Debian puts the programs, newest first.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|it| Some(it.ok()?.path().join("bin")))
        .filter(|it| it.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// Root's servers run as `postgres`, or as `nobody`: PostgreSQL refuses to be root.
fn other_user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let named = |name: &str| {
        let line = users
            .lines()
            .find(|it| it.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    named("postgres").or_else(|| named("nobody"))
}

/// Says on stderr, and in the file that `FRAMERILL_SKIPS` names, that the running test checks nothing.
fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    let line = format!("SKIPPED {test}: {reason}");
    eprintln!("{line}");
    if let Some(list) = env::var_os("FRAMERILL_SKIPS") {
        let list = OpenOptions::new().create(true).append(true).open(list);
        writeln!(list.unwrap(), "{line}").unwrap();
    }
}

impl Server {
    /// Makes a cluster and starts it; none, loudly, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skip("PostgreSQL is not installed (Debian: postgresql)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
        let user = if is_root {
            Some(other_user().expect("a user that is not root"))
        } else {
            None
        };
        let mut server = Self {
            folder,
            user,
            running: None,
        };
        if let Some((user, group)) = user {
            chown(server.folder.path(), Some(user), Some(group)).unwrap();
        }
        let secret = server.folder.path().join("password");
        fs::write(&secret, PASSWORD).unwrap();
        if let Some((user, group)) = user {
            chown(&secret, Some(user), Some(group)).unwrap();
        }
        let made = server
            .command(&programs.join("initdb"))
            .arg("-D")
            .arg(server.folder.path().join("data"))
            .args([
                "-U",
                "dashcam",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-A",
                "scram-sha-256",
            ])
            .arg(format!("--pwfile={}", secret.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made));
        server.up();
        Some(server)
    }

    /// A program as the server's user, which dies with this process.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL");
        if let Some((user, group)) = self.user {
            command.args([
                format!("--reuid={user}"),
                format!("--regid={group}"),
                "--clear-groups".into(),
            ]);
        }
        command
            .arg("--")
            .arg(program)
            .current_dir(self.folder.path());
        command
    }

    /// Starts it (again), and waits until it takes connections.
    pub(crate) fn up(&mut self) {
        let mut running = self
            .command(&programs().unwrap().join("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-k")
            .arg(self.folder.path())
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=30",
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(running.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut said = Vec::new();
        let is_ready = lines.by_ref().any(|it| {
            said.push(it);
            said.last().unwrap().contains("ready to accept connections")
        });
        assert!(is_ready, "{said:#?}");
        thread::spawn(move || lines.for_each(drop));
        self.running = Some(running);
    }

    /// Stops it: clients lose their connections.
    pub(crate) fn down(&mut self) {
        if let Some(mut running) = self.running.take() {
            kill_process(Pid::from_child(&running), Signal::INT).ok();
            running.wait().unwrap();
        }
    }

    /// Its address, for a user and a password.
    pub(crate) fn url_of(&self, user: &str, password: &str) -> String {
        let folder = self.folder.path().display();
        format!("postgres://{user}:{password}@localhost/postgres?host={folder}")
    }

    /// Its address, for the owner of all.
    pub(crate) fn url(&self) -> String {
        self.url_of("dashcam", PASSWORD)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            kill_process(Pid::from_child(&running), Signal::QUIT).ok();
            running.wait().ok();
        }
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
