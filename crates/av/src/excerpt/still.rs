//! One frame as a picture.

use std::{fs::File, io::Write};

use framerill_frames::Foreign;
use framerill_media::{Caps, PixelFormat, Size};
use framerill_worker::message::{ExcerptStats, StillFormat, StillPlan};

use super::{
    Job, described,
    find::find,
    paint::{Part, draw},
};
use crate::{
    error::AvError,
    ffi::{Colour, Encoder, Fault, Format, Frame, Packet, Side, SideRange, Swscale, VideoSpec},
    scale::Scaler,
    source::take_fd,
};

/// FFmpeg's scale of quantisers for JPEG, times 118: 2 is the best that looks like a photograph of a few hundred kB.
const JPEG_QUALITY: &str = "236";

/// Finds, draws, cuts, scales, packs and writes.
pub(super) fn make(mut job: Job, plan: &StillPlan) -> Result<ExcerptStats, AvError> {
    let into = take_fd(&mut job.fds, plan.fd, "the still")?;
    let found = find(&mut job, plan.at)?;
    let (whole, mut pixels) = upright(&mut job, &found.frame)?;
    for drawn in &plan.boxes {
        draw(&mut pixels, whole, drawn);
    }
    let mut size = whole;
    if let Some(crop) = plan.crop {
        let part = Part::of(crop, whole)
            .ok_or_else(|| AvError::Plan(format!("{crop:?} is no part of the picture")))?;
        pixels = part.cut(&pixels, whole);
        size = part.size();
    }
    let wanted = scaled(size, plan.max_side);
    let failed = |fault: Fault| AvError::Encode {
        name: codec(plan.format).to_owned(),
        what: fault.to_string(),
    };
    let packed = pack(&pixels, size, wanted, plan.format).map_err(failed)?;
    let written = File::from(into).write_all(packed.as_bytes());
    written.map_err(|error| AvError::SinkWrite {
        name: "the still".to_owned(),
        fault: crate::sink::errno(&error),
    })?;
    Ok(ExcerptStats {
        seconds: Some(found.seconds),
        frame: found.index,
        frames: 1,
        ..described(&job, wanted)
    })
}

/// The frame as rgb24, upright.
pub(super) fn upright(job: &mut Job, frame: &Frame) -> Result<(Size, Vec<u8>), AvError> {
    job.traits = job
        .traits
        .with_first(frame)
        .map_err(AvError::too_large(&job.name))?;
    let caps = Caps::new(PixelFormat::Rgb24, job.traits.upright())
        .map_err(|error| AvError::Plan(error.to_string()))?;
    let mut pixels = vec![0; caps.picture_bytes()];
    Scaler::of_traits(job.traits, caps).frame_into(frame, &mut pixels)?;
    Ok((caps.size, pixels))
}

/// The same aspect with no side longer than `most`.
fn scaled(size: Size, most: Option<u32>) -> Size {
    let longest = size.width().max(size.height());
    let Some(most) = most.filter(|most| (1..longest).contains(most)) else {
        return size;
    };
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(most) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(most).max(1)
    };
    Size::new(side(size.width()), side(size.height())).expect("shorter than it was")
}

fn codec(format: StillFormat) -> &'static str {
    match format {
        StillFormat::Jpeg => "mjpeg",
        StillFormat::Png => "png",
    }
}

fn pack(pixels: &[u8], from: Size, size: Size, format: StillFormat) -> Result<Packet, Fault> {
    let (layout, options): (_, &[(&str, &str)]) = match format {
        StillFormat::Jpeg => (
            Format::YUVJ420P,
            &[("flags", "+qscale"), ("global_quality", JPEG_QUALITY)],
        ),
        StillFormat::Png => (Format::RGB24, &[]),
    };
    let to = Side {
        format: layout,
        range: SideRange::Full,
        ..Side::rgb(size)
    };
    let mut frame = Frame::picture(layout, size)?;
    Swscale::new(Side::rgb(from), to)?.bytes_to_frame(Foreign::from(pixels), &mut frame)?;
    frame.set_pts(0);
    let mut encoder = Encoder::video(&VideoSpec {
        name: codec(format),
        size,
        format: layout,
        time_base: (1, 1),
        rate: None,
        gop: 1,
        b_frames: None,
        pixel_aspect: None,
        colour: Colour::default(),
        global_header: false,
        threads: 1,
        options,
    })?;
    encoder.send(Some(&frame))?;
    encoder.send(None)?;
    let mut packet = Packet::new();
    if encoder.receive(&mut packet)? {
        Ok(packet)
    } else {
        Err(Fault::INVALID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_long_is_scaled() {
        let size = |width, height| Size::new(width, height).unwrap();
        let hd = size(1920, 1080);
        assert_eq!(scaled(hd, None), hd);
        assert_eq!(scaled(hd, Some(1920)), hd);
        assert_eq!(scaled(hd, Some(0)), hd);
        assert_eq!(scaled(hd, Some(960)), size(960, 540));
        assert_eq!(scaled(size(1, 1000), Some(10)), size(1, 10));
    }
}
