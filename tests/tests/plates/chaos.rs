//! Kills at random: the records are those of a run that nobody disturbed.
//!
//! A task that was in the hands of two dead workers counts as their poison, so that the next victim is chosen when a worker has done
//! what was in its hands.

use std::{collections::BTreeMap, fs, path::Path};

use framerill_plates::store::{Address, Options, Record, Store};
use framerill_tests::{dice::Dice, process, skip, wait_until};
use serde_json::Value;

use crate::{
    postgres::Server,
    scene::{Ended, Running, SOON, Scene, comparable, ended, everything},
};

const TABLES: [&str; 3] = ["vehicles", "tracks", "track_motion"];
/// More than there is of one class at a time, in queues and in hands.
const TASKS_BETWEEN: u64 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Scheduler,
    GpuWorker,
    CpuWorker,
    Reader,
    Database,
    Orchestrator,
}

impl Victim {
    /// The others are hit more often: each of them is one of several.
    const ALL: [Self; 9] = [
        Self::Scheduler,
        Self::GpuWorker,
        Self::GpuWorker,
        Self::CpuWorker,
        Self::CpuWorker,
        Self::Reader,
        Self::Reader,
        Self::Database,
        Self::Orchestrator,
    ];

    /// A word of its command line.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Scheduler => Some("plates-scheduler"),
            Self::GpuWorker => Some("gpu"),
            Self::CpuWorker => Some("cpu"),
            Self::Reader => Some("framerill-media"),
            Self::Database | Self::Orchestrator => None,
        }
    }
}

/// A run that is begun again when it was killed.
struct Run<'a> {
    scene: &'a Scene,
    material: &'a Path,
    url: String,
    running: Running,
    begun: u32,
}

impl<'a> Run<'a> {
    fn begin(scene: &'a Scene, material: &'a Path, url: String) -> Self {
        let running = start(scene, material, &url, 0);
        Self {
            scene,
            material,
            url,
            running,
            begun: 1,
        }
    }

    fn again(&mut self) {
        process::kill_9(self.running.pid()).expect("it is not over");
        self.running.child.wait().expect("it is ours");
        self.running = start(self.scene, self.material, &self.url, self.begun);
        self.begun += 1;
    }

    /// Tasks that workers have done since the run was begun for the last time; none before it says so.
    fn done(&self) -> Option<u64> {
        let text = fs::read(self.scene.path(&status(self.begun - 1))).ok()?;
        let snapshot: Value = serde_json::from_slice(&text).ok()?;
        let workers = snapshot["workers"].as_array()?;
        workers.iter().map(|it| it["done"].as_u64()).sum()
    }

    fn is_over(&mut self) -> bool {
        let status = self.running.child.try_wait();
        status.expect("it is ours").is_some()
    }

    /// Waits until so many tasks more are done; false when the run is over before.
    fn goes_on(&mut self, tasks: u64) -> bool {
        let before = self.done().unwrap_or(0);
        let went = wait_until(4 * SOON, || {
            self.done().is_some_and(|it| it >= before + tasks) || self.is_over()
        });
        assert!(went, "nothing is done any more: {}", self.running.said());
        !self.is_over()
    }
}

fn status(begun: u32) -> String {
    format!("status-{begun}.json")
}

fn start(scene: &Scene, material: &Path, url: &str, begun: u32) -> Running {
    let status = scene.path(&status(begun));
    let status = status.to_str().expect("text");
    // Every frame is looked at, so that there is work for fifty kills.
    let more = ["--db", url, "--every", "1", "--status-json", status];
    scene.begin(material, &more)
}

fn with_clips(material: &Path, clips: &[&str]) -> Scene {
    let scene = Scene::new();
    for clip in clips {
        scene.clip(material, clip, clip);
    }
    scene
}

/// Its rows, as they are compared.
fn rows(url: &str) -> BTreeMap<&'static str, Vec<Record>> {
    let address = Address::parsed(url).expect("a URL");
    let store = Store::open(Options::new(address)).expect("a database");
    let page = |table| comparable(store.page(table, 0, 1_000_000).expect("rows"));
    TABLES.map(|table| (table, page(table))).into()
}

#[test]
fn ten_kills_at_random_change_no_record() {
    kills_at_random_change_no_record(10, &["pair.mp4", "approach_b.mp4"]);
}

#[test]
#[ignore = "minutes: make soak"]
fn fifty_kills_at_random_change_no_record() {
    let clips = [
        "approach_a.mp4",
        "approach_b.mp4",
        "pair.mp4",
        "toll_vn.mp4",
    ];
    kills_at_random_change_no_record(50, &clips);
}

fn kills_at_random_change_no_record(kills: usize, clips: &[&str]) {
    let Some(material) = everything() else { return };
    let (Some(calm), Some(mut server)) = (Server::start(), Server::start()) else {
        return skip("no PostgreSQL");
    };
    let undisturbed = with_clips(&material, clips);
    let ended_well = |it: Ended| assert_eq!(it.code, Some(0), "{}", it.stderr);
    ended_well(ended(start(&undisturbed, &material, &calm.url(), 0)));
    let expected = rows(&calm.url());
    assert!(!expected["vehicles"].is_empty());

    let mut dice = Dice::of_this_run();
    let scene = with_clips(&material, clips);
    let mut run = Run::begin(&scene, &material, server.url());
    let mut killed = BTreeMap::new();
    for _ in 0..kills {
        let tasks = TASKS_BETWEEN + dice.throw(20);
        let goes_on = run.goes_on(tasks);
        assert!(goes_on, "over after {killed:?}: {}", run.running.said());
        let mut is_hit = |victim: &Victim| match victim {
            Victim::Orchestrator => {
                run.again();
                true
            }
            Victim::Database => {
                server.down();
                server.up();
                true
            }
            _ => {
                let word = victim.word().expect("a process of the run");
                let there = process::descendants_called(run.running.pid(), word);
                there
                    .first()
                    .is_some_and(|it| process::kill_9(it.pid).is_ok())
            }
        };
        // The last reader may have ended: another one is hit then.
        let mut victims = dice.shuffled(&Victim::ALL).into_iter();
        let victim = victims.find(&mut is_hit).expect("one is always there");
        *killed.entry(victim).or_insert(0) += 1;
    }
    ended_well(ended(run.running));
    assert_eq!(killed.values().sum::<usize>(), kills, "{killed:?}");
    let records = rows(&server.url());
    for table in TABLES {
        assert_eq!(records[table], expected[table], "{table}");
    }
}
