//! What a request asks for: parameters of a query string and their bounds (contract §17). Pure.

use std::ops::RangeInclusive;

use framerill_plates::store::search::{MOST_OFFSET, MOST_ROWS};
use percent_encoding::percent_decode_str;
use serde::Serialize;

/// Characters of a text that is looked for, or of a video's name.
const MOST_TEXT: usize = 1000;
/// Frames of a clip.
const WINDOW: RangeInclusive<u64> = 5..=240;
/// What may be drawn into a clip, sorted.
pub(super) const OVERLAYS: [&str; 3] = ["car_bbox", "motion", "plate_bbox"];

/// One thing that is wrong with a parameter: an entry of a 422.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    r#type: &'static str,
    loc: [&'static str; 2],
    msg: String,
    input: String,
}

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Parameters out of their bounds.
    Problems(Vec<Problem>),
    /// There is no such overlay.
    Overlay(String),
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) q: Option<String>,
    pub(super) limit: u32,
    pub(super) offset: u32,
    pub(super) video_id: Option<String>,
}

/// What is drawn into a clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layers {
    pub(super) car: bool,
    pub(super) plate: bool,
    pub(super) motion: bool,
}

/// A clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clip {
    /// In frames.
    pub(super) window: u32,
    pub(super) layers: Layers,
    /// Around this frame; none for the record's own.
    pub(super) frame_idx: Option<u64>,
}

/// A query string, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    problems: Vec<Problem>,
}

impl Query {
    pub(super) fn new(text: &str) -> Self {
        let pairs = text.split('&').filter(|it| !it.is_empty()).map(|it| {
            let (name, value) = it.split_once('=').unwrap_or((it, ""));
            (decoded(name), decoded(value))
        });
        Self {
            pairs: pairs.collect(),
            problems: Vec::new(),
        }
    }

    /// `q`, `limit`, `offset` and `video_id` of a search.
    pub(super) fn page(mut self) -> Result<Page, Wrong> {
        let page = Page {
            q: self.text("q"),
            limit: self.number("limit", 1..=MOST_ROWS.into()).unwrap_or(25),
            offset: self
                .number("offset", 0..=MOST_OFFSET.into())
                .unwrap_or_default(),
            video_id: self.text("video_id").filter(|it| !it.is_empty()),
        };
        self.end(page)
    }

    /// `limit` of a track's motion.
    pub(super) fn motion(mut self) -> Result<u32, Wrong> {
        let limit = self.number("limit", 1..=500).unwrap_or(50);
        self.end(limit)
    }

    /// `window` and `include` of a clip, and `frame_idx` where one can be chosen.
    pub(super) fn clip(mut self, chooses: bool) -> Result<Clip, Wrong> {
        let layers = self.layers()?;
        let frame_idx = chooses.then(|| self.wide("frame_idx", 0..=i64::MAX as u64));
        let clip = Clip {
            window: self.number("window", WINDOW).unwrap_or(45),
            layers,
            frame_idx: frame_idx.flatten(),
        };
        self.end(clip)
    }

    fn end<T>(self, done: T) -> Result<T, Wrong> {
        if self.problems.is_empty() {
            Ok(done)
        } else {
            Err(Wrong::Problems(self.problems))
        }
    }

    /// Of several, the last one counts.
    fn last(&self, name: &str) -> Option<&str> {
        let of_name = self.pairs.iter().rfind(|(it, _)| it == name);
        of_name.map(|(_, value)| value.as_str())
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.last(name)?.to_owned();
        if value.contains('\0') {
            let msg = "String should have no NUL character".to_owned();
            self.wrong("string_has_nul", name, msg, &value);
            return None;
        }
        if value.chars().count() <= MOST_TEXT {
            return Some(value);
        }
        let msg = format!("String should have at most {MOST_TEXT} characters");
        self.wrong("string_too_long", name, msg, &value);
        None
    }

    fn number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u32> {
        let number = self.wide(name, range)?;
        u32::try_from(number).ok()
    }

    fn wide(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.last(name)?.to_owned();
        let (least, most) = range.into_inner();
        // What is no number has neither sign nor digits; one with too many of them is out of bounds on its side.
        let digits = value.strip_prefix(['-', '+']).unwrap_or(&value);
        if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
            let msg = "Input should be a valid integer, unable to parse string as an integer";
            self.wrong("int_parsing", name, msg.to_owned(), &value);
            return None;
        }
        let number = digits.parse().unwrap_or(u64::MAX);
        let is_below = value.starts_with('-') && number > 0;
        if is_below || number < least {
            let msg = format!("Input should be greater than or equal to {least}");
            self.wrong("greater_than_equal", name, msg, &value);
        } else if number > most {
            let msg = format!("Input should be less than or equal to {most}");
            self.wrong("less_than_equal", name, msg, &value);
        } else {
            return Some(number);
        }
        None
    }

    /// `include` may come several times, and each may name several, parted by commas.
    fn layers(&self) -> Result<Layers, Wrong> {
        let mut layers = Layers::default();
        let values = self.pairs.iter().filter(|(name, _)| name == "include");
        let names = values.flat_map(|(_, value)| value.split(','));
        for name in names.map(str::trim).filter(|it| !it.is_empty()) {
            match name.to_ascii_lowercase().as_str() {
                "car_bbox" => layers.car = true,
                "plate_bbox" => layers.plate = true,
                "motion" => layers.motion = true,
                _ => return Err(Wrong::Overlay(name.chars().take(MOST_TEXT).collect())),
            }
        }
        Ok(layers)
    }

    fn wrong(&mut self, kind: &'static str, name: &'static str, msg: String, value: &str) {
        self.problems.push(Problem {
            r#type: kind,
            loc: ["query", name],
            msg,
            input: value.chars().take(MOST_TEXT).collect(),
        });
    }
}

