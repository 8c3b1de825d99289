//! What media does with the parent's requests.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use framerill_media::{Caps, PixelFormat, Size};
use framerill_worker::{
    child::{Handled, Handler, Parent},
    message::{EgressMode, ErrorReport, FromChild, LinkPolicy, MediaPlan, SourceInfo, ToChild},
};

use crate::{
    attach::{Joining, attach},
    egress::{self, Wanted},
    error::AvError,
    excerpt::ExcerptSession,
    ingress::{self, report, usual_interval},
    live_session::{self, Pending, update},
    reader_session::{self, ReaderSession},
    scale::Scaler,
    sink::SinkWriter,
    source::{Interrupt, SourceReader},
    stream::Stream,
};

const STATS_EVERY: Duration = Duration::from_millis(250);
/// Frames beyond the one at work that a worker may hold when the parent does not say.
const HISTORY: u32 = 4;
/// No worker may ask for more slots than this.
const MOST_HISTORY: u32 = 32;
/// Frames that a worker may begin at once.
const MOST_BATCH: u32 = 16;

/// The media role.
#[derive(Default)]
pub struct Media {
    opened: Option<Opened>,
    reader: Option<ReaderSession>,
    excerpt: Option<ExcerptSession>,
}

struct Opened {
    stream: Arc<Stream>,
    size: Size,
    name: Option<String>,
    waiting: Option<Waiting>,
    stop_stats: Option<SyncSender<()>>,
    /// With a live source: ends its reads.
    interrupt: Option<Interrupt>,
}

/// What begins with the first worker.
struct Waiting {
    source: SourceReader,
    plan: Box<MediaPlan>,
    sink: Option<SinkWriter>,
    wanted: Option<Wanted>,
}

impl Handler for Media {
    fn handle(&mut self, request: ToChild, fds: Vec<OwnedFd>, parent: &Parent) -> Handled {
        match request {
            ToChild::Load { id, media, .. } => return self.load(id, media, fds, parent),
            ToChild::Attach {
                id,
                stream,
                incarnation,
                format,
                history,
                batch,
                ..
            } => {
                let worker = WorkerOf {
                    incarnation,
                    format,
                    history,
                    batch,
                };
                let attached = match &mut self.reader {
                    Some(reader) => one(fds).and_then(|it| reader.attach(format, it, parent)),
                    None => self.attach(&stream, worker, fds, parent),
                };
                parent.attached(id, stream, incarnation, attached);
            }
            ToChild::Detach { id, stream, keep } => match &self.reader {
                Some(reader) => {
                    reader.stop();
                    parent.say(&reader_session::detached(id, stream));
                }
                None => self.detach(id, stream, keep, parent),
            },
            ToChild::Drain { id } => {
                return match (&mut self.reader, &self.excerpt) {
                    (Some(reader), _) => reader.drain(id, parent),
                    (None, Some(excerpt)) => excerpt.drain(id, parent),
                    (None, None) => self.drain(id, parent),
                };
            }
            ToChild::Bye => return Handled::Leave,
            ToChild::Update {
                id, params, check, ..
            } if self.is_live() => {
                let live = self.opened.as_ref().map(|it| &it.stream);
                let outcome = live.map_or(Ok(()), |stream| update(stream, &params, check));
                parent.say(&match outcome {
                    Ok(()) => FromChild::Applied {
                        id,
                        output_size: None,
                    },
                    Err(problems) => FromChild::Rejected { id, problems },
                });
            }
            ToChild::Describe { id, .. }
            | ToChild::Update { id, .. }
            | ToChild::Flush { id, .. } => {
                let what = "media has no pipeline and no parameters";
                parent.say(&FromChild::Error(ErrorReport::of_request(
                    id,
                    "unknown_message",
                    what,
                )));
            }
        }
        Handled::Done
    }
}

/// What an `attach` says of the worker.
struct WorkerOf {
    incarnation: u32,
    format: Option<PixelFormat>,
    history: Option<u32>,
    batch: Option<u32>,
}

impl Media {
    fn is_live(&self) -> bool {
        self.opened
            .as_ref()
            .is_some_and(|it| it.interrupt.is_some())
    }

