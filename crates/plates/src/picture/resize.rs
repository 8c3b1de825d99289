//! Other sizes.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions,
    images::{CroppedImageMut, Image, ImageRef},
};

use super::{Picture, Region, bilinear::Bilinear};

/// How pixels between pixels are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// From the four next ones, also when shrinking: what OpenCV calls `INTER_LINEAR`. Models were trained with it.
    #[default]
    Bilinear,
    /// The mean of all that a pixel covers: what OpenCV calls `INTER_AREA`. For shrinking.
    Area,
}

/// A region of a canvas of `rgb24`.
#[derive(Debug)]
pub(crate) struct Canvas<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgb: &'a mut [u8],
}

/// Resizes; keeps its buffers and tables between pictures.
#[derive(Debug, Default)]
pub struct Resizer {
    bilinear: Bilinear,
    area: fast_image_resize::Resizer,
}

impl Resizer {
    /// None of its buffers is made before the first picture.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `region` of `picture` in `width` × `height` pixels, into `rgb`, which is made as long as that takes.
    pub fn resize(
        &mut self,
        (picture, region): (Picture<'_>, Region),
        (width, height): (u32, u32),
        rgb: &mut Vec<u8>,
        filter: Filter,
    ) {
        rgb.resize(width as usize * height as usize * 3, 0);
        let canvas = Canvas { width, height, rgb };
        let all = Region {
            x: 0,
            y: 0,
            width,
            height,
        };
        self.paint((picture, region), (canvas, all), filter);
    }

    /// `region` of `picture` into a region of a canvas.
    pub(crate) fn paint(
        &mut self,
        (picture, region): (Picture<'_>, Region),
        (canvas, onto): (Canvas<'_>, Region),
        filter: Filter,
    ) {
        if filter == Filter::Bilinear {
            return self.bilinear.paint((picture, region), (canvas, onto));
        }
        let alg = ResizeAlg::Convolution(FilterType::Box);
        let options = ResizeOptions::new().resize_alg(alg).crop(
            region.x.into(),
            region.y.into(),
            region.width.into(),
            region.height.into(),
        );
        let (width, height) = (picture.width(), picture.height());
        let painted = (|| {
            let from = ImageRef::new(width, height, picture.rgb(), PixelType::U8x3).ok()?;
            let mut to =
                Image::from_slice_u8(canvas.width, canvas.height, canvas.rgb, PixelType::U8x3)
                    .ok()?;
            let mut to =
                CroppedImageMut::new(&mut to, onto.x, onto.y, onto.width, onto.height).ok()?;
            self.area.resize(&from, &mut to, &options).ok()
        })();
        debug_assert!(painted.is_some(), "regions lie inside of their pictures");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(picture: (u32, u32, &[u8]), size: (u32, u32), filter: Filter) -> Vec<u8> {
        let picture = Picture::new(picture.0, picture.1, picture.2).unwrap();
        let mut rgb = Vec::new();
        Resizer::new().resize((picture, picture.whole()), size, &mut rgb, filter);
        rgb
    }

    /// What `cv2.resize(…, INTER_LINEAR)` says of a row 0, 10, …, 70, each three times: to 3 pixels, and to 12.
    #[test]
    fn bilinear_samples_where_opencv_does_and_does_not_blur_while_it_shrinks() {
        let row: Vec<u8> = (0..8).flat_map(|it| [it * 10; 3]).collect();
        let first = |rgb: Vec<u8>| rgb.chunks(3).map(|it| it[0]).collect::<Vec<_>>();
        let smaller = first(resized((8, 1, &row), (3, 1), Filter::Bilinear));
        assert_eq!(smaller, [8, 35, 62]);
        let larger = first(resized((8, 1, &row), (12, 1), Filter::Bilinear));
        assert_eq!(larger, [0, 5, 12, 18, 25, 32, 38, 45, 52, 58, 65, 70]);
    }

    #[test]
    fn an_area_is_the_mean_of_what_it_covers() {
        let row: Vec<u8> = (0..8).flat_map(|it| [it * 10; 3]).collect();
        let halves = resized((8, 1, &row), (2, 1), Filter::Area);
        assert_eq!(halves, [15, 15, 15, 55, 55, 55]);
    }
}
