//! A file: packets in their places on the timeline, pictures decoded, sound as it is.

use std::os::fd::OwnedFd;

use framerill_media::{Pts, TimeBase};
use framerill_worker::message::MediaPlan;

use crate::{
    decode::VideoDecoder,
    error::AvError,
    ffi::{Demuxer, Fault, Frame, Interrupt, Io, MediaKind, Packet, StreamFacts},
    index::{has_no_index, is_cut},
    source::{End, Raw},
    timeline::{self, Timeline},
};

/// Ends of names of still pictures.
const STILLS: [&str; 6] = ["jpg", "jpeg", "jpe", "png", "webp", "bmp"];
/// Reads that may fail in a row before the rest counts as lost.
const MOST_FAULTS: usize = 32;
/// How far before a wanted start reading begins where a container has no index of its keyframes.
const SEEK_MARGIN_SECS: f64 = 3.0;
/// A recording that ends this much before its header says is cut off.
const MISSING_SECS: f64 = 1.0;

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// Its sound, too.
    pub(crate) audio: bool,
    /// Reading begins so many seconds after its beginning, or a little before.
    pub(crate) start: f64,
    /// Its first video stream, not the one with the largest pictures; and a still picture is a file of one frame.
    pub(crate) is_reader: bool,
    /// Reading begins with the keyframe before this time in seconds, and times stay as they are. Where a container's times
    /// may jump, it begins at the beginning.
    pub(crate) seek: Option<f64>,
    /// Decoding threads; none takes as many as the machine has cores.
    pub(crate) threads: Option<usize>,
}

impl Opening {
    /// For a run.
    pub(crate) fn of_plan(plan: &MediaPlan) -> Self {
        Self {
            audio: plan.audio,
            start: plan.start,
            is_reader: false,
            seek: None,
            threads: None,
        }
    }

    /// For a reader of frames.
    pub(crate) fn of_reader(threads: usize) -> Self {
        Self {
            audio: false,
            start: 0.0,
            is_reader: true,
            seek: None,
            threads: Some(threads),
        }
    }
}

/// An open file.
pub(crate) struct FileSource {
    name: String,
    demuxer: Demuxer,
    decoder: VideoDecoder,
    video: Track,
    audio: Option<Track>,
    places: Places,
    packet: Packet,
    stage: Stage,
    claim: Claim,
    /// Its structure reaches beyond its end.
    is_cut: bool,
    /// What the demuxer leaves out is only in its log. Decoders of other files in this process would be counted, too.
    skips_silently: bool,
    end: End,
    jump_at: Option<i64>,
    last_pts: Option<i64>,
    interval: i64,
    pictures: u64,
}

struct Track {
    index: usize,
    time_base: TimeBase,
    facts: StreamFacts,
    /// When the next packet without a time of its own is due.
    due: Option<i64>,
    packets: u64,
}

/// How times are moved.
enum Places {
    /// By as much from beginning to end: ticks of pictures and of sound.
    Fixed([i64; 2]),
    /// As the source jumps.
    Jumping(Box<Timeline>),
}

#[derive(PartialEq)]
enum Stage {
    Reading,
    Draining,
    Ended,
}

/// What the header says there is, when that can be held against what was read.
#[derive(Default)]
struct Claim {
    packets: Option<u64>,
    seconds: Option<f64>,
}

