//! The mark in each picture: a counter in black and white blocks that survives scaling, a crop to the centre, low
//! bitrates, blur, grey and negative.
//!
//! A grid of 8 × 10 cells in the middle of the picture, with one cell of quiet grey around it:
//!
//! ```text
//! row 0      sync      B W follow a fixed pattern: levels, polarity
//! rows 1-6   data      tag (8 bits), counter (24), CRC-16 of both; most significant bit first
//! row 7      sync      the complement of row 0
//! rows 8-9   flash     black, or white while the source flashes
//! ```
//!
//! A cell is 1/14 of the picture's shorter side, so that the mark lies within the central square.

/// Cells across.
pub(crate) const COLUMNS: usize = 8;
/// Rows of sync and data.
const CODE_ROWS: usize = 8;
/// All rows.
pub(crate) const ROWS: usize = 10;
/// Cells in the shorter side of the source's picture.
const CELLS_A_SIDE: f64 = 14.0;
/// Row 0, left to right.
const SYNC: u8 = 0b1011_0010;
/// Least distance of black and white that counts as a mark.
const LEAST_CONTRAST: f64 = 32.0;
/// Bits of a counter.
const COUNTER_BITS: u32 = 24;

/// First number that is no counter.
pub const COUNTERS: u32 = 1 << COUNTER_BITS;

/// What one picture says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Mark {
    /// Number of the picture in its source.
    pub counter: u32,
    /// Tells sources apart.
    pub tag: u8,
    /// Whether the flash is lit.
    pub flash: bool,
    /// Whether black and white changed places since it was drawn.
    pub inverted: bool,
}

/// Cell by cell, row by row: whether it is white.
pub(crate) fn cells(tag: u8, counter: u32, flash: bool) -> [[bool; COLUMNS]; ROWS] {
    let [_, high, middle, low] = counter.to_be_bytes();
    let data = [tag, high, middle, low];
    let [crc_high, crc_low] = crc16(&data).to_be_bytes();
    let flash = if flash { 0xff } else { 0 };
    [
        SYNC, tag, high, middle, low, crc_high, crc_low, !SYNC, flash, flash,
    ]
    .map(bits)
}

fn bits(byte: u8) -> [bool; COLUMNS] {
    std::array::from_fn(|column| byte & (0x80 >> column) != 0)
}

/// CRC-16/CCITT-FALSE.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

/// Width and height, in pixels.
pub type Size = (u32, u32);

/// Where the mark lies in a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) cell_width: f64,
    pub(crate) cell_height: f64,
}

impl Place {
    /// In the source's own picture.
    pub(crate) fn drawn((width, height): Size) -> Self {
        let cell = f64::from(width.min(height)) / CELLS_A_SIDE;
        Self::centred((width, height), cell, cell)
    }

    fn centred((width, height): Size, cell_width: f64, cell_height: f64) -> Self {
        // The constants are small and exact.
        let (columns, rows) = (8.0, 10.0);
        Self {
            left: (f64::from(width) - columns * cell_width) / 2.0,
            top: (f64::from(height) - rows * cell_height) / 2.0,
            cell_width,
            cell_height,
        }
    }

    /// Where a mark of a `source` of that size may lie in a picture of `size`: cropped to fill it, fitted with bars, or
    /// stretched.
    pub(crate) fn candidates(size: Size, source: Size) -> [Self; 3] {
        let across = f64::from(size.0) / f64::from(source.0);
        let down = f64::from(size.1) / f64::from(source.1);
        let cell = f64::from(source.0.min(source.1)) / CELLS_A_SIDE;
        let even = |scale: f64| Self::centred(size, cell * scale, cell * scale);
        [
            even(across.max(down)),
            even(across.min(down)),
            Self::centred(size, cell * across, cell * down),
        ]
    }
}

/// One picture's brightness, rows without padding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gray<'a> {
    pub(crate) pixels: &'a [u8],
    pub(crate) size: Size,
}

impl Gray<'_> {
    /// Mean brightness of the middle half of a cell; `None` where the picture has no such cell.
    fn level(&self, place: &Place, row: f64, column: f64) -> Option<f64> {
        let span = |start: f64, length: f64, limit: u32| {
            let first = pixel(start + 0.25 * length)?;
            let end = pixel((start + 0.75 * length).ceil())?.max(first + 1);
            (end <= usize::try_from(limit).ok()?).then_some(first..end)
        };
        let (width, height) = self.size;
        let columns = span(
            place.left + column * place.cell_width,
            place.cell_width,
            width,
        )?;
        let rows = span(
            place.top + row * place.cell_height,
            place.cell_height,
            height,
        )?;
        let count = u32::try_from(columns.len() * rows.len()).ok()?;
        let mut sum = 0_u32;
        for line in self
            .pixels
            .chunks_exact(usize::try_from(width).ok()?)
            .get_rows(rows)
        {
            sum += line[columns.clone()]
                .iter()
                .map(|&pixel| u32::from(pixel))
                .sum::<u32>();
        }
        Some(f64::from(sum) / f64::from(count))
    }

    /// The mark at `place`, if every sync cell and the checksum say that there is one.
    pub(crate) fn read(&self, place: &Place) -> Option<Mark> {
        let mut levels = [[0.0; COLUMNS]; ROWS];
        let numbers = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        for (line, row) in levels.iter_mut().zip(numbers) {
            for (level, column) in line.iter_mut().zip(numbers) {
                *level = self.level(place, row, column)?;
            }
        }
        let last = CODE_ROWS - 1;
        let (mut white, mut black) = (0.0, 0.0);
        let sync = [(0, bits(SYNC)), (last, bits(!SYNC))];
        for (row, pattern) in sync {
            for (level, lit) in levels[row].iter().zip(pattern) {
                *(if lit { &mut white } else { &mut black }) += level / 8.0;
            }
        }
        let inverted = white < black;
        if (white - black).abs() < LEAST_CONTRAST {
            return None;
        }
        let middle = f64::midpoint(white, black);
        let byte = |row: usize| {
            levels[row].iter().fold(0_u8, |byte, &level| {
                byte << 1 | u8::from((level > middle) != inverted)
            })
        };
        if byte(0) != SYNC || byte(last) != !SYNC {
            return None;
        }
        let data = [byte(1), byte(2), byte(3), byte(4)];
        if crc16(&data).to_be_bytes() != [byte(5), byte(6)] {
            return None;
        }
        let [tag, high, middle_byte, low] = data;
        let flash = [8, 9].iter().flat_map(|&row: &usize| levels[row]);
        let lit = flash.filter(|&level| (level > middle) != inverted).count();
        Some(Mark {
            counter: u32::from_be_bytes([0, high, middle_byte, low]),
            tag,
            flash: lit > COLUMNS,
            inverted,
        })
    }
}

