use serde_json::json;

use super::*;

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-5
}

#[test]
fn a_place_between_two_fixes_is_between_them() {
    let fix = |at: f64, lat: f64, lon: f64| Fix::new(at, lat, lon).unwrap();
    let route = Route::new(vec![
        fix(1000.0, 10.0, 179.999),
        fix(0.0, 10.0, 179.997),
        fix(3000.0, 10.0, -179.997),
    ])
    .unwrap();
    let at = |it: f64| route.at(it).map(|it| (it.lat, it.lon));
    assert!(near(at(500.0).unwrap().1, 179.998));
    assert!(
        near(at(2000.0).unwrap().1.abs(), 179.999),
        "{:?}",
        at(2000.0)
    );
    assert!(near(route.at(500.0).unwrap().bearing.unwrap(), 90.0));
    assert_eq!((at(-1500.0), at(-2500.0)), (Some((10.0, 179.997)), None));
    assert_eq!((at(4900.0).is_some(), at(5100.0)), (true, None));
    let apart = Route::new(vec![fix(0.0, 10.0, 10.0), fix(60_000.0, 11.0, 10.0)]).unwrap();
    assert_eq!(
        (apart.at(30_000.0), apart.at(59_000.0).unwrap().lat),
        (None, 11.0)
    );
    let mut record = json!({"video_ts_ms": 500.0, "lat": 1.5})
        .as_object()
        .unwrap()
        .clone();
    route.fill(&mut record);
    assert_eq!(
        (&record["lat"], record.get("gps_speed_mps")),
        (&json!(1.5), None)
    );
    assert!(near(record["lon"].as_f64().unwrap(), 179.998));
    assert_eq!(Route::new(Vec::new()), None);
}
