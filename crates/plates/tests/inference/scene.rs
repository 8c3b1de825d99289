//! Drawn pictures, by the rules of `scripts/tiny_models.py`.

use framerill_plates::{bbox::BBox, picture::Picture};

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

pub(crate) const BLUE: [u8; 3] = [0, 0, 255];
pub(crate) const GREEN: [u8; 3] = [0, 255, 0];
pub(crate) const RED: [u8; 3] = [255, 0, 0];
pub(crate) const YELLOW: [u8; 3] = [255, 255, 0];
pub(crate) const CYAN: [u8; 3] = [0, 255, 255];
pub(crate) const MAGENTA: [u8; 3] = [255, 0, 255];

pub(crate) struct Scene {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Scene {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let rgb = vec![90; width as usize * height as usize * 3];
        Self { width, height, rgb }
    }

    pub(crate) fn picture(&self) -> Picture<'_> {
        Picture::new(self.width, self.height, &self.rgb).unwrap()
    }

    pub(crate) fn filled(mut self, bbox: [f32; 4], colour: [u8; 3]) -> Self {
        self.fill(bbox, colour);
        self
    }

    fn fill(&mut self, bbox: [f32; 4], colour: [u8; 3]) {
        let whole = BBox::whole(self.width, self.height);
        let Some(it) = BBox::from(bbox.map(f32::round)).clipped(&whole) else {
            return;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clipped"
        )]
        let [x1, y1, x2, y2] = <[f32; 4]>::from(it).map(|it| it as usize);
        let width = self.width as usize;
        for y in y1..y2 {
            let row = &mut self.rgb[(y * width + x1) * 3..(y * width + x2) * 3];
            row.as_chunks_mut::<3>().0.fill(colour);
        }
    }

    /// A space parts two lines.
    pub(crate) fn plate(mut self, bbox: [f32; 4], border: [u8; 3], text: &str) -> Self {
        let [x1, y1, x2, y2] = bbox;
        self.fill(bbox, border);
        let edge = (0.03 * (x2 - x1)).max(3.0);
        let lines: Vec<&str> = text.split(' ').collect();
        let rows = if lines.len() == 2 { 4.0 } else { 2.0 };
        let (across, down) = ((x2 - x1 - 2.0 * edge) / 9.0, (y2 - y1 - 2.0 * edge) / rows);
        let mut y = y1 + edge;
        for line in lines {
            let levels: Vec<[usize; 2]> = format!("{line:_<9}")
                .chars()
                .map(|it| ALPHABET.find(it).unwrap())
                .map(|it| [it / 7, it % 7])
                .collect();
            for row in 0..2 {
                let mut x = x1 + edge;
                for levels in &levels {
                    let grey = u8::try_from(18 + 36 * levels[row]).unwrap();
                    self.fill([x, y, x + across, y + down], [grey; 3]);
                    x += across;
                }
                y += down;
            }
        }
        self
    }
}
