//! One question to another program: what it prints, within a deadline and a bound.

use std::{
    convert::Infallible,
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{contained, failure::Failure};

/// A question may import an author's module; longer than this it is not waited for.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);
/// After its end, what is still in its pipes comes within this.
const REST_WITHIN: Duration = Duration::from_secs(1);
/// The longest answer.
const ANSWER_MAX: u64 = 8 << 20;

/// What a program said.
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn ask_program(program: &Path, args: &[&str]) -> Result<Answer, Failure> {
    let mut command = Command::new(program);
    ask_command(command.args(args), WITHIN)
}

/// The same for a command that has more to it than arguments, within a time of its own.
pub(crate) fn ask_command(command: &mut Command, within: Duration) -> Result<Answer, Failure> {
    let shown = contained::shown(command);
    let gone = |error: std::io::Error| {
        Failure::cannot_start("no_program", format!("cannot run `{shown}`: {error}"))
    };
    let mut child = command
        // What lies in the current folder is no part of Python's library.
        .env("PYTHONSAFEPATH", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // All that it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(gone)?;
    let out = Heard::listen(child.stdout.take());
    let err = Heard::listen(child.stderr.take());
    let Some(success) = wait(&mut child, within).map_err(gone)? else {
        let message = format!("`{shown}` did not answer within {} s", within.as_secs());
        return Err(Failure::failed("no_answer", message)
            .hint("look at what the pipeline's module does when it is imported"));
    };
    Ok(Answer {
        success,
        out: out.whole(),
        err: err.whole(),
    })
}

/// What comes through a pipe, as far as it came; the channel closes at its end.
struct Heard {
    text: Arc<Mutex<Vec<u8>>>,
    end: Receiver<Infallible>,
}

impl Heard {
    fn listen(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (at_end, end) = channel();
        let text = Arc::default();
        let shared = Arc::clone(&text);
        thread::spawn(move || {
            let mut pipe = pipe.map(|pipe| pipe.take(ANSWER_MAX));
            let mut bytes = [0; 8192];
            while let Some(Ok(count @ 1..)) = pipe.as_mut().map(|pipe| pipe.read(&mut bytes)) {
                let mut text: MutexGuard<'_, Vec<u8>> = lock(&shared);
                text.extend(&bytes[..count]);
            }
            drop(at_end);
        });
        Self { text, end }
    }

    /// All of it; what is left behind may still hold the pipe, which is not waited for.
    fn whole(self) -> String {
        let _ended_or_late = self.end.recv_timeout(REST_WITHIN);
        String::from_utf8_lossy(&lock(&self.text)).into_owned()
    }
}

fn lock(text: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "driver: owns the clock and polls a process"
)]
fn wait(child: &mut Child, within: Duration) -> std::io::Result<Option<bool>> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        thread::sleep(Duration::from_millis(2));
    }
    contained::end(child);
    Ok(None)
}
