//! One question to another program: what it prints, within a deadline and a bound.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// A question may import an author's module; longer than this it is not waited for.
const WITHIN: Duration = Duration::from_secs(60);
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
    let shown = program.display();
    let gone = |error: std::io::Error| {
        Failure::cannot_start("no_program", format!("cannot run `{shown}`: {error}"))
    };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(gone)?;
    let out = read(child.stdout.take());
    let err = read(child.stderr.take());
    let Some(success) = wait(&mut child).map_err(gone)? else {
        let message = format!("`{shown}` did not answer within {} s", WITHIN.as_secs());
        return Err(Failure::failed("no_answer", message)
            .hint("look at what the pipeline's module does when it is imported"));
    };
    Ok(Answer {
        success,
        out: out.join().unwrap_or_default(),
        err: err.join().unwrap_or_default(),
    })
}

fn read(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What cannot be read is missing from the answer, which is judged as a whole.
            drop(pipe.take(ANSWER_MAX).read_to_end(&mut bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "driver: owns the clock and polls a process"
)]
fn wait(child: &mut Child) -> std::io::Result<Option<bool>> {
    let deadline = Instant::now() + WITHIN;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
