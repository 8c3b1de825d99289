//! The vote itself: length by weight, then each place by weight.

use crate::text::{edit_similarity, edits};

use super::align::align;

/// What one reading says, and how much it counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Ballot {
    /// `A`–`Z` and `0`–`9`, not empty.
    pub text: String,
    /// Above 0.
    pub weight: f64,
    /// How sure each character is, 0 to 1: that much of the weight is for it, the rest for none. As many as the text has.
    pub chars: Vec<f64>,
}

/// What a vote came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// The winner.
    pub text: String,
    /// At each place: weight for the winner over the weight of all ballots.
    pub agreement: Vec<f64>,
}

impl Tally {
    /// Mean over the places, 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "texts of plates are short")]
    pub fn mean(&self) -> f64 {
        self.agreement.iter().sum::<f64>() / self.agreement.len().max(1) as f64
    }

    /// That of the weakest place.
    #[must_use]
    pub fn weakest(&self) -> f64 {
        self.agreement.iter().copied().fold(1.0, f64::min)
    }
}

/// Votes. None if there is nothing to vote over.
///
/// The length with the most weight wins, and of its texts the one most like all others is the base. Every ballot is
/// laid on the base (so that a lost or an added character shifts nothing), and at each place the character with the most
/// weight wins; of equal ones the base's, else the first in the alphabet. A ballot that has lost a character, or is of another
/// length and nothing like the base, counts against whatever wins there. For ballots of one length that is the plain vote at
/// each place.
#[must_use]
pub fn vote(ballots: &[Ballot]) -> Option<Tally> {
    let ballots: Vec<&Ballot> = ballots
        .iter()
        .filter(|it| !it.text.is_empty() && it.text.len() == it.chars.len())
        .collect();
    let base = base(&ballots)?;
    let mut text = String::with_capacity(base.len());
    let mut agreement = Vec::with_capacity(base.len());
    let total: f64 = ballots.iter().map(|it| it.weight).sum();
    let places: Vec<Vec<Option<usize>>> =
        ballots.iter().map(|it| places(&base, &it.text)).collect();
    for (place, of_base) in base.bytes().enumerate() {
        let mut weights = [0.0_f64; 128];
        for (ballot, places) in ballots.iter().zip(&places) {
            if let Some(j) = places[place] {
                let character = usize::from(ballot.text.as_bytes()[j] & 0x7f);
                weights[character] += ballot.weight * ballot.chars[j];
            }
        }
        let mut winner = usize::from(of_base & 0x7f);
        for (character, weight) in weights.iter().enumerate() {
            if *weight > weights[winner] {
                winner = character;
            }
        }
        text.push(char::from(u8::try_from(winner).unwrap_or(of_base)));
        agreement.push(if total > 0.0 {
            weights[winner] / total
        } else {
            0.0
        });
    }
    Some(Tally { text, agreement })
}

/// Where in `text` each place of the base is; nowhere if it is another text.
fn places(base: &str, text: &str) -> Vec<Option<usize>> {
    let is_like = base.len() == text.len() || edits(base, text) <= (base.len() / 2).max(2);
    if is_like {
        align(base.as_bytes(), text.as_bytes())
    } else {
        vec![None; base.len()]
    }
}

/// The text that the others are laid on.
fn base(ballots: &[&Ballot]) -> Option<String> {
    let longest = ballots.iter().map(|it| it.text.len()).max()?;
    let mut lengths = vec![0.0; longest + 1];
    for it in ballots {
        lengths[it.text.len()] += it.weight;
    }
    // Of equal ones the longer: more gets lost than is made up.
    let length = (1..=longest)
        .filter(|it| ballots.iter().any(|b| b.text.len() == *it))
        .max_by(|a, b| lengths[*a].total_cmp(&lengths[*b]).then(a.cmp(b)))?;
    let likeness = |text: &str| -> f64 {
        let all = ballots.iter();
        all.map(|it| it.weight * edit_similarity(text, &it.text))
            .sum()
    };
    let candidates = ballots.iter().filter(|it| it.text.len() == length);
    candidates
        .map(|it| (likeness(&it.text), it.text.clone()))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ballot(text: &str, weight: f64) -> Ballot {
        Ballot {
            text: text.to_owned(),
            weight,
            chars: vec![1.0; text.len()],
        }
    }

    #[test]
    fn a_dropped_first_character_does_not_break_the_vote() {
        let tally = vote(&[
            ballot("B80338", 0.9),
            ballot("1B80338", 0.8),
            ballot("1B80333", 0.7),
            ballot("1880338", 0.6),
        ])
        .unwrap();
        assert_eq!(tally.text, "1B80338");
        assert!(tally.agreement[0] < 0.8 && tally.agreement[4] > 0.99);
    }

    #[test]
    fn readings_that_all_agree_agree_fully_and_disagreement_lowers_it() {
        let same = vote(&[ballot("AB12", 0.4), ballot("AB12", 0.9)]).unwrap();
        assert!((same.mean() - 1.0).abs() < 1e-12);
        let torn = vote(&[ballot("AB12", 0.5), ballot("XY89", 0.5)]).unwrap();
        assert!((torn.mean() - 0.5).abs() < 1e-12);
        assert!(["AB12", "XY89"].contains(&torn.text.as_str()));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(vote(&[]), None);
        assert_eq!(vote(&[ballot("", 1.0)]), None);
    }

    proptest! {
        #[test]
        fn for_readings_of_one_length_it_is_the_plain_vote_at_each_place(
            all in (1usize..8).prop_flat_map(|len| {
                prop::collection::vec((prop::collection::vec(0usize..4, len), 1u32..1000), 1..9)
            })
        ) {
            let texts: Vec<(String, f64)> = all
                .iter()
                .map(|(places, conf)| {
                    let text = places.iter().map(|it| ['A', 'B', '1', '8'][*it]).collect();
                    (text, f64::from(*conf) / 1000.0)
                })
                .collect();
            let ballots: Vec<Ballot> = texts.iter().map(|(text, conf)| ballot(text, *conf)).collect();
            let tally = vote(&ballots).unwrap();
            for (place, winner) in tally.text.chars().enumerate() {
                let sum = |character: char| -> f64 {
                    let with = texts.iter().filter(|(it, _)| it.chars().nth(place) == Some(character));
                    with.map(|(_, conf)| conf).sum()
                };
                for other in ['A', 'B', '1', '8'] {
                    prop_assert!(sum(winner) >= sum(other) - 1e-9);
                }
            }
        }

        #[test]
        fn order_does_not_matter(
            all in prop::collection::vec(("[AB18]{1,6}", 1u32..1000), 1..8),
            by in 0usize..8,
        ) {
            let mut ballots: Vec<Ballot> = all
                .iter()
                .map(|(text, conf)| ballot(text, f64::from(*conf) / 1024.0))
                .collect();
            let one = vote(&ballots).unwrap();
            let len = ballots.len();
            ballots.rotate_left(by % len);
            let two = vote(&ballots).unwrap();
            prop_assert!((one.mean() - two.mean()).abs() < 1e-6 || one.text != two.text);
            for it in one.agreement {
                prop_assert!((0.0..=1.0 + 1e-9).contains(&it));
            }
        }
    }
}
