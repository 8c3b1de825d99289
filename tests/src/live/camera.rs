//! Publishes a clip in real time: every piece when it is due, a segment at each keyframe.
//!
//! What it is told takes effect before its next piece. Media time goes on with the clock, whether pieces are written or
//! not; a clip that ends begins again, with times that go on.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use framerill_media::Track;
use framerill_trickle::{
    http::client::{Publisher, PublisherOptions, Segment},
    publisher::Start,
    wire::Seq,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::{sleep_until, timeout},
};

use super::{
    channels::Channels,
    clip::Clip,
    lock, now,
    rewrite::{Rewriter, later},
};
use crate::wait_until;

/// Segments without pictures are cut after so much media time.
const SOUND_SEGMENT_TICKS: i64 = 180_000;
/// A server that takes nothing for so long ends the camera.
const STUCK: Duration = Duration::from_secs(20);

/// A picture that was written.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Its time, in 1/90000 s modulo 2^33.
    pub pts: u64,
    /// The number drawn into it.
    pub counter: u32,
    /// The source's tag.
    pub tag: u8,
    /// When its last byte was handed over.
    pub at: Instant,
    /// Whether a decoder can begin here.
    pub keyframe: bool,
}

/// What a camera is told.
#[derive(Debug)]
enum Order {
    Silence,
    Hold,
    Resume,
    Jump(i64),
    Loop(i64),
    Show(Arc<Clip>),
    OnlySound(bool),
    Raw(Vec<u8>),
    Cut,
    Close,
    Leave,
}

/// How a camera begins.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time of the first picture, in 1/90000 s.
    pub first_pts: u64,
    /// Go on from the beginning when the clip ends; else the channel is closed then.
    pub endless: bool,
}

impl Default for Options {
    /// From ten seconds on, without an end.
    fn default() -> Self {
        Self {
            first_pts: 900_000,
            endless: true,
        }
    }
}

/// A publisher in real time.
#[derive(Debug)]
pub struct Camera {
    orders: UnboundedSender<Order>,
    sent: Arc<Mutex<Vec<Sent>>>,
    /// Set when the task has ended, with what it said.
    ended: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Camera {
    /// Begins to publish `clip` to the channel `name` of `channels`.
    #[must_use]
    pub fn start(channels: &Channels, name: &str, clip: &Arc<Clip>, options: &Options) -> Self {
        Self::begin(channels, name, clip, options, Start::At(Seq::ZERO))
    }

    /// The same behind what another camera left.
    #[must_use]
    pub fn resumed(channels: &Channels, name: &str, clip: &Arc<Clip>, options: &Options) -> Self {
        Self::begin(channels, name, clip, options, Start::Upcoming)
    }

    fn begin(
        channels: &Channels,
        name: &str,
        clip: &Arc<Clip>,
        options: &Options,
        from: Start,
    ) -> Self {
        let url = channels.url(name);
        let (orders, ordered) = unbounded_channel();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(Mutex::new(None));
        let (log, end, clip, options) = (
            Arc::clone(&sent),
            Arc::clone(&ended),
            Arc::clone(clip),
            options.clone(),
        );
        let task = channels.handle().spawn(async move {
            let shoot = Shoot::new(&url, clip, (options, from), log, ordered);
            let said = match shoot {
                Ok(mut shoot) => match shoot.run().await {
                    Ok(true) => shoot.close().await,
                    Ok(false) => "left".to_owned(),
                    Err(said) => said,
                },
                Err(said) => said,
            };
            *lock(&end) = Some(said);
        });
        Self {
            orders,
            sent,
            ended,
            task,
        }
    }

    fn order(&self, order: Order) {
        // A camera that has ended obeys nobody.
        drop(self.orders.send(order));
    }

    /// Writes nothing more; what is due meanwhile is lost.
    pub fn silence(&self) {
        self.order(Order::Silence);
    }

    /// Writes nothing more; what is due meanwhile comes at once on [`Camera::resume`].
    pub fn hold(&self) {
        self.order(Order::Hold);
    }

    /// Ends [`Camera::silence`], with the next keyframe, or [`Camera::hold`].
    pub fn resume(&self) {
        self.order(Order::Resume);
    }

    /// From the next keyframe on, times are so many ticks of 1/90000 s away from where they were.
    pub fn jump(&self, ticks: i64) {
        self.order(Order::Jump(ticks));
    }

    /// At each keyframe from now on, times go back by so many ticks of 1/90000 s, as when a short part is played over and
    /// over.
    pub fn loop_times(&self, ticks: i64) {
        self.order(Order::Loop(ticks));
    }

    /// Goes on with another clip, in the same stream.
    pub fn show(&self, clip: &Arc<Clip>) {
        self.order(Order::Show(Arc::clone(clip)));
    }

    /// Whether pictures are left out from now on.
    pub fn only_sound(&self, only: bool) {
        self.order(Order::OnlySound(only));
    }

    /// A segment of these bytes; then the clip goes on with its next keyframe.
    pub fn raw(&self, bytes: &[u8]) {
        self.order(Order::Raw(bytes.to_vec()));
    }

    /// Breaks the present segment off in the middle; then the clip goes on with its next keyframe.
    pub fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Ends the channel.
    pub fn close(&self) {
        self.order(Order::Close);
    }

    /// Goes away without a word; the channel stays.
    pub fn leave(&self) {
        self.order(Order::Leave);
    }

    /// Every picture so far.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.sent).clone()
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        lock(&self.ended).clone()
    }

