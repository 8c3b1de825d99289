//! One timeline, whatever the source's clock does.

use framerill_worker::message::{LivePlan, Resume};

use crate::live_source::fixture::{H264, all, moved, pictures, read, small, stream};

const WRAP: i64 = 1 << 33;
const HOUR: i64 = 3600 * 90_000;

fn steps(times: &[i64]) -> Vec<i64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn the_sources_own_times_are_kept_and_come_to_the_tick() {
    let first = read(small(), &all()).times();
    assert_eq!(first.len(), 30);
    assert_eq!(steps(&first), [3000; 29]);
    let later = read(&moved(small(), HOUR), &all());
    let expected: Vec<i64> = first.iter().map(|pts| pts + HOUR).collect();
    assert_eq!(later.times(), expected);
    assert_eq!((later.counts.jumps, later.counts.offset), (0, 0));
}

#[test]
fn a_wrap_changes_nothing_but_the_offset() {
    let seen = read(&moved(small(), WRAP - 45_000), &all());
    assert_eq!(steps(&seen.times()), [3000; 29]);
    assert!(seen.times()[0] < WRAP && *seen.times().last().unwrap() > WRAP);
    assert_eq!((seen.counts.jumps, seen.counts.offset), (0, WRAP));
    assert!(seen.pictures.iter().all(|(_, jumped, _)| !jumped));
    assert_eq!(seen.counts.sound_gaps, 0);
}

#[test]
fn behind_a_jump_by_an_hour_times_run_on_and_the_first_picture_says_so() {
    for jump in [HOUR, -HOUR] {
        let start = moved(small(), 2 * HOUR);
        let seen = read(&[start, moved(small(), 2 * HOUR + jump)].concat(), &all());
        let times = seen.times();
        assert_eq!(times.len(), 60, "{jump}");
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            times[30] - times[29] <= 9000,
            "{} {jump}",
            times[30] - times[29]
        );
        let jumps: Vec<usize> = (0..60).filter(|n| seen.pictures[*n].1).collect();
        assert_eq!(jumps, [30]);
        assert_eq!(seen.counts.jumps, 1);
        assert_eq!(seen.counts.offset, times[30] - (times[0] + jump));
        let sound: Vec<i64> = seen.sound.iter().map(|(pts, ..)| *pts).collect();
        assert!(sound.windows(2).all(|pair| pair[0] < pair[1]));
        // The sound keeps its distance from the pictures.
        let behind = sound.iter().find(|pts| **pts >= times[30] - 1920).unwrap();
        assert!((behind - times[30]).abs() <= 3840);
    }
}

#[test]
fn a_short_loop_never_stops_and_its_sound_keeps_its_distance() {
    let sound = ["-f", "lavfi", "-i", "sine=440:r=48000:d=0.4", "-c:a", "aac"];
    let reordered = ["-c:v", "libx264", "-bf", "3", "-preset", "medium"];
    for (args, shown) in [(H264, 12), (&reordered[..], 11)] {
        let part = stream(&pictures("64x64", 30, 0.4), &[&sound[..], args].concat());
        let first = read(&part, &all());
        let seen = read(&part.repeat(20), &all());
        let times = seen.times();
        assert!(times.len() >= 20 * shown, "{} pictures", times.len());
        // Decoding begins up to two pictures before the first one is shown.
        assert!(steps(&times).iter().all(|step| (1..=12_000).contains(step)));
        assert_eq!(seen.counts.jumps, 19);
        let sound: Vec<i64> = seen.sound.iter().map(|(pts, ..)| *pts).collect();
        assert!(sound.len() >= 20 * (first.sound.len() - 2));
        assert!(steps(&sound).iter().all(|step| (1..=9000).contains(step)));
        let ends = [times.last(), sound.last()].map(|last| *last.unwrap());
        let own = [
            first.times().last(),
            first.sound.last().map(|(pts, ..)| pts),
        ]
        .map(|last| *last.unwrap());
        let apart = (ends[1] - ends[0]) - (own[1] - own[0]);
        assert!(apart.abs() <= 3600, "{apart}");
    }
}

#[test]
fn a_successor_shows_nothing_again_and_keeps_the_offset() {
    let first = read(small(), &all()).times();
    let plan = LivePlan {
        resume: Some(Resume {
            after: first[9] + HOUR,
            offset: HOUR,
            frame: 10,
        }),
        ..all()
    };
    let seen = read(small(), &plan);
    let expected: Vec<i64> = first[10..].iter().map(|pts| pts + HOUR).collect();
    assert_eq!(seen.times(), expected);
    assert!(seen.sound.iter().all(|(pts, ..)| *pts > first[9] + HOUR));
    assert_eq!((seen.counts.offset, seen.counts.jumps), (HOUR, 0));
}

#[test]
fn of_thirty_a_second_the_usual_plan_takes_twenty_four_and_of_twenty_four_all() {
    let plan = LivePlan::default();
    let seen = read(&moved(small(), 900_000), &plan);
    assert_eq!((seen.pictures.len(), seen.counts.capped), (24, 6));
    let even = stream(&pictures("64x64", 24, 1.0), H264);
    let seen = read(&even, &plan);
    assert_eq!((seen.pictures.len(), seen.counts.capped), (24, 0));
}

#[test]
fn pictures_that_are_not_in_order_come_out_in_order() {
    let args = [
        "-c:v", "libx264", "-bf", "3", "-g", "15", "-preset", "medium",
    ];
    let seen = read(&stream(&pictures("128x96", 30, 1.0), &args), &all());
    assert_eq!(steps(&seen.times()), [3000; 29]);
    assert_eq!(seen.counts.misordered, 0);
    let seen = read(
        &stream(
            &pictures("128x96", 25, 1.0),
            &["-c:v", "mpeg2video", "-bf", "2"],
        ),
        &all(),
    );
    assert_eq!(steps(&seen.times()), [3600; 24]);
}

#[test]
fn behind_pictures_that_did_not_come_times_are_still_the_sources() {
    let first = read(small(), &all()).times();
    // Up to ten seconds are a gap and no jump.
    for gap in [3000, 87_000, 800_000] {
        let seen = read(&[small(), &moved(small(), 90_000 + gap)].concat(), &all());
        let later = first.iter().map(|pts| pts + 90_000 + gap);
        let expected: Vec<i64> = first.iter().copied().chain(later).collect();
        assert_eq!(seen.times(), expected, "{gap}");
        assert_eq!((seen.counts.jumps, seen.counts.offset), (0, 0), "{gap}");
    }
}