    fn load(
        &mut self,
        id: u64,
        plan: Option<Box<MediaPlan>>,
        fds: Vec<OwnedFd>,
        parent: &Parent,
    ) -> Handled {
        let Some(plan) = plan else {
            let what = "media's `load` carries a `media` plan";
            parent.say(&FromChild::Error(ErrorReport::of_request(
                id, "protocol", what,
            )));
            return Handled::LoadFailed;
        };
        if let Some(reader) = &plan.reader {
            let opened = ReaderSession::open(&plan, reader, fds);
            return match opened {
                Ok((session, info)) => {
                    self.reader = Some(session);
                    say_ready(id, info, parent);
                    Handled::Done
                }
                Err(error) => load_failed(id, &error, parent),
            };
        }
        if let Some(excerpt) = &plan.excerpt {
            let opened = ExcerptSession::open(&plan, excerpt, fds);
            return match opened {
                Ok((session, excerpt, info)) => {
                    self.excerpt = Some(session);
                    say_ready(id, info, parent);
                    excerpt.begin(parent);
                    Handled::Done
                }
                Err(error) => load_failed(id, &error, parent),
            };
        }
        match open(plan, fds) {
            Ok((opened, pending, info)) => {
                let stream = Arc::clone(&opened.stream);
                self.opened = Some(opened);
                say_ready(id, info, parent);
                if let Some(pending) = pending {
                    pending.begin(&stream, STATS_EVERY, parent);
                }
                Handled::Done
            }
            Err(error) => load_failed(id, &error, parent),
        }
    }

    fn attach(
        &mut self,
        name: &str,
        worker: WorkerOf,
        fds: Vec<OwnedFd>,
        parent: &Parent,
    ) -> Result<(), String> {
        let opened = self.opened.as_mut().ok_or("nothing is open")?;
        let socket = one(fds)?;
        let caps = Caps::new(worker.format.unwrap_or_default(), opened.size)
            .map_err(|error| error.to_string())?;
        let joining = Joining {
            incarnation: worker.incarnation,
            caps,
            history: worker.history.unwrap_or(HISTORY).min(MOST_HISTORY),
            batch: worker.batch.unwrap_or(1).clamp(1, MOST_BATCH),
        };
        if opened.stream.lock().attached.is_some() {
            return Err("a worker is attached already".into());
        }
        let output = attach(&opened.stream, name, joining, socket, parent)
            .map_err(|error| error.to_string())?;
        opened.name = Some(name.to_owned());
        if let Err(error) = opened.begin(caps, output.size, parent) {
            parent.fail(report(&error));
        }
        Ok(())
    }

    fn detach(&mut self, id: u64, stream: String, keep: bool, parent: &Parent) {
        let incarnation = self.opened.as_ref().and_then(|opened| {
            opened
                .stream
                .lock()
                .attached
                .as_ref()
                .map(|attached| attached.incarnation)
        });
        let lost = self
            .opened
            .as_ref()
            .zip(incarnation)
            .and_then(|(opened, incarnation)| opened.stream.lose_worker(incarnation, keep));
        let (held, requeued) = lost.unwrap_or_default();
        let (id, incarnation) = (Some(id), incarnation.unwrap_or(0));
        parent.say(&FromChild::Detached {
            id,
            stream,
            incarnation,
            held,
            requeued,
        });
    }

    fn drain(&mut self, id: u64, parent: &Parent) -> Handled {
        let Some(opened) = &mut self.opened else {
            parent.say(&FromChild::Drained { id, stats: None });
            return Handled::Leave;
        };
        if let Some(interrupt) = &opened.interrupt {
            interrupt.trigger();
        }
        let mut state = opened.stream.lock();
        state.draining = Some(id);
        state.stopping = true;
        if state.attached.is_none() {
            state.exchange.abandon();
        }
        // Before the first worker, and after the sink is complete, nobody else is there to answer.
        let answer_now = opened.waiting.take().is_some() || state.complete;
        if answer_now {
            state.draining = None;
        }
        opened.stream.notify();
        drop(state);
        if answer_now {
            egress::drained(&opened.stream, id, parent);
        }
        Handled::Done
    }
}

