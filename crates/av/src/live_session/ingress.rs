//! The thread that reads a live source: decoded pictures to the presenter and, where there is one, the worker; sound past
//! them. It waits for bytes, and with a burst of them for room, as long as [`Patience`] lasts.

use std::{
    sync::{Arc, MutexGuard},
    time::Duration,
};

use framerill_frames::Loan;
use framerill_media::{Caps, PixelFormat, Pts, Size};
use framerill_worker::{
    child::Parent,
    message::{FromChild, Level, LivePlan, SourceInfo},
    runtime::monotonic_ns,
};

use super::{
    filler::Wish,
    patience::{Patience, Room},
    state::{Heard, Input},
};
use crate::{
    error::AvError,
    exchange::Ready,
    ingress::report,
    kept::Kept,
    live_source::{LiveEnd, LiveFormat, LiveItem, LiveSource},
    scale::Scaler,
    source::DecodedPicture,
    stream::{Held, State, Stream},
};

/// The reader of one stream.
pub(crate) struct Ingress {
    stream: Arc<Stream>,
    size: Size,
    scaler: Kept<Caps, Scaler>,
    keeps_originals: bool,
    next_id: u64,
    patience: Patience,
}

/// Reads to the end, or until the stream is to stop.
pub(crate) fn run(mut ingress: Ingress, mut source: LiveSource, parent: &Parent) {
    let outcome = ingress.read(&mut source, parent);
    let mut state = ingress.stream.lock();
    let fault = match outcome {
        Ok(end) => {
            if let Some(what) = end.end.warning() {
                parent.log(Level::Warn, what);
            }
            end.reason
        }
        Err(AvError::Interrupted) => None,
        Err(error) => Some(error),
    };
    state.source_done = true;
    state.exchange.end();
    if let Some(live) = &mut state.live {
        live.count(source.counts());
        live.source_ended = Some(monotonic_ns());
        live.fault = fault.as_ref().map(report);
    }
    ingress.stream.pump(&mut state);
    ingress.stream.notify();
}

/// Where a picture goes.
enum Place {
    /// Into a slot for the worker of that incarnation.
    Worker(Loan, Caps, u32),
    /// Nowhere: every slot is taken, by the worker or the encoder.
    Full,
    /// Nowhere: no worker takes it.
    Absent,
}

/// What becomes of a picture that goes to no worker.
enum Fate {
    /// Those before it have every slot.
    GaveWay,
    /// There is no worker for it.
    Unseen,
}

impl Ingress {
    /// For a stream whose worker sees pictures of `size`.
    pub(crate) fn new(stream: &Arc<Stream>, size: Size, plan: &LivePlan) -> Self {
        Self {
            stream: Arc::clone(stream),
            size,
            scaler: Kept::new(),
            keeps_originals: Wish::of(plan).wants_original(),
            next_id: plan.resume.map_or(0, |it| it.frame),
            patience: Patience::new(),
        }
    }

    fn read(&mut self, source: &mut LiveSource, parent: &Parent) -> Result<LiveEnd, AvError> {
        loop {
            let item = source.next()?;
            // The wait for bytes is the source's time, not the decoder's.
            let began = source.read_at().unwrap_or_else(monotonic_ns);
            let counts = source.counts();
            let mut state = self.stream.lock();
            if state.stopping {
                return Err(AvError::Interrupted);
            }
            if let Some(live) = &mut state.live {
                live.count(counts);
            }
            match item {
                LiveItem::Format(format) => {
                    drop(state);
                    self.take_format(format, parent);
                }
                LiveItem::Sound(sound) => {
                    if let Some(live) = &mut state.live {
                        live.hear(Heard::Sound(sound));
                        self.stream.notify();
                    }
                }
                LiveItem::Picture(picture) => {
                    drop(state);
                    self.patience.begin(began);
                    self.take_picture(&picture, began)?;
                    self.patience.end(monotonic_ns());
                }
                LiveItem::End(end) => return Ok(end),
            }
        }
    }

    fn take_format(&self, format: LiveFormat, parent: &Parent) {
        let LiveFormat {
            info,
            traits,
            sound,
        } = format;
        let own = |seen: u32, side: u32| if seen == 0 { side } else { seen };
        let info = SourceInfo {
            source_width: own(info.source_width, info.width),
            source_height: own(info.source_height, info.height),
            width: self.size.width(),
            height: self.size.height(),
            ..info
        };
        let declared = info.audio.clone();
        parent.say(&FromChild::Source {
            source: Box::new(info),
        });
        if let Some(live) = &mut self.stream.lock().live {
            live.hear(Heard::Format {
                traits,
                declared,
                sound,
            });
        }
        self.stream.notify();
    }

