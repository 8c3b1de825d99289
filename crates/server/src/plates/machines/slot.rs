//! One item at a time: the run that `plates run` is, over one video, in a work directory of its own.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use framerill_media::counted;
use framerill_plates::{
    flow::VideoStatus,
    machines::{
        End, Item, Key, Note, Source, State,
        duty::{self, Answer, Duty, Outcome},
        nats::{Delivery, FetchError, Queue, Taker},
    },
    run::{RunEnd, Why},
    store::{Options, Store},
};

use super::{
    lease::{Lease, Shared},
    work::Duties,
};
use crate::{
    failure::Failure,
    log::Level,
    plates::{
        inputs::Video,
        log::voice::Voice,
        run::{
            command::{self, OUTBOX},
            driver::Driver,
            inbox::Inbox,
            workdir::WorkDir,
        },
        settings::Settings,
        status::standing::Standing,
    },
};

/// One look into the queue; a slot that is to end ends after it.
const LOOK: Duration = Duration::from_secs(1);
/// Uploaded videos, while they are read.
const FETCHED: &str = "fetched";

/// A place in which an item is read.
pub(super) struct Slot<'a> {
    duties: &'a Duties<'a>,
    work_dir: WorkDir,
    voice: Voice,
}

impl<'a> Slot<'a> {
    /// Takes its folder: the work directory itself, or with several slots one in it for each.
    pub(super) fn open(duties: &'a Duties<'a>, no: u32) -> Result<Self, Failure> {
        let own = &duties.settings.work_dir;
        let folder = match duties.working.parallel {
            1 => own.clone(),
            _ => own.join(format!("slot-{no}")),
        };
        let work_dir = WorkDir::open(&folder)?;
        // What a killed worker left is fetched anew.
        drop(fs::remove_dir_all(work_dir.path().join(FETCHED)));
        let voice = Voice::new(work_dir.logs(), false, duties.asked.quiet);
        Ok(Self {
            duties,
            work_dir,
            voice,
        })
    }

