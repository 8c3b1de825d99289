//! Numbers of a detector as boxes on its canvas.

use std::ops::Range;

use crate::{
    bbox::BBox,
    models::entry::{OutputSpec, Point},
    picture::quad::Quad,
};

/// Cells of YOLOX grids are this many pixels wide.
const STRIDES: [u32; 3] = [8, 16, 32];
/// No box is e^12 cells wide; what is beyond has overflowed.
const MOST_EXPONENT: f32 = 12.0;
/// The most boxes that are kept of one picture before they are suppressed.
const MOST_FOUND: usize = 1024;

/// A box on the canvas.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) bbox: BBox,
    /// 0 to 1.
    pub(super) score: f32,
    /// The class with the highest score.
    pub(super) class: usize,
    pub(super) corners: Option<Quad>,
}

/// How the numbers of a box lie.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    objectness: Option<usize>,
    first_class: usize,
    /// Numbers behind the classes.
    behind_classes: usize,
    /// Where the corners begin, and numbers a corner; None begins behind the classes.
    corners: Option<(Option<usize>, usize)>,
    /// A number of all boxes is side by side, not all numbers of a box.
    is_transposed: bool,
    /// Boxes are relative to grid cells of a canvas of this size.
    grid: Option<(u32, u32)>,
}

impl Columns {
    pub(super) fn of(output: &OutputSpec, canvas: (u32, u32)) -> Self {
        let rows = Self {
            objectness: Some(4),
            first_class: 5,
            behind_classes: 0,
            corners: None,
            is_transposed: false,
            grid: None,
        };
        match output {
            OutputSpec::Yolox { .. } => Self {
                grid: Some(canvas),
                ..rows
            },
            OutputSpec::Yolov5Face { .. } => Self {
                first_class: 13,
                corners: Some((Some(5), 2)),
                ..rows
            },
            OutputSpec::UltralyticsV8 { corners, .. } => {
                let step = match corners {
                    None => 0,
                    Some(Point::Xy) => 2,
                    Some(Point::Xyc) => 3,
                };
                Self {
                    objectness: None,
                    first_class: 4,
                    behind_classes: step * 4,
                    corners: (step > 0).then_some((None, step)),
                    is_transposed: true,
                    ..rows
                }
            }
            // Models for `ocr` are none of a detector's: the registry refuses them.
            OutputSpec::UltralyticsV5 { .. } | OutputSpec::Slots { .. } => rows,
        }
    }

    /// Boxes of one picture whose score is at least `least`, highest first; `numbers` has the sides `shape`. `is_wanted`
    /// says which classes count. Numbers that make no sense are no boxes.
    pub(super) fn found(
        &self,
        shape: [usize; 2],
        numbers: &[f32],
        least: f32,
        is_wanted: &[usize],
    ) -> Vec<Found> {
        let [count, columns] = if self.is_transposed {
            [shape[1], shape[0]]
        } else {
            shape
        };
        let Some(classes_end) = columns.checked_sub(self.behind_classes) else {
            return Vec::new();
        };
        if count.checked_mul(columns) != Some(numbers.len()) || classes_end <= self.first_class {
            return Vec::new();
        }
        let classes: Vec<usize> = if is_wanted.is_empty() {
            (self.first_class..classes_end).collect()
        } else {
            let all = is_wanted
                .iter()
                .map(|it| it.saturating_add(self.first_class));
            all.filter(|it| *it < classes_end).collect()
        };
        let view = View {
            numbers,
            count,
            columns,
            is_transposed: self.is_transposed,
        };
        let cells = self.grid.map(cells).unwrap_or_default();
        let mut all: Vec<Found> = (0..count)
            .filter_map(|row| {
                let (score, class) = self.score(&view, row, &classes, least)?;
                let bbox = self.bbox(&view, row, &cells)?;
                Some(Found {
                    bbox,
                    score,
                    class: class - self.first_class,
                    corners: self.quad(&view, row, classes_end),
                })
            })
            .collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all.truncate(MOST_FOUND);
        all
    }

    /// The best class of a row and its score, if that is at least `least`.
    fn score(
        &self,
        view: &View<'_>,
        row: usize,
        classes: &[usize],
        least: f32,
    ) -> Option<(f32, usize)> {
        let objectness = self.objectness.map_or(1.0, |it| view.at(row, it));
        // Classes are at most 1: most rows end here. What is no number does, too.
        if objectness < least || objectness.is_nan() {
            return None;
        }
        let mut best = (0.0, None);
        for &class in classes {
            let it = view.at(row, class);
            if it > best.0 {
                best = (it, Some(class));
            }
        }
        let score = objectness * best.0;
        (score >= least && score.is_finite()).then_some((score.min(1.0), best.1?))
    }

    fn bbox(&self, view: &View<'_>, row: usize, cells: &[Cells]) -> Option<BBox> {
        let [mut cx, mut cy, mut width, mut height] = [0, 1, 2, 3].map(|it| view.at(row, it));
        if self.grid.is_some() {
            let it = cells.iter().find(|it| it.rows.contains(&row))?;
            let at = row - it.rows.start;
            #[expect(clippy::cast_precision_loss, reason = "no canvas is 2^24 pixels wide")]
            let (x, y) = ((at % it.across) as f32, (at / it.across) as f32);
            (cx, cy) = ((cx + x) * it.stride, (cy + y) * it.stride);
            width = width.min(MOST_EXPONENT).exp() * it.stride;
            height = height.min(MOST_EXPONENT).exp() * it.stride;
        }
        let it = BBox {
            x1: cx - width / 2.0,
            y1: cy - height / 2.0,
            x2: cx + width / 2.0,
            y2: cy + height / 2.0,
        };
        <[f32; 4]>::from(it)
            .iter()
            .all(|it| it.is_finite())
            .then_some(it)
    }

    fn quad(&self, view: &View<'_>, row: usize, classes_end: usize) -> Option<Quad> {
        let (start, step) = self.corners?;
        let start = start.unwrap_or(classes_end);
        let quad = [0, 1, 2, 3].map(|it| {
            [
                view.at(row, start + it * step),
                view.at(row, start + it * step + 1),
            ]
        });
        crate::picture::quad::ordered(quad)
    }
}

/// Rows of one grid.
struct Cells {
    rows: Range<usize>,
    across: usize,
    stride: f32,
}

fn cells((width, height): (u32, u32)) -> Vec<Cells> {
    let mut start = 0;
    STRIDES
        .map(|stride| {
            let (across, down) = ((width / stride) as usize, (height / stride) as usize);
            let rows = start..start + across * down;
            start = rows.end;
            #[expect(clippy::cast_precision_loss, reason = "8, 16 or 32")]
            let stride = stride as f32;
            Cells {
                rows,
                across,
                stride,
            }
        })
        .into()
}

struct View<'a> {
    numbers: &'a [f32],
    count: usize,
    columns: usize,
    is_transposed: bool,
}

impl View<'_> {
    fn at(&self, row: usize, column: usize) -> f32 {
        let index = if self.is_transposed {
            column * self.count + row
        } else {
            row * self.columns + column
        };
        self.numbers[index]
    }
}
