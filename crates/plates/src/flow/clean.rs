//! Plates on their way to the reader, made clean first where that is wanted.

use super::{Count, FlowOutput, credit::Found, machine::Flow, machine::Job, spawn};
use crate::{
    bbox::BBox,
    category::Category,
    detection::Cleaned,
    picture::{Denoise, MOST_CLEANED},
    task::Payload,
};

/// How far beyond a plate's box and corners it is made clean, as shares of width and height: all that a reader looks at.
const PAD: [f32; 2] = [0.12, 0.25];

impl Flow {
    /// Has the plates of a frame read that are wanted.
    pub(super) fn read_plates(&mut self, frame_idx: u64) {
        let how = self.settings.denoise;
        let Some(frame) = self.frame_mut(frame_idx) else {
            return;
        };
        let whole = BBox::whole(frame.slot.width, frame.slot.height);
        let mut wanted = Vec::new();
        for (read, it) in frame.reads.iter().enumerate() {
            if !it.is_wanted {
                continue;
            }
            let crop = how.and_then(|how| Some((how, crop_of(&it.found, &whole)?)));
            if how.is_some() && crop.is_none() {
                let large = Count::Skipped(Category::PlateDenoise, "large_plate");
                frame.counts.add(large, 1);
            }
            wanted.push((read, crop));
        }
        frame.cleaning = wanted.iter().filter(|(_, crop)| crop.is_some()).count();
        for (read, crop) in wanted {
            match crop {
                Some((how, crop_bbox)) => self.clean_plate(frame_idx, read, crop_bbox, how),
                None => self.read_plate(frame_idx, read, None),
            }
        }
        self.release_cleaned(frame_idx);
    }

    fn clean_plate(&mut self, frame_idx: u64, read: usize, crop_bbox: BBox, how: Denoise) {
        let Some(frame) = self.frame_mut(frame_idx) else {
            return;
        };
        let (at, slot) = (frame.at, Some(frame.slot));
        let payload = Payload::PlateDenoise { crop_bbox, how };
        let category = Category::PlateDenoise;
        let task = spawn::task(&self.video, Some(&at), slot, category, payload);
        self.spawn(Job::Clean { frame_idx, read }, task);
    }

    fn read_plate(&mut self, frame_idx: u64, read: usize, cleaned: Option<Cleaned>) {
        let Some(frame) = self.frame_mut(frame_idx) else {
            return;
        };
        let (at, slot) = (frame.at, Some(frame.slot));
        let Some(it) = frame.reads.get(read) else {
            return;
        };
        let payload = Payload::Ocr {
            car_bbox: it.found.region,
            plate: it.found.plate.clone(),
            keep_crop: it.keep_crop,
            cleaned,
        };
        let task = spawn::task(&self.video, Some(&at), slot, Category::Ocr, payload);
        self.spawn(Job::Read { frame_idx, read }, task);
    }

    /// A plate was made clean, as far as it could be; none where that failed: then it is read as it is.
    pub(super) fn cleaned(
        &mut self,
        frame_idx: u64,
        read: usize,
        cleaned: Option<Option<Cleaned>>,
    ) {
        let Some(frame) = self.frame_mut(frame_idx) else {
            return;
        };
        frame.cleaning = frame.cleaning.saturating_sub(1);
        if cleaned == Some(None) {
            let nothing = Count::Nothing(Category::PlateDenoise, "no_pixels");
            frame.counts.add(nothing, 1);
        }
        self.read_plate(frame_idx, read, cleaned.flatten());
        self.release_cleaned(frame_idx);
    }

    /// The tasks of all readings hold the frame by now: the flow needs it no longer.
    fn release_cleaned(&mut self, frame_idx: u64) {
        let is_open = |it: &mut super::frame::Frame| it.cleaning > 0;
        if !self.frame_mut(frame_idx).is_some_and(is_open) {
            self.say(FlowOutput::Release { frame_idx });
        }
    }
}

/// What is made clean of a plate; none where that would be too large.
fn crop_of(found: &Found, frame: &BBox) -> Option<BBox> {
    let mut it = found.bbox;
    let (width, height) = (it.width(), it.height());
    // Corners that lie far off are not the plate's: a reader does not follow them either.
    let near = BBox::from([it.x1 - width, it.y1 - height, it.x2 + width, it.y2 + height]);
    for [x, y] in found.corners().into_iter().flatten() {
        if (near.x1..=near.x2).contains(&x) && (near.y1..=near.y2).contains(&y) {
            it = BBox::from([it.x1.min(x), it.y1.min(y), it.x2.max(x), it.y2.max(y)]);
        }
    }
    let (dx, dy) = (it.width() * PAD[0], it.height() * PAD[1]);
    let it = BBox::from([it.x1 - dx, it.y1 - dy, it.x2 + dx, it.y2 + dy]).clipped(frame)?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^24")]
    let most = MOST_CLEANED as f32;
    // Rounding to whole pixels adds one on each side at most.
    ((it.width() + 1.0) * (it.height() + 1.0) <= most).then_some(it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Plate;

    const FRAME: [f32; 4] = [0.0, 0.0, 1280.0, 720.0];

    fn found(sides: [f32; 4], corners: Option<[[f32; 2]; 4]>) -> Found {
        let plate = Plate {
            bbox: sides.into(),
            conf: 0.9,
            corners,
            lines: 1,
        };
        let region = BBox::from([100.0, 100.0, 900.0, 700.0]);
        Found::new(0, region, plate, &FRAME.into()).unwrap()
    }

    fn crop(sides: [f32; 4], corners: Option<[[f32; 2]; 4]>) -> Option<BBox> {
        crop_of(&found(sides, corners), &FRAME.into())
    }

    #[test]
    fn a_plate_is_made_clean_with_what_is_around_it_and_with_its_corners() {
        let sides = [50.0, 60.0, 150.0, 80.0];
        assert_eq!(crop(sides, None), Some([138.0, 155.0, 262.0, 185.0].into()));
        let slanted = [[46.0, 60.0], [150.0, 58.0], [154.0, 80.0], [50.0, 84.0]];
        let wider = crop(sides, Some(slanted)).unwrap();
        assert!(wider.x1 < 134.0 && wider.y2 > 189.0, "{wider:?}");
        let far = slanted.map(|[x, y]| [x + 500.0, y]);
        assert_eq!(crop(sides, Some(far)), crop(sides, None));
        let none = slanted.map(|[x, _]| [x, f32::NAN]);
        assert_eq!(crop(sides, Some(none)), crop(sides, None));
    }

    #[test]
    fn it_is_clipped_to_the_frame_and_a_very_large_one_is_left_as_it_is() {
        let edge = crop([-100.0, -100.0, -40.0, -80.0], None).unwrap();
        assert_eq!((edge.x1, edge.y1), (0.0, 0.0));
        assert_eq!(crop([0.0, 0.0, 500.0, 200.0], None), None);
    }
}
