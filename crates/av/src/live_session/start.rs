//! A live stream begins.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use framerill_media::{Pts, Size, TimeBase};
use framerill_worker::{
    child::Parent,
    message::{LinkPolicy, LivePlan, MediaPlan, Source, SourceInfo},
};

use super::{
    LiveState,
    egress::{self, Egress},
    filler::Wish,
    ingress::{self, Ingress},
    presenter::Rules,
    sink::LiveSink,
};
use crate::{
    control::start,
    egress::say_stats,
    error::AvError,
    live_source::LiveSource,
    source::{Interrupt, take_fd},
    stream::Stream,
};

/// The rate that outputs between inputs are placed by, where the plan has no cap.
const USUAL_FPS: f64 = 24.0;
/// Frames that wait at most while each holds the input's own picture.
const MOST_ORIGINALS: usize = 48;

/// Changes that come faster are told together: a source may jump with each of its packets.
const TOGETHER: Duration = Duration::from_millis(10);

/// What begins once the parent was told that it can.
pub(crate) struct Pending {
    source: LiveSource,
    sink: Option<LiveSink>,
    size: Size,
    output: Size,
    live: LivePlan,
    told: Receiver<()>,
}

/// Opens what a plan with a `live` part names; reads nothing yet.
pub(crate) fn open(
    plan: &MediaPlan,
    live: &LivePlan,
    fds: &mut [Option<OwnedFd>],
) -> Result<(Stream, Pending, Size, SourceInfo), AvError> {
    let Source::Pipe { name, fd } = &plan.source else {
        let what = "a `live` plan goes with a pipe as its source";
        return Err(AvError::Plan(what.into()));
    };
    let Some(size) = plan.size else {
        return Err(AvError::Plan("a live stream has a `size`".into()));
    };
    if plan.policy != LinkPolicy::Latest {
        let what = "the policy of a live stream is `latest`";
        return Err(AvError::Plan(what.into()));
    }
    let fd = take_fd(fds, *fd, name)?;
    let output = plan.output_size.unwrap_or(size);
    let sink = match &plan.sink {
        Some(sink) => Some(LiveSink::open(sink, fds, output, plan)?),
        None => None,
    };
    let wish = Wish::of(live);
    let usual = Rules::of(plan.egress);
    let rules = Rules {
        from_start: wish.wants_original(),
        most_waiting: if wish.wants_original() {
            MOST_ORIGINALS
        } else {
            usual.most_waiting
        },
        ..usual
    };
    let fps = if live.max_fps > 0.0 {
        live.max_fps
    } else {
        USUAL_FPS
    };
    let Pts(interval) = TimeBase::MPEG.at(1.0 / fps);
    let (tell, told) = sync_channel(1);
    let after = live.resume.map(|it| it.after);
    let stream = Stream::live(interval, LiveState::new(rules, after, tell));
    let pending = Pending {
        source: LiveSource::new(fd, name, plan.audio, live),
        sink,
        size,
        output,
        live: live.clone(),
        told,
    };
    let info = SourceInfo {
        width: size.width(),
        height: size.height(),
        ..SourceInfo::default()
    };
    Ok((stream, pending, size, info))
}

impl Pending {
    /// Ends the source's reads early.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.source.interrupt()
    }

    /// Starts the threads.
    pub(crate) fn begin(self, stream: &Arc<Stream>, stats_every: Duration, parent: &Parent) {
        let wish = Wish::of(&self.live);
        let ingress = Ingress::new(stream, self.size, &self.live);
        let (source, to_parent) = (self.source, parent.clone());
        start(
            "decode",
            move || ingress::run(ingress, source, &to_parent),
            parent,
        );
        let egress = Egress::new(stream, self.sink, self.output, wish);
        let to_parent = parent.clone();
        start("encode", move || egress::run(egress, &to_parent), parent);
        let (stream, to_parent, told) = (Arc::clone(stream), parent.clone(), self.told);
        let tell = move || {
            while told.recv_timeout(stats_every) != Err(RecvTimeoutError::Disconnected) {
                let stats = stream.stats();
                if stats.finished {
                    return;
                }
                say_stats(&stats, &to_parent);
                pause();
            }
        };
        start("stats", tell, parent);
    }
}

#[expect(clippy::disallowed_methods, reason = "paces what is told")]
fn pause() {
    std::thread::sleep(TOGETHER);
}
