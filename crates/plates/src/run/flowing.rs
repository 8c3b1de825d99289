//! Flows: what they are told, and what comes of what they say.

use std::time::Duration;

use super::{
    event::Event, ids::VideoNo, machine::Machine, output::Output, readers::Arrived, videos::Video,
};
use crate::{
    flow::{
        Count, FlowOutput, FrameArrived, SourceEnd, SourceStatus, VideoEnd, VideoFlow, VideoStatus,
    },
    task::{self, Failure, TaskId},
};

/// A checkpoint is wanted after so many settled frames.
const CHECKPOINT_FRAMES: u64 = 250;

impl<F: VideoFlow> Machine<F> {
    /// Tells flows of frames as long as workers keep up. Whether it told of any.
    pub(super) fn begin_frames(&mut self, now: Duration) -> bool {
        let mut has_begun = false;
        loop {
            self.look_at_gate(now);
            if !self.gate.is_open() {
                return has_begun;
            }
            let Some(frame) = self.readers.held.pop_front() else {
                return has_begun;
            };
            self.begin_frame(now, &frame);
            has_begun = true;
        }
    }

    fn begin_frame(&mut self, now: Duration, frame: &Arrived) {
        let Some(open) = self.videos.open_mut(frame.video) else {
            return frame.slot.into_iter().for_each(|it| self.tasks.release(it));
        };
        open.held -= 1;
        let Some(slot) = frame.slot else {
            open.flow.lost(frame.frame_idx);
            return self.hear(now, frame.video);
        };
        open.frames.insert(frame.frame_idx, slot);
        let arrived = FrameArrived {
            frame_idx: frame.frame_idx,
            ts_ms: frame.ts_ms,
            fps: open.fps,
            slot,
        };
        open.flow.frame(arrived);
        self.counters.begun += 1;
        self.hear(now, frame.video);
    }

    /// Tells flows of their sources' ends, once they know all frames. Whether it told of any.
    pub(super) fn end_sources(&mut self, now: Duration) -> bool {
        let mut has_told = false;
        for video in self.videos.all_open() {
            let Some(open) = self.videos.open_mut(video) else {
                continue;
            };
            if open.held > 0 || open.is_told_end {
                continue;
            }
            let Some(end) = open.end.clone() else {
                continue;
            };
            self.tell_end(now, video, end);
            has_told = true;
        }
        has_told
    }

    pub(super) fn tell_end(&mut self, now: Duration, video: VideoNo, end: SourceEnd) {
        if let Some(open) = self.videos.open_mut(video) {
            open.is_told_end = true;
            open.end = Some(end.clone());
            open.flow.ended(end);
            self.hear(now, video);
        }
    }

    /// A taken task has its outcome: it is no longer open, its flow hears of it, and then it lets go of its frame.
    pub(super) fn close_task(
        &mut self,
        now: Duration,
        id: TaskId,
        result: Result<task::Output, Failure>,
    ) {
        let Some(closed) = self.tasks.finish(id) else {
            return;
        };
        if let Some(open) = self.videos.open_mut(closed.video) {
            open.open_tasks -= 1;
            open.flow.done(closed.key, result);
            self.hear(now, closed.video);
        }
        if let Some(slot) = closed.task.frame {
            self.tasks.release(slot);
        }
    }

    /// Does what a flow says, until it says nothing more.
    pub(super) fn hear(&mut self, now: Duration, video: VideoNo) {
        while let Some(open) = self.videos.open_mut(video) {
            let Some(output) = open.flow.next() else {
                break;
            };
            match output {
                FlowOutput::Spawn { key, task } => {
                    if self.tasks.spawn(now, video, key, task) {
                        open.open_tasks += 1;
                        self.counters.spawned += 1;
                    } else {
                        let reason = "its frame was released before".to_owned();
                        let is_transient = false;
                        open.flow.done(
                            key,
                            Err(Failure {
                                reason,
                                is_transient,
                            }),
                        );
                    }
                }
                FlowOutput::Release { frame_idx } => {
                    if let Some(slot) = open.frames.remove(&frame_idx) {
                        self.tasks.release(slot);
                    }
                }
                FlowOutput::Checkpoint { frame_idx, state } => {
                    open.unsaved = 0;
                    open.asked = now;
                    self.counters.checkpoints += 1;
                    self.say(Output::Checkpoint {
                        video,
                        frame_idx,
                        state,
                    });
                }
                FlowOutput::Vehicle(event) => {
                    *self.counters.vehicles.entry(event.event).or_default() += 1;
                    self.say(Output::Vehicle { video, event });
                }
                FlowOutput::Counted { what, by } => {
                    if what == Count::Settled {
                        open.unsaved += by;
                    }
                    *self.counters.flows.entry(what).or_default() += by;
                }
                FlowOutput::Finished(end) => self.end_video(now, video, end),
            }
        }
        self.end_if_stuck(now, video);
    }

    /// A flow that has nothing open and nothing to come, and does not say that it is over, would wait for ever.
    fn end_if_stuck(&mut self, now: Duration, video: VideoNo) {
        let is_stuck = self
            .videos
            .open(video)
            .is_some_and(|it| it.is_told_end && it.open_tasks == 0);
        if is_stuck {
            let end = VideoEnd {
                status: VideoStatus::Failed,
                reason: Some("its flow did not come to an end (an error of ours)".into()),
                frames: 0,
                tracks: 0,
                plates: 0,
            };
            self.end_video(now, video, end);
        }
    }

    /// A video is over, whatever it was before.
    pub(super) fn end_video(&mut self, now: Duration, video: VideoNo, end: VideoEnd) {
        if matches!(self.videos.get(video), Some(Video::Ended(_)) | None) {
            return;
        }
        self.log(Event::VideoEnded {
            video: self.videos.id(video).to_owned(),
            status: end.status,
            reason: end.reason.clone(),
        });
        self.say(Output::VideoEnded {
            video,
            end: end.clone(),
        });
        let was = self.videos.put(video, Video::Ended(end));
        if let Some(Video::Open(open)) = was {
            for slot in open.frames.into_values() {
                self.tasks.release(slot);
            }
            if let Some(reader) = open.reader {
                self.dismiss(now, reader);
            }
        }
    }

    /// Asks for checkpoints that are due.
    pub(super) fn ask_for_checkpoints(&mut self, now: Duration) {
        let every = self.settings.timing.checkpoint;
        for video in self.videos.all_open() {
            let Some(open) = self.videos.open_mut(video) else {
                continue;
            };
            let is_late = open.unsaved > 0 && now >= open.asked + every;
            if is_late || open.unsaved >= CHECKPOINT_FRAMES {
                open.asked = now;
                open.unsaved = 0;
                open.flow.want_checkpoint();
                self.hear(now, video);
            }
        }
    }

    pub(super) fn videos_due(&self) -> Option<Duration> {
        let every = self.settings.timing.checkpoint;
        let open = self.videos.all_open();
        let due = open.into_iter().filter_map(|it| {
            let open = self.videos.open(it)?;
            let checkpoint = (open.unsaved > 0).then_some(open.asked + every);
            let read = (open.is_to_be_read() && open.reader.is_none() && self.no_store.is_some())
                .then_some(open.read_after);
            [checkpoint, read].into_iter().flatten().min()
        });
        due.min()
    }
}

/// How reading ended, where no reader says it.
pub(super) fn source_end(status: SourceStatus, reason: String, decoded: u64) -> SourceEnd {
    SourceEnd {
        status,
        reason: Some(reason),
        decoded,
        failed: 0,
        fps: None,
        duration_ms: None,
        size_bytes: None,
    }
}