impl FileSource {
    /// Opens what `fd` holds.
    pub(crate) fn open(
        fd: OwnedFd,
        name: &str,
        opening: Opening,
        interrupt: &Interrupt,
    ) -> Result<Self, AvError> {
        let Opening { audio, start, .. } = opening;
        let is_cut = is_cut(&fd);
        let mut demuxer = open_demuxer(fd, name, opening.is_reader, interrupt)?;
        let video = find_video(&demuxer, name, opening.is_reader)?;
        let audio = if audio { find_audio(&demuxer) } else { None };
        let parameters = &video.facts.parameters;
        let decoder = VideoDecoder::open(parameters, video.facts.time_base, opening.threads)
            .map_err(|fault| AvError::Decoder {
                name: name.to_owned(),
                codec: parameters.codec_name(),
                fault,
            })?;
        let kept: Vec<usize> = [Some(video.index), audio.as_ref().map(|track| track.index)]
            .into_iter()
            .flatten()
            .collect();
        let claim = if start > 0.0 || opening.seek.is_some() {
            Claim::default()
        } else {
            claim(&demuxer, &video, kept.len())
        };
        demuxer.keep_only(&kept);
        let places = places(&demuxer, &video, audio.as_ref(), start);
        if start > 0.0 {
            seek(&mut demuxer, &video, start);
        }
        if let Some(seconds) = opening.seek.filter(|_| !demuxer.is_discontinuous()) {
            let earliest = video.facts.start.unwrap_or(0).min(0);
            let target = video.time_base.at(seconds).0.saturating_add(earliest);
            // Where it cannot be sought in, all before is read and left out.
            let _sought = demuxer.seek(video.index, target);
        }
        let interval = video.usual_interval();
        let skips_silently = opening.is_reader && demuxer.skips_silently();
        Ok(Self {
            skips_silently,
            name: name.to_owned(),
            demuxer,
            decoder,
            video,
            audio,
            places,
            packet: Packet::new(),
            stage: Stage::Reading,
            claim,
            is_cut,
            end: End::default(),
            jump_at: None,
            last_pts: None,
            interval,
            pictures: 0,
        })
    }

    /// FFmpeg's name of the container.
    pub(crate) fn container(&self) -> String {
        self.demuxer.container()
    }

    /// The container's time of creation, as it is written there.
    pub(crate) fn created(&self) -> Option<String> {
        self.demuxer.created()
    }

    /// The video stream as the container describes it.
    pub(crate) fn video(&self) -> &StreamFacts {
        &self.video.facts
    }

    /// The audio stream that is read.
    pub(crate) fn audio(&self) -> Option<&StreamFacts> {
        self.audio.as_ref().map(|track| &track.facts)
    }

    /// Seconds from the first picture to the end of the last, by the header.
    pub(crate) fn duration(&self) -> Option<f64> {
        let ticks = self
            .video
            .facts
            .duration
            .map(|ticks| self.video.time_base.seconds(Pts(ticks)));
        ticks.or_else(|| self.demuxer.duration())
    }

    /// The length of a tick of the pictures' times.
    pub(crate) fn time_base(&self) -> TimeBase {
        self.video.time_base
    }

    /// Video streams but for covers, and the codes of streams that are neither pictures nor sound.
    pub(crate) fn other_streams(&self) -> (usize, Vec<String>) {
        let videos = streams(&self.demuxer, MediaKind::Video).filter(|(_, facts)| !facts.is_cover);
        let data = streams(&self.demuxer, MediaKind::Other);
        (
            videos.count(),
            data.map(|(_, facts)| facts.parameters.tag()).collect(),
        )
    }

    /// Pictures so far, and what has gone wrong.
    pub(crate) fn so_far(&self) -> End {
        End {
            undecodable: self.decoder.faults(),
            concealed: self.decoder.concealed(),
            ..self.end.clone()
        }
    }

    /// The next packet of pictures, in its place; none at the end. Not to be mixed with [`next`](Self::next).
    pub(crate) fn next_packet(&mut self) -> Result<Option<Packet>, AvError> {
        while self.read()? {
            if self.packet.stream() == self.video.index && self.packet.bytes() > 0 {
                self.video.place(&mut self.packet, &mut self.places, 0);
                return Ok(Some(self.packet.take()));
            }
        }
        Ok(None)
    }

