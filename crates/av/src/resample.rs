//! Sound that the container does not take: decoded, resampled and encoded anew, on the same clock.

use std::collections::VecDeque;

use framerill_media::{Pts, TimeBase};

use framerill_worker::message::SoundPlan;

use crate::{
    error::AvError,
    ffi::{
        AudioSpec, Decoder, Encoder, Fault, Frame, Packet, Parameters, Swresample, encoder_rates,
    },
    source::AudioParams,
};

/// Samples of an encoder that takes any number.
const USUAL_SAMPLES: usize = 1024;
/// A recording keeps its sound whole.
const RECORDED: Fitting = Fitting {
    tolerance: 0.04,
    most_silence: 10.0,
};
/// Seconds by which the times of live sound may differ from the count of samples.
const LIVE_TOLERANCE_SECS: f64 = 0.01;
/// The rate of live sound, when the encoder takes it.
const LIVE_RATE: u32 = 48_000;
/// Bits a second of each channel.
const CHANNEL_BIT_RATE: i64 = 80_000;

/// Decodes and encodes the sound of one stream.
pub(crate) struct SoundEncoder {
    name: String,
    /// None before a live source's sound is known.
    decoder: Option<Decoder>,
    resampler: Swresample,
    encoder: Encoder,
    source_base: TimeBase,
    fitting: Fitting,
    /// 1/rate of the output.
    clock: TimeBase,
    waiting: Waiting,
    decoded: Frame,
    /// What the encoder gave out; taken after each packet of the source.
    ready: VecDeque<Packet>,
}

/// Samples that wait for a whole frame.
struct Waiting {
    pieces: VecDeque<(Frame, usize)>,
    count: usize,
    /// The time of the first of them; none before the first.
    at: Option<i64>,
}

/// What has to happen before samples at a time can follow those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// They follow.
    Follows,
    /// So many samples are missing.
    Silence(usize),
    /// So many of the first are there already.
    Drop(usize),
    /// They begin somewhere else.
    Jump,
}

/// What is done about times that differ from the count of samples, in seconds.
#[derive(Clone, Copy, Debug)]
struct Fitting {
    /// A difference up to this is none.
    tolerance: f64,
    /// A gap up to this is filled with silence; a longer one stays.
    most_silence: f64,
}

fn fit(due: i64, at: i64, rate: u32, fitting: Fitting) -> Fit {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "float to int casts saturate"
    )]
    let samples = |seconds: f64| (f64::from(rate) * seconds) as i64;
    let gap = at.saturating_sub(due);
    if gap.saturating_abs() <= samples(fitting.tolerance) {
        Fit::Follows
    } else if gap < 0 {
        Fit::Drop(usize::try_from(gap.saturating_neg()).unwrap_or(usize::MAX))
    } else if gap <= samples(fitting.most_silence) {
        Fit::Silence(usize::try_from(gap).unwrap_or(0))
    } else {
        Fit::Jump
    }
}

impl SoundEncoder {
    /// From a source's sound with the encoder of that name.
    pub(crate) fn open(
        source: &AudioParams,
        name: &str,
        global_header: bool,
    ) -> Result<Self, AvError> {
        let parameters = &source.parameters;
        let rate = nearest_rate(parameters.sample_rate(), &encoder_rates(name));
        let channels = parameters.channels().clamp(1, 2);
        let spec = AudioSpec {
            name,
            rate,
            channels,
            bit_rate: CHANNEL_BIT_RATE * i64::from(channels),
            global_header,
        };
        let mut encoder = Self::begin(&spec, RECORDED)?;
        encoder.set_source(source)?;
        Ok(encoder)
    }

    /// For a live stream whose sound may come, and change, later: `name` unless the plan names another, and as many
    /// channels as the plan says or the source has. Gaps stay gaps: only what is shorter than a packet is silence.
    pub(crate) fn live(
        plan: &SoundPlan,
        name: &str,
        source_channels: u32,
    ) -> Result<Self, AvError> {
        let name = plan.codec.as_deref().unwrap_or(name);
        let channels = plan.channels.unwrap_or(source_channels).clamp(1, 2);
        let usual = CHANNEL_BIT_RATE * i64::from(channels);
        let spec = AudioSpec {
            name,
            rate: nearest_rate(LIVE_RATE, &encoder_rates(name)),
            channels,
            bit_rate: plan.bitrate.map_or(usual, i64::from),
            global_header: false,
        };
        let fitting = Fitting {
            tolerance: LIVE_TOLERANCE_SECS,
            most_silence: 0.0,
        };
        let mut encoder = Self::begin(&spec, fitting)?;
        let whole = encoder.encoder.frame_samples().unwrap_or(USUAL_SAMPLES);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand samples")]
        let whole = whole as f64 / f64::from(spec.rate);
        encoder.fitting.most_silence = whole;
        Ok(encoder)
    }

