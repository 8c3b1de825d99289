//! The before/after picture.

use std::{fs::File, io::Write};

use framerill_frames::{
    Foreign,
    convert::{self, Range},
};
use framerill_media::{Caps, PixelFormat, Size};

use crate::{
    error::AvError,
    ffi::{Colour, Encoder, Fault, Format, Frame, Packet, Side, Swscale, VideoSpec},
    scale::side_of,
};

/// The longest side of half a preview; larger pictures are scaled down to it.
const MOST: u32 = 4096;

/// Writes two pictures side by side as PNG, both in the size of the second.
pub fn write_preview(
    mut file: File,
    before: (Caps, &[u8]),
    after: (Caps, &[u8]),
) -> Result<(), AvError> {
    let failed = |fault| AvError::Encode {
        name: "png".to_owned(),
        what: Fault::to_string(&fault),
    };
    let half = half_size(after.0.size);
    let row = half.width() as usize * 3;
    let before = to_rgb(before.1, before.0, half).map_err(failed)?;
    let after = to_rgb(after.1, after.0, half).map_err(failed)?;
    let rows = before.chunks_exact(row).zip(after.chunks_exact(row));
    let both: Vec<u8> = rows
        .flat_map(|(before, after)| [before, after])
        .flatten()
        .copied()
        .collect();
    let whole = Size::new(half.width() * 2, half.height()).expect("twice a side that was cut down");
    let png = encode(&both, whole).map_err(failed)?;
    file.write_all(png.as_bytes())
        .map_err(|error| AvError::SinkWrite {
            name: "the preview".to_owned(),
            fault: crate::sink::errno(&error),
        })
}

fn half_size(size: Size) -> Size {
    let longest = size.width().max(size.height());
    if longest <= MOST {
        return size;
    }
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(MOST) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(MOST).max(1)
    };
    Size::new(side(size.width()), side(size.height())).expect("shorter than it was")
}

fn to_rgb(picture: &[u8], caps: Caps, size: Size) -> Result<Vec<u8>, Fault> {
    let picture = &picture[..caps.picture_bytes()];
    let mut bytes = Vec::new();
    let picture = if caps.format == PixelFormat::RgbF32 {
        let values: Vec<f32> = picture
            .as_chunks::<4>()
            .0
            .iter()
            .map(|four| f32::from_le_bytes(*four))
            .collect();
        bytes.resize(values.len(), 0);
        convert::f32_to_u8(&values, &mut bytes, Range::UNIT);
        &bytes[..]
    } else {
        picture
    };
    let mut into = vec![0; size.pixels() * 3];
    let mut swscale = Swscale::new(side_of(caps, Colour::default()), Side::rgb(size))?;
    swscale.bytes_to_bytes(Foreign::from(picture), &mut into)?;
    Ok(into)
}

fn encode(pixels: &[u8], size: Size) -> Result<Packet, Fault> {
    let mut frame = Frame::picture(Format::RGB24, size)?;
    Swscale::new(Side::rgb(size), Side::rgb(size))?
        .bytes_to_frame(Foreign::from(pixels), &mut frame)?;
    frame.set_pts(0);
    let mut encoder = Encoder::video(&VideoSpec {
        name: "png",
        size,
        format: Format::RGB24,
        time_base: (1, 1),
        rate: None,
        gop: 1,
        b_frames: None,
        pixel_aspect: None,
        colour: Colour::default(),
        global_header: false,
        threads: 1,
        options: &[],
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
