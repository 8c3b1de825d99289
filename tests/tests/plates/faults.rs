//! Kills and signals: records come out the same, and nothing is left.

use std::time::Duration;

use framerill_tests::{process, wait_until};
use rustix::process::Signal;

use crate::scene::{SOON, Scene, ended, everything};

const CLIP: &str = "pair.mp4";

fn undisturbed(material: &std::path::Path) -> Scene {
    let scene = Scene::new();
    scene.clip(material, CLIP, CLIP);
    let ended = scene.run(material, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    scene
}

#[test]
fn a_killed_worker_reader_and_scheduler_change_no_record() {
    let Some(material) = everything() else { return };
    let expected = undisturbed(&material);
    let scene = Scene::new();
    scene.clip(&material, CLIP, CLIP);
    let running = scene.begin(&material, &[]);
    running.says(" reads ");
    for victim in ["plates-scheduler", "gpu", "framerill-media", "cpu", "gpu"] {
        let pid = running.child_called(victim);
        // It may have ended by itself by now.
        drop(process::kill_9(pid));
        assert!(wait_until(SOON, || !process::is_running(pid)));
    }
    let ended = ended(running);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for table in ["vehicles", "tracks", "track_motion"] {
        assert_eq!(scene.rows(table), expected.rows(table), "{table}");
    }
}

#[test]
fn a_killed_run_leaves_no_process_and_goes_on_when_it_is_started_again() {
    let Some(material) = everything() else { return };
    let expected = undisturbed(&material);
    let scene = Scene::new();
    scene.clip(&material, CLIP, CLIP);
    let mut running = scene.begin(&material, &[]);
    running.says(" reads ");
    let children = process::descendants(running.pid());
    assert!(children.len() >= 3, "{children:?}");
    process::kill_9(running.pid()).expect("it runs");
    running.child.wait().expect("it is ours");
    let is_gone = || children.iter().all(|it| !process::is_running(it.pid));
    assert!(wait_until(Duration::from_secs(1), is_gone), "{children:?}");
    let ended = scene.run(&material, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for table in ["vehicles", "tracks", "track_motion"] {
        assert_eq!(scene.rows(table), expected.rows(table), "{table}");
    }
}

#[test]
fn an_interrupt_ends_the_run_in_order_and_the_next_one_completes_it() {
    let Some(material) = everything() else { return };
    let expected = undisturbed(&material);
    let scene = Scene::new();
    scene.clip(&material, CLIP, CLIP);
    let running = scene.begin(&material, &[]);
    running.says(" reads ");
    let second = scene.run(&material, &[]);
    assert_eq!(second.code, Some(3), "{}", second.stderr);
    assert!(second.stderr.contains("--work-dir"), "{}", second.stderr);
    let children = process::descendants(running.pid());
    running.signal(Signal::INT);
    let ended = ended(running);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Shutdown complete"),
        "{}",
        ended.stderr
    );
    assert!(
        children.iter().all(|it| !process::is_running(it.pid)),
        "{children:?}"
    );
    let resumed = scene.run(&material, &[]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    for table in ["vehicles", "tracks", "track_motion"] {
        assert_eq!(scene.rows(table), expected.rows(table), "{table}");
    }
}

#[test]
fn a_signal_before_the_first_worker_is_ready_ends_the_run_in_order_and_leaves_nothing() {
    let Some(material) = everything() else { return };
    let cases = [
        ("run.lock", Signal::TERM, 143),
        ("plates.db", Signal::INT, 130),
        ("plates.db-wal", Signal::TERM, 143),
    ];
    for (sign, signal, code) in cases {
        let scene = Scene::new();
        scene.clip(&material, CLIP, CLIP);
        let mut running = scene.begin(&material, &[]);
        let sign = scene.path("work").join(sign);
        // It is looked for without a pause: it may be there for moments.
        while !sign.exists() {
            let status = running.child.try_wait().expect("it is ours");
            assert!(status.is_none(), "{status:?}: {}", running.said());
        }
        running.signal(signal);
        let children = process::descendants(running.pid());
        let ended = ended(running);
        assert_eq!(ended.code, Some(code), "{sign:?}: {}", ended.stderr);
        assert_eq!(ended.json()["status"], "interrupted");
        assert_eq!(ended.json()["not_begun"], 1, "{}", ended.stdout);
        let said = &ended.stderr;
        assert!(said.contains("Shutdown complete"), "{sign:?}: {said}");
        for gone in ["run.lock", "plates.db-wal", "plates.db-shm"] {
            assert!(!scene.path("work").join(gone).exists(), "{gone}: {said}");
        }
        let is_gone = || children.iter().all(|it| !process::is_running(it.pid));
        assert!(wait_until(SOON, is_gone), "{children:?}");
    }
}

#[test]
fn workers_heed_no_signal_but_the_orchestrators_word() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/short30.mp4", "a.mp4");
    let running = scene.begin(&material, &[]);
    let worker = running.child_called("gpu");
    running.says(" reads ");
    for signal in [Signal::INT, Signal::TERM] {
        let pid = i32::try_from(worker)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a pid"), signal).expect("it runs");
    }
    let ended = ended(running);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("is gone"), "{}", ended.stderr);
}
