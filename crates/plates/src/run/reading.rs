//! Which video is read by whom, and what readers say.

use std::time::Duration;

use super::{
    event::Event,
    flowing::source_end,
    ids::{ReaderId, VideoNo},
    input::{Prepared, ReaderSaid},
    machine::Machine,
    output::Output,
    readers::{Arrived, Pool},
    videos::{OpenVideo, Video},
};
use crate::{
    flow::{SourceEnd, SourceStatus, VideoEnd, VideoFlow, VideoStatus},
    task::FrameSlot,
};

/// A video whose readers die so often in a row without a new frame cannot be read further.
const READER_DEATHS: u32 = 3;
/// Until a reader for which there was no memory is started again.
const NO_STORE_PAUSE: Duration = Duration::from_secs(1);

impl<F: VideoFlow> Machine<F> {
    pub(super) fn prepared(&mut self, now: Duration, video: VideoNo, prepared: Prepared<F>) {
        if !matches!(self.videos.get(video), Some(Video::Preparing)) {
            return self.odd(format!("video {} was prepared unasked", video.0));
        }
        let end = |status, reason| VideoEnd {
            status,
            reason,
            frames: 0,
            tracks: 0,
            plates: 0,
        };
        match prepared {
            Prepared::Skip => self.end_video(now, video, end(VideoStatus::Skipped, None)),
            Prepared::Failed(reason) => {
                self.end_video(now, video, end(VideoStatus::Failed, Some(reason)));
            }
            Prepared::Read { flow, from } if self.phase.is_running() => {
                self.videos.put(video, Video::Ready { flow, from });
            }
            Prepared::Read { .. } => drop(self.videos.put(video, Video::Waiting)),
        }
        self.look_at_gate(now);
    }

    fn seats(&self) -> usize {
        (self.settings.video_readers as usize).min(self.videos.len())
    }

    /// Fills the seats of readers, and has the next videos looked at. Whether it changed anything.
    pub(super) fn start_readers(&mut self, now: Duration) -> bool {
        if !self.phase.is_running() {
            return false;
        }
        let seats = self.seats();
        let mut has_started = false;
        // What bounds the store: as many pools again as there are seats, for frames whose reader is gone.
        while self.readers.live.len() < seats && self.readers.pools.len() < 2 * seats {
            let Some(video) = self.next_to_read(now) else {
                break;
            };
            self.start_reader(now, video);
            has_started = true;
        }
        while self.videos.ahead.len() < seats {
            let Some(video) = self.videos.next_waiting() else {
                break;
            };
            self.videos.put(video, Video::Preparing);
            self.say(Output::Prepare { video });
            has_started = true;
        }
        has_started
    }

    /// A video that lost its reader, or else the next one of the list.
    fn next_to_read(&mut self, now: Duration) -> Option<VideoNo> {
        let open = self.videos.all_open();
        let orphan = open.into_iter().find(|it| {
            let open = self.videos.open(*it);
            open.is_some_and(|it| it.is_to_be_read() && it.reader.is_none() && it.read_after <= now)
        });
        if orphan.is_some() {
            return orphan;
        }
        if self.videos.open_count() >= 2 * self.seats() || self.no_store.is_some() {
            return None;
        }
        let ready = self.videos.first_ready()?;
        if let Some(Video::Ready { flow, from }) = self.videos.put(ready, Video::Preparing) {
            let open = Box::new(OpenVideo::new(now, flow, from));
            self.videos.put(ready, Video::Open(open));
        }
        Some(ready)
    }

    fn start_reader(&mut self, now: Duration, video: VideoNo) {
        let reader = self.readers.start(now, video);
        let Some(open) = self.videos.open_mut(video) else {
            return;
        };
        open.reader = Some(reader);
        let from = open.next_frame;
        self.log(Event::VideoBegun {
            video: self.videos.id(video).to_owned(),
            reader,
            from,
        });
        self.say(Output::Read {
            reader,
            video,
            from,
            slots: self.settings.frame_slots,
        });
    }

