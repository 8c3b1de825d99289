//! A sink: pictures encoded, sound carried over, both in one container.

use std::os::fd::OwnedFd;

use framerill_frames::Foreign;
use framerill_media::{Caps, Pts, Size};
use framerill_worker::message::{Container, MediaPlan, Sink, VideoPlan};

use crate::{
    copy::{Order, SoundCopy},
    encode::{VideoEncoder, VideoParams},
    error::AvError,
    ffi::{Fault, Interrupt, Io, Muxer, Packet},
    interleaver::{Interleaver, Step},
    mux,
    remux::remux,
    resample::SoundEncoder,
    source::{AudioPacket, AudioParams, SourceReader},
};

/// Microseconds of media by which one stream may run ahead of the other before it is written alone. What waits for it is
/// compressed, a few megabytes at most.
const INTERLEAVE_MICROS: i64 = 4_000_000;

/// Encodes pictures and writes a container.
pub struct SinkWriter {
    name: String,
    muxer: Muxer,
    video: VideoEncoder,
    video_stream: usize,
    /// What the encoder was opened with, until the file begins.
    params: Option<VideoParams>,
    video_plan: VideoPlan,
    container: Container,
    audio: Option<(Sound, usize)>,
    /// Where the finished file goes, and what was written until then.
    completion: Option<(OwnedFd, OwnedFd)>,
    /// Segments: the order of packets is ours.
    interleaver: Option<Interleaver<Packet>>,
    interrupt: Interrupt,
}

/// The way of the sound.
enum Sound {
    /// As it is.
    Copied(SoundCopy),
    /// Encoded anew.
    Encoded(SoundEncoder, Order),
}

impl SinkWriter {
    /// Opens what the plan names, for pictures of `size` out of `source`. [`begin`](Self::begin) comes before the first one. Descriptors are taken out of `fds`. `fd` has to
    /// be readable too when there is a `final_fd`, and so has `final_fd`: the index is moved to the front of it.
    pub fn open(
        sink: &Sink,
        fds: &mut [Option<OwnedFd>],
        source: &SourceReader,
        size: Size,
        plan: &MediaPlan,
    ) -> Result<Self, AvError> {
        let traits = source.traits();
        let params = VideoParams {
            size,
            time_base: source.time_base(),
            rate: source.frame_rate(),
            pixel_aspect: (size == traits.upright())
                .then_some(traits.turn.aspect(traits.pixel_aspect)),
            colour: traits.colour,
            is_live: false,
        };
        let audio = if plan.audio {
            source.audio_params()
        } else {
            None
        };
        Self::prepare(sink, fds, params, plan, audio.as_ref())
    }

    /// The same, for pictures that are described otherwise.
    pub(crate) fn prepare(
        sink: &Sink,
        fds: &mut [Option<OwnedFd>],
        params: VideoParams,
        plan: &MediaPlan,
        audio: Option<&AudioParams>,
    ) -> Result<Self, AvError> {
        let name = sink.name.clone();
        let opening = |fault| AvError::SinkOpen {
            name: name.clone(),
            fault,
        };
        let fd = crate::source::take_fd(fds, sink.fd, &name)?;
        let interrupt = Interrupt::default();
        let io = match sink.container {
            Container::Segments => Io::segments(fd, &interrupt),
            _ => Io::writer(fd, &interrupt),
        };
        let completion = match sink.final_fd {
            Some(index) if sink.container == Container::Mp4 => {
                let final_fd = crate::source::take_fd(fds, index, &name)?;
                let written = io.duplicate().map_err(|error| opening(errno(&error)))?;
                Some((written, final_fd))
            }
            _ => None,
        };
        let mut muxer = Muxer::create(io, mux::format(sink.container)).map_err(opening)?;
        let global_header = muxer.wants_global_header();
        let video = VideoEncoder::open(&params, &plan.video, sink.container, global_header)?;
        check_codec(&muxer, &video, sink.container)?;
        let parameters = video.parameters()?;
        let video_stream = muxer
            .add_stream(&parameters, video.time_base(), params.rate)
            .map_err(opening)?;
        let audio = match audio {
            Some(audio) => Some(add_sound(&mut muxer, audio, sink.container, opening)?),
            None => None,
        };
        muxer.set_interleave(INTERLEAVE_MICROS);
        Ok(Self {
            name,
            muxer,
            video,
            video_stream,
            params: Some(params),
            video_plan: plan.video.clone(),
            container: sink.container,
            audio,
            completion,
            interleaver: (sink.container == Container::Segments).then(Interleaver::new),
            interrupt,
        })
    }

