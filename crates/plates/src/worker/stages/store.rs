//! The stage that writes rows.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::chain;
use crate::{
    category::{Category, Class},
    store::{Address, Options, Store, StoreError, privacy::Privacy},
    task::{Failure, Output, Payload, Task},
    worker::{Frames, LoadError, Setup, Stage, StageKind},
};

/// Where rows wait while the database is away.
const OUTBOX: &str = "outbox";

pub(super) struct FinalWrite;

struct Writer(Store);

impl StageKind for FinalWrite {
    fn name(&self) -> &'static str {
        Category::FinalWrite.name()
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let address = Address::parsed(&setup.database)
            .map_err(|error| LoadError::permanent(chain(&error)))?;
        let privacy = Privacy::of(setup.plate_key.as_deref(), setup.plate_list.as_deref());
        let options = Options {
            outbox: Some(setup.work_dir.join(OUTBOX)),
            privacy: privacy.map_err(|error| LoadError::permanent(chain(&error)))?,
            ..Options::new(address)
        };
        let store = Store::open(options).map_err(|error| LoadError {
            reason: chain(&error),
            is_permanent: !error.is_transient(),
        })?;
        Ok(Box::new(Writer(store)))
    }
}

impl Stage for Writer {
    fn process(&mut self, tasks: &[Task], _: &mut Frames) -> Vec<Result<Output, Failure>> {
        tasks.iter().map(|task| self.write(task)).collect()
    }
}

/// Says when a video was finished, as far as it is: that is now.
fn finish(video: &mut Map<String, Value>) {
    let status = video.get("status").and_then(Value::as_str);
    if status.is_some_and(|it| it != "running") {
        let now = || Timestamp::now().to_string().into();
        video.entry("finished").or_insert_with(now);
    }
}

impl Writer {
    fn write(&self, task: &Task) -> Result<Output, Failure> {
        let Payload::FinalWrite { table, records } = &task.payload else {
            return Err(Failure {
                reason: "a payload that `final_write` does not take".into(),
                is_transient: false,
            });
        };
        let failure = |error: StoreError| Failure {
            reason: chain(&error),
            is_transient: error.is_transient(),
        };
        let mut records = Cow::from(records);
        if table == "videos" {
            records.to_mut().iter_mut().for_each(finish);
        }
        let done = self.0.write(table, &records).map_err(failure)?;
        Ok(Output::FinalWrite {
            written: done.written,
            refused: done.refused,
        })
    }
}