    pub(super) fn reader_said(&mut self, now: Duration, id: ReaderId, said: ReaderSaid) {
        let Some(reader) = self.readers.live.get_mut(&id) else {
            return self.odd(format!("{id} is not there: what it said is left alone"));
        };
        let (video, is_done) = (reader.video, reader.is_done);
        match said {
            ReaderSaid::Gone(reason) => self.reader_gone(id, &reason),
            // Killed for what it did before: what it says now is not to be relied on.
            _ if reader.is_killed => {}
            ReaderSaid::Frame { slot, .. } if is_done => {
                self.say(Output::Free { reader: id, slot });
            }
            _ if is_done => {}
            ReaderSaid::Opened {
                slots,
                slot_bytes,
                fps,
                frames,
                taken,
            } => {
                self.opened(now, id, Pool { slots, slot_bytes }, fps, frames);
                if let Some(open) = self.videos.open_mut(video) {
                    open.flow.opened(taken);
                }
            }
            ReaderSaid::Alive { decoded } => {
                if decoded > reader.decoded {
                    reader.decoded = decoded;
                    reader.moved = now;
                }
                if let Some(open) = self.videos.open_mut(video) {
                    open.decoded = open.decoded.max(decoded);
                }
            }
            ReaderSaid::Frame {
                frame_idx,
                ts_ms,
                slot,
                width,
                height,
            } => {
                let slot = FrameSlot {
                    pool: id.0,
                    slot,
                    width,
                    height,
                };
                let frame = Arrived {
                    video,
                    frame_idx,
                    ts_ms,
                    slot: Some(slot),
                };
                self.arrived(now, id, frame);
            }
            ReaderSaid::Lost { frame_idx } => {
                let frame = Arrived {
                    video,
                    frame_idx,
                    ts_ms: None,
                    slot: None,
                };
                self.arrived(now, id, frame);
            }
            ReaderSaid::NoStore(reason) => self.no_store(now, id, reason),
            ReaderSaid::Ended(end) => {
                self.dismiss(now, id);
                if let Some(open) = self.videos.open_mut(video) {
                    open.end.get_or_insert(end);
                }
            }
        }
    }

    fn opened(
        &mut self,
        now: Duration,
        id: ReaderId,
        pool: Pool,
        fps: Option<f64>,
        frames: Option<u64>,
    ) {
        if pool.slots == 0 || pool.slots > self.settings.frame_slots {
            let (slots, most) = (pool.slots, self.settings.frame_slots);
            let reason = format!("it has a pool of {slots} slots, and may have {most}");
            return self.kill_reader(now, id, reason);
        }
        self.no_store = None;
        self.readers.pools.insert(id, Some(pool));
        let Some(reader) = self.readers.live.get_mut(&id) else {
            return;
        };
        reader.moved = now;
        if let Some(open) = self.videos.open_mut(reader.video) {
            open.fps = fps.filter(|it| it.is_finite() && *it > 0.0);
            open.frames_expected = frames;
        }
    }

    fn arrived(&mut self, now: Duration, id: ReaderId, frame: Arrived) {
        let Some(open) = self.videos.open(frame.video) else {
            let slot = frame.slot.map(|it| it.slot);
            return slot
                .into_iter()
                .for_each(|slot| self.say(Output::Free { reader: id, slot }));
        };
        let (idx, first) = (frame.frame_idx, open.next_frame);
        if idx < first || idx == u64::MAX {
            let reason = format!("it delivered frame {idx} where {first} is the next one");
            return self.kill_reader(now, id, reason);
        }
        if let Err(reason) = self.readers.arrived(now, &mut self.tasks.ledger, id, frame) {
            return self.kill_reader(now, id, reason);
        }
        self.counters.delivered += u64::from(frame.slot.is_some());
        if let Some(open) = self.videos.open_mut(frame.video) {
            open.next_frame = idx + 1;
            open.held += 1;
        }
    }

