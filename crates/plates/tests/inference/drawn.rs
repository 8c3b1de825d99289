//! Tiny models on drawn pictures.

use framerill_plates::{
    bbox::BBox,
    detect::{PlateSettings, VehicleSettings},
    detection::{Plate, VehicleClass},
    picture::Picture,
    read::{ReadSettings, StillSettings},
};

use crate::{
    scene::{BLUE, CYAN, GREEN, MAGENTA, RED, Scene, YELLOW},
    surroundings::tiny,
};

const CAR: [f32; 4] = [100.0, 60.0, 340.0, 260.0];
const TRUCK: [f32; 4] = [380.0, 100.0, 600.0, 300.0];

/// A car and a truck with a plate each.
fn street() -> Scene {
    Scene::new(640, 360)
        .filled(CAR, BLUE)
        .plate([150.0, 180.0, 270.0, 212.0], YELLOW, "34A36837")
        .filled(TRUCK, GREEN)
        .plate([430.0, 220.0, 550.0, 252.0], YELLOW, "B7XYZ0")
}

fn assert_near(a: &BBox, b: [f32; 4], most: f32) {
    let sides = <[f32; 4]>::from(*a);
    let is_near = sides.iter().zip(b).all(|(a, b)| (a - b).abs() <= most);
    assert!(is_near, "{sides:?}, not {b:?}");
}

fn cropped<'a>(
    frame: Picture<'a>,
    plates: &[Plate],
    part: BBox,
) -> Vec<(Picture<'a>, BBox, Plate)> {
    plates.iter().map(|it| (frame, part, it.clone())).collect()
}

#[test]
fn a_street_is_read_from_its_vehicles_to_its_texts() {
    let Some(models) = tiny() else { return };
    let street = street();
    let frame = street.picture();
    let mut vehicles = models.vehicle_detector(VehicleSettings::default()).unwrap();
    let found = vehicles.detect(&[frame]).unwrap().remove(0);
    assert_eq!(found.thumbnail.0.len(), 144);
    let classes: Vec<_> = found.vehicles.iter().map(|it| it.class).collect();
    assert_eq!(classes, [VehicleClass::Car, VehicleClass::Truck]);
    assert_near(&found.vehicles[0].bbox, CAR, 2.0);
    assert_near(&found.vehicles[1].bbox, TRUCK, 2.0);

    let mut plates = models
        .plate_detector(None, PlateSettings::default())
        .unwrap();
    let mut reader = models.reader(ReadSettings::default()).unwrap();
    let parts: Vec<_> = found.vehicles.iter().map(|it| (frame, it.bbox)).collect();
    let of_each = plates.detect(&parts).unwrap();
    let [x, y] = [found.vehicles[0].bbox.x1, found.vehicles[0].bbox.y1];
    let in_car = [150.0 - x, 180.0 - y, 270.0 - x, 212.0 - y];
    assert_near(&of_each[0][0].bbox, in_car, 2.0);
    for ((plates, (_, part)), text) in of_each.iter().zip(&parts).zip(["34A36837", "B7XYZ0"]) {
        let reading = reader
            .read(&cropped(frame, plates, *part))
            .unwrap()
            .remove(0);
        assert_eq!(reading.text, text);
        assert!(reading.conf > 0.9, "{reading:?}");
        assert_eq!(reading.chars.len(), text.len());
        assert!(reading.sharpness > 100.0);
    }
}

#[test]
fn several_at_once_say_what_each_says_alone() {
    let Some(models) = tiny() else { return };
    let street = street();
    let frame = street.picture();
    let mut detector = models
        .plate_detector(None, PlateSettings::default())
        .unwrap();
    let parts = [(frame, CAR.into()), (frame, TRUCK.into())];
    let both = detector.detect(&parts).unwrap();
    let each = parts.map(|it| detector.detect(&[it]).unwrap().remove(0));
    assert_eq!(both, each);

    let mut reader = models.reader(ReadSettings::default()).unwrap();
    let plates: Vec<_> = (0..2)
        .flat_map(|it| cropped(frame, &both[it], parts[it].1))
        .collect();
    let together = reader.read(&plates).unwrap();
    let each: Vec<_> = plates
        .iter()
        .map(|it| reader.read(std::slice::from_ref(it)).unwrap().remove(0))
        .collect();
    assert_eq!(together, each);
}

#[test]
fn two_lines_are_read_top_then_bottom() {
    let Some(models) = tiny() else { return };
    let square = [250.0, 120.0, 390.0, 200.0];
    let scene = Scene::new(640, 360).plate(square, MAGENTA, "59P1 23456");
    let mut reader = models.still_reader(StillSettings::default()).unwrap();
    let read = reader.read(&scene.picture()).unwrap();
    let [(plate, reading)] = &read[..] else {
        panic!("{read:?}")
    };
    assert_eq!((plate.lines, &*reading.text), (2, "59P123456"));
}

#[test]
fn a_still_says_every_plate_and_an_empty_one_says_none() {
    let Some(models) = tiny() else { return };
    let mut reader = models.still_reader(StillSettings::default()).unwrap();
    let scene = Scene::new(640, 360)
        .plate([50.0, 40.0, 210.0, 82.0], YELLOW, "ABC123")
        .plate([350.0, 240.0, 510.0, 282.0], CYAN, "QRS789Z");
    let mut texts: Vec<_> = reader.read(&scene.picture()).unwrap();
    texts.sort_by(|a, b| a.1.text.cmp(&b.1.text));
    let texts: Vec<_> = texts.iter().map(|it| &*it.1.text).collect();
    assert_eq!(texts, ["ABC123", "QRS789Z"]);
    assert!(
        reader
            .read(&Scene::new(64, 48).picture())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn boxes_partly_outside_are_clipped_and_boxes_without_pixels_say_nothing() {
    let Some(models) = tiny() else { return };
    let car = [-80.0, 100.0, 200.0, 500.0];
    let scene =
        Scene::new(640, 360)
            .filled(car, RED)
            .plate([20.0, 200.0, 140.0, 232.0], YELLOW, "XYZ42");
    let frame = scene.picture();
    let mut vehicles = models.vehicle_detector(VehicleSettings::default()).unwrap();
    let found = vehicles.detect(&[frame]).unwrap().remove(0).vehicles;
    assert_near(&found[0].bbox, [0.0, 100.0, 200.0, 360.0], 2.0);
    assert_eq!(found[0].class, VehicleClass::Bus);

    let mut plates = models
        .plate_detector(None, PlateSettings::default())
        .unwrap();
    let outside = BBox::from([700.0, 10.0, 900.0, 90.0]);
    let nothing = BBox::from([50.0, 50.0, 50.0, 90.0]);
    let no_number = BBox::from([f32::NAN, 0.0, 90.0, 90.0]);
    let parts = [outside, car.into(), nothing, no_number].map(|it| (frame, it));
    let found = plates.detect(&parts).unwrap();
    let counts: Vec<_> = found.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 1, 0, 0]);
    assert_near(&found[1][0].bbox, [100.0, 100.0, 220.0, 132.0], 2.0);

    let mut reader = models.reader(ReadSettings::default()).unwrap();
    let plate = found[1][0].clone();
    let there = (frame, BBox::from(car), plate.clone());
    let readings = reader.read(&[(frame, outside, plate), there]).unwrap();
    assert_eq!((&*readings[0].text, &*readings[1].text), ("", "XYZ42"));
    assert!(readings[0].conf.abs() < f32::EPSILON);
}
