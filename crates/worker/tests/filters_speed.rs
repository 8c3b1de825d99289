//! How long each filter takes for a 1280x720 picture, on one core. Judges nothing:
//! `cargo test --release -p framerill-worker --test filters_speed -- --ignored --nocapture`

use std::time::Instant;

use serde_json::json;

#[cfg(test)]
#[path = "filters/stage.rs"]
mod stage;

const ROUNDS: usize = 60;

#[test]
#[ignore = "prints times; run it in release"]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn times() {
    let pixels: Vec<u8> = (0..1280 * 720 * 3u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect();
    let cases = [
        ("noop", json!({})),
        ("invert", json!({})),
        ("grayscale", json!({})),
        ("blur", json!({"radius": 1})),
        ("blur", json!({"radius": 64})),
        ("edges", json!({})),
        ("overlay", json!({})),
        ("overlay", json!({"text": "x".repeat(200)})),
        (
            "overlay",
            json!({"text": "framerill\nsecond line", "size": 96}),
        ),
    ];
    for (name, params) in cases {
        let mut pipeline = stage::load(name, &params);
        let mut frame = stage::Frame::new(1280, 720, pixels.clone(), 0);
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                frame.through(pipeline.as_mut()).unwrap();
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{name:10} p50 {:6.3} ms  p95 {:6.3} ms  {params:.60}",
            times[ROUNDS / 2],
            times[ROUNDS * 19 / 20]
        );
    }
}
