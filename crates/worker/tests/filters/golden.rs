//! A test card through each filter is the picture that a person has looked at and accepted:
//! `tests/golden/*.png`. `UPDATE_GOLDEN=1 cargo test -p framerill-worker --test filters` accepts
//! what comes out now.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use framerill_media::{Pts, TimeBase};
use serde_json::{Value, json};

use super::stage::{Frame, load};

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

#[test]
fn noop_shows_the_card_itself() {
    assert_golden("noop", "noop", &json!({}));
}

#[test]
fn invert_shows_the_negative() {
    assert_golden("invert", "invert", &json!({}));
}

#[test]
fn grayscale_shows_the_luma_of_bt709() {
    assert_golden("grayscale", "grayscale", &json!({}));
}

#[test]
fn grayscale_shows_the_luma_of_bt601() {
    assert_golden(
        "grayscale-bt601",
        "grayscale",
        &json!({"standard": "bt601"}),
    );
}

#[test]
fn blur_softens_by_two_pixels() {
    assert_golden("blur", "blur", &json!({"radius": 2}));
}

#[test]
fn edges_are_as_bright_as_they_are_strong() {
    assert_golden("edges", "edges", &json!({}));
}

#[test]
fn binary_edges_are_white() {
    let params = json!({"mode": "binary", "threshold": 100});
    assert_golden("edges-binary", "edges", &params);
}

#[test]
fn overlay_writes_the_time_and_clips_it() {
    assert_golden("overlay", "overlay", &json!({"size": 12}));
}

#[test]
fn overlay_writes_text_at_the_bottom_right() {
    let params = json!({
        "text": "Ag\né漢", "timecode": false, "position": "bottom_right", "size": 14,
        "color": "#ffcc00", "background": 1,
    });
    assert_golden("overlay-text", "overlay", &params);
}

/// Bars of color above, ramps of red, green, blue and grey in the middle; below, a checkerboard,
/// a disc and lines of one pixel.
fn card() -> Vec<u8> {
    const BARS: [[u8; 3]; 8] = [
        [255, 255, 255],
        [255, 255, 0],
        [0, 255, 255],
        [0, 255, 0],
        [255, 0, 255],
        [255, 0, 0],
        [0, 0, 255],
        [0, 0, 0],
    ];
    let ramp = |x: u32| u8::try_from(x * 255 / (WIDTH - 1)).unwrap();
    let pixel = |x: u32, y: u32| match (y, x) {
        (0..16, _) => BARS[(x / 8) as usize],
        (16..20, _) => [ramp(x), 0, 0],
        (20..24, _) => [0, ramp(x), 0],
        (24..28, _) => [0, 0, ramp(x)],
        (28..32, _) => [ramp(x); 3],
        (_, 0..16) => {
            [if (x / 2 + y / 2).is_multiple_of(2) {
                230
            } else {
                25
            }; 3]
        }
        (_, 16..40) if (x.abs_diff(28)).pow(2) + (y.abs_diff(40)).pow(2) < 50 => [240, 160, 40],
        (_, 16..40) => [20, 60, 90],
        _ if x.is_multiple_of(6) || y.is_multiple_of(5) => [255, 255, 255],
        _ => [128, 128, 128],
    };
    (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).flat_map(move |x| pixel(x, y)))
        .collect()
}

fn assert_golden(golden: &str, filter: &str, params: &Value) {
    let mut pipeline = load(filter, params);
    let mut frame = Frame::new(WIDTH, HEIGHT, card(), 77);
    frame.meta.time_base = TimeBase::new(1, 1000).unwrap();
    frame.meta.pts = Pts(3_723_456);
    let actual = frame.through(pipeline.as_mut()).unwrap();

    let accepted = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{golden}.png"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        write_png(&accepted, actual);
        return;
    }
    if accepted.exists() && read_png(&accepted) == actual {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
    fs::create_dir_all(&folder).unwrap();
    let found: PathBuf = folder.join(format!("{golden}.png"));
    write_png(&found, actual);
    panic!(
        "`{filter}` does not give the accepted picture any more.\n  accepted: {}\n  found:    {}\n\
         Look at both. To accept what is found:\n  \
         UPDATE_GOLDEN=1 cargo test -p framerill-worker --test filters",
        accepted.display(),
        found.display(),
    );
}

fn write_png(path: &Path, pixels: &[u8]) {
    let file = BufWriter::new(File::create(path).unwrap());
    let mut encoder = png::Encoder::new(file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
}

fn read_png(path: &Path) -> Vec<u8> {
    let file = BufReader::new(File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
    pixels.truncate(info.buffer_size());
    pixels
}
