//! Lines on their way to a reader who may be slow, or not read at all: whoever writes them waits for nothing. What comes
//! while too much waits is dropped, and counted.

use std::{
    collections::VecDeque,
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes that wait; beyond that a line is dropped.
const MOST: usize = 1 << 20;

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

    /// A line for the reader. It is not out when this returns: only [`Queue::finish`] waits.
    pub(super) fn push(&self, line: String) {
        let mut state = self.lock();
        if state.bytes + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        state.tell_dropped();
        state.add(line);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until all lines are out, but not for a reader who takes longer.
    pub(super) fn finish(&self, within: Duration) {
        let mut state = self.lock();
        state.tell_dropped();
        self.changed.notify_all();
        let is_busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        drop(self.changed.wait_timeout_while(state, within, is_busy));
    }

    fn write(&self, mut to: impl Write) {
        loop {
            let mut line = self.next();
            // One write a line: another process that writes there, too, comes between lines only.
            line.push('\n');
            // Without a reader there is nobody to tell that there is none.
            to.write_all(line.as_bytes()).ok();
        }
    }

    /// The line before is out; the next one, as soon as there is one.
    fn next(&self) -> String {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
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
        io::{self, BufRead, BufReader, PipeWriter, pipe},
        sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
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

    /// A reader who takes a line every 20 ms.
    struct Slow {
        /// Counts what was taken.
        taken: Sender<()>,
        /// Never says anything; gone when it is to be quick.
        pace: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            match self.pace.recv_timeout(Duration::from_millis(20)) {
                Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.taken.send(()).ok();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_takes_a_line_every_20_ms_slows_nobody_and_gets_all_of_them() {
        const LINES: usize = 1000;
        let (taken, took) = channel();
        let (quick, pace) = channel();
        let queue = Queue::start(Slow { taken, pace }).unwrap();
        for n in 0..LINES {
            queue.push(n.to_string());
        }
        // Whoever waited for every line, or for every other one, would be far behind the reader now.
        let so_far = took.try_iter().count();
        assert!(so_far < LINES / 10, "the reader took {so_far} meanwhile");
        drop(quick);
        queue.finish(LONG);
        assert_eq!(so_far + took.try_iter().count(), LINES);
    }

    #[test]
    fn a_reader_who_takes_too_long_is_left_behind_at_the_end() {
        let (queue, _read, _) = stalled();
        queue.finish(Duration::from_millis(1));
        assert!(!queue.lock().lines.is_empty(), "they wait for their reader");
    }
}
