//! Makes a test source: marked pictures, and a flash and a beep every second.

use std::{
    fs,
    io::{self, BufWriter, PipeReader, PipeWriter, Write},
    num::NonZeroU32,
    os::fd::AsRawFd,
    path::Path,
    process::Stdio,
    thread,
};

use rustix::io::{FdFlags, fcntl_setfd};

use crate::{
    mark::{self, COUNTERS, Size},
    paint::Painter,
    timeline::{Flash, Rate, Timeline},
    tone::{Beeper, DRAWN_RATE_HZ, samples_in},
    tool::{Progress, Tool, ToolError},
};

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Length.
    pub seconds: f64,
    /// Nominal pictures a second.
    pub rate: Rate,
    /// Width and height, even.
    pub size: Size,
    /// Whether there is sound.
    pub sound: bool,
    /// Whether distances between pictures vary.
    pub vfr: bool,
    /// No B-frames and no lookahead, as cameras encode.
    pub live: bool,
    /// Tells this source from others, in every picture.
    pub tag: u8,
}

impl Default for Source {
    /// Ten seconds, 30 a second, 640×360, with sound.
    fn default() -> Self {
        let one = NonZeroU32::MIN;
        Self {
            seconds: 10.0,
            rate: Rate {
                pictures: one.saturating_add(29),
                seconds: one,
            },
            size: (640, 360),
            sound: true,
            vfr: false,
            live: false,
            tag: 0,
        }
    }
}

/// Why a source could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// Sides must be even and hold the mark.
    #[error("cannot draw {0}×{1} pictures; both sides must be even, 32 to 8192")]
    Size(u32, u32),
    /// The counter has 24 bits.
    #[error("cannot count {0} pictures; one at least, {COUNTERS} at most")]
    Length(u32),
    /// The file name's extension chooses the container.
    #[error("cannot write `{0}`; use .mp4, .mkv, .mov, .ts or .webm")]
    Container(String),
    /// FFmpeg did not do it.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Pictures or sound could not be handed over.
    #[error("cannot hand pictures and sound to `ffmpeg`: {0}")]
    Pipe(#[source] io::Error),
}

