//! A clip with boxes drawn into it, or one that has to be turned: encoded anew.

use framerill_frames::Foreign;
use framerill_media::{Caps, PixelFormat, Pts};
use framerill_worker::message::{ClipPlan, Container, DrawnBox, ExcerptStats, MediaPlan, Sink};

use super::{Job, described, find::SAME, paint::draw};
use crate::{encode::VideoParams, error::AvError, scale::Scaler, sink::SinkWriter, source::Raw};

/// Encodes the frames of the clip.
pub(super) fn make(
    mut job: Job,
    clip: &ClipPlan,
    plan: &MediaPlan,
) -> Result<ExcerptStats, AvError> {
    let base = job.source.time_base();
    let at = clip.at.seconds.unwrap_or(0.0);
    let (from, to) = (at - clip.before - SAME, at + clip.after + SAME);
    let caps = Caps::new(PixelFormat::Rgb24, job.traits.upright())
        .map_err(|error| AvError::Plan(error.to_string()))?;
    let mut sink = sink(&mut job, clip, plan, caps)?;
    let mut scaler = Scaler::of_traits(job.traits, caps);
    let mut pixels = vec![0; caps.picture_bytes()];
    let mut stats = ExcerptStats {
        seconds: Some(at),
        frame: clip.at.frame,
        ..described(&job, caps.size)
    };
    let mut span: Option<(i64, i64)> = None;
    while let Raw::Picture { frame, pts, .. } = job.source.next()? {
        let seconds = base.seconds(Pts(pts));
        if seconds > to {
            break;
        }
        let (first, last) = span.unwrap_or((pts, i64::MIN));
        if seconds < from || pts <= last {
            continue;
        }
        span = Some((first, pts));
        scaler.frame_into(&frame, &mut pixels)?;
        for drawn in clip.boxes.iter().filter(|it| is_shown(it, seconds)) {
            draw(&mut pixels, caps.size, drawn);
        }
        let moved = Pts(pts.saturating_sub(first));
        sink.write_picture(Foreign::from(&pixels[..]), caps, moved)?;
        stats.frames += 1;
        stats.before += u64::from(seconds + SAME < at);
    }
    if stats.frames == 0 {
        return Err(AvError::SourceEmpty {
            name: job.name,
            what: "has no picture at the time that was asked for",
        });
    }
    sink.finish()?;
    Ok(stats)
}

fn is_shown(drawn: &DrawnBox, seconds: f64) -> bool {
    let within = |[from, to]: [f64; 2]| from - SAME <= seconds && seconds <= to + SAME;
    drawn.shown.is_none_or(within)
}

fn sink(
    job: &mut Job,
    clip: &ClipPlan,
    plan: &MediaPlan,
    caps: Caps,
) -> Result<SinkWriter, AvError> {
    let part = clip.part_fd.ok_or_else(|| {
        AvError::Plan("a clip that is encoded anew needs a second file".to_owned())
    })?;
    let to = Sink {
        container: Container::Mp4,
        fd: part,
        final_fd: Some(clip.fd),
        name: "the clip".to_owned(),
    };
    let video = job.source.video();
    let params = VideoParams {
        size: caps.size,
        time_base: job.source.time_base(),
        rate: video.average_rate.or(video.base_rate),
        pixel_aspect: Some(job.traits.turn.aspect(job.traits.pixel_aspect)),
        colour: job.traits.colour,
        is_live: false,
    };
    let mut sink = SinkWriter::prepare(&to, &mut job.fds, params, plan, None)?;
    sink.begin(caps.size)?;
    Ok(sink)
}
