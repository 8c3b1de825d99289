//! The rules of tracking, one by one (contract §11).

use framerill_plates::{
    bbox::BBox,
    detection::{Reading, Thumbnail, VehicleClass},
    track::{Item, Settings, TrackFrame, TrackStep, Tracker},
};

/// A vehicle 200 pixels wide with its left edge at `x`.
fn car(x: f32) -> Item {
    Item {
        car_bbox: BBox::from([x, 300.0, x + 200.0, 450.0]),
        conf: 0.8,
        class: Some(VehicleClass::Car),
        plate_bbox: None,
        plate_conf: 0.0,
        reading: None,
    }
}

/// The same, and its plate reads `text`.
fn read(x: f32, text: &str) -> Item {
    Item {
        plate_bbox: Some(BBox::from([x + 70.0, 410.0, x + 130.0, 430.0])),
        plate_conf: 0.8,
        reading: Some(Reading {
            text: text.to_owned(),
            conf: 0.9,
            ..Reading::default()
        }),
        ..car(x)
    }
}

/// A video of 25 frames a second of which every fourth is looked at.
struct Video {
    tracker: Tracker,
    next: u16,
    picture: Thumbnail,
}

impl Video {
    fn new() -> Self {
        Self {
            tracker: Tracker::new(Settings::default()),
            next: 0,
            picture: Thumbnail((0..144).collect()),
        }
    }

    fn step(&mut self, items: Vec<Item>) -> TrackStep {
        let frame_idx = self.next;
        self.next += 4;
        self.tracker.step(&TrackFrame {
            frame_idx: u64::from(frame_idx),
            ts_ms: Some(f64::from(frame_idx) * 40.0),
            fps: 25.0,
            size: [1280, 720],
            thumbnail: self.picture.clone(),
            items,
        })
    }

    fn ids(&mut self, items: Vec<Item>) -> Vec<Option<u32>> {
        self.step(items).tracks
    }

    /// The next frame is `frames` later.
    fn pause(&mut self, frames: u16) {
        self.next += frames;
    }

    fn show_blank(&mut self) -> TrackStep {
        let before = std::mem::replace(&mut self.picture, Thumbnail(vec![16; 144]));
        let step = self.step(Vec::new());
        self.picture = before;
        step
    }

    fn cut(&mut self) {
        let turn = |it: &u8| it.wrapping_mul(77).wrapping_add(31);
        self.picture = Thumbnail(self.picture.0.iter().map(turn).collect());
    }
}

#[test]
fn a_vehicle_is_confirmed_at_its_second_sight_with_the_row_of_the_first() {
    let mut it = Video::new();
    let first = it.step(vec![car(100.0)]);
    assert_eq!((first.tracks, first.rows.len()), (vec![None], 0));
    let second = it.step(vec![car(110.0)]);
    assert_eq!(second.tracks, [Some(1)]);
    let frames: Vec<(u64, bool)> = second
        .rows
        .iter()
        .map(|it| (it.frame_idx, it.is_new))
        .collect();
    assert_eq!(frames, [(0, true), (4, false)]);
    assert_eq!(
        (second.earlier[0].frame_idx, second.earlier[0].item),
        (0, 0)
    );
}

#[test]
fn a_chance_sight_leaves_no_track_and_uses_no_id() {
    let mut it = Video::new();
    it.step(vec![car(100.0)]);
    for _ in 0..10 {
        assert!(it.step(Vec::new()).closed.is_empty());
    }
    it.step(vec![car(900.0)]);
    assert_eq!(it.ids(vec![car(900.0)]), [Some(1)]);
}

#[test]
fn a_track_lives_through_a_second_without_sight_and_no_longer() {
    let mut it = Video::new();
    it.step(vec![car(100.0)]);
    it.step(vec![car(100.0)]);
    it.pause(20);
    assert_eq!(it.ids(vec![car(100.0)]), [Some(1)], "after 0.96 s");
    it.pause(24);
    let step = it.step(vec![car(100.0)]);
    assert_eq!(
        (step.tracks, step.closed),
        (vec![None], vec![1]),
        "after 1.12 s"
    );
}

#[test]
fn a_weak_detection_goes_on_with_a_track_and_starts_none() {
    let mut it = Video::new();
    let weak = |x| Item {
        conf: 0.2,
        ..car(x)
    };
    it.step(vec![weak(600.0)]);
    assert_eq!(it.ids(vec![weak(600.0), car(100.0)]), [None, None]);
    it.step(vec![car(100.0)]);
    assert_eq!(it.ids(vec![weak(110.0), weak(600.0)]), [Some(1), None]);
}