/// A range of rows out of an iterator over rows.
trait Rows: Iterator + Sized {
    fn get_rows(self, rows: std::ops::Range<usize>) -> std::iter::Take<std::iter::Skip<Self>> {
        self.skip(rows.start).take(rows.len())
    }
}

impl<I: Iterator> Rows for I {}

/// The pixel that holds a position; `None` outside of anything drawable.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
pub(crate) fn pixel(position: f64) -> Option<usize> {
    (0.0..65_536.0)
        .contains(&position)
        .then_some(position as usize)
}

/// Reads marks from pictures of one stream, and remembers where the last one lay.
#[derive(Debug)]
pub(crate) struct MarkReader {
    source: Option<Size>,
    last: Option<(Size, Place)>,
}

/// Shapes to try when the source's size is not known.
const USUAL_SHAPES: [Size; 5] = [(16, 9), (4, 3), (1, 1), (9, 16), (3, 4)];

impl MarkReader {
    /// `source`: size of the pictures that were drawn, when known.
    pub(crate) fn new(source: Option<Size>) -> Self {
        Self { source, last: None }
    }

    pub(crate) fn read(&mut self, picture: Gray<'_>) -> Option<Mark> {
        if let Some((size, place)) = self.last
            && size == picture.size
            && let Some(mark) = picture.read(&place)
        {
            return Some(mark);
        }
        let known = self.source.is_some();
        let own = self.source.unwrap_or(picture.size);
        let others = USUAL_SHAPES.iter().copied().filter(|_| !known);
        for source in std::iter::once(own).chain(others) {
            for place in Place::candidates(picture.size, source) {
                if let Some(mark) = picture.read(&place) {
                    self.last = Some((picture.size, place));
                    return Some(mark);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Painter;

    fn painted(size: Size, counter: u32, flash: bool) -> Vec<u8> {
        let mut painter = Painter::new(size);
        let mut picture = Vec::new();
        painter.paint(&mut picture, counter, &cells(7, counter, flash));
        picture.truncate((size.0 * size.1).try_into().expect("small"));
        picture
    }

    #[test]
    fn what_is_drawn_is_read() {
        for size in [(320, 240), (1280, 720), (240, 320), (64, 64), (642, 362)] {
            for counter in [0, 1, 0x00_5a5a, COUNTERS - 1] {
                let pixels = painted(size, counter, counter % 2 == 1);
                let seen = MarkReader::new(None).read(Gray {
                    pixels: &pixels,
                    size,
                });
                let drawn = Mark {
                    counter,
                    tag: 7,
                    flash: counter % 2 == 1,
                    inverted: false,
                };
                assert_eq!(seen, Some(drawn), "{size:?}");
            }
        }
    }

    #[test]
    fn a_negative_is_read_and_known_as_one() {
        let mut pixels = painted((320, 240), 77, true);
        pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
        let mark = MarkReader::new(Some((320, 240)))
            .read(Gray {
                pixels: &pixels,
                size: (320, 240),
            })
            .expect("a mark");
        assert!(mark.inverted && mark.flash);
        assert_eq!(mark.counter, 77);
    }

    #[test]
    fn one_flipped_cell_is_unreadable_not_another_number() {
        let size = (140, 140);
        let place = Place::drawn(size);
        let pixels = painted(size, 1234, false);
        for row in 0..8_u32 {
            for column in 0..8_u32 {
                let mut flipped = pixels.clone();
                for y in 0..10 {
                    for x in 0..10 {
                        let left = pixel(place.left).expect("inside") + 10 * column as usize + x;
                        let top = pixel(place.top).expect("inside") + 10 * row as usize + y;
                        flipped[top * 140 + left] = 255 - flipped[top * 140 + left];
                    }
                }
                let picture = Gray {
                    pixels: &flipped,
                    size,
                };
                assert_eq!(picture.read(&place), None, "row {row} column {column}");
            }
        }
    }

    #[test]
    fn a_plain_picture_has_no_mark() {
        let pixels = vec![128; 320 * 240];
        let picture = Gray {
            pixels: &pixels,
            size: (320, 240),
        };
        assert_eq!(MarkReader::new(None).read(picture), None);
    }
}
