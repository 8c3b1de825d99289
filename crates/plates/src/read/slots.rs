//! Distributions over characters.

use super::settings::Pool;

/// Characters of a model.
#[derive(Clone, Debug)]
pub(super) struct Alphabet {
    characters: Vec<char>,
    empty: char,
}

impl Alphabet {
    pub(super) fn new(characters: &str, empty: char) -> Self {
        Self {
            characters: characters.chars().collect(),
            empty,
        }
    }

    /// Characters, the empty one included; at least 1.
    pub(super) fn len(&self) -> usize {
        self.characters.len().max(1)
    }
}

/// For each place of a text how likely each character is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slots {
    /// Places × characters numbers.
    numbers: Vec<f32>,
    characters: usize,
}

/// A text and how sure it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Of each character.
    pub(super) chars: Vec<f32>,
    /// The weakest place, places without a character included; 0 for an empty text.
    pub(super) weakest: f32,
}

impl Text {
    /// What a plate says that was read as a whole and line by line. Two lines are taken if both are read, and surer than the
    /// whole; but no plate has more characters than the model has `places`: that is one line, read twice.
    pub(super) fn of_lines(whole: Self, top: Self, bottom: Self, places: usize) -> Self {
        let weakest = top.weakest.min(bottom.weakest);
        let is_one_line = top.text.len() + bottom.text.len() > places;
        if weakest <= whole.weakest || is_one_line {
            return whole;
        }
        Self {
            text: top.text + &bottom.text,
            chars: [top.chars, bottom.chars].concat(),
            weakest,
        }
    }
}

impl Slots {
    /// Numbers that are none, or beyond 0 to 1, are never likely.
    pub(super) fn new(numbers: &[f32], characters: usize) -> Self {
        // `max` turns what is no number into 0.
        let numbers = numbers.iter().map(|it| it.max(0.0).clamp(0.0, 1.0));
        let numbers = numbers.collect();
        Self {
            numbers,
            characters,
        }
    }

    /// The most likely character of each place; the first one if some are equal.
    fn best(&self) -> impl Iterator<Item = (usize, f32)> {
        self.numbers.chunks_exact(self.characters).map(|place| {
            let all = place.iter().copied().enumerate();
            all.fold((0, 0.0), |best, it| if it.1 > best.1 { it } else { best })
        })
    }

    /// The probability of the most likely character where that is least.
    pub(super) fn weakest(&self) -> f32 {
        self.best().map(|(_, conf)| conf).fold(1.0, f32::min)
    }

    /// Several readings of one plate as one; none of nothing.
    pub(super) fn pooled<'a>(all: impl IntoIterator<Item = &'a Self>, pool: Pool) -> Option<Self> {
        let mut all = all.into_iter();
        let first = all.next()?;
        let weight = |it: &Self| (it.weakest() + pool.floor).powi(pool.power);
        let mut sum = first.clone();
        let mut weights = weight(first);
        sum.numbers.iter_mut().for_each(|it| *it *= weights);
        for it in all {
            let weight = weight(it);
            weights += weight;
            for (sum, it) in sum.numbers.iter_mut().zip(&it.numbers) {
                *sum += it * weight;
            }
        }
        sum.numbers.iter_mut().for_each(|it| *it /= weights);
        Some(Self::new(&sum.numbers, sum.characters))
    }

    pub(super) fn text(&self, alphabet: &Alphabet) -> Text {
        let mut it = Text::default();
        for (index, conf) in self.best() {
            let character = alphabet.characters.get(index);
            let Some(character) = character.filter(|it| **it != alphabet.empty) else {
                continue;
            };
            for upper in character.to_uppercase() {
                if upper.is_ascii_alphanumeric() {
                    it.text.push(upper);
                    it.chars.push(conf);
                }
            }
        }
        if !it.text.is_empty() {
            it.weakest = self.weakest();
        }
        it
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POOL: Pool = Pool {
        floor: 0.02,
        power: 2,
    };

    fn slots(places: &[[f32; 3]]) -> Slots {
        Slots::new(places.as_flattened(), 3)
    }

    fn text(slots: &Slots) -> Text {
        slots.text(&Alphabet::new("A-_", '_'))
    }

    #[test]
    fn empty_places_and_signs_are_no_characters_but_an_unsure_empty_place_is_weak() {
        let it = text(&slots(&[[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.1, 0.6]]));
        assert_eq!((&*it.text, &*it.chars), ("A", &[0.9][..]));
        assert!((it.weakest - 0.6).abs() < 1e-6);
        let empty = text(&slots(&[[0.0, 0.1, 0.9]]));
        assert_eq!(empty, Text::default());
    }

    #[test]
    fn two_lines_are_taken_where_both_are_surer_than_the_whole_and_are_not_one_line_twice() {
        let text = |text: &str, weakest| Text {
            text: text.to_owned(),
            chars: vec![weakest; text.len()],
            weakest,
        };
        let of = |whole, top, bottom| Text::of_lines(whole, top, bottom, 9).text;
        assert_eq!(
            of(text("5923", 0.4), text("59P1", 0.8), text("23456", 0.9)),
            "59P123456"
        );
        assert_eq!(
            of(text("ABC123", 0.9), text("ABC", 0.95), text("123", 0.5)),
            "ABC123"
        );
        assert_eq!(
            of(
                text("KC4Z3X", 0.5),
                text("KC473X", 0.6),
                text("KC44JA", 0.6)
            ),
            "KC4Z3X"
        );
        assert_eq!(of(text("AB", 0.0), text("AB", 0.9), Text::default()), "AB");
    }

    #[test]
    fn the_stronger_reading_weighs_more() {
        let (strong, weak) = (slots(&[[0.9, 0.0, 0.1]]), slots(&[[0.1, 0.4, 0.5]]));
        let both = Slots::pooled([&weak, &strong], POOL).unwrap();
        assert_eq!(text(&both).text, "A");
        assert_eq!(Slots::pooled([], POOL), None);
    }

    #[test]
    fn what_is_no_number_is_never_likely() {
        let it = slots(&[
            [f32::NAN, 0.2, f32::NEG_INFINITY],
            [f32::INFINITY, 0.0, 0.0],
        ]);
        assert_eq!(text(&it).text, "A");
        assert!((it.weakest() - 0.2).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn pooled_numbers_stay_between_0_and_1(
            all in prop::collection::vec(prop::array::uniform9(any::<f32>()), 1..5),
        ) {
            let all: Vec<_> = all.iter().map(|it| Slots::new(it, 3)).collect();
            let it = Slots::pooled(&all, POOL).unwrap();
            prop_assert!(it.numbers.iter().all(|it| (0.0..=1.0).contains(it)));
            prop_assert!((0.0..=1.0).contains(&it.text(&Alphabet::new("AB_", '_')).weakest));
        }
    }
}