    fn no_store(&mut self, now: Duration, id: ReaderId, reason: String) {
        self.dismiss(now, id);
        let since = *self.no_store.get_or_insert(now);
        let video = self.readers.live.get(&id).map(|it| it.video);
        if let Some(open) = video.and_then(|it| self.videos.open_mut(it)) {
            open.read_after = now + NO_STORE_PAUSE;
        }
        if since == now {
            self.log(Event::NoStore {
                reason: reason.clone(),
            });
        }
        if now.saturating_sub(since) > self.settings.timing.cannot_load {
            self.cannot_go_on(now, format!("no memory for frames: {reason}"));
        }
    }

    /// No more is wanted of this reader.
    pub(super) fn dismiss(&mut self, now: Duration, id: ReaderId) {
        if let Some(reader) = self.readers.live.get_mut(&id)
            && !std::mem::replace(&mut reader.is_done, true)
        {
            reader
                .leave_by
                .get_or_insert(now + self.settings.timing.readers_leave);
            self.say(Output::StopReader { reader: id });
        }
    }

    pub(super) fn kill_reader(&mut self, now: Duration, id: ReaderId, reason: String) {
        if let Some(reader) = self.readers.live.get_mut(&id)
            && !reader.is_killed
        {
            reader.is_killed = true;
            reader.leave_by = Some(now + self.settings.timing.killed);
            self.log(Event::ReaderKilled { reader: id, reason });
            self.say(Output::KillReader { reader: id });
        }
    }

    pub(super) fn reader_gone(&mut self, id: ReaderId, reason: &str) {
        let Some(reader) = self.readers.live.remove(&id) else {
            return;
        };
        let video = reader.video;
        let Some(open) = self.videos.open_mut(video) else {
            return;
        };
        open.reader = None;
        if reader.is_done {
            return;
        }
        open.deaths = match reader.last_frame {
            Some(_) => 1,
            None => open.deaths + 1,
        };
        if open.deaths >= READER_DEATHS {
            let end = given_up(open, reason);
            open.end.get_or_insert(end);
        }
        self.counters.reader_deaths += 1;
        self.log(Event::ReaderDied {
            reader: id,
            video: self.videos.id(video).to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Kills readers that are stuck, or stay; gives up those that were killed and are not gone.
    pub(super) fn look_at_readers(&mut self, now: Duration) {
        let stuck = self.settings.timing.reader_stuck;
        for id in self.readers.live.keys().copied().collect::<Vec<_>>() {
            let has_room = self.readers.has_room(id, &self.tasks.ledger);
            let Some(reader) = self.readers.live.get_mut(&id) else {
                continue;
            };
            if !has_room {
                reader.moved = now;
            }
            let has_to_leave = reader.leave_by.is_some_and(|by| by <= now);
            if reader.is_killed && has_to_leave {
                self.reader_gone(id, "it was killed, and nobody saw it go");
            } else if has_to_leave {
                self.kill_reader(now, id, "it was asked to leave and stays".into());
            } else if !reader.is_done && !reader.is_killed && now >= reader.moved + stuck {
                let reason = format!("it has decoded nothing for {} s", stuck.as_secs());
                self.kill_reader(now, id, reason);
            }
        }
    }

    pub(super) fn readers_due(&self) -> Option<Duration> {
        let stuck = self.settings.timing.reader_stuck;
        let due = self.readers.live.iter().filter_map(|(id, reader)| {
            let may_be_stuck = !reader.is_done
                && !reader.is_killed
                && self.readers.has_room(*id, &self.tasks.ledger);
            let moves_by = may_be_stuck.then_some(reader.moved + stuck);
            [moves_by, reader.leave_by].into_iter().flatten().min()
        });
        due.min()
    }
}

fn given_up<F>(open: &OpenVideo<F>, reason: &str) -> SourceEnd {
    let status = match open.next_frame {
        0 => SourceStatus::Failed,
        _ => SourceStatus::Partial,
    };
    let frame = open.next_frame;
    let reason = format!(
        "{READER_DEATHS} readers died at or after frame {frame} of it, the last one: {reason}"
    );
    source_end(status, reason, open.decoded.max(frame))
}
