//! A stream and its media process, from its start to the last byte.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

use framerill_media::Size;
use framerill_supervisor::{ChildId, Command, Config, Supervised};
use framerill_worker::message::{
    Container, LinkPolicy, LivePlan, MediaPlan, MediaStats, Resume, Sink, SoundPlan, Source,
    SourceInfo, ToChild, VideoPlan,
};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Map, Value, json};

use super::{
    Incoming, Number, ParamsStatus,
    flow::Set,
    tally::Tally,
    troubles::{Counts, Told, Troubles},
};
use crate::{
    deadlines,
    infer::{
        asked::Asked,
        transport::{Transport, unwrapped},
    },
};

/// Restarts of a stream's media process.
const MEDIA_RESTARTS: u32 = 5;
/// Bits a second of sound, mono (runner contract §8.4).
const SOUND_BITS: u32 = 64_000;
/// x264's constant rate factor (runner contract §8.4).
const CRF: u32 = 23;

/// A stream.
pub(super) struct Stream {
    pub(super) number: Number,
    pub(super) asked: Asked,
    /// What it was last given.
    pub(super) set: Set,
    /// Of its pictures, from beginning to end.
    pub(super) size: Size,
    /// Of its pictures that go out, once that is known.
    output: Option<Size>,
    /// What its media takes that for.
    told_output: Size,
    params_status: ParamsStatus,
    pub(super) started_ms: u64,
    pub(super) max_fps: f64,
    pub(super) media_id: ChildId,
    pub(super) media: Supervised<Incoming>,
    pub(super) transport: Transport,
    /// Media has a worker, or is on the way to one.
    pub(super) attached: bool,
    /// The worker that media was last joined to, and which of its lives that was.
    pub(super) joined: Option<(ChildId, u32)>,
    /// Media was asked to let go of a worker that is gone.
    pub(super) detaching: Option<u64>,
    /// Workers so far, on this stream.
    pub(super) incarnation: u32,
    /// Media takes requests.
    pub(super) media_ready: bool,
    /// Media waits for the worker to reload.
    is_told_reloading: bool,
    tally: Tally,
    troubles: Troubles,
    pub(super) source: Option<SourceInfo>,
    /// Why it does not end in order.
    pub(super) fault: Option<String>,
    /// It is being ended.
    pub(super) is_ending: bool,
}

/// What is needed to begin one.
pub(super) struct Beginning {
    /// Of its pictures, where that is known.
    pub(super) output: Option<Size>,
    pub(super) number: Number,
    pub(super) asked: Asked,
    pub(super) set: Set,
    pub(super) started_ms: u64,
    pub(super) max_fps: f64,
    pub(super) media_id: ChildId,
    pub(super) media: Supervised<Incoming>,
    pub(super) transport: Transport,
}

/// Starts a media process for a stream. It may take seconds where the kernel has too much to do.
pub(super) fn start_media(
    command: Command,
    id: ChildId,
    owner: SyncSender<Incoming>,
) -> Supervised<Incoming> {
    let config = Config {
        max_restarts: MEDIA_RESTARTS,
        ..Config::default()
    };
    Supervised::start(config, command, id, owner)
}

impl Stream {
    pub(super) fn begin(it: Beginning) -> Self {
        Self {
            media: it.media,
            number: it.number,
            asked: it.asked,
            size: it.set.params.base.size,
            output: it.output,
            told_output: it.set.params.base.size,
            set: it.set,
            params_status: ParamsStatus::Queued,
            started_ms: it.started_ms,
            max_fps: it.max_fps,
            media_id: it.media_id,
            transport: it.transport,
            attached: false,
            joined: None,
            detaching: None,
            incarnation: 0,
            media_ready: false,
            is_told_reloading: false,
            tally: Tally::default(),
            troubles: Troubles::default(),
            source: None,
            fault: None,
            is_ending: false,
        }
    }

    /// What children call it.
    pub(super) fn name(&self) -> String {
        format!("stream-{}", self.number)
    }

    /// What becomes of its newest parameters.
    pub(super) fn params_are(&mut self, status: ParamsStatus) {
        self.params_status = status;
    }

    /// What became of them.
    pub(super) fn params_status(&self) -> ParamsStatus {
        self.params_status
    }

