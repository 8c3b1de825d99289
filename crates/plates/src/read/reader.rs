//! The stage that reads.

use super::{
    crops::{Cut, Lines, Placed},
    ocr::Ocr,
    settings::{Crop, ReadSettings, SecondLook},
    slots::{Slots, Text},
    tile::tile,
};
use crate::{
    bbox::BBox,
    detect::PlateDetector,
    detection::{Plate, Reading},
    models::Entry,
    onnx::{Net, NetError},
    picture::{Picture, Region, sharpness},
};

/// Reads plates.
#[derive(Debug)]
pub struct Reader {
    ocr: Ocr,
    detector: Option<PlateDetector>,
    settings: ReadSettings,
}

/// What is known of a plate's text.
#[derive(Debug)]
pub(super) struct Looked {
    placed: Placed,
    lines: Vec<(Lines, Slots)>,
}

impl Reader {
    /// `detector` searches plates anew for the second look; there is none without it.
    pub(crate) fn new(
        net: Net,
        entry: &Entry,
        settings: ReadSettings,
        detector: Option<PlateDetector>,
    ) -> Self {
        Self {
            ocr: Ocr::new(net, entry, settings.at_once),
            detector,
            settings,
        }
    }

    /// Reads each plate, which lies in a part of a picture. One that no pixel shows, or in which nothing can be read, has
    /// an empty text. Several plates at once say what each says alone.
    pub fn read(
        &mut self,
        plates: &[(Picture<'_>, BBox, Plate)],
    ) -> Result<Vec<Reading>, NetError> {
        let mut looked = self.look(plates)?;
        for ((picture, ..), it) in plates.iter().zip(&mut looked) {
            let Some(it) = it else { continue };
            let weakest = self.text(it).weakest;
            let look = self.settings.second_look.as_ref();
            if look.is_some_and(|look| (look.from..look.below).contains(&weakest)) {
                self.look_again(picture, it)?;
            }
        }
        let readings = plates.iter().zip(&looked).map(|((picture, ..), it)| {
            let it = it.as_ref();
            it.map_or_else(Reading::default, |it| self.reading(picture, it))
        });
        Ok(readings.collect())
    }

    /// The first look: none for a plate that no pixel shows.
    pub(super) fn look(
        &mut self,
        plates: &[(Picture<'_>, BBox, Plate)],
    ) -> Result<Vec<Option<Looked>>, NetError> {
        let mut looked: Vec<Option<Looked>> = plates
            .iter()
            .map(|(picture, part, plate)| {
                let lines = Vec::new();
                Placed::new(picture, part, plate).map(|placed| Looked { placed, lines })
            })
            .collect();
        for nth in 0..self.settings.crops.len() {
            self.look_at_crop(nth, plates, &mut looked)?;
        }
        Ok(looked)
    }

    /// Reads one crop of each plate that the crops before have not read strongly enough.
    fn look_at_crop(
        &mut self,
        nth: usize,
        plates: &[(Picture<'_>, BBox, Plate)],
        looked: &mut [Option<Looked>],
    ) -> Result<(), NetError> {
        let crop = [self.settings.crops[nth]];
        let (mut cuts, mut of) = (Vec::new(), Vec::new());
        for (index, ((picture, ..), it)) in plates.iter().zip(&*looked).enumerate() {
            let Some(it) = it else { continue };
            if nth > 0 && self.text(it).weakest >= self.settings.enough {
                continue;
            }
            self.cuts(*picture, &it.placed, &crop, &mut cuts);
            of.resize(cuts.len(), index);
        }
        let slots = self.ocr.read(&cuts)?;
        let lines: Vec<Lines> = cuts.iter().map(|it| it.lines).collect();
        for ((index, lines), slots) in of.into_iter().zip(lines).zip(slots) {
            if let (Some(Some(it)), Some(slots)) = (looked.get_mut(index), slots) {
                it.lines.push((lines, slots));
            }
        }
        Ok(())
    }

    /// The second look.
    pub(super) fn look_again(
        &mut self,
        picture: &Picture<'_>,
        it: &mut Looked,
    ) -> Result<(), NetError> {
        let (Some(detector), Some(look)) = (&mut self.detector, &self.settings.second_look) else {
            return Ok(());
        };
        let anew = found_anew(detector, picture, &it.placed, look)?;
        let mut cuts = Vec::new();
        self.cuts(*picture, &it.placed, &look.crops, &mut cuts);
        if let Some(anew) = &anew {
            self.cuts(*picture, anew, &look.crops_anew, &mut cuts);
        }
        let slots = self.ocr.read(&cuts)?;
        let lines: Vec<_> = cuts.iter().map(|it| it.lines).collect();
        let more = lines.into_iter().zip(slots);
        it.lines
            .extend(more.filter_map(|(lines, slots)| Some((lines, slots?))));
        Ok(())
    }

    /// All lines at once, and each of two lines where there may be two.
    fn cuts<'a>(
        &self,
        picture: Picture<'a>,
        plate: &'a Placed,
        crops: &[Crop],
        cuts: &mut Vec<Cut<'a>>,
    ) {
        let most = self.settings.two_lines_from * plate.bbox.width();
        let may_be_two = plate.lines == 2 || plate.bbox.height() > most;
        let lines: &[Lines] = if may_be_two {
            &[Lines::All, Lines::Top, Lines::Bottom]
        } else {
            &[Lines::All]
        };
        for &lines in lines {
            cuts.extend(crops.iter().map(|&crop| Cut {
                picture,
                plate,
                crop,
                lines,
            }));
        }
    }

    /// What a plate's crops come to.
    pub(super) fn text(&self, it: &Looked) -> Text {
        let of = |lines: Lines| {
            let of_lines = it.lines.iter().filter(|it| it.0 == lines);
            let slots = Slots::pooled(of_lines.map(|it| &it.1), self.settings.pool);
            slots.map_or_else(Text::default, |it| it.text(self.ocr.alphabet()))
        };
        let (whole, top, bottom) = (of(Lines::All), of(Lines::Top), of(Lines::Bottom));
        Text::of_lines(whole, top, bottom, self.ocr.places())
    }

    pub(super) fn reading(&self, picture: &Picture<'_>, it: &Looked) -> Reading {
        let text = self.text(it);
        let region = Region::of(&it.placed.bbox, picture);
        Reading {
            text: text.text,
            conf: text.weakest,
            chars: text.chars,
            sharpness: region.map_or(0.0, |it| sharpness(picture, it)),
            crop: None,
        }
    }
}

impl Looked {
    /// In pixels of the picture.
    pub(super) fn bbox(&self) -> &BBox {
        &self.placed.bbox
    }

    /// Another look at the same plate.
    pub(super) fn take(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }
}

/// The same plate as the detector sees it in a tile.
fn found_anew(
    detector: &mut PlateDetector,
    picture: &Picture<'_>,
    plate: &Placed,
    look: &SecondLook,
) -> Result<Option<Placed>, NetError> {
    let part = tile(&plate.bbox, picture, detector.canvas_width(), look);
    let found = detector.detect(&[(*picture, part)])?;
    let same = found.into_iter().flatten().find(|it| {
        let bbox = it.bbox.moved(part.x1, part.y1);
        bbox.iou(&plate.bbox) > look.least_overlap
    });
    Ok(same.and_then(|it| Placed::new(picture, &part, &it)))
}
