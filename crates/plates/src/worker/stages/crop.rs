//! A part of a frame as a picture to keep.

use jpeg_encoder::{ColorType, Encoder};

use crate::{
    bbox::BBox,
    picture::{Picture, Region},
};

/// Of 100.
const QUALITY: u8 = 85;
/// More of the frame than the plate itself, by its size.
const PAD: f32 = 0.15;
/// Wider ones are no plates.
const WIDEST: u32 = 2000;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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
    Some(base64(&file))
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let all = three
            .iter()
            .fold(0_u32, |all, it| all << 8 | u32::from(*it));
        let all = all << (8 * (3 - three.len()));
        for digit in 0..4 {
            let at = (all >> (18 - 6 * digit)) & 63;
            let is_there = digit <= three.len();
            text.push(if is_there {
                char::from(DIGITS[at as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn a_part_that_lies_outside_is_no_picture_and_one_at_the_edge_is_clipped() {
        let rgb = vec![9; 40 * 20 * 3];
        let picture = Picture::new(40, 20, &rgb).unwrap();
        assert_eq!(jpeg(&picture, &BBox::from([50.0, 0.0, 60.0, 9.0])), None);
        let there = jpeg(&picture, &BBox::from([30.0, 10.0, 60.0, 40.0])).unwrap();
        assert!(there.starts_with("/9j/"), "a JPEG begins so");
    }
}
