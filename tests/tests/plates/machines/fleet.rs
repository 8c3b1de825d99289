//! A queue, videos and workers.

use std::{collections::BTreeMap, fs, path::PathBuf};

use framerill_plates::store::{Address, Options, Record, Store};
use framerill_tests::{ffmpeg_is_here, repository, skip};

use super::{TABLES, nats::Nats};
use crate::scene::{Running, Scene, has_onnxruntime};

/// A folder with videos, and a queue of its own.
pub(super) struct Fleet {
    pub(super) scene: Scene,
    pub(super) nats: Nats,
}

impl Fleet {
    /// None, loudly, where something is not installed.
    pub(super) fn start() -> Option<Self> {
        if !has_onnxruntime() {
            skip("no ONNX Runtime; ORT_DYLIB_PATH names it");
            return None;
        }
        if !ffmpeg_is_here() {
            skip("no ffmpeg");
            return None;
        }
        let nats = Nats::start()?;
        Some(Self {
            scene: Scene::new(),
            nats,
        })
    }

    /// Adds a video in which a car with that plate drives through.
    pub(super) fn clip(&self, name: &str, plate: &str, frames: u32) {
        let into = format!("in/{name}.mp4");
        self.scene.draw(plate, frames, &into);
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.scene.path(name).display().to_string()
    }

    fn models() -> String {
        let folder = repository().join("crates/plates/tests/models");
        folder.display().to_string()
    }

    /// The rows of a run on one machine.
    pub(super) fn single_run(&self) -> BTreeMap<&'static str, Vec<Record>> {
        let models = Self::models();
        let mut args = vec!["run", "in", "--work-dir", "work", "--models", &models];
        args.extend(["--num-gpu-workers", "1", "--num-cpu-workers", "1"]);
        let done = self.scene.plates(&args);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let rows = TABLES.map(|table| (table, self.scene.rows(table)));
        assert!(rows.iter().all(|it| !it.1.is_empty()), "{rows:?}");
        rows.into()
    }

    pub(super) fn submit(&self, database: &str, more: &[&str]) -> Running {
        let (models, queue) = (Self::models(), self.nats.url());
        let mut args = vec!["run", "in", "--json", "--queue", &queue, "--db", database];
        args.extend(["--models", &models]);
        args.extend(more);
        self.scene.start(&args)
    }

    /// A worker with a folder of its own.
    pub(super) fn work(&self, name: &str, database: &str, more: &[&str]) -> Running {
        let (models, queue) = (Self::models(), self.nats.url());
        let folder = format!("work-{name}");
        let mut args = vec!["work", "--json", "--queue", &queue, "--db", database];
        args.extend(["--models", &models, "--work-dir", &folder]);
        args.extend(["--num-gpu-workers", "1", "--num-cpu-workers", "1"]);
        args.extend(["--ack-wait", "4"]);
        args.extend(more);
        self.scene.start(&args)
    }

    pub(super) fn rows(&self, database: &str, table: &str) -> Vec<Record> {
        let address = Address::parsed(database).expect("an address");
        let store = Store::open(Options::new(address)).expect("a database");
        crate::scene::comparable(store.page(table, 0, 100_000).expect("rows"))
    }
}

/// `nats-server` of the development environment, or of the system.
pub(super) fn program() -> Option<PathBuf> {
    let own = repository().join(".venv/bin/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|it| it.join("nats-server"));
    let mut all = [own].into_iter().chain(others);
    all.find(|it| fs::metadata(it).is_ok_and(|it| it.is_file()))
}
