//! A live stream's encoders and its transport stream.

use std::os::fd::OwnedFd;

use framerill_frames::Foreign;
use framerill_media::{Caps, Pts, Size, TimeBase};
use framerill_worker::message::{Container, MediaPlan, Sink, SoundPlan, SourceAudio, VideoPlan};

use crate::{
    copy::Order,
    encode::{VideoEncoder, VideoParams},
    error::AvError,
    ffi::{Colour, Interrupt, Io, Muxer, Packet},
    interleaver::{Interleaver, Step},
    mux,
    resample::SoundEncoder,
    sink::{errno, write_error},
    source::{AudioPacket, AudioParams, take_fd},
};

/// What the output says of its pace, whatever that is (runner contract §8.4).
const NOMINAL_RATE: (u32, u32) = (24, 1);
/// A segment without pictures lasts so many ticks.
const SOUND_SEGMENT: i64 = 2 * 90_000;
/// Sound has the PID that it has beside pictures: when these come, no PID changes its kind.
const SOUND_PID: (&str, &str) = ("mpegts_start_pid", "257");
/// Ticks of a transport stream.
const TICKS: (u32, u32) = (1, 90_000);
/// A source that declares its sound before any was heard has this many channels, as far as a plan does not say.
const USUAL_CHANNELS: u32 = 2;

/// Where a live stream goes.
pub(crate) struct LiveSink {
    name: String,
    fd: OwnedFd,
    interrupt: Interrupt,
    size: Size,
    colour: Colour,
    video_plan: VideoPlan,
    sound_plan: SoundPlan,
    video: Option<VideoEncoder>,
    sound: Option<SoundEncoder>,
    sound_order: Order,
    muxer: Option<Open>,
    /// What is written when.
    interleaver: Interleaver<Packet>,
    sound_written: Option<i64>,
    /// Sound that could not be taken.
    refused: u64,
}

/// What every player of H.264 in 4:2:0 takes: a side more than even loses its last row or column.
fn even(size: Size) -> Size {
    let side = |side: u32| (side & !1).max(2);
    Size::new(side(size.width()), side(size.height())).unwrap_or(size)
}

struct Open {
    muxer: Muxer,
    video: Option<usize>,
    sound: Option<usize>,
    /// Of its pictures.
    size: Size,
    /// Without pictures: where the segment began, in ticks of 1/90000 s.
    began: Option<i64>,
}

impl LiveSink {
    /// Takes the plan's descriptor; writes nothing yet.
    pub(crate) fn open(
        sink: &Sink,
        fds: &mut [Option<OwnedFd>],
        size: Size,
        plan: &MediaPlan,
    ) -> Result<Self, AvError> {
        if sink.container != Container::Segments {
            let what = "a live stream is written as `segments`";
            return Err(AvError::Plan(what.into()));
        }
        Ok(Self {
            name: sink.name.clone(),
            fd: take_fd(fds, sink.fd, &sink.name)?,
            interrupt: Interrupt::default(),
            size: even(size),
            colour: Colour::default(),
            video_plan: plan.video.clone(),
            sound_plan: plan.sound.clone(),
            video: None,
            sound: None,
            sound_order: Order::new(Container::Segments),
            muxer: None,
            interleaver: Interleaver::new(),
            sound_written: None,
            refused: 0,
        })
    }

    /// What the source is, from here on. Encoders are opened as soon as they can be.
    pub(crate) fn set_format(
        &mut self,
        colour: Option<Colour>,
        declared: Option<&SourceAudio>,
        sound: Option<&AudioParams>,
    ) -> Result<(), AvError> {
        if let Some(colour) = colour.filter(|_| self.video.is_none()) {
            self.colour = colour;
            self.open_video()?;
        }
        self.interleaver.expect_pictures(self.video.is_some());
        if declared.is_none() && sound.is_none() {
            return Ok(());
        }
        if self.sound.is_none() {
            let heard = sound.map(|it| it.parameters.channels());
            let channels = heard.or(declared.map(|it| it.channels));
            let channels = channels.filter(|it| *it > 0).unwrap_or(USUAL_CHANNELS);
            let usual = mux::sound_encoder(Container::Segments);
            self.sound = Some(SoundEncoder::live(&self.sound_plan, usual, channels)?);
        }
        if let (Some(encoder), Some(sound)) = (&mut self.sound, sound)
            && encoder.set_source(sound).is_err()
        {
            // Nothing decodes it: pictures go on without.
            self.refused += 1;
        }
        self.write_sound(0)
    }

