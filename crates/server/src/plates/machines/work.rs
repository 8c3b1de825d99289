//! `framerill plates work`: slots that take items, each on a thread of its own, until someone wants an end.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use framerill_plates::machines::{Presence, VERSION, nats::Queue};
use serde_json::json;

use super::{cannot_start, rules, slot::Slot, wish::Wish};
use crate::{
    exit::Exit,
    failure::Failure,
    plates::{
        run::command::{self, Asked, identity, models},
        settings::Settings,
    },
    terminal,
};

/// A worker says that it is there so often.
const PRESENT: Duration = Duration::from_secs(5);

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Working {
    /// Items at once.
    pub(crate) parallel: u32,
    /// Ends when there was nothing to do for so long.
    pub(crate) idle_exit: Option<Duration>,
    /// Of the first worker of a queue.
    pub(crate) ack_wait: Duration,
    /// Tries of an item.
    pub(crate) most_tries: u64,
    /// Bytes of an uploaded video.
    pub(crate) largest: u64,
}

/// What all slots of a worker share.
#[derive(Debug)]
pub(super) struct All {
    wish: Wish,
    pub(super) busy: AtomicU32,
    /// Items that it ended, well or not.
    pub(super) done: AtomicU64,
    /// Of these, those that could not be read.
    pub(super) failed: AtomicU64,
    /// Items that it set aside.
    pub(super) dead: AtomicU64,
    /// Items that it gave back.
    pub(super) back: AtomicU64,
    fatal: Mutex<Option<Failure>>,
}

impl All {
    fn new(wish: Wish) -> Self {
        Self {
            wish,
            busy: AtomicU32::default(),
            done: AtomicU64::default(),
            failed: AtomicU64::default(),
            dead: AtomicU64::default(),
            back: AtomicU64::default(),
            fatal: Mutex::default(),
        }
    }

    /// Whether slots take no more.
    pub(super) fn is_over(&self) -> bool {
        self.wish.exit().is_some() || self.fatal().is_some()
    }

    /// This machine cannot do anything.
    pub(super) fn give_up(&self, failure: Failure) {
        self.fatal().get_or_insert(failure);
    }

    /// Whether one did.
    pub(super) fn has_given_up(&self) -> bool {
        self.fatal().is_some()
    }

    fn fatal(&self) -> std::sync::MutexGuard<'_, Option<Failure>> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exit(&self) -> Exit {
        self.wish.exit().unwrap_or(Exit::Done)
    }
}

/// What a slot is told.
pub(super) struct Duties<'a> {
    pub(super) asked: &'a Asked,
    pub(super) settings: &'a Settings,
    pub(super) working: Working,
    pub(super) worker: String,
    pub(super) all: Arc<All>,
    pub(super) share: Option<std::path::PathBuf>,
}

/// Takes items and reads them.
pub(crate) fn work(mut asked: Asked, working: Working) -> Result<Exit, Failure> {
    let mut settings = command::settings(&mut asked)?;
    if settings.queue.url.is_none() {
        return Err(Failure::usage("setting", "`--queue` is missing")
            .hint("name the queue: `--queue nats://HOST:PORT`"));
    }
    // A signal is heard from here on, whatever is waited for.
    let all = Arc::new(All::new(Wish::listen()?));
    rules::database(&settings)?;
    let share = rules::share(&settings)?;
    // A machine that cannot read takes nothing.
    crate::program::media()?;
    identity(&settings, &models(&settings)?)?;
    let worker = name();
    let known = settings.notes.len();
    settings.prepare_saves();
    for note in &settings.notes[known..] {
        terminal::tell(format_args!("framerill: {note}"));
    }
    let duties = Duties {
        asked: &asked,
        settings: &settings,
        working,
        worker: worker.clone(),
        all,
        share,
    };
    let slots = (0..working.parallel).map(|no| Slot::open(&duties, no));
    let slots = slots.collect::<Result<Vec<_>, _>>()?;
    let options = settings.queue.options();
    let open = move || {
        let queue = Queue::open(&options).map_err(|it| cannot_start(&it))?;
        // Made once, so that slots do not race for it.
        let taker = queue.taker(working.ack_wait);
        taker.map_err(|it| cannot_start(&it))?;
        Ok(queue)
    };
    let Some(queue) = duties.all.wish.unless_heard(open)? else {
        return report(&duties);
    };
    if !asked.quiet {
        terminal::tell(format_args!(
            "framerill: worker {worker} takes videos from {}, {} at once",
            settings.queue.shown().unwrap_or_default(),
            working.parallel
        ));
    }
    let (ended, is_over) = channel::<()>();
    thread::scope(|scope| {
        for slot in slots {
            let (ended, queue, all) = (ended.clone(), &queue, Arc::clone(&duties.all));
            let thread = thread::Builder::new().name("slot".into());
            let run = move || {
                slot.run(queue);
                drop(ended);
            };
            if let Err(error) = thread.spawn_scoped(scope, run) {
                let text = format!("cannot start a thread: {error}");
                all.give_up(Failure::cannot_start("thread", text));
            }
        }
        drop(ended);
        loop {
            queue.present(&presence(&duties));
            if is_over.recv_timeout(PRESENT) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
    });
    report(&duties)
}

fn report(duties: &Duties) -> Result<Exit, Failure> {
    let all = &duties.all;
    let fatal = all.fatal().take();
    let exit = fatal.as_ref().map_or_else(|| all.exit(), |it| it.exit);
    let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
    if duties.asked.json {
        terminal::answer(json!({
            "status": match exit {
                Exit::Done => "done",
                Exit::Interrupted | Exit::Terminated => "interrupted",
                _ => "failed",
            },
            "exit": exit.code(),
            "worker": duties.worker,
            "done": count(&all.done),
            "failed": count(&all.failed),
            "dead": count(&all.dead),
            "given_back": count(&all.back),
        }));
    }
    match fatal {
        Some(failure) => Err(Failure {
            is_reported: duties.asked.json,
            ..failure
        }),
        None => Ok(exit),
    }
}

/// Host and process: unique as long as it lives, and fit for a subject.
fn name() -> String {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy().into_owned();
    let plain = host
        .chars()
        .filter(|it| it.is_ascii_alphanumeric() || *it == '-');
    let host: String = plain.take(40).collect();
    format!("{host}-{}", std::process::id())
}

#[expect(
    clippy::disallowed_methods,
    reason = "driver: for people, not for decisions"
)]
fn presence(duties: &Duties) -> Presence {
    let at = SystemTime::now().duration_since(UNIX_EPOCH);
    Presence {
        v: VERSION,
        worker: duties.worker.clone(),
        host: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        slots: duties.working.parallel,
        busy: duties.all.busy.load(Ordering::Relaxed),
        done: duties.all.done.load(Ordering::Relaxed),
        at: at.unwrap_or_default().as_secs(),
    }
}
