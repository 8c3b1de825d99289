//! `framerill plates run --queue`: videos into the queue, and a look at them until all are over.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use framerill_media::counted;
use framerill_plates::{
    flow::FlowSettings,
    machines::{
        Asked as ItemSettings, Board, End, Item, Key, Note, Presence, Row, Source, State, VERSION,
        nats::{Queue, Seen, Submitted},
    },
    models::Models,
    store::{Options, Store},
};
use serde_json::{Value, json};

use super::{cannot_start, failed, rules, screen, wish::Wish};
use crate::{
    exit::Exit,
    failure::Failure,
    plates::{
        inputs::{self, Inputs, Video},
        models::FOLDER,
        readers::reader::look,
        run::command::{Asked, identity},
        settings::Settings,
        status::hud,
    },
    terminal,
};

/// Between two pictures on a terminal.
const PICTURE: Duration = Duration::from_secs(1);
/// Between two lines of a log.
const LINE: Duration = Duration::from_secs(10);
/// Without a word for so long the queue itself is asked.
const SILENCE: Duration = Duration::from_secs(15);
/// A worker that was not heard of for so long is gone.
const GONE: Duration = Duration::from_secs(20);

/// A submitter at work.
struct Submitter<'a> {
    asked: &'a Asked,
    settings: &'a Settings,
    settings_hash: String,
    item: ItemSettings,
    store: Store,
    queue: Queue,
    board: Board,
    /// What was submitted, in case the queue forgets it; and the path as it was found.
    items: BTreeMap<Key, (Item, String)>,
    /// Videos that cannot even be submitted.
    unread: Vec<Value>,
    wish: Wish,
    began: Instant,
    drawn: usize,
    is_drawn: bool,
    told: Instant,
}

/// Submits the videos that are asked for, and waits for their ends.
#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
pub(crate) fn submit(mut asked: Asked, settings: &Settings) -> Result<Exit, Failure> {
    // A signal is heard from here on, whatever is waited for.
    let wish = Wish::listen()?;
    rules::database(settings)?;
    let share = rules::share(settings)?;
    if asked.paths.is_empty() {
        asked.paths.push(settings.input.clone());
    }
    let Inputs { videos, notes } = inputs::find(&asked.paths, asked.recursive, asked.limit)?;
    if let Some(video) = videos.iter().find(|it| it.url.is_some()) {
        let text = format!("`{}`: a queue takes files alone", video.path.display());
        return Err(Failure::usage("input", text).hint("download it first, and submit the file"));
    }
    for note in settings.notes.iter().chain(&notes) {
        terminal::tell(format_args!("framerill: {note}"));
    }
    if videos.is_empty() {
        terminal::tell("framerill: there is no video: nothing to do");
        if asked.json {
            terminal::answer(json!({"status": "done", "videos": []}));
        }
        return Ok(Exit::Done);
    }
    let folder = settings.models.as_deref().unwrap_or(Path::new(FOLDER));
    let models = Models::open(folder, settings.choice.clone())
        .map_err(|error| Failure::cannot_start("models", error.to_string()))?;
    let usual = FlowSettings::of(settings.mode);
    let (database, options) = (settings.database.clone(), settings.queue.options());
    let open = move || {
        let store = Store::open(Options::new(database)).map_err(|error| {
            Failure::cannot_start("database", error.to_string())
                .hint("name another database with `--db`")
        })?;
        let queue = Queue::open(&options).map_err(|it| cannot_start(&it))?;
        Ok((store, queue))
    };
    let Some((store, queue)) = wish.unless_heard(open)? else {
        return Ok(not_begun(&asked, &wish, videos.len()));
    };
    let began = Instant::now();
    let mut submitter = Submitter {
        asked: &asked,
        settings,
        settings_hash: identity(settings, &models)?.settings_hash,
        item: ItemSettings {
            mode: settings.mode,
            every: settings.every.unwrap_or(usual.every),
            min_samples: settings.min_samples,
            formats: settings.formats.clone(),
            denoise: settings.denoise,
        },
        store,
        queue,
        board: Board::default(),
        items: BTreeMap::new(),
        unread: Vec::new(),
        wish,
        began,
        drawn: 0,
        is_drawn: io::stderr().is_terminal() && !asked.quiet,
        told: began,
    };
    submitter.submit(&videos, share.as_deref())?;
    submitter.wait()?;
    submitter.report()
}

/// The end of a submission that was stopped before the queue was reached.
fn not_begun(asked: &Asked, wish: &Wish, videos: usize) -> Exit {
    let exit = wish.exit().unwrap_or(Exit::Interrupted);
    if !asked.quiet {
        terminal::tell("framerill: stopped before the queue was reached: no video was submitted");
    }
    if asked.json {
        terminal::answer(json!({
            "status": "interrupted", "exit": exit.code(), "videos": [], "not_begun": videos,
        }));
    }
    exit
}

