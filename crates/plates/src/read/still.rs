//! All plates of one picture.

use super::{Reader, StillSettings, reader::Looked};
use crate::{
    bbox::BBox,
    detect::PlateDetector,
    detection::{Plate, Reading},
    onnx::NetError,
    picture::Picture,
};

/// Finds and reads all plates of a picture: a fast detector first, and where no reading is strong enough the plate is
/// searched anew in a tile, then a finer detector looks at the whole picture.
#[derive(Debug)]
pub struct StillReader {
    fast: PlateDetector,
    fine: Option<PlateDetector>,
    reader: Reader,
    settings: StillSettings,
}

struct Candidate {
    plate: Plate,
    looked: Looked,
}

impl StillReader {
    pub(crate) fn new(
        fast: PlateDetector,
        fine: Option<PlateDetector>,
        reader: Reader,
        settings: StillSettings,
    ) -> Self {
        Self {
            fast,
            fine,
            reader,
            settings,
        }
    }

    /// Plates by falling confidence of the fast detector, then those that only the finer one found.
    pub fn read(&mut self, picture: &Picture<'_>) -> Result<Vec<(Plate, Reading)>, NetError> {
        let mut all = Vec::new();
        let found = self.fast.detect(&[(*picture, whole(picture))])?;
        self.add(picture, found, &mut all)?;
        if !self.has(self.settings.enough, &all) {
            if let Some(first) = all.first_mut() {
                self.reader.look_again(picture, &mut first.looked)?;
            }
            if !self.has(self.settings.enough_at_last, &all)
                && let Some(fine) = &mut self.fine
            {
                let found = fine.detect(&[(*picture, whole(picture))])?;
                self.add(picture, found, &mut all)?;
            }
        }
        let read = all.into_iter().map(|it| {
            let reading = self.reader.reading(picture, &it.looked);
            (it.plate, reading)
        });
        Ok(read.collect())
    }

    /// Whether a reading is as strong as that.
    fn has(&self, least: f32, all: &[Candidate]) -> bool {
        let mut weakest = all.iter().map(|it| self.reader.text(&it.looked).weakest);
        weakest.any(|it| it >= least)
    }

    fn add(
        &mut self,
        picture: &Picture<'_>,
        found: Vec<Vec<Plate>>,
        all: &mut Vec<Candidate>,
    ) -> Result<(), NetError> {
        let found = found.into_iter().flatten().take(self.settings.most_plates);
        let plates: Vec<_> = found.map(|it| (*picture, whole(picture), it)).collect();
        let looked = self.reader.look(&plates)?;
        for ((.., plate), looked) in plates.into_iter().zip(looked) {
            let Some(looked) = looked else { continue };
            let is_same = |it: &&mut Candidate| {
                it.looked.bbox().iou(looked.bbox()) > self.settings.least_overlap
            };
            match all.iter_mut().find(is_same) {
                Some(it) => {
                    it.plate.conf = it.plate.conf.max(plate.conf);
                    it.looked.take(looked);
                }
                None => all.push(Candidate { plate, looked }),
            }
        }
        Ok(())
    }
}

fn whole(picture: &Picture<'_>) -> BBox {
    BBox::whole(picture.width(), picture.height())
}