    /// Waits until `pictures` more were written.
    ///
    /// # Panics
    ///
    /// If they are not, in the time that they last and ten seconds.
    pub fn until_more(&self, pictures: usize) {
        let goal = lock(&self.sent).len() + pictures;
        let usual = Duration::from_secs_f64(f64::from(u32::try_from(pictures).unwrap_or(0)) / 24.0);
        let done = wait_until(usual + Duration::from_secs(10), || {
            lock(&self.sent).len() >= goal
        });
        assert!(done, "the camera stands still: {:?}", self.ended());
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is not written at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quiet {
    No,
    Lost,
    Held,
}

struct Shoot {
    publisher: Publisher,
    segment: Option<Segment>,
    orders: UnboundedReceiver<Order>,
    log: Arc<Mutex<Vec<Sent>>>,
    clip: Arc<Clip>,
    next: usize,
    /// Media time at which the present round of the clip begins, without jumps.
    round_ticks: i64,
    began: Instant,
    options: Options,
    jumped: i64,
    jump: i64,
    jump_each: i64,
    quiet: Quiet,
    /// Nothing is written before the next keyframe.
    at_keyframe: bool,
    only_sound: bool,
    segment_began: i64,
    rewriter: Rewriter,
}

impl Shoot {
    fn new(
        url: &str,
        clip: Arc<Clip>,
        (options, from): (Options, Start),
        log: Arc<Mutex<Vec<Sent>>>,
        orders: UnboundedReceiver<Order>,
    ) -> Result<Self, String> {
        let mut how = PublisherOptions {
            mime: Some("video/MP2T".to_owned()),
            ..PublisherOptions::default()
        };
        how.config.start = from;
        how.config.reset = from == Start::Upcoming;
        Ok(Self {
            publisher: Publisher::connect(url, how).map_err(|error| error.to_string())?,
            segment: None,
            orders,
            log,
            clip,
            next: 0,
            round_ticks: 0,
            began: now(),
            options,
            jumped: 0,
            jump: 0,
            jump_each: 0,
            quiet: Quiet::No,
            at_keyframe: true,
            only_sound: false,
            segment_began: 0,
            rewriter: Rewriter::new(),
        })
    }

    /// Until it is told to end: whether the channel is to be closed.
    async fn run(&mut self) -> Result<bool, String> {
        loop {
            if self.next == self.clip.pieces.len() {
                if !self.options.endless {
                    return Ok(true);
                }
                self.next = 0;
                self.round_ticks += self.clip.length_ticks;
            }
            let piece = self.clip.pieces[self.next].clone();
            let at_ticks = self.round_ticks + piece.at_ticks;
            let due = self.began + ticks(at_ticks.max(0));
            let order = if self.quiet == Quiet::Held {
                self.orders.recv().await
            } else {
                tokio::select! {
                    biased;
                    order = self.orders.recv() => order,
                    () = sleep_until(due.into()) => {
                        self.write(piece.track, piece.keyframe, at_ticks).await?;
                        self.next += 1;
                        continue;
                    }
                }
            };
            match order {
                None | Some(Order::Leave) => return Ok(false),
                Some(Order::Close) => return Ok(true),
                Some(order) => self.obey(order).await?,
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Silence => self.quiet = Quiet::Lost,
            Order::Hold => self.quiet = Quiet::Held,
            Order::Resume => {
                self.at_keyframe |= self.quiet == Quiet::Lost;
                self.quiet = Quiet::No;
            }
            Order::Jump(ticks) => self.jump += ticks,
            Order::Loop(ticks) => self.jump_each = -ticks,
            Order::Show(clip) => {
                let present = self.clip.pieces.get(self.next);
                self.round_ticks += present.map_or(self.clip.length_ticks, |it| it.at_ticks);
                self.clip = clip;
                self.next = 0;
                self.at_keyframe = true;
            }
            Order::OnlySound(only) => {
                self.at_keyframe |= !only;
                self.only_sound = only;
            }
            Order::Raw(bytes) => {
                self.end_segment().await?;
                let mut segment = self.begun().await?;
                moved(segment.write(bytes)).await?;
                moved(segment.finish()).await?;
                self.at_keyframe = true;
            }
            Order::Cut => {
                self.segment = None;
                self.at_keyframe = true;
            }
            Order::Close | Order::Leave => {}
        }
        Ok(())
    }

    /// Writes the next piece, unless it is left out.
    async fn write(&mut self, track: Track, keyframe: bool, at_ticks: i64) -> Result<(), String> {
        let is_video = track == Track::Video;
        if self.quiet != Quiet::No || (self.only_sound && is_video) {
            return Ok(());
        }
        if self.at_keyframe && !self.only_sound {
            if !keyframe || !is_video {
                return Ok(());
            }
            self.at_keyframe = false;
        }
        let sound_only_segment =
            self.only_sound && at_ticks - self.segment_began >= SOUND_SEGMENT_TICKS;
        if (is_video && keyframe) || sound_only_segment || self.segment.is_none() {
            self.end_segment().await?;
            self.segment = Some(self.begun().await?);
            self.segment_began = at_ticks;
            self.jumped += std::mem::take(&mut self.jump) + self.jump_each;
        }
        let piece = &self.clip.pieces[self.next];
        let mut bytes = self.clip.bytes[piece.bytes.clone()].to_vec();
        let first_pts = later(
            self.options.first_pts,
            (self.round_ticks + self.jumped).cast_unsigned(),
        );
        let own = self.clip.first_pts.cast_signed();
        let offset = later(first_pts, own.wrapping_neg().cast_unsigned());
        self.rewriter.rewrite(&mut bytes, offset);
        let segment = self.segment.as_mut().ok_or("no segment")?;
        moved(segment.write(bytes)).await?;
        if let Some(counter) = piece.counter {
            lock(&self.log).push(Sent {
                pts: later(first_pts, piece.at_ticks.cast_unsigned()),
                counter,
                tag: self.clip.source.tag,
                at: now(),
                keyframe,
            });
        }
        Ok(())
    }

    async fn begun(&mut self) -> Result<Segment, String> {
        moved(self.publisher.segment()).await
    }

    async fn end_segment(&mut self) -> Result<(), String> {
        match self.segment.take() {
            Some(segment) => moved(segment.finish()).await,
            None => Ok(()),
        }
    }

    async fn close(mut self) -> String {
        // What cannot be ended is told by the close.
        drop(self.end_segment().await);
        match timeout(STUCK, self.publisher.close()).await {
            Ok(Ok(_)) => "closed".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the channel does not close".to_owned(),
        }
    }
}

async fn moved<T, E: std::error::Error>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(STUCK, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the server takes nothing".to_owned()),
    }
}

fn ticks(ticks: i64) -> Duration {
    let ticks = u64::try_from(ticks).unwrap_or(0);
    Duration::from_nanos(ticks * 100_000 / 9)
}
