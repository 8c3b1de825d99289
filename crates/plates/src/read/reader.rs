//! The stage that reads.

use super::{
    crops::{self, Lines, Placed},
    settings::{Crop, ReadSettings},
    slots::{Alphabet, Slots, Text},
};
use crate::{
    bbox::BBox,
    detection::{Plate, Reading},
    models::{Batch, Entry, entry::OutputSpec},
    onnx::{Net, NetError},
    picture::{Picture, Region, Resizer, sharpness},
};

/// Reads plates.
#[derive(Debug)]
pub struct Reader {
    net: Net,
    batch: Batch,
    settings: ReadSettings,
    alphabet: Alphabet,
    resizer: Resizer,
    crop: Vec<u8>,
}

/// A crop that is wanted of a plate.
struct Wanted {
    plate: usize,
    crop: Crop,
    lines: Lines,
}

/// A crop that was read.
struct Read {
    plate: usize,
    lines: Lines,
    slots: Slots,
}

impl Reader {
    pub(crate) fn new(net: Net, entry: &Entry, mut settings: ReadSettings) -> Self {
        let alphabet = match &entry.output {
            OutputSpec::Slots {
                alphabet, empty, ..
            } => Alphabet::new(alphabet, *empty),
            // The registry refuses such a model for `ocr`.
            _ => Alphabet::new("", '_'),
        };
        let takes_any = net.input().shape.first().is_some_and(|it| *it < 0);
        settings.at_once = if takes_any {
            settings.at_once.max(1)
        } else {
            1
        };
        Self {
            batch: Batch::new(entry.input.clone()),
            net,
            settings,
            alphabet,
            resizer: Resizer::new(),
            crop: Vec::new(),
        }
    }

    /// Reads each plate, which lies in a part of a picture. One that no pixel shows, or in which nothing can be read, has
    /// an empty text.
    pub fn read(
        &mut self,
        plates: &[(Picture<'_>, BBox, Plate)],
    ) -> Result<Vec<Reading>, NetError> {
        let placed: Vec<Option<Placed>> = plates
            .iter()
            .map(|(picture, part, plate)| Placed::new(picture, part, plate))
            .collect();
        let wanted: Vec<Wanted> = placed
            .iter()
            .enumerate()
            .filter_map(|(plate, it)| Some(wanted(&self.settings, plate, it.as_ref()?)))
            .flatten()
            .collect();
        let mut read = Vec::with_capacity(wanted.len());
        for wanted in wanted.chunks(self.settings.at_once) {
            self.some(plates, &placed, wanted, &mut read)?;
        }
        let mut read = read.into_iter().peekable();
        let mut readings = Vec::with_capacity(plates.len());
        for (index, ((picture, ..), placed)) in plates.iter().zip(&placed).enumerate() {
            let mut of_plate = Vec::new();
            while let Some(it) = read.next_if(|it| it.plate == index) {
                of_plate.push(it);
            }
            let text = self.text(&of_plate);
            let region = placed.as_ref().and_then(|it| Region::of(&it.bbox, picture));
            readings.push(Reading {
                text: text.text,
                conf: text.weakest,
                chars: text.chars,
                sharpness: region.map_or(0.0, |it| sharpness(picture, it)),
                crop: None,
            });
        }
        Ok(readings)
    }

    fn some(
        &mut self,
        plates: &[(Picture<'_>, BBox, Plate)],
        placed: &[Option<Placed>],
        wanted: &[Wanted],
        read: &mut Vec<Read>,
    ) -> Result<(), NetError> {
        self.batch.clear();
        let size = self.batch.canvas();
        let mut cut = Vec::with_capacity(wanted.len());
        for it in wanted {
            let (Some((picture, ..)), Some(Some(placed))) =
                (plates.get(it.plate), placed.get(it.plate))
            else {
                continue;
            };
            let what = (it.crop, it.lines);
            if crops::cut(
                &mut self.resizer,
                picture,
                placed,
                what,
                size,
                &mut self.crop,
            ) {
                self.batch.push(&self.crop);
                cut.push(it);
            }
        }
        if cut.is_empty() {
            return Ok(());
        }
        let characters = self.alphabet.len();
        let slots = self.batch.run(&mut self.net, |shape, numbers| {
            let each = numbers.len() / cut.len();
            let is_whole = shape.first().copied() == i64::try_from(cut.len()).ok()
                && each > 0
                && each.is_multiple_of(characters);
            is_whole.then(|| -> Vec<_> {
                let all = numbers.chunks_exact(each);
                all.map(|it| Slots(it.to_vec())).collect()
            })
        })?;
        let slots = slots.ok_or_else(|| NetError::Run {
            file: self.net.file().to_owned(),
            reason: "what came out has not the sides that it said before".to_owned(),
        })?;
        read.extend(cut.into_iter().zip(slots).map(|(it, slots)| Read {
            plate: it.plate,
            lines: it.lines,
            slots,
        }));
        Ok(())
    }

    /// What a plate's crops come to. Two lines are taken if both are read, and surer than all at once.
    fn text(&self, read: &[Read]) -> Text {
        let of = |lines: Lines| {
            let of_lines = read.iter().filter(|it| it.lines == lines);
            let all: Vec<_> = of_lines.map(|it| it.slots.clone()).collect();
            let slots = Slots::combined(&all, self.alphabet.len(), self.settings.combine);
            slots.map_or_else(Text::default, |it| it.text(&self.alphabet))
        };
        let (whole, top, bottom) = (of(Lines::All), of(Lines::Top), of(Lines::Bottom));
        let weakest = top.weakest.min(bottom.weakest);
        if weakest <= whole.weakest {
            return whole;
        }
        Text {
            text: top.text + &bottom.text,
            chars: [top.chars, bottom.chars].concat(),
            weakest,
        }
    }
}

/// All lines at once, and each of two lines where there may be two.
fn wanted(settings: &ReadSettings, plate: usize, placed: &Placed) -> Vec<Wanted> {
    let most = settings.two_lines_from * placed.bbox.width();
    let may_be_two = placed.lines == 2 || placed.bbox.height() > most;
    let lines: &[Lines] = if may_be_two {
        &[Lines::All, Lines::Top, Lines::Bottom]
    } else {
        &[Lines::All]
    };
    let crops = &settings.crops;
    let each = |lines: &Lines| {
        let lines = *lines;
        crops.iter().map(move |&crop| Wanted { plate, crop, lines })
    };
    lines.iter().flat_map(each).collect()
}
