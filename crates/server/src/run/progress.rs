//! How far a run is: a bar on a terminal, plain lines elsewhere, nothing when quiet; within another command its lines only.

use std::{io::IsTerminal, time::Duration};

use framerill_worker::message::{MediaStats, SourceInfo};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::log::Level;

/// Plain lines come this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Who hears the lines of a run within another command.
pub(crate) type Tell = Box<dyn Fn(Level, &str) + Send>;

/// Shows how far a run is, on stderr or to who started it.
pub(crate) struct Progress {
    shown: Shown,
    total: Option<u64>,
    last_line: Duration,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
    Told(Tell),
}

impl Progress {
    /// A bar, lines or nothing, as fits.
    #[must_use]
    pub(crate) fn new(quiet: bool) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            Shown::Bar(ProgressBar::with_draw_target(
                None,
                ProgressDrawTarget::stderr_with_hz(8),
            ))
        } else {
            Shown::Lines
        };
        Self::showing(shown)
    }

    /// Lines to whoever hears them.
    #[must_use]
    pub(super) fn told(tell: Tell) -> Self {
        Self::showing(Shown::Told(tell))
    }

    fn showing(shown: Shown) -> Self {
        Self {
            shown,
            total: None,
            last_line: Duration::ZERO,
        }
    }

    /// The source is known.
    pub(crate) fn begin(&mut self, source: &SourceInfo, limit_seconds: Option<f64>) {
        self.total = total_frames(source, limit_seconds);
        if let Shown::Bar(bar) = &self.shown {
            let template = match self.total {
                Some(total) => {
                    bar.set_length(total);
                    "{bar:32} {pos}/{len} frames  {msg}  {eta} left"
                }
                None => "{spinner} {pos} frames  {msg}  {elapsed}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
        }
    }

    /// New counters, so long after the beginning.
    pub(crate) fn update(&mut self, stats: &MediaStats, elapsed: Duration) {
        let done = stats.encoded + stats.dropped + stats.skipped + stats.held;
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(format!("{:.1} fps", stats.fps));
            }
            Shown::Lines if elapsed >= self.last_line + LINE_EVERY => {
                self.last_line = elapsed;
                let left = match self.total {
                    Some(total) if stats.fps > 0.0 => {
                        #[expect(clippy::cast_precision_loss, reason = "frame counts")]
                        let left = total.saturating_sub(done) as f64 / stats.fps;
                        format!(" of {total}, {left:.0} s left")
                    }
                    _ => String::new(),
                };
                self.say(&format!("{done} frames{left}, {:.1} fps", stats.fps));
            }
            Shown::Lines | Shown::Nothing | Shown::Told(_) => {}
        }
    }

    /// A line above the bar.
    pub(crate) fn say(&self, line: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| crate::terminal::tell(format_args!("{line}"))),
            Shown::Lines => crate::terminal::tell(format_args!("{line}")),
            Shown::Nothing => {}
            Shown::Told(tell) => tell(Level::Info, line),
        }
    }

    /// A line that is shown even when quiet: an error, or what a pipeline printed.
    pub(crate) fn insist(&self, line: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| crate::terminal::tell(format_args!("{line}"))),
            Shown::Lines | Shown::Nothing => crate::terminal::tell(format_args!("{line}")),
            Shown::Told(tell) => tell(Level::Warning, line),
        }
    }

    /// Whether it says nothing but what it has to.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.shown, Shown::Nothing)
    }

    /// The run is over.
    pub(crate) fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn total_frames(source: &SourceInfo, limit_seconds: Option<f64>) -> Option<u64> {
    let [num, den] = source.fps;
    let by_limit = limit_seconds.filter(|_| num > 0 && den > 0).map(|seconds| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates"
        )]
        let frames = (seconds * f64::from(num) / f64::from(den)).ceil() as u64;
        frames
    });
    match (source.frames, by_limit) {
        (Some(all), Some(limit)) => Some(all.min(limit)),
        (all, limit) => all.or(limit),
    }
}
