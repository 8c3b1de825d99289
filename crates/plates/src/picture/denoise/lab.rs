//! Lightness apart from colour.

/// A picture in CIE Lab with 8 bits each: L · 255 / 100, a + 128 and b + 128, of RGB taken as linear with the white D65.
///
/// It is what OpenCV calls `COLOR_LRGB2Lab`, in which `fastNlMeansDenoisingColored` works: documentation of `cvtColor`,
/// "RGB ↔ CIE L*a*b*".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lab {
    pub(super) lightness: Vec<[u8; 1]>,
    pub(super) colours: Vec<[u8; 2]>,
}

/// X and Z of white.
const WHITE: [f32; 2] = [0.950_456, 1.088_754];
/// Below it a straight line takes the place of the cube root.
const DARK: f32 = 0.008_856;
const DARK_ROOT: f32 = 0.206_893;
/// Slope of lightness there.
const DARK_SLOPE: f32 = 903.3;

fn root(it: f32) -> f32 {
    if it > DARK {
        it.cbrt()
    } else {
        7.787 * it + 16.0 / 116.0
    }
}

fn cube(it: f32) -> f32 {
    if it > DARK_ROOT {
        it * it * it
    } else {
        (it - 16.0 / 116.0) / 7.787
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast keeps what lies outside at the ends"
)]
fn byte(it: f32) -> u8 {
    it.round_ties_even() as u8
}

impl Lab {
    /// Of `rgb24` without gaps.
    pub(super) fn of_rgb(rgb: &[u8]) -> Self {
        let pixels = rgb.as_chunks::<3>().0;
        let (lightness, colours) = pixels.iter().map(of_pixel).unzip();
        Self { lightness, colours }
    }

    /// As `rgb24` without gaps.
    pub(super) fn to_rgb(&self) -> Vec<u8> {
        let pixels = self.lightness.iter().zip(&self.colours);
        pixels.flat_map(|(l, ab)| to_pixel(l[0], *ab)).collect()
    }
}

fn of_pixel(rgb: &[u8; 3]) -> ([u8; 1], [u8; 2]) {
    let [r, g, b] = rgb.map(|it| f32::from(it) / 255.0);
    let x = (0.412_453 * r + 0.357_580 * g + 0.180_423 * b) / WHITE[0];
    let y = 0.212_671 * r + 0.715_160 * g + 0.072_169 * b;
    let z = (0.019_334 * r + 0.119_193 * g + 0.950_227 * b) / WHITE[1];
    let [x, above, z] = [x, y, z].map(root);
    let lightness = if y > DARK {
        116.0 * above - 16.0
    } else {
        DARK_SLOPE * y
    };
    let (a, b) = (500.0 * (x - above), 200.0 * (above - z));
    ([byte(lightness * 2.55)], [byte(a + 128.0), byte(b + 128.0)])
}

fn to_pixel(lightness: u8, [a, b]: [u8; 2]) -> [u8; 3] {
    let lightness = f32::from(lightness) / 2.55;
    let (y, middle) = if lightness > DARK_SLOPE * DARK {
        let middle = (lightness + 16.0) / 116.0;
        (middle * middle * middle, middle)
    } else {
        let y = lightness / DARK_SLOPE;
        (y, 7.787 * y + 16.0 / 116.0)
    };
    let x = cube(middle + (f32::from(a) - 128.0) / 500.0) * WHITE[0];
    let z = cube(middle - (f32::from(b) - 128.0) / 200.0) * WHITE[1];
    [
        3.240_479 * x - 1.537_15 * y - 0.498_535 * z,
        -0.969_256 * x + 1.875_991 * y + 0.041_556 * z,
        0.055_648 * x - 0.204_043 * y + 1.057_311 * z,
    ]
    .map(|it| byte(it * 255.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn greys_have_no_colour_and_white_is_the_lightest() {
        let greys: Vec<u8> = (0..=255).flat_map(|it| [it; 3]).collect();
        let lab = Lab::of_rgb(&greys);
        assert!(lab.colours.iter().flatten().all(|it| *it == 128));
        assert_eq!((lab.lightness[0], lab.lightness[255]), ([0], [255]));
        assert!(lab.lightness.is_sorted());
    }

    proptest! {
        /// Eight bits of lightness are steps of almost three of light pixels.
        #[test]
        fn a_grey_comes_back_within_the_steps_of_eight_bits(grey: u8) {
            let [r, g, b] = Lab::of_rgb(&[grey; 3]).to_rgb()[..] else { panic!() };
            for it in [r, g, b] {
                prop_assert!(it.abs_diff(grey) <= 2, "{grey}: {r} {g} {b}");
            }
        }
    }
}
