//! Reading a source.

use std::{
    collections::VecDeque,
    ops::Range,
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use framerill_media::{Pts, Size, TimeBase};
use framerill_worker::message::{MediaPlan, Source, SourceAudio, SourceInfo};

use super::{
    AudioPacket, AudioParams, DecodedPicture, Interrupt, Item,
    item::Raw,
    window::{Verdict, Window},
};
use crate::{
    demux::{FileSource, Opening},
    error::AvError,
    ffi::{Colour, Frame, StreamFacts},
    generate::GeneratedSource,
    pace::Pacer,
    rate::Resampler,
    turn::Turn,
};

/// Packets of sound that wait for the first picture after a start; the oldest go.
const MOST_HELD: usize = 1024;
/// How often a wait looks at the interrupt.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Demuxes and decodes one source.
pub struct SourceReader {
    backing: Backing,
    name: String,
    time_base: TimeBase,
    frame_rate: Option<(u32, u32)>,
    traits: Traits,
    sound: Option<TimeBase>,
    window: Window,
    held: VecDeque<AudioPacket>,
    sound_dropped: u64,
    constant: Option<Constant>,
    pace: Option<(Pacer, Instant)>,
    interrupt: Interrupt,
    ended: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it lives as long as the stream"
)]
enum Backing {
    File(FileSource),
    Generated(GeneratedSource),
}

/// What the pictures are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Traits {
    /// As stored.
    pub(crate) size: Size,
    /// To stand upright.
    pub(crate) turn: Turn,
    /// Of a pixel as stored.
    pub(crate) pixel_aspect: (u32, u32),
    /// Matrix, range, primaries, transfer.
    pub(crate) colour: Colour,
}

impl Traits {
    /// Pixels, upright.
    pub(crate) fn upright(&self) -> Size {
        self.turn.size(self.size)
    }

    /// The same for what a first frame turned out to be: its size, and how a photograph says that it lies.
    pub(crate) fn with_first(self, frame: &Frame) -> Result<Self, (i32, i32)> {
        let turn = match frame.orientation() {
            Some(orientation) if self.turn == Turn::None => Turn::of_exif(orientation),
            _ => self.turn,
        };
        Ok(Self {
            size: frame.size().ok_or(frame.claimed_size())?,
            turn,
            ..self
        })
    }

    /// Of a file's video stream; the sides that it claims where they cannot be.
    pub(crate) fn of_stream(facts: &StreamFacts) -> Result<Self, (i32, i32)> {
        let parameters = &facts.parameters;
        Ok(Self {
            size: parameters.size().ok_or(parameters.claimed_size())?,
            turn: Turn::nearest(facts.rotation),
            pixel_aspect: facts
                .pixel_aspect
                .or(parameters.pixel_aspect())
                .unwrap_or((1, 1)),
            colour: match parameters.pixel_format() {
                Some(format) if format.is_rgb() => Colour::of_rgb(),
                _ => parameters.colour(),
            },
        })
    }
}

/// A constant rate: the machine, the picture that is shown, and the ticks at which it still has to be shown.
struct Constant {
    machine: Resampler,
    shown: Option<(DecodedPicture, Pts)>,
    ticks: Range<i64>,
    next: Option<(DecodedPicture, Pts)>,
    /// The frames' own usual distance in ticks of their own.
    interval: i64,
    end: Option<super::End>,
}