    /// What comes next, in the order of the file.
    pub(crate) fn next(&mut self) -> Result<Raw, AvError> {
        loop {
            if let Some(frame) = self.decoder.pull().map_err(|fault| self.decoding(fault))? {
                return Ok(self.picture(frame));
            }
            match self.stage {
                Stage::Ended => return self.ended(),
                Stage::Draining => {
                    self.decoder
                        .push(None)
                        .map_err(|fault| self.decoding(fault))?;
                    self.stage = Stage::Ended;
                }
                Stage::Reading => {
                    if !self.read()? {
                        self.stage = Stage::Draining;
                    } else if let Some(sound) = self.take_packet()? {
                        return Ok(Raw::Audio(sound));
                    }
                }
            }
        }
    }

    /// Reads a packet; false at the end.
    fn read(&mut self) -> Result<bool, AvError> {
        for _ in 0..MOST_FAULTS {
            let before = Demuxer::logged_errors();
            let read = self.demuxer.read(&mut self.packet);
            if self.skips_silently && Demuxer::logged_errors() > before {
                self.end.unreadable += 1;
            }
            match read {
                Ok(()) => return Ok(true),
                Err(fault) if fault.is_interrupted() => return Err(AvError::Interrupted),
                Err(fault) if fault.is_end() => {
                    return match self.demuxer.io_fault() {
                        Some(fault) => Err(self.reading(fault)),
                        None => Ok(false),
                    };
                }
                Err(fault) if fault.errno().is_some() && !fault.is_again() => {
                    return Err(self.reading(fault));
                }
                Err(_) => self.end.unreadable += 1,
            }
        }
        Ok(false)
    }

    /// A picture's packet goes to the decoder, one of sound comes back.
    fn take_packet(&mut self) -> Result<Option<Packet>, AvError> {
        if self.packet.stream() == self.video.index {
            self.end.damaged += u64::from(self.packet.is_corrupt());
            let jumped = self.video.place(&mut self.packet, &mut self.places, 0);
            if jumped && self.jump_at.is_none() {
                self.jump_at = self.packet.pts();
            }
            self.decoder
                .push(Some(&self.packet))
                .map_err(|fault| self.decoding(fault))?;
            return Ok(None);
        }
        let Some(audio) = &mut self.audio else {
            return Ok(None);
        };
        if self.packet.stream() != audio.index || self.packet.bytes() == 0 {
            return Ok(None);
        }
        audio.place(&mut self.packet, &mut self.places, 1);
        Ok(self.packet.pts().is_some().then(|| self.packet.take()))
    }

    fn picture(&mut self, frame: Frame) -> Raw {
        self.pictures += 1;
        let guess = || {
            self.last_pts
                .map_or(0, |last| last.saturating_add(self.interval.max(1)))
        };
        let own = frame.best_pts();
        let pts = own.unwrap_or_else(guess);
        self.last_pts = Some(pts);
        let jumped = self.jump_at.is_some_and(|at| pts >= at);
        if jumped {
            self.jump_at = None;
        }
        Raw::Picture {
            frame,
            pts,
            is_timed: own.is_some(),
            jumped,
        }
    }

    fn ended(&mut self) -> Result<Raw, AvError> {
        if self.pictures == 0 {
            let name = self.name.clone();
            return Err(AvError::SourceEmpty {
                name,
                what: "holds no picture that can be decoded",
            });
        }
        self.end = self.so_far();
        if let Places::Jumping(timeline) = &self.places {
            self.end.jumps = timeline.jump_count();
        }
        self.end.is_truncated = self.is_cut || self.is_short();
        Ok(Raw::End(self.end.clone()))
    }

    fn is_short(&self) -> bool {
        let fewer = self
            .claim
            .packets
            .is_some_and(|packets| self.video.packets < packets);
        let end = |track: &Track| {
            track
                .due
                .map_or(0.0, |due| track.time_base.seconds(Pts(due)))
        };
        let last = self.audio.iter().map(end).fold(end(&self.video), f64::max);
        let shorter = self
            .claim
            .seconds
            .is_some_and(|seconds| last + MISSING_SECS < seconds);
        fewer || shorter
    }

