//! Any picture, any valid parameters: an answer, the same each time, and no panic.

use framerill_media::{Caps, PixelFormat, Pts, Size, TimeBase};
use framerill_worker::filters;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::stage::{Frame, load};

fn any_filter() -> impl Strategy<Value = (&'static str, Value)> {
    let position = prop::sample::select(vec![
        "top_left",
        "top",
        "top_right",
        "left",
        "center",
        "right",
        "bottom_left",
        "bottom",
        "bottom_right",
    ]);
    let text = prop_oneof!["[ -~\n]{0,200}", "(?s:.){0,200}"];
    prop_oneof![
        Just(("noop", json!({}))),
        Just(("invert", json!({}))),
        prop::sample::select(vec!["bt601", "bt709"])
            .prop_map(|standard| ("grayscale", json!({"standard": standard}))),
        (0.0..=64.0f64).prop_map(|radius| ("blur", json!({"radius": radius}))),
        (
            any::<u8>(),
            prop::sample::select(vec!["magnitude", "binary"])
        )
            .prop_map(|(t, mode)| ("edges", json!({"threshold": t, "mode": mode}))),
        (
            text,
            any::<bool>(),
            position,
            8u16..=256,
            any::<[u8; 3]>(),
            0.0..=1.0f64
        )
            .prop_map(|(text, timecode, position, size, [r, g, b], background)| (
                "overlay",
                json!({
                    "text": text, "timecode": timecode, "position": position, "size": size,
                    "color": format!("#{r:02x}{g:02x}{b:02x}"), "background": background,
                })
            )),
    ]
}

/// Width, height, pixels; small sides are the likely ones.
fn any_picture() -> impl Strategy<Value = (u32, u32, Vec<u8>)> {
    let side = || prop_oneof![1u32..6, 1u32..90];
    (side(), side()).prop_flat_map(|(width, height)| {
        let bytes = 3 * (width * height) as usize;
        (
            Just(width),
            Just(height),
            prop::collection::vec(any::<u8>(), bytes),
        )
    })
}

/// Rows become columns.
fn on_its_side(width: u32, pixels: &[u8]) -> Vec<u8> {
    let pixels = pixels.as_chunks::<3>().0;
    let width = width as usize;
    (0..width)
        .flat_map(|x| pixels.iter().skip(x).step_by(width))
        .flatten()
        .copied()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    #[test]
    fn any_picture_has_an_answer_that_depends_on_nothing_else(
        (name, params) in any_filter(),
        earlier in any_picture(),
        (width, height, pixels) in any_picture(),
        pts: i64,
        den in 1u32..,
    ) {
        let mut fresh = load(name, &params);
        let mut used = load(name, &params);
        let (earlier_width, earlier_height, earlier_pixels) = earlier;
        let mut before = Frame::new(earlier_width, earlier_height, earlier_pixels, 1);
        before.through(used.as_mut()).unwrap();

        let answers = [(&mut fresh, 0), (&mut used, 255)].map(|(pipeline, garbage)| {
            let mut frame = Frame::new(width, height, pixels.clone(), garbage);
            frame.meta.pts = Pts(pts);
            frame.meta.time_base = TimeBase::new(1, den).unwrap();
            frame.through(pipeline.as_mut()).unwrap().to_vec()
        });
        prop_assert!(answers[0] == answers[1]);
        prop_assert_eq!(answers[0].len(), pixels.len());
    }

    #[test]
    fn an_even_picture_stays_even_under_blur(
        rgb: [u8; 3], width in 1u32..50, height in 1u32..50, radius in 0.0..=64.0f64,
    ) {
        let pixels = rgb.repeat((width * height) as usize);
        let mut blur = load("blur", &json!({"radius": radius}));
        let mut frame = Frame::new(width, height, pixels.clone(), 9);
        prop_assert!(frame.through(blur.as_mut()).unwrap() == pixels);
    }

    #[test]
    fn edges_of_the_picture_on_its_side_are_the_edges_on_their_side(
        (width, height, pixels) in any_picture(), threshold: u8,
    ) {
        let mut edges = load("edges", &json!({"threshold": threshold}));
        let mut upright = Frame::new(width, height, pixels.clone(), 0);
        let mut lying = Frame::new(height, width, on_its_side(width, &pixels), 0);
        let expected = on_its_side(width, upright.through(edges.as_mut()).unwrap());
        prop_assert!(lying.through(edges.as_mut()).unwrap() == expected);
    }

    #[test]
    fn blur_treats_a_row_as_it_treats_a_column(
        pixels in prop::collection::vec(any::<[u8; 3]>(), 1..200), radius in 0.1..=64.0f64,
    ) {
        let mut blur = load("blur", &json!({"radius": radius}));
        let length = u32::try_from(pixels.len()).unwrap();
        let pixels = pixels.into_flattened();
        let mut row = Frame::new(length, 1, pixels.clone(), 0);
        let mut column = Frame::new(1, length, pixels, 0);
        let row = row.through(blur.as_mut()).unwrap();
        prop_assert!(row == column.through(blur.as_mut()).unwrap());
    }

    #[test]
    fn inverting_twice_gives_the_picture_back((width, height, pixels) in any_picture()) {
        let mut invert = load("invert", &json!({}));
        let mut frame = Frame::new(width, height, pixels.clone(), 0);
        let negative = frame.through(invert.as_mut()).unwrap().to_vec();
        let mut frame = Frame::new(width, height, negative, 0);
        prop_assert!(frame.through(invert.as_mut()).unwrap() == pixels);
    }
}

#[test]
fn another_pixel_format_is_refused_and_not_misread() {
    for kind in filters::all() {
        let mut pipeline = kind.load(&kind.defaults()).unwrap();
        let mut frame = Frame::new(2, 2, vec![0; 12], 0);
        frame.meta.caps = Caps::new(PixelFormat::Gray8, Size::new(4, 3).unwrap()).unwrap();
        let error = frame.through(pipeline.as_mut()).unwrap_err();
        assert!(error.contains("takes rgb24 pictures"), "{error}");
    }
}

#[test]
fn what_changes_nothing_passes_without_a_copy() {
    let nothing = [
        ("noop", json!({})),
        ("blur", json!({"radius": 0})),
        ("overlay", json!({"timecode": false})),
    ];
    for (name, params) in nothing {
        let mut frame = Frame::new(4, 4, vec![5; 48], 0);
        let meta = frame.meta;
        let answer = load(name, &params).process(&meta, &mut frame).unwrap();
        assert_eq!(answer, framerill_worker::Answer::Passed, "{name}");
    }
}
