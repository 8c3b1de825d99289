//! The Rust worker: loads a built-in filter, joins streams, answers frames.

use std::{
    collections::{HashMap, VecDeque},
    os::{fd::OwnedFd, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use framerill_frames::{
    Descriptor, Flags, Foreign, Geometry, Lease, Link, LinkError, Loan, MessageType, PeerPool,
    Pool, PoolError, SkipReason,
};
use framerill_media::Caps;
use serde_json::{Map, Value};

use crate::{
    child::{Handled, Handler, Parent},
    filters,
    message::{Description, ErrorReport, FromChild, Role, ToChild},
    pipeline::{Answer, FrameMeta, Picture, Pipeline, PipelineKind},
};

/// A side that joins a link has this long to lend its pool.
const POOL_WITHIN: Duration = Duration::from_secs(5);
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// One written, one under way, and as many as media may hold to encode and preview.
const OUTPUT_SLOTS: u32 = 6;

/// The pause after the first of several failures in a row; it doubles (runner contract §12, D33).
const FAILURE_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const FAILURE_PAUSE_MOST: Duration = Duration::from_millis(100);

/// Runs a worker over the control socket on descriptor 0. Returns the exit code.
#[must_use]
pub fn run() -> u8 {
    crate::child::take_control_socket().map_or(2, run_on)
}

/// Runs a worker over a control socket until its parent ends it. Returns the exit code.
#[must_use]
pub fn run_on(socket: UnixStream) -> u8 {
    crate::child::run(socket, Role::Worker, "framerill-worker", |_| {
        Worker::default()
    })
}

/// What `describe` and `ready` say of a built-in filter.
#[must_use]
pub fn describe(kind: &dyn PipelineKind) -> Description {
    Description {
        name: kind.name().into(),
        summary: kind.summary().into(),
        language: "rust".into(),
        params_schema: kind.params_schema(),
        defaults: kind.defaults(),
        pixel_format: kind.pixel_format(),
        history: 0,
        audio: false,
        shareable: kind.shareable(),
        max_frame_time: 10.0,
        batch_size: 1,
        decoupled: false,
        reapplies_initial: false,
        target: kind.name().into(),
        origin: "built-in".into(),
    }
}

type Shared = Arc<Mutex<Box<dyn Pipeline>>>;

#[derive(Default)]
struct Worker {
    pipeline: Option<Shared>,
    /// Of its parameters.
    defaults: Map<String, Value>,
    streams: HashMap<String, Joined>,
}

struct Joined {
    link: Arc<Link>,
    incarnation: u32,
    thread: thread::JoinHandle<()>,
}

impl Handler for Worker {
    fn handle(&mut self, request: ToChild, fds: Vec<OwnedFd>, parent: &Parent) -> Handled {
        match request {
            ToChild::Describe { id, pipeline } => parent.say(&match filters::find(&pipeline) {
                Some(kind) => FromChild::Description {
                    id,
                    description: Box::new(describe(kind)),
                },
                None => FromChild::Error(unknown(id, &pipeline)),
            }),
            ToChild::Load {
                id,
                pipeline,
                params,
                ..
            } => {
                return self.load(id, &pipeline.unwrap_or_default(), &params, parent);
            }
            ToChild::Update {
                id,
                mut params,
                replace,
                check,
                ..
            } => {
                if replace {
                    let given = std::mem::replace(&mut params, self.defaults.clone());
                    params.extend(given);
                }
                self.update(id, &params, check, parent);
            }
            ToChild::Attach {
                id,
                stream,
                incarnation,
                live,
                ..
            } => {
                self.attach(id, stream, incarnation, live, fds, parent);
            }
            ToChild::Detach { id, stream, .. } => {
                let incarnation = self.leave(&stream);
                let (held, requeued) = (Vec::new(), 0);
                let id = Some(id);
                parent.say(&FromChild::Detached {
                    id,
                    stream,
                    incarnation,
                    held,
                    requeued,
                });
            }
            ToChild::Flush { id, stream } => {
                if let Some(pipeline) = &self.pipeline {
                    locked(pipeline).flush();
                }
                parent.say(&FromChild::Flushed { id, stream });
            }
            ToChild::Drain { id } => {
                let streams: Vec<String> = self.streams.keys().cloned().collect();
                for stream in streams {
                    self.leave(&stream);
                }
                parent.say(&FromChild::Drained { id, stats: None });
                return Handled::Leave;
            }
            ToChild::Bye => return Handled::Leave,
        }
        Handled::Done
    }
}

impl Worker {
    fn load(
        &mut self,
        id: u64,
        name: &str,
        params: &Map<String, Value>,
        parent: &Parent,
    ) -> Handled {
        let Some(kind) = filters::find(name) else {
            parent.say(&FromChild::Error(unknown(id, name)));
            return Handled::LoadFailed;
        };
        match kind.load(params) {
            Ok(pipeline) => {
                self.pipeline = Some(Arc::new(Mutex::new(pipeline)));
                self.defaults = kind.defaults();
                let description = Some(Box::new(describe(kind)));
                parent.say(&FromChild::Ready {
                    id,
                    description,
                    source: None,
                });
                Handled::Done
            }
            Err(problems) => {
                let message = format!("parameters of `{name}` break {} rule(s)", problems.len());
                let report = ErrorReport::of_request(id, "params", message);
                parent.say(&FromChild::Error(ErrorReport { problems, ..report }));
                Handled::LoadFailed
            }
        }
    }

    fn update(&self, id: u64, params: &Map<String, Value>, check: bool, parent: &Parent) {
        let Some(pipeline) = &self.pipeline else {
            return;
        };
        let mut pipeline = locked(pipeline);
        let taken = if check {
            pipeline.check(params)
        } else {
            pipeline.update(params)
        };
        drop(pipeline);
        parent.say(&match taken {
            Ok(()) => FromChild::Applied {
                id,
                output_size: None,
            },
            Err(problems) => FromChild::Rejected { id, problems },
        });
    }

    fn attach(
        &mut self,
        id: u64,
        stream: String,
        incarnation: u32,
        live: bool,
        mut fds: Vec<OwnedFd>,
        parent: &Parent,
    ) {
        let link_error = |what: String| FromChild::Error(ErrorReport::of_request(id, "link", what));
        let (Some(pipeline), Some(socket), true) =
            (self.pipeline.clone(), fds.pop(), fds.is_empty())
        else {
            return parent.say(&link_error("`attach` carries one descriptor".into()));
        };
        if self.streams.contains_key(&stream) {
            self.leave(&stream);
        }
        let link = Arc::new(Link::new(socket));
        let tolerant = live.then(|| parent.clone());
        let joined = match Session::join(Arc::clone(&link), pipeline, tolerant) {
            Ok(session) => session,
            Err(error) => return parent.say(&link_error(error.to_string())),
        };
        let (teller, name) = (parent.clone(), stream.clone());
        let spawned = thread::Builder::new()
            .name("frames".into())
            .spawn(move || joined.run(&teller, name, incarnation));
        match spawned {
            Ok(thread) => {
                self.streams.insert(
                    stream.clone(),
                    Joined {
                        link,
                        incarnation,
                        thread,
                    },
                );
                parent.say(&FromChild::Attached {
                    id,
                    stream,
                    incarnation,
                });
            }
            Err(error) => parent.say(&link_error(format!("cannot start a thread: {error}"))),
        }
    }

    fn leave(&mut self, stream: &str) -> u32 {
        let Some(joined) = self.streams.remove(stream) else {
            return 0;
        };
        joined.link.shutdown();
        // The thread reports its own end; a panic in it was reported there.
        drop(joined.thread.join());
        joined.incarnation
    }
}

fn unknown(id: u64, name: &str) -> ErrorReport {
    let mut names: Vec<&str> = filters::all().iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    ErrorReport::of_request(
        id,
        "unknown_pipeline",
        format!(
            "Unknown pipeline: {name}. Available pipelines: {}",
            names.join(", ")
        ),
    )
    .with_hint("these are built in; those of packages run in Python's worker")
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    format!("the pipeline panicked: {what}")
}

fn locked(pipeline: &Shared) -> MutexGuard<'_, Box<dyn Pipeline>> {
    pipeline.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Why a stream cannot be served.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("the other side broke the frame link's rules: {0}")]
    Rule(&'static str),
    #[error("{0}")]
    Pipeline(String),
}

/// One stream's frames, answered in order on one thread.
struct Session {
    link: Arc<Link>,
    pipeline: Shared,
    caps: Caps,
    input: PeerPool,
    output: Pool,
    lent: Vec<Option<Lease>>,
    waiting: VecDeque<Descriptor>,
    /// The stream is live: who is told of a frame that the pipeline fails with.
    tolerant: Option<Parent>,
    /// Frames in a row that it failed with.
    failures: u32,
}

impl Session {
    fn join(
        link: Arc<Link>,
        pipeline: Shared,
        tolerant: Option<Parent>,
    ) -> Result<Self, StreamError> {
        let (offer, memory) = link.recv(Some(POOL_WITHIN))?;
        let (MessageType::Pool, Some(memory)) = (offer.message, memory) else {
            return Err(StreamError::Rule("the first message is a pool"));
        };
        let caps = offer.caps().map_err(LinkError::from)?;
        let geometry = Geometry {
            slots: offer.slot,
            slot_bytes: offer.bytes,
        };
        let input = PeerPool::open(&memory, geometry)?;
        let output = Pool::create(Geometry::for_pictures(OUTPUT_SLOTS, caps.picture_bytes())?)?;
        let geometry = output.geometry();
        let answer = Descriptor::pool(geometry.slots, geometry.slot_bytes, caps);
        link.send_with(&answer, output.fd())?;
        let lent = (0..geometry.slots).map(|_| None).collect();
        Ok(Self {
            link,
            pipeline,
            caps,
            input,
            output,
            lent,
            waiting: VecDeque::new(),
            tolerant,
            failures: 0,
        })
    }

    fn run(mut self, parent: &Parent, stream: String, incarnation: u32) {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve()));
        match served {
            Ok(Ok(()) | Err(StreamError::Link(LinkError::Closed))) => {}
            Ok(Err(StreamError::Pipeline(what))) => {
                return parent.fail(ErrorReport::fatal("process_failed", what));
            }
            Ok(Err(error)) => return parent.fail(ErrorReport::fatal("link", error.to_string())),
            Err(panic) => {
                let what = panicked(panic.as_ref());
                return parent.fail(ErrorReport::fatal("process_failed", what));
            }
        }
        let (id, held, requeued) = (None, Vec::new(), 0);
        parent.say(&FromChild::Detached {
            id,
            stream,
            incarnation,
            held,
            requeued,
        });
    }

    fn serve(&mut self) -> Result<(), StreamError> {
        loop {
            // A slot to answer into comes first: releases arrive on the same link as frames.
            let loan = loop {
                match self.output.loan() {
                    Some(loan) => break loan,
                    None => self.take_one()?,
                }
            };
            while self.waiting.is_empty() {
                self.take_one()?;
            }
            let Some(frame) = self.waiting.pop_front() else {
                continue;
            };
            match frame.message {
                MessageType::Eos => self.send(&Descriptor::eos())?,
                _ => self.answer(&frame, loan)?,
            }
        }
    }

    /// Takes one message: a release at once, a frame or the end in its turn.
    fn take_one(&mut self) -> Result<(), StreamError> {
        let (message, memory) = self.link.recv(None)?;
        if memory.is_some() {
            return Err(StreamError::Rule("only `pool` carries a descriptor"));
        }
        match message.message {
            MessageType::Release => {
                let slot = self
                    .lent
                    .get_mut(message.slot as usize)
                    .and_then(Option::take);
                slot.map(drop)
                    .ok_or(StreamError::Rule("a release of a slot that is not lent"))
            }
            MessageType::Frame | MessageType::Eos => {
                if self.waiting.len() > framerill_frames::MAX_SLOTS as usize {
                    return Err(StreamError::Rule("more frames than slots"));
                }
                self.waiting.push_back(message);
                Ok(())
            }
            MessageType::Flush => {
                for frame in std::mem::take(&mut self.waiting) {
                    if frame.message == MessageType::Frame {
                        self.send(&Descriptor::skip(frame.frame, SkipReason::Flushed))?;
                        self.send(&Descriptor::release(frame.slot))?;
                    }
                }
                locked(&self.pipeline).flush();
                self.send(&Descriptor::flush(message.frame))
            }
            MessageType::Pool | MessageType::Skip | MessageType::Taken => Err(StreamError::Rule(
                "media sends neither a second pool nor what answers a frame",
            )),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "driver: measures the time in `process`"
    )]
    fn answer(&mut self, frame: &Descriptor, loan: Loan) -> Result<(), StreamError> {
        let caps = frame.caps().map_err(LinkError::from)?;
        if caps != self.caps {
            return Err(StreamError::Rule("a frame's caps are the pool's"));
        }
        let bytes = caps.picture_bytes();
        let input = self
            .input
            .slot(frame.slot, bytes)
            .ok_or(StreamError::Rule("a frame lies in a slot of the pool"))?;
        let meta = FrameMeta {
            id: frame.frame,
            pts: frame.pts,
            time_base: frame.time_base().map_err(LinkError::from)?,
            caps,
            discontinuity: frame.flags.discontinuity,
        };
        let mut picture = SlotPicture {
            input,
            loan,
            bytes,
            copied: false,
        };
        let began = Instant::now();
        let answer = self.process(&meta, &mut picture);
        let process_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let SlotPicture { loan, .. } = picture;
        let answer = match (answer, &self.tolerant) {
            (Ok(answer), _) => answer,
            (Err(what), None) => return Err(StreamError::Pipeline(what)),
            (Err(what), Some(parent)) => {
                let parent = parent.clone();
                drop(loan);
                return self.fail(frame, what, process_ns, &parent);
            }
        };
        self.failures = 0;

        let reply = Descriptor {
            process_ns,
            sent_ns: monotonic_ns(),
            ..*frame
        };
        match answer {
            Answer::Changed => {
                let slot = loan.slot();
                self.lent[slot as usize] = Some(loan.publish());
                self.send(&Descriptor { slot, ..reply }.answering(&[frame.frame], 0, 1))?;
            }
            Answer::Passed => {
                let flags = Flags {
                    passthrough: true,
                    ..frame.flags
                };
                self.send(&Descriptor { flags, ..reply }.answering(&[frame.frame], 0, 1))?;
            }
            Answer::Skipped => self.send(&Descriptor {
                process_ns,
                ..Descriptor::skip(frame.frame, SkipReason::Chosen)
            })?,
        }
        self.send(&Descriptor::release(frame.slot))
    }

    /// The pipeline's answer. For a live stream a panic is a failure like any other.
    fn process(&self, meta: &FrameMeta, picture: &mut SlotPicture<'_>) -> Result<Answer, String> {
        let mut process = || locked(&self.pipeline).process(meta, picture);
        if self.tolerant.is_none() {
            return process();
        }
        catch_unwind(AssertUnwindSafe(process))
            .unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
    }

    /// Tells of a frame that the pipeline failed with, and pauses: one that always fails shall not spin.
    fn fail(
        &mut self,
        frame: &Descriptor,
        what: String,
        process_ns: u64,
        parent: &Parent,
    ) -> Result<(), StreamError> {
        let report = ErrorReport {
            fatal: false,
            ..ErrorReport::fatal("process_failed", what)
        };
        parent.fail(report);
        self.send(&Descriptor {
            process_ns,
            ..Descriptor::skip(frame.frame, SkipReason::Failed)
        })?;
        self.send(&Descriptor::release(frame.slot))?;
        let pause = FAILURE_PAUSE * 2u32.saturating_pow(self.failures.min(8));
        self.failures += 1;
        thread::park_timeout(pause.min(FAILURE_PAUSE_MOST));
        Ok(())
    }

    fn send(&self, message: &Descriptor) -> Result<(), StreamError> {
        Ok(self.link.send(message, SEND_WITHIN)?)
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds, the clock of `sent_ns`.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

struct SlotPicture<'a> {
    input: Foreign<'a>,
    loan: Loan,
    bytes: usize,
    copied: bool,
}

impl Picture for SlotPicture<'_> {
    fn edit(&mut self) -> &mut [u8] {
        let picture = &mut self.loan[..self.bytes];
        if !self.copied {
            self.input.copy_to(0, picture);
            self.copied = true;
        }
        picture
    }

    fn replace(&mut self) -> &mut [u8] {
        self.copied = true;
        &mut self.loan[..self.bytes]
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        self.input.copy_to(offset, into);
    }
}
