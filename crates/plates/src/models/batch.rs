//! Pictures as a model takes them.

use fearless_simd::{Level, Simd as _, dispatch};

use super::entry::{Colour, InputSpec, Layout};
use crate::onnx::{Element, Input, Net, NetError};

/// Several canvases of `rgb24`, turned into the elements, the order and the range that a model takes.
#[derive(Debug)]
pub(crate) struct Batch {
    spec: InputSpec,
    /// Per channel of the model: what a sample is multiplied with, and what is added then.
    affine: [(f32, f32); 3],
    /// What was pushed, and behind it what a larger batch left there.
    bytes: Vec<u8>,
    floats: Vec<f32>,
    count: usize,
}

impl Batch {
    pub(crate) fn new(spec: InputSpec) -> Self {
        let affine = [0, 1, 2].map(|it| {
            let (mean, std) = (spec.mean[it], spec.std[it]);
            (1.0 / (spec.divide_by * std), -mean / std)
        });
        Self {
            spec,
            affine,
            bytes: Vec::new(),
            floats: Vec::new(),
            count: 0,
        }
    }

    /// Sides of a canvas in pixels.
    pub(crate) fn canvas(&self) -> (u32, u32) {
        (self.spec.width, self.spec.height)
    }

    pub(crate) fn spec(&self) -> &InputSpec {
        &self.spec
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// Adds a whole canvas.
    pub(crate) fn push(&mut self, rgb: &[u8]) {
        let samples = self.spec.width as usize * self.spec.height as usize * 3;
        debug_assert_eq!(rgb.len(), samples, "a whole canvas");
        let order = match self.spec.colour {
            Colour::Rgb => [0, 1, 2],
            Colour::Bgr => [2, 1, 0],
        };
        let start = self.count * samples;
        let end = start + samples;
        self.count += 1;
        match self.spec.element {
            Element::U8 => {
                self.bytes.resize(end.max(self.bytes.len()), 0);
                let to = &mut self.bytes[start..end];
                arranged(rgb, to, self.spec.layout, order, |_, it| it);
            }
            Element::F32 => {
                self.floats.resize(end.max(self.floats.len()), 0.0);
                let (to, affine) = (&mut self.floats[start..end], self.affine);
                let layout = self.spec.layout;
                dispatch!(Level::new(), simd => simd.vectorize(
                    #[inline(always)]
                    || arranged(rgb, to, layout, order, |channel, it| {
                        let (scale, offset) = affine[channel];
                        f32::from(it) * scale + offset
                    })
                ));
            }
        }
    }

    /// Computes what was pushed.
    pub(crate) fn run<T>(
        &self,
        net: &mut Net,
        see: impl FnOnce(&[i64], &[f32]) -> T,
    ) -> Result<T, NetError> {
        let (width, height) = (self.spec.width as usize, self.spec.height as usize);
        let shape = match self.spec.layout {
            Layout::Nchw => [self.count, 3, height, width],
            Layout::Nhwc => [self.count, height, width, 3],
        };
        let samples = self.count * width * height * 3;
        let input = match self.spec.element {
            Element::U8 => Input::U8(&self.bytes[..samples]),
            Element::F32 => Input::F32(&self.floats[..samples]),
        };
        net.run(&shape, input, see)
    }
}

#[inline(always)]
fn arranged<T: Copy>(
    rgb: &[u8],
    to: &mut [T],
    layout: Layout,
    order: [usize; 3],
    of: impl Fn(usize, u8) -> T,
) {
    let pixels = rgb.as_chunks::<3>().0;
    match layout {
        Layout::Nhwc => {
            for (to, from) in to.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                for channel in 0..3 {
                    to[channel] = of(channel, from[order[channel]]);
                }
            }
        }
        // One plane after the other: each loop is a strided load that the compiler can turn into vector code.
        Layout::Nchw => {
            let plane = pixels.len();
            for (channel, to) in to.chunks_exact_mut(plane).enumerate() {
                let source = order[channel];
                for (to, from) in to.iter_mut().zip(pixels) {
                    *to = of(channel, from[source]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Fit;

    fn spec(layout: Layout, colour: Colour) -> InputSpec {
        InputSpec {
            width: 2,
            height: 1,
            layout,
            element: Element::F32,
            colour,
            divide_by: 10.0,
            mean: [1.0, 0.0, 0.0],
            std: [2.0, 1.0, 1.0],
            fit: Fit::Stretch,
            fill: 0,
        }
    }

    #[test]
    fn channels_order_range_and_planes_are_as_declared() {
        let rgb = [10, 20, 30, 40, 50, 60];
        for (layout, colour, expected) in [
            (Layout::Nchw, Colour::Rgb, [0.0, 1.5, 2.0, 5.0, 3.0, 6.0]),
            (Layout::Nchw, Colour::Bgr, [1.0, 2.5, 2.0, 5.0, 1.0, 4.0]),
            (Layout::Nhwc, Colour::Rgb, [0.0, 2.0, 3.0, 1.5, 5.0, 6.0]),
            (Layout::Nhwc, Colour::Bgr, [1.0, 2.0, 1.0, 2.5, 5.0, 4.0]),
        ] {
            let mut it = Batch::new(spec(layout, colour));
            it.push(&rgb);
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            assert!(it.floats.iter().zip(&expected).all(near), "{:?}", it.floats);
        }
    }
}
