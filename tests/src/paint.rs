//! Draws pictures of a test source: a moving background, a bouncing block, and the mark in the middle.

use crate::mark::{COLUMNS, Place, ROWS, Size, pixel};

const BLACK: u8 = 16;
const WHITE: u8 = 235;
const QUIET: u8 = 126;
const NEUTRAL: u8 = 128;
/// Length of the background's repeating line, in pixels.
const PERIOD: usize = 256;

/// Pictures of one size, as `yuv420p`.
#[derive(Debug)]
pub(crate) struct Painter {
    width: usize,
    height: usize,
    place: Place,
    /// One row of brightness, a period longer than the picture is wide.
    luma: Vec<u8>,
    /// The same for colour, at half the width.
    chroma: Vec<u8>,
}

/// A rectangle in pixels: first column, first row, and the ends, exclusive.
type Area = (usize, usize, usize, usize);

impl Painter {
    /// Both sides even.
    pub(crate) fn new(size: Size) -> Self {
        let width = usize::try_from(size.0).expect("32 bits fit");
        let height = usize::try_from(size.1).expect("32 bits fit");
        let wave = |low: u8, length: usize| -> Vec<u8> {
            (0..length)
                .map(|x| {
                    let phase = x % PERIOD;
                    let up = phase.min(PERIOD - 1 - phase);
                    low + u8::try_from(up).expect("half a period")
                })
                .collect()
        };
        Self {
            width,
            height,
            place: Place::drawn(size),
            luma: wave(60, width + PERIOD),
            chroma: wave(64, width / 2 + PERIOD),
        }
    }

    /// Replaces `picture` with the picture of number `counter`.
    pub(crate) fn paint(
        &mut self,
        picture: &mut Vec<u8>,
        counter: u32,
        cells: &[[bool; COLUMNS]; ROWS],
    ) {
        let step = usize::try_from(counter).expect("32 bits fit");
        picture.clear();
        for y in 0..self.height {
            let start = (y + 2 * step) % PERIOD;
            picture.extend_from_slice(&self.luma[start..start + self.width]);
        }
        for plane in 0..2 {
            for y in 0..self.height / 2 {
                let start = (y * (1 + plane) + step + 64 * plane) % PERIOD;
                picture.extend_from_slice(&self.chroma[start..start + self.width / 2]);
            }
        }
        self.bounce(picture, step);
        self.mark(picture, cells);
    }

    /// A block that moves along the top.
    fn bounce(&self, picture: &mut [u8], step: usize) {
        let side = (self.width.min(self.height) / 10).max(2);
        let way = self.width - side;
        let x = (5 * step) % (2 * way.max(1));
        let left = x.min(2 * way - x.min(2 * way));
        self.fill(picture, (left, 0, left + side, side), 200);
    }

    fn mark(&self, picture: &mut [u8], cells: &[[bool; COLUMNS]; ROWS]) {
        let place = &self.place;
        let edge = |start: f64, cell: f64, index: f64| {
            pixel((start + cell * index).round()).expect("the mark lies inside the picture")
        };
        let numbers = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let quiet = (
            edge(place.left, place.cell_width, -1.0),
            edge(place.top, place.cell_height, -1.0),
            edge(place.left, place.cell_width, 9.0),
            edge(place.top, place.cell_height, 11.0),
        );
        self.fill(picture, quiet, QUIET);
        self.grey(picture, quiet);
        for (line, row) in cells.iter().zip(numbers) {
            for (&white, column) in line.iter().zip(numbers) {
                let area = (
                    edge(place.left, place.cell_width, column),
                    edge(place.top, place.cell_height, row),
                    edge(place.left, place.cell_width, column + 1.0),
                    edge(place.top, place.cell_height, row + 1.0),
                );
                self.fill(picture, area, if white { WHITE } else { BLACK });
            }
        }
    }

    fn fill(&self, picture: &mut [u8], (left, top, right, bottom): Area, level: u8) {
        for row in picture
            .chunks_exact_mut(self.width)
            .take(self.height.min(bottom))
            .skip(top)
        {
            row[left..right.min(self.width)].fill(level);
        }
    }

    /// Takes the colour out.
    fn grey(&self, picture: &mut [u8], (left, top, right, bottom): Area) {
        let (width, height) = (self.width / 2, self.height / 2);
        let planes = &mut picture[self.width * self.height..];
        for plane in planes.chunks_exact_mut(width * height) {
            for row in plane
                .chunks_exact_mut(width)
                .take(bottom.div_ceil(2).min(height))
                .skip(top / 2)
            {
                row[left / 2..right.div_ceil(2).min(width)].fill(NEUTRAL);
            }
        }
    }
}
