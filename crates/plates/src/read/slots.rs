//! Distributions over characters.

use super::settings::Combine;

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

/// For each place of a text how likely each character is there; places × characters numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slots(pub(super) Vec<f32>);

/// A text and how sure it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Of each character.
    pub(super) chars: Vec<f32>,
    /// The weakest place, places without a character included; 0 for an empty text.
    pub(super) weakest: f32,
}

/// The most likely character of each place; the first one if some are equal. What is no number is never likely.
fn best(places: &[f32], characters: usize) -> impl Iterator<Item = (usize, f32)> {
    places.chunks_exact(characters).map(|place| {
        let first = (0, 0.0);
        let all = place.iter().copied().enumerate();
        all.fold(first, |best, it| if it.1 > best.1 { it } else { best })
    })
}

impl Slots {
    fn weakest(&self, characters: usize) -> f32 {
        let all = best(&self.0, characters).map(|(_, conf)| conf);
        all.fold(1.0, f32::min)
    }

    /// Several readings of one plate as one; none of nothing.
    pub(super) fn combined(all: &[Self], characters: usize, how: Combine) -> Option<Self> {
        let weakest = |it: &Self| it.weakest(characters);
        match how {
            Combine::Strongest => {
                let (first, rest) = all.split_first()?;
                let start = (weakest(first), first);
                let (_, strongest) = rest.iter().fold(start, |best, it| {
                    let weakest = weakest(it);
                    if weakest > best.0 {
                        (weakest, it)
                    } else {
                        best
                    }
                });
                Some(strongest.clone())
            }
            Combine::Weighted { floor, power } => {
                let mut sum = vec![0.0; all.first()?.0.len()];
                let mut weights = 0.0;
                for it in all {
                    let weight = (weakest(it) + floor).max(f32::MIN_POSITIVE).powf(power);
                    weights += weight;
                    for (sum, it) in sum.iter_mut().zip(&it.0) {
                        *sum += it * weight;
                    }
                }
                for it in &mut sum {
                    *it /= weights;
                }
                Some(Self(sum))
            }
        }
    }

    pub(super) fn text(&self, alphabet: &Alphabet) -> Text {
        let characters = alphabet.len();
        let mut it = Text::default();
        for (index, conf) in best(&self.0, characters) {
            let Some(&character) = alphabet.characters.get(index) else {
                continue;
            };
            if character == alphabet.empty || conf <= 0.0 {
                continue;
            }
            for upper in character.to_uppercase() {
                if upper.is_ascii_alphanumeric() {
                    it.text.push(upper);
                    it.chars.push(conf.min(1.0));
                }
            }
        }
        if !it.text.is_empty() {
            it.weakest = self.weakest(characters);
        }
        it
    }
}
