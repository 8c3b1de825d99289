//! `overlay`: text and the frame's time over the picture.

use std::fmt::Write as _;
use std::ops::Range;

use framerill_media::{Pts, Size, TimeBase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::color::Color;
use super::filter::{self, Filter};
use super::glyphs::{Glyph, Glyphs};
use crate::{Answer, FrameMeta, Picture};

/// What can be set.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OverlayParams {
    /// What is written; a line break begins a new line.
    #[schemars(length(max = 200))]
    text: String,
    /// Whether the frame's presentation time stands below the text, as hours, minutes, seconds and
    /// milliseconds: `00:01:02.345`.
    timecode: bool,
    /// Where in the picture.
    position: Position,
    /// Height of a line in pixels.
    #[schemars(range(min = 8, max = 256))]
    size: u16,
    /// Of the letters, `#rrggbb`.
    color: Color,
    /// How much the black box behind the text covers the picture: 0 is no box, 1 a black one.
    #[schemars(range(min = 0, max = 1))]
    background: f32,
}

impl Default for OverlayParams {
    fn default() -> Self {
        Self {
            text: String::new(),
            timecode: true,
            position: Position::default(),
            size: 28,
            color: Color([255; 3]),
            background: 0.5,
        }
    }
}

/// A place in the picture; text is aligned to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Position {
    /// Top left corner.
    #[default]
    TopLeft,
    /// Middle of the upper edge.
    Top,
    /// Top right corner.
    TopRight,
    /// Middle of the left edge.
    Left,
    /// Middle of the picture.
    Center,
    /// Middle of the right edge.
    Right,
    /// Bottom left corner.
    BottomLeft,
    /// Middle of the lower edge.
    Bottom,
    /// Bottom right corner.
    BottomRight,
}

/// At which end of the room something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Middle,
    End,
}

impl Position {
    /// Across and down.
    fn places(self) -> (Place, Place) {
        use Place::{End, Middle, Start};
        match self {
            Self::TopLeft => (Start, Start),
            Self::Top => (Middle, Start),
            Self::TopRight => (End, Start),
            Self::Left => (Start, Middle),
            Self::Center => (Middle, Middle),
            Self::Right => (End, Middle),
            Self::BottomLeft => (Start, End),
            Self::Bottom => (Middle, End),
            Self::BottomRight => (End, End),
        }
    }
}

impl Place {
    /// Where `length` pixels begin in `room` pixels. What is too long begins at the start and is
    /// clipped at the end.
    fn begin(self, length: i32, room: i32) -> i32 {
        let free = (room - length).max(0);
        match self {
            Self::Start => 0,
            Self::Middle => free / 2,
            Self::End => free,
        }
    }
}

/// Lines of text in DejaVu Sans Mono over a box. The box stands half a line from the picture's
/// border and leaves a quarter of a line around the text; what does not fit is clipped.
///
/// Ink and box are mixed with the gamma-encoded samples under them by coverage: (1 - a) picture
/// + a color. Glyphs are drawn when parameters change; a frame allocates nothing.
pub(super) struct Overlay {
    params: OverlayParams,
    glyphs: Glyphs,
    /// Opacity of the box, 0 to 255.
    box_opacity: u8,
    timecode: String,
}

/// What a timecode is made of.
const TIMECODE: &str = "0123456789:.-";

impl Filter for Overlay {
    const NAME: &'static str = "overlay";
    const SUMMARY: &'static str = "writes text and the time over the picture";
    type Params = OverlayParams;

    fn new(mut params: OverlayParams) -> Self {
        params.text = params.text.replace('\t', " ");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the schema keeps it in 0..=1, and the cast saturates"
        )]
        let box_opacity = (params.background * 255.0).round() as u8;
        Self {
            glyphs: Glyphs::new(params.size, params.text.chars().chain(TIMECODE.chars())),
            box_opacity,
            timecode: String::new(),
            params,
        }
    }

    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String> {
        self.timecode.clear();
        if self.params.timecode {
            write_timecode(&mut self.timecode, frame.pts, frame.time_base);
        }
        let block = Block::new(self, frame.caps.size);
        if block.lines == 0 {
            return Ok(Answer::Passed);
        }
        let mut canvas = Canvas {
            size: frame.caps.size,
            pixels: filter::edit(frame, picture)?,
        };
        self.draw(&block, &mut canvas);
        Ok(Answer::Changed)
    }
}

impl Overlay {
    fn lines(&self) -> impl Iterator<Item = &str> {
        let timecode = (!self.timecode.is_empty()).then_some(self.timecode.as_str());
        self.params.text.lines().chain(timecode)
    }

    fn width_of(&self, line: &str) -> i32 {
        line.chars().map(|c| self.glyphs.of(c).advance).sum()
    }

    fn draw(&self, block: &Block, canvas: &mut Canvas<'_>) {
        canvas.darken(block, self.box_opacity);
        let (across, _) = self.params.position.places();
        let room = block.width - 2 * block.padding;
        let mut top = block.top + block.padding;
        for line in self.lines() {
            let mut left = block.left + block.padding + across.begin(self.width_of(line), room);
            for character in line.chars() {
                let glyph = self.glyphs.of(character);
                canvas.ink(glyph, left, top, self.params.color);
                left += glyph.advance;
            }
            top += i32::from(self.params.size);
        }
    }
}

/// Where the box stands, in pixels from the picture's top left corner.
struct Block {
    lines: i32,
    padding: i32,
    left: i32,
    top: i32,
    width: i32,
    height: i32,
}