impl SourceReader {
    /// Opens what the plan names. A file's descriptor is taken out of `fds`; it is read by place, from its first byte,
    /// or as it comes when it cannot be sought in.
    pub fn open(
        plan: &MediaPlan,
        fds: &mut [Option<OwnedFd>],
    ) -> Result<(Self, SourceInfo), AvError> {
        check_plan(plan)?;
        let interrupt = Interrupt::default();
        let (backing, name) = match &plan.source {
            Source::File { name, fd } => {
                let fd = take_fd(fds, *fd, name)?;
                let file = FileSource::open(fd, name, Opening::of_plan(plan), &interrupt)?;
                (Backing::File(file), name.clone())
            }
            Source::Pipe { name, .. } => {
                let text = format!("`{name}` is live: a stream with a `live` plan reads it");
                return Err(AvError::Plan(text));
            }
            Source::Lavfi { graph } => {
                let generated = GeneratedSource::open(graph, plan.audio)?;
                (Backing::Generated(generated), format!("lavfi:{graph}"))
            }
        };
        let traits = backing.traits(&name)?;
        let own_base = backing.time_base(&name)?;
        let own_rate = backing.frame_rate();
        let (time_base, frame_rate, constant) = match plan.fps {
            None => (own_base, own_rate, None),
            Some([num, den]) => {
                let time_base = TimeBase::new(den, num)
                    .map_err(|_| AvError::Plan(format!("{num}/{den} is no frame rate")))?;
                let interval = own_rate.map_or(0, |(num, den)| {
                    own_base.at(f64::from(den) / f64::from(num)).0
                });
                (
                    time_base,
                    Some((num, den)),
                    Some(Constant::new(own_base, time_base, interval)),
                )
            }
        };
        let has_start = plan.start > 0.0;
        let mut reader = Self {
            window: Window::new(own_base, has_start, plan.duration),
            sound: backing.sound_base(),
            backing,
            name,
            time_base,
            frame_rate,
            traits,
            held: VecDeque::new(),
            sound_dropped: 0,
            constant,
            pace: None,
            interrupt,
            ended: false,
        };
        if plan.realtime {
            reader.pace = Some((Pacer::default(), now()));
        }
        let info = reader.info(plan);
        Ok((reader, info))
    }

    /// The length of a tick of the pictures' pts.
    #[must_use]
    pub fn time_base(&self) -> TimeBase {
        self.time_base
    }

    /// Pictures a second, an average; none when unknown.
    #[must_use]
    pub fn frame_rate(&self) -> Option<(u32, u32)> {
        self.frame_rate
    }

    /// What a sink has to know of the sound; none when there is none or it is not wanted.
    #[must_use]
    pub fn audio_params(&self) -> Option<AudioParams> {
        match &self.backing {
            Backing::File(file) => {
                let parameters = file.audio()?.parameters.duplicate().ok()?;
                Some(AudioParams {
                    parameters,
                    time_base: self.sound?,
                    generated: false,
                })
            }
            Backing::Generated(generated) => {
                let (parameters, time_base) = generated.sound()?;
                Some(AudioParams {
                    parameters,
                    time_base,
                    generated: true,
                })
            }
        }
    }

    /// Ends reads and waits early, from any thread.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }

