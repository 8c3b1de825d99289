//! The picture that says that a pipeline loads (runner contract §8.7). Pure: pixels in, pixels out.
//!
//! All of it is grey, so that it is drawn in one plane: background and text once, the spinner anew in a copy each time.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use framerill_media::{Caps, PixelFormat, Size};

/// DejaVu Sans Mono 2.37, unchanged; its licence lies beside it.
const FONT: &[u8] = include_bytes!("../../../worker/src/filters/font/DejaVuSansMono.ttf");
const TEXT: &str = "Loading pipeline…";
/// Where there is no picture to darken.
const MID_GREY: u8 = 128;
const DARKENED: u32 = 90;
const OUTLINE: u32 = 160;
const OUTLINE_PX: i32 = 2;
const ARC: u32 = 230;
const ARC_DEGREES: f32 = 270.0;
/// Rotation steps of a turn.
const STEPS: u64 = 32;
const TURN_NS: u64 = 2_000_000_000;

/// An overlay for pictures of one size.
pub(crate) struct Overlay {
    size: Size,
    /// Background and text.
    plane: Vec<u8>,
}

impl Overlay {
    /// Over a picture as grey values (see [`grey`]), or over none.
    pub(crate) fn new(size: Size, background: Option<&[u8]>) -> Self {
        let mut plane = match background {
            Some(grey) if grey.len() == size.pixels() => grey.to_vec(),
            _ => vec![MID_GREY; size.pixels()],
        };
        for value in &mut plane {
            *value = mix(*value, 0, DARKENED);
        }
        let mut overlay = Self { size, plane };
        overlay.write();
        overlay
    }

    /// The picture, rgb24, as it is `clock` ns after any fixed moment.
    pub(crate) fn draw(&self, clock: u64) -> Vec<u8> {
        let step = clock % TURN_NS * STEPS / TURN_NS;
        let mut plane = self.plane.clone();
        self.spin(&mut plane, u16::try_from(step).unwrap_or(0));
        plane.iter().flat_map(|value| [*value; 3]).collect()
    }

    fn side(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "sides are at most 16384")]
        let side = self.size.width().min(self.size.height()) as f32;
        side
    }

    fn radius(&self) -> f32 {
        (self.side() * 0.035).round().max(8.0)
    }

    fn thickness(&self) -> f32 {
        (self.side() * 0.008).round().max(3.0)
    }

    fn centre(&self) -> (f32, f32) {
        #[expect(clippy::cast_precision_loss, reason = "sides are at most 16384")]
        let half = |side: u32| side as f32 / 2.0;
        (half(self.size.width()), half(self.size.height()))
    }

    fn spin(&self, plane: &mut [u8], step: u16) {
        let (x, y) = self.centre();
        let (radius, thickness) = (self.radius(), self.thickness());
        let from = f32::from(step) * 360.0 / f32::from(u16::try_from(STEPS).unwrap_or(1));
        let reach = whole(radius) + 1;
        for row in whole(y) - reach..=whole(y) + reach {
            for column in whole(x) - reach..=whole(x) + reach {
                let (dx, dy) = (real(column) + 0.5 - x, real(row) + 0.5 - y);
                let away = (dx.hypot(dy) - (radius - thickness / 2.0)).abs();
                let ink = (thickness / 2.0 + 0.5 - away).clamp(0.0, 1.0);
                let angle = (dy.atan2(dx).to_degrees() - from).rem_euclid(360.0);
                if angle <= ARC_DEGREES {
                    blend(plane, self.size, column, row, 255, ARC, ink);
                }
            }
        }
    }

    fn write(&mut self) {
        let font = FontRef::try_from_slice(FONT).expect("the embedded font is a font");
        let em = (self.side() * 0.04).floor().max(14.0);
        let units = font.units_per_em().unwrap_or(2048.0);
        let font = font.as_scaled(PxScale::from(em * font.height_unscaled() / units));
        let advance = |c: char| font.h_advance(font.glyph_id(c));
        let width: f32 = TEXT.chars().map(advance).sum();
        let (centre_x, centre_y) = self.centre();
        let bottom = centre_y - self.radius() - self.thickness().max(10.0);
        let mut x = centre_x - width / 2.0;
        let mut inks = Vec::new();
        for c in TEXT.chars() {
            let at = point(x, bottom + font.descent());
            let glyph = font.glyph_id(c).with_scale_and_position(font.scale(), at);
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                let (left, top) = (whole(corner.x), whole(corner.y));
                outline.draw(|dx, dy, ink| {
                    let part = |n: u32| i32::try_from(n).unwrap_or(0);
                    inks.push((left + part(dx), top + part(dy), ink.clamp(0.0, 1.0)));
                });
            }
            x += advance(c);
        }
        self.outline(&inks);
        for (x, y, ink) in inks {
            blend(&mut self.plane, self.size, x, y, 255, 255, ink);
        }
    }

    /// Black around the ink.
    fn outline(&mut self, inks: &[(i32, i32, f32)]) {
        let mut around = std::collections::BTreeMap::new();
        for (x, y, ink) in inks.iter().filter(|(.., ink)| *ink > 0.0) {
            for dy in -OUTLINE_PX..=OUTLINE_PX {
                for dx in -OUTLINE_PX..=OUTLINE_PX {
                    let most: &mut f32 = around.entry((y + dy, x + dx)).or_default();
                    *most = most.max(*ink);
                }
            }
        }
        for ((y, x), ink) in around {
            blend(&mut self.plane, self.size, x, y, 0, OUTLINE, ink);
        }
    }
}

