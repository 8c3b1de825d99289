//! The messages of the child protocol. `schema/child-protocol.md` is their reference page.

mod base;
mod excerpt;
mod latencies;
mod live;
mod reader;
mod requests;
mod source;

use framerill_media::{PixelFormat, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use base::BaseValues;
pub use excerpt::{
    ClipPlan, DrawnBox, ExcerptPlan, ExcerptStats, PictureFile, PictureStats, PicturesPlan, Place,
    StillFormat, StillPlan,
};
pub use latencies::Latencies;
pub use live::{LivePlan, Resume};
pub use reader::{Beside, ReaderPlan, ReaderStats, ReaderStatus};
pub use source::{MAX_PLACES, SourceAudio, SourceInfo, Taken, TakenAt};

/// The protocol's version; a child says it in `hello`.
pub const PROTOCOL: u32 = 1;
/// The longest message of a child in bytes: its parent believes it nothing.
pub const MAX_MESSAGE: usize = 1 << 20;
/// The longest request of a parent in bytes: parameters may hold pictures and graphs (runner contract §12, D20).
pub const MAX_REQUEST: usize = 24 << 20;
/// The most descriptors that one message carries.
pub const MAX_FDS: usize = 8;

/// From a parent to its child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToChild {
    /// What is this pipeline? Loads no model.
    Describe {
        /// Echoed in the answer.
        id: u64,
        /// Name, `FILE.py` or `module:Class`.
        pipeline: String,
    },
    /// Begin: load the pipeline, or open source and sink.
    Load {
        /// Echoed in the answer.
        id: u64,
        /// Worker: which pipeline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pipeline: Option<String>,
        /// Worker: its parameters.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        params: Map<String, Value>,
        /// Worker: the stream's own parameters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<Box<BaseValues>>,
        /// Media: what to open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media: Option<Box<MediaPlan>>,
        /// Descriptors that come with this message.
        #[serde(default, skip_serializing_if = "is_zero")]
        fds: u32,
    },
    /// Change parameters.
    Update {
        /// Echoed in the answer.
        id: u64,
        /// The keys that change.
        params: Map<String, Value>,
        /// They are all: what is missing has its default again.
        #[serde(default, skip_serializing_if = "is_false")]
        replace: bool,
        /// Worker: the stream's own parameters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<Box<BaseValues>>,
        /// Say whether they would be taken, and change nothing.
        #[serde(default, skip_serializing_if = "is_false")]
        check: bool,
        /// Worker: the size of its stream's pictures, which they are to keep; parameters that change it are refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_size: Option<Size>,
    },
    /// Join a stream over the frame link that comes with this message.
    Attach {
        /// Echoed in the answer.
        id: u64,
        /// The stream's name.
        stream: String,
        /// Counts the workers of this stream from 1.
        incarnation: u32,
        /// Media: the worker's pixel format.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<PixelFormat>,
        /// Media: how many frames beyond the one at work the worker may hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<u32>,
        /// Media: how many frames the worker begins at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<u32>,
        /// Worker: the request that the stream belongs to, as its caller names it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        request_id: String,
        /// Worker: the size of its pictures, where it is known; else the one that its parameters ask for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_size: Option<Size>,
        /// Worker: the stream is live. A frame that the pipeline fails with is told and skipped, and the worker goes on.
        #[serde(default, skip_serializing_if = "is_false")]
        live: bool,
        /// Descriptors that come with this message.
        #[serde(default, skip_serializing_if = "is_zero")]
        fds: u32,
    },
    /// Leave a stream.
    Detach {
        /// Echoed in the answer.
        id: u64,
        /// The stream's name.
        stream: String,
        /// Media: the worker is well, and what it has not answered goes to the next one, its oldest frame, too.
        #[serde(default, skip_serializing_if = "is_false")]
        keep: bool,
    },
    /// Forget what is held of a stream.
    Flush {
        /// Echoed in the answer.
        id: u64,
        /// The stream's name.
        stream: String,
    },
    /// Finish what was accepted, say `drained`, exit.
    Drain {
        /// Echoed in the answer.
        id: u64,
    },
    /// Exit at once.
    Bye,
}

