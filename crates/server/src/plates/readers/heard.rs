//! What a reader says, in the words of the run machine. Pure.

use std::sync::Arc;

use framerill_frames::Geometry;
use framerill_media::Caps;
use framerill_plates::{
    flow::{SourceEnd, SourceStatus, Taken},
    gps::{Fix, Route},
    run::ReaderSaid,
};
use framerill_worker::message::{Level as Grade, ReaderStats, ReaderStatus, SourceInfo};

use super::reader::ReaderEvent;
use crate::plates::log::Level;

/// What one reader has said of its file.
#[derive(Debug, Default)]
pub(super) struct Heard {
    fps: Option<f64>,
    frames: Option<u64>,
    taken: Taken,
    caps: Option<Caps>,
}

impl Heard {
    /// Its pool is there.
    pub(super) fn pool(&mut self, geometry: Geometry, caps: Caps) -> ReaderSaid {
        self.caps = Some(caps);
        ReaderSaid::Opened {
            slots: geometry.slots,
            slot_bytes: geometry.slot_bytes.into(),
            fps: self.fps,
            frames: self.frames,
            taken: self.taken.clone(),
        }
    }

    /// Anything else: for the run, and for the log.
    pub(super) fn said(
        &mut self,
        event: ReaderEvent,
    ) -> (Option<ReaderSaid>, Option<(Level, String)>) {
        let said = match event {
            // Its pool comes next.
            ReaderEvent::Opened(source) => {
                self.fps = rate(source.fps);
                self.frames = source.frames;
                self.taken = taken(*source);
                return (None, None);
            }
            ReaderEvent::Pool { .. } => return (None, None),
            ReaderEvent::Frame(frame) => {
                let Some(caps) = self.caps else {
                    return (None, None);
                };
                ReaderSaid::Frame {
                    frame_idx: frame.index,
                    ts_ms: frame.seconds().map(|it| it * 1000.0),
                    slot: frame.slot,
                    width: caps.size.width(),
                    height: caps.size.height(),
                }
            }
            ReaderEvent::Alive(stats) => ReaderSaid::Alive {
                decoded: stats.decoded,
            },
            ReaderEvent::Ended(stats) if stats.status == ReaderStatus::NoMemory => {
                ReaderSaid::NoStore(stats.reason.unwrap_or_default())
            }
            ReaderEvent::Ended(stats) => ReaderSaid::Ended(end(*stats)),
            ReaderEvent::Gone(why) => ReaderSaid::Gone(why),
            ReaderEvent::Lost { index } => {
                let line = format!("frame {index} could not be read");
                let said = ReaderSaid::Lost { frame_idx: index };
                return (Some(said), Some((Level::Warning, line)));
            }
            ReaderEvent::Log(level, line) => {
                let level = match level {
                    Grade::Error => Level::Error,
                    Grade::Warn => Level::Warning,
                    Grade::Info | Grade::Debug => Level::Info,
                };
                return (None, Some((level, line)));
            }
        };
        (Some(said), None)
    }
}

fn rate([num, den]: [u32; 2]) -> Option<f64> {
    (num > 0 && den > 0).then(|| f64::from(num) / f64::from(den))
}

/// What a file says of the time and the places of its recording.
fn taken(source: SourceInfo) -> Taken {
    let duration_ms = source.duration.map(|it| it * 1000.0);
    let Some(it) = source.taken else {
        return Taken {
            duration_ms,
            ..Taken::default()
        };
    };
    let fixes = it.places.into_iter();
    let fixes = fixes.filter_map(|(at_ms, lat, lon, speed_mps, bearing)| {
        let fix = Fix::new(at_ms, lat, lon)?;
        Some(Fix {
            speed_mps,
            bearing,
            ..fix
        })
    });
    Taken {
        created: it.created,
        duration_ms,
        route: Route::new(fixes.collect()).map(Arc::new),
    }
}

fn end(stats: ReaderStats) -> SourceEnd {
    SourceEnd {
        status: match stats.status {
            ReaderStatus::Complete => SourceStatus::Complete,
            ReaderStatus::Partial => SourceStatus::Partial,
            ReaderStatus::Stopped => SourceStatus::Stopped,
            ReaderStatus::Reading | ReaderStatus::Failed | ReaderStatus::NoMemory => {
                SourceStatus::Failed
            }
        },
        reason: stats.reason,
        decoded: stats.decoded,
        failed: stats.failed,
        fps: rate(stats.fps),
        duration_ms: stats.duration.map(|it| it * 1000.0),
        size_bytes: None,
    }
}

#[cfg(test)]
mod tests {
    use framerill_media::{PixelFormat, Size};

    use super::*;

    fn caps() -> Caps {
        Caps::new(PixelFormat::Rgb24, Size::new(8, 4).unwrap()).unwrap()
    }

    #[test]
    fn a_frame_that_is_lost_is_told_to_the_run_and_to_the_log() {
        let (said, line) = Heard::default().said(ReaderEvent::Lost { index: 7 });
        assert_eq!(said, Some(ReaderSaid::Lost { frame_idx: 7 }));
        assert!(matches!(line, Some((Level::Warning, line)) if line.contains('7')));
    }

    #[test]
    fn what_the_file_says_of_its_recording_comes_with_its_pool() {
        let mut heard = Heard::default();
        let nowhere = (0.0, 0.0, 0.0, None, None);
        let place = (1000.0, 48.5, 11.5, Some(12.5), Some(90.0));
        let source = SourceInfo {
            fps: [25, 1],
            duration: Some(2.0),
            frames: Some(50),
            taken: Some(Box::new(framerill_worker::message::Taken {
                created: Some("2025-11-16T11:50:02Z".into()),
                places: vec![nowhere, place],
            })),
            ..SourceInfo::default()
        };
        assert!(matches!(
            heard.said(ReaderEvent::Opened(Box::new(source))),
            (None, None)
        ));
        let geometry = Geometry {
            slots: 4,
            slot_bytes: 96,
        };
        let ReaderSaid::Opened { taken, fps, .. } = heard.pool(geometry, caps()) else {
            panic!("it is open");
        };
        assert_eq!((fps, taken.duration_ms), (Some(25.0), Some(2000.0)));
        assert_eq!(taken.created.as_deref(), Some("2025-11-16T11:50:02Z"));
        let route = taken.route.unwrap();
        let fixes = route.fixes();
        assert_eq!(fixes.len(), 1);
        assert_eq!(
            (fixes[0].lat, fixes[0].speed_mps, fixes[0].bearing),
            (48.5, Some(12.5), Some(90.0))
        );
    }
}
