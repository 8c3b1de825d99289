//! Which picture fills in for one that nobody finished. Pure.

use framerill_worker::message::{FillerPicture, LivePlan};

/// An overlay is drawn over the last real output when that is at most this old (runner contract §8.7).
pub(crate) const FRESH_NS: u64 = 5_000_000_000;

/// What fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The last finished one.
    LastGood,
    /// The input's own.
    Original,
    /// The overlay.
    Overlay,
}

/// What is known when a filler is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// In ns.
    pub(crate) now: u64,
    /// When the newest finished picture was written.
    pub(crate) finished: Option<u64>,
    /// The pipeline reloads.
    pub(crate) is_reloading: bool,
    /// It has been reloading, with an overlay, since anything was finished.
    pub(crate) shows_reload: bool,
    /// The input's own picture is at hand.
    pub(crate) has_original: bool,
}

/// The plan's wish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    picture: FillerPicture,
    overlay_after: u64,
}

impl Wish {
    /// Of a plan.
    pub(crate) fn of(plan: &LivePlan) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "float to int casts saturate"
        )]
        let overlay_after = (plan.overlay_after * 1e9) as u64;
        Self {
            picture: plan.on_worker_loss,
            overlay_after,
        }
    }

    /// Whether inputs' own pictures are wanted.
    pub(crate) fn wants_original(&self) -> bool {
        self.picture == FillerPicture::Original
    }

    /// What fills in now.
    pub(crate) fn choose(&self, at: Moment) -> Choice {
        if at.shows_reload {
            return Choice::Overlay;
        }
        match self.picture {
            FillerPicture::Original if at.has_original => Choice::Original,
            FillerPicture::LastGood | FillerPicture::Original => match at.finished {
                None => Choice::Overlay,
                // A reload that is to show no overlay holds the picture for as long as it takes.
                Some(_) if at.is_reloading => Choice::LastGood,
                Some(finished) if at.now.saturating_sub(finished) >= self.overlay_after => {
                    Choice::Overlay
                }
                Some(_) => Choice::LastGood,
            },
            FillerPicture::Overlay => Choice::Overlay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Moment = Moment {
        now: 2_000_000_000,
        finished: Some(1_900_000_000),
        is_reloading: false,
        shows_reload: false,
        has_original: false,
    };

    fn wish(picture: FillerPicture) -> Wish {
        Wish::of(&LivePlan {
            on_worker_loss: picture,
            ..LivePlan::default()
        })
    }

    #[test]
    fn the_last_picture_is_held_for_a_second_then_an_overlay_is_drawn_over_it() {
        let wish = wish(FillerPicture::LastGood);
        assert_eq!(wish.choose(MOMENT), Choice::LastGood);
        let later = Moment {
            now: 2_900_000_000,
            ..MOMENT
        };
        assert_eq!(wish.choose(later), Choice::Overlay);
        let nothing = Moment {
            finished: None,
            ..MOMENT
        };
        assert_eq!(wish.choose(nothing), Choice::Overlay);
    }

    #[test]
    fn a_reload_is_shown_when_it_is_asked_for_and_held_when_not() {
        for picture in [FillerPicture::LastGood, FillerPicture::Original] {
            let shown = Moment {
                shows_reload: true,
                has_original: true,
                ..MOMENT
            };
            assert_eq!(wish(picture).choose(shown), Choice::Overlay);
        }
        let held = Moment {
            now: 60_000_000_000,
            is_reloading: true,
            ..MOMENT
        };
        assert_eq!(wish(FillerPicture::LastGood).choose(held), Choice::LastGood);
    }

    #[test]
    fn the_original_is_shown_where_it_is_at_hand() {
        let wish = wish(FillerPicture::Original);
        assert!(wish.wants_original());
        let at_hand = Moment {
            has_original: true,
            ..MOMENT
        };
        assert_eq!(wish.choose(at_hand), Choice::Original);
        assert_eq!(wish.choose(MOMENT), Choice::LastGood);
    }
}
