//! Plates made clean: held against what OpenCV makes of the same, and whatever they are.

use proptest::prelude::*;

use super::*;

/// Written by `scripts/denoise_vectors.py`.
const NOISY: &[u8] = include_bytes!("vectors/noisy.rgb");
const LAB: &[u8] = include_bytes!("vectors/lab.bytes");
const LAB_MEANS: &[u8] = include_bytes!("vectors/lab_means.bytes");
const LAB_WHOLE: &[u8] = include_bytes!("vectors/lab_whole.bytes");
const MEANS: &[u8] = include_bytes!("vectors/means.rgb");
const WHOLE: &[u8] = include_bytes!("vectors/whole.rgb");
const SIZE: (u32, u32) = (64, 24);

fn clean(rgb: &[u8], (width, height): (u32, u32), how: Denoise) -> Vec<u8> {
    how.clean(&Picture::new(width, height, rgb).unwrap())
        .unwrap()
}

fn only_smoothed() -> Denoise {
    Denoise {
        enhance: false,
        ..Denoise::default()
    }
}

/// The mean and the largest difference.
fn differences(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let all = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = all.clone().map(u64::from).sum();
    #[expect(clippy::cast_precision_loss, reason = "a small picture")]
    let mean = sum as f64 / a.len() as f64;
    (mean, all.max().unwrap_or_default())
}

/// Lightness and colours of three bytes a pixel.
fn planes(lab: &[u8]) -> (Vec<[u8; 1]>, Vec<[u8; 2]>) {
    let pixels = lab.as_chunks::<3>().0.iter();
    pixels.map(|[l, a, b]| ([*l], [*a, *b])).unzip()
}

/// Of OpenCV's Lab each step is what OpenCV makes of it, but for ways of rounding.
#[test]
fn each_step_is_opencvs() {
    let size = (SIZE.0 as usize, SIZE.1 as usize);
    let [(light, colours), (smooth, smooth_colours), (whole, _)] =
        [LAB, LAB_MEANS, LAB_WHOLE].map(planes);
    let ours = Lab::of_rgb(NOISY);
    let [flat, ours_flat] = [&light, &ours.lightness].map(|it| it.as_flattened());
    let (mean, most) = differences(ours_flat, flat);
    assert!(mean < 0.25 && most <= 1, "lightness: {mean} {most}");
    let (mean, most) = differences(ours.colours.as_flattened(), colours.as_flattened());
    assert!(mean < 0.25 && most <= 1, "colours: {mean} {most}");
    assert_eq!(means::smoothed(&light, size, 8.0), smooth);
    assert_eq!(means::smoothed(&colours, size, 8.0), smooth_colours);
    let equalised = equalise::equalised(smooth.as_flattened(), size, TILES, STEEPEST);
    let sharp = sharpen::sharpened(&equalised, size);
    let (mean, most) = differences(&sharp, whole.as_flattened());
    assert!(mean < 0.3 && most <= 1, "enhanced: {mean} {most}");
}

/// OpenCV goes to Lab and back by tables of whole numbers. A step of lightness there is almost three of RGB, one of colour four,
/// and more contrast makes more of each.
#[test]
fn the_whole_is_opencvs_within_a_step_or_two_of_lab() {
    let (mean, most) = differences(&clean(NOISY, SIZE, only_smoothed()), MEANS);
    assert!(mean < 0.8 && most <= 8, "smoothed: {mean} {most}");
    let (mean, most) = differences(&clean(NOISY, SIZE, Denoise::default()), WHOLE);
    assert!(mean < 3.0 && most <= 16, "whole: {mean} {most}");
    let (mean, _) = differences(NOISY, MEANS);
    assert!(mean > 3.0, "there is something to do: {mean}");
}

