//! The built-in filters: pipelines without a model, a file each.
//!
//! Read in this order: [`find`] and [`all`] (the list), `filter` (what a filter has to say and what
//! all of them share), `params` and [`validate`] (from a JSON Schema to typed parameters), then any
//! filter. `luma`, `color` and `glyphs` are what several of them, or the larger ones, stand on.
//!
//! Every filter works on rgb24 pictures of any size, in one thread, and gives the same bytes for
//! the same input on every machine.

mod blur;
mod color;
mod edges;
mod filter;
mod glyphs;
mod grayscale;
mod invert;
mod luma;
mod noop;
mod overlay;
mod params;
pub mod validate;

use crate::PipelineKind;
use filter::Kind;

/// The built-in filters, in the order in which `framerill pipelines list` shows them.
#[must_use]
pub fn all() -> &'static [&'static dyn PipelineKind] {
    static ALL: [&dyn PipelineKind; 6] = [
        &Kind::<noop::Noop>::NEW,
        &Kind::<invert::Invert>::NEW,
        &Kind::<grayscale::Grayscale>::NEW,
        &Kind::<blur::Blur>::NEW,
        &Kind::<edges::Edges>::NEW,
        &Kind::<overlay::Overlay>::NEW,
    ];
    &ALL
}

/// The built-in filter of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn PipelineKind> {
    all().iter().copied().find(|kind| kind.name() == name)
}