/// From a child to its parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromChild {
    /// The first message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// What the child does.
        role: Role,
        /// Program.
        name: String,
        /// Program's version.
        version: String,
        /// `rust` or `python`.
        language: String,
        /// As the child sees itself.
        pid: u32,
    },
    /// Answers `describe`.
    Description {
        /// The request's.
        id: u64,
        /// What it is.
        description: Box<Description>,
    },
    /// Answers `load`; also ends a reload.
    Ready {
        /// The request's.
        id: u64,
        /// Worker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<Box<Description>>,
        /// Media.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Box<SourceInfo>>,
    },
    /// Media: what a live source turned out to be, at its first picture and whenever that changes.
    Source {
        /// As in `ready`.
        source: Box<SourceInfo>,
    },
    /// The parameters hold from the next frame on.
    Applied {
        /// The request's.
        id: u64,
        /// Worker: the size of pictures under these parameters, where it can be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_size: Option<Size>,
    },
    /// The parameters need a reload; `ready` follows.
    Reloading {
        /// The request's.
        id: u64,
    },
    /// The parameters break rules; nothing changed.
    Rejected {
        /// The request's.
        id: u64,
        /// Each rule that is broken.
        problems: Vec<Problem>,
    },
    /// Answers `attach`.
    Attached {
        /// The request's.
        id: u64,
        /// The stream's name.
        stream: String,
        /// As in the request.
        incarnation: u32,
    },
    /// Answers `detach`, or tells that the frame link ended.
    Detached {
        /// The request's; none when the child began it.
        id: Option<u64>,
        /// The stream's name.
        stream: String,
        /// Which link ended.
        incarnation: u32,
        /// Media: frames lost with the worker.
        #[serde(default)]
        held: Vec<HeldFrame>,
        /// Media: frames that go to the next incarnation.
        #[serde(default)]
        requeued: u32,
    },
    /// Answers `flush`.
    Flushed {
        /// The request's.
        id: u64,
        /// The stream's name.
        stream: String,
    },
    /// The process is alive.
    Heartbeat {
        /// Counts from 0.
        seq: u64,
        /// Declared long work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        busy: Option<String>,
    },
    /// Counters.
    Stats {
        /// Media's, or a worker's own.
        stats: Value,
    },
    /// A line for the log.
    Log {
        /// How grave.
        level: Level,
        /// The line.
        message: String,
    },
    /// A request failed, or the child did.
    Error(ErrorReport),
    /// Media: the stream ended by itself and the sink is complete.
    Done {
        /// Final counters.
        stats: Box<MediaStats>,
    },
    /// Answers `drain`; the child exits next.
    Drained {
        /// The request's.
        id: u64,
        /// Media: final counters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stats: Option<Box<MediaStats>>,
    },
    /// Last words before an exit that the child chose.
    Bye {
        /// Why.
        reason: String,
    },
}

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decodes and encodes.
    Media,
    /// Runs a pipeline.
    Worker,
    /// Fetches packets from a network.
    Fetch,
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Worth knowing.
    Info,
    /// For those who look for a fault.
    Debug,
}

/// What happens to frames while the worker is busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkPolicy {
    /// The source waits.
    #[default]
    Block,
    /// One slot; the newest wins, what it replaces is counted as dropped. A live burst waits for a fast worker first.
    Latest,
}

/// What appears at the output where no finished picture is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EgressMode {
    /// Finished pictures only.
    #[default]
    Strict,
    /// Every input pts appears; finished pixels at their own pts.
    Fill,
    /// The newest finished picture at each input pts.
    Hold,
    /// The live runner's default: `strict` while the worker is well; fillers while it is late, reloading or gone.
    Live,
}

/// The picture that fills in for one that nobody finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FillerPicture {
    /// The last finished one; an overlay over it after [`LivePlan::overlay_after`].
    #[default]
    LastGood,
    /// The input's own.
    Original,
    /// An overlay at once.
    Overlay,
}

/// A parameter that breaks a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Which parameter; dots between levels.
    pub field: String,
    /// The rule, e.g. `maximum 1.0`.
    pub rule: String,
    /// What was given.
    pub value: Value,
    /// One sentence for a person.
    pub message: String,
}

