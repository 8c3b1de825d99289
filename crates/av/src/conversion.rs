//! A decoded picture into contiguous rows: at once, or in two steps where swscale has fast code for each of them and none
//! for both together.

use framerill_media::Size;

use crate::ffi::{Crop, Fault, Format, Frame, Side, Swscale};

/// Between two fixed sides.
pub(crate) struct Conversion {
    /// The first of two steps, and what it makes.
    first: Option<(Swscale, Frame)>,
    last: Swscale,
    /// Of what comes out.
    size: Size,
}

impl Conversion {
    /// From one side to the other.
    pub(crate) fn new(from: Side, to: Side) -> Result<Self, Fault> {
        let halfway = halfway(from, to);
        let first = match halfway {
            Some(side) => {
                let scaled = Frame::picture(side.format, side.size)?;
                Some((Swscale::new(from, side)?, scaled))
            }
            None => None,
        };
        Ok(Self {
            first,
            last: Swscale::new(halfway.unwrap_or(from), to)?,
            size: to.size,
        })
    }

    /// A part of a frame.
    pub(crate) fn convert(
        &mut self,
        frame: &Frame,
        crop: Crop,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        let Some((first, scaled)) = &mut self.first else {
            return self.last.frame_to_bytes(frame, crop, into);
        };
        first.frame_to_frame(frame, crop, scaled)?;
        self.last
            .frame_to_bytes(scaled, Crop::whole(self.size), into)
    }
}

/// What a picture with halved chroma becomes on its way. To RGB: swscale scales planes, and makes RGB of planes of one size,
/// with vector instructions; both together it does in plain C, at five times the cost (swscale 6.7: 512x512 out of 360x360).
/// An odd height has no fast code either. NV12 to itself: swscale copies no chroma then (`planarCopyWrapper`).
fn halfway(from: Side, to: Side) -> Option<Side> {
    let planar = Format::YUV420P;
    let is_scaled = from.size != to.size;
    let is_needed = match to.format {
        Format::RGB24 => {
            let is_halved = from.format.chroma_shift() == (1, 1);
            let is_even = to.size.height().is_multiple_of(2);
            is_halved && is_even && (is_scaled || from.format != planar)
        }
        Format::NV12 => from.format == Format::NV12 && !is_scaled,
        _ => false,
    };
    is_needed.then_some(Side {
        format: planar,
        size: to.size,
        ..from
    })
}