    /// Takes items until someone wants an end, or nothing came for long enough.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(super) fn run(mut self, queue: &Queue) {
        let taker = match queue.taker(self.duties.working.ack_wait) {
            Ok(it) => it,
            Err(error) => return self.duties.all.give_up(super::failed(&error)),
        };
        let (mut idle, mut away) = (Instant::now(), None::<Instant>);
        while !self.duties.all.is_over() {
            match taker.take(LOOK) {
                Ok(Some(delivery)) => {
                    away = None;
                    self.duties.all.busy.fetch_add(1, Ordering::Relaxed);
                    self.handed(queue, &taker, &delivery);
                    self.duties.all.busy.fetch_sub(1, Ordering::Relaxed);
                    idle = Instant::now();
                }
                Ok(None) => {
                    away = None;
                    let limit = self.duties.working.idle_exit;
                    if limit.is_some_and(|it| idle.elapsed() >= it) {
                        return;
                    }
                }
                Err(error) => {
                    if away.is_none() {
                        self.voice.say(Level::Warning, &error.to_string());
                    }
                    let since = *away.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.duties.settings.queue.patience {
                        return self.duties.all.give_up(super::failed(&error));
                    }
                }
            }
        }
    }

    fn handed(&mut self, queue: &Queue, taker: &Taker<'_>, delivery: &Delivery<'_>) {
        let key = delivery.key();
        let noted = match key.as_ref().map(|it| queue.noted(it)).transpose() {
            Ok(noted) => noted.flatten(),
            // It is handed out again.
            Err(error) => return self.voice.say(Level::Warning, &error.to_string()),
        };
        let (name, most) = (
            key.as_ref().map_or("", Key::as_str),
            self.duties.working.most_tries,
        );
        match duty::duty(delivery.bytes(), name, delivery.count, noted.as_ref(), most) {
            Duty::Over => {
                drop(delivery.ack());
            }
            Duty::Bury(item, why) => {
                let round = match &item {
                    Some(it) => it.round,
                    None => noted.as_ref().map_or(0, |it| it.round),
                };
                let label = item.as_ref().map_or("", |it| &it.video_id);
                let own = self.own(round, delivery.count, 0, label);
                self.answer(
                    queue,
                    delivery,
                    key.as_ref(),
                    item.as_ref(),
                    &own,
                    &Outcome::Hostile(why),
                );
            }
            Duty::Work(item) => {
                let key = item.key();
                let noted = noted.filter(|it| it.round == item.round);
                let excused = noted.map_or(0, |it| it.excused);
                let own = self.own(item.round, delivery.count, excused, &item.video_id);
                let shared = Shared::new(own);
                let line = format!("{} is taken, delivery {}", item.video_id, delivery.count);
                self.voice.say(Level::Info, &line);
                let outcome = thread::scope(|scope| {
                    let _lease = Lease::keep(
                        scope,
                        queue,
                        delivery,
                        &key,
                        taker.ack_wait(),
                        shared.clone(),
                    );
                    self.work(queue, &item, &key, &shared)
                });
                drop(fs::remove_file(self.fetched(&key)));
                self.answer(
                    queue,
                    delivery,
                    Some(&key),
                    Some(&item),
                    &shared.note(),
                    &outcome,
                );
            }
        }
    }

    fn own(&self, round: u32, delivery: u64, excused: u64, video_id: &str) -> Note {
        Note {
            worker: self.duties.worker.clone(),
            excused,
            ..Note::new(round, delivery, State::Working, video_id)
        }
    }

    /// Tells the note first: whoever waits for it hears of it even if this process ends now.
    fn answer(
        &mut self,
        queue: &Queue,
        delivery: &Delivery<'_>,
        key: Option<&Key>,
        item: Option<&Item>,
        own: &Note,
        outcome: &Outcome,
    ) {
        let (answer, note) = duty::settled(own, outcome);
        let all = &self.duties.all;
        let told = match (key, &note) {
            (Some(key), Some(note)) => queue.note(key, note),
            _ => Ok(()),
        };
        let answered = told.and_then(|()| match answer {
            Answer::Ack => delivery.ack(),
            Answer::Back(wait) => delivery.back(wait),
            Answer::Bury => {
                let why = note.as_ref().and_then(|it| it.reason.as_deref());
                queue.letter(delivery, why.unwrap_or_default())?;
                delivery.bury()
            }
            Answer::Nothing => Ok(()),
        });
        match answer {
            Answer::Ack => {
                all.done.fetch_add(1, Ordering::Relaxed);
                let is_bad = matches!(outcome, Outcome::Over(End::Failed, _));
                all.failed.fetch_add(is_bad.into(), Ordering::Relaxed);
            }
            Answer::Back(_) => drop(all.back.fetch_add(1, Ordering::Relaxed)),
            Answer::Bury => drop(all.dead.fetch_add(1, Ordering::Relaxed)),
            Answer::Nothing => {}
        }
        let is_over = matches!(answer, Answer::Ack | Answer::Bury);
        if is_over && let (Some(key), Some(Source::Object)) = (key, item.map(|it| &it.source)) {
            queue.drop_object(key);
        }
        let label = item.map_or("an item that is none", |it| &it.video_id);
        let (level, said) = match outcome {
            Outcome::Over(End::Failed, why) => (
                Level::Warning,
                format!("failed: {}", why.as_deref().unwrap_or("no reason")),
            ),
            Outcome::Over(end, _) => (
                Level::Info,
                format!("is over: {}", super::screen::word(*end)),
            ),
            Outcome::Stopped => (Level::Info, "goes back to the queue".to_owned()),
            Outcome::Unable(why) => (Level::Warning, format!("goes back to the queue: {why}")),
            Outcome::Hostile(why) => (Level::Warning, format!("is set aside: {why}")),
            Outcome::Lost => (Level::Warning, "is another worker's by now".to_owned()),
        };
        self.voice.say(level, &format!("{label} {said}"));
        if let Err(error) = answered {
            self.voice.say(Level::Warning, &error.to_string());
        }
    }

    fn fetched(&self, key: &Key) -> PathBuf {
        self.work_dir.path().join(FETCHED).join(key.as_str())
    }

    /// Where the item's file is on this machine.
    fn file(&self, queue: &Queue, item: &Item, key: &Key) -> Result<PathBuf, Outcome> {
        match &item.source {
            Source::Share(path) => {
                let unable = "this worker knows no share: start it with `--share`";
                let share = self.duties.share.as_deref();
                let share = share.ok_or_else(|| Outcome::Unable(unable.into()))?;
                path.beneath(share).map_err(|error| match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        Outcome::Hostile(format!("`{path}`: {error}"))
                    }
                    _ => Outcome::Unable(format!("`{path}` in this worker's share: {error}")),
                })
            }
            Source::Object => {
                let largest = self.duties.working.largest;
                if item.size_bytes > largest {
                    let why = format!("it has {} bytes, more than `--max-file`", item.size_bytes);
                    return Err(Outcome::Unable(why));
                }
                let to = self.fetched(key);
                let folder = self.work_dir.path().join(FETCHED);
                let made = fs::create_dir_all(folder).map_err(FetchError::from);
                let fetched = made
                    .and_then(|()| queue.fetch(key, item.size_bytes, &item.content_sha256, &to));
                match fetched {
                    Ok(()) => Ok(to),
                    Err(error @ FetchError::Other(_)) => Err(Outcome::Hostile(error.to_string())),
                    Err(error) => Err(Outcome::Unable(error.to_string())),
                }
            }
        }
    }

    fn work(&mut self, queue: &Queue, item: &Item, key: &Key, shared: &Shared) -> Outcome {
        let settings = Settings {
            mode: item.settings.mode,
            every: Some(item.settings.every),
            min_samples: item.settings.min_samples,
            formats: item.settings.formats.clone(),
            denoise: item.settings.denoise,
            ..self.duties.settings.clone()
        };
        let path = match self.file(queue, item, key) {
            Ok(it) => it,
            Err(outcome) => return outcome,
        };
        let video = Video {
            path,
            filename: item.filename.clone(),
            video_id: item.video_id.clone(),
            url: None,
        };
        let asked = command::Asked {
            force: item.force,
            quiet: self.duties.asked.quiet || self.duties.working.parallel > 1,
            ..command::Asked::of(BTreeMap::new())
        };
        let run = self.read(&asked, &settings, item, video, shared);
        let (end, snapshot) = match run {
            Ok(it) => it,
            Err(Ended::Unable(why)) => return Outcome::Unable(why),
            Err(Ended::Fatal(failure)) => {
                let why = failure.to_string();
                self.duties.all.give_up(failure);
                return Outcome::Unable(why);
            }
        };
        shared.look(&snapshot);
        if shared.is_lost() {
            return Outcome::Lost;
        }
        match &end.why {
            Why::Stopped(_) => return Outcome::Stopped,
            Why::CannotGoOn(why) => {
                let failure = Failure::cannot_start("cannot_go_on", why.clone());
                self.duties.all.give_up(failure);
                return Outcome::Unable(why.clone());
            }
            Why::Done => {}
        }
        let Some((_, ended)) = end.videos.first() else {
            return Outcome::Unable("the run ended without the video".into());
        };
        shared.end(ended, end.dead_letters);
        let over = match ended.status {
            VideoStatus::Complete => End::Complete,
            VideoStatus::Partial => End::Partial,
            VideoStatus::Skipped => End::Skipped,
            VideoStatus::Failed => End::Failed,
            VideoStatus::Stopped => return Outcome::Stopped,
        };
        match self.flush(&settings) {
            Ok(()) => Outcome::Over(over, ended.reason.clone()),
            Err(why) => Outcome::Unable(why),
        }
    }

    fn read(
        &mut self,
        asked: &command::Asked,
        settings: &Settings,
        item: &Item,
        video: Video,
        shared: &Shared,
    ) -> Result<(RunEnd, Standing), Ended> {
        let mut plan =
            command::plan(asked, settings, &self.work_dir, vec![video]).map_err(Ended::Fatal)?;
        if plan.looks.settings_hash != item.settings_hash {
            return Err(Ended::Unable(
                "this worker's models, stages or version are not the submitter's: give both the same `--model` and `--stage`"
                    .into(),
            ));
        }
        plan.looks.wanted = Some(item.content_sha256.clone());
        let (watched, all) = (shared.clone(), Arc::clone(&self.duties.all));
        plan.observer = Some(Box::new(move |snapshot| {
            watched.look(snapshot);
            // A signal reaches the run itself; what another slot met does not.
            !watched.is_lost() && !all.has_given_up()
        }));
        let inbox = Inbox::listen().map_err(Ended::Fatal)?;
        let driver = Driver::start(plan, inbox, &self.work_dir, &mut self.voice);
        let driver = driver.map_err(Ended::Fatal)?;
        driver.run().map_err(Ended::Fatal)
    }

    /// The item's rows are in the database, not only in this machine's outbox.
    fn flush(&self, settings: &Settings) -> Result<(), String> {
        let outbox = self.work_dir.path().join(OUTBOX);
        if !outbox.is_dir() {
            return Ok(());
        }
        let store = Store::open(Options {
            outbox: Some(outbox),
            privacy: settings.privacy().map_err(|it| it.to_string())?,
            ..Options::new(settings.database.clone())
        });
        let waiting = store.and_then(|it| it.flush(settings.queue.patience));
        match waiting {
            Ok(0) => Ok(()),
            Ok(rows) => {
                let rows = counted(rows, "of its rows waits", "of its rows wait");
                Err(format!("{rows} for the database"))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Why a run has no end.
enum Ended {
    /// Of this item.
    Unable(String),
    /// Of this machine.
    Fatal(Failure),
}
