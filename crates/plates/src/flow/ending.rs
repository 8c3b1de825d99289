//! The end of a video.

use framerill_media::counted;

use super::{
    FlowOutput, SourceStatus, VideoEnd, VideoStatus,
    ledger::Write,
    machine::{Flow, Job},
    rows::{self, Record},
};
use crate::{category::Category, task::Payload, track::TrackStep};

/// How far the end is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// Frames are not all settled.
    Running,
    /// The tracker closes its tracks; then their votes are held.
    Closing,
    /// Rows are being written.
    Writing,
    /// The video is summed up.
    Summing,
    /// The summary is being written.
    WritingSummary,
    /// The video's own row is being written: after all others, for it says that the video is done.
    WritingVideo,
    /// All is said.
    Over,
}

impl Flow {
    /// Goes a step towards the end, if it has come.
    pub(super) fn end_next(&mut self) -> bool {
        let Some(end) = self.end.as_ref() else {
            return false;
        };
        let is_idle = self.window.is_empty() && self.voting.is_none() && !self.is_tracking;
        let is_written = self.unwritten().next().is_none();
        let is_stopped = end.status == SourceStatus::Stopped;
        match self.ending {
            Ending::Running if is_idle && is_stopped && is_written => {
                self.checkpoint_now();
                self.finish();
            }
            Ending::Running if is_idle && !is_stopped => {
                self.ending = Ending::Closing;
                self.settled.counts.lost += std::mem::take(&mut self.lost);
                if self.settled.seq == 0 {
                    self.last_tracked(&[]);
                } else {
                    let payload = Payload::VehicleTrack {
                        tracker: self.tracker.clone(),
                        frames: Vec::new(),
                        is_last: true,
                    };
                    self.spawn_plain(Job::LastTrack, Category::VehicleTrack, payload);
                }
            }
            Ending::Writing if is_written => {
                self.ending = Ending::Summing;
                if self.settled.seq == 0 && end.status == SourceStatus::Failed {
                    self.ending = Ending::WritingSummary;
                } else {
                    let counts = self.summary().into();
                    let payload = Payload::Summary { counts };
                    self.spawn_plain(Job::Summary, Category::Summary, payload);
                }
            }
            Ending::WritingSummary if is_written => {
                self.ending = Ending::WritingVideo;
                let (status, reason) = self.outcome();
                let Some(end) = &self.end else { return false };
                let end = Some((end, status, reason.as_deref()));
                let row = rows::video(&self.video, &self.settled.counts, end);
                self.write_row("videos", row);
            }
            Ending::WritingVideo if is_written => self.finish(),
            _ => return false,
        }
        true
    }

    fn write_row(&mut self, table: &str, row: Record) {
        self.write(vec![Write {
            table: table.to_owned(),
            records: vec![row],
        }]);
    }

    fn summary(&self) -> Record {
        let (status, _) = self.outcome();
        let end = self.end.as_ref();
        end.map_or_else(Record::new, |end| {
            let stage_us = &self.settled.stage_us;
            rows::summary(&self.video, &self.settled.counts, stage_us, end, status)
        })
    }

    /// The tracker is done: whatever it said, every track is over.
    pub(super) fn last_tracked(&mut self, steps: &[TrackStep]) {
        if let Some(at) = self.settled.last {
            for step in steps {
                self.apply(at, Vec::new(), step);
            }
        }
        let over = self.settled.lineages.close_all();
        let voting = self.voting.get_or_insert_default();
        for (id, lineage) in over {
            voting.close(id, lineage);
        }
        self.vote();
    }

    /// All tracks of the video are closed.
    pub(super) fn closed(&mut self) {
        self.let_go(None);
        self.ending = Ending::Writing;
    }

    /// Takes the summary of the video; what it leaves out is as counted here.
    pub(super) fn summed_up(&mut self, mut record: Record) {
        for (column, value) in self.summary() {
            record.entry(column).or_insert(value);
        }
        // The stage did not know yet what it took itself.
        let stage_seconds = rows::stage_seconds(&self.settled.stage_us);
        record.insert("stage_seconds".into(), stage_seconds);
        self.ending = Ending::WritingSummary;
        self.write_row("video_summary", record);
    }

    /// How the video came out. One of which a part was not seen or not stored is not complete.
    fn outcome(&self) -> (VideoStatus, Option<String>) {
        let Some(end) = &self.end else {
            return (VideoStatus::Stopped, None);
        };
        let counts = &self.settled.counts;
        let status = match end.status {
            SourceStatus::Complete => VideoStatus::Complete,
            SourceStatus::Partial => VideoStatus::Partial,
            SourceStatus::Failed => VideoStatus::Failed,
            SourceStatus::Stopped => VideoStatus::Stopped,
        };
        let mut reasons: Vec<String> = end.reason.clone().into_iter().collect();
        let losses = [
            (counts.lost, "frame was lost", "frames were lost"),
            (
                counts.failed_tasks,
                "task failed for good",
                "tasks failed for good",
            ),
            (
                counts.refused_rows,
                "row was not stored",
                "rows were not stored",
            ),
        ];
        for (count, one, more) in losses.into_iter().filter(|it| it.0 > 0) {
            reasons.push(counted(count, one, more));
        }
        let is_whole = counts.lost + counts.failed_tasks + counts.refused_rows == 0;
        let status = match status {
            VideoStatus::Complete if !is_whole => VideoStatus::Partial,
            status => status,
        };
        (status, (!reasons.is_empty()).then(|| reasons.join("; ")))
    }

    fn finish(&mut self) {
        self.ending = Ending::Over;
        let (status, reason) = self.outcome();
        let counts = &self.settled.counts;
        let end = VideoEnd {
            status,
            reason,
            frames: self.end.as_ref().map_or(0, |it| it.decoded),
            tracks: counts.tracks,
            plates: counts.plates,
        };
        self.say(FlowOutput::Finished(end));
    }
}
