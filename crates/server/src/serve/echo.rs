//! Infer's output, copied to stderr. A stderr that nobody reads holds nothing up: lines are dropped then, and counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::terminal;

/// Lines that wait; what comes then is dropped.
const WAITING: usize = 1024;
/// The last lines have this long.
const REST_WITHIN: Duration = Duration::from_millis(200);

/// The way to stderr.
pub(super) struct Echo {
    lines: SyncSender<String>,
    dropped: Arc<AtomicU64>,
    written: Receiver<()>,
}

impl Echo {
    /// Copies from now on, in a thread of its own.
    pub(super) fn start() -> std::io::Result<Self> {
        let (lines, rest) = sync_channel::<String>(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        // Nothing is ever sent: it ends with the thread.
        let (writing, written) = sync_channel(0);
        thread::Builder::new().name("echo".into()).spawn(move || {
            let _writing: SyncSender<()> = writing;
            for line in rest {
                terminal::tell(line);
                match count.swap(0, Ordering::Relaxed) {
                    0 => {}
                    lost => terminal::tell(format_args!("({lost} lines of infer were lost)")),
                }
            }
        })?;
        Ok(Self {
            lines,
            dropped,
            written,
        })
    }

    pub(super) fn line(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets the last lines go out, unless nobody takes them.
    pub(super) fn finish(self) {
        drop(self.lines);
        self.written.recv_timeout(REST_WITHIN).unwrap_or(());
    }
}