    /// Begins the file, with pictures of `size`: those that come in another one are scaled to it.
    pub fn begin(&mut self, size: Size) -> Result<(), AvError> {
        let Some(mut params) = self.params.take() else {
            return Ok(());
        };
        let name = self.name.clone();
        let opening = move |fault| AvError::SinkOpen {
            name: name.clone(),
            fault,
        };
        if size != params.size {
            params.resize(size);
            let global_header = self.muxer.wants_global_header();
            self.video =
                VideoEncoder::open(&params, &self.video_plan, self.container, global_header)?;
            let replaced = self
                .muxer
                .replace_stream(self.video_stream, &self.video.parameters()?);
            replaced.map_err(&opening)?;
        }
        let begun = self.muxer.write_header(mux::options(self.container));
        begun.map_err(opening)
    }

    /// FFmpeg's name of the video encoder in use.
    #[must_use]
    pub fn encoder(&self) -> &str {
        self.video.name()
    }

    /// Packets of sound that were left out because they came long before the first picture.
    #[must_use]
    pub fn sound_dropped(&self) -> u64 {
        self.interleaver.as_ref().map_or(0, Interleaver::dropped)
    }

    /// Ends writes to a pipe that nobody empties, from any thread.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Encodes a picture. `pixels` may change meanwhile; pts strictly increase. Returns when the encoder has taken it; what
    /// it gives out is written.
    pub fn write_picture(
        &mut self,
        pixels: Foreign<'_>,
        caps: Caps,
        pts: Pts,
    ) -> Result<(), AvError> {
        self.video.push(pixels, caps, pts)?;
        self.write_pictures()
    }

    /// Takes sound, in the order of the source. It may come before the pictures of its time.
    pub fn write_audio(&mut self, sound: AudioPacket) -> Result<(), AvError> {
        let Some((way, stream)) = &mut self.audio else {
            return Ok(());
        };
        let mut packet = sound.packet;
        match way {
            Sound::Copied(copy) => {
                if !copy.prepare(&mut packet) {
                    return Ok(());
                }
                let stream = *stream;
                packet.rescale(copy.time_base(), self.muxer.time_base(stream));
                match self.put_sound(packet, stream) {
                    // Damaged sound is left out; it is no reason to end.
                    Err(fault) if fault == Fault::INVALID => Ok(()),
                    written => written.map_err(|fault| write_error(&self.name, fault)),
                }
            }
            Sound::Encoded(encoder, _) => {
                encoder.push(&packet)?;
                self.write_sound()
            }
        }
    }

    /// Writes what encoders still hold, ends the container and, for mp4 with a final descriptor, makes the finished file.
    pub fn finish(mut self) -> Result<(), AvError> {
        self.video.finish()?;
        self.write_pictures()?;
        if let Some((Sound::Encoded(encoder, _), _)) = &mut self.audio {
            encoder.finish()?;
            self.write_sound()?;
        }
        self.put_what_waits()?;
        let Self {
            name,
            muxer,
            video,
            audio,
            completion,
            interrupt,
            ..
        } = self;
        // Encoders go first: making the finished file then needs no more memory than encoding did.
        drop((video, audio));
        muxer.finish().map_err(|fault| write_error(&name, fault))?;
        match completion {
            Some((written, final_fd)) => remux(written, final_fd, &name, &interrupt),
            None => Ok(()),
        }
    }