impl Source {
    /// When pictures are shown.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        Timeline::new(self.seconds, self.rate, self.vfr)
    }

    /// Draws, encodes and writes the source to `output`; the extension chooses the container.
    ///
    /// # Errors
    ///
    /// If the source cannot be drawn, or FFmpeg fails; then no file stays.
    pub fn make(&self, output: &Path) -> Result<(), MakeError> {
        let timeline = self.timeline();
        let (width, height) = self.size;
        let drawable = |side: u32| side.is_multiple_of(2) && (32..=8192).contains(&side);
        if !drawable(width) || !drawable(height) {
            return Err(MakeError::Size(width, height));
        }
        if timeline.frames == 0 || timeline.frames > COUNTERS {
            return Err(MakeError::Length(timeline.frames));
        }
        let result = self.encode(output, &timeline);
        if result.is_err() {
            // What is there is broken, and may not be there at all.
            drop(fs::remove_file(output));
        }
        result
    }

    fn encode(&self, output: &Path, timeline: &Timeline) -> Result<(), MakeError> {
        let flashes = timeline.flashes();
        let (reader, writer) = io::pipe().map_err(MakeError::Pipe)?;
        let arguments = self.arguments(output, timeline, &reader)?;
        if self.sound {
            // The child inherits this end, and this end only.
            fcntl_setfd(&reader, FdFlags::empty())
                .map_err(|error| MakeError::Pipe(error.into()))?;
        }
        let subject = output.display().to_string();
        let mut tool = Tool::start("ffmpeg", &subject, &arguments, Stdio::piped(), |_| false)?;
        drop(reader);
        let pictures = tool.stdin.take().expect("stdin is piped");
        let progress = tool.progress();
        let drawn = thread::scope(|scope| {
            let sound = self.sound.then(|| {
                let flashes = flashes.clone();
                scope.spawn(|| self.sound_into(writer, flashes))
            });
            let pictures = self.pictures_into(pictures, timeline, &flashes, &progress);
            let sound = sound.map_or(Ok(()), |sound| {
                sound.join().unwrap_or(Err(io::ErrorKind::Other.into()))
            });
            pictures.and(sound)
        });
        // FFmpeg's own words explain more than the broken pipe that follows from them.
        tool.succeed()?;
        drawn.map_err(MakeError::Pipe)
    }

    fn pictures_into(
        &self,
        mut pipe: impl Write,
        timeline: &Timeline,
        flashes: &[Flash],
        progress: &Progress,
    ) -> io::Result<()> {
        let mut painter = Painter::new(self.size);
        let mut picture = Vec::new();
        let lasting = timeline.flash_frames();
        let mut flashes = flashes.iter().peekable();
        for counter in 0..timeline.frames {
            flashes.next_if(|flash| counter >= flash.counter + lasting);
            let flash = flashes.peek().is_some_and(|flash| counter >= flash.counter);
            painter.paint(
                &mut picture,
                counter,
                &mark::cells(self.tag, counter, flash),
            );
            pipe.write_all(&picture)?;
            progress.tick();
        }
        Ok(())
    }

    fn sound_into(&self, pipe: PipeWriter, flashes: Vec<Flash>) -> io::Result<()> {
        let mut beeper = Beeper::new(flashes);
        let mut pipe = BufWriter::new(pipe);
        for _ in 0..samples_in(self.seconds) {
            pipe.write_all(&beeper.draw().to_le_bytes())?;
        }
        pipe.flush()
    }

    fn arguments(
        &self,
        output: &Path,
        timeline: &Timeline,
        sound: &PipeReader,
    ) -> Result<Vec<String>, MakeError> {
        let (width, height) = self.size;
        let (pictures, seconds) = (self.rate.pictures, self.rate.seconds);
        let mut arguments = words("-hide_banner -nostdin -nostats -loglevel level+warning -y");
        arguments.extend(words(&format!(
            "-f rawvideo -pix_fmt yuv420p -s {width}x{height} -framerate {pictures}/{seconds} -i pipe:0"
        )));
        if self.sound {
            let pipe = sound.as_raw_fd();
            arguments.extend(words(&format!(
                "-f s16le -ar {DRAWN_RATE_HZ} -ac 1 -i pipe:{pipe} -map 0:v -map 1:a"
            )));
        }
        // One tick is half an interval, so that uneven positions are exact.
        let tick = format!("{seconds}/{}", u64::from(pictures.get()) * 2);
        let position = timeline.expression();
        arguments.push("-vf".to_owned());
        arguments.push(format!("settb={tick},setpts='{position}'"));
        arguments.extend(words(&format!(
            "-fps_mode passthrough -enc_time_base:v {tick}"
        )));
        let extension = output.extension().and_then(|extension| extension.to_str());
        let (video, audio) = match extension {
            Some("mp4" | "mkv" | "mov" | "ts") => (self.h264(), "aac -b:a 96k"),
            Some("webm") => (
                "libvpx -deadline realtime -cpu-used 8 -b:v 1M".to_owned(),
                "libopus -b:a 96k",
            ),
            _ => return Err(MakeError::Container(output.display().to_string())),
        };
        // Two seconds.
        let group = (pictures.get() / seconds.get()).max(1) * 2;
        arguments.extend(words(&format!("-c:v {video} -g {group} -pix_fmt yuv420p")));
        if self.sound {
            arguments.extend(words(&format!("-c:a {audio}")));
        }
        if self.live && extension == Some("ts") {
            // Each piece of sound is a PES of its own, so that it can go out when it is due.
            arguments.extend(words("-pes_payload_size 0"));
        }
        arguments.push(file_argument(output));
        Ok(arguments)
    }

    fn h264(&self) -> String {
        let kind = if self.live {
            "-tune zerolatency"
        } else {
            "-bf 2"
        };
        format!("libx264 -preset superfast -crf 26 {kind}")
    }
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

/// A path as FFmpeg takes it: never an option, never a protocol.
pub(crate) fn file_argument(path: &Path) -> String {
    format!("file:{}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_drawn_is_refused_before_anything_starts() {
        let odd = Source {
            size: (321, 240),
            ..Source::default()
        };
        assert!(matches!(
            odd.make(Path::new("x.mp4")),
            Err(MakeError::Size(321, 240))
        ));
        let empty = Source {
            seconds: 0.0,
            ..Source::default()
        };
        assert!(matches!(
            empty.make(Path::new("x.mp4")),
            Err(MakeError::Length(0))
        ));
        let unknown = Source::default();
        assert!(matches!(
            unknown.make(Path::new("x.avi")),
            Err(MakeError::Container(_))
        ));
    }
}
