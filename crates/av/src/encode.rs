//! A worker's pictures into packets.

use framerill_frames::{
    Foreign,
    convert::{self, Range},
};
use framerill_media::{Caps, PixelFormat, Pts, Size, TimeBase};
use framerill_worker::message::{Container, VideoPlan};

use crate::{
    error::AvError,
    ffi::{
        Colour, Encoder, Fault, Format, Frame, Packet, Parameters, Side, SideRange, Swscale,
        VideoSpec, encoder_exists, encoder_formats,
    },
    kept::Kept,
    mux,
    scale::side_of,
};

/// Seconds from one keyframe to the next at most: what is lost when a recording is cut off.
const KEYFRAME_SECS: u32 = 2;
/// Pictures from one keyframe to the next at most where times ask for them: never reached at up to 300 pictures a second.
const LIVE_GOP: u32 = 600;
/// Encoding threads at most; each holds pictures of its own.
const MOST_THREADS: usize = 4;
/// Frames a second where the source says nothing.
const USUAL_RATE: (u32, u32) = (30, 1);
/// The presets that x264 and x265 know.
const PRESETS: &[&str] = &[
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

/// What is encoded.
pub(crate) struct VideoParams {
    /// Pixels.
    pub(crate) size: Size,
    /// The length of a tick of the pts.
    pub(crate) time_base: TimeBase,
    /// Pictures a second, an average.
    pub(crate) rate: Option<(u32, u32)>,
    /// Width of a pixel to its height.
    pub(crate) pixel_aspect: Option<(u32, u32)>,
    /// The source's, which the output keeps.
    pub(crate) colour: Colour,
    /// Keyframes stand where the times ask for them and nowhere else, whatever the rate turns out to be.
    pub(crate) is_live: bool,
}

impl VideoParams {
    /// Another size. Pixels keep their aspect where the picture does.
    pub(crate) fn resize(&mut self, size: Size) {
        let across = u64::from(self.size.width()) * u64::from(size.height());
        let down = u64::from(self.size.height()) * u64::from(size.width());
        self.pixel_aspect.take_if(|_| across != down);
        self.size = size;
    }
}

/// Encodes the pictures of one stream.
pub(crate) struct VideoEncoder {
    name: String,
    encoder: Encoder,
    frame: Frame,
    to: Side,
    swscale: Kept<(Side, Side), Swscale>,
    packet: Packet,
    keyframe_every: i64,
    last_keyframe: Option<i64>,
    interval: i64,
    floats: Vec<f32>,
    raw: Vec<u8>,
    bytes: Vec<u8>,
}

impl VideoEncoder {
    /// The plan's encoder, or the container's usual one.
    pub(crate) fn open(
        params: &VideoParams,
        plan: &VideoPlan,
        container: Container,
        global_header: bool,
    ) -> Result<Self, AvError> {
        let name = plan
            .codec
            .clone()
            .unwrap_or_else(|| usual_encoder(container).to_owned());
        if !encoder_exists(&name) {
            return Err(AvError::EncoderMissing { name });
        }
        let mut settings = settings(&name, plan)?;
        if container == Container::Segments && name == "libx264" {
            // Who watches waits for each picture: none is held for threads or for what comes after it.
            settings.push(("tune", "zerolatency".to_owned()));
        }
        if params.is_live && name == "libx264" {
            let own = "sync-lookahead=0:scenecut=0:sliced-threads=1";
            settings.retain(|(option, _)| *option != "x264-params");
            settings.push(("x264-params", own.to_owned()));
            settings.push(("profile", "high".to_owned()));
        }
        let options: Vec<(&str, &str)> = settings
            .iter()
            .map(|(option, value)| (*option, value.as_str()))
            .collect();
        let format = choose_format(&name, params.size);
        let rate = params.rate.unwrap_or(USUAL_RATE);
        let colour = params.colour.encoded();
        let encoder = Encoder::video(&VideoSpec {
            name: &name,
            size: params.size,
            format,
            time_base: (params.time_base.num(), params.time_base.den()),
            rate: Some(rate),
            gop: if params.is_live { LIVE_GOP } else { gop(rate) },
            b_frames: b_frames(container, plan),
            pixel_aspect: params.pixel_aspect,
            colour,
            global_header,
            threads: threads(),
            options: &options,
        })
        .map_err(|fault| AvError::Encode {
            name: name.clone(),
            what: fault.to_string(),
        })?;
        let frame = Frame::picture(format, params.size).map_err(|fault| AvError::Internal {
            step: "make a picture",
            fault,
        })?;
        let (_, is_full) = format.without_range();
        let range = if is_full || format.is_rgb() {
            SideRange::Full
        } else {
            SideRange::Limited
        };
        Ok(Self {
            name,
            encoder,
            frame,
            to: Side {
                format,
                size: params.size,
                range,
                colour,
            },
            swscale: Kept::new(),
            packet: Packet::new(),
            keyframe_every: params.time_base.at(f64::from(KEYFRAME_SECS)).0.max(1),
            last_keyframe: None,
            interval: params
                .time_base
                .at(f64::from(rate.1) / f64::from(rate.0))
                .0
                .max(1),
            floats: Vec::new(),
            raw: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// FFmpeg's name of the encoder.
    pub(crate) fn name(&self) -> &str {
        &self.name
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

    /// Puts a picture in. `pixels` may change meanwhile.
    pub(crate) fn push(
        &mut self,
        pixels: Foreign<'_>,
        caps: Caps,
        pts: Pts,
    ) -> Result<(), AvError> {
        let converted = self.convert(pixels, caps);
        converted.map_err(|fault| AvError::Internal {
            step: "convert a picture",
            fault,
        })?;
        self.frame.set_pts(pts.0);
        self.frame.set_colour(self.to.colour);
        let is_due = self
            .last_keyframe
            .is_none_or(|last| pts.0.saturating_sub(last) >= self.keyframe_every);
        if is_due {
            self.last_keyframe = Some(pts.0);
        }
        self.frame.set_keyframe(is_due);
        self.encoder
            .send(Some(&self.frame))
            .map_err(|fault| self.failed(fault))
    }

    /// The next picture is a keyframe.
    pub(crate) fn ask_for_keyframe(&mut self) {
        self.last_keyframe = None;
    }

    /// No more pictures come.
    pub(crate) fn finish(&mut self) -> Result<(), AvError> {
        self.encoder.send(None).map_err(|fault| self.failed(fault))
    }

    /// The next packet; none when a picture has to come first, or after the last.
    pub(crate) fn pull(&mut self) -> Result<Option<&mut Packet>, AvError> {
        match self.encoder.receive(&mut self.packet) {
            Ok(true) => {
                if self.packet.duration() == 0 {
                    self.packet.set_duration(self.interval);
                }
                Ok(Some(&mut self.packet))
            }
            Ok(false) => Ok(None),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    fn convert(&mut self, pixels: Foreign<'_>, caps: Caps) -> Result<(), Fault> {
        self.frame.make_writable()?;
        let from = side_of(caps, self.to.colour);
        let swscale = self
            .swscale
            .get((from, self.to), |(from, to)| Swscale::new(from, to))?;
        if caps.format != PixelFormat::RgbF32 {
            return swscale.bytes_to_frame(pixels, &mut self.frame);
        }
        self.raw.resize(caps.picture_bytes(), 0);
        pixels.copy_to(0, &mut self.raw);
        self.floats.clear();
        self.floats.extend(
            self.raw
                .as_chunks::<4>()
                .0
                .iter()
                .map(|four| f32::from_le_bytes(*four)),
        );
        self.bytes.resize(self.floats.len(), 0);
        convert::f32_to_u8(&self.floats, &mut self.bytes, Range::UNIT);
        swscale.bytes_to_frame(Foreign::from(&self.bytes[..]), &mut self.frame)
    }

    fn failed(&self, fault: Fault) -> AvError {
        AvError::Encode {
            name: self.name.clone(),
            what: fault.to_string(),
        }
    }
}

/// Pictures from one keyframe to the next.
fn gop(rate: (u32, u32)) -> u32 {
    let pictures = u64::from(KEYFRAME_SECS) * u64::from(rate.0);
    let pictures = pictures.div_ceil(u64::from(rate.1.max(1)));
    u32::try_from(pictures.clamp(1, 600)).unwrap_or(600)
}

/// MPEG-TS cannot say the times before 0 at which B-frames make decoding begin. For the fastest presets they save 3 % of
/// the file and hold 11 MB of pictures (512x512), so that they are left out; slower presets decide themselves.
fn b_frames(container: Container, plan: &VideoPlan) -> Option<u32> {
    let is_fast = matches!(plan.preset.as_str(), "ultrafast" | "superfast" | "veryfast");
    (mux::is_transport_stream(container) || is_fast).then_some(0)
}

fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS)
}

/// What a container is usually filled with.
fn usual_encoder(container: Container) -> &'static str {
    match container {
        Container::Mp4 | Container::Matroska | Container::Mpegts | Container::Segments => "libx264",
        Container::Webm => "libvpx-vp9",
    }
}

/// An encoder's own options.
fn settings(name: &str, plan: &VideoPlan) -> Result<Vec<(&'static str, String)>, AvError> {
    let crf = plan.crf;
    if crf > 51 {
        let what = format!("crf {crf} is out of range: 0 (best) to 51");
        return Err(AvError::Encode {
            name: name.to_owned(),
            what,
        });
    }
    match name {
        "libx264" | "libx265" => {
            if !PRESETS.contains(&plan.preset.as_str()) {
                let what = format!(
                    "no preset `{}`; there are {}",
                    plan.preset,
                    PRESETS.join(", ")
                );
                return Err(AvError::Encode {
                    name: name.to_owned(),
                    what,
                });
            }
            let own = if name == "libx264" {
                // Keyframes that are asked for are ones to begin at; no pictures are held for a lookahead thread.
                vec![
                    ("forced-idr", "1".to_owned()),
                    ("x264-params", "sync-lookahead=0".to_owned()),
                ]
            } else {
                vec![
                    ("forced-idr", "1".to_owned()),
                    ("x265-params", "log-level=none".to_owned()),
                ]
            };
            let shared = [("preset", plan.preset.clone()), ("crf", crf.to_string())];
            Ok(shared.into_iter().chain(own).collect())
        }
        // crf is x264's; libvpx counts to 63 and needs a bit rate that does not bind. At these speeds each costs about as
        // much as x264's `superfast`. VP9 holds 30 MB more than VP8 for files that are a third smaller and better.
        "libvpx" => Ok(vec![
            ("deadline", "realtime".to_owned()),
            ("cpu-used", "16".to_owned()),
            ("crf", (4 + crf * 59 / 51).to_string()),
            ("b", "8M".to_owned()),
            ("lag-in-frames", "0".to_owned()),
        ]),
        "libvpx-vp9" => Ok(vec![
            ("deadline", "realtime".to_owned()),
            ("cpu-used", "8".to_owned()),
            ("row-mt", "1".to_owned()),
            ("crf", (4 + crf * 59 / 51).to_string()),
            ("b", "0".to_owned()),
            ("lag-in-frames", "0".to_owned()),
        ]),
        "libsvtav1" => Ok(vec![
            ("preset", "12".to_owned()),
            ("crf", (crf * 63 / 51).to_string()),
        ]),
        "mpeg4" => Ok(vec![("qscale", "4".to_owned())]),
        _ => Ok(Vec::new()),
    }
}

/// 4:2:0, which every player takes. x264 and others cannot halve an odd side: there the chroma is kept whole, so that the
/// output is as large as what the worker sees.
fn choose_format(name: &str, size: Size) -> Format {
    let offered = encoder_formats(name);
    let is_even = size.width().is_multiple_of(2) && size.height().is_multiple_of(2);
    let takes_odd = name.starts_with("libvpx");
    let wanted: &[Format] = if is_even || takes_odd {
        &[Format::YUV420P, Format::NV12, Format::YUV444P]
    } else {
        &[Format::YUV444P, Format::YUV420P, Format::NV12]
    };
    let first = wanted
        .iter()
        .find(|format| offered.is_empty() || offered.contains(format));
    first
        .or(offered.first())
        .copied()
        .unwrap_or(Format::YUV420P)
}