    fn decoding(&self, fault: Fault) -> AvError {
        let codec = self.video.facts.parameters.codec_name();
        AvError::Decoder {
            name: self.name.clone(),
            codec,
            fault,
        }
    }

    fn reading(&self, fault: Fault) -> AvError {
        AvError::SourceRead {
            name: self.name.clone(),
            fault,
        }
    }
}

impl Track {
    fn new(index: usize, facts: StreamFacts) -> Option<Self> {
        let time_base = TimeBase::new(facts.time_base.0, facts.time_base.1).ok()?;
        Some(Self {
            index,
            time_base,
            facts,
            due: None,
            packets: 0,
        })
    }

    fn usual_interval(&self) -> i64 {
        let rate = self.facts.average_rate.or(self.facts.base_rate);
        rate.map_or(0, |(num, den)| {
            self.time_base.at(f64::from(den) / f64::from(num)).0
        })
    }

    /// Moves a packet to its place; says whether the source jumped before it.
    fn place(&mut self, packet: &mut Packet, places: &mut Places, number: usize) -> bool {
        let (pts, dts) = (packet.pts(), packet.dts());
        let (offset, jumped) = match places {
            Places::Fixed(offsets) => (offsets[number], false),
            Places::Jumping(timeline) => {
                let ticks = |ticks| self.time_base.rescale(Pts(ticks), TimeBase::MPEG).0;
                match dts.or(pts) {
                    Some(time) => {
                        let place = timeline.place(number, ticks(time), ticks(packet.duration()));
                        (
                            TimeBase::MPEG.rescale(Pts(place.offset), self.time_base).0,
                            place.jumped,
                        )
                    }
                    None => (0, false),
                }
            }
        };
        let moved = |time: Option<i64>| time.map(|time| time.saturating_add(offset));
        let (mut pts, dts) = (moved(pts), moved(dts));
        if number == 1 {
            // Sound has no decoding order: a missing time is the decoding time, or where the last packet ended.
            pts = pts.or(dts).or(self.due);
        }
        packet.set_times(pts, dts.or(if number == 1 { pts } else { None }));
        if let Some(time) = pts.or(dts) {
            let end = time.saturating_add(packet.duration().max(0));
            self.due = Some(self.due.map_or(end, |due| due.max(end)));
        }
        self.packets += 1;
        jumped
    }
}

fn open_demuxer(
    fd: OwnedFd,
    name: &str,
    is_reader: bool,
    interrupt: &Interrupt,
) -> Result<Demuxer, AvError> {
    let length = rustix::fs::fstat(&fd).map_or(-1, |stat| stat.st_size);
    let is_file = rustix::fs::fstat(&fd)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file());
    if is_file && length == 0 {
        return Err(AvError::SourceEmpty {
            name: name.to_owned(),
            what: "is empty",
        });
    }
    let no_index = is_file && has_no_index(&fd);
    let (io, hint) = (Io::reader(fd, interrupt), extension(name));
    let opened = if is_reader {
        // By the name of a still FFmpeg would look for a series of them in files.
        let is_still = STILLS.contains(&hint.as_str());
        Demuxer::open_with_stills(io, if is_still { "" } else { &hint })
    } else {
        Demuxer::open(io, &hint)
    };
    opened.map_err(|fault| {
        let name = name.to_owned();
        if fault.is_interrupted() {
            AvError::Interrupted
        } else if fault
            .errno()
            .is_some_and(|errno| errno != 12 && errno != 22)
        {
            AvError::SourceRead { name, fault }
        } else if no_index {
            AvError::SourceNoIndex { name }
        } else if fault.errno().is_some() {
            // Not on the list of formats.
            AvError::SourceOpen {
                name,
                fault: Fault::INVALID,
            }
        } else {
            AvError::SourceOpen { name, fault }
        }
    })
}

/// A hint of the format: letters and digits of a file name's end.
fn extension(name: &str) -> String {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    end.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(8)
        .collect::<String>()
        .to_lowercase()
}

