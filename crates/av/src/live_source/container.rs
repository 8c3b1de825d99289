//! A live stream that is no transport stream, through FFmpeg's demuxers.

use std::os::fd::OwnedFd;

use framerill_media::{Pts, TimeBase};
use framerill_worker::message::SourceAudio;

use crate::{
    error::AvError,
    ffi::{Demuxer, Fault, Io, MediaKind, Packet, Parameters, StreamFacts},
    source::Interrupt,
};

/// Reads that may fail in a row.
const MOST_FAULTS: usize = 32;

/// An open container.
pub(super) struct Container {
    name: String,
    demuxer: Demuxer,
    pub(super) video: Option<Track>,
    pub(super) audio: Option<Track>,
    packet: Packet,
    damaged: u64,
}

/// One of its streams.
pub(super) struct Track {
    index: usize,
    time_base: (u32, u32),
    pub(super) parameters: Parameters,
}

/// What was read.
pub(super) enum Read {
    /// A picture; times in ticks of 1/90000 s.
    Picture(Packet),
    /// Sound; times in ticks of 1/90000 s.
    Sound(Packet),
    /// Nothing that is wanted.
    Nothing,
    /// The end.
    End,
    /// Nothing that it understands follows.
    Lost,
}

impl Container {
    /// Opens what follows `before` in a pipe.
    pub(super) fn open(
        before: Vec<u8>,
        fd: OwnedFd,
        name: &str,
        audio: bool,
        interrupt: &Interrupt,
    ) -> Result<Self, AvError> {
        let io = Io::reader_after(before, fd, interrupt);
        let mut demuxer = Demuxer::open_live(io).map_err(|fault| {
            if fault.is_interrupted() {
                return AvError::Interrupted;
            }
            AvError::SourceOpen {
                name: name.to_owned(),
                // Not on the list of formats, or none at all.
                fault: fault.errno().map_or(fault, |_| Fault::INVALID),
            }
        })?;
        let facts =
            (0..demuxer.stream_count()).filter_map(|index| Some((index, demuxer.facts(index)?)));
        let (mut video, mut sound) = (None, None);
        for (index, facts) in facts {
            match facts.parameters.kind() {
                MediaKind::Video if video.is_none() && !facts.is_cover => {
                    video = Track::new(index, facts);
                }
                MediaKind::Audio
                    if sound.is_none() && audio && facts.parameters.sample_rate() > 0 =>
                {
                    sound = Track::new(index, facts);
                }
                _ => {}
            }
        }
        let kept: Vec<usize> = [&video, &sound]
            .into_iter()
            .flatten()
            .map(|track| track.index)
            .collect();
        demuxer.keep_only(&kept);
        Ok(Self {
            name: name.to_owned(),
            demuxer,
            video,
            audio: sound,
            packet: Packet::new(),
            damaged: 0,
        })
    }

    /// FFmpeg's name of it.
    pub(super) fn format(&self) -> String {
        self.demuxer.container()
    }

    /// Whether its times count modulo 2^33.
    pub(super) fn wraps(&self) -> bool {
        self.demuxer.is_discontinuous()
    }

    /// Packets that were damaged or could not be read.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Waits for the next packet.
    pub(super) fn read(&mut self) -> Result<Read, AvError> {
        for _ in 0..MOST_FAULTS {
            match self.demuxer.read(&mut self.packet) {
                Ok(()) => return Ok(self.sorted()),
                Err(fault) if fault.is_interrupted() => return Err(AvError::Interrupted),
                Err(fault) if fault.is_end() => return Ok(Read::End),
                Err(fault) if fault.errno().is_some() && !fault.is_again() => {
                    let name = self.name.clone();
                    return Err(AvError::SourceRead { name, fault });
                }
                Err(_) => self.damaged += 1,
            }
        }
        Ok(Read::Lost)
    }

    fn sorted(&mut self) -> Read {
        self.damaged += u64::from(self.packet.is_corrupt());
        let is_of = |track: &Option<Track>| {
            track
                .as_ref()
                .is_some_and(|track| track.index == self.packet.stream())
        };
        let (track, make): (_, fn(Packet) -> Read) = if is_of(&self.video) {
            (self.video.as_ref(), Read::Picture)
        } else if is_of(&self.audio) {
            (self.audio.as_ref(), Read::Sound)
        } else {
            (None, |_| Read::Nothing)
        };
        let Some(track) = track else {
            return Read::Nothing;
        };
        let mut packet = self.packet.take();
        packet.rescale(track.time_base, (1, 90_000));
        make(packet)
    }
}

impl Track {
    fn new(index: usize, facts: StreamFacts) -> Option<Self> {
        TimeBase::new(facts.time_base.0, facts.time_base.1).ok()?;
        Some(Self {
            index,
            time_base: facts.time_base,
            parameters: facts.parameters,
        })
    }

    /// Of sound.
    pub(super) fn audio(&self) -> SourceAudio {
        SourceAudio {
            codec: self.parameters.codec_name(),
            rate: self.parameters.sample_rate(),
            channels: self.parameters.channels(),
        }
    }
}

/// A packet's times, moved by as much as its decoding time was.
pub(super) fn moved(packet: &mut Packet, from: i64, to: i64) {
    let by = to.saturating_sub(from);
    let placed = |time: Option<i64>| time.map(|time| Pts(time.saturating_add(by)).0);
    packet.set_times(placed(packet.pts()), placed(packet.dts()));
}