/// Why a request, or a child, failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorReport {
    /// The request's; none when nobody asked.
    pub id: Option<u64>,
    /// One of the codes of the reference page.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// With code `params`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Whole, as the language prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// The child exits next.
    #[serde(default)]
    pub fatal: bool,
}

/// What a pipeline is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Description {
    /// Short name.
    pub name: String,
    /// One line.
    pub summary: String,
    /// `rust` or `python`.
    pub language: String,
    /// JSON Schema of the parameters.
    pub params_schema: Value,
    /// The parameters when none are given.
    #[serde(default)]
    pub defaults: Map<String, Value>,
    /// What it wants to see.
    #[serde(default)]
    pub pixel_format: PixelFormat,
    /// How many frames beyond the one at work it may hold.
    #[serde(default = "default_history")]
    pub history: u32,
    /// Whether it wants sound.
    #[serde(default)]
    pub audio: bool,
    /// Whether one instance may serve several streams.
    #[serde(default)]
    pub shareable: bool,
    /// Seconds without an output after which it counts as hung.
    #[serde(default = "default_max_frame_time")]
    pub max_frame_time: f64,
    /// How many frames it takes at once, at most.
    #[serde(default = "default_batch", skip_serializing_if = "is_one")]
    pub batch_size: u32,
    /// Whether it answers on its own time: frames are taken in, and outputs matched by their time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub decoupled: bool,
    /// Whether it wants the initial parameters once more whenever it is idle.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reapplies_initial: bool,
    /// What `load` takes to get it.
    #[serde(default)]
    pub target: String,
    /// Where it comes from.
    #[serde(default)]
    pub origin: String,
}

/// What media opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MediaPlan {
    /// Where pictures come from.
    pub source: Source,
    /// Where they go; none to throw them away.
    pub sink: Option<Sink>,
    /// Centre crop to this aspect, then scale; none keeps the source's.
    #[serde(default)]
    pub size: Option<Size>,
    /// With a live source: what the sink holds, where it is another size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_size: Option<Size>,
    /// Frames a second as a fraction; none keeps the source's.
    #[serde(default)]
    pub fps: Option<[u32; 2]>,
    /// Seconds to leave out at the beginning.
    #[serde(default)]
    pub start: f64,
    /// Seconds to take.
    #[serde(default)]
    pub duration: Option<f64>,
    /// Frames come at the pace of their pts.
    #[serde(default)]
    pub realtime: bool,
    /// What appears where no finished picture is.
    #[serde(default)]
    pub egress: EgressMode,
    /// What happens to frames while the worker is busy.
    #[serde(default)]
    pub policy: LinkPolicy,
    /// Carry the sound over.
    #[serde(default = "default_true")]
    pub audio: bool,
    /// How pictures are encoded.
    #[serde(default)]
    pub video: VideoPlan,
    /// How sound is encoded.
    #[serde(default)]
    pub sound: SoundPlan,
    /// With a pipe as the source: how a live stream is kept going.
    #[serde(default)]
    pub live: Option<Box<LivePlan>>,
    /// Index of the descriptor that receives the before/after picture (PNG).
    #[serde(default)]
    pub preview_fd: Option<u32>,
    /// Frames for whoever is at the link, and nothing is written: of the rest of the plan only the source counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<Box<ReaderPlan>>,
    /// One picture or clip out of the source, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Box<ExcerptPlan>>,
}

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A file that the parent opened.
    File {
        /// For messages and as a hint of the format.
        name: String,
        /// Index into the message's descriptors.
        fd: u32,
    },
    /// A pipe whose bytes come as they are made. `ready` does not wait for them.
    Pipe {
        /// For messages.
        name: String,
        /// Index into the message's descriptors.
        fd: u32,
    },
    /// A generator of FFmpeg's, from an allow-list.
    Lavfi {
        /// E.g. `testsrc2=size=640x360:rate=30:duration=5`.
        graph: String,
    },
}

/// Where pictures go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sink {
    /// How they are packed.
    pub container: Container,
    /// Index of the descriptor that is written while the stream runs.
    pub fd: u32,
    /// mp4: index of the descriptor that receives the remuxed file.
    #[serde(default)]
    pub final_fd: Option<u32>,
    /// For messages.
    pub name: String,
}

