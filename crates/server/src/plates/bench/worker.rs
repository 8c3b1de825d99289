//! A worker process with the bench at the other end of its work link: pictures in, plates out.

use std::{
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use framerill_plates::{
    category::{Category, Class},
    link::{FromWorker, ToWorker, WorkLink},
    task::{FrameSlot, Output, Payload, Task, TaskId},
    worker::{STILL, Setup},
};
use framerill_worker::{
    Channel,
    message::{FromChild, ToChild},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::score::Found;
use crate::{
    bench::{broken, usage, wait_for},
    failure::Failure,
    plates::album::Album,
    program,
};

/// A start on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// A worker that has its models loaded.
pub(super) struct Worker {
    child: Child,
    control: Arc<Channel>,
    link: WorkLink,
    pools: u32,
    /// CPU time until it was ready for work.
    pub(super) loading: Duration,
}

/// What came of a picture.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    plates: Vec<SeenPlate>,
    /// With a measurement: CPU time of the picture, and of the same inferences by themselves.
    #[serde(default)]
    pub(super) stage_ns: u64,
    #[serde(default)]
    pub(super) bare_ns: u64,
    #[serde(default)]
    pub(super) inferences: u64,
}

#[derive(Debug, Deserialize)]
struct SeenPlate {
    plate: framerill_plates::detection::Plate,
    reading: framerill_plates::detection::Reading,
}

impl Seen {
    pub(super) fn found(&self) -> Vec<Found> {
        let of = |it: &SeenPlate| Found {
            bbox: it.plate.bbox,
            text: it.reading.text.clone(),
        };
        self.plates.iter().map(of).collect()
    }
}

impl Worker {
    /// Starts one and waits until its models are loaded.
    pub(super) fn start(models: &Path) -> Result<Self, Failure> {
        let (ours, theirs) = Channel::pair().map_err(broken)?;
        let child = Command::new(program::this()?)
            .args(["plates-worker", "gpu", "0"])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(broken)?;
        let control = Arc::new(Channel::new(ours));
        let setup = Setup {
            class: Class::Gpu,
            load_first: vec![STILL.to_owned()],
            batch: 1,
            memory: 4 << 30,
            models: Some(models.to_owned()),
            choice: framerill_plates::models::Choice::default(),
            database: String::new(),
            plate_key: None,
            plate_list: None,
            work_dir: std::env::temp_dir(),
            stages: Map::new(),
        };
        let Ok(Value::Object(params)) = serde_json::to_value(setup) else {
            return Err(broken("a set-up is a map"));
        };
        let load = ToChild::Load {
            id: 1,
            pipeline: None,
            params,
            base: None,
            media: None,
            fds: 0,
        };
        control.send(&load, &[], WITHIN).map_err(broken)?;
        wait_for(&control, WITHIN, |it| matches!(it, FromChild::Ready { .. }))?;
        let (near, far): (UnixStream, UnixStream) = WorkLink::pair().map_err(broken)?;
        let attach = ToChild::attach(2, "bench", 1, 1);
        control
            .send(&attach, &[far.as_fd()], WITHIN)
            .map_err(broken)?;
        drop(far);
        wait_for(&control, WITHIN, |it| {
            matches!(it, FromChild::Attached { .. })
        })?;
        let said = listen(&control);
        let link = WorkLink::new(near);
        if let Err(error) = takes(&link) {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            return Err(said.clone().map_or(error, broken));
        }
        let loading = usage::cpu(child.id());
        Ok(Self {
            child,
            control,
            link,
            pools: 0,
            loading,
        })
    }

    /// Reads the pictures of an album one after the other; none where one could not be decoded.
    pub(super) fn read(
        &mut self,
        album: &Album,
        measure: bool,
    ) -> Result<Vec<Option<Seen>>, Failure> {
        self.pools += 1;
        let pool = self.pools;
        self.link
            .lend(pool, album.geometry, album.memory.as_fd())
            .map_err(broken)?;
        let mut seen = Vec::with_capacity(album.pictures.len());
        for (slot, picture) in (0..).zip(&album.pictures) {
            if picture.error.is_some() {
                seen.push(None);
                continue;
            }
            let frame = FrameSlot {
                pool,
                slot,
                width: picture.width,
                height: picture.height,
            };
            seen.push(Some(self.one(frame, measure)?));
        }
        self.link
            .tell(&ToWorker::PoolGone { pool })
            .map_err(broken)?;
        Ok(seen)
    }

    fn one(&mut self, frame: FrameSlot, measure: bool) -> Result<Seen, Failure> {
        let task = Task {
            id: TaskId(1),
            // A stage that is no category's goes by its own name.
            category: Category::Ocr,
            priority: 0,
            video_id: format!("bench-{}", frame.pool),
            frame_idx: Some(frame.slot.into()),
            track_id: None,
            frame: Some(frame),
            attempt: 0,
            payload: Payload::Custom {
                name: STILL.to_owned(),
                input: json!({"measure": measure}),
            },
            meta: Map::new(),
        };
        let tasks = ToWorker::Tasks {
            lease: 1,
            category: task.category,
            tasks: vec![task],
        };
        self.link.tell(&tasks).map_err(broken)?;
        let done = takes(&self.link)?;
        let outcome = done.into_iter().flat_map(|it| it.outcomes).next();
        match outcome.map(|it| it.result) {
            Some(Ok(Output::Custom { output })) => serde_json::from_value(output).map_err(broken),
            Some(Err(failure)) => Err(broken(failure.reason)),
            _ => Err(broken("the worker said nothing of a picture")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.link.shutdown();
        // One that was asked to leave and lost its parent leaves.
        drop(self.control.send(&ToChild::Bye, &[], WITHIN));
        self.control.shutdown();
        drop(self.child.wait());
    }
}

/// Until it asks for work; what it says of the work before.
fn takes(link: &WorkLink) -> Result<Option<framerill_plates::link::Done>, Failure> {
    loop {
        match link.hear().map_err(broken)? {
            FromWorker::Take { done, .. } => return Ok(done),
            FromWorker::LoadFailed { reason, .. } => return Err(broken(reason)),
            FromWorker::Loading { .. } | FromWorker::Loaded { .. } => {}
        }
    }
}

/// Takes in what the worker says of itself from now on, so that it is never kept from saying it; keeps the last error.
fn listen(control: &Arc<Channel>) -> Arc<Mutex<Option<String>>> {
    let last = Arc::new(Mutex::new(None));
    let (control, kept) = (Arc::clone(control), Arc::clone(&last));
    thread::spawn(move || {
        while let Ok((message, _)) = control.recv::<FromChild>(None) {
            if let FromChild::Error(report) = message {
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.message);
            }
        }
    });
    last
}