    /// The next picture or sound; waits for its time when the plan says `realtime`. After [`Item::Eos`] it is called no
    /// more.
    #[expect(
        clippy::should_implement_trait,
        reason = "it can fail, and its end says how"
    )]
    pub fn next(&mut self) -> Result<Item, AvError> {
        loop {
            if self.interrupt.is_triggered() {
                return Err(AvError::Interrupted);
            }
            if self.window.places_sound()
                && let Some(sound) = self.held.pop_front()
            {
                if let Some(sound) = self.place_sound(sound) {
                    return self.released(Item::Audio(sound));
                }
                continue;
            }
            if let Some(item) = self
                .constant
                .as_mut()
                .and_then(|constant| constant.pop().transpose())
            {
                return self.released(item?);
            }
            if let Some(item) = self.step()? {
                return self.released(item);
            }
        }
    }

    /// Takes what the source delivers; none when nothing comes of it.
    fn step(&mut self) -> Result<Option<Item>, AvError> {
        let raw = if self.ended || self.window.is_past(self.sound.is_some()) {
            Raw::End(super::End::default())
        } else {
            match &mut self.backing {
                Backing::File(file) => file.next()?,
                Backing::Generated(generated) => generated.next()?,
            }
        };
        match raw {
            Raw::Picture {
                frame, pts, jumped, ..
            } => self.take_picture(frame, pts, jumped),
            Raw::Audio(packet) => {
                self.held.push_back(AudioPacket { packet });
                if self.held.len() > MOST_HELD {
                    self.held.pop_front();
                    self.sound_dropped += 1;
                }
                Ok(None)
            }
            Raw::End(end) => self.take_end(end),
        }
    }

    fn take_picture(
        &mut self,
        frame: Frame,
        pts: i64,
        discontinuity: bool,
    ) -> Result<Option<Item>, AvError> {
        if frame.size().is_none() {
            return Err(AvError::too_large(&self.name)(frame.claimed_size()));
        }
        let Verdict::Show(pts) = self.window.picture(pts) else {
            return Ok(None);
        };
        let picture = DecodedPicture {
            frame,
            pts,
            discontinuity,
        };
        match &mut self.constant {
            None => Ok(Some(Item::Picture(picture))),
            Some(constant) => {
                constant.push(picture);
                Ok(None)
            }
        }
    }

    /// The end, unless pictures have to be shown before it.
    fn take_end(&mut self, mut end: super::End) -> Result<Option<Item>, AvError> {
        self.ended = true;
        end.misordered = self.window.misordered();
        end.sound_dropped = self.sound_dropped;
        if self.window.is_empty() {
            let name = self.name.clone();
            let what = "has no picture after the start that was asked for";
            return Err(AvError::SourceEmpty { name, what });
        }
        match &mut self.constant {
            None => Ok(Some(Item::Eos(end))),
            Some(constant) => {
                constant.finish(end);
                Ok(None)
            }
        }
    }

    fn place_sound(&mut self, mut sound: AudioPacket) -> Option<AudioPacket> {
        let time_base = self.sound?;
        let (pts, duration) = (sound.packet.pts()?, sound.packet.duration());
        let placed = self.window.sound(pts, duration, time_base)?;
        let dts = sound
            .packet
            .dts()
            .map(|dts| dts.saturating_add(placed - pts));
        sound.packet.set_times(Some(placed), dts);
        Some(sound)
    }

    fn released(&mut self, item: Item) -> Result<Item, AvError> {
        let seconds = match &item {
            Item::Picture(picture) => self.time_base.seconds(picture.pts),
            Item::Audio(sound) => self.sound.map_or(0.0, |base| base.seconds(sound.pts())),
            Item::Eos(_) => return Ok(item),
        };
        let Some((pacer, began)) = &mut self.pace else {
            return Ok(item);
        };
        let at = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX / 4);
        let due = pacer.release_at(at, now().duration_since(*began));
        while let Some(left) = due
            .checked_sub(now().duration_since(*began))
            .filter(|left| !left.is_zero())
        {
            if self.interrupt.is_triggered() {
                return Err(AvError::Interrupted);
            }
            thread::park_timeout(left.min(LOOK_AGAIN));
        }
        Ok(item)
    }

    fn info(&self, plan: &MediaPlan) -> SourceInfo {
        let upright = self.traits.upright();
        let seen = plan.size.unwrap_or(upright);
        let whole = match &self.backing {
            Backing::File(file) => file.duration(),
            Backing::Generated(_) => None,
        };
        let rest = whole.map(|seconds| (seconds - plan.start).max(0.0));
        let duration = match (rest, plan.duration) {
            (Some(rest), Some(wanted)) => Some(rest.min(wanted)),
            (rest, wanted) => rest.or(wanted),
        };
        let rate = self.frame_rate.unwrap_or((0, 0));
        SourceInfo {
            container: match &self.backing {
                Backing::File(file) => file.container(),
                Backing::Generated(_) => "lavfi".to_owned(),
            },
            width: seen.width(),
            height: seen.height(),
            source_width: upright.width(),
            source_height: upright.height(),
            fps: [rate.0, rate.1],
            duration,
            frames: self.frames(plan, duration),
            audio: self.audio_params().map(|params| SourceAudio {
                codec: params.codec(),
                rate: params.parameters.sample_rate(),
                channels: params.parameters.channels(),
            }),
            rotation: self.traits.turn.degrees(),
            video: None,
            taken: None,
        }
    }

    fn frames(&self, plan: &MediaPlan, duration: Option<f64>) -> Option<u64> {
        let is_whole = plan.start <= 0.0 && plan.duration.is_none() && plan.fps.is_none();
        let counted = match &self.backing {
            Backing::File(file) if is_whole => file.video().packets,
            _ => None,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "float to int casts saturate"
        )]
        let estimate = || {
            let (num, den) = self.frame_rate?;
            Some((duration? * f64::from(num) / f64::from(den)).round() as u64)
        };
        counted.or_else(estimate)
    }
}

