//! What a reader's process and its link said, in the order in which an owner hears it. Pure.
//!
//! Two channels carry it: frames and their end over the link, counters and the process's end over the other one. `Ended`
//! waits for both ends, and `Gone` for whatever the link still holds.

use std::collections::VecDeque;

use framerill_frames::FromReader;
use framerill_supervisor::lifecycle::Event;
use framerill_worker::message::{
    ErrorReport, FromChild, Level, MediaStats, ReaderStats, ReaderStatus,
};

use super::ReaderEvent;

/// Collects and orders.
#[derive(Debug, Default)]
pub(super) struct Said {
    events: VecDeque<ReaderEvent>,
    link: Link,
    /// How it ended, by its own word.
    stats: Option<Box<ReaderStats>>,
    /// The process's end.
    exit: Option<String>,
    has_opened: bool,
    has_ended: bool,
    is_gone: bool,
    has_left: bool,
}

#[derive(Debug, Default, PartialEq)]
enum Link {
    /// There is none yet.
    #[default]
    None,
    /// Frames may come.
    Open,
    /// The reader said that no more come.
    Ended,
    /// It is closed without that.
    Closed(Option<String>),
}

impl Said {
    pub(super) fn next(&mut self) -> Option<ReaderEvent> {
        self.events.pop_front()
    }

    pub(super) fn log(&mut self, level: Level, line: String) {
        self.say(ReaderEvent::Log(level, line));
    }

    /// The reader has the other end of a link.
    pub(super) fn link_begun(&mut self) {
        self.link = Link::Open;
    }

    /// Something came over the link.
    pub(super) fn frames(&mut self, said: FromReader) {
        match said {
            FromReader::Pool {
                memory,
                geometry,
                caps,
            } => self.say(ReaderEvent::Pool {
                memory,
                geometry,
                caps,
            }),
            FromReader::Frame(frame) => self.say(ReaderEvent::Frame(frame)),
            FromReader::Lost { index } => self.say(ReaderEvent::Lost { index }),
            FromReader::End => self.link = Link::Ended,
        }
        self.conclude();
    }

    /// Nothing more comes over the link.
    pub(super) fn link_closed(&mut self, broken: Option<String>) {
        if self.link != Link::Ended {
            self.link = Link::Closed(broken);
        }
        self.conclude();
    }

    /// The process said something.
    pub(super) fn message(&mut self, message: FromChild) {
        match message {
            FromChild::Ready {
                source: Some(source),
                ..
            } => {
                self.has_opened = true;
                self.say(ReaderEvent::Opened(source));
            }
            FromChild::Stats { stats } => {
                let stats = serde_json::from_value::<MediaStats>(stats).ok();
                if let Some(stats) = stats.and_then(|stats| stats.reader)
                    && self.stats.is_none()
                {
                    self.say(ReaderEvent::Alive(stats));
                }
            }
            FromChild::Done { stats }
            | FromChild::Drained {
                stats: Some(stats), ..
            } if self.stats.is_none() => self.stats = stats.reader,
            FromChild::Log { level, message } => self.log(level, message),
            FromChild::Error(error) if !self.has_opened => self.stats = Some(not_opened(&error)),
            FromChild::Error(error) => self.log(Level::Warn, error.message),
            _ => {}
        }
        self.conclude();
    }

    /// The process's life took a turn.
    pub(super) fn lifecycle(&mut self, event: &Event) {
        match event {
            Event::Failed { reason } => self.exit = Some(reason.to_string()),
            Event::Stopped { exit } => self.exit = Some(exit.to_string()),
            _ => {}
        }
        self.conclude();
    }

    /// Whether the process is of no more use; true once.
    pub(super) fn is_to_leave(&mut self) -> bool {
        let is_to_leave = self.has_ended && self.exit.is_none() && !self.has_left;
        self.has_left |= is_to_leave;
        is_to_leave
    }

    fn conclude(&mut self) {
        if self.link == Link::Open {
            return;
        }
        let is_whole = |stats: &ReaderStats| {
            // A link that broke off took frames with it.
            let needs_end = matches!(stats.status, ReaderStatus::Complete | ReaderStatus::Partial);
            self.link == Link::Ended || !needs_end
        };
        if !self.has_ended && self.stats.as_deref().is_some_and(is_whole) {
            self.has_ended = true;
            if let Some(stats) = self.stats.clone() {
                if stats.video_streams > 1 {
                    let count = stats.video_streams;
                    let line = format!("of its {count} video streams the first one is read");
                    self.log(Level::Info, line);
                }
                self.say(ReaderEvent::Ended(stats));
            }
        }
        if let Some(exit) = self.exit.clone()
            && !self.is_gone
        {
            let why = match &self.link {
                Link::Closed(Some(broken)) => broken.clone(),
                _ => exit,
            };
            self.say(ReaderEvent::Gone(why));
            self.is_gone = true;
        }
    }

