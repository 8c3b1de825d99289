//! Reading a live source: the driver of this room's machines.

use std::{os::fd::OwnedFd, time::Instant};

use framerill_media::Program;
use framerill_worker::message::{LivePlan, SourceAudio};

use super::{
    LiveCounts, LiveEnd, LiveItem,
    clock::Clock,
    container::{Container, Read, moved},
    demuxer::{Demuxer, Event},
    failures::Failures,
    outlet::{Declared, Outlet},
    pes::Unit,
    pipe::Pipe,
    sniff::{Sniff, sniff},
    sound::{self, Splitter},
    video::{Decoded, Failed, Video},
};
use crate::{
    error::{AvError, Fault},
    ffi::{Packet, Parameters},
    source::{End, Interrupt},
};

/// Bytes after which a stream that held nothing so far is given up.
const MOST_IN_VAIN: u64 = 5_000_000;
/// Bytes in a row that belong to no packet, after which a stream is no transport stream any more.
const MOST_LOST: u64 = 1_000_000;

/// Reads a live stream.
pub(crate) struct LiveSource {
    name: String,
    audio: bool,
    pipe: Pipe,
    stage: Stage,
    clock: Clock,
    video: Option<Video>,
    sound: Option<Splitter>,
    outlet: Outlet,
    failures: Failures,
    began: Instant,
    /// Bytes that were read before anything came out of them.
    in_vain: u64,
    has_read: bool,
    /// Of decoders and containers that are gone.
    past: Past,
}

enum Stage {
    /// What it is has to be found out.
    New(Vec<u8>),
    Transport(Box<Demuxer>),
    Container(Box<Container>),
    Ended,
}

#[derive(Default)]
struct Past {
    damaged: u64,
    refused: u64,
    concealed: u64,
}

impl LiveSource {
    /// Takes the descriptor; reads nothing yet.
    pub(crate) fn new(fd: OwnedFd, name: &str, audio: bool, live: &LivePlan) -> Self {
        Self {
            name: name.to_owned(),
            audio,
            pipe: Pipe::new(fd),
            stage: Stage::New(Vec::new()),
            clock: Clock::new(true, live.resume),
            video: None,
            sound: None,
            outlet: Outlet::new(live),
            failures: Failures::default(),
            began: now(),
            in_vain: 0,
            has_read: false,
            past: Past::default(),
        }
    }