impl Opened {
    /// Begins the sink and starts the threads, with the first worker.
    fn begin(&mut self, caps: Caps, output: Size, parent: &Parent) -> Result<(), AvError> {
        let Some(Waiting {
            source,
            plan,
            mut sink,
            wanted,
        }) = self.waiting.take()
        else {
            return Ok(());
        };
        if let Some(sink) = &mut sink {
            sink.begin(output)?;
        }
        let scaler = Scaler::new(&source, &plan, caps)?;
        let (stream, to_parent) = (Arc::clone(&self.stream), parent.clone());
        start(
            "decode",
            move || ingress::run(&stream, source, scaler, &to_parent),
            parent,
        );
        let (stream, to_parent) = (Arc::clone(&self.stream), parent.clone());
        start(
            "encode",
            move || egress::run(&stream, sink, wanted, &to_parent),
            parent,
        );
        let (stream, to_parent) = (Arc::clone(&self.stream), parent.clone());
        let (stop, stopped) = sync_channel(1);
        self.stop_stats = Some(stop);
        let tell = move || {
            while stopped.recv_timeout(STATS_EVERY) == Err(RecvTimeoutError::Timeout) {
                egress::say_stats(&stream.stats(), &to_parent);
            }
        };
        start("stats", tell, parent);
        Ok(())
    }
}

fn say_ready(id: u64, info: SourceInfo, parent: &Parent) {
    parent.say(&FromChild::Ready {
        id,
        description: None,
        source: Some(Box::new(info)),
    });
}

fn load_failed(id: u64, error: &AvError, parent: &Parent) -> Handled {
    let report = ErrorReport {
        id: Some(id),
        fatal: false,
        ..report(error)
    };
    parent.say(&FromChild::Error(report));
    Handled::LoadFailed
}

/// The descriptor of an `attach`.
fn one(mut fds: Vec<OwnedFd>) -> Result<OwnedFd, String> {
    match (fds.pop(), fds.is_empty()) {
        (Some(socket), true) => Ok(socket),
        _ => Err("`attach` carries one descriptor".into()),
    }
}

pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static, parent: &Parent) {
    if let Err(error) = thread::Builder::new().name(name.into()).spawn(work) {
        parent.fail(ErrorReport::fatal(
            "internal",
            format!("cannot start a thread: {error}"),
        ));
    }
}

/// Opens what the plan names. What begins without a worker comes beside it.
fn open(
    plan: Box<MediaPlan>,
    fds: Vec<OwnedFd>,
) -> Result<(Opened, Option<Pending>, SourceInfo), AvError> {
    let mut fds: Vec<Option<OwnedFd>> = fds.into_iter().map(Some).collect();
    if let Some(live) = &plan.live {
        let (stream, pending, size, info) = live_session::open(&plan, live, &mut fds)?;
        let opened = Opened {
            stream: Arc::new(stream),
            size,
            name: None,
            waiting: None,
            stop_stats: None,
            interrupt: Some(pending.interrupt()),
        };
        return Ok((opened, Some(pending), info));
    }
    if plan.egress != EgressMode::Strict {
        return Err(AvError::Plan(
            "only the `strict` egress mode is for recorded sources".into(),
        ));
    }
    let (source, info) = SourceReader::open(&plan, &mut fds)?;
    let size =
        Size::new(info.width, info.height).map_err(|error| AvError::Plan(error.to_string()))?;
    let sink = match &plan.sink {
        Some(sink) => Some(SinkWriter::open(sink, &mut fds, &source, size, &plan)?),
        None => None,
    };
    let preview = plan.preview_fd;
    let preview = preview.map(|fd| crate::source::take_fd(&mut fds, fd, "preview"));
    let wanted = preview.transpose()?.map(|file| {
        let frame = info.frames.unwrap_or(60) / 2;
        Wanted { file, frame }
    });
    let interval = usual_interval(source.time_base(), info.fps);
    let latest = plan.policy == LinkPolicy::Latest;
    let stream = Arc::new(Stream::new(
        source.time_base(),
        interval,
        latest,
        wanted.is_some(),
    ));
    let waiting = Some(Waiting {
        source,
        plan,
        sink,
        wanted,
    });
    Ok((
        Opened {
            stream,
            size,
            name: None,
            waiting,
            stop_stats: None,
            interrupt: None,
        },
        None,
        info,
    ))
}
