//! What both detectors do: pictures onto canvases, through the model, and back.

use super::{
    columns::{Columns, Found},
    suppress::suppress,
};
use crate::{
    models::{Batch, Entry},
    onnx::{Net, NetError},
    picture::{Letterbox, Picture, Region, Resizer},
};

/// Pictures a call of a model that takes several.
const MOST_AT_ONCE: usize = 8;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) least_score: f32,
    pub(super) most_overlap: f32,
    pub(super) most_boxes: usize,
}

#[derive(Debug)]
pub(super) struct Detector {
    net: Net,
    batch: Batch,
    columns: Columns,
    classes: Vec<usize>,
    limits: Limits,
    resizer: Resizer,
    canvas: Vec<u8>,
    at_once: usize,
}

impl Detector {
    /// `classes`: those that count; all if empty.
    pub(super) fn new(
        net: Net,
        entry: &Entry,
        classes: Vec<usize>,
        limits: Limits,
    ) -> Result<Self, NetError> {
        let batch = Batch::new(entry.input.clone());
        let columns = Columns::of(&entry.output, batch.canvas());
        if let Some(expected) = columns.problem(&net.output().shape) {
            return Err(NetError::Shape {
                file: net.file().to_owned(),
                what: "the output",
                expected: format!("`{}`, {expected}", entry.output.layout()),
                found: net.output().to_string(),
            });
        }
        let takes_any = net.input().shape.first().is_some_and(|it| *it < 0);
        Ok(Self {
            columns,
            at_once: if takes_any { MOST_AT_ONCE } else { 1 },
            net,
            batch,
            classes,
            limits,
            resizer: Resizer::new(),
            canvas: Vec::new(),
        })
    }

    pub(super) fn canvas_width(&self) -> u32 {
        self.batch.canvas().0
    }

    /// What is in each of the parts, in pixels of the part, highest score first.
    pub(super) fn detect(
        &mut self,
        parts: &[(Picture<'_>, Region)],
    ) -> Result<Vec<Vec<Found>>, NetError> {
        let mut all = Vec::with_capacity(parts.len());
        for parts in parts.chunks(self.at_once) {
            self.some(parts, &mut all)?;
        }
        Ok(all)
    }

    fn some(
        &mut self,
        parts: &[(Picture<'_>, Region)],
        all: &mut Vec<Vec<Found>>,
    ) -> Result<(), NetError> {
        self.batch.clear();
        let mut boxes = Vec::with_capacity(parts.len());
        for &(picture, region) in parts {
            let (canvas, spec) = (self.batch.canvas(), self.batch.spec());
            let it = Letterbox::new((region.width, region.height), canvas, spec.fit);
            it.paint(
                &mut self.resizer,
                (picture, region),
                canvas,
                &mut self.canvas,
                spec.fill,
            );
            self.batch.push(&self.canvas);
            boxes.push(it);
        }
        let (columns, classes, limits) = (&self.columns, &self.classes, self.limits);
        let file = self.net.file().to_owned();
        let seen = self.batch.run(&mut self.net, |shape, numbers| {
            let [rows, across] = sides(shape, boxes.len())?;
            let each = rows.checked_mul(across).filter(|it| *it > 0)?;
            if numbers.len() != each * boxes.len() {
                return None;
            }
            let of = |(letterbox, numbers): (&Letterbox, &[f32])| {
                let found = columns.found([rows, across], numbers, limits.least_score, classes);
                let kept = suppress(found, limits.most_overlap, limits.most_boxes);
                kept.into_iter().map(|it| told(it, letterbox)).collect()
            };
            Some(
                boxes
                    .iter()
                    .zip(numbers.chunks_exact(each))
                    .map(of)
                    .collect::<Vec<_>>(),
            )
        })?;
        all.extend(seen.ok_or_else(|| NetError::Run {
            file,
            reason: "what came out has not the sides that it said before".to_owned(),
        })?);
        Ok(())
    }
}

/// Rows and columns of what came out for `count` pictures.
fn sides(shape: &[i64], count: usize) -> Option<[usize; 2]> {
    let &[batch, rows, columns] = shape else {
        return None;
    };
    let side = |it: i64| usize::try_from(it).ok();
    (side(batch)? == count).then_some([side(rows)?, side(columns)?])
}

fn told(mut it: Found, letterbox: &Letterbox) -> Found {
    let ([x1, y1], [x2, y2]) = (
        letterbox.back([it.bbox.x1, it.bbox.y1]),
        letterbox.back([it.bbox.x2, it.bbox.y2]),
    );
    it.bbox = [x1, y1, x2, y2].into();
    it.corners = it.corners.map(|it| it.map(|it| letterbox.back(it)));
    it
}