impl Layers {
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(text: &str) -> Result<Page, Wrong> {
        Query::new(text).page()
    }

    fn kinds(wrong: Result<impl std::fmt::Debug, Wrong>) -> Vec<(&'static str, &'static str)> {
        match wrong {
            Err(Wrong::Problems(all)) => all.iter().map(|it| (it.loc[1], it.r#type)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let it = page("").unwrap();
        assert_eq!(
            (it.q, it.limit, it.offset, it.video_id),
            (None, 25, 0, None)
        );
        assert_eq!(Query::new("").motion(), Ok(50));
        let clip = Query::new("").clip(true).unwrap();
        assert_eq!((clip.window, clip.frame_idx), (45, None));
        assert!(clip.layers.is_empty());
    }

    #[test]
    fn each_bound_is_held_on_both_sides_and_all_problems_are_told_at_once() {
        for (text, is_in) in [
            ("limit=1", true),
            ("limit=200", true),
            ("limit=0", false),
            ("limit=201", false),
            ("limit=-1", false),
            ("offset=0", true),
            ("offset=-0", true),
            ("offset=-1", false),
            ("offset=100001", false),
        ] {
            assert_eq!(page(text).is_ok(), is_in, "{text}");
        }
        for (window, is_in) in [(4, false), (5, true), (240, true), (241, false)] {
            let it = Query::new(&format!("window={window}")).clip(false);
            assert_eq!(it.is_ok(), is_in, "{window}");
        }
        for (limit, is_in) in [(0, false), (1, true), (500, true), (501, false)] {
            let it = Query::new(&format!("limit={limit}")).motion();
            assert_eq!(it.is_ok(), is_in, "{limit}");
        }
        assert_eq!(
            kinds(page("limit=x&offset=-5")),
            [("limit", "int_parsing"), ("offset", "greater_than_equal")]
        );
        assert_eq!(kinds(page("limit=")), [("limit", "int_parsing")]);
        let many = "9".repeat(400);
        assert_eq!(
            kinds(page(&format!("limit={many}"))),
            [("limit", "less_than_equal")]
        );
        assert_eq!(
            kinds(page(&format!("q={}", "A".repeat(1001)))),
            [("q", "string_too_long")]
        );
    }

    #[test]
    fn overlays_come_once_or_often_and_an_unknown_one_is_named() {
        let layers = |text: &str| Query::new(text).clip(false).map(|it| it.layers);
        let both = Layers {
            car: true,
            motion: true,
            plate: false,
        };
        assert_eq!(layers("include=car_bbox,motion"), Ok(both));
        assert_eq!(layers("include=CAR_BBOX&include=%20motion%2C"), Ok(both));
        assert_eq!(layers("include="), Ok(Layers::default()));
        assert_eq!(
            layers("include=car_bbox,wheels"),
            Err(Wrong::Overlay("wheels".into()))
        );
    }

    #[test]
    fn a_frame_is_chosen_only_where_it_can_be() {
        assert_eq!(
            Query::new("frame_idx=7").clip(true).unwrap().frame_idx,
            Some(7)
        );
        assert_eq!(
            Query::new("frame_idx=x").clip(false).unwrap().frame_idx,
            None
        );
        assert_eq!(
            kinds(Query::new("frame_idx=-1").clip(true)),
            [("frame_idx", "greater_than_equal")]
        );
    }

    proptest! {
        #[test]
        fn a_text_comes_out_as_it_was_put_in(text in "\\PC{0,40}") {
            let coded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
            let it = page(&format!("x=1&q={coded}&limit=3")).unwrap();
            prop_assert_eq!(it.q, Some(text));
            prop_assert_eq!(it.limit, 3);
        }

        #[test]
        fn no_query_makes_it_panic_and_what_it_takes_is_within_bounds(text in "((limit|offset|window|frame_idx|q|include|video_id)=[0-9+%a-f,_-]{0,24}&?){0,6}") {
            if let Ok(it) = page(&text) {
                prop_assert!((1..=200).contains(&it.limit) && it.offset <= MOST_OFFSET);
            }
            if let Ok(it) = Query::new(&text).clip(true) {
                prop_assert!((5..=240).contains(&it.window));
            }
            if let Ok(it) = Query::new(&text).motion() {
                prop_assert!((1..=500).contains(&it));
            }
        }

        #[test]
        fn a_number_is_taken_exactly_when_it_is_within_its_bounds(number in -300_i64..600) {
            let is_in = (1..=200).contains(&number);
            prop_assert_eq!(page(&format!("limit={number}")).is_ok(), is_in);
            let is_in = (5..=240).contains(&number);
            let clip = Query::new(&format!("window={number}")).clip(false);
            prop_assert_eq!(clip.is_ok(), is_in);
        }
    }
}
