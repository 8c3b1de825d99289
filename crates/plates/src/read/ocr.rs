//! The model that reads crops.

use super::{
    crops::{self, Cut},
    slots::{Alphabet, Slots},
};
use crate::{
    models::{Batch, Entry, entry::OutputSpec},
    onnx::{Net, NetError},
    picture::Resizer,
};

#[derive(Debug)]
pub(super) struct Ocr {
    net: Net,
    batch: Batch,
    alphabet: Alphabet,
    places: usize,
    at_once: usize,
    resizer: Resizer,
    crop: Vec<u8>,
}

impl Ocr {
    pub(super) fn new(net: Net, entry: &Entry, at_once: usize) -> Self {
        let (alphabet, places) = match &entry.output {
            OutputSpec::Slots {
                slots,
                alphabet,
                empty,
            } => (Alphabet::new(alphabet, *empty), *slots),
            // The registry refuses such a model for `ocr`.
            _ => (Alphabet::new("", '_'), 0),
        };
        let takes_any = net.input().shape.first().is_some_and(|it| *it < 0);
        Self {
            batch: Batch::new(entry.input.clone()),
            net,
            alphabet,
            places,
            at_once: if takes_any { at_once.max(1) } else { 1 },
            resizer: Resizer::new(),
            crop: Vec::new(),
        }
    }

    pub(super) fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }

    /// The most characters of a text.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// What each crop says; none for one without pixels.
    pub(super) fn read(&mut self, cuts: &[Cut<'_>]) -> Result<Vec<Option<Slots>>, NetError> {
        let mut all = Vec::with_capacity(cuts.len());
        for cuts in cuts.chunks(self.at_once) {
            self.some(cuts, &mut all)?;
        }
        Ok(all)
    }

    fn some(&mut self, cuts: &[Cut<'_>], all: &mut Vec<Option<Slots>>) -> Result<(), NetError> {
        self.batch.clear();
        let size = self.batch.canvas();
        let mut are_there = Vec::with_capacity(cuts.len());
        for cut in cuts {
            let is_there = crops::cut(&mut self.resizer, cut, size, &mut self.crop);
            if is_there {
                self.batch.push(&self.crop);
            }
            are_there.push(is_there);
        }
        let count = are_there.iter().filter(|it| **it).count();
        let mut slots = self.compute(count)?.into_iter();
        all.extend(
            are_there
                .into_iter()
                .map(|it| if it { slots.next() } else { None }),
        );
        Ok(())
    }

    fn compute(&mut self, count: usize) -> Result<Vec<Slots>, NetError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let characters = self.alphabet.len();
        let slots = self.batch.run(&mut self.net, |shape, numbers| {
            let each = numbers.len() / count;
            let is_whole = shape.first().copied() == i64::try_from(count).ok()
                && each > 0
                && each.is_multiple_of(characters)
                && numbers.len().is_multiple_of(count);
            is_whole.then(|| -> Vec<_> {
                let all = numbers.chunks_exact(each);
                all.map(|it| Slots::new(it, characters)).collect()
            })
        })?;
        slots.ok_or_else(|| NetError::Run {
            file: self.net.file().to_owned(),
            reason: "what came out has not the sides that it said before".to_owned(),
        })
    }
}