fn streams(demuxer: &Demuxer, kind: MediaKind) -> impl Iterator<Item = (usize, StreamFacts)> + '_ {
    (0..demuxer.stream_count())
        .filter_map(|index| Some((index, demuxer.facts(index)?)))
        .filter(move |(_, facts)| facts.parameters.kind() == kind)
}

/// The largest of the video streams, or the first one.
fn find_video(demuxer: &Demuxer, name: &str, is_first: bool) -> Result<Track, AvError> {
    let pixels = |facts: &StreamFacts| {
        let (width, height) = facts.parameters.claimed_size();
        if is_first {
            0
        } else {
            i64::from(width) * i64::from(height)
        }
    };
    let best = streams(demuxer, MediaKind::Video)
        .filter(|(_, facts)| !facts.is_cover)
        .max_by_key(|(index, facts)| (pixels(facts), std::cmp::Reverse(*index)));
    let Some((index, facts)) = best else {
        let sound = streams(demuxer, MediaKind::Audio).next().is_some();
        let what = if sound { "sound" } else { "data" };
        return Err(AvError::SourceNoVideo {
            name: name.to_owned(),
            what,
        });
    };
    if facts.parameters.size().is_none() {
        return Err(match facts.parameters.claimed_size() {
            (0, _) | (_, 0) => AvError::SourceEmpty {
                name: name.to_owned(),
                what: "holds no picture that can be decoded",
            },
            size => AvError::too_large(name)(size),
        });
    }
    Track::new(index, facts).ok_or(AvError::SourceOpen {
        name: name.to_owned(),
        fault: Fault::INVALID,
    })
}

/// The first audio stream that can be played at all.
fn find_audio(demuxer: &Demuxer) -> Option<Track> {
    streams(demuxer, MediaKind::Audio)
        .find(|(_, facts)| facts.parameters.sample_rate() > 0 && facts.parameters.channels() > 0)
        .and_then(|(index, facts)| Track::new(index, facts))
}

fn claim(demuxer: &Demuxer, video: &Track, kept: usize) -> Claim {
    let all_are_read = kept == demuxer.stream_count() && demuxer.duration_is_read();
    let seconds = if all_are_read && !demuxer.is_discontinuous() {
        demuxer.duration()
    } else {
        None
    };
    Claim {
        packets: video.facts.packets.filter(|_| demuxer.counts_are_exact()),
        seconds,
    }
}

fn places(demuxer: &Demuxer, video: &Track, audio: Option<&Track>, start: f64) -> Places {
    let first = video.facts.start.unwrap_or(0);
    if demuxer.is_discontinuous() {
        let base = (start > 0.0).then(|| {
            let seconds = video.time_base.seconds(Pts(first)) + start;
            -TimeBase::MPEG.at(seconds).0
        });
        debug_assert_eq!(timeline::RATE, i64::from(TimeBase::MPEG.den()));
        return Places::Jumping(Box::new(Timeline::new(base)));
    }
    let offset = if start > 0.0 {
        -first.saturating_add(video.time_base.at(start).0)
    } else {
        first.min(0).saturating_neg()
    };
    let sound = audio.map_or(0, |audio| {
        video.time_base.rescale(Pts(offset), audio.time_base).0
    });
    Places::Fixed([offset, sound])
}

/// Goes to the keyframe before the start. Where that fails everything is read and left out.
fn seek(demuxer: &mut Demuxer, video: &Track, start: f64) {
    let margin = if demuxer.is_discontinuous() {
        SEEK_MARGIN_SECS
    } else {
        0.0
    };
    let first = video.facts.start.unwrap_or(0);
    let target = first.saturating_add(video.time_base.at((start - margin).max(0.0)).0);
    let _sought = demuxer.seek(video.index, target);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_and_digits_of_a_name_are_a_hint() {
        assert_eq!(extension("clip.MP4"), "mp4");
        assert_eq!(extension("a/b.c/clip"), "cclip");
        assert_eq!(extension("clip.%d../x"), "x");
        assert_eq!(extension("clip"), "");
    }
}
