//! The program that the tests of this crate spawn, watch and kill. Its first argument says how it behaves.

mod parent;

use std::{
    io::Write,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use framerill_supervisor::launch;
use framerill_worker::{
    Channel,
    child::take_control_socket,
    message::{ErrorReport, FromChild, Level, PROTOCOL, Role, ToChild},
};
use rustix::process::{Signal, getpid, kill_process};

const SOON: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next().unwrap_or_default();
    let rest: Vec<_> = args.collect();
    let word = |at: usize| rest.get(at).and_then(|word| word.to_str()).unwrap_or("");
    match first.to_str().unwrap_or("") {
        "launch" => return launch::main(rest),
        "parent" => parent::run(word(0)),
        "exit" => return ExitCode::from(word(0).parse::<u8>().expect("a code")),
        "signal" => raise(word(0)),
        "mute" => wait_for_ever(),
        "print" => print(),
        "garbage" => garbage(),
        "probe" => return probe(),
        "speak" => Speaker::new(true).serve(),
        "numb" => Speaker::new(false).serve(),
        "refuse" => Speaker::refuse(),
        "deaf" => deaf(),
        "tree" => tree(),
        other => panic!("no behaviour `{other}`"),
    }
    ExitCode::SUCCESS
}

/// Answers as the protocol asks, until `bye`, `drain` or the end of the channel.
struct Speaker(Arc<Channel>);

impl Speaker {
    fn new(beats: bool) -> Self {
        let channel = Arc::new(Channel::of_child(
            take_control_socket().expect("a control socket"),
        ));
        let this = Self(Arc::clone(&channel));
        this.say(&FromChild::Hello {
            protocol: PROTOCOL,
            role: Role::Worker,
            name: "framerill-test-child".into(),
            version: "0".into(),
            language: "rust".into(),
            pid: std::process::id(),
        });
        if beats {
            thread::spawn(move || beat(&channel));
        }
        this
    }

    fn say(&self, message: &FromChild) {
        if self.0.send(message, &[], SOON).is_err() {
            std::process::abort();
        }
    }

    fn serve(&self) {
        while let Ok((request, _)) = self.0.recv::<ToChild>(None) {
            match request {
                ToChild::Load { id, .. } => self.say(&FromChild::Ready {
                    id,
                    description: None,
                    source: None,
                }),
                ToChild::Drain { id } => {
                    return self.say(&FromChild::Drained { id, stats: None });
                }
                ToChild::Bye => return,
                _ => {}
            }
        }
    }

    fn refuse() {
        let this = Self::new(true);
        if let Ok((ToChild::Load { id, .. }, _)) = this.0.recv::<ToChild>(None) {
            let report = ErrorReport::of_request(id, "unknown_pipeline", "there is no `x`");
            this.say(&FromChild::Error(report));
        }
        this.serve();
    }
}

/// From a thread of its own, like every child; the channel's own deadline paces it.
fn beat(channel: &Channel) {
    let (_hold, never) = std::sync::mpsc::channel::<()>();
    for seq in 0.. {
        let beat = FromChild::Heartbeat { seq, busy: None };
        if channel.send(&beat, &[], SOON).is_err() {
            return;
        }
        never.recv_timeout(Duration::from_millis(100)).unwrap_or(());
    }
}

fn raise(signal: &str) {
    let signal = match signal {
        "KILL" => Signal::KILL,
        "ABRT" => Signal::ABORT,
        _ => Signal::TERM,
    };
    kill_process(getpid(), signal).expect("a signal to itself");
    wait_for_ever();
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "that is what it tests"
)]
fn print() {
    println!("on stdout");
    eprint!("on stderr, no end of line");
    std::io::stdout().flush().expect("stdout");
}

#[expect(clippy::print_stdout, reason = "for a person")]
fn probe() -> ExitCode {
    println!("{:#?}", framerill_supervisor::isolation::probe());
    ExitCode::SUCCESS
}

fn garbage() {
    let mut control = take_control_socket().expect("a control socket");
    control.write_all(&[0xff; 64]).expect("a socket");
    wait_for_ever();
}

/// Becomes ready, never reads again.
fn deaf() {
    let speaker = Speaker::new(true);
    if let Ok((ToChild::Load { id, .. }, _)) = speaker.0.recv::<ToChild>(None) {
        speaker.say(&FromChild::Ready {
            id,
            description: None,
            source: None,
        });
    }
    wait_for_ever();
}

/// Starts processes that do what they can to outlive it, says so, and stays even when the channel ends.
fn tree() {
    let speaker = Speaker::new(true);
    let mut kept = Vec::new();
    for line in [
        "exec sleep 20",
        "setsid sh -c 'echo up; exec sleep 20'",
        "(setsid sh -c 'trap \"\" TERM HUP; echo up; exec sleep 20' & ) ; exec sleep 1000",
    ] {
        let mut child = Command::new("sh")
            .args(["-c", line])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        if line.contains("echo up") {
            let mut word = [0; 3];
            let mut out = child.stdout.take().expect("piped");
            std::io::Read::read_exact(&mut out, &mut word).expect("the grandchild says up");
        }
        kept.push(child);
    }
    speaker.say(&FromChild::Log {
        level: Level::Info,
        message: "tree up".into(),
    });
    speaker.serve();
    wait_for_ever();
}

fn wait_for_ever() {
    loop {
        thread::park();
    }
}
