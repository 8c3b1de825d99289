//! Parts of pictures that are read.

use super::settings::{Crop, Shape};
use crate::{
    bbox::BBox,
    detection::Plate,
    picture::{
        Picture, Region, Resizer,
        quad::{self, Quad},
    },
};

/// Which lines of a plate a crop shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    All,
    Top,
    Bottom,
}

/// Shares of a plate's height that hold the upper and the lower of two lines; they overlap, as lines are not equally high.
const TOP: [f32; 2] = [0.0, 0.52];
const BOTTOM: [f32; 2] = [0.44, 1.0];

/// A plate in pixels of its picture.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) bbox: BBox,
    corners: Option<Quad>,
    pub(super) lines: u8,
}

impl Placed {
    /// None if no pixel of the picture shows it.
    pub(super) fn new(picture: &Picture<'_>, part: &BBox, plate: &Plate) -> Option<Self> {
        let bbox = plate.bbox.moved(part.x1, part.y1);
        Region::of(&bbox, picture)?;
        let moved = |[x, y]: [f32; 2]| [x + part.x1, y + part.y1];
        let corners = plate.corners.map(|it| it.map(moved));
        Some(Self {
            bbox,
            corners: corners.filter(|it| is_plausible(it, &bbox)),
            lines: plate.lines,
        })
    }

    fn box_quad(&self) -> Quad {
        let BBox { x1, y1, x2, y2 } = self.bbox;
        [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
    }
}

/// Corners that lie far from the box are not the plate's.
fn is_plausible(quad: &Quad, bbox: &BBox) -> bool {
    let (width, height) = (bbox.width(), bbox.height());
    let is_near = |[x, y]: &[f32; 2]| {
        (bbox.x1 - width..=bbox.x2 + width).contains(x)
            && (bbox.y1 - height..=bbox.y2 + height).contains(y)
    };
    quad.iter().all(is_near)
}

/// A crop of a plate.
pub(super) struct Cut<'a> {
    pub(super) picture: Picture<'a>,
    pub(super) plate: &'a Placed,
    pub(super) crop: Crop,
    pub(super) lines: Lines,
}

/// A crop as `size` pixels of `rgb24`; whether there is one.
pub(super) fn cut(
    resizer: &mut Resizer,
    it: &Cut<'_>,
    size: (u32, u32),
    rgb: &mut Vec<u8>,
) -> bool {
    rgb.clear();
    let (picture, plate, crop, lines) = (&it.picture, it.plate, it.crop, it.lines);
    let corners = plate.corners.filter(|_| crop.shape == Shape::Corners);
    if corners.is_none() && lines == Lines::All {
        return cut_box(resizer, picture, &plate.bbox, crop.pad, size, rgb);
    }
    let quad = corners.unwrap_or_else(|| plate.box_quad());
    let quad = match lines {
        Lines::All => quad,
        Lines::Top => quad::band(quad, TOP),
        Lines::Bottom => quad::band(quad, BOTTOM),
    };
    quad::warp(picture, quad::grown(quad, crop.pad), size, rgb)
}

fn cut_box(
    resizer: &mut Resizer,
    picture: &Picture<'_>,
    bbox: &BBox,
    pad: [f32; 2],
    size: (u32, u32),
    rgb: &mut Vec<u8>,
) -> bool {
    let (dx, dy) = (bbox.width() * pad[0], bbox.height() * pad[1]);
    let grown = BBox {
        x1: bbox.x1 - dx,
        y1: bbox.y1 - dy,
        x2: bbox.x2 + dx,
        y2: bbox.y2 + dy,
    };
    let Some(region) = Region::of(&grown, picture) else {
        return false;
    };
    resizer.resize((*picture, region), size, rgb);
    true
}
