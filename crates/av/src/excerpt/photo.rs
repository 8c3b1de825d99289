//! A picture file whose bytes are one packet: decoded at once, where opening it as a video would decode it twice.

use fearless_simd::{Level, Simd as _, dispatch};
use framerill_media::{Caps, PixelFormat, Size};

use super::jpeg::ends_early;
use crate::{
    error::AvError,
    ffi::{Colour, Decoder, Fault, Format, Frame, Packet, Parameters},
    scale::Scaler,
    source::Traits,
    turn::Turn,
};

/// What it shows; none for a file that begins neither as a JPEG nor as a PNG.
pub(super) fn frame_of(bytes: &[u8], name: &str) -> Option<Result<Frame, AvError>> {
    if ends_early(bytes) {
        let name = name.to_owned();
        return Some(Err(AvError::PictureCutOff { name }));
    }
    let parameters = Parameters::of_picture_file(bytes)?;
    let codec = parameters.codec_name();
    let decoded = decoded(&parameters, bytes).map_err(|fault| AvError::Decoder {
        name: name.to_owned(),
        codec,
        fault,
    });
    Some(decoded)
}

fn decoded(parameters: &Parameters, bytes: &[u8]) -> Result<Frame, Fault> {
    let mut decoder = Decoder::open(parameters, (1, 1), 1)?;
    let mut frame = Frame::new();
    decoder.send(Some(&Packet::from_bytes(bytes)?))?;
    if !decoder.receive(&mut frame)? {
        decoder.send(None)?;
        if !decoder.receive(&mut frame)? {
            return Err(Fault::INVALID);
        }
    }
    Ok(frame)
}

/// Makes frames rgb24 and upright, one after the other in the same memory.
#[derive(Debug, Default)]
pub(super) struct Upright {
    /// What a larger picture left in either is written over.
    planes: Vec<u8>,
    pixels: Vec<u8>,
}

impl Upright {
    /// The size of the picture that `frame` shows, and its pixels.
    pub(super) fn of(&mut self, frame: &Frame, name: &str) -> Result<(Size, &[u8]), AvError> {
        let too_large = |(width, height)| AvError::SourceTooLarge {
            name: name.to_owned(),
            width,
            height,
        };
        let format = frame.format();
        let traits = Traits {
            size: frame
                .size()
                .ok_or_else(|| too_large(frame.claimed_size()))?,
            turn: Turn::None,
            pixel_aspect: (1, 1),
            colour: match format {
                Some(format) if format.is_rgb() => Colour::of_rgb(),
                _ => frame.colour(),
            },
        };
        let traits = traits.with_first(frame).map_err(too_large)?;
        let caps = Caps::new(PixelFormat::Rgb24, traits.upright())
            .map_err(|error| AvError::Plan(error.to_string()))?;
        let pixels = first(&mut self.pixels, caps.picture_bytes());
        let whole_chroma = (Format::YUV444P, true);
        if traits.turn == Turn::None && format.map(Format::without_range) == Some(whole_chroma) {
            let planes = first(&mut self.planes, pixels.len());
            frame.copy_to(planes);
            dispatch!(Level::new(), simd => simd.vectorize(
                #[inline(always)]
                || rgb_of_jpeg(planes, pixels)
            ));
        } else {
            Scaler::of_traits(traits, caps).frame_into(frame, pixels)?;
        }
        Ok((caps.size, pixels))
    }
}

/// So many bytes of a memory that grows.
fn first(memory: &mut Vec<u8>, count: usize) -> &mut [u8] {
    memory.resize(count.max(memory.len()), 0);
    &mut memory[..count]
}

/// Three planes of full range one after the other, by the formula of JFIF, which knows no other: swscale does this in plain C
/// and takes longer than the decoder.
#[inline(always)]
fn rgb_of_jpeg(planes: &[u8], rgb: &mut [u8]) {
    let pixels = planes.len() / 3;
    let (luma, chroma) = planes.split_at(pixels);
    let (blue, red) = chroma.split_at(pixels);
    let sides = luma.iter().zip(blue.iter().zip(red));
    for (to, (&luma, (&blue, &red))) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(sides) {
        let luma = (i32::from(luma) << 16) + (1 << 15);
        let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
        *to = [
            level(luma + 91_881 * red),
            level(luma - 22_554 * blue - 46_802 * red),
            level(luma + 116_130 * blue),
        ];
    }
}

#[inline(always)]
fn level(value: i32) -> u8 {
    u8::try_from((value >> 16).clamp(0, 255)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_jfif() {
        let of = |luma, blue, red| {
            let mut rgb = [0; 3];
            rgb_of_jpeg(&[luma, blue, red], &mut rgb);
            rgb
        };
        for grey in [0, 1, 127, 128, 255] {
            assert_eq!(of(grey, 128, 128), [grey; 3]);
        }
        assert_eq!(of(76, 85, 255), [254, 0, 0]);
        assert_eq!(of(150, 44, 21), [0, 255, 1]);
        assert_eq!(of(29, 255, 107), [0, 0, 254]);
    }

    #[test]
    fn planes_lie_one_after_the_other() {
        let mut rgb = [0; 6];
        rgb_of_jpeg(&[10, 200, 128, 128, 128, 228], &mut rgb);
        assert_eq!(rgb[..3], [10; 3]);
        assert_eq!(rgb[3..], [255, 129, 200]);
    }

    #[test]
    fn what_begins_as_no_picture_file_is_left_to_others() {
        assert!(frame_of(b"GIF89a", "a").is_none());
        assert!(frame_of(b"", "a").is_none());
        let broken = frame_of(b"\xff\xd8\xff\xd9 nothing", "a");
        assert!(broken.is_some_and(|it| it.is_err()));
    }
}