    fn begin(spec: &AudioSpec<'_>, fitting: Fitting) -> Result<Self, AvError> {
        let failed = |fault: Fault| AvError::Encode {
            name: spec.name.to_owned(),
            what: fault.to_string(),
        };
        let encoder = Encoder::audio(spec).map_err(failed)?;
        let clock = TimeBase::new(1, spec.rate).map_err(|_| failed(Fault::INVALID))?;
        Ok(Self {
            name: spec.name.to_owned(),
            decoder: None,
            resampler: Swresample::to(encoder.sound()),
            encoder,
            source_base: TimeBase::MPEG,
            fitting,
            clock,
            waiting: Waiting {
                pieces: VecDeque::new(),
                count: 0,
                at: None,
            },
            decoded: Frame::new(),
            ready: VecDeque::new(),
        })
    }

    /// From here on sound is like this. What the decoder before still held comes out first.
    pub(crate) fn set_source(&mut self, source: &AudioParams) -> Result<(), AvError> {
        self.drain_decoder(true)?;
        let time_base = (source.time_base.num(), source.time_base.den());
        let decoder = Decoder::open(&source.parameters, time_base, 1);
        self.decoder = Some(decoder.map_err(|fault| self.failed(fault))?);
        self.source_base = source.time_base;
        Ok(())
    }

    /// What the container has to know.
    pub(crate) fn parameters(&self) -> Result<Parameters, AvError> {
        self.encoder
            .parameters()
            .map_err(|fault| self.failed(fault))
    }

    /// The length of a tick of the packets' times.
    pub(crate) fn time_base(&self) -> (u32, u32) {
        self.encoder.time_base()
    }

    /// Puts a packet of the source in. Sound that cannot be decoded is silence.
    pub(crate) fn push(&mut self, packet: &Packet) -> Result<(), AvError> {
        // A damaged packet is a gap, which is filled when the next one comes.
        if let Some(decoder) = &mut self.decoder {
            let _damaged = decoder.send(Some(packet));
        }
        self.drain_decoder(false)?;
        self.feed(false)
    }

    /// No more comes.
    pub(crate) fn finish(&mut self) -> Result<(), AvError> {
        self.drain_decoder(true)?;
        if let Ok(Some(rest)) = self.resampler.convert(None) {
            self.waiting.add(rest);
        }
        self.feed(true)?;
        self.encode(None).map_err(|fault| self.failed(fault))
    }

    /// The next packet; none when sound has to come first, or after the last.
    pub(crate) fn pull(&mut self) -> Option<Packet> {
        self.ready.pop_front()
    }

    fn encode(&mut self, frame: Option<&Frame>) -> Result<(), Fault> {
        self.encoder.send(frame)?;
        let mut packet = Packet::new();
        while self.encoder.receive(&mut packet)? {
            self.ready.push_back(packet.take());
        }
        Ok(())
    }

    /// Takes what is decoded; at the `end` all of it.
    fn drain_decoder(&mut self, end: bool) -> Result<(), AvError> {
        if let Some(decoder) = self.decoder.as_mut().filter(|_| end) {
            let _damaged = decoder.send(None);
        }
        while let Some(decoder) = &mut self.decoder
            && let Ok(true) = decoder.receive(&mut self.decoded)
        {
            let pts = self.decoded.best_pts();
            let Ok(Some(samples)) = self.resampler.convert(Some(&self.decoded)) else {
                continue;
            };
            let at = pts.map(|pts| self.source_base.rescale(Pts(pts), self.clock).0);
            self.place(samples, at)?;
        }
        Ok(())
    }

    fn place(&mut self, samples: Frame, at: Option<i64>) -> Result<(), AvError> {
        let Some(due) = self.waiting.due() else {
            self.waiting.at = Some(at.unwrap_or(0));
            self.waiting.add(samples);
            return Ok(());
        };
        match fit(due, at.unwrap_or(due), self.clock.den(), self.fitting) {
            Fit::Follows => self.waiting.add(samples),
            Fit::Silence(count) => {
                let (format, rate, channels) = self.encoder.sound();
                let silence = Frame::samples(format, rate, channels, count);
                self.waiting
                    .add(silence.map_err(|fault| self.failed(fault))?);
                self.waiting.add(samples);
            }
            Fit::Drop(count) => self.waiting.add_from(samples, count),
            Fit::Jump => {
                self.feed(true)?;
                self.waiting.at = at;
                self.waiting.add(samples);
            }
        }
        Ok(())
    }

