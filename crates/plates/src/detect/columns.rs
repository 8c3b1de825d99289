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
/// A model that tells more classes apart has another layout than was declared.
const MOST_CLASSES: i64 = 1200;
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

    /// Why what a model gives is not of this layout; none if it may be.
    pub(super) fn problem(&self, shape: &[i64]) -> Option<String> {
        let values = *shape.get(if self.is_transposed { 1 } else { 2 })?;
        let least = i64::try_from(self.first_class + self.behind_classes + 1).ok()?;
        let is_plausible = values < 0 || (least..=least + MOST_CLASSES).contains(&values);
        (!is_plausible).then(|| format!("{least} to {} values a box", least + MOST_CLASSES))
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
        // Classes are at most 1: most rows end at their objectness.
        let likely: Box<dyn Iterator<Item = usize>> = match self.objectness {
            Some(it) => {
                let rows = view.column(it).enumerate();
                Box::new(rows.filter_map(|(row, it)| (it >= least).then_some(row)))
            }
            None => Box::new(0..count),
        };
        let mut all: Vec<Found> = likely
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
        // What is no number ends here.
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

    /// A number of all boxes.
    fn column(&self, column: usize) -> impl Iterator<Item = f32> {
        let (start, step) = if self.is_transposed {
            (column * self.count, 1)
        } else {
            (column, self.columns)
        };
        let numbers = self.numbers.get(start..).unwrap_or_default();
        numbers.iter().step_by(step).take(self.count).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn all() -> Vec<OutputSpec> {
        let (vehicles, two_line_classes) = (BTreeMap::new(), Vec::new());
        vec![
            OutputSpec::Yolox {
                vehicles: vehicles.clone(),
                two_line_classes: two_line_classes.clone(),
            },
            OutputSpec::UltralyticsV5 {
                vehicles: vehicles.clone(),
                two_line_classes: two_line_classes.clone(),
            },
            OutputSpec::UltralyticsV8 {
                vehicles: vehicles.clone(),
                two_line_classes: two_line_classes.clone(),
                corners: None,
            },
            OutputSpec::UltralyticsV8 {
                vehicles,
                two_line_classes: two_line_classes.clone(),
                corners: Some(Point::Xyc),
            },
            OutputSpec::Yolov5Face { two_line_classes },
        ]
    }

    fn found(layout: usize, shape: [usize; 2], numbers: &[f32]) -> Vec<Found> {
        Columns::of(&all()[layout], (64, 32)).found(shape, numbers, 0.25, &[])
    }

    /// Centre 20, 10 and size 8, 4; the score is 0.4 of class 1.
    fn assert_is_the_box(found: &[Found]) {
        let [it] = found else { panic!("{found:?}") };
        let sides = <[f32; 4]>::from(it.bbox);
        let expected = [16.0, 8.0, 24.0, 12.0];
        assert!(
            sides
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-3),
            "{sides:?}"
        );
        assert!((it.score - 0.4).abs() < 1e-6 && it.class == 1, "{it:?}");
    }

    #[test]
    fn a_row_of_yolox_is_relative_to_its_cell() {
        let mut numbers = vec![0.0; 42 * 7];
        // Row 33: the second cell of the second grid, of 4 by 2 cells of 16 pixels behind 8 by 4 of 8.
        let row = [
            20.0 / 16.0 - 1.0,
            10.0 / 16.0,
            0.5_f32.ln(),
            0.25_f32.ln(),
            0.8,
            0.1,
            0.5,
        ];
        numbers[33 * 7..34 * 7].copy_from_slice(&row);
        assert_is_the_box(&found(0, [42, 7], &numbers));
    }

    #[test]
    fn rows_of_version_5_and_columns_of_version_8_say_the_same() {
        assert_is_the_box(&found(1, [1, 7], &[20.0, 10.0, 8.0, 4.0, 0.8, 0.1, 0.5]));
        let columns = [0.0, 20.0, 0.0, 10.0, 0.0, 8.0, 0.0, 4.0, 0.0, 0.1, 0.0, 0.4];
        assert_is_the_box(&found(2, [6, 2], &columns));
    }

    #[test]
    fn corners_come_ordered_whatever_the_layout() {
        let quad = [[16.0, 8.0], [24.0, 8.0], [24.0, 12.0], [16.0, 12.0]];
        let face = [
            20.0, 10.0, 8.0, 4.0, 0.8, 24.0, 8.0, 16.0, 8.0, 24.0, 12.0, 16.0, 12.0, 0.1, 0.5,
        ];
        let it = found(4, [1, 15], &face);
        assert_is_the_box(&it);
        assert_eq!(it[0].corners, Some(quad));
        let pose = [
            20.0, 10.0, 8.0, 4.0, 0.1, 0.4, 16.0, 12.0, 0.9, 16.0, 8.0, 0.9, 24.0, 8.0, 0.9, 24.0,
            12.0, 0.9,
        ];
        let it = found(3, [18, 1], &pose);
        assert_is_the_box(&it);
        assert_eq!(it[0].corners, Some(quad));
    }

    #[test]
    fn classes_that_are_not_wanted_do_not_count() {
        let numbers = [20.0, 10.0, 8.0, 4.0, 0.8, 0.9, 0.5];
        let it = Columns::of(&all()[1], (64, 32)).found([1, 7], &numbers, 0.25, &[1, 99]);
        assert_is_the_box(&it);
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_boxes_are_bounded_finite_and_ordered(
            layout in 0usize..5,
            rows in 0usize..50,
            columns in 0usize..24,
            seed in prop::collection::vec(any::<f32>(), 1..64),
        ) {
            let numbers: Vec<f32> = seed.iter().copied().cycle().take(rows * columns).collect();
            let it = found(layout, [rows, columns], &numbers);
            prop_assert!(it.len() <= rows.max(columns));
            prop_assert!(it.is_sorted_by(|a, b| a.score >= b.score));
            for it in it {
                prop_assert!((0.25..=1.0).contains(&it.score));
                prop_assert!(<[f32; 4]>::from(it.bbox).iter().all(|it| it.is_finite()));
            }
        }
    }
}
