//! The stage that writes rows.

use super::chain;
use crate::{
    category::{Category, Class},
    store::{Address, Options, Store, StoreError},
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
        let options = Options {
            outbox: Some(setup.work_dir.join(OUTBOX)),
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
        let done = self.0.write(table, records).map_err(failure)?;
        Ok(Output::FinalWrite {
            written: done.written,
            refused: done.refused,
        })
    }
}