#[cfg(test)]
mod tests {
    use framerill_frames::Foreign;
    use framerill_media::{Caps, PixelFormat, Size};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ffi::{Colour, SideRange},
        scale::side_of,
    };

    const AROUND: usize = 64;
    /// What halved chroma and the small steps cost, in hundredths of a level.
    const MOST_APART: u64 = 600;

    fn side(format: Format, size: Size) -> Side {
        Side {
            format,
            size,
            range: SideRange::Limited,
            colour: Colour::default(),
        }
    }

    /// Colours that change slowly from corner to corner, and with every pixel a little.
    fn pixels(size: Size) -> Vec<u8> {
        let (width, height) = (size.width(), size.height());
        let share = |n: u32, all: u32| u8::try_from(200 * n / all.max(1)).unwrap();
        let pixels = (0..height).flat_map(|y| {
            (0..width).flat_map(move |x| {
                [
                    share(x, width) + u8::from((x + y) % 2 == 0) * 8,
                    share(y, height),
                    200 - share(x, width),
                ]
            })
        });
        pixels.collect()
    }

    fn picture(of: Side) -> Frame {
        let mut frame = Frame::picture(of.format, of.size).unwrap();
        let mut swscale = Swscale::new(Side::rgb(of.size), of).unwrap();
        let pixels = pixels(of.size);
        swscale
            .bytes_to_frame(Foreign::from(&pixels[..]), &mut frame)
            .unwrap();
        frame
    }

    /// How far bytes are apart, in hundredths of a level, on average and at most.
    fn apart(one: &[u8], other: &[u8]) -> (u64, u8) {
        let apart = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b));
        let furthest = apart.clone().max().unwrap();
        let sum: u64 = apart.map(u64::from).sum();
        (100 * sum / one.len() as u64, furthest)
    }

    fn layout() -> impl Strategy<Value = Format> {
        prop_oneof![
            Just(Format::YUV420P),
            Just(Format::YUV444P),
            Just(Format::NV12),
            Just(Format::GRAY8),
            Just(Format::RGB24),
        ]
    }

    fn wanted() -> impl Strategy<Value = PixelFormat> {
        prop_oneof![
            Just(PixelFormat::Rgb24),
            Just(PixelFormat::Gray8),
            Just(PixelFormat::Nv12),
        ]
    }

    fn sizes() -> impl Strategy<Value = (Size, Size)> {
        let size = || (2u32..80, 2u32..80).prop_map(|(w, h)| Size::new(w, h).unwrap());
        prop_oneof![size().prop_map(|it| (it, it)), (size(), size())]
    }

    proptest! {
        #[test]
        fn every_byte_of_a_picture_is_written_and_none_beside_it(
            format in layout(), wanted in wanted(), (from_size, to_size) in sizes(),
        ) {
            let Ok(caps) = Caps::new(wanted, to_size) else { return Ok(()) };
            let (from, to) = (side(format, from_size), side_of(caps, Colour::default()));
            let frame = picture(from);
            let bytes = caps.picture_bytes();
            let mut conversion = Conversion::new(from, to).unwrap();
            let [black, white] = [0u8, 255].map(|before| {
                let mut into = vec![before; bytes + AROUND];
                let whole = Crop::whole(from_size);
                conversion.convert(&frame, whole, &mut into[..bytes]).unwrap();
                assert!(into[bytes..].iter().all(|it| *it == before), "beyond the picture");
                into.truncate(bytes);
                into
            });
            prop_assert!(black == white, "a part was left as it was");
        }

        /// Of the layouts that hold colours, at sizes at which they hold them.
        #[test]
        fn a_picture_has_the_colours_that_it_had(
            format in layout(), is_nv12: bool, from_width in 16u32..100, to_width in 16u32..100, is_scaled: bool,
        ) {
            prop_assume!(format != Format::GRAY8);
            let to_width = if is_scaled { to_width } else { from_width };
            let [from_size, to_size] = [from_width, to_width].map(|it| Size::new(it & !1, 64).unwrap());
            let wanted = if is_nv12 { PixelFormat::Nv12 } else { PixelFormat::Rgb24 };
            let caps = Caps::new(wanted, to_size).unwrap();
            let (from, to) = (side(format, from_size), side_of(caps, Colour::default()));
            let from = if format.is_rgb() { Side::rgb(from_size) } else { from };
            let mut into = vec![0; caps.picture_bytes()];
            let mut conversion = Conversion::new(from, to).unwrap();
            conversion.convert(&picture(from), Crop::whole(from_size), &mut into).unwrap();
            let mut seen = vec![0; pixels(to_size).len()];
            let mut shown = Swscale::new(to, Side::rgb(to_size)).unwrap();
            shown.bytes_to_bytes(Foreign::from(&into[..]), &mut seen).unwrap();
            let (mean, _) = apart(&seen, &pixels(to_size));
            prop_assert!(mean <= MOST_APART, "{mean} / 100");
        }
    }

    #[test]
    fn two_steps_make_the_picture_that_one_makes() {
        let [from_size, to_size] = [360, 512].map(|it| Size::new(it, it).unwrap());
        let caps = Caps::new(PixelFormat::Rgb24, to_size).unwrap();
        let to = side_of(caps, Colour::default());
        for format in [Format::YUV420P, Format::NV12] {
            let from = side(format, from_size);
            let frame = picture(from);
            let [mut one, mut two] = [(); 2].map(|()| vec![0; caps.picture_bytes()]);
            let whole = Crop::whole(from_size);
            let mut direct = Swscale::new(from, to).unwrap();
            direct.frame_to_bytes(&frame, whole, &mut one).unwrap();
            let mut conversion = Conversion::new(from, to).unwrap();
            assert!(conversion.first.is_some(), "in two steps");
            conversion.convert(&frame, whole, &mut two).unwrap();
            let (mean, furthest) = apart(&one, &two);
            // One level is what rounding costs.
            assert!(
                mean <= 100 && furthest <= 8,
                "{furthest} at most, {mean} / 100"
            );
        }
    }
}