impl Submitter<'_> {
    fn stop(&self) -> Option<Exit> {
        self.wish.exit()
    }

    fn say(&self, line: &str) {
        if !self.asked.quiet {
            terminal::tell(format_args!("framerill: {line}"));
        }
    }

    fn submit(&mut self, videos: &[Video], share: Option<&Path>) -> Result<(), Failure> {
        // What is wrong with one path is wrong before any is submitted.
        if !self.asked.upload {
            for video in videos {
                rules::shared(share, &video.path)?;
            }
        }
        let mut begun = BTreeSet::new();
        for video in videos {
            if self.stop().is_some() {
                return Ok(());
            }
            self.one(video, share, &mut begun)?;
        }
        let counts = self.board.counts();
        self.say(&format!(
            "{} in the queue, {} done before",
            counted((counts.queued + counts.working) as u64, "video", "videos"),
            counts.over()
        ));
        Ok(())
    }

    fn one(
        &mut self,
        video: &Video,
        share: Option<&Path>,
        begun: &mut BTreeSet<String>,
    ) -> Result<(), Failure> {
        let shown = inputs::shown(&video.path);
        let looked = match look(&video.path) {
            Ok(it) => it,
            Err(failure) => {
                let reason = failure.to_string();
                self.say(&format!("`{shown}`: {reason}"));
                self.unread.push(json!({
                    "video_id": video.video_id, "path": shown, "status": "failed", "reason": reason,
                }));
                return Ok(());
            }
        };
        if !begun.insert(looked.content_sha256.clone()) {
            self.say(&format!(
                "`{shown}` has the content of another video of this run"
            ));
            return Ok(());
        }
        let source = match self.asked.upload {
            true => Source::Object,
            false => Source::Share(rules::shared(share, &video.path)?),
        };
        let mut item = Item {
            v: VERSION,
            round: 0,
            content_sha256: looked.content_sha256,
            settings_hash: self.settings_hash.clone(),
            size_bytes: looked.size_bytes,
            video_id: video.video_id.clone(),
            filename: video.filename.clone(),
            source,
            settings: self.item.clone(),
            force: self.asked.force,
        };
        let wrong = |error: framerill_plates::machines::ItemError| {
            Failure::usage("input", format!("`{shown}` cannot be submitted: {error}"))
                .hint("give it another name")
        };
        item = item.checked().map_err(wrong)?;
        let key = item.key();
        let noted = self.queue.noted(&key).map_err(|it| failed(&it))?;
        item.round = Board::round(noted.as_ref());
        if !self.asked.force && self.is_done(&item)? {
            let ended =
                noted.filter(|it| matches!(it.state, State::Over(End::Complete | End::Partial)));
            let skipped = Note::new(0, 0, State::Over(End::Skipped), &video.video_id);
            let note = ended.unwrap_or(skipped);
            self.board
                .add(key.clone(), &video.video_id, note.round, Some(note));
            self.items.insert(key, (item, shown));
            return Ok(());
        }
        if self.asked.upload {
            let uploaded = self.queue.upload(&key, &video.path, item.size_bytes);
            uploaded.map_err(|it| failed(&it))?;
        }
        item.to_bytes().map_err(wrong)?;
        let submitted = self.queue.submit(&item).map_err(|it| failed(&it))?;
        let known = noted.filter(|it| it.round == item.round);
        if submitted == Submitted::New && known.is_none() {
            let note = Note::new(item.round, 0, State::Queued, &video.video_id);
            self.queue.note(&key, &note).map_err(|it| failed(&it))?;
        }
        if submitted == Submitted::There {
            self.say(&format!("`{shown}` is in the queue already"));
        }
        self.board
            .add(key.clone(), &video.video_id, item.round, known);
        self.items.insert(key, (item, shown));
        Ok(())
    }

    fn is_done(&self, item: &Item) -> Result<bool, Failure> {
        let rows = self.store.videos(&item.content_sha256, &item.settings_hash);
        let rows = rows.map_err(|error| Failure::cannot_start("database", error.to_string()))?;
        let is_done = |row: &framerill_plates::store::Record| {
            let status = row.get("status").and_then(Value::as_str);
            status.is_some_and(|it| it == "complete" || it == "partial")
        };
        Ok(rows.iter().any(is_done))
    }

    /// Until all are over, or someone wants an end.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn wait(&mut self) -> Result<(), Failure> {
        let mut watch = self.queue.watch();
        let mut workers: BTreeMap<String, (Presence, Instant)> = BTreeMap::new();
        let (mut heard, mut drawn) = (Instant::now(), None::<Instant>);
        while !self.board.is_over() && self.stop().is_none() {
            match watch.next(PICTURE / 4) {
                Some(Seen::Item(key, note)) => {
                    heard = Instant::now();
                    let reason = note.reason.clone().filter(|_| note.state != State::Working);
                    if self.board.noted(&key, note)
                        && let (Some(reason), false) = (reason, self.is_drawn)
                        && let Some((item, _)) = self.items.get(&key)
                    {
                        self.say(&format!("{}: {reason}", item.video_id));
                    }
                }
                Some(Seen::Worker(it)) => {
                    let now = Instant::now();
                    workers.insert(it.worker.clone(), (it, now));
                }
                None => {}
            }
            let now = Instant::now();
            workers.retain(|_, (_, at)| now.duration_since(*at) < GONE);
            if now.duration_since(heard) > SILENCE {
                heard = now;
                self.again()?;
            }
            let every = if self.is_drawn { PICTURE } else { LINE };
            if drawn.is_none_or(|it| now.duration_since(it) >= every) {
                drawn = Some(now);
                let workers = workers
                    .iter()
                    .map(|(name, (it, _))| (name.clone(), it.clone()));
                self.show(&workers.collect());
            }
        }
        self.told = Instant::now();
        Ok(())
    }

    /// Nobody says anything: is the queue there, and does it still have what was submitted?
    fn again(&mut self) -> Result<(), Failure> {
        let depth = self.queue.depth().map_err(|it| failed(&it))?;
        if depth.items > 0 {
            return Ok(());
        }
        let is_open = |row: &Row| match &row.note {
            Some(note) => !matches!(note.state, State::Over(_)),
            None => true,
        };
        let open = self.board.rows().filter(|(_, row)| is_open(row));
        for (key, _) in open {
            if let Some((item, _)) = self.items.get(key) {
                self.queue.submit(item).map_err(|it| failed(&it))?;
            }
        }
        Ok(())
    }

    fn show(&mut self, workers: &BTreeMap<String, Presence>) {
        let seconds = self.began.elapsed().as_secs_f64();
        if self.is_drawn {
            let mut lines = screen::screen(&self.board, workers, seconds);
            lines.push(screen::HOW_TO_LEAVE.to_owned());
            let text;
            (text, self.drawn) = hud::redraw(self.drawn, &lines, 200, 40);
            // Nobody may be there any more.
            drop(io::stderr().write_all(text.as_bytes()));
        } else {
            self.say(&screen::line(&self.board, workers, seconds));
        }
    }

    fn report(self) -> Result<Exit, Failure> {
        let (counts, stopped) = (self.board.counts(), self.stop());
        let is_good = self.unread.is_empty() && self.board.is_good(self.asked.strict);
        let exit = match stopped {
            Some(exit) if !self.board.is_over() => exit,
            _ if is_good => Exit::Done,
            _ => Exit::Failed,
        };
        let seconds = self.told.duration_since(self.began).as_secs_f64();
        self.say(&format!(
            "{} done, {} failed, {} dead, {} not over, in {seconds:.1} s",
            counts.done,
            counts.failed + self.unread.len(),
            counts.dead,
            counts.queued + counts.working,
        ));
        if stopped.is_some() && !self.board.is_over() {
            self.say("the workers go on; the same command looks on");
        }
        if !self.asked.json {
            return Ok(exit);
        }
        let notes = || self.board.rows().filter_map(|(_, row)| row.note.as_ref());
        let videos = self.board.rows().map(|(key, row)| {
            let path = self.items.get(key).map(|(_, path)| path);
            video(row, path)
        });
        let videos: Vec<_> = videos.chain(self.unread.iter().cloned()).collect();
        terminal::answer(json!({
            "status": match exit {
                Exit::Done => "done",
                Exit::Failed => "failed",
                _ => "interrupted",
            },
            "exit": exit.code(),
            "queue": self.settings.queue.shown(),
            "videos": videos,
            "not_begun": counts.queued,
            "dead_letters": notes().map(|it| it.dead_letters).sum::<u64>() + counts.dead as u64,
            "unfinished": counts.working,
            "seconds": seconds,
            "frames": notes().map(|it| it.frames).sum::<u64>(),
        }));
        Ok(exit)
    }
}

fn video(row: &Row, path: Option<&String>) -> Value {
    let note = row.note.as_ref();
    let status = match note.map(|it| it.state) {
        Some(State::Over(end)) => screen::word(end),
        Some(State::Working) => "working",
        Some(State::Queued) | None => "queued",
    };
    json!({
        "video_id": row.video_id,
        "path": path,
        "status": status,
        "reason": note.and_then(|it| it.reason.as_ref()),
        "frames": note.map(|it| it.frames),
        "tracks": note.map(|it| it.tracks),
        "plates": note.map(|it| it.plates),
        "worker": note.map(|it| &it.worker),
        "deliveries": note.map(|it| it.delivery.saturating_sub(it.excused)),
    })
}