impl std::fmt::Debug for SourceReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceReader")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Backing {
    fn traits(&self, name: &str) -> Result<Traits, AvError> {
        let no_size = AvError::too_large(name);
        match self {
            Self::File(file) => Traits::of_stream(file.video()).map_err(no_size),
            Self::Generated(generated) => {
                let frame = generated.first()?;
                let is_rgb = frame.format().is_some_and(crate::ffi::Format::is_rgb);
                Ok(Traits {
                    size: frame.size().ok_or_else(|| no_size(frame.claimed_size()))?,
                    turn: Turn::None,
                    pixel_aspect: frame.pixel_aspect().unwrap_or((1, 1)),
                    colour: if is_rgb {
                        Colour::of_rgb()
                    } else {
                        frame.colour()
                    },
                })
            }
        }
    }

    fn time_base(&self, name: &str) -> Result<TimeBase, AvError> {
        match self {
            Self::File(file) => {
                let (num, den) = file.video().time_base;
                TimeBase::new(num, den)
                    .map_err(|error| AvError::Plan(format!("`{name}` counts time in {error}")))
            }
            Self::Generated(generated) => Ok(generated.time_base()),
        }
    }

    fn frame_rate(&self) -> Option<(u32, u32)> {
        match self {
            Self::File(file) => file.video().average_rate.or(file.video().base_rate),
            Self::Generated(generated) => generated.rate(),
        }
    }

    fn sound_base(&self) -> Option<TimeBase> {
        match self {
            Self::File(file) => {
                let (num, den) = file.audio()?.time_base;
                TimeBase::new(num, den).ok()
            }
            Self::Generated(generated) => generated.sound().map(|(_, time_base)| time_base),
        }
    }
}

impl Constant {
    fn new(from: TimeBase, to: TimeBase, interval: i64) -> Self {
        let machine = Resampler::new(from, to);
        Self {
            machine,
            shown: None,
            ticks: 0..0,
            next: None,
            interval,
            end: None,
        }
    }

    /// A picture comes, after `pop` has returned none.
    fn push(&mut self, picture: DecodedPicture) {
        let own = picture.pts;
        self.ticks = self.machine.push(own);
        self.next = Some((picture, own));
    }

    /// No more come.
    fn finish(&mut self, end: super::End) {
        if let Some((picture, own)) = &self.shown {
            let lasts = match picture.frame.duration() {
                0 => self.interval,
                lasts => lasts,
            };
            self.ticks = self.machine.end(*own, lasts);
        }
        self.end = Some(end);
    }

    /// The next picture to show, or the end; none when one has to come first.
    fn pop(&mut self) -> Result<Option<Item>, AvError> {
        let Some(tick) = self.ticks.next() else {
            if let Some(next) = self.next.take() {
                self.shown = Some(next);
            }
            return Ok(self.end.take().map(Item::Eos));
        };
        let Some((picture, _)) = &mut self.shown else {
            return Ok(None);
        };
        let frame = picture.frame.share().map_err(|fault| AvError::Internal {
            step: "share a picture",
            fault,
        })?;
        let discontinuity = std::mem::take(&mut picture.discontinuity);
        Ok(Some(Item::Picture(DecodedPicture {
            frame,
            pts: Pts(tick),
            discontinuity,
        })))
    }
}

fn check_plan(plan: &MediaPlan) -> Result<(), AvError> {
    if !plan.start.is_finite() || plan.start < 0.0 {
        return Err(AvError::Plan(format!(
            "a start of {} s is not in the source",
            plan.start
        )));
    }
    match plan.duration {
        Some(duration) if !duration.is_finite() || duration <= 0.0 => Err(AvError::Plan(format!(
            "a duration of {duration} s holds no picture"
        ))),
        _ => Ok(()),
    }
}

/// The descriptor that a plan names.
pub(crate) fn take_fd(
    fds: &mut [Option<OwnedFd>],
    index: u32,
    name: &str,
) -> Result<OwnedFd, AvError> {
    let fd = fds.get_mut(index as usize).and_then(Option::take);
    fd.ok_or_else(|| AvError::NoDescriptor {
        name: name.to_owned(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "driver: owns the clock of `realtime`"
)]
fn now() -> Instant {
    Instant::now()
}