/// A plate with strokes of three pixels, and how far each sample of it is off.
fn drawn(strength: u64) -> (Vec<u8>, Vec<u8>) {
    let (width, height) = (72_u64, 24_u64);
    let (mut plain, mut noisy) = (Vec::new(), Vec::new());
    let mut dice = 7_u64;
    for at in 0..width * height * 3 {
        let (x, y) = (at / 3 % width, at / 3 / width);
        let is_stroke = (4..20).contains(&y) && x % 12 > 3 && x % 12 < 7;
        let level: u64 = if is_stroke { 50 } else { 190 };
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let noise = (dice >> 33) % (2 * strength + 1);
        plain.push(u8::try_from(level).unwrap());
        noisy.push(u8::try_from(level + noise - strength).unwrap());
    }
    (plain, noisy)
}

#[test]
fn noise_on_a_drawn_plate_gets_smaller_and_its_edges_stay() {
    let (plain, noisy) = drawn(15);
    let out = clean(&noisy, (72, 24), only_smoothed());
    let (before, after) = (differences(&noisy, &plain).0, differences(&out, &plain).0);
    assert!(after < before / 2.0, "{before} to {after}");
    // Across the left side of each stroke.
    for y in 4..20 {
        for x in (4..72).step_by(12) {
            let at = |x: usize| f64::from(out[(y * 72 + x) * 3]);
            assert!(
                at(x - 1) - at(x) > 110.0,
                "{x}, {y}: {} {}",
                at(x - 1),
                at(x)
            );
        }
    }
}

#[test]
fn enhancement_makes_a_faint_plate_easier_to_tell_apart() {
    let faint: Vec<u8> = drawn(4).1.iter().map(|it| 100 + it / 8).collect();
    let contrast = |rgb: &[u8]| {
        let at = |x: usize| f64::from(rgb[(12 * 72 + x) * 3]);
        at(1) - at(5)
    };
    let (plain, enhanced) = (only_smoothed(), Denoise::default());
    let [plain, enhanced] = [plain, enhanced].map(|it| contrast(&clean(&faint, (72, 24), it)));
    assert!(enhanced > 1.5 * plain, "{plain} to {enhanced}");
}

#[test]
fn a_picture_that_is_too_large_is_left_alone() {
    let (width, height) = (MOST_CLEANED / 96, 97);
    let rgb = vec![9; width as usize * height as usize * 3];
    let picture = Picture::new(width, height, &rgb).unwrap();
    assert_eq!(Denoise::default().clean(&picture), None);
}

#[test]
fn numbers_beyond_their_bounds_are_told() {
    let of = |h, h_color| Denoise {
        h,
        h_color,
        enhance: true,
    };
    assert!(of(0.0, 100.0).is_sound() && Denoise::default().is_sound());
    for wrong in [
        of(-1.0, 8.0),
        of(8.0, 100.5),
        of(f32::NAN, 8.0),
        of(8.0, f32::INFINITY),
    ] {
        assert!(!wrong.is_sound(), "{wrong:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_picture_of_any_size_comes_out_with_as_many_pixels(width in 1_u32..24, bytes in prop::collection::vec(any::<u8>(), 72..400), h in 0.0_f32..100.0, enhance: bool) {
        let height = u32::try_from(bytes.len()).unwrap() / 3 / width;
        let rgb = &bytes[..(width * height * 3) as usize];
        let out = clean(rgb, (width, height), Denoise { h, h_color: h, enhance });
        prop_assert_eq!(out.len(), rgb.len());
    }

    #[test]
    fn one_colour_everywhere_stays_one_colour(width in 1_u32..40, height in 1_u32..14, colour: [u8; 3], enhance: bool) {
        let rgb = colour.repeat((width * height) as usize);
        let out = clean(&rgb, (width, height), Denoise { enhance, ..Denoise::default() });
        prop_assert!(out.chunks(3).all(|it| it == &out[..3]));
        if !enhance {
            // Eight bits of Lab tell dark and deep colours apart no better.
            for (was, is) in colour.iter().zip(&out) {
                prop_assert!(was.abs_diff(*is) <= 8, "{:?} {:?}", colour, &out[..3]);
            }
        }
    }
}
