//! Waiting for a process that may hang.

use std::{
    io,
    process::{Child, Output},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Between the first two looks; the time doubles with each, so that a process of any length is looked at late in its life.
const FIRST_LOOKS: Duration = Duration::from_millis(10);
/// The longest time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a process says until its end, with looks at it meanwhile; none if it took longer than `most` and was killed.
#[expect(clippy::disallowed_methods, reason = "it measures")]
pub(super) fn output_within(
    child: Child,
    most: Duration,
    mut look: impl FnMut() + Send,
) -> io::Result<Option<Output>> {
    let pid = Pid::from_child(&child);
    let (end, ended) = channel::<()>();
    let watch = move || {
        let began = Instant::now();
        let mut pause = FIRST_LOOKS;
        loop {
            look();
            let paused = ended.recv_timeout(pause);
            pause = (2 * pause).min(LOOK_EVERY);
            if paused != Err(RecvTimeoutError::Timeout) {
                return false;
            }
            if began.elapsed() >= most {
                let _it_may_have_ended = kill_process(pid, Signal::KILL);
                return true;
            }
        }
    };
    thread::scope(|scope| {
        let watching = scope.spawn(watch);
        let output = child.wait_with_output();
        drop(end);
        let is_late = watching.join().unwrap_or(false);
        Ok((!is_late).then_some(output?))
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn said(script: &str, most: Duration) -> Option<String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let output = output_within(command.spawn().unwrap(), most, || {}).unwrap();
        output.map(|it| String::from_utf8(it.stdout).unwrap())
    }

    #[test]
    fn a_process_that_hangs_is_killed_and_one_that_ends_is_heard() {
        assert_eq!(said("echo x", Duration::from_secs(600)).unwrap(), "x\n");
        assert_eq!(said("exec sleep 600", Duration::from_millis(1)), None);
    }
}