    fn take_picture(&mut self, picture: &DecodedPicture, began: u64) -> Result<(), AvError> {
        let (id, pts) = (self.next_id, picture.pts());
        self.next_id += 1;
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        let is_first = state.decoded == 0;
        state.decoded += 1;
        state.decoded_seconds = stream.time_base.seconds(pts);
        if let Some(live) = state.live.as_ref().filter(|_| is_first) {
            live.tell();
        }
        match self.find_place(state) {
            Place::Worker(mut loan, caps, incarnation) => {
                self.scale(picture, caps, &mut loan)?;
                let bytes = caps.picture_bytes();
                let input = self.keeps_originals.then(|| Input {
                    caps,
                    bytes: loan[..bytes].to_vec(),
                });
                let lease = Some(loan.publish());
                let frame = Ready {
                    id,
                    pts,
                    discontinuity: picture.discontinuity(),
                    lease,
                    decode_ns: (began, monotonic_ns()),
                    delivered_ns: 0,
                };
                self.offer(frame, input, incarnation);
            }
            Place::Full => {
                let input = self.original(picture)?;
                self.show_only(id, pts, input, Fate::GaveWay);
            }
            Place::Absent => {
                let input = self.original(picture)?;
                self.show_only(id, pts, input, Fate::Unseen);
            }
        }
        Ok(())
    }

    /// Where a picture goes; waits for room there as long as the patience lasts.
    fn find_place(&mut self, mut state: MutexGuard<'_, State>) -> Place {
        let since = monotonic_ns();
        let mut now = since;
        let found = loop {
            let found = place(&state);
            let room = match found {
                Place::Absent => Room::Free,
                Place::Full => Room::NoSlot,
                Place::Worker(..) => state.exchange.room_by().map_or(Room::Free, Room::By),
            };
            let until = self.patience.until(since, room);
            let Some(until) = until.filter(|until| *until > now && !state.stopping) else {
                break found;
            };
            drop(found);
            let within = Duration::from_nanos(until - now);
            state = self.stream.wait_within(state, Some(within));
            now = monotonic_ns();
        };
        self.patience.waited(since, now);
        found
    }

    /// The picture as a filler, when it may be one.
    fn original(&mut self, picture: &DecodedPicture) -> Result<Option<Input>, AvError> {
        if !self.keeps_originals {
            return Ok(None);
        }
        let Ok(caps) = Caps::new(PixelFormat::Rgb24, self.size) else {
            return Ok(None);
        };
        let mut bytes = vec![0; caps.picture_bytes()];
        self.scale(picture, caps, &mut bytes)?;
        Ok(Some(Input { caps, bytes }))
    }

    fn scale(
        &mut self,
        picture: &DecodedPicture,
        caps: Caps,
        into: &mut [u8],
    ) -> Result<(), AvError> {
        let make = |caps| Ok::<_, AvError>(Scaler::live(caps));
        self.scaler.get(caps, make)?.scale_into(picture, into)
    }

    fn offer(&self, frame: Ready<Held>, input: Option<Input>, incarnation: u32) {
        let mut guard = self.stream.lock();
        let state = &mut *guard;
        state.tally.decoded(frame.decode_ns);
        let Some(live) = &mut state.live else { return };
        let (id, now) = (frame.id, monotonic_ns());
        live.presenter.arrive(id, frame.pts, input, now);
        let current = state.attached.as_ref().map(|it| it.incarnation);
        if current != Some(incarnation) || live.is_reloading {
            live.presenter.lose(id);
            state.unseen += 1;
        } else if let Ok(Some(displaced)) = state.exchange.accept(frame) {
            live.presenter.pass_over(displaced.id);
        }
        self.stream.pump(state);
        self.stream.notify();
    }

    /// A picture that goes to no worker.
    fn show_only(&self, id: u64, pts: Pts, input: Option<Input>, fate: Fate) {
        let mut guard = self.stream.lock();
        let state = &mut *guard;
        let Some(live) = &mut state.live else { return };
        live.presenter.arrive(id, pts, input, monotonic_ns());
        match fate {
            Fate::GaveWay => {
                live.presenter.pass_over(id);
                live.no_slot += 1;
            }
            Fate::Unseen => {
                live.presenter.lose(id);
                state.unseen += 1;
            }
        }
        self.stream.notify();
    }
}

fn place(state: &State) -> Place {
    let is_reloading = state.live.as_ref().is_some_and(|it| it.is_reloading);
    match state.attached.as_ref().filter(|_| !is_reloading) {
        None => Place::Absent,
        Some(attached) => match attached.own.loan() {
            Some(loan) => Place::Worker(loan, attached.caps, attached.incarnation),
            None => Place::Full,
        },
    }
}
