//! Words for the terminal. Nobody may be there any more: a run goes on without a reader.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// A line on stdout, the command's answer.
pub(crate) fn answer(line: impl Display) {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    match written {
        // Whoever read it had enough.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => tell(format_args!("framerill: cannot write to stdout: {error}")),
    }
}

/// A line on stderr, for whoever watches.
pub(crate) fn tell(line: impl Display) {
    // Without a stderr there is nobody to tell that there is none.
    writeln!(io::stderr().lock(), "{line}").ok();
}