    /// Hands a new media process its plan and both of its pipes.
    pub(super) fn load(&mut self, id: u64) -> Result<(), String> {
        let pipe = || {
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| format!("no pipe is to be had: {error}"))
        };
        let (media_reads, we_write) = pipe()?;
        let (we_read, media_writes) = pipe()?;
        // What the one before wrote from here on is not sent: this one is told where to go on.
        let (process, written) = self.transport.take_over();
        let plan = self.plan(self.resume(written));
        self.told_output = self.output.unwrap_or(self.size);
        let fds: [OwnedFd; 2] = [media_reads, media_writes];
        let load = ToChild::load_media(id, plan, 2);
        self.transport.rewire(process, we_write, we_read);
        self.media.post(&load, &[fds[0].as_fd(), fds[1].as_fd()]);
        Ok(())
    }

    fn plan(&self, resume: Option<Resume>) -> MediaPlan {
        MediaPlan {
            source: Source::Pipe {
                name: self.asked.source.as_text(),
                fd: 0,
            },
            sink: Some(Sink {
                container: Container::Segments,
                fd: 1,
                final_fd: None,
                name: self.asked.sink.as_text(),
            }),
            size: Some(self.size),
            output_size: self.output,
            fps: None,
            start: 0.0,
            duration: None,
            realtime: false,
            egress: self.asked.egress,
            policy: LinkPolicy::Latest,
            audio: true,
            video: VideoPlan {
                crf: CRF,
                ..VideoPlan::default()
            },
            sound: SoundPlan {
                codec: Some("libopus".into()),
                bitrate: Some(SOUND_BITS),
                channels: Some(1),
            },
            preview_fd: None,
            reader: None,
            excerpt: None,
            live: Some(Box::new(LivePlan {
                max_fps: self.max_fps,
                on_worker_loss: self.asked.on_worker_loss,
                resume,
                ..LivePlan::default()
            })),
        }
    }

    /// Where an earlier media process left the stream.
    fn resume(&self, written: Option<i64>) -> Option<Resume> {
        let wrapped = written?;
        let stats = self.stats();
        let near = stats.written_pts.unwrap_or(wrapped);
        Some(Resume {
            after: unwrapped(wrapped, near),
            offset: stats.offset,
            frame: stats.decoded,
        })
    }

    /// New counters of its media process.
    pub(super) fn take_stats(&mut self, stats: MediaStats) {
        self.tally.take(stats);
        self.transport.set_offset(self.stats().offset);
    }

    /// Its counters since it began.
    pub(super) fn stats(&self) -> &MediaStats {
        self.tally.whole()
    }

    /// What its watcher is to be told by what was counted.
    pub(super) fn look(&mut self, now: Duration) -> Vec<Told> {
        let (stats, counters) = (self.tally.whole(), &self.transport.counters);
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let counts = Counts {
            pictures: stats.decoded.saturating_add(stats.capped),
            bytes_in: count(&counters.bytes_in),
            segments_missing: count(&counters.segments_missing),
            jumps: stats.jumps,
            offset: stats.offset,
            segments_out: count(&counters.segments_out),
            segments_lost: count(&counters.segments_lost),
        };
        self.troubles.look(now, counts)
    }

    /// Nothing more comes in.
    pub(super) fn input_is_over(&mut self) {
        self.troubles.input_is_over();
    }

    /// Whether nothing more comes in.
    pub(super) fn has_input_ended(&self) -> bool {
        self.troubles.is_input_over()
    }

    /// Segments that were delivered.
    pub(super) fn delivered(&self) -> u64 {
        self.transport.counters.segments_out.load(Ordering::Relaxed)
    }

    /// What its source is from here on; what is to be told if it was another one.
    pub(super) fn source_is(&mut self, source: SourceInfo) -> Option<String> {
        let told = self.troubles.source(&source);
        self.source = Some(source);
        told
    }

    /// Media is gone, and another one comes.
    pub(super) fn media_lost(&mut self) {
        self.tally.media_lost();
        self.media_ready = false;
        self.is_told_reloading = false;
        self.attached = false;
        self.detaching = None;
    }

    /// Tells media whether its worker reloads.
    pub(super) fn tell_reloading(&mut self, reloading: bool) {
        if !self.media_ready || self.is_told_reloading == reloading {
            return;
        }
        self.is_told_reloading = reloading;
        let params = json!({
            "reloading": reloading, "show_reloading_frame": self.set.params.base.show_reloading_frame,
        });
        let Value::Object(params) = params else {
            return;
        };
        let id = self.media.request_id();
        let update = ToChild::Update {
            id,
            params,
            replace: false,
            base: None,
            check: false,
            output_size: None,
        };
        self.media.post(&update, &[]);
    }

    /// The size of its pictures that go out, once that is known.
    pub(super) fn output(&self) -> Option<Size> {
        self.output
    }

    /// Its pictures have this size from the first one to the last; what is known first holds.
    pub(super) fn set_output(&mut self, size: Size) {
        self.output.get_or_insert(size);
        self.tell_output();
    }

    /// Media that was loaded before the size was known hears it.
    pub(super) fn tell_output(&mut self) {
        let news = self.output.filter(|it| *it != self.told_output);
        let Some(size) = news.filter(|_| self.media_ready) else {
            return;
        };
        self.told_output = size;
        let update = ToChild::Update {
            id: self.media.request_id(),
            params: Map::from_iter([("output_size".to_owned(), json!(size))]),
            replace: false,
            base: None,
            check: false,
            output_size: None,
        };
        self.media.post(&update, &[]);
    }

    /// Asks media to let go of a worker that is gone, and with it of its reload.
    pub(super) fn detach(&mut self) {
        if self.attached && self.detaching.is_none() {
            let id = self.media.request_id();
            self.detaching = Some(id);
            let stream = self.name();
            self.media.post(
                &ToChild::Detach {
                    id,
                    stream,
                    keep: false,
                },
                &[],
            );
        }
        // Afterwards: a picture would go to the one that is gone.
        self.tell_reloading(false);
    }

    /// Ends it: the input at once, the output behind what media still has, then the channels.
    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.is_ending, true) {
            return;
        }
        self.transport.stop();
        self.media.stop(deadlines::MEDIA);
    }
}
