//! Hard cuts and blank pictures, told from thumbnails by the measures of `picture/scenery.rs`.

use serde::{Deserialize, Serialize};

use crate::{
    detection::Thumbnail,
    picture::scenery::{change, correlation, deviation},
};

/// Areas of a thumbnail at most; a larger one is not looked at.
const MAX_AREAS: usize = 1024;

/// When a picture is blank, and when it is another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SceneSettings {
    /// Standard deviation of the luma (0 to 255) below which a picture is blank. Default 4.
    pub blank_deviation: f64,
    /// Mean change of luma (0 to 255) from which two pictures may be a cut. Default 20.
    pub cut_change: f64,
    /// Correlation below which they then are: a change of exposure keeps it high. Default 0.6.
    pub cut_correlation: f64,
    /// Correlation from which the picture after a blank one is that before it. Default 0.9.
    pub same_correlation: f64,
}

impl Default for SceneSettings {
    fn default() -> Self {
        Self {
            blank_deviation: 4.0,
            cut_change: 20.0,
            cut_correlation: 0.6,
            same_correlation: 0.9,
        }
    }
}

/// What the next picture is to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// The same place, or nothing is known of it.
    Same,
    /// Nothing is in it.
    Blank,
    /// Another place.
    Cut,
}

/// The last picture with something in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scenery {
    shown: Thumbnail,
    is_after_blank: bool,
}

impl Scenery {
    /// Takes the next picture. One in which something was found is not blank, however dark.
    pub(super) fn next(
        &mut self,
        thumbnail: &Thumbnail,
        has_items: bool,
        settings: &SceneSettings,
    ) -> Scene {
        let areas = &thumbnail.0;
        if areas.is_empty() || areas.len() > MAX_AREAS {
            return Scene::Same;
        }
        if deviation(thumbnail) < settings.blank_deviation && !has_items {
            self.is_after_blank = true;
            return Scene::Blank;
        }
        let before = std::mem::replace(&mut self.shown, thumbnail.clone());
        let was_blank = std::mem::take(&mut self.is_after_blank);
        if before.0.len() != areas.len() {
            return Scene::Same;
        }
        let correlation = correlation(&before, thumbnail);
        let is_cut = if was_blank {
            correlation < settings.same_correlation
        } else {
            change(&before, thumbnail) >= settings.cut_change
                && correlation < settings.cut_correlation
        };
        if is_cut { Scene::Cut } else { Scene::Same }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(f: impl Fn(usize) -> usize) -> Thumbnail {
        Thumbnail(
            (0..144)
                .map(|i| u8::try_from(f(i) % 256).unwrap())
                .collect(),
        )
    }

    fn scenes(pictures: &[Thumbnail]) -> Vec<Scene> {
        let mut it = Scenery::default();
        pictures
            .iter()
            .map(|p| it.next(p, false, &SceneSettings::default()))
            .collect()
    }

    #[test]
    fn another_picture_is_a_cut_and_a_brighter_one_is_not() {
        let road = picture(|i| i);
        let brighter = picture(|i| 60 + i);
        let yard = picture(|i| (i * 97) % 200);
        assert_eq!(
            scenes(&[road.clone(), brighter, yard, road]),
            [Scene::Same, Scene::Same, Scene::Cut, Scene::Cut]
        );
    }

    #[test]
    fn a_blank_between_two_pictures_is_a_cut_unless_they_are_the_same() {
        let (road, blank, yard) = (
            picture(|i| i),
            picture(|_| 16),
            picture(|i| i + (i * 37) % 90),
        );
        assert_eq!(
            scenes(&[road.clone(), blank.clone(), road.clone()]),
            [Scene::Same, Scene::Blank, Scene::Same]
        );
        assert_eq!(
            scenes(&[road.clone(), yard.clone()]),
            [Scene::Same, Scene::Same]
        );
        assert_eq!(
            scenes(&[road, blank, yard]),
            [Scene::Same, Scene::Blank, Scene::Cut]
        );
    }

    #[test]
    fn a_dark_picture_with_something_in_it_is_not_blank() {
        let mut it = Scenery::default();
        let dark = picture(|_| 1);
        assert_eq!(it.next(&dark, true, &SceneSettings::default()), Scene::Same);
    }

    #[test]
    fn no_thumbnail_says_nothing() {
        let none = Thumbnail::default();
        assert_eq!(scenes(&[none.clone(), none]), [Scene::Same, Scene::Same]);
    }
}
