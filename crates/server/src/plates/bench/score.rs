//! What counts as right. Pure.

use framerill_plates::{bbox::BBox, text::edits};

/// A reading overlaps the plate of the truth by more than this, intersection over union, or it is of another plate.
const LOCATED: f32 = 0.3;

/// A plate that is known to be in a picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Truth {
    /// The picture, beside the truth.
    pub(super) file: String,
    pub(super) bbox: BBox,
    pub(super) plate: String,
}

/// A plate that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) bbox: BBox,
    pub(super) text: String,
}

/// Lines of `file x y width height plate`, by tabs. A line that is none is left out.
pub(super) fn truths(text: &str) -> Vec<Truth> {
    let line = |line: &str| {
        let mut columns = line.split('\t');
        let file = columns.next()?.to_owned();
        let mut number = || columns.next()?.trim().parse::<f32>().ok();
        let (x, y, width, height) = (number()?, number()?, number()?, number()?);
        let plate = columns.next()?.trim().to_owned();
        Some(Truth {
            file,
            bbox: [x, y, x + width, y + height].into(),
            plate,
        })
    };
    text.lines().filter_map(line).collect()
}

/// Of `car,text,first_frame,last_frame`: the texts, those of cars whose plate nobody can read left out.
pub(super) fn cars(csv: &str) -> Vec<String> {
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let Some(at) = heads.iter().position(|it| it.trim() == "text") else {
        return Vec::new();
    };
    let text = |line: &str| line.split(',').nth(at).map(|it| it.trim().to_owned());
    lines.filter_map(text).filter(|it| !it.is_empty()).collect()
}

/// Of pictures with one known plate each; others in them may be right, and are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StillScore {
    pub(super) pictures: usize,
    pub(super) exact: usize,
    pub(super) located: usize,
    pub(super) characters: usize,
    pub(super) right: usize,
    pub(super) others: usize,
}

impl StillScore {
    /// Counts one picture.
    pub(super) fn add(&mut self, truth: &Truth, found: &[Found]) {
        let overlap = |it: &&Found| it.bbox.iou(&truth.bbox);
        let best = found
            .iter()
            .max_by(|a, b| overlap(a).total_cmp(&overlap(b)))
            .filter(|it| overlap(it) > LOCATED);
        let text = best.map_or("", |it| &it.text);
        let length = truth.plate.chars().count();
        let wrong = edits(text, &truth.plate);
        self.pictures += 1;
        self.exact += usize::from(wrong == 0);
        self.located += usize::from(best.is_some());
        self.characters += length;
        self.right += length.saturating_sub(wrong);
        self.others += found.iter().filter(|it| overlap(it) <= LOCATED).count();
    }

    /// Percent of pictures, of characters, of pictures.
    pub(super) fn percent(&self) -> [f64; 3] {
        [
            share(self.exact, self.pictures),
            share(self.right, self.characters),
            share(self.located, self.pictures),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(part: usize, of: usize) -> f64 {
    100.0 * part as f64 / of as f64
}

/// Of clips: the plates of cars that drive through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClipScore {
    pub(super) cars: usize,
    /// Cars with a row of their own whose text is right in each character.
    pub(super) exact: usize,
    /// Rows that are no car's first exact one.
    pub(super) spoiled: usize,
}

impl ClipScore {
    /// Counts one clip.
    pub(super) fn add(&mut self, cars: &[String], rows: &[String]) {
        let mut left = cars.to_vec();
        for row in rows {
            match left.iter().position(|it| it == row) {
                Some(at) => {
                    left.swap_remove(at);
                    self.exact += 1;
                }
                None => self.spoiled += 1,
            }
        }
        self.cars += cars.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(bbox: [f32; 4], text: &str) -> Found {
        Found {
            bbox: bbox.into(),
            text: text.to_owned(),
        }
    }

    fn truth() -> Truth {
        truths("a b.jpg\t10\t20\t100\t50\tAB123").remove(0)
    }

    #[test]
    fn a_truth_is_a_line_of_six_columns() {
        let it = truth();
        assert_eq!(
            (&*it.file, it.bbox, &*it.plate),
            ("a b.jpg", [10.0, 20.0, 110.0, 70.0].into(), "AB123")
        );
        assert_eq!(truths("a.jpg\t1\t2\tx\t4\tAB\n\nb.jpg\t1\n"), []);
    }

    #[test]
    fn only_the_plate_of_the_truth_counts_and_others_are_told_apart() {
        let mut score = StillScore::default();
        score.add(
            &truth(),
            &[
                found([300.0, 20.0, 400.0, 70.0], "AB123"),
                found([12.0, 20.0, 108.0, 70.0], "AB128"),
            ],
        );
        let expected = StillScore {
            pictures: 1,
            exact: 0,
            located: 1,
            characters: 5,
            right: 4,
            others: 1,
        };
        assert_eq!(score, expected);
        score.add(&truth(), &[]);
        assert_eq!((score.located, score.right, score.characters), (1, 4, 10));
        score.add(&truth(), &[found([10.0, 20.0, 110.0, 70.0], "AB123")]);
        assert_eq!((score.exact, score.located), (1, 2));
    }

    #[test]
    fn more_wrong_characters_than_there_are_cost_no_more_than_all() {
        let mut score = StillScore::default();
        let text = "XXXXXXXXXXXX";
        score.add(&truth(), &[found([10.0, 20.0, 110.0, 70.0], text)]);
        assert_eq!((score.right, score.located), (0, 1));
    }

    #[test]
    fn a_row_counts_once_and_what_is_no_cars_first_exact_row_spoils() {
        let cars = cars("car,text,first_frame,last_frame\n0,AB1,0,~9\n1,,3,4\n2,CD2,5,8\n");
        assert_eq!(cars, ["AB1", "CD2"]);
        let mut score = ClipScore::default();
        let rows = ["AB1", "AB1", "CD8"].map(str::to_owned);
        score.add(&cars, &rows);
        let expected = ClipScore {
            cars: 2,
            exact: 1,
            spoiled: 2,
        };
        assert_eq!(score, expected);
        score.add(&[], &["XY9".to_owned()]);
        assert_eq!((score.cars, score.spoiled), (2, 3));
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_shares_are_shares(
            text in ".{0,80}",
            rows in proptest::collection::vec("[AB]{0,2}", 0..6),
            of in proptest::collection::vec("[AB]{0,2}", 0..6),
        ) {
            let _any = (truths(&text), cars(&text));
            let mut score = ClipScore::default();
            score.add(&of, &rows);
            prop_assert!(score.exact <= of.len().min(rows.len()));
            prop_assert_eq!(score.exact + score.spoiled, rows.len());
        }
    }
}