    /// Encodes sound; it goes out with its pictures.
    pub(crate) fn write_sound_packet(
        &mut self,
        sound: &AudioPacket,
        now: u64,
    ) -> Result<(), AvError> {
        if let Some(encoder) = &mut self.sound {
            encoder.push(&sound.packet)?;
        }
        self.write_sound(now)
    }

    /// Encodes and writes a picture, and the sound up to it. `pixels` may change meanwhile; pts strictly increase.
    pub(crate) fn write_picture(
        &mut self,
        pixels: Foreign<'_>,
        caps: Caps,
        pts: Pts,
    ) -> Result<(), AvError> {
        self.open_video()?;
        let is_stale = self.is_stale();
        if let Some(video) = self.video.as_mut() {
            if is_stale {
                video.ask_for_keyframe();
            }
            video.push(pixels, caps, pts)?;
        }
        self.write_pictures()
    }

    /// Pictures of another size from here on. What was encoded before is written.
    pub(crate) fn set_size(&mut self, size: Size) -> Result<(), AvError> {
        let size = even(size);
        if size == self.size {
            return Ok(());
        }
        let Some(video) = &mut self.video else {
            self.size = size;
            return Ok(());
        };
        video.finish()?;
        self.write_pictures()?;
        self.video = None;
        self.size = size;
        self.open_video()
    }

    /// When sound has waited so many ns for its picture and goes out without.
    pub(crate) fn due(&self, wait: u64) -> Option<u64> {
        self.interleaver.due(wait)
    }

    /// Writes the sound that has waited long enough.
    pub(crate) fn write_overdue(&mut self, wait: u64, now: u64) -> Result<(), AvError> {
        while let Some(mut packet) = self.interleaver.overdue(wait, now) {
            self.put_sound(&mut packet)?;
        }
        Ok(())
    }

    /// Writes what encoders still hold and ends the last segment.
    pub(crate) fn finish(&mut self) -> Result<(), AvError> {
        if let Some(video) = &mut self.video {
            video.finish()?;
        }
        self.write_pictures()?;
        if let Some(encoder) = &mut self.sound {
            encoder.finish()?;
        }
        self.write_sound(0)?;
        let rest: Vec<Packet> = self.interleaver.finish().collect();
        for mut packet in rest {
            self.put_sound(&mut packet)?;
        }
        self.end_muxer()
    }

    /// Packets of sound that were left out.
    pub(crate) fn sound_dropped(&self) -> u64 {
        self.interleaver.dropped() + self.refused
    }

    /// The newest sound that was written, in ticks of 1/90000 s.
    pub(crate) fn sound_written(&self) -> Option<i64> {
        self.sound_written
    }

    fn open_video(&mut self) -> Result<(), AvError> {
        if self.video.is_none() {
            let params = VideoParams {
                size: self.size,
                time_base: TimeBase::MPEG,
                rate: Some(NOMINAL_RATE),
                pixel_aspect: None,
                colour: self.colour,
                is_live: true,
            };
            let video = VideoEncoder::open(&params, &self.video_plan, Container::Segments, false)?;
            self.video = Some(video);
        }
        Ok(())
    }

    fn write_pictures(&mut self) -> Result<(), AvError> {
        while let Some(mut packet) = self.next_picture()? {
            let is_stale = packet.is_keyframe() && self.is_stale();
            let time = packet.pts().unwrap_or(0);
            let steps = self.interleaver.picture(time, packet.is_keyframe());
            if is_stale {
                self.end_muxer()?;
            }
            self.begin_muxer()?;
            if is_stale {
                // The new tables come first, and a segment begins with a picture.
                self.put_picture(&mut packet)?;
            }
            for step in steps {
                match step {
                    Step::Sound(mut sound) => self.put_sound(&mut sound)?,
                    Step::Cut | Step::Picture if is_stale => {}
                    Step::Cut => self.end_segment()?,
                    Step::Picture => self.put_picture(&mut packet)?,
                }
            }
        }
        Ok(())
    }

    fn next_picture(&mut self) -> Result<Option<Packet>, AvError> {
        let Some(video) = &mut self.video else {
            return Ok(None);
        };
        let from = video.time_base();
        let packet = video.pull()?.map(Packet::take);
        Ok(packet.map(|mut packet| {
            packet.rescale(from, TICKS);
            packet
        }))
    }

