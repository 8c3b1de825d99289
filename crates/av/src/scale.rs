//! Decoded pictures into a worker's slots: cropped, scaled, converted and stood upright.

use framerill_frames::convert::{self, Range};
use framerill_media::{Caps, PixelFormat};
use framerill_worker::message::MediaPlan;

use crate::{
    conversion::Conversion,
    error::AvError,
    ffi::{Colour, Crop, Format, Frame, Side, SideRange},
    fit,
    kept::Kept,
    source::{DecodedPicture, SourceReader, Traits},
    turn::Turn,
};

/// Writes pictures of one source as pictures of fixed caps.
pub struct Scaler {
    caps: Caps,
    turn: Turn,
    pixel_aspect: (u32, u32),
    /// The plan asks for a size, so that pixels become square.
    is_sized: bool,
    /// None takes each picture's own, which may change in the middle of a live stream.
    colour: Option<Colour>,
    conversion: Kept<(Side, Side), Conversion>,
    /// The picture lying on its side, or in 8 bit on its way to floats.
    lying: Vec<u8>,
    bytes: Vec<u8>,
    floats: Vec<f32>,
}

impl Scaler {
    /// For the pictures of `source`, as the plan wants them, in `caps`.
    pub fn new(source: &SourceReader, plan: &MediaPlan, caps: Caps) -> Result<Self, AvError> {
        let traits = source.traits();
        Ok(Self {
            is_sized: plan.size.is_some_and(|size| size != traits.upright()),
            ..Self::of_traits(traits, caps)
        })
    }

    /// For pictures like these in their own size; those of another size in `caps` are cropped and scaled to it.
    pub(crate) fn of_traits(traits: Traits, caps: Caps) -> Self {
        Self {
            caps,
            turn: traits.turn,
            pixel_aspect: traits.pixel_aspect,
            is_sized: false,
            colour: Some(traits.colour),
            conversion: Kept::new(),
            lying: Vec::new(),
            bytes: Vec::new(),
            floats: Vec::new(),
        }
    }

    /// For the pictures of a live source, whatever their size, layout and colours are and become: the centre in the aspect
    /// of `caps`, then scaled. Pixel aspect and rotation count for nothing (runner contract §8.2).
    pub(crate) fn live(caps: Caps) -> Self {
        Self {
            caps,
            turn: Turn::None,
            pixel_aspect: (1, 1),
            is_sized: false,
            colour: None,
            conversion: Kept::new(),
            lying: Vec::new(),
            bytes: Vec::new(),
            floats: Vec::new(),
        }
    }

    /// Writes a picture into `into`, rows one after the other. Panics when `into` is smaller than the caps say.
    pub fn scale_into(&mut self, picture: &DecodedPicture, into: &mut [u8]) -> Result<(), AvError> {
        self.frame_into(&picture.frame, into)
    }

    /// The same, of a frame.
    pub(crate) fn frame_into(&mut self, frame: &Frame, into: &mut [u8]) -> Result<(), AvError> {
        let into = &mut into[..self.caps.picture_bytes()];
        if self.caps.format != PixelFormat::RgbF32 {
            return self.write(frame, self.caps, into);
        }
        // swscale makes no packed floats: 8 bit first, which is what nearly every source has.
        let caps = Caps {
            format: PixelFormat::Rgb24,
            ..self.caps
        };
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(caps.picture_bytes(), 0);
        let written = self.write(frame, caps, &mut bytes);
        self.floats.resize(bytes.len(), 0.0);
        convert::u8_to_f32(&bytes, &mut self.floats, Range::UNIT);
        self.bytes = bytes;
        for (four, value) in into.as_chunks_mut::<4>().0.iter_mut().zip(&self.floats) {
            *four = value.to_le_bytes();
        }
        written
    }

    fn write(&mut self, frame: &Frame, caps: Caps, into: &mut [u8]) -> Result<(), AvError> {
        if self.turn == Turn::None {
            return self.convert(frame, caps, into);
        }
        let before = Caps {
            size: self.turn.size(caps.size),
            ..caps
        };
        let mut lying = std::mem::take(&mut self.lying);
        lying.resize(before.picture_bytes(), 0);
        let converted = self.convert(frame, before, &mut lying);
        if converted.is_ok() {
            self.turn.picture(caps, &lying, into);
        }
        self.lying = lying;
        converted
    }

    fn convert(&mut self, frame: &Frame, caps: Caps, into: &mut [u8]) -> Result<(), AvError> {
        let failed = |fault| AvError::Internal {
            step: "scale a picture",
            fault,
        };
        let (Some(size), Some(stored)) = (frame.size(), frame.format()) else {
            return Err(failed(crate::error::Fault::INVALID));
        };
        if !stored.is_readable() {
            return Err(failed(crate::error::Fault::INVALID));
        }
        let (format, is_full) = stored.without_range();
        let crop = self.crop(size, caps, format);
        let colour = frame.colour();
        let or = if is_full {
            SideRange::Full
        } else {
            SideRange::Limited
        };
        let range = if format.is_rgb() || is_full {
            SideRange::Full
        } else {
            colour.range(or)
        };
        let from = Side {
            format,
            size: crop.size,
            range,
            colour,
        };
        let to = side_of(caps, self.colour.unwrap_or(colour));
        let conversion = self
            .conversion
            .get((from, to), |(from, to)| Conversion::new(from, to));
        let converted = conversion.and_then(|it| it.convert(frame, crop, into));
        converted.map_err(failed)
    }

    fn crop(&self, stored: framerill_media::Size, caps: Caps, format: Format) -> Crop {
        if stored == caps.size {
            return Crop::whole(stored);
        }
        // A size that changes in the middle of a stream is no wish for square pixels.
        let aspect = if self.is_sized {
            self.pixel_aspect
        } else {
            (1, 1)
        };
        fit::centre(stored, aspect, caps.size, format.chroma_shift())
    }
}

impl std::fmt::Debug for Scaler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scaler")
            .field("caps", &self.caps)
            .finish_non_exhaustive()
    }
}

/// What swscale is told of a worker's pictures. Floats are 8 bit by then.
pub(crate) fn side_of(caps: Caps, colour: Colour) -> Side {
    let (format, range) = match caps.format {
        PixelFormat::Rgb24 | PixelFormat::RgbF32 => (Format::RGB24, SideRange::Full),
        PixelFormat::Gray8 => (Format::GRAY8, SideRange::Full),
        PixelFormat::Nv12 => (Format::NV12, SideRange::Limited),
    };
    Side {
        format,
        size: caps.size,
        range,
        colour: colour.encoded(),
    }
}