/// How a sink is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// ISO base media, fragmented while it is written.
    Mp4,
    /// Matroska.
    Matroska,
    /// WebM.
    Webm,
    /// MPEG transport stream.
    Mpegts,
    /// MPEG transport stream as records, cut at its keyframes (`schema/segments.md`).
    Segments,
}

/// How pictures are encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VideoPlan {
    /// FFmpeg's name of the encoder; none takes the container's default.
    #[serde(default)]
    pub codec: Option<String>,
    /// x264's preset.
    #[serde(default = "default_preset")]
    pub preset: String,
    /// Constant rate factor: lower is better and larger.
    #[serde(default = "default_crf")]
    pub crf: u32,
}

impl Default for VideoPlan {
    fn default() -> Self {
        Self {
            codec: None,
            preset: default_preset(),
            crf: default_crf(),
        }
    }
}

/// How sound is encoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SoundPlan {
    /// FFmpeg's name of the encoder; none carries the sound over where the container takes it.
    pub codec: Option<String>,
    /// Bits a second; none takes the encoder's default.
    pub bitrate: Option<u32>,
    /// Channels to mix to; none keeps the source's.
    pub channels: Option<u32>,
}

/// A frame lost with its worker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldFrame {
    /// Counts the source's frames from 0.
    pub frame: u64,
    /// In the source's time base.
    pub pts: i64,
    /// Media time.
    pub seconds: f64,
}

/// Media's counters. Each counts frames since the stream began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MediaStats {
    /// Came out of the decoder.
    pub decoded: u64,
    /// Went to a worker.
    pub delivered: u64,
    /// Were answered by a worker.
    pub answered: u64,
    /// Went into the encoder.
    pub encoded: u64,
    /// Lost on purpose, by policy.
    pub dropped: u64,
    /// The pipeline chose not to answer.
    pub skipped: u64,
    /// Answers after their deadline.
    pub late: u64,
    /// Pictures shown in place of finished ones.
    pub filler: u64,
    /// Lost with a worker.
    pub held: u64,
    /// The worker has them and could answer.
    pub waiting: u64,
    /// Media time of the newest decoded frame.
    pub decoded_seconds: f64,
    /// Media time of the newest encoded frame.
    pub encoded_seconds: f64,
    /// Answers a second over the last seconds.
    pub fps: f64,
    /// The source has ended and all is answered.
    pub finished: bool,
    /// By stage.
    pub latency_ms: Latencies,
    /// The pipeline failed with them; not among `skipped`.
    pub failed: u64,
    /// Of `dropped`: gave way to a newer frame while the worker was busy, or found every slot taken.
    pub dropped_latest: u64,
    /// Of `dropped`: no worker was there.
    pub dropped_unseen: u64,
    /// Of `dropped`: their pts did not increase.
    pub dropped_order: u64,
    /// Left out by the frame cap before they were counted as decoded.
    pub capped: u64,
    /// Packets and pictures of the source that could not be decoded whole.
    pub damaged: u64,
    /// Jumps of the source's times that were closed.
    pub jumps: u64,
    /// What is added to the source's times now, in ticks of 1/90000 s.
    pub offset: i64,
    /// The newest pts that was written, in ticks of 1/90000 s.
    pub written_pts: Option<i64>,
    /// Gaps in the pictures that were written: distances of almost two mean ones of late, or more.
    pub picture_gaps: u64,
    /// Gaps in the sound of the source.
    pub sound_gaps: u64,
    /// Packets of sound that were left out.
    pub sound_dropped: u64,
    /// Milliseconds by which the newest sound that was written is ahead of the newest picture.
    pub av_offset_ms: f64,
    /// Seconds since the newest finished picture was written; while it grows, fillers are shown.
    pub held_seconds: f64,
    /// Of a plan with a `reader`: all that is counted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<Box<ReaderStats>>,
    /// Of a plan with an `excerpt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Box<ExcerptStats>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(it: &bool) -> bool {
    !it
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn default_true() -> bool {
    true
}

fn default_history() -> u32 {
    4
}

fn default_batch() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

fn default_max_frame_time() -> f64 {
    10.0
}

fn default_preset() -> String {
    "superfast".into()
}

fn default_crf() -> u32 {
    20
}
