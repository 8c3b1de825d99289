//! A generated source: pictures and sound out of FFmpeg's generators.

use framerill_media::{Pts, TimeBase};

use crate::{
    error::AvError,
    ffi::{Fault, Frame, Graph, Packet, Parameters},
    lavfi,
    source::{End, Raw},
};

/// Open generators.
pub(crate) struct GeneratedSource {
    graph: String,
    pictures: Line,
    sound: Option<Line>,
}

struct Line {
    graph: Graph,
    time_base: TimeBase,
    /// The frame that comes next; none before the first and after the last.
    waiting: Option<Frame>,
    ended: bool,
}

impl GeneratedSource {
    /// Checks and opens what is described.
    pub(crate) fn open(described: &str, audio: bool) -> Result<Self, AvError> {
        let checked = lavfi::check(described)?;
        let failed = |fault| AvError::Generate {
            graph: described.to_owned(),
            fault,
        };
        let pictures = Graph::pictures(&checked.pictures)
            .and_then(Line::new)
            .map_err(failed)?;
        let sound = match checked.sound.filter(|_| audio) {
            Some(chain) => {
                let chain = format!("{chain},aformat=sample_fmts=s16:channel_layouts=mono|stereo");
                Some(Graph::sound(&chain).and_then(Line::new).map_err(failed)?)
            }
            None => None,
        };
        let mut source = Self {
            graph: described.to_owned(),
            pictures,
            sound,
        };
        source.pictures.fill().map_err(failed)?;
        Ok(source)
    }

    /// The first picture, which shows size, format and colours.
    pub(crate) fn first(&self) -> Result<&Frame, AvError> {
        let name = || format!("lavfi:{}", self.graph);
        let empty = || AvError::SourceEmpty {
            name: name(),
            what: "makes no picture",
        };
        self.pictures.waiting.as_ref().ok_or_else(empty)
    }

    /// The length of a tick of the pictures' pts.
    pub(crate) fn time_base(&self) -> TimeBase {
        self.pictures.time_base
    }

    /// Pictures a second.
    pub(crate) fn rate(&self) -> Option<(u32, u32)> {
        self.pictures.graph.rate()
    }

    /// The sound as packets of samples, and the length of a tick of their times.
    pub(crate) fn sound(&self) -> Option<(Parameters, TimeBase)> {
        let line = self.sound.as_ref()?;
        let (rate, channels) = line.graph.sound_format();
        Some((Parameters::pcm_s16(rate, channels), line.time_base))
    }

    /// What comes next, pictures and sound by their times.
    pub(crate) fn next(&mut self) -> Result<Raw, AvError> {
        let failed = |fault| AvError::Generate {
            graph: self.graph.clone(),
            fault,
        };
        self.pictures.fill().map_err(failed)?;
        if let Some(sound) = &mut self.sound {
            sound.fill().map_err(failed)?;
            if sound.is_before(&self.pictures)
                && let Some(frame) = sound.waiting.take()
            {
                return packet(&frame, sound).map(Raw::Audio).map_err(failed);
            }
        }
        match self.pictures.waiting.take() {
            Some(frame) => {
                let pts = frame.pts().unwrap_or(0);
                Ok(Raw::Picture {
                    frame,
                    pts,
                    is_timed: true,
                    jumped: false,
                })
            }
            None => Ok(Raw::End(End::default())),
        }
    }
}

impl Line {
    fn new(graph: Graph) -> Result<Self, Fault> {
        let (num, den) = graph.time_base();
        let time_base = TimeBase::new(num, den).map_err(|_| Fault::INVALID)?;
        Ok(Self {
            graph,
            time_base,
            waiting: None,
            ended: false,
        })
    }

    fn fill(&mut self) -> Result<(), Fault> {
        if self.waiting.is_none() && !self.ended {
            let mut frame = Frame::new();
            self.ended = !self.graph.next(&mut frame)?;
            self.waiting = (!self.ended).then_some(frame);
        }
        Ok(())
    }

    /// Seconds of the frame that comes next; endless after the last.
    fn seconds(&self) -> f64 {
        let pts = |frame: &Frame| self.time_base.seconds(Pts(frame.pts().unwrap_or(0)));
        self.waiting.as_ref().map_or(f64::INFINITY, pts)
    }

    fn is_before(&self, other: &Self) -> bool {
        // Sound that goes on after the last picture ends with it: a generator may be endless.
        other.waiting.is_some() && self.seconds() <= other.seconds()
    }
}

fn packet(frame: &Frame, line: &Line) -> Result<Packet, Fault> {
    let (_, channels) = line.graph.sound_format();
    let bytes = frame.sample_count() * channels as usize * 2;
    let mut packet = Packet::from_bytes(frame.first_plane(bytes))?;
    packet.set_times(frame.pts(), frame.pts());
    packet.set_duration(i64::try_from(frame.sample_count()).unwrap_or(0));
    Ok(packet)
}
