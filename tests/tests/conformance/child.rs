//! A child under test, and the parent's end of its socket.

use std::{
    io::Write,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use framerill_tests::{bin, python, repository};
use framerill_worker::{
    Channel, ChannelError,
    message::{FromChild, Role},
};
use serde_json::{Value, json};

/// No answer takes longer; a child that says nothing fails the test.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// One implementation.
pub(crate) struct Kind {
    program: PathBuf,
    args: Vec<String>,
    /// What it says it is.
    pub(crate) role: Role,
    /// Fields of a `load` that succeeds.
    pub(crate) load: Value,
    /// Fields of a `load` that fails.
    pub(crate) wrong_load: Value,
    /// A pipeline that takes `amount`, 0 to 10, and inverts.
    pub(crate) invert: String,
    /// Valid and invalid parameters of a pipeline that has some, and the field that is wrong.
    pub(crate) tunable: (String, Value, Value, &'static str),
}

impl Kind {
    pub(crate) fn rust_worker() -> Self {
        Self {
            program: bin("framerill"),
            args: vec!["worker".into()],
            role: Role::Worker,
            load: json!({"pipeline": "invert"}),
            wrong_load: json!({"pipeline": "no-such-pipeline"}),
            invert: "invert".into(),
            tunable: (
                "blur".into(),
                json!({"radius": 3}),
                json!({"radius": 1e9}),
                "radius",
            ),
        }
    }

    pub(crate) fn python_worker() -> Self {
        let of = |class| {
            format!(
                "{}:{class}",
                repository().join("tests/pipelines/basic.py").display()
            )
        };
        Self {
            program: python(),
            args: vec!["-m".into(), "framerill.worker".into()],
            role: Role::Worker,
            load: json!({"pipeline": of("Invert")}),
            wrong_load: json!({"pipeline": "no-such-pipeline"}),
            invert: of("Invert"),
            tunable: (
                of("Tunable"),
                json!({"amount": 3}),
                json!({"amount": 1e9}),
                "amount",
            ),
        }
    }

    pub(crate) fn media() -> Self {
        Self {
            program: bin("framerill-media"),
            args: Vec::new(),
            role: Role::Media,
            load: json!({"media": {"source": {"kind": "lavfi", "graph": "testsrc2=size=64x48:rate=10:duration=1"}, "sink": null}}),
            wrong_load: json!({"media": {"source": {"kind": "lavfi", "graph": "movie=x"}, "sink": null}}),
            invert: String::new(),
            tunable: (String::new(), Value::Null, Value::Null, ""),
        }
    }

    /// Starts it; its `hello` has not been read.
    pub(crate) fn start(&self) -> Running {
        let (ours, theirs) = Channel::pair().expect("a socket pair");
        let raw = ours.try_clone().expect("a second descriptor");
        let child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        Running {
            child,
            control: Some(Channel::new(ours)),
            raw: Some(raw),
        }
    }

    /// Starts it and reads its `hello`.
    pub(crate) fn greeted(&self) -> Running {
        let running = self.start();
        running.wait_for(|message| matches!(message, FromChild::Hello { .. }));
        running
    }

    /// Starts it and loads.
    pub(crate) fn loaded(&self) -> Running {
        self.loaded_with(self.load.clone())
    }

    /// Starts it and loads this.
    pub(crate) fn loaded_with(&self, load: Value) -> Running {
        let running = self.greeted();
        running.request("load", 1, load);
        running.wait_for(|message| matches!(message, FromChild::Ready { id: 1, .. }));
        running
    }
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    control: Option<Channel>,
    raw: Option<UnixStream>,
}

impl Running {
    fn control(&self) -> &Channel {
        self.control.as_ref().expect("the parent's end is open")
    }

    /// Sends `{"type": kind, "id": id, …fields}`.
    pub(crate) fn request(&self, kind: &str, id: u64, fields: Value) {
        self.request_with(kind, id, fields, &[]);
    }

    /// The same, with descriptors.
    pub(crate) fn request_with(&self, kind: &str, id: u64, fields: Value, fds: &[BorrowedFd<'_>]) {
        let mut message = fields;
        message["type"] = kind.into();
        message["id"] = id.into();
        if !fds.is_empty() {
            message["fds"] = fds.len().into();
        }
        self.control()
            .send(&message, fds, SOON)
            .expect("the child reads");
    }

    /// Sends descriptors that the message does not announce.
    pub(crate) fn smuggle(&self, fd: BorrowedFd<'_>) {
        self.control()
            .send(&json!({"type": "drain", "id": 1}), &[fd], SOON)
            .expect("the child reads");
    }

    /// Writes bytes past the framing.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) {
        self.raw
            .as_mut()
            .expect("open")
            .write_all(bytes)
            .expect("the child reads");
    }

    /// The next message.
    pub(crate) fn next(&self) -> Result<FromChild, ChannelError> {
        self.control()
            .recv::<FromChild>(Some(SOON))
            .map(|(message, _)| message)
    }

    /// The first message that fits; others are passed over.
    pub(crate) fn wait_for(&self, fits: impl Fn(&FromChild) -> bool) -> FromChild {
        loop {
            let message = self.next().expect("the child says what it owes");
            if fits(&message) {
                return message;
            }
        }
    }

    /// The answer to request `id`: not a heartbeat, a log line, or counters.
    pub(crate) fn answer(&self) -> FromChild {
        self.wait_for(|message| {
            !matches!(
                message,
                FromChild::Heartbeat { .. }
                    | FromChild::Log { .. }
                    | FromChild::Stats { .. }
                    | FromChild::Hello { .. }
            )
        })
    }

    /// Closes the parent's end.
    pub(crate) fn hang_up(&mut self) {
        self.control = None;
        self.raw = None;
    }

    /// The exit code; panics when a signal ended it.
    pub(crate) fn exit_code(&mut self) -> i32 {
        let status = self.child.wait().expect("the child is ours");
        assert_eq!(status.signal(), None, "it exits by itself");
        status.code().expect("an exit code")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child that has exited cannot be killed, which is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