    fn say(&mut self, event: ReaderEvent) {
        if !self.is_gone {
            self.events.push_back(event);
        }
    }
}

/// A file that could not be opened, as an end.
fn not_opened(error: &ErrorReport) -> Box<ReaderStats> {
    Box::new(ReaderStats {
        status: ReaderStatus::Failed,
        reason: Some(error.message.clone()),
        ..ReaderStats::default()
    })
}

#[cfg(test)]
mod tests {
    use framerill_supervisor::{ExitReason, lifecycle::Reason};
    use framerill_worker::message::SourceInfo;

    use super::*;

    fn done(status: ReaderStatus) -> FromChild {
        let reader = ReaderStats {
            status,
            ..ReaderStats::default()
        };
        FromChild::Done {
            stats: Box::new(MediaStats {
                reader: Some(Box::new(reader)),
                ..MediaStats::default()
            }),
        }
    }

    fn ready() -> FromChild {
        FromChild::Ready {
            id: 1,
            description: None,
            source: Some(Box::new(SourceInfo::default())),
        }
    }

    fn stopped() -> Event {
        Event::Stopped {
            exit: ExitReason::Asked,
        }
    }

    fn opened() -> Said {
        let mut said = Said::default();
        said.message(ready());
        said.link_begun();
        said
    }

    fn names(said: &mut Said) -> Vec<&'static str> {
        let name = |event| match event {
            ReaderEvent::Opened(_) => "opened",
            ReaderEvent::Lost { .. } => "lost",
            ReaderEvent::Alive(_) => "alive",
            ReaderEvent::Ended(_) => "ended",
            ReaderEvent::Gone(_) => "gone",
            _ => "other",
        };
        std::iter::from_fn(|| said.next()).map(name).collect()
    }

    #[test]
    fn more_than_one_video_stream_is_told_before_the_end() {
        let mut said = opened();
        let reader = ReaderStats {
            status: ReaderStatus::Complete,
            video_streams: 2,
            ..ReaderStats::default()
        };
        let stats = MediaStats {
            reader: Some(Box::new(reader)),
            ..MediaStats::default()
        };
        said.message(FromChild::Done {
            stats: Box::new(stats),
        });
        said.frames(FromReader::End);
        let all: Vec<_> = std::iter::from_fn(|| said.next()).collect();
        let [
            _,
            ReaderEvent::Log(Level::Info, line),
            ReaderEvent::Ended(_),
        ] = &all[..]
        else {
            panic!("{all:?}");
        };
        assert_eq!(line, "of its 2 video streams the first one is read");
    }

    #[test]
    fn the_end_waits_for_the_last_frame() {
        let mut said = opened();
        said.message(done(ReaderStatus::Complete));
        assert_eq!(names(&mut said), ["opened"]);
        assert!(!said.is_to_leave());
        said.frames(FromReader::Lost { index: 8 });
        said.frames(FromReader::End);
        assert_eq!(names(&mut said), ["lost", "ended"]);
        assert!(said.is_to_leave());
        assert!(!said.is_to_leave());
        said.lifecycle(&stopped());
        assert_eq!(names(&mut said), ["gone"]);
    }

    #[test]
    fn a_process_that_dies_is_gone_after_what_its_link_still_held() {
        let mut said = opened();
        said.lifecycle(&Event::Failed {
            reason: Reason::from(ExitReason::Signal {
                signal: 9,
                core: false,
            }),
        });
        said.frames(FromReader::Lost { index: 8 });
        assert_eq!(names(&mut said), ["opened", "lost"]);
        said.link_closed(None);
        assert_eq!(names(&mut said), ["gone"]);
        said.message(done(ReaderStatus::Complete));
        assert_eq!(names(&mut said), [""; 0]);
    }

    #[test]
    fn a_link_that_broke_off_makes_no_complete_end() {
        let mut said = opened();
        said.message(done(ReaderStatus::Complete));
        said.link_closed(Some("a rule".to_owned()));
        said.lifecycle(&stopped());
        assert_eq!(names(&mut said), ["opened", "gone"]);
    }

    #[test]
    fn a_file_that_cannot_be_opened_has_ended_with_its_reason() {
        let mut said = Said::default();
        let report = ErrorReport::of_request(1, "source_empty", "`a.mp4` is empty");
        said.message(FromChild::Error(report));
        let Some(ReaderEvent::Ended(stats)) = said.next() else {
            panic!("an end");
        };
        assert_eq!(stats.status, ReaderStatus::Failed);
        assert_eq!(stats.reason.as_deref(), Some("`a.mp4` is empty"));
        said.lifecycle(&stopped());
        assert_eq!(names(&mut said), ["gone"]);
    }

    #[test]
    fn a_reader_that_was_asked_to_stop_has_ended_as_stopped() {
        let mut said = opened();
        said.message(done(ReaderStatus::Stopped));
        said.link_closed(None);
        assert_eq!(names(&mut said), ["opened", "ended"]);
    }
}
