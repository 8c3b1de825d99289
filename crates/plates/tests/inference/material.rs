//! Real models on the test material.

use std::{fs, path::Path};

use framerill_plates::{
    bbox::BBox,
    detect::{PlateSettings, VehicleSettings},
    picture::Picture,
    read::{ReadSettings, StillSettings},
};

use crate::surroundings::{frames, material};

#[test]
fn a_dashcam_shows_two_or_three_vehicles_in_each_frame() {
    let Some((dir, models)) = material() else {
        return;
    };
    let mut detector = models.vehicle_detector(VehicleSettings::default()).unwrap();
    let all = frames(&dir.join("video/highway_dashcam.mp4"), (1280, 720));
    assert_eq!(all.len(), 38);
    for (index, rgb) in all.iter().enumerate().step_by(4) {
        let frame = Picture::new(1280, 720, rgb).unwrap();
        let found = detector.detect(&[frame]).unwrap().remove(0).vehicles;
        assert!((2..=3).contains(&found.len()), "frame {index}: {found:?}");
    }
}

struct Still {
    rgb: Vec<u8>,
    size: (u32, u32),
    bbox: BBox,
    plate: String,
}

/// Every so many stills of the material, with the truth.
fn stills(dir: &Path, every: usize) -> Vec<Still> {
    let facts = fs::read_to_string(dir.join("FILES.tsv")).unwrap();
    let pictures = facts
        .lines()
        .filter(|it| it.starts_with("images/openalpr_"));
    let pictures = pictures.filter_map(|it| {
        let mut columns = it.split('\t');
        let path = dir.join(columns.next()?);
        let size = columns.nth(2)?.split_once(' ')?.0.split_once('x')?;
        Some((path, (size.0.parse().ok()?, size.1.parse().ok()?)))
    });
    let of = |(path, size): (std::path::PathBuf, (u32, u32))| {
        let truth = fs::read_to_string(path.with_extension("txt")).unwrap();
        let columns: Vec<_> = truth.trim().split('\t').collect();
        let [x, y, w, h] = [1, 2, 3, 4].map(|it| columns[it].parse::<f32>().unwrap());
        Still {
            rgb: frames(&path, size).remove(0),
            size,
            bbox: [x, y, x + w, y + h].into(),
            plate: columns[5].to_owned(),
        }
    };
    pictures.step_by(every).map(of).collect()
}

#[test]
fn most_plates_of_stills_are_found_and_read_exactly() {
    let Some((dir, models)) = material() else {
        return;
    };
    let mut reader = models.still_reader(StillSettings::default()).unwrap();
    let all = stills(&dir, 20);
    let (mut located, mut exact) = (0, 0);
    for still in &all {
        let picture = Picture::new(still.size.0, still.size.1, &still.rgb).unwrap();
        let read = reader.read(&picture).unwrap();
        let mut there = read.iter().filter(|it| it.0.bbox.iou(&still.bbox) > 0.3);
        located += usize::from(there.clone().next().is_some());
        exact += usize::from(there.any(|it| it.1.text == still.plate));
    }
    assert!(all.len() >= 12, "{}", all.len());
    assert!(located + 1 >= all.len(), "{located} of {}", all.len());
    assert!(exact * 10 >= all.len() * 8, "{exact} of {}", all.len());
}

#[test]
fn plates_at_once_say_what_each_says_alone() {
    let Some((dir, models)) = material() else {
        return;
    };
    let mut detector = models
        .plate_detector(None, PlateSettings::of_still())
        .unwrap();
    let mut reader = models.reader(ReadSettings::default()).unwrap();
    let stills = stills(&dir, 40);
    let mut plates = Vec::new();
    for still in &stills {
        let picture = Picture::new(still.size.0, still.size.1, &still.rgb).unwrap();
        let whole = BBox::whole(picture.width(), picture.height());
        let found = detector.detect(&[(picture, whole)]).unwrap().remove(0);
        plates.extend(found.into_iter().map(|it| (picture, whole, it)));
    }
    assert!(plates.len() > 4);
    let together = reader.read(&plates).unwrap();
    for (plate, expected) in plates.iter().zip(together) {
        let alone = reader.read(std::slice::from_ref(plate)).unwrap().remove(0);
        assert_eq!(alone, expected);
    }
}