    /// Ends reads and waits early, from any thread.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.pipe.interrupt().clone()
    }

    /// Waits for bytes; what is complete comes out at once. Fails only when it is interrupted: other reasons are in
    /// [`LiveItem::End`], which comes again and again once it came.
    pub(crate) fn next(&mut self) -> Result<LiveItem, AvError> {
        loop {
            if self.pipe.interrupt().is_triggered() {
                return Err(AvError::Interrupted);
            }
            if let Some(item) = self.outlet.poll() {
                return Ok(item);
            }
            if matches!(self.stage, Stage::Ended) {
                let (reason, end) = (None, self.end());
                return Ok(LiveItem::End(LiveEnd { reason, end }));
            }
            match self.step() {
                Ok(()) => {}
                Err(AvError::Interrupted) => return Err(AvError::Interrupted),
                Err(error) => self.finish(Some(error)),
            }
        }
    }

    /// When the bytes came that the last item was made of, `CLOCK_MONOTONIC` in ns; none where a demuxer reads them.
    pub(crate) fn read_at(&self) -> Option<u64> {
        let reads_itself = matches!(self.stage, Stage::New(_) | Stage::Transport(_));
        self.pipe.read_at().filter(|_| reads_itself)
    }

    /// Counters so far.
    pub(crate) fn counts(&self) -> LiveCounts {
        let mut counts = LiveCounts {
            damaged: self.damaged() + self.refused(),
            jumps: self.clock.jumps(),
            offset: self.clock.offset(),
            ..LiveCounts::default()
        };
        self.outlet.count(&mut counts);
        counts
    }

    fn step(&mut self) -> Result<(), AvError> {
        match &mut self.stage {
            Stage::Ended => Ok(()),
            Stage::New(_) => self.begin(),
            Stage::Transport(demuxer) => match demuxer.poll() {
                Some(event) => self.take(event),
                None => self.read_transport(),
            },
            Stage::Container(container) => {
                let read = container.read()?;
                self.take_read(read)
            }
        }
    }

    fn begin(&mut self) -> Result<(), AvError> {
        let Stage::New(bytes) = &mut self.stage else {
            return Ok(());
        };
        let more = self.pipe.read(&self.name)?;
        let is_all = more.is_empty();
        bytes.extend_from_slice(more);
        self.has_read |= !bytes.is_empty();
        if bytes.is_empty() {
            self.finish(None);
            return Ok(());
        }
        match sniff(bytes, is_all) {
            Sniff::Unclear => Ok(()),
            Sniff::Transport(at) => {
                self.clock = self.clock.successor(true);
                let mut demuxer = Demuxer::default();
                demuxer.push(&bytes[at..]);
                if is_all {
                    demuxer.finish();
                }
                self.stage = Stage::Transport(Box::new(demuxer));
                Ok(())
            }
            Sniff::Container => {
                let before = std::mem::take(bytes);
                self.open_container(before)
            }
        }
    }

    fn read_transport(&mut self) -> Result<(), AvError> {
        let Stage::Transport(demuxer) = &mut self.stage else {
            return Ok(());
        };
        let bytes = self.pipe.read(&self.name)?;
        if bytes.is_empty() {
            demuxer.finish();
            self.in_vain = 0;
            while let Stage::Transport(demuxer) = &mut self.stage
                && let Some(event) = demuxer.poll()
            {
                self.take(event)?;
            }
            self.finish(None);
            return Ok(());
        }
        self.in_vain += bytes.len() as u64;
        demuxer.push(bytes);
        if demuxer.lost() > MOST_LOST {
            return self.begin_anew();
        }
        if self.in_vain > MOST_IN_VAIN && self.video.is_none() && self.sound.is_none() {
            return Err(AvError::SourceEmpty {
                name: self.name.clone(),
                what: "names no pictures and no sound that can be decoded",
            });
        }
        Ok(())
    }

    /// What follows is not what the stream was: it is found out once more, unless that was tried too often.
    fn begin_anew(&mut self) -> Result<(), AvError> {
        if self.failures.add(now().duration_since(self.began)) {
            return Err(AvError::SourceOpen {
                name: self.name.clone(),
                fault: Fault::INVALID,
            });
        }
        self.drop_video();
        self.past.damaged = self.damaged();
        self.sound = None;
        self.in_vain = 0;
        self.stage = Stage::New(Vec::new());
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), AvError> {
        match event {
            Event::Program(program) => {
                self.change(program);
                Ok(())
            }
            Event::Picture(unit) => self.take_picture(&unit),
            Event::Sound(unit) => {
                self.take_sound(&unit);
                Ok(())
            }
        }
    }

    fn change(&mut self, program: Program) {
        self.drop_video();
        self.past.damaged += self.sound.take().map_or(0, |sound| sound.damaged());
        self.video = program.video.map(|(_, codec)| Video::elementary(codec));
        let audio = program.audio.filter(|_| self.audio);
        self.sound = audio.map(|(_, codec)| Splitter::new(codec));
        self.in_vain = 0;
        self.outlet.declare(Declared {
            container: "mpegts".to_owned(),
            video: self.video.as_ref().map(Video::codec_name),
            audio: audio.map(|(_, codec)| codec.name().to_owned()),
        });
    }

    fn take_picture(&mut self, unit: &Unit) -> Result<(), AvError> {
        let Some(video) = &mut self.video else {
            return Ok(());
        };
        let (times, jumped) = match (unit.pts, unit.dts.or(unit.pts)) {
            (Some(pts), Some(dts)) => {
                let placed = self.clock.place(0, dts, video.step());
                let behind = self.clock.difference(pts, dts);
                let times = [Some(placed.time.saturating_add(behind)), Some(placed.time)];
                (times, placed.jumped)
            }
            _ => ([None; 2], false),
        };
        let outlet = &mut self.outlet;
        let decoded = video.unit(unit, times, jumped, &mut |decoded: Decoded| {
            outlet.picture(decoded)
        });
        decoded.or_else(|failed| self.fail(failed))
    }

    fn take_sound(&mut self, unit: &Unit) {
        let Some(splitter) = &mut self.sound else {
            return;
        };
        let (clock, outlet) = (&mut self.clock, &mut self.outlet);
        splitter.push(unit, |found: sound::Packet| {
            let placed = clock.place(1, found.pts, found.duration);
            let Ok(mut packet) = Packet::from_bytes(&found.bytes) else {
                return;
            };
            packet.set_times(Some(placed.time), Some(placed.time));
            packet.set_duration(found.duration);
            let audio = SourceAudio {
                codec: found.spec.codec.name().to_owned(),
                rate: found.spec.rate,
                channels: found.spec.channels,
            };
            let parameters = || Parameters::elementary_sound(found.spec).ok();
            outlet.sound(packet, placed.jumped, audio, parameters);
        });
    }

    fn open_container(&mut self, before: Vec<u8>) -> Result<(), AvError> {
        let fd = self.pipe.duplicate().map_err(|error| AvError::SourceRead {
            name: self.name.clone(),
            fault: Fault::from_errno(error.raw_os_error().unwrap_or(0)),
        })?;
        let mut container =
            Container::open(before, fd, &self.name, self.audio, self.pipe.interrupt())?;
        if container.video.is_none() && container.audio.is_none() {
            return Err(AvError::SourceEmpty {
                name: self.name.clone(),
                what: "holds no pictures and no sound that can be decoded",
            });
        }
        self.clock = self.clock.successor(container.wraps());
        let parameters = container
            .video
            .as_mut()
            .map(|track| track.parameters.duplicate());
        self.video = parameters.and_then(Result::ok).map(Video::described);
        self.outlet.declare(Declared {
            container: container.format(),
            video: self.video.as_ref().map(Video::codec_name),
            audio: container.audio.as_ref().map(|track| track.audio().codec),
        });
        self.stage = Stage::Container(Box::new(container));
        Ok(())
    }

    fn take_read(&mut self, read: Read) -> Result<(), AvError> {
        let outlet = &mut self.outlet;
        match (read, &mut self.video, &mut self.stage) {
            (Read::End, ..) => {
                self.finish(None);
                Ok(())
            }
            (Read::Lost, ..) => self.begin_anew(),
            (Read::Picture(mut packet), Some(video), _) => {
                let mut jumped = false;
                if let Some(time) = packet.dts().or(packet.pts()) {
                    let lasts = Some(packet.duration()).filter(|ticks| *ticks > 0);
                    let placed = self.clock.place(0, time, lasts.unwrap_or(video.step()));
                    moved(&mut packet, time, placed.time);
                    jumped = placed.jumped;
                }
                let decoded = video.packet(&packet, jumped, &mut |decoded: Decoded| {
                    outlet.picture(decoded)
                });
                decoded.or_else(|failed| self.fail(failed))
            }
            (Read::Sound(mut packet), _, Stage::Container(container)) => {
                let Some(time) = packet.pts().or(packet.dts()) else {
                    return Ok(());
                };
                let placed = self.clock.place(1, time, packet.duration());
                packet.set_times(Some(placed.time), Some(placed.time));
                if let Some(track) = &container.audio {
                    let parameters = || track.parameters.duplicate().ok();
                    outlet.sound(packet, placed.jumped, track.audio(), parameters);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Decoding begins anew, unless that was tried too often.
    fn fail(&mut self, failed: Failed) -> Result<(), AvError> {
        let Some(video) = &mut self.video else {
            return Ok(());
        };
        if self.failures.add(now().duration_since(self.began)) {
            return Err(AvError::Decoder {
                name: self.name.clone(),
                codec: video.codec_name(),
                fault: failed.0,
            });
        }
        video.restart();
        Ok(())
    }

    fn drop_video(&mut self) {
        if let Some(mut video) = self.video.take() {
            let outlet = &mut self.outlet;
            video.drain(&mut |decoded: Decoded| outlet.picture(decoded));
            self.past.refused += video.refused();
            self.past.concealed += video.concealed();
        }
    }

    fn finish(&mut self, reason: Option<AvError>) {
        self.drop_video();
        self.past.damaged = self.damaged();
        self.sound = None;
        self.stage = Stage::Ended;
        let end = self.end();
        self.outlet.finish(reason, end, &self.name, self.has_read);
    }

    fn end(&self) -> End {
        End {
            damaged: self.damaged(),
            undecodable: self.refused(),
            concealed: self.past.concealed + self.video.as_ref().map_or(0, Video::concealed),
            jumps: self.clock.jumps(),
            ..End::default()
        }
    }

    fn damaged(&self) -> u64 {
        let container = match &self.stage {
            Stage::Transport(demuxer) => demuxer.damaged(),
            Stage::Container(container) => container.damaged(),
            Stage::New(_) | Stage::Ended => 0,
        };
        self.past.damaged + container + self.sound.as_ref().map_or(0, Splitter::damaged)
    }

    fn refused(&self) -> u64 {
        self.past.refused + self.video.as_ref().map_or(0, Video::refused)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "driver: owns the clock of failures"
)]
fn now() -> Instant {
    Instant::now()
}
