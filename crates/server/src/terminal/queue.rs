//! Lines on their way to a reader who may not read: whoever writes them waits for next to nothing. What comes while too
//! much waits is dropped, and counted.

use std::{
    collections::VecDeque,
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes that wait; beyond that a line is dropped.
const MOST: usize = 1 << 20;
/// A line is out before whoever wrote it goes on, so that what follows from it is seen after it; a reader who takes longer
/// is waited for no more, until it takes one again.
const PATIENCE: Duration = Duration::from_millis(10);

/// The way of the lines.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    is_writing: bool,
    /// The reader took longer than it is waited for, and nothing since.
    is_stalled: bool,
}

impl Queue {
    /// Writes from now on, in a thread of its own that lives as long as the process.
    pub(super) fn start(to: impl Write + Send + 'static) -> std::io::Result<Arc<Self>> {
        let queue = Arc::new(Self::default());
        let lines = Arc::clone(&queue);
        thread::Builder::new()
            .name("terminal".into())
            .spawn(move || lines.write(to))?;
        Ok(queue)
    }

    /// A line for the reader.
    pub(super) fn push(&self, line: String) {
        let mut state = self.lock();
        if state.bytes + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        state.tell_dropped();
        state.add(line);
        self.changed.notify_all();
        if !state.is_stalled {
            self.wait(state, PATIENCE);
        }
    }

    /// Waits until all lines are out, but not for a reader who takes none.
    pub(super) fn finish(&self, within: Duration) {
        let mut state = self.lock();
        state.tell_dropped();
        self.changed.notify_all();
        self.wait(state, within);
    }

    /// Until all lines are out, or that long.
    fn wait(&self, state: MutexGuard<'_, State>, within: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        let waited = self.changed.wait_timeout_while(state, within, is_busy);
        let (mut state, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_stalled = outcome.timed_out();
    }

    fn write(&self, mut to: impl Write) {
        loop {
            let mut state = self.lock();
            state.is_writing = false;
            state.is_stalled = false;
            self.changed.notify_all();
            let line = loop {
                match state.lines.pop_front() {
                    Some(line) => break line,
                    None => {
                        let woken = self.changed.wait(state);
                        state = woken.unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            state.bytes -= line.len();
            state.is_writing = true;
            drop(state);
            // Without a reader there is nobody to tell that there is none.
            writeln!(to, "{line}").ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    /// Where lines are missing, their number stands.
    fn tell_dropped(&mut self) {
        match std::mem::take(&mut self.dropped) {
            0 => {}
            lost => self.add(format!("({lost} lines were lost: nobody took them)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, PipeWriter, pipe},
        time::Duration,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const LINE: usize = 1000;

    /// A queue into a pipe that nobody reads, with more lines than have room, and how many were dropped.
    fn stalled() -> (Arc<Queue>, impl BufRead, u64) {
        let (read, write): (_, PipeWriter) = pipe().unwrap();
        let queue = Queue::start(write).unwrap();
        while queue.lock().dropped < 5 {
            queue.push("x".repeat(LINE));
        }
        let dropped = queue.lock().dropped;
        (queue, BufReader::new(read), dropped)
    }

    #[test]
    fn lines_come_in_their_order_and_are_out_when_it_is_finished() {
        let (read, write) = pipe().unwrap();
        let queue = Queue::start(write).unwrap();
        for n in 0..100 {
            queue.push(n.to_string());
        }
        queue.finish(LONG);
        let lines = BufReader::new(read).lines().take(100).map(Result::unwrap);
        assert!(lines.eq((0..100).map(|n| n.to_string())));
    }

    #[test]
    fn a_reader_who_reads_nothing_holds_nobody_up_and_what_waits_is_bounded() {
        let (queue, _read, _) = stalled();
        assert!(queue.lock().bytes <= MOST);
        queue.finish(Duration::from_millis(1));
    }

    #[test]
    fn where_lines_are_missing_their_number_stands() {
        let (queue, read, dropped) = stalled();
        let mut lines = read.lines().map(Result::unwrap);
        // Room comes as soon as somebody reads.
        assert!(lines.by_ref().take(500).all(|it| it.len() == LINE));
        queue.push("after".to_owned());
        let rest: Vec<_> = lines.skip_while(|it| it.len() == LINE).take(2).collect();
        let told = format!("({dropped} lines were lost: nobody took them)");
        assert_eq!(rest, [told, "after".to_owned()]);
    }
}