/// A picture's brightness: BT.601 of colours, luma as it is.
pub(crate) fn grey(caps: Caps, picture: &[u8]) -> Vec<u8> {
    let of = |r: u32, g: u32, b: u32| u8::try_from((r * 299 + g * 587 + b * 114 + 500) / 1000);
    match caps.format {
        PixelFormat::Rgb24 => {
            let (pixels, _) = picture.as_chunks::<3>();
            let each = pixels
                .iter()
                .map(|[r, g, b]| of((*r).into(), (*g).into(), (*b).into()));
            each.map(|value| value.unwrap_or(u8::MAX)).collect()
        }
        PixelFormat::Gray8 => picture.to_vec(),
        PixelFormat::Nv12 => {
            let luma = picture.iter().take(caps.size.pixels());
            let full = |y: &u8| u32::from(y.saturating_sub(16)) * 255 / 219;
            luma.map(|y| u8::try_from(full(y)).unwrap_or(u8::MAX))
                .collect()
        }
        PixelFormat::RgbF32 => {
            let (pixels, _) = picture.as_chunks::<12>();
            let each = pixels.iter().map(|pixel| {
                let (values, _) = pixel.as_chunks::<4>();
                let level = |n: usize| level(f32::from_le_bytes(values[n]));
                of(level(0), level(1), level(2)).unwrap_or(u8::MAX)
            });
            each.collect()
        }
    }
}

fn mix(below: u8, above: u8, alpha: u32) -> u8 {
    let sum = u32::from(below) * (255 - alpha) + u32::from(above) * alpha;
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

fn blend(plane: &mut [u8], size: Size, x: i32, y: i32, above: u8, alpha: u32, ink: f32) {
    let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
        return;
    };
    if x < size.width() && y < size.height() {
        let at = y as usize * size.width() as usize + x as usize;
        plane[at] = mix(plane[at], above, alpha * level(ink) / 255);
    }
}

/// 0 to 1 as 0 to 255.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn level(share: f32) -> u32 {
    (share.clamp(0.0, 1.0) * 255.0 + 0.5) as u32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "places of a picture; the cast saturates"
)]
fn whole(length: f32) -> i32 {
    length.floor() as i32
}

#[expect(clippy::cast_precision_loss, reason = "sides are at most 16384")]
fn real(length: i32) -> f32 {
    length as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    #[test]
    fn the_background_is_the_darkened_picture_or_mid_grey() {
        let over = |background: Option<&[u8]>| Overlay::new(size(512, 512), background).draw(0)[0];
        assert_eq!(over(None), 83);
        assert_eq!(over(Some(&vec![255; 512 * 512])), 165);
        assert_eq!(
            over(Some(&[255; 10])),
            83,
            "a picture of another size is none"
        );
    }

    #[test]
    fn the_text_is_white_with_black_around_it_above_the_spinner() {
        let picture = Overlay::new(size(512, 512), None).draw(0);
        let row = |y: usize| picture[y * 512 * 3..(y + 1) * 512 * 3].iter().step_by(3);
        let is_text = |y: usize| row(y).any(|it| *it > 240) && row(y).any(|it| *it < 40);
        // The centre less radius 18 and gap 10; letters reach down to there.
        let rows: Vec<usize> = (0..512).filter(|y| is_text(*y)).collect();
        let (first, last) = (*rows.first().unwrap(), *rows.last().unwrap());
        assert!((200..=215).contains(&first), "{first}");
        assert!((222..=228).contains(&last), "{last}");
        let columns: Vec<usize> = (0..512)
            .filter(|x| (first..last).any(|y| picture[(y * 512 + x) * 3] > 240))
            .collect();
        let (left, right) = (*columns.first().unwrap(), *columns.last().unwrap());
        assert!(
            (left + right).abs_diff(511) <= 12,
            "centred: {left} to {right}"
        );
    }

    #[test]
    fn the_arc_is_three_quarters_of_a_ring_and_turns_once_in_two_seconds() {
        let overlay = Overlay::new(size(512, 512), None);
        let ink = |clock: u64| {
            let picture = overlay.draw(clock);
            let below = picture[512 * 3 * 238..].iter().step_by(3);
            below.filter(|it| **it > 200).count()
        };
        let ring = 2.0 * std::f64::consts::PI * 16.0 * 4.0;
        let share = f64::from(u32::try_from(ink(0)).unwrap()) / ring;
        assert!((0.6..0.9).contains(&share), "{share}");
        assert_eq!(overlay.draw(0), overlay.draw(TURN_NS));
        assert_eq!(overlay.draw(1), overlay.draw(TURN_NS / STEPS - 1));
        assert_ne!(overlay.draw(0), overlay.draw(TURN_NS / STEPS));
    }

    #[test]
    fn the_smallest_pictures_and_odd_ones_are_drawn_too() {
        for (width, height) in [(1, 1), (2, 16), (33, 17), (640, 36)] {
            let picture = Overlay::new(size(width, height), None).draw(12345);
            assert_eq!(picture.len(), size(width, height).pixels() * 3);
        }
    }

    #[test]
    fn every_format_has_its_brightness() {
        let at = |format| Caps::new(format, size(2, 2)).unwrap();
        let rgb = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
        assert_eq!(grey(at(PixelFormat::Rgb24), &rgb), [76, 150, 29, 255]);
        let floats: Vec<u8> = rgb
            .iter()
            .flat_map(|it| (f32::from(*it) / 255.0).to_le_bytes())
            .collect();
        assert_eq!(grey(at(PixelFormat::RgbF32), &floats), [76, 150, 29, 255]);
        assert_eq!(grey(at(PixelFormat::Gray8), &[1, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(
            grey(at(PixelFormat::Nv12), &[16, 235, 0, 255, 128, 128]),
            [0, 255, 0, 255]
        );
    }
}