#[test]
fn a_jolt_of_the_camera_by_more_than_a_vehicle_swaps_nobody() {
    let mut it = Video::new();
    let row = |dx: f32| vec![car(100.0 + dx), car(330.0 + dx), car(700.0 + dx)];
    it.step(row(0.0));
    assert_eq!(it.ids(row(0.0)), [Some(1), Some(2), Some(3)]);
    assert_eq!(it.ids(row(235.0)), [Some(1), Some(2), Some(3)]);
    assert_eq!(it.ids(row(-20.0)), [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_fast_vehicle_is_found_where_it_is_headed() {
    let mut it = Video::new();
    let xs = [0.0, 100.0, 200.0, 300.0, 400.0_f32];
    it.step(vec![car(xs[0])]);
    for x in &xs[1..] {
        assert_eq!(it.ids(vec![car(*x)]), [Some(1)]);
    }
    it.step(Vec::new());
    it.step(Vec::new());
    assert_eq!(it.ids(vec![car(700.0)]), [Some(1)]);
}

#[test]
fn another_plate_in_the_same_place_is_another_vehicle() {
    let mut it = Video::new();
    it.step(vec![read(100.0, "AB123CD")]);
    assert_eq!(it.ids(vec![read(100.0, "AB123CD")]), [Some(1)]);
    assert_eq!(it.ids(vec![read(100.0, "XY987ZW")]), [None]);
    assert_eq!(it.ids(vec![read(100.0, "XY987ZW")]), [Some(2)]);
    // Hidden since: what is there now without a reading is the one in front.
    assert_eq!(it.ids(vec![car(100.0)]), [Some(2)]);
    assert_eq!(it.ids(vec![read(100.0, "AB123CD")]), [Some(1)]);
}

#[test]
fn a_hidden_vehicle_is_not_taken_for_a_second_box_on_the_one_in_front() {
    let mut it = Video::new();
    it.step(vec![read(100.0, "AB123CD")]);
    it.step(vec![read(100.0, "AB123CD")]);
    it.step(vec![read(100.0, "XY987ZW")]);
    let ids = it.ids(vec![read(100.0, "XY987ZW"), car(160.0)]);
    assert_eq!(ids, [Some(2), None]);
}

#[test]
fn a_misread_character_or_two_are_the_same_vehicle() {
    let mut it = Video::new();
    it.step(vec![read(100.0, "AB123CD")]);
    for text in ["AB123CD", "A8123CO", "B123CD"] {
        assert_eq!(it.ids(vec![read(100.0, text)]), [Some(1)], "{text}");
    }
}

#[test]
fn a_reading_finds_its_vehicle_across_a_gap_that_boxes_do_not_bridge() {
    let mut it = Video::new();
    it.step(vec![read(100.0, "AB123CD")]);
    it.step(vec![read(100.0, "AB123CD")]);
    it.pause(32);
    assert_eq!(
        it.ids(vec![read(700.0, "AB123CD")]),
        [Some(1)],
        "after 1.44 s"
    );
    it.pause(56);
    let step = it.step(vec![read(700.0, "AB123CD")]);
    assert_eq!(
        (step.tracks, step.closed),
        (vec![None], vec![1]),
        "after 2.4 s"
    );
}

#[test]
fn after_a_hard_cut_only_a_reading_says_that_a_vehicle_is_the_same() {
    let mut it = Video::new();
    let both = || vec![car(100.0), read(600.0, "AB123CD")];
    it.step(both());
    assert_eq!(it.ids(both()), [Some(1), Some(2)]);
    it.cut();
    let step = it.step(both());
    assert!(step.is_cut);
    assert_eq!(step.tracks, [None, Some(2)]);
    assert_eq!(step.closed, [1]);
}

#[test]
fn a_blank_frame_between_two_of_one_scene_ends_nothing() {
    let mut it = Video::new();
    it.step(vec![car(100.0)]);
    it.step(vec![car(100.0)]);
    let blank = it.show_blank();
    assert!(!blank.is_cut && blank.closed.is_empty());
    assert_eq!(it.ids(vec![car(100.0)]), [Some(1)]);
}

#[test]
fn a_blank_frame_before_another_scene_ends_doubtful_tracks() {
    let mut it = Video::new();
    it.step(vec![car(100.0)]);
    it.step(vec![car(100.0)]);
    it.show_blank();
    it.cut();
    let step = it.step(vec![car(100.0)]);
    assert_eq!((step.tracks, step.closed), (vec![None], vec![1]));
}

#[test]
fn two_vehicles_with_the_same_plate_at_the_same_time_are_two_tracks() {
    let mut it = Video::new();
    let both = |dx: f32| vec![read(100.0 + dx, "AB123CD"), read(700.0 + dx, "AB123CD")];
    it.step(both(0.0));
    for i in 1..6_u8 {
        let ids = it.ids(both(f32::from(i) * 9.0));
        assert_eq!(ids, [Some(1), Some(2)]);
    }
}

#[test]
fn a_plate_without_a_vehicle_is_tracked_by_itself() {
    let mut it = Video::new();
    let plate = |x| Item {
        class: None,
        car_bbox: BBox::from([x - 60.0, 300.0, x + 260.0, 450.0]),
        ..read(x, "AB123CD")
    };
    it.step(vec![plate(100.0)]);
    assert_eq!(it.ids(vec![plate(140.0)]), [Some(1)]);
    assert_eq!(
        it.ids(vec![read(160.0, "AB123CD")]),
        [Some(1)],
        "then as a vehicle"
    );
}

#[test]
fn a_frame_that_is_late_or_comes_twice_changes_nothing() {
    let mut it = Video::new();
    it.step(vec![car(100.0)]);
    it.step(vec![car(100.0)]);
    let before = it.tracker.clone();
    it.next = 4;
    assert_eq!(it.ids(vec![car(100.0)]), [None]);
    assert_eq!(it.tracker, before);
}

#[test]
fn the_end_closes_what_was_confirmed() {
    let mut it = Video::new();
    it.step(vec![car(100.0)]);
    it.step(vec![car(100.0), car(700.0)]);
    assert_eq!(it.tracker.finish(), [1]);
    assert_eq!(it.tracker.open(), 0);
}