    fn write_sound(&mut self, now: u64) -> Result<(), AvError> {
        while let Some(encoder) = &mut self.sound
            && let Some(mut packet) = encoder.pull()
        {
            // Each packet has a time of its own: several of one source packet are several.
            if !self.sound_order.lets(&mut packet) {
                self.refused += 1;
                continue;
            }
            packet.rescale(encoder.time_base(), TICKS);
            let time = packet.pts().unwrap_or(0);
            if let Some(Step::Sound(mut packet)) = self.interleaver.sound(time, packet, now) {
                self.put_sound(&mut packet)?;
            }
        }
        Ok(())
    }

    /// Whether the stream has a track by now that its tables do not name, or pictures of another size.
    fn is_stale(&self) -> bool {
        let lacks = |open: &Open| {
            (open.sound.is_none() && self.sound.is_some())
                || (open.video.is_none() && self.video.is_some())
                || (open.video.is_some() && open.size != self.size)
        };
        self.muxer.as_ref().is_some_and(lacks)
    }

    fn put_picture(&mut self, packet: &mut Packet) -> Result<(), AvError> {
        let Some((open, track)) = self.muxer.as_mut().and_then(|it| {
            let track = it.video?;
            Some((it, track))
        }) else {
            return Ok(());
        };
        let written = open.muxer.write_at_once(packet, track);
        written.map_err(|fault| write_error(&self.name, fault))
    }

    fn put_sound(&mut self, packet: &mut Packet) -> Result<(), AvError> {
        let time = packet.pts();
        if self.video.is_none() {
            // A source without pictures waits for none.
            self.begin_muxer()?;
            self.cut_sound(time.unwrap_or(0))?;
        }
        let Some((open, stream)) = self.muxer.as_mut().and_then(|it| {
            let stream = it.sound?;
            Some((it, stream))
        }) else {
            // The pictures' next keyframe brings its track.
            self.refused += 1;
            return Ok(());
        };
        let written = open.muxer.write_at_once(packet, stream);
        written.map_err(|fault| write_error(&self.name, fault))?;
        self.sound_written = time.or(self.sound_written);
        Ok(())
    }

    /// A stream without pictures has no keyframes to cut at.
    fn cut_sound(&mut self, time: i64) -> Result<(), AvError> {
        let Some(open) = &mut self.muxer else {
            return Ok(());
        };
        let began = *open.began.get_or_insert(time);
        if time.saturating_sub(began) >= SOUND_SEGMENT {
            open.began = Some(time);
            self.end_segment()?;
        }
        Ok(())
    }

    fn end_segment(&mut self) -> Result<(), AvError> {
        let Some(open) = &mut self.muxer else {
            return Ok(());
        };
        let ended = open.muxer.end_segment();
        ended.map_err(|fault| write_error(&self.name, fault))
    }

    fn begin_muxer(&mut self) -> Result<(), AvError> {
        if self.muxer.is_some() || (self.video.is_none() && self.sound.is_none()) {
            return Ok(());
        }
        let opening = |fault| AvError::SinkOpen {
            name: self.name.clone(),
            fault,
        };
        let fd = self
            .fd
            .try_clone()
            .map_err(|error| opening(errno(&error)))?;
        let io = Io::segments(fd, &self.interrupt);
        let format = mux::format(Container::Segments);
        let mut muxer = Muxer::create(io, format).map_err(opening)?;
        let track = match &self.video {
            Some(video) => {
                let track = muxer.add_stream(&video.parameters()?, TICKS, Some(NOMINAL_RATE));
                Some(track.map_err(opening)?)
            }
            None => None,
        };
        let sound = match &self.sound {
            Some(encoder) => {
                let parameters = encoder.parameters()?;
                Some(
                    muxer
                        .add_stream(&parameters, TICKS, None)
                        .map_err(opening)?,
                )
            }
            None => None,
        };
        let mut options = mux::options(Container::Segments).to_vec();
        if track.is_none() {
            options.push(SOUND_PID);
        }
        muxer.write_header(&options).map_err(opening)?;
        self.muxer = Some(Open {
            muxer,
            video: track,
            sound,
            size: self.size,
            began: None,
        });
        Ok(())
    }

    fn end_muxer(&mut self) -> Result<(), AvError> {
        match self.muxer.take() {
            Some(open) => {
                let ended = open.muxer.finish();
                ended.map_err(|fault| write_error(&self.name, fault))
            }
            None => Ok(()),
        }
    }
}
