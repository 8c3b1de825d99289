//! Standing pictures upright. Pure.

use framerill_media::{Caps, PixelFormat, Size};

/// By how much a picture is turned, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Not at all.
    #[default]
    None,
    /// 90°.
    Quarter,
    /// 180°.
    Half,
    /// 270°.
    ThreeQuarters,
}

impl Turn {
    /// The nearest to any number of degrees; what is no number is no turn.
    pub(crate) fn nearest(degrees: f64) -> Self {
        let turned = degrees.rem_euclid(360.0);
        match turned {
            45.0..135.0 => Self::Quarter,
            135.0..225.0 => Self::Half,
            225.0..315.0 => Self::ThreeQuarters,
            _ => Self::None,
        }
    }

    /// By EXIF's number of an orientation. Those that mirror, which no camera writes, count as no turn.
    pub(crate) fn of_exif(orientation: u8) -> Self {
        match orientation {
            3 => Self::Half,
            6 => Self::Quarter,
            8 => Self::ThreeQuarters,
            _ => Self::None,
        }
    }

    /// Clockwise.
    pub(crate) fn degrees(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }

    fn swaps_sides(self) -> bool {
        matches!(self, Self::Quarter | Self::ThreeQuarters)
    }

    /// A size before the turn from the one after it, and the other way round.
    pub(crate) fn size(self, size: Size) -> Size {
        if self.swaps_sides() {
            Size::new(size.height(), size.width()).expect("sides that were in range")
        } else {
            size
        }
    }

    /// A pixel's aspect after the turn.
    pub(crate) fn aspect(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Turns a picture; `caps` are those after it.
    pub(crate) fn picture(self, caps: Caps, from: &[u8], into: &mut [u8]) {
        let size = caps.size;
        match caps.format {
            PixelFormat::Rgb24 => self.plane::<3>(size, from, into),
            PixelFormat::Gray8 => self.plane::<1>(size, from, into),
            PixelFormat::RgbF32 => self.plane::<12>(size, from, into),
            PixelFormat::Nv12 => {
                let (luma, chroma) = from.split_at(size.pixels());
                let (into_luma, into_chroma) = into.split_at_mut(size.pixels());
                self.plane::<1>(size, luma, into_luma);
                let half = Size::new(size.width() / 2, size.height() / 2);
                self.plane::<2>(half.expect("nv12 has even sides"), chroma, into_chroma);
            }
        }
    }

    /// Turns a plane of `N`-byte samples; `size` is the one after it. Tile by tile, so that both sides stay in the cache.
    fn plane<const N: usize>(self, size: Size, from: &[u8], into: &mut [u8]) {
        const TILE: usize = 32;
        let (width, height) = (size.width() as usize, size.height() as usize);
        let (from, _) = from.as_chunks::<N>();
        let (into, _) = into.as_chunks_mut::<N>();
        let source = |x: usize, y: usize| match self {
            Self::None => y * width + x,
            Self::Quarter => (width - 1 - x) * height + y,
            Self::Half => (height - 1 - y) * width + (width - 1 - x),
            Self::ThreeQuarters => x * height + (height - 1 - y),
        };
        for top in (0..height).step_by(TILE) {
            for left in (0..width).step_by(TILE) {
                for y in top..(top + TILE).min(height) {
                    for x in left..(left + TILE).min(width) {
                        into[y * width + x] = from[source(x, y)];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_brings_the_bottom_left_to_the_top_left() {
        // 1 2 3
        // 4 5 6
        let caps = Caps::new(PixelFormat::Gray8, Size::new(2, 3).unwrap()).unwrap();
        let mut into = [0; 6];
        Turn::Quarter.picture(caps, &[1, 2, 3, 4, 5, 6], &mut into);
        assert_eq!(into, [4, 1, 5, 2, 6, 3]);
        Turn::ThreeQuarters.picture(caps, &[1, 2, 3, 4, 5, 6], &mut into);
        assert_eq!(into, [3, 6, 2, 5, 1, 4]);
        let caps = Caps::new(PixelFormat::Gray8, Size::new(3, 2).unwrap()).unwrap();
        Turn::Half.picture(caps, &[1, 2, 3, 4, 5, 6], &mut into);
        assert_eq!(into, [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn degrees_of_any_sign_and_none_at_all_are_understood() {
        let turns = [-90.0, 0.0, 90.0, 180.0, -180.0, 450.0, f64::NAN].map(Turn::nearest);
        use Turn::{Half, None, Quarter, ThreeQuarters};
        assert_eq!(
            turns,
            [ThreeQuarters, None, Quarter, Half, Half, Quarter, None]
        );
    }

    #[test]
    fn four_quarters_are_the_picture_again() {
        for format in [PixelFormat::Rgb24, PixelFormat::Nv12, PixelFormat::RgbF32] {
            let lying = Caps::new(format, Size::new(70, 34).unwrap()).unwrap();
            let standing = Caps::new(format, Size::new(34, 70).unwrap()).unwrap();
            let mut first: Vec<u8> = (0..lying.picture_bytes())
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let original = first.clone();
            let mut second = vec![0; first.len()];
            for _ in 0..2 {
                Turn::Quarter.picture(standing, &first, &mut second);
                Turn::Quarter.picture(lying, &second, &mut first);
            }
            assert_eq!(first, original);
        }
    }
}