    /// Gives whole frames to the encoder; with `all` also what is left, made whole with silence.
    fn feed(&mut self, all: bool) -> Result<(), AvError> {
        let whole = self.encoder.frame_samples().unwrap_or(USUAL_SAMPLES);
        while self.waiting.count >= whole || (all && self.waiting.count > 0) {
            let layout = self.encoder.sound();
            let frame = self
                .waiting
                .take(whole, layout)
                .map_err(|fault| self.failed(fault))?;
            self.encode(Some(&frame))
                .map_err(|fault| self.failed(fault))?;
        }
        Ok(())
    }

    fn failed(&self, fault: Fault) -> AvError {
        AvError::Encode {
            name: self.name.clone(),
            what: fault.to_string(),
        }
    }
}

impl Waiting {
    /// When the next sample is due.
    fn due(&self) -> Option<i64> {
        Some(
            self.at?
                .saturating_add(i64::try_from(self.count).unwrap_or(0)),
        )
    }

    fn add(&mut self, samples: Frame) {
        self.add_from(samples, 0);
    }

    fn add_from(&mut self, samples: Frame, first: usize) {
        let count = samples.sample_count();
        if first < count {
            self.count += count - first;
            self.pieces.push_back((samples, first));
        }
    }

    /// A frame of `whole` samples, the last of them silent when there are not as many.
    fn take(
        &mut self,
        whole: usize,
        (format, rate, channels): (i32, i32, u32),
    ) -> Result<Frame, Fault> {
        let mut frame = Frame::samples(format, rate, channels, whole)?;
        let mut filled = 0;
        while filled < whole
            && let Some((piece, first)) = self.pieces.front_mut()
        {
            let count = (piece.sample_count() - *first).min(whole - filled);
            frame.copy_samples(filled, piece, *first, count);
            filled += count;
            *first += count;
            if *first == piece.sample_count() {
                self.pieces.pop_front();
            }
        }
        self.count -= filled;
        let at = self.at.unwrap_or(0);
        frame.set_pts(at);
        self.at = Some(at.saturating_add(i64::try_from(whole).unwrap_or(0)));
        Ok(frame)
    }
}

/// The rate itself when it is taken, else the lowest one above it, else the highest.
fn nearest_rate(rate: u32, taken: &[u32]) -> u32 {
    if taken.is_empty() || taken.contains(&rate) {
        return rate;
    }
    let above = taken.iter().filter(|taken| **taken > rate).min();
    above.or(taken.iter().max()).copied().unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_overlaps_dropped_and_long_gaps_kept() {
        assert_eq!(fit(1000, 1000, 48_000, RECORDED), Fit::Follows);
        assert_eq!(fit(1000, 1900, 48_000, RECORDED), Fit::Follows);
        assert_eq!(fit(1000, 49_000, 48_000, RECORDED), Fit::Silence(48_000));
        assert_eq!(fit(49_000, 1000, 48_000, RECORDED), Fit::Drop(48_000));
        assert_eq!(fit(0, 11 * 48_000, 48_000, RECORDED), Fit::Jump);
        assert_eq!(fit(i64::MIN, i64::MAX, 48_000, RECORDED), Fit::Jump);
    }

    #[test]
    fn in_live_sound_only_what_is_shorter_than_a_packet_is_silence() {
        let live = Fitting {
            tolerance: LIVE_TOLERANCE_SECS,
            most_silence: 0.02,
        };
        assert_eq!(fit(1000, 1400, 48_000, live), Fit::Follows);
        assert_eq!(fit(1000, 1900, 48_000, live), Fit::Silence(900));
        assert_eq!(fit(1000, 2000, 48_000, live), Fit::Jump);
    }

    #[test]
    fn a_rate_that_is_not_taken_becomes_the_next_above() {
        let opus = [48_000, 24_000, 16_000, 12_000, 8_000];
        assert_eq!(nearest_rate(44_100, &opus), 48_000);
        assert_eq!(nearest_rate(16_000, &opus), 16_000);
        assert_eq!(nearest_rate(96_000, &opus), 48_000);
        assert_eq!(nearest_rate(44_100, &[]), 44_100);
    }
}