    fn write_pictures(&mut self) -> Result<(), AvError> {
        let from = self.video.time_base();
        while let Some(packet) = self.video.pull()? {
            packet.rescale(from, self.muxer.time_base(self.video_stream));
            let written = match &mut self.interleaver {
                None => self.muxer.write(packet, self.video_stream),
                Some(interleaver) => {
                    let time = packet.dts().or(packet.pts()).unwrap_or(0);
                    let steps = interleaver.picture(time, packet.is_keyframe());
                    let stream = self.audio.as_ref().map_or(0, |(_, stream)| *stream);
                    let muxer = &mut self.muxer;
                    steps.into_iter().try_for_each(|step| match step {
                        Step::Cut => muxer.end_segment(),
                        Step::Picture => muxer.write_at_once(packet, self.video_stream),
                        Step::Sound(mut sound) => muxer.write_at_once(&mut sound, stream),
                    })
                }
            };
            written.map_err(|fault| write_error(&self.name, fault))?;
        }
        Ok(())
    }

    fn put_sound(&mut self, mut packet: Packet, stream: usize) -> Result<(), Fault> {
        let Some(interleaver) = &mut self.interleaver else {
            return self.muxer.write(&mut packet, stream);
        };
        let time = packet.pts().unwrap_or(0);
        match interleaver.sound(time, packet, 0) {
            Some(Step::Sound(mut packet)) => self.muxer.write_at_once(&mut packet, stream),
            _ => Ok(()),
        }
    }

    /// Sound behind the last picture.
    fn put_what_waits(&mut self) -> Result<(), AvError> {
        let (Some(interleaver), Some((_, stream))) = (&mut self.interleaver, &self.audio) else {
            return Ok(());
        };
        for mut packet in interleaver.finish() {
            let written = self.muxer.write_at_once(&mut packet, *stream);
            written.map_err(|fault| write_error(&self.name, fault))?;
        }
        Ok(())
    }

    fn write_sound(&mut self) -> Result<(), AvError> {
        while let Some((mut packet, stream, from)) = self.encoded_sound() {
            packet.rescale(from, self.muxer.time_base(stream));
            let written = self.put_sound(packet, stream);
            written.map_err(|fault| write_error(&self.name, fault))?;
        }
        Ok(())
    }

    /// The next packet of sound that was encoded anew, its stream and the length of its ticks.
    fn encoded_sound(&mut self) -> Option<(Packet, usize, (u32, u32))> {
        let Some((Sound::Encoded(encoder, order), stream)) = &mut self.audio else {
            return None;
        };
        let from = encoder.time_base();
        loop {
            let mut packet = encoder.pull()?;
            if order.lets(&mut packet) {
                return Some((packet, *stream, from));
            }
        }
    }
}

impl std::fmt::Debug for SinkWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkWriter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn add_sound(
    muxer: &mut Muxer,
    audio: &AudioParams,
    container: Container,
    opening: impl Fn(Fault) -> AvError,
) -> Result<(Sound, usize), AvError> {
    let takes = muxer.takes(&audio.parameters);
    if !audio.generated
        && mux::copies_sound(container, &audio.codec(), takes)
        && let Some(copy) = SoundCopy::new(audio, container)
    {
        let stream = muxer
            .add_stream(&audio.parameters, copy.time_base(), None)
            .map_err(opening)?;
        return Ok((Sound::Copied(copy), stream));
    }
    let global_header = muxer.wants_global_header();
    let encoder = SoundEncoder::open(audio, mux::sound_encoder(container), global_header)?;
    let parameters = encoder.parameters()?;
    let stream = muxer
        .add_stream(&parameters, encoder.time_base(), None)
        .map_err(opening)?;
    Ok((Sound::Encoded(encoder, Order::new(container)), stream))
}

fn check_codec(muxer: &Muxer, video: &VideoEncoder, container: Container) -> Result<(), AvError> {
    let parameters = video.parameters()?;
    let codec = parameters.codec_name();
    let fits = if mux::knows_codecs(container) {
        muxer.takes(&parameters)
    } else {
        mux::mpegts_takes_pictures(&codec)
    };
    if fits {
        return Ok(());
    }
    let (container, encoder) = (mux::format(container), video.name().to_owned());
    Err(AvError::EncoderMismatch {
        container,
        codec,
        encoder,
    })
}

pub(crate) fn write_error(name: &str, fault: Fault) -> AvError {
    if fault.is_interrupted() {
        return AvError::Interrupted;
    }
    AvError::SinkWrite {
        name: name.to_owned(),
        fault,
    }
}

pub(crate) fn errno(error: &std::io::Error) -> Fault {
    Fault::from_errno(error.raw_os_error().unwrap_or(5))
}
