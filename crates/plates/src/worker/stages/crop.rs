//! A part of a frame as a picture to keep.

use jpeg_encoder::{ColorType, Encoder};

use crate::{
    base64,
    bbox::BBox,
    picture::{Picture, Region},
};

/// Of 100.
const QUALITY: u8 = 85;
/// More of the frame than the plate itself, by its size.
const PAD: f32 = 0.15;
/// Wider ones are no plates.
const WIDEST: u32 = 2000;

/// The part as JPEG in base64; none if no pixel of it is there.
pub(super) fn jpeg(picture: &Picture<'_>, part: &BBox) -> Option<String> {
    let (dx, dy) = (part.width() * PAD, part.height() * PAD);
    let grown = BBox {
        x1: part.x1 - dx,
        y1: part.y1 - dy,
        x2: part.x2 + dx,
        y2: part.y2 + dy,
    };
    let bbox = Region::of(&grown, picture)?.bbox();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a region is whole pixels of the picture"
    )]
    let [x1, y1, x2, y2] = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(|it| it as u32);
    let (width, height) = (x2.checked_sub(x1)?, y2.checked_sub(y1)?);
    if width == 0 || height == 0 || width > WIDEST || height > WIDEST {
        return None;
    }
    let row_bytes = picture.width() as usize * 3;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    let rows = picture.rgb().chunks_exact(row_bytes);
    for row in rows.skip(y1 as usize).take(height as usize) {
        rgb.extend_from_slice(row.get(x1 as usize * 3..x2 as usize * 3)?);
    }
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    let mut file = Vec::new();
    let encoder = Encoder::new(&mut file, QUALITY);
    encoder.encode(&rgb, width, height, ColorType::Rgb).ok()?;
    Some(base64::encoded(&file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_lies_outside_is_no_picture_and_one_at_the_edge_is_clipped() {
        let rgb = vec![9; 40 * 20 * 3];
        let picture = Picture::new(40, 20, &rgb).unwrap();
        assert_eq!(jpeg(&picture, &BBox::from([50.0, 0.0, 60.0, 9.0])), None);
        let there = jpeg(&picture, &BBox::from([30.0, 10.0, 60.0, 40.0])).unwrap();
        assert!(there.starts_with("/9j/"), "a JPEG begins so");
    }
}