impl Block {
    fn new(overlay: &Overlay, picture: Size) -> Self {
        let line = i32::from(overlay.params.size);
        let (margin, padding) = (line / 2, line / 4);
        let (mut lines, mut width) = (0, 0);
        for text in overlay.lines() {
            lines += 1;
            width = width.max(overlay.width_of(text));
        }
        let (width, height) = (width + 2 * padding, lines * line + 2 * padding);
        let (across, down) = overlay.params.position.places();
        let room = |side: u32| i32::try_from(side).unwrap_or(i32::MAX) - 2 * margin;
        Self {
            lines,
            padding,
            left: margin + across.begin(width, room(picture.width())),
            top: margin + down.begin(height, room(picture.height())),
            width,
            height,
        }
    }
}

/// A picture under the pen.
struct Canvas<'p> {
    size: Size,
    pixels: &'p mut [u8],
}

impl Canvas<'_> {
    /// Mixes the picture with black inside the box.
    fn darken(&mut self, block: &Block, opacity: u8) {
        if opacity == 0 {
            return;
        }
        let columns = clip(block.left, block.width, self.size.width());
        for y in clip(block.top, block.height, self.size.height()) {
            for sample in self.row(y, columns.clone()) {
                *sample = mix(*sample, 0, opacity);
            }
        }
    }

    /// Draws a glyph whose line begins at `left` and `top`.
    fn ink(&mut self, glyph: &Glyph, left: i32, top: i32, Color(color): Color) {
        if glyph.width == 0 {
            return;
        }
        let (left, top) = (left + glyph.left, top + glyph.top);
        let columns = clip(left, length(glyph.width), self.size.width());
        // The first column of the glyph that is in the picture.
        let skip = usize::try_from(-left).unwrap_or(0);
        for (y, ink) in (top..).zip(glyph.ink.chunks_exact(glyph.width)) {
            let Some(y) = usize::try_from(y).ok().filter(|y| *y < self.height()) else {
                continue;
            };
            let pixels = self.row(y, columns.clone()).as_chunks_mut::<3>().0;
            for (pixel, ink) in pixels.iter_mut().zip(ink.iter().skip(skip)) {
                if *ink > 0 {
                    for (sample, color) in pixel.iter_mut().zip(color) {
                        *sample = mix(*sample, color, *ink);
                    }
                }
            }
        }
    }

    fn height(&self) -> usize {
        self.size.height() as usize
    }

    fn row(&mut self, y: usize, columns: Range<usize>) -> &mut [u8] {
        let start = y * self.size.width() as usize;
        &mut self.pixels[3 * (start + columns.start)..3 * (start + columns.end)]
    }
}

fn length(pixels: usize) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}

/// The part of `begin..begin + length` that is in `0..room`; may be empty.
fn clip(begin: i32, length: i32, room: u32) -> Range<usize> {
    let inside = |at: i32| usize::try_from(at).unwrap_or(0).min(room as usize);
    inside(begin)..inside(begin.saturating_add(length))
}

/// (255 - opacity) parts of `under` and `opacity` parts of `over`, rounded to the nearest.
#[inline]
fn mix(under: u8, over: u8, opacity: u8) -> u8 {
    let sum = u16::from(under) * u16::from(255 - opacity) + u16::from(over) * u16::from(opacity);
    // Division by 255 without dividing: J. Blinn, "Three Wrongs Make a Right", IEEE CG&A 1995.
    let sum = sum + 128;
    (sum + (sum >> 8)).to_be_bytes()[0]
}

/// Appends `00:01:02.345`, to the nearest millisecond; before zero `-00:00:00.040`. Same rounding
/// and form as `%{pts:hms}` of FFmpeg's drawtext.
fn write_timecode(text: &mut String, pts: Pts, time_base: TimeBase) {
    let milliseconds = TimeBase::new(1, 1000).expect("both are positive");
    let Pts(time) = time_base.rescale(pts, milliseconds);
    let sign = if time < 0 { "-" } else { "" };
    let ms = time.unsigned_abs();
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let written = write!(
        text,
        "{sign}{hours:02}:{minutes:02}:{seconds:02}.{:03}",
        ms % 1000
    );
    written.expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timecode(pts: i64, num: u32, den: u32) -> String {
        let mut text = String::new();
        write_timecode(&mut text, Pts(pts), TimeBase::new(num, den).unwrap());
        text
    }

    #[test]
    fn timecodes_are_hours_minutes_seconds_milliseconds() {
        assert_eq!(timecode(0, 1, 90_000), "00:00:00.000");
        assert_eq!(timecode(62_345, 1, 1000), "00:01:02.345");
        assert_eq!(timecode(1, 1001, 30_000), "00:00:00.033");
        assert_eq!(timecode(-1, 1, 25), "-00:00:00.040");
        assert_eq!(timecode(360_000, 1, 1), "100:00:00.000");
        assert_eq!(timecode(599_996, 1, 10_000), "00:01:00.000");
    }

    proptest! {
        #[test]
        fn any_pts_has_a_timecode_of_known_characters(pts: i64, num in 1u32.., den in 1u32..) {
            let text = timecode(pts, num, den);
            prop_assert!(text.chars().all(|c| TIMECODE.contains(c)), "{text}");
        }

        #[test]
        fn mixing_rounds_to_the_nearest(under: u8, over: u8, opacity: u8) {
            let [u, o, a] = [under, over, opacity].map(f64::from);
            let exact = (u * (255.0 - a) + o * a) / 255.0;
            prop_assert!((f64::from(mix(under, over, opacity)) - exact).abs() <= 0.5);
        }

        #[test]
        fn what_is_too_long_begins_at_the_start(length in 0i32..9999, room in -500i32..9999) {
            for place in [Place::Start, Place::Middle, Place::End] {
                let begin = place.begin(length, room);
                prop_assert!(begin >= 0);
                prop_assert!(begin + length <= room || begin == 0);
            }
        }
    }
}
